// Reading CSRs from outside: everything that a factory's programs send, and what nobody should.
#include "ca/csr.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "base/reason.h"
#include "tests/command.h"
#include "tests/csr_builder.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::AnyExtension;
using testing::CsrBuilder;
using testing::Fails;
using testing::IsOk;
using testing::RequestExtensions;
using testing::RunCommand;
using testing::SoftwareSigner;
using testing::TemporaryDirectory;

const SoftwareSigner& Key() {
  static const auto& key = *new SoftwareSigner(SignatureAlgorithm::kEcdsaSha256);
  return key;
}

Bytes With(const std::function<void(CsrBuilder&)>& change) {
  CsrBuilder csr(Key());
  change(csr);
  return csr.Build();
}

Bytes RsaSpki(ByteView modulus, uint64_t exponent) {
  return der::Sequence({der::Sequence({der::Oid("1.2.840.113549.1.1.1"), der::Tlv(der::kNull, {})}),
                        der::BitString(der::Sequence({der::Unsigned(modulus), der::Unsigned(exponent)}))});
}
Bytes OddModulus(size_t octets) {
  Bytes modulus = RandomBytes(octets).value();
  modulus.front() |= 0x80;
  modulus.back() |= 0x01;
  return modulus;
}
Bytes EcSpki(const char* curve, ByteView point) {
  return der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Oid(curve)}), der::BitString(point)});
}
constexpr char kP256[] = "1.2.840.10045.3.1.7";

Bytes PointOffTheCurve() {
  Bytes point(65, 0x11);
  point[0] = 0x04;
  return point;
}
Bytes CompressedPoint() {
  const PublicKey key = PublicKey::FromSpki(Key().public_key()).value();
  Bytes point(key.key_octets().begin(), key.key_octets().begin() + 33);
  point[0] = 0x02;
  return point;
}

struct Case {
  const char* name;
  Bytes csr;
  const char* reason;
};

