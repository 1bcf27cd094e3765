#include "hsm/key.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "hsm/private_key.h"

namespace hallmark {
namespace {

struct Pair {
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
};

constexpr CK_BBOOL kTrue = CK_TRUE;
constexpr CK_BBOOL kFalse = CK_FALSE;

CK_ULONG ModulusBits(KeyType type) {
  switch (type) {
    case KeyType::kRsa2048: return 2048;
    case KeyType::kRsa3072: return 3072;
    case KeyType::kRsa4096: return 4096;
    default: return 0;
  }
}

ReturnValue GeneratePair(const CK_FUNCTION_LIST& functions, SessionHandle session, KeyType type, ByteView label,
                         ByteView id, Pair& pair) {
  constexpr uint8_t kPublicExponent[] = {0x01, 0x00, 0x01};
  const CK_ULONG modulus_bits = ModulusBits(type);
  std::vector<CK_ATTRIBUTE> public_template = {ValueAttribute(CKA_TOKEN, kTrue),
                                               ValueAttribute(CKA_PRIVATE, kFalse),
                                               ValueAttribute(CKA_VERIFY, kTrue),
                                               ValueAttribute(CKA_ENCRYPT, kFalse),
                                               ValueAttribute(CKA_WRAP, kFalse),
                                               Attribute(CKA_LABEL, label),
                                               Attribute(CKA_ID, id)};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  if (modulus_bits == 0) {
    public_template.push_back(Attribute(CKA_EC_PARAMS, EcParameters(type)));
  } else {
    mechanism.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
    public_template.push_back(ValueAttribute(CKA_MODULUS_BITS, modulus_bits));
    public_template.push_back(Attribute(CKA_PUBLIC_EXPONENT, kPublicExponent));
  }
  CK_ATTRIBUTE private_template[] = {ValueAttribute(CKA_TOKEN, kTrue),
                                     ValueAttribute(CKA_PRIVATE, kTrue),
                                     ValueAttribute(CKA_SENSITIVE, kTrue),
                                     ValueAttribute(CKA_EXTRACTABLE, kFalse),
                                     ValueAttribute(CKA_SIGN, kTrue),
                                     ValueAttribute(CKA_DECRYPT, kFalse),
                                     ValueAttribute(CKA_UNWRAP, kFalse),
                                     ValueAttribute(CKA_DERIVE, kFalse),
                                     ValueAttribute(CKA_SIGN_RECOVER, kFalse),
                                     Attribute(CKA_LABEL, label),
                                     Attribute(CKA_ID, id)};
  return functions.C_GenerateKeyPair(session, &mechanism, public_template.data(), public_template.size(),
                                     private_template, std::size(private_template), &pair.public_key,
                                     &pair.private_key);
}

// Refuses a label that any key on the token has, public or private.
StatusOr<ReturnValue> CheckLabelFree(const Token& token, SessionHandle session, const std::string& label) {
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), Attribute(CKA_LABEL, AsBytes(label))};
    std::vector<CK_OBJECT_HANDLE> found;
    const CK_RV rv = FindObjects(token.module().functions(), session, wanted, found);
    if (rv != CKR_OK) return rv;
    if (found.empty()) continue;
    return Error(Code::kAlreadyExists, reason::kHsmRefused,
                 fmt::format("cannot generate the key \"{}\" on the token \"{}\": a key with this label exists; choose "
                             "another label",
                             label, token.uri().token));
  }
  return CKR_OK;
}

}  // namespace

std::string KeyTypeName(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return "EC P-256";
    case KeyType::kEcP384: return "EC P-384";
    case KeyType::kRsa2048: return "RSA 2048";
    case KeyType::kRsa3072: return "RSA 3072";
    case KeyType::kRsa4096: return "RSA 4096";
  }
  return "unknown";
}

