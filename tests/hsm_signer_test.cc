// A signer that knows which key it must find, on a real SoftHSM2 that fails on demand; what is signed is judged by
// OpenSSL and GnuTLS.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/der.h"
#include "ca/public_key.h"
#include "hsm/cryptoki.h"
#include "hsm/key.h"
#include "tests/key_copies.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Accept;
using ::hallmark::testing::Fails;
using ::hallmark::testing::Function;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kEcdsa;
using ::hallmark::testing::kImported;
using ::hallmark::testing::MakeKey;
using ::hallmark::testing::Names;
using ::hallmark::testing::OnceUp;
using ::hallmark::testing::OutsideKey;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::SignerTest;
using ::hallmark::testing::SignsAndVerifies;
using ::hallmark::testing::SignStatus;
using ::hallmark::testing::SoftwareSigner;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// --- Names.

TEST(SignatureAlgorithmTest, HasANameThatIsReadBackAndKeyTypesThatItFits) {
  const struct {
    SignatureAlgorithm algorithm;
    const char* name;
    bool is_ec;
  } kCases[] = {
      {SignatureAlgorithm::kEcdsaSha256, "ecdsa-sha256", true},
      {SignatureAlgorithm::kEcdsaSha384, "ecdsa-sha384", true},
      {SignatureAlgorithm::kRsaPkcs1Sha256, "rsa-pkcs1-sha256", false},
      {SignatureAlgorithm::kRsaPkcs1Sha384, "rsa-pkcs1-sha384", false},
      {SignatureAlgorithm::kRsaPssSha256, "rsa-pss-sha256", false},
      {SignatureAlgorithm::kRsaPssSha384, "rsa-pss-sha384", false},
  };
  for (const auto& c : kCases) {
    EXPECT_STREQ(Name(c.algorithm), c.name);
    EXPECT_EQ(ParseSignatureAlgorithm(c.name).value(), c.algorithm);
    for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384}) EXPECT_EQ(Fits(c.algorithm, type), c.is_ec);
    for (const KeyType type : {KeyType::kRsa2048, KeyType::kRsa3072, KeyType::kRsa4096}) {
      EXPECT_EQ(Fits(c.algorithm, type), !c.is_ec);
    }
  }
  for (const char* wrong : {"", "ecdsa", "ECDSA-SHA256", "rsa-pss-sha512", "rsa-pss-sha256 "}) {
    const auto refused = ParseSignatureAlgorithm(wrong);
    EXPECT_THAT(refused, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
    EXPECT_THAT(Message(refused.status()), HasSubstr("rsa-pkcs1-sha384"));
  }
  EXPECT_EQ(DefaultAlgorithm(KeyType::kEcP256), SignatureAlgorithm::kEcdsaSha256);
  EXPECT_EQ(DefaultAlgorithm(KeyType::kEcP384), SignatureAlgorithm::kEcdsaSha384);
  EXPECT_EQ(DefaultAlgorithm(KeyType::kRsa4096), SignatureAlgorithm::kRsaPkcs1Sha256);
}