std::vector<Case> BadRequests() {
  const Bytes good = CsrBuilder(Key()).Build();
  const std::string pem = PemEncode("CERTIFICATE REQUEST", good);
  const auto text = [](const std::string& value) { return ToBytes(AsBytes(value)); };
  const auto flipped = [&](size_t from_end) {
    Bytes copy = good;
    copy[copy.size() - from_end] ^= 0x01;
    return copy;
  };
  const auto name = [](uint8_t tag, const std::string& value) {
    return der::Sequence(
        {der::Constructed(der::kSet, {der::Sequence({der::Oid("2.5.4.3"), der::Tlv(tag, AsBytes(value))})})});
  };
  const Bytes attribute = der::Sequence({der::Oid("2.5.4.3"), der::Tlv(der::kUtf8String, AsBytes("x"))});
  const Bytes basic = BasicConstraints(false, std::nullopt);
  Bytes many;
  for (int i = 0; i < 17; ++i) Append(many, der::Tlv(der::kSet, attribute));
  Bytes long_form = good;
  long_form.insert(long_form.begin() + 1, 0x83);
  long_form.insert(long_form.begin() + 2, 0x00);
  Bytes indefinite = {0x30, 0x80};
  Append(indefinite, ByteView(good).subspan(4));
  indefinite.insert(indefinite.end(), {0x00, 0x00});
  Bytes trailing = good;
  trailing.push_back(0x00);
  return {
      {"empty", {}, reason::kCsrMalformed},
      {"one octet", {0x30}, reason::kCsrMalformed},
      {"1 MiB", Bytes(1 << 20, 0x30), reason::kCsrTooLarge},
      {"one octet over the limit", Bytes(kCsrLimit + 1, 0x30), reason::kCsrTooLarge},
      {"not DER", text("hello"), reason::kCsrMalformed},
      {"PEM with rubbish before", text("rubbish\n" + pem), reason::kCsrMalformed},
      {"PEM with rubbish after", text(pem + "rubbish"), reason::kCsrMalformed},
      {"two PEM blocks", text(pem + pem), reason::kCsrMalformed},
      {"a certificate's PEM label", text(PemEncode("CERTIFICATE", good)), reason::kCsrMalformed},
      {"a PEM inside DER", text("0" + pem), reason::kCsrMalformed},
      {"cut off", Bytes(good.begin(), good.end() - 1), reason::kCsrMalformed},
      {"an octet too many", trailing, reason::kCsrMalformed},
      {"a length not in its shortest form", long_form, reason::kCsrMalformed},
      {"an indefinite length", indefinite, reason::kCsrMalformed},
      {"a wrong signature", flipped(1), reason::kCsrSignatureInvalid},
      {"changed after signing",
       [&] {
         Bytes c = good;
         *std::search(c.begin(), c.end(), AsBytes("device-1").begin(), AsBytes("device-1").end()) = 'D';
         return c;
       }(),
       reason::kCsrSignatureInvalid},
      {"another key's signature",
       With([](CsrBuilder& c) { c.spki = ToBytes(SoftwareSigner(SignatureAlgorithm::kEcdsaSha256).public_key()); }),
       reason::kCsrSignatureInvalid},
      {"an RSA signature algorithm with an EC key",
       With([](CsrBuilder& c) { c.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kRsaPkcs1Sha256)); }),
       reason::kCsrSignatureInvalid},
      {"SHA-1", With([](CsrBuilder& c) { c.algorithm = der::Sequence({der::Oid("1.2.840.10045.4.1")}); }),
       reason::kCsrAlgorithmUnsupported},
      {"ECDSA with NULL parameters", With([](CsrBuilder& c) {
         c.algorithm = der::Sequence({der::Oid("1.2.840.10045.4.3.2"), der::Tlv(der::kNull, {})});
       }),
       reason::kCsrAlgorithmUnsupported},
      {"MD5 with RSA", With([](CsrBuilder& c) {
         c.algorithm = der::Sequence({der::Oid("1.2.840.113549.1.1.4"), der::Tlv(der::kNull, {})});
       }),
       reason::kCsrAlgorithmUnsupported},
      {"version 1", With([](CsrBuilder& c) { c.version = der::Unsigned(uint64_t{1}); }), reason::kCsrMalformed},
      {"version in two octets", With([](CsrBuilder& c) {
         c.version = {0x02, 0x02, 0x00, 0x00};
       }),
       reason::kCsrMalformed},
      {"RSA 1024", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(128), 65537); }), reason::kKeyWeak},
      {"RSA 2040", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(255), 65537); }), reason::kKeyWeak},
      {"RSA 8192", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(1024), 65537); }), reason::kKeyWeak},
      {"RSA exponent 1", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(256), 1); }), reason::kKeyWeak},
      {"RSA exponent 3", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(256), 3); }), reason::kKeyWeak},
      {"RSA exponent 65536", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(256), 65536); }), reason::kKeyWeak},
      {"RSA exponent of 64 bits", With([](CsrBuilder& c) { c.spki = RsaSpki(OddModulus(256), 0xffffffffffffffff); }),
       reason::kKeyWeak},
      {"RSA with an even modulus", With([](CsrBuilder& c) {
         Bytes m = OddModulus(256);
         m.back() &= 0xfe;
         c.spki = RsaSpki(m, 65537);
       }),
       reason::kKeyWeak},
      {"a negative RSA modulus", With([](CsrBuilder& c) {
         Bytes m = OddModulus(256);
         c.spki = der::Sequence(
             {der::Sequence({der::Oid("1.2.840.113549.1.1.1"), der::Tlv(der::kNull, {})}),
              der::BitString(der::Sequence({der::Tlv(der::kInteger, m), der::Unsigned(uint64_t{65537})}))});
       }),
       reason::kKeyUnsupported},
      {"RSA without NULL parameters", With([](CsrBuilder& c) {
         c.spki = der::Sequence(
             {der::Sequence({der::Oid("1.2.840.113549.1.1.1")}),
              der::BitString(der::Sequence({der::Unsigned(OddModulus(256)), der::Unsigned(uint64_t{65537})}))});
       }),
       reason::kKeyUnsupported},
      {"P-224", With([](CsrBuilder& c) { c.spki = EcSpki("1.3.132.0.33", Bytes(57, 0x04)); }), reason::kKeyUnsupported},
      {"P-521", With([](CsrBuilder& c) { c.spki = EcSpki("1.3.132.0.35", Bytes(133, 0x04)); }),
       reason::kKeyUnsupported},
      {"secp256k1", With([](CsrBuilder& c) { c.spki = EcSpki("1.3.132.0.10", PointOffTheCurve()); }),
       reason::kKeyUnsupported},
      {"explicit EC parameters", With([](CsrBuilder& c) {
         c.spki =
             der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Sequence({der::Unsigned(uint64_t{1})})}),
                            der::BitString(PointOffTheCurve())});
       }),
       reason::kKeyUnsupported},
      {"no EC parameters", With([](CsrBuilder& c) {
         c.spki = der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1")}), der::BitString(PointOffTheCurve())});
       }),
       reason::kKeyUnsupported},
      {"a point off the curve", With([](CsrBuilder& c) { c.spki = EcSpki(kP256, PointOffTheCurve()); }),
       reason::kKeyWeak},
      {"the point at infinity", With([](CsrBuilder& c) { c.spki = EcSpki(kP256, Bytes{0x00}); }),
       reason::kKeyUnsupported},
      {"a compressed point", With([](CsrBuilder& c) { c.spki = EcSpki(kP256, CompressedPoint()); }),
       reason::kKeyUnsupported},
      {"an empty point", With([](CsrBuilder& c) { c.spki = EcSpki(kP256, Bytes()); }), reason::kKeyUnsupported},
      {"Ed25519", With([](CsrBuilder& c) {
         c.spki = der::Sequence({der::Sequence({der::Oid("1.3.101.112")}), der::BitString(Bytes(32, 1))});
       }),
       reason::kKeyUnsupported},
      {"unused bits in the key", With([](CsrBuilder& c) {
         c.spki = der::Sequence({der::Sequence({der::Oid("1.2.840.10045.2.1"), der::Oid(kP256)}),
                                 der::Tlv(der::kBitString, Bytes(66, 0x01))});
       }),
       reason::kKeyUnsupported},
      {"NUL in CN", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, std::string("dev\0ice", 7)); }),
       reason::kCsrMalformed},
      {"a line break in CN", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, "device\n1"); }),
       reason::kCsrMalformed},
      {"an escape in CN", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, "\x1b[31m"); }),
       reason::kCsrMalformed},
      {"overlong UTF-8", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, "a\xc0\xaf"); }),
       reason::kCsrMalformed},
      {"a surrogate in UTF-8", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, "\xed\xa0\x80"); }),
       reason::kCsrMalformed},
      {"cut-off UTF-8", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, "a\xe2\x82"); }),
       reason::kCsrMalformed},
      {"an asterisk in PrintableString", With([&](CsrBuilder& c) { c.subject = name(der::kPrintableString, "a*b"); }),
       reason::kCsrMalformed},
      {"BMPString", With([&](CsrBuilder& c) { c.subject = name(0x1e, std::string("\0d\0e", 4)); }),
       reason::kCsrMalformed},
      {"TeletexString", With([&](CsrBuilder& c) { c.subject = name(0x14, "device"); }), reason::kCsrMalformed},
      {"an empty CN", With([&](CsrBuilder& c) { c.subject = name(der::kUtf8String, ""); }), reason::kCsrMalformed},
      {"two attributes in one RDN", With([&](CsrBuilder& c) {
         c.subject = der::Sequence({der::Constructed(der::kSet, {attribute, attribute})});
       }),
       reason::kCsrMalformed},
      {"an empty RDN", With([&](CsrBuilder& c) { c.subject = der::Sequence({der::Tlv(der::kSet, {})}); }),
       reason::kCsrMalformed},
      {"17 attributes", With([&](CsrBuilder& c) { c.subject = der::Tlv(der::kSequence, many); }),
       reason::kCsrMalformed},
      {"challengePassword", With([&](CsrBuilder& c) {
         c.attributes = der::Sequence({der::Oid("1.2.840.113549.1.9.7"),
                                       der::Constructed(der::kSet, {der::Tlv(der::kUtf8String, AsBytes("x"))})});
       }),
       reason::kCsrMalformed},
      {"two extensionRequests", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions({basic});
         Append(*c.attributes, RequestExtensions({basic}));
       }),
       reason::kCsrMalformed},
      {"an empty extensionRequest", With([&](CsrBuilder& c) { c.attributes = RequestExtensions({}); }),
       reason::kCsrMalformed},
      {"an attribute without a value", With([&](CsrBuilder& c) {
         c.attributes = der::Sequence({der::Oid(oid::kExtensionRequest), der::Tlv(der::kSet, {})});
       }),
       reason::kCsrMalformed},
      {"an extension twice", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions({basic, basic});
       }),
       reason::kCsrMalformed},
      {"critical FALSE spelt out", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions(
             {der::Sequence({der::Oid("1.2.3"), Bytes{0x01, 0x01, 0x00}, der::Tlv(der::kOctetString, {})})});
       }),
       reason::kCsrMalformed},
      {"BOOLEAN 01 (BER)", With([&](CsrBuilder& c) {
         c.attributes =
             RequestExtensions({AnyExtension(oid::kBasicConstraints, der::Sequence({Bytes{0x01, 0x01, 0x01}}))});
       }),
       reason::kCsrMalformed},
      {"a malformed keyUsage", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions({AnyExtension(oid::kKeyUsage, Bytes{0x03, 0x02, 0x00, 0x80})});
       }),
       reason::kCsrMalformed},
      {"an empty extKeyUsage", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions({AnyExtension(oid::kExtendedKeyUsage, der::Sequence({}))});
       }),
       reason::kCsrMalformed},
      {"an empty subjectAltName", With([&](CsrBuilder& c) {
         c.attributes = RequestExtensions({AnyExtension(oid::kSubjectAltName, der::Sequence({}))});
       }),
       reason::kCsrMalformed},
      {"something after the attributes", With([](CsrBuilder& c) { Append(c.spki, der::Tlv(der::kNull, {})); }),
       reason::kCsrMalformed},
  };
}