StatusOr<KeyUri> GenerateKey(Token& token, KeyType type, const std::string& label) {
  if (label.empty()) return FieldError(reason::kRequestInvalid, "label", "a key must have a label");
  constexpr size_t kIdSize = 16;
  ASSIGN_OR_RETURN(const Bytes id, RandomBytes(kIdSize));
  const CK_FUNCTION_LIST& functions = token.module().functions();
  const std::string attempted =
      fmt::format("generate the {} key \"{}\" on the token \"{}\"", KeyTypeName(type), label, token.uri().token);
  KeyUri uri;
  uri.token = token.uri().token;
  uri.object = label;
  uri.id = id;
  uri.type = "private";
  const auto generate = [&](SessionHandle session) -> StatusOr<ReturnValue> {
    ASSIGN_OR_RETURN(ReturnValue rv, CheckLabelFree(token, session, label));
    Pair pair;
    if (rv == CKR_OK) rv = GeneratePair(functions, session, type, AsBytes(label), id, pair);
    if (rv != CKR_OK) return rv;
    KeyAttributes made;
    rv = ReadKey(token, session, pair.private_key, made);
    const Status safe = rv == CKR_OK ? CheckSafe(made) : CkrError(attempted, rv);
    if (safe.ok()) return CKR_OK;
    const CK_RV destroyed_private = functions.C_DestroyObject(session, pair.private_key);
    const CK_RV destroyed_public = functions.C_DestroyObject(session, pair.public_key);
    if (destroyed_private == CKR_OK && destroyed_public == CKR_OK) return safe;
    return Annotate(safe, fmt::format("the key \"{}\" is left on the token \"{}\" and must be destroyed by hand, since "
                                      "destroying it failed ({}, {})",
                                      label, token.uri().token, CkrName(destroyed_private), CkrName(destroyed_public)));
  };
  RETURN_IF_ERROR(token.Run(attempted, absl::InfiniteFuture(), generate));
  return uri;
}

Status DestroyKey(Token& token, const KeyUri& uri) {
  const CK_FUNCTION_LIST& functions = token.module().functions();
  const std::string attempted = "destroy the key " + uri.ToString();
  return token.Run(attempted, absl::InfiniteFuture(), [&](SessionHandle session) -> StatusOr<ReturnValue> {
    CK_OBJECT_HANDLE key = 0;
    ASSIGN_OR_RETURN(ReturnValue rv, FindPrivateKey(token, session, uri, key));
    Bytes id;
    if (rv == CKR_OK) rv = ReadAttribute(functions, session, key, CKA_ID, id);
    // The public key goes first: without it, the private key can still be found by its URI when this is repeated.
    const CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), Attribute(CKA_ID, id)};
    std::vector<CK_OBJECT_HANDLE> public_keys;
    if (rv == CKR_OK && !id.empty()) rv = FindObjects(functions, session, wanted, public_keys);
    for (const CK_OBJECT_HANDLE public_key : public_keys) {
      if (rv == CKR_OK) rv = functions.C_DestroyObject(session, public_key);
    }
    if (rv == CKR_OK) rv = functions.C_DestroyObject(session, key);
    return rv;
  });
}

StatusOr<KeyAttributes> ReadKeyAttributes(Token& token, const KeyUri& uri) {
  KeyAttributes attributes;
  RETURN_IF_ERROR(token.Run("read the attributes of the key " + uri.ToString(), absl::InfiniteFuture(),
                            [&](SessionHandle session) -> StatusOr<ReturnValue> {
                              CK_OBJECT_HANDLE key = 0;
                              ASSIGN_OR_RETURN(const ReturnValue rv, FindPrivateKey(token, session, uri, key));
                              return rv == CKR_OK ? ReadKey(token, session, key, attributes) : rv;
                            }));
  return attributes;
}

StatusOr<std::vector<KeyAttributes>> ListKeys(Token& token) {
  const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_TOKEN, kTrue)};
  std::vector<KeyAttributes> keys;
  RETURN_IF_ERROR(token.Run(fmt::format("list the keys of the token \"{}\"", token.uri().token), absl::InfiniteFuture(),
                            [&](SessionHandle session) -> StatusOr<ReturnValue> {
                              std::vector<CK_OBJECT_HANDLE> found;
                              ReturnValue rv = token.CheckLoggedIn(session);
                              if (rv == CKR_OK) rv = FindObjects(token.module().functions(), session, wanted, found);
                              keys.assign(found.size(), KeyAttributes());
                              for (size_t i = 0; rv == CKR_OK && i < found.size(); ++i) {
                                rv = ReadKey(token, session, found[i], keys[i]);
                              }
                              return rv;
                            }));
  return keys;
}

}  // namespace hallmark