TEST(KeyExceptionTest, NamesAKeyItsWeaknessesAndAReason) {
  const struct {
    const char* uri;
    std::vector<std::string> attributes;
    const char* reason;
    const char* what;
  } kCases[] = {
      {"pkcs11:token=t", {"not_local"}, "r", "names no key"},
      {"pkcs11:object=o", {"not_local"}, "r", "token"},
      {"pkcs11:token=t;object=o", {}, "r", "no attribute"},
      {"pkcs11:token=t;object=o", {"not_local", "not_loco"}, "r", "\"not_loco\" is not one of not_on_token"},
      {"pkcs11:token=t;object=o", {"not_local"}, "", "no reason"},
  };
  for (const auto& c : kCases) {
    const auto refused = KeyException::Create(c.uri, c.attributes, c.reason);
    EXPECT_THAT(refused, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << c.what;
    EXPECT_THAT(Message(refused.status()), HasSubstr(c.what));
  }
}

KeyAttributes SafeKey() {
  KeyAttributes key;
  key.uri = KeyUri::Parse("pkcs11:token=t;serial=7;object=o;id=%01;type=private").value();
  key.on_token = key.is_private = key.sensitive = key.always_sensitive = key.never_extractable = true;
  key.local = key.sign = true;
  key.extractable = false;
  return key;
}

TEST(KeyExceptionTest, EachWeaknessIsAcceptedByItsNameAndNoOther) {
  const std::vector<std::pair<std::string, bool KeyAttributes::*>> kWeaknesses = {
      {"not_on_token", &KeyAttributes::on_token},   {"not_private", &KeyAttributes::is_private},
      {"not_sensitive", &KeyAttributes::sensitive}, {"not_always_sensitive", &KeyAttributes::always_sensitive},
      {"extractable", &KeyAttributes::extractable}, {"not_never_extractable", &KeyAttributes::never_extractable},
      {"not_local", &KeyAttributes::local},         {"not_sign", &KeyAttributes::sign},
      {"decrypt", &KeyAttributes::decrypt},         {"unwrap", &KeyAttributes::unwrap},
      {"derive", &KeyAttributes::derive},
  };
  for (const auto& [name, attribute] : kWeaknesses) {
    KeyAttributes key = SafeKey();
    key.*attribute = !(key.*attribute);
    const Status unsafe = CheckSafe(key);
    EXPECT_THAT(unsafe, Fails(Code::kFailedPrecondition, reason::kHsmKeyUnsafe));
    EXPECT_THAT(Message(unsafe), HasSubstr("(" + name + ")"));
    for (const auto& [accepted, unused] : kWeaknesses) {
      const std::vector<KeyException> exceptions = {Accept(key.uri, {accepted})};
      EXPECT_EQ(CheckSafe(key, exceptions).ok(), accepted == name) << name << " with " << accepted;
      EXPECT_THAT(AcceptedWeaknesses(key, exceptions), SizeIs(accepted == name ? 1 : 0));
      EXPECT_THAT(CheckSafe(SafeKey(), exceptions), IsOk());
      EXPECT_THAT(AcceptedWeaknesses(SafeKey(), exceptions), IsEmpty());
    }
  }
}

TEST(KeyExceptionTest, CoversTheKeysThatHaveAllThatItNames) {
  const struct {
    const char* uri;
    bool covers;
  } kCases[] = {
      {"pkcs11:token=t;object=o", true},        {"pkcs11:token=t;id=%01", true},
      {"pkcs11:token=t;object=o;id=%01", true}, {"pkcs11:token=t;serial=7;object=o", true},
      {"pkcs11:token=t;object=p", false},       {"pkcs11:token=t;object=o;id=%02", false},
      {"pkcs11:token=u;object=o", false},       {"pkcs11:token=t;serial=8;object=o", false},
  };
  KeyAttributes key = SafeKey();
  key.local = false;
  for (const auto& c : kCases) {
    EXPECT_EQ(CheckSafe(key, {Accept(KeyUri::Parse(c.uri).value(), {"not_local"})}).ok(), c.covers) << c.uri;
  }
}

// --- One signer.

// A certificate (RFC 5280 4.1) for `spki`, issued by the CN "issuer" with `signer`; a self-signed one when they match.
Bytes Certify(const Signer& signer, const std::string& subject, ByteView spki) {
  const auto name = [](const std::string& text) {
    const Bytes value = der::Sequence({der::Oid("2.5.4.3"), der::Tlv(der::kUtf8String, AsBytes(text))});
    return der::Sequence({der::Constructed(der::kSet, {value})});
  };
  constexpr uint8_t kTrue[] = {0xff};
  const auto critical = [&](const char* oid, const Bytes& value) {
    return der::Sequence({der::Oid(oid), der::Tlv(der::kBoolean, kTrue), der::Tlv(der::kOctetString, value)});
  };
  const Bytes ca = critical("2.5.29.19", der::Sequence({der::Tlv(der::kBoolean, kTrue)}));
  const Bytes usage = critical("2.5.29.15", der::NamedBitString(1u << 5));  // keyCertSign
  const Time now = TruncateToSecond(absl::Now());
  const Bytes tbs =
      der::Sequence({der::Constructed(der::ContextConstructed(0), {der::Unsigned(uint64_t{2})}),
                     der::Unsigned(uint64_t{77}), AlgorithmIdentifier(signer.algorithm()), name("issuer"),
                     der::Sequence({der::EncodeTime(now - absl::Hours(1)), der::EncodeTime(now + absl::Hours(1))}),
                     name(subject), spki, der::Constructed(der::ContextConstructed(3), {der::Sequence({ca, usage})})});
  const Bytes signature = signer.Sign(tbs, absl::InfiniteFuture()).value();
  return der::Sequence({tbs, AlgorithmIdentifier(signer.algorithm()), der::BitString(signature)});
}

class AlgorithmTest : public SignerTest, public ::testing::WithParamInterface<SignatureAlgorithm> {
 protected:
  std::unique_ptr<Pkcs11Signer> Generate(KeyType type) const {
    const std::shared_ptr<Token> token = hsm_.MakeToken();
    return OpenSigner(token, GenerateKey(*token, type, "new").value(), {.algorithm = GetParam()}).value();
  }
  void Write(const char* name, ByteView octets) const { ASSERT_THAT(WriteFile(directory_ / name, octets), IsOk()); }
};

TEST_P(AlgorithmTest, OtherToolsVerifyItsSignaturesAndCertificates) {
  const bool is_sha384 = SoftwareSigner::DigestOf(GetParam()) == EVP_sha384();
  const KeyType ec = is_sha384 ? KeyType::kEcP384 : KeyType::kEcP256;
  const std::unique_ptr<Pkcs11Signer> signer = Generate(Fits(GetParam(), ec) ? ec : KeyType::kRsa2048);
  EXPECT_THAT(signer->accepted(), IsEmpty());
  Write("tbs", AsBytes("what is signed"));
  Write("other", AsBytes("what is not"));
  Write("public.pem", AsBytes(PemEncode("PUBLIC KEY", signer->public_key())));
  Write("signature", signer->Sign(AsBytes("what is signed"), absl::InfiniteFuture()).value());
  const auto pkeyutl = [&](const char* tbs) {
    return RunCommand(fmt::format("openssl pkeyutl -verify -pubin -inkey {} -rawin -digest {} -in {} -sigfile {} {}",
                                  File("public.pem"), is_sha384 ? "sha384" : "sha256", File(tbs), File("signature"),
                                  SoftwareSigner::IsPss(GetParam())
                                      ? "-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest"
                                      : ""))
        .output;
  };
  EXPECT_EQ(pkeyutl("tbs"), "Signature Verified Successfully\n");
  EXPECT_THAT(pkeyutl("other"), HasSubstr("Signature Verification Failure"));

  const Bytes subject = Certify(*signer, "subject", key_.spki);
  Bytes forged = subject;
  forged.back() ^= 1;
  Write("issuer.pem", AsBytes(PemEncode("CERTIFICATE", Certify(*signer, "issuer", signer->public_key()))));
  Write("subject.pem", AsBytes(PemEncode("CERTIFICATE", subject)));
  Write("forged.pem", AsBytes(PemEncode("CERTIFICATE", forged)));
  const auto verify = [this](const char* command, const char* certificate) {
    return RunCommand(fmt::format("{} {}", fmt::format(fmt::runtime(command), File("issuer.pem")), File(certificate)));
  };
  constexpr char kOpenSsl[] = "openssl verify -check_ss_sig -CAfile {}";
  constexpr char kGnuTls[] = "certtool --verify --load-ca-certificate {} --infile";
  EXPECT_EQ(verify(kOpenSsl, "issuer.pem").output, File("issuer.pem") + ": OK\n");
  EXPECT_EQ(verify(kOpenSsl, "subject.pem").output, File("subject.pem") + ": OK\n");
  EXPECT_THAT(verify(kOpenSsl, "forged.pem").output, HasSubstr("verification failed"));
  EXPECT_EQ(verify(kGnuTls, "subject.pem").exit_code, 0);
  EXPECT_NE(verify(kGnuTls, "forged.pem").exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(All, AlgorithmTest,
                         ::testing::Values(SignatureAlgorithm::kEcdsaSha256, SignatureAlgorithm::kEcdsaSha384,
                                           SignatureAlgorithm::kRsaPkcs1Sha256, SignatureAlgorithm::kRsaPkcs1Sha384,
                                           SignatureAlgorithm::kRsaPssSha256, SignatureAlgorithm::kRsaPssSha384),
                         [](const auto& info) {
                           std::string name = Name(info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(SignerTest, OpensWhileItsTokenIsAwayAndSignsWhenItIsBack) {
  hsm_.Import(key_.pem, "devices", "0a");
  hsm_.shim().RemoveToken();
  const std::unique_ptr<Pkcs11Signer> signer = Open(hsm_, key_.spki);
  EXPECT_EQ(hsm_.shim().Calls(Function::kGetSlotList), 0u);
  EXPECT_EQ(ToBytes(signer->public_key()), key_.spki);
  const Status away = SignStatus(*signer);
  EXPECT_THAT(away, Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
  EXPECT_TRUE(RetryDelay(away).has_value());
  EXPECT_EQ(signer->Examine().code(), Code::kUnavailable);
  hsm_.shim().ReturnToken();
  EXPECT_THAT(OnceUp([&] { return SignStatus(*signer); }), IsOk());
  EXPECT_TRUE(SignsAndVerifies(*signer));
  EXPECT_EQ(Names(signer->accepted()), kImported);

  hsm_.shim().RemoveToken();  // and a new key cannot be read
  EXPECT_EQ(OpenSigner(hsm_.MakeToken(), hsm_.Uri("devices"), {.algorithm = kEcdsa}).status().code(),
            Code::kUnavailable);
}

TEST_F(SignerTest, RefusesAtOnceWhatCanNeverSign) {
  const OutsideKey p521 = MakeKey(directory_.path(), "p521", "EC -pkeyopt ec_paramgen_curve:P-521");
  const struct {
    std::string uri;
    SignatureAlgorithm algorithm;
    Bytes expected;
    Code code;
    const char* reason;
  } kCases[] = {
      {"pkcs11:token=first", kEcdsa, key_.spki, Code::kInvalidArgument, reason::kConfigurationInvalid},
      {"pkcs11:token=second;object=devices", kEcdsa, key_.spki, Code::kInvalidArgument, reason::kConfigurationInvalid},
      {"pkcs11:token=first;object=devices", SignatureAlgorithm::kRsaPssSha256, key_.spki, Code::kFailedPrecondition,
       reason::kHsmRefused},
      {"pkcs11:token=first;object=devices", kEcdsa, p521.spki, Code::kFailedPrecondition, reason::kKeyUnsupported},
      {"pkcs11:token=first;object=devices", kEcdsa, {1, 2, 3}, Code::kFailedPrecondition, reason::kKeyUnsupported},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(OpenSigner(hsm_.MakeToken(), KeyUri::Parse(c.uri).value(),
                           {.algorithm = c.algorithm, .expected_public_key = c.expected}),
                Fails(c.code, c.reason));
  }
}

TEST_F(SignerTest, CopyNeedsAnExceptionForAllThatItLacks) {
  hsm_.Import(key_.pem, "devices", "0a");
  const KeyUri uri = hsm_.Uri("devices");
  const struct {
    std::vector<KeyException> exceptions;
    bool signs;
  } kCases[] = {
      {{}, false},
      {{Accept(uri, {"not_local", "not_never_extractable"})}, false},
      {{Accept(hsm_.Uri("another"))}, false},
      {{Accept(uri)}, true},
      {{Accept(uri, {"not_local", "extractable"}), Accept(uri, {"not_never_extractable", "not_always_sensitive"})},
       true},
  };
  for (const auto& c : kCases) {
    const uint64_t before = hsm_.Signatures();
    const auto signer = OpenSigner(hsm_.MakeToken(), uri,
                                   {.algorithm = kEcdsa, .expected_public_key = key_.spki, .exceptions = c.exceptions})
                            .value();
    EXPECT_EQ(SignStatus(*signer).ok(), c.signs);
    EXPECT_EQ(hsm_.Signatures() - before, c.signs ? 1u : 0u);
    const auto unexpected = OpenSigner(hsm_.MakeToken(), uri, {.algorithm = kEcdsa, .exceptions = c.exceptions});
    EXPECT_EQ(Reason(unexpected.status()), c.signs ? "" : reason::kHsmKeyUnsafe);
  }
}

TEST_F(SignerTest, NeverSignsWithAnotherKeyUnderTheSameLabelAndId) {
  hsm_.Import(other_key_.pem, "devices", "0a");
  const std::unique_ptr<Pkcs11Signer> signer = Open(hsm_, key_.spki);
  const Status mismatch = SignStatus(*signer);
  EXPECT_THAT(mismatch, Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_THAT(Message(mismatch), HasSubstr(key_.sha256));
  EXPECT_THAT(Message(mismatch), HasSubstr(other_key_.sha256));
  EXPECT_EQ(hsm_.Signatures(), 0u);

  const auto replace = [this](const OutsideKey& key) {
    hsm_.Pkcs11Tool("--delete-object --type privkey --id 0a");
    hsm_.Pkcs11Tool("--delete-object --type pubkey --id 0a");
    hsm_.Import(key.pem, "devices", "0a");
  };
  EXPECT_EQ(SignStatus(*signer), mismatch);
  replace(key_);
  EXPECT_TRUE(SignsAndVerifies(*signer)) << "looks again each time until the key is right";
  replace(other_key_);  // while the signer has the handle of the right one
  EXPECT_THAT(SignStatus(*signer), Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_EQ(hsm_.Signatures(), 1u);
}

TEST_F(SignerTest, TokenInitialisedAnewSignsNothing) {
  hsm_.Import(key_.pem, "devices", "0a");
  const std::unique_ptr<Pkcs11Signer> signer = Open(hsm_, key_.spki);
  EXPECT_TRUE(SignsAndVerifies(*signer));
  hsm_.shim().RemoveToken();
  hsm_.InitializeAnew();
  hsm_.shim().ReturnToken();
  EXPECT_THAT(OnceUp([&] { return SignStatus(*signer); }), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  hsm_.Import(other_key_.pem, "devices", "0a");
  EXPECT_THAT(signer->Examine(), Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_THAT(SignStatus(*signer), Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_EQ(hsm_.Signatures(), 1u);
}

TEST_F(SignerTest, RsaKeyTellsItsPublicKeyItselfAndAnEcKeyNeedsTheObjectBesideIt) {
  const OutsideKey rsa = MakeKey(directory_.path(), "rsa", "RSA -pkeyopt rsa_keygen_bits:2048");
  hsm_.Import(rsa.pem, "rsa", "0b");
  hsm_.Import(key_.pem, "devices", "0a");
  const auto token = hsm_.MakeToken();
  for (const char* id : {"0a", "0b"}) {
    hsm_.Pkcs11Tool(fmt::format("--delete-object --type pubkey --id {}", id));
  }
  EXPECT_EQ(ReadPublicKey(*token, hsm_.Uri("rsa")).value(), rsa.spki);
  EXPECT_THAT(ReadPublicKey(*token, hsm_.Uri("devices")), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  const std::unique_ptr<Pkcs11Signer> signer = Open(hsm_, key_.spki);
  EXPECT_THAT(SignStatus(*signer), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_EQ(hsm_.Signatures(), 0u);
  hsm_.Pkcs11Tool(fmt::format("--write-object {} --type pubkey --id 0a --label devices", File("key.der")));
  EXPECT_THAT(signer->Examine(), IsOk());
  EXPECT_TRUE(SignsAndVerifies(*signer));

  // What lies beside an RSA key proves nothing of it.
  const OutsideKey other = MakeKey(directory_.path(), "other_rsa", "RSA -pkeyopt rsa_keygen_bits:2048");
  hsm_.Pkcs11Tool(fmt::format("--write-object {} --type pubkey --id 0b --label rsa", File("other_rsa.der")));
  EXPECT_EQ(ReadPublicKey(*token, hsm_.Uri("rsa")).value(), rsa.spki);
}

TEST_F(SignerTest, ExaminationFindsAChangedAttributeAndADeletedKey) {
  const auto token = hsm_.MakeToken();
  const KeyUri uri = GenerateKey(*token, KeyType::kEcP256, "devices").value();
  const auto signer = OpenSigner(token, uri, {.algorithm = kEcdsa}).value();
  const auto set_derive = [&](CK_BBOOL value) {
    return token->Run("set CKA_DERIVE", absl::InfiniteFuture(), [&](SessionHandle session) -> StatusOr<ReturnValue> {
      CK_ATTRIBUTE wanted[] = {Attribute(CKA_ID, uri.id)};
      std::vector<CK_OBJECT_HANDLE> found;
      ReturnValue rv = FindObjects(token->module().functions(), session, wanted, found);
      CK_ATTRIBUTE attribute = ValueAttribute(CKA_DERIVE, value);
      for (const CK_OBJECT_HANDLE key : found) {
        if (rv == CKR_OK) rv = token->module().functions().C_SetAttributeValue(session, key, &attribute, 1);
      }
      return rv;
    });
  };
  ASSERT_THAT(set_derive(CK_TRUE), IsOk());
  EXPECT_TRUE(SignsAndVerifies(*signer));  // nobody has looked
  const Status unsafe = signer->Examine();
  EXPECT_THAT(unsafe, Fails(Code::kFailedPrecondition, reason::kHsmKeyUnsafe));
  EXPECT_THAT(Message(unsafe), HasSubstr("CKA_DERIVE is true (derive)"));
  EXPECT_EQ(SignStatus(*signer), unsafe);
  hsm_.shim().Fail(Function::kFindObjectsInit, CKR_DEVICE_ERROR, -1);
  EXPECT_EQ(signer->Examine().code(), Code::kUnavailable);  // which tells nothing of the key
  hsm_.shim().Clear();
  EXPECT_EQ(OnceUp([&] { return SignStatus(*signer); }), unsafe);
  EXPECT_EQ(hsm_.Signatures(), 1u);
  ASSERT_THAT(set_derive(CK_FALSE), IsOk());
  EXPECT_THAT(signer->Examine(), IsOk());
  EXPECT_TRUE(SignsAndVerifies(*signer));
  hsm_.Pkcs11Tool("--delete-object --type privkey --id " + Hex(uri.id));
  EXPECT_THAT(signer->Examine(), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
}

}  // namespace
}  // namespace hallmark