TEST(CsrTest, RefusesEachBadRequestWithItsReason) {
  for (const Case& c : BadRequests()) EXPECT_THAT(ReadCsr(c.csr), Fails(Code::kInvalidArgument, c.reason)) << c.name;
}

TEST(CsrTest, EveryPrefixAndEveryFlippedOctetIsRefused) {
  const Bytes good = CsrBuilder(Key()).Build();
  ASSERT_THAT(ReadCsr(good), IsOk());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(ReadCsr(ByteView(good).first(size)).status().code(), Code::kInvalidArgument) << size;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes changed = good;
    changed[i] ^= 0xff;
    EXPECT_EQ(ReadCsr(changed).status().code(), Code::kInvalidArgument) << i;
  }
}

TEST(CsrTest, ReportsEverythingThatIsAskedFor) {
  const Bytes names = EncodeGeneralNames({{GeneralName::Kind::kDns, "a.example"},
                                          {GeneralName::Kind::kIp, "10.0.0.1"},
                                          {GeneralName::Kind::kUri, "urn:x"}})
                          .value();
  const StatusOr<Csr> csr = ReadCsr(With([&](CsrBuilder& c) {
    c.subject = EncodeName({{"O", "Käse & Co"}, {"serialNumber", "SN-1"}, {"CN", "device-1"}});
    c.attributes = RequestExtensions({BasicConstraints(true, 3),
                                      KeyUsageExtension({KeyUsage::kDigitalSignature, KeyUsage::kCrlSign}),
                                      ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"}), SubjectAltName(names, false),
                                      AnyExtension("1.2.3.4", Bytes{0x05, 0x00}, true)});
  }));
  ASSERT_THAT(csr, IsOk());
  EXPECT_EQ(csr->facts.subject, (Subject{{"O", "Käse & Co"}, {"serialNumber", "SN-1"}, {"CN", "device-1"}}));
  EXPECT_TRUE(csr->facts.ca);
  EXPECT_EQ(csr->facts.key_usage, (std::vector<KeyUsage>{KeyUsage::kDigitalSignature, KeyUsage::kCrlSign}));
  EXPECT_EQ(csr->facts.extended_key_usage, std::vector<std::string>{"1.3.6.1.5.5.7.3.2"});
  EXPECT_EQ(csr->facts.subject_alt_names, (std::vector<GeneralName>{{GeneralName::Kind::kDns, "a.example"},
                                                                    {GeneralName::Kind::kIp, "10.0.0.1"},
                                                                    {GeneralName::Kind::kUri, "urn:x"}}));
  ASSERT_EQ(csr->facts.other_extensions.size(), 1u);
  EXPECT_EQ(csr->facts.other_extensions[0].oid, "1.2.3.4");
  EXPECT_EQ(csr->facts.key, KeyType::kEcP256);
}

