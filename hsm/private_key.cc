#include "hsm/private_key.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr uint8_t kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};

std::optional<KeyType> EcType(ByteView parameters) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384}) {
    if (Equal(parameters, EcParameters(type))) return type;
  }
  return std::nullopt;
}

std::optional<KeyType> RsaType(Bytes modulus) {
  modulus.erase(modulus.begin(),
                std::find_if(modulus.begin(), modulus.end(), [](uint8_t octet) { return octet != 0; }));
  if (modulus.empty() || modulus[0] < 0x80) return std::nullopt;
  switch (modulus.size() * 8) {
    case 2048: return KeyType::kRsa2048;
    case 3072: return KeyType::kRsa3072;
    case 4096: return KeyType::kRsa4096;
    default: return std::nullopt;
  }
}

ReturnValue ReadType(const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE key,
                     std::optional<KeyType>& type) {
  Bytes octets;
  CK_RV rv = ReadIfPresent(functions, session, key, CKA_KEY_TYPE, octets);
  CK_KEY_TYPE key_type = CK_UNAVAILABLE_INFORMATION;
  if (rv != CKR_OK || octets.size() != sizeof key_type) return rv;
  std::memcpy(&key_type, octets.data(), sizeof key_type);
  if (key_type == CKK_EC) {
    rv = ReadIfPresent(functions, session, key, CKA_EC_PARAMS, octets);
    if (rv == CKR_OK) type = EcType(octets);
  } else if (key_type == CKK_RSA) {
    rv = ReadIfPresent(functions, session, key, CKA_MODULUS, octets);
    if (rv == CKR_OK) type = RsaType(octets);
  }
  return rv;
}

}  // namespace

ReturnValue ReadIfPresent(const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_TYPE type, Bytes& value) {
  const CK_RV rv = ReadAttribute(functions, session, object, type, value);
  if (rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_SENSITIVE) return rv;
  value.clear();
  return CKR_OK;
}

ByteView EcParameters(KeyType type) {
  switch (type) {
    case KeyType::kEcP256: return kP256;
    case KeyType::kEcP384: return kP384;
    default: return {};
  }
}

Status CheckNamesKey(const KeyUri& token, const KeyUri& uri) {
  const auto differs = [](const std::string& a, const std::string& b) { return !a.empty() && !b.empty() && a != b; };
  const char* what = nullptr;
  if (uri.token != token.token || differs(uri.serial, token.serial)) what = "it names another token";
  if (uri.id.empty() && uri.object.empty()) what = "it has neither id= nor object=, so it names no key";
  if (!uri.type.empty() && uri.type != "private") what = "its type is not private";
  if (what == nullptr) return absl::OkStatus();
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("cannot find the key {} on the token \"{}\": {}", uri.ToString(), token.token, what));
}

StatusOr<ReturnValue> FindPrivateKey(const Token& token, SessionHandle session, const KeyUri& uri,
                                     CK_OBJECT_HANDLE& key) {
  RETURN_IF_ERROR(CheckNamesKey(token.uri(), uri));
  const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  const CK_BBOOL on_token = CK_TRUE;
  std::vector<CK_ATTRIBUTE> wanted = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_TOKEN, on_token)};
  if (!uri.id.empty()) wanted.push_back(Attribute(CKA_ID, uri.id));
  if (!uri.object.empty()) wanted.push_back(Attribute(CKA_LABEL, AsBytes(uri.object)));
  std::vector<CK_OBJECT_HANDLE> found;
  // Before and after, since another thread may log in or lose the login meanwhile.
  CK_RV rv = token.CheckLoggedIn(session);
  if (rv == CKR_OK) rv = FindObjects(token.module().functions(), session, wanted, found);
  if (rv == CKR_OK && found.empty()) rv = token.CheckLoggedIn(session);
  if (rv != CKR_OK) return rv;
  if (found.size() == 1) {
    key = found.front();
    return CKR_OK;
  }
  const std::string what = found.empty()
                               ? "there is none; correct the URI or generate the key, p11tool --list-privkeys "
                                 "shows all"
                               : fmt::format("{} keys match; add id= to the URI", found.size());
  return Error(Code::kFailedPrecondition, reason::kHsmKeyNotFound,
               fmt::format("cannot find the private key {}: {}", uri.ToString(), what));
}

ReturnValue ReadKey(const Token& token, SessionHandle session, CK_OBJECT_HANDLE key, KeyAttributes& attributes) {
  const CK_FUNCTION_LIST& functions = token.module().functions();
  attributes = KeyAttributes();
  attributes.uri.token = token.uri().token;
  attributes.uri.serial = token.uri().serial;
  attributes.uri.type = "private";
  Bytes label;
  CK_RV rv = ReadIfPresent(functions, session, key, CKA_ID, attributes.uri.id);
  if (rv == CKR_OK) rv = ReadIfPresent(functions, session, key, CKA_LABEL, label);
  if (rv == CKR_OK) rv = ReadType(functions, session, key, attributes.type);
  attributes.uri.object = ToString(label);
  const struct {
    CK_ATTRIBUTE_TYPE type;
    bool& value;
  } flags[] = {{CKA_TOKEN, attributes.on_token},
               {CKA_PRIVATE, attributes.is_private},
               {CKA_SENSITIVE, attributes.sensitive},
               {CKA_ALWAYS_SENSITIVE, attributes.always_sensitive},
               {CKA_EXTRACTABLE, attributes.extractable},
               {CKA_NEVER_EXTRACTABLE, attributes.never_extractable},
               {CKA_LOCAL, attributes.local},
               {CKA_SIGN, attributes.sign},
               {CKA_DECRYPT, attributes.decrypt},
               {CKA_UNWRAP, attributes.unwrap},
               {CKA_DERIVE, attributes.derive}};
  for (const auto& flag : flags) {
    Bytes octets;
    if (rv == CKR_OK) rv = ReadIfPresent(functions, session, key, flag.type, octets);
    if (rv == CKR_OK && octets.size() == sizeof(CK_BBOOL)) flag.value = octets[0] != CK_FALSE;
  }
  return rv;
}

}  // namespace hallmark