TEST(CsrTest, AcceptsARequestWithoutAttributes) {
  EXPECT_THAT(ReadCsr(With([](CsrBuilder& c) { c.attributes.reset(); })), IsOk());
}

// What the openssl command line makes, read by us and by OpenSSL's library: the same key, subject and extensions.
TEST(CsrTest, ReadsWhatOpensslMakesAsOpensslDoes) {
  const TemporaryDirectory directory;
  struct Made {
    const char* options;
    KeyType key;
  };
  const std::vector<Made> cases = {
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=device-1", KeyType::kEcP256},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384 -subj /O=Example/CN=device-1", KeyType::kEcP384},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha512 -utf8 -subj /O=Käse/CN=device-1", KeyType::kEcP256},
      {"-newkey rsa:2048 -subj /CN=device-1/serialNumber=SN1", KeyType::kRsa2048},
      {"-newkey rsa:3072 -sha384 -subj /CN=device-1", KeyType::kRsa3072},
      {"-newkey rsa:4096 -sha512 -subj /CN=device-1", KeyType::kRsa4096},
      {"-newkey rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -subj /CN=device-1",
       KeyType::kRsa2048},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=device-1 -addext subjectAltName=DNS:a.example,IP:::1 "
       "-addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth -addext basicConstraints=CA:FALSE",
       KeyType::kEcP256},
  };
  for (const Made& c : cases) {
    const std::string path = (directory / "csr.pem").string();
    const auto made =
        RunCommand(std::string("openssl req -new -nodes -batch -keyout /dev/null -out ") + path + " " + c.options);
    ASSERT_EQ(made.exit_code, 0) << c.options << made.output;
    const std::string pem = ReadFile(path).value();
    const StatusOr<Csr> csr = ReadCsr(AsBytes(pem));
    ASSERT_THAT(csr, IsOk()) << c.options;
    EXPECT_EQ(csr->facts.key, c.key) << c.options;

    const Bytes der = PemDecode("CERTIFICATE REQUEST", pem).value().front();
    EXPECT_THAT(ReadCsr(der), IsOk()) << c.options;
    const uint8_t* in = der.data();
    const ssl::CertificateRequest reference(d2i_X509_REQ(nullptr, &in, static_cast<long>(der.size())));
    ASSERT_NE(reference, nullptr);
    ASSERT_EQ(X509_REQ_verify(reference.get(), X509_REQ_get0_pubkey(reference.get())), 1);
    EXPECT_EQ(ssl::ToDer(i2d_PUBKEY, X509_REQ_get0_pubkey(reference.get())).value(), ToBytes(csr->key.spki()))
        << c.options;
    const X509_NAME* name = X509_REQ_get_subject_name(reference.get());
    ASSERT_EQ(static_cast<size_t>(X509_NAME_entry_count(name)), csr->facts.subject.size()) << c.options;
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
      unsigned char* utf8 = nullptr;
      const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
      ASSERT_GE(size, 0);
      EXPECT_EQ(std::string(reinterpret_cast<char*>(utf8), static_cast<size_t>(size)),
                csr->facts.subject[static_cast<size_t>(i)].value);
      OPENSSL_free(utf8);
    }
  }
}

}  // namespace
}  // namespace hallmark
