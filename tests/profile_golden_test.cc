// What the shipped profiles make: one certificate of each, from a CSR through policy, composition, lint and seal, whose
// decoded content is a file in tests/testdata/profiles; and CSRs that each profile refuses, with the field at fault.
// After a change that is meant to show: HALLMARK_WRITE_GOLDEN=1 profile_golden_test, and read the difference.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "base/openssl.h"
#include "ca/certificate.h"
#include "ca/csr.h"
#include "ca/lint.h"
#include "policies/load.h"
#include "tests/command.h"
#include "tests/csr_builder.h"
#include "tests/places.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::AnyExtension;
using testing::CsrBuilder;
using testing::IsOk;
using testing::RequestExtensions;
using testing::RunCommand;
using testing::SoftwareSigner;
using testing::TemporaryDirectory;

const std::string kTestData = testing::SourceDirectory() + "/tests/testdata/profiles/";
const Time kNow = absl::FromUnixSeconds(1'790'000'000);  // 2026-09-21
const Bytes kSerial = ToBytes(AsBytes("\x4d serial number"));
constexpr char kVendor[] = "1.3.6.1.4.1.37244.2.1";
constexpr char kProduct[] = "1.3.6.1.4.1.37244.2.2";

const ProfileMap& Profiles() {
  static const auto& profiles =
      *new ProfileMap(LoadProfiles(testing::SourceDirectory() + "/policies/profiles", "factory.example").value());
  return profiles;
}

// The same keys in every run.
const SoftwareSigner& Key(const std::string& name) {
  static auto& keys = *new std::map<std::string, std::unique_ptr<SoftwareSigner>>();
  std::unique_ptr<SoftwareSigner>& signer = keys[name];
  if (signer == nullptr) {
    const std::string pem = ReadFile(kTestData + "keys/" + name + ".pem", 8192).value();
    const ssl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    ssl::EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    signer = std::make_unique<SoftwareSigner>(
        EVP_PKEY_is_a(key.get(), "RSA") == 1 ? SignatureAlgorithm::kRsaPkcs1Sha256 : SignatureAlgorithm::kEcdsaSha256,
        std::move(key));
  }
  return *signer;
}

using Change = std::function<void(CsrBuilder&)>;

Change Named(const Subject& subject) {
  return [subject](CsrBuilder& csr) { csr.subject = EncodeName(subject); };
}
Change Named(const Subject& subject, const std::vector<GeneralName>& names) {
  return [subject, names](CsrBuilder& csr) {
    csr.subject = EncodeName(subject);
    csr.attributes = RequestExtensions({SubjectAltName(EncodeGeneralNames(names).value(), false)});
  };
}
Change Extended(const Subject& subject, const Bytes& extension) {
  return [subject, extension](CsrBuilder& csr) {
    csr.subject = EncodeName(subject);
    csr.attributes = RequestExtensions({extension});
  };
}

using Kind = GeneralName::Kind;
const GeneralName kModule = {Kind::kHardwareModuleName, "1.3.6.1.4.1.32473.1:SN-0001"};
const GeneralName kApplication = {Kind::kUri, "urn:plant.example:Example:Pump"};
const Subject kDevice = {{"CN", "device-1"}};
const Subject kAuthority = {{"O", "Example"}, {"CN", "Example Authority"}};
const Subject kMaker = {
    {"C", "DE", StringType::kPrintable}, {"O", "Maker GmbH", StringType::kPrintable}, {"CN", "Maker Devices CA"}};
const Subject kAttested = {{"CN", "Example DAC"}, {kVendor, "FFF1"}, {kProduct, "8000"}};
const Subject kCode = {{"CN", "C0FFEE00C0FFEE00C0FFEE00C0FFEE00C0FFEE00C0FFEE00"}};
GeneralName Uri(const std::string& role) { return {Kind::kUri, "hallmark://factory.example/" + role + "/one"}; }

struct Golden {
  const char* profile;
  Change csr;
  const char* key = "ec-p256";
  Subject issuer = {{"O", "Example"}, {"CN", "Example Devices"}};
};

std::vector<Golden> Goldens() {
  const Subject pai = {{"CN", "Example PAI"}, {kVendor, "FFF1"}};
  return {
      {"root", Named(kAuthority)},
      {"three-tier-root", Named(kAuthority)},
      {"intermediate-authority", Named(kAuthority)},
      {"issuing-authority", Named(kAuthority)},
      {"manufacturer-ca", Named(kMaker)},
      {"adr-byor", Extended({{"CN", "Azure Issuing CA", StringType::kPrintable}}, BasicConstraints(true, 0))},
      {"idevid-root", Named(kAuthority)},
      {"idevid-authority", Named(kAuthority)},
      {"idevid", Named({{"O", "Example"}, {"serialNumber", "SN-0001"}}, {kModule})},
      {"ldevid", Named({{"serialNumber", "SN-0001"}, {"CN", "pump-1.plant.example"}})},
      {"matter-paa", Named({{"CN", "Example PAA"}, {kVendor, "FFF1"}})},
      {"matter-pai", Named(pai), "ec-p256", {{"CN", "Example PAA"}, {kVendor, "FFF1"}}},
      {"matter-dac", Named(kAttested), "ec-p256", pai},
      {"device-dps", Named({{"serialNumber", "SN-0001"}, {"CN", "device-1"}})},
      {"opcua-application",
       Named({{"DC", "pump-1"}, {"O", "Plant Ltd"}, {"CN", "Example Pump"}},
             {kApplication, {Kind::kDns, "pump-1.plant.example"}, {Kind::kIp, "192.0.2.1"}}),
       "rsa-2048"},
      {"tls-server", Named({{"CN", "hallmark"}}, {{Kind::kDns, "ca.factory.example"}, {Kind::kIp, "2001:db8::1"}})},
      {"tls-client", Named({{"O", "Example"}, {"CN", "collector"}}, {{Kind::kDns, "collector.factory.example"}})},
      {"ocsp-signer", Named({{"CN", "Example OCSP"}})},
      {"verification", Named(kCode)},
      {"station", Named({{"CN", "Line 1"}}, {Uri("station")})},
      {"station-enrollment", Named({{"CN", "one"}}, {Uri("enrollment")})},
      {"station-enrolled", Named({})},  // only the key reaches it
      {"operator", Named({{"CN", "Ada"}}, {Uri("operator")})},
      {"auditor", Named({{"CN", "Max"}}, {Uri("auditor")})},
      {"importer", Named({{"CN", "Kim"}}, {Uri("importer")})},
      {"report-signer", Named({{"OU", "a-17"}, {"CN", "Lot report"}})},
  };
}

// What an issuer contributes, and what drafts are linted against.
struct TestIssuer {
  TestIssuer(const Golden& golden, const Profile& profile)
      : names{EncodeName(golden.issuer), KeyIdentifier(KeyOf("issuer").key_octets()),
              "http://ca.example/crl/issuer.crl", "http://ca.example/aia/issuer.cer", "http://ca.example/ocsp"} {
    if (!profile.subject_is_issuer) return;
    CsrBuilder csr(Key(golden.key));
    golden.csr(csr);
    names = {csr.subject, KeyIdentifier(KeyOf(golden.key).key_octets(), profile.subject_key_identifier), "", ""};
  }
  LintIssuer lint(const Profile& profile) const {
    return {.subject = names.name,
            .key_identifier = names.key_identifier,
            .algorithm = AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256),
            .not_after = NeverExpires(),
            .path_length = profile.path_length.has_value() ? *profile.path_length + 1 : 0,
            .self = profile.subject_is_issuer};
  }
  static PublicKey KeyOf(const std::string& name) { return PublicKey::FromSpki(Key(name).public_key()).value(); }

  IssuerNames names;
};

StatusOr<Plan> DecideOn(const std::string& profile, const Bytes& csr) {
  ASSIGN_OR_RETURN(Csr read, ReadCsr(csr));
  ASSIGN_OR_RETURN(read.facts.caller, ParseCallerUri("hallmark://factory.example/enrollment/line-1"));
  return Decide(Profiles().at(profile), read.facts, kNow, {kNow - absl::Hours(24), NeverExpires()});
}

StatusOr<Bytes> Certify(const Golden& golden) {
  const std::shared_ptr<const Profile>& profile = Profiles().at(golden.profile);
  const SoftwareSigner& key = Key(golden.key);
  CsrBuilder csr(key);
  golden.csr(csr);
  ASSIGN_OR_RETURN(const Plan plan, DecideOn(golden.profile, csr.Build()));
  const TestIssuer issuer(golden, *profile);
  const CertificateTemplate certificates(*profile, issuer.names, SignatureAlgorithm::kEcdsaSha256);
  ASSIGN_OR_RETURN(Draft draft, certificates.Compose(plan, TestIssuer::KeyOf(golden.key), kSerial));
  RETURN_IF_ERROR(Verdict(LintCertificate(draft.Unsigned(), issuer.lint(*profile), profile->standards)));
  const std::shared_ptr<const Signer> signer(&Key(profile->subject_is_issuer ? golden.key : "issuer"),
                                             [](const Signer*) {});
  ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> signing_key, SigningKey::Create(signer));
  return Seal(std::move(draft), *signing_key, absl::InfiniteFuture());
}

std::string Asn1(const TemporaryDirectory& directory, ByteView der) {
  const std::filesystem::path file = directory / "part.der";
  std::ofstream(file, std::ios::binary) << AsText(der);
  return RunCommand("openssl asn1parse -inform DER -i -in " + file.string()).output;
}

// `openssl x509 -text`, without what differs from run to run, and the DER of what it hides: the string types of the
// subject, and otherNames.
std::string Decode(const Bytes& certificate) {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "certificate.der";
  std::ofstream(file, std::ios::binary) << AsText(certificate);
  std::string text =
      RunCommand("openssl x509 -inform DER -noout -text -certopt no_pubkey,no_sigdump -in " + file.string()).output;
  const CertificateParts parts = ReadCertificate(certificate).value();
  text += "\nThe subject in DER:\n" + Asn1(directory, parts.subject);
  const Extension* names = FindExtension(parts.extensions, oid::kSubjectAltName);
  if (names != nullptr) text += "\nThe subjectAltName in DER:\n" + Asn1(directory, names->value);
  return text;
}

TEST(ProfileGoldenTest, EachProfileMakesJustWhatItsFileShows) {
  for (const Golden& golden : Goldens()) {
    SCOPED_TRACE(golden.profile);
    const StatusOr<Bytes> certificate = Certify(golden);
    ASSERT_THAT(certificate, IsOk());
    const std::string text = Decode(*certificate);
    const std::string file = kTestData + golden.profile + ".txt";
    if (std::getenv("HALLMARK_WRITE_GOLDEN") != nullptr) {
      std::ofstream(file) << text;
    } else {
      EXPECT_EQ(text, ReadFile(file, 65536).value_or("missing")) << "HALLMARK_WRITE_GOLDEN=1 writes it";
    }
  }
}

TEST(ProfileGoldenTest, EachShippedProfileHasAGoldenCertificate) {
  const std::vector<Golden> goldens = Goldens();
  for (const auto& [name, profile] : Profiles()) {
    EXPECT_TRUE(std::any_of(goldens.begin(), goldens.end(), [&](const Golden& g) { return name == g.profile; }))
        << name;
  }
}

struct Refusal {
  const char* profile;
  const char* what;
  Change csr;
  const char* field;
  const char* key = "ec-p256";
};

std::vector<Refusal> RefusalsOfAuthorities() {
  return {
      {"root", "no CN", Named({{"O", "Example"}}), "csr.subject.CN"},
      {"three-tier-root", "a country of three letters", Named({{"C", "DEU"}, {"CN", "Root"}}), "csr.subject.C"},
      {"intermediate-authority", "RSA 2048", Named(kAuthority), "csr.public_key", "rsa-2048"},
      {"issuing-authority", "OU", Named({{"OU", "Plant"}, {"CN", "Plant"}}), "csr.subject.OU"},
      {"issuing-authority", "client authentication", Extended(kAuthority, ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"})),
       "csr.extended_key_usage"},
      {"manufacturer-ca", "no country", Named({{"O", "Maker"}, {"CN", "Maker"}}), "csr.subject.C"},
      {"manufacturer-ca", "no organization", Named({{"C", "DE"}, {"CN", "Maker"}}), "csr.subject.O"},
      {"manufacturer-ca", "two organizations", Named({{"C", "DE"}, {"O", "A"}, {"O", "B"}, {"CN", "Maker"}}),
       "csr.subject.O"},
      {"manufacturer-ca", "RSA 2048", Named(kMaker), "csr.public_key", "rsa-2048"},
      {"manufacturer-ca", "server authentication", Extended(kMaker, ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"})),
       "csr.extended_key_usage"},
      {"manufacturer-ca", "name constraints of its own",
       Extended(kMaker, AnyExtension("2.5.29.30", der::Sequence({}), true)), "csr.extensions.2.5.29.30"},
      {"adr-byor", "RSA", Named({{"CN", "Azure"}}), "csr.public_key", "rsa-2048"},
      {"adr-byor", "no CN", Named({{"O", "Azure"}}), "csr.subject.CN"},
      {"idevid-root", "no organization", Named({{"CN", "Root"}}), "csr.subject.O"},
      {"idevid-authority", "no CN", Named({{"O", "Example"}}), "csr.subject.CN"},
      {"matter-paa", "RSA", Named({{"CN", "PAA"}}), "csr.public_key", "rsa-2048"},
      {"matter-paa", "VID in lower case", Named({{"CN", "PAA"}, {kVendor, "fff1"}}),
       "csr.subject.1.3.6.1.4.1.37244.2.1"},
      {"matter-pai", "no VID", Named({{"CN", "PAI"}}), "csr.subject.1.3.6.1.4.1.37244.2.1"},
      {"matter-pai", "PID of three digits", Named({{"CN", "PAI"}, {kVendor, "FFF1"}, {kProduct, "800"}}),
       "csr.subject.1.3.6.1.4.1.37244.2.2"},
  };
}

std::vector<Refusal> RefusalsOfDevices() {
  const Subject numbered = {{"serialNumber", "SN-0001"}};
  const Subject pump = {{"O", "Plant Ltd"}, {"CN", "Example Pump"}};
  return {
      {"idevid", "no serial number", Named({{"CN", "device-1"}}, {kModule}), "csr.subject.serialNumber"},
      {"idevid", "no hardware module", Named(numbered), "csr.subject_alt_name.hardwareModuleName"},
      {"idevid", "a hardware type below no enterprise",
       Named(numbered, {{Kind::kHardwareModuleName, "2.5.4.3:SN-0001"}}), "csr.subject_alt_name.hardwareModuleName"},
      {"idevid", "two hardware modules",
       Named(numbered, {kModule, {Kind::kHardwareModuleName, "1.3.6.1.4.1.32473.1:SN-0002"}}),
       "csr.subject_alt_name.hardwareModuleName"},
      {"idevid", "a name of the DNS, too", Named(numbered, {kModule, {Kind::kDns, "a.example"}}),
       "csr.subject_alt_name.dns"},
      {"ldevid", "no name at all", Named({}), "csr.subject"},
      {"ldevid", "a CN with a blank", Named({{"CN", "device 1"}}), "csr.subject.CN"},
      {"ldevid", "server authentication", Extended(numbered, ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"})),
       "csr.extended_key_usage"},
      {"matter-dac", "no PID", Named({{"CN", "DAC"}, {kVendor, "FFF1"}}), "csr.subject.1.3.6.1.4.1.37244.2.2"},
      {"matter-dac", "two VIDs", Named({{"CN", "DAC"}, {kVendor, "FFF1"}, {kVendor, "FFF2"}, {kProduct, "8000"}}),
       "csr.subject.1.3.6.1.4.1.37244.2.1"},
      {"matter-dac", "RSA", Named(kAttested), "csr.public_key", "rsa-2048"},
      {"matter-dac", "an extension of its own", Extended(kAttested, AnyExtension("1.2.3.4", Bytes{0x05, 0x00})),
       "csr.extensions.1.2.3.4"},
      {"device-dps", "a CN that ends in a dot", Named({{"CN", "device."}}), "csr.subject.CN"},
      {"device-dps", "a CN of 65 characters", Named({{"CN", std::string(65, 'a')}}), "csr.subject.CN"},
      {"device-dps", "a name of the DNS", Named(kDevice, {{Kind::kDns, "a.example"}}), "csr.subject_alt_name.dns"},
      {"device-dps", "CA:TRUE", Extended(kDevice, BasicConstraints(true, std::nullopt)), "csr.basic_constraints"},
      {"device-dps", "keyCertSign", Extended(kDevice, KeyUsageExtension({KeyUsage::kKeyCertSign})), "csr.key_usage"},
      {"opcua-application", "an EC key", Named(pump, {kApplication}), "csr.public_key"},
      {"opcua-application", "no applicationUri", Named(pump, {{Kind::kDns, "a.example"}}), "csr.subject_alt_name.uri",
       "rsa-2048"},
      {"opcua-application", "two applicationUris", Named(pump, {kApplication, {Kind::kUri, "urn:b.example:x"}}),
       "csr.subject_alt_name.uri", "rsa-2048"},
      {"opcua-application", "no organization", Named({{"CN", "Pump"}}, {kApplication}), "csr.subject.O", "rsa-2048"},
  };
}

std::vector<Refusal> RefusalsOfServices() {
  const Subject named = {{"CN", "one"}};
  return {
      {"tls-server", "a URI", Named(named, {{Kind::kUri, "https://a.example"}}), "csr.subject_alt_name.uri"},
      {"tls-server", "client authentication", Extended(named, ExtendedKeyUsage({"1.3.6.1.5.5.7.3.2"})),
       "csr.extended_key_usage"},
      {"station-enrollment", "a station's URI", Named(named, {Uri("station")}), "csr.subject_alt_name.uri"},
      {"station-enrollment", "RSA", Named(named, {Uri("enrollment")}), "csr.public_key", "rsa-2048"},
      {"station-enrolled", "RSA 2048", Named(named), "csr.public_key", "rsa-2048"},
      {"tls-client", "a caller's URI", Named(named, {Uri("operator")}), "csr.subject_alt_name.uri"},
      {"tls-client", "server authentication", Extended(named, ExtendedKeyUsage({"1.3.6.1.5.5.7.3.1"})),
       "csr.extended_key_usage"},
      {"ocsp-signer", "no CN", Named({{"O", "Example"}}), "csr.subject.CN"},
      {"ocsp-signer", "a critical nocheck",
       Extended(named, AnyExtension("1.3.6.1.5.5.7.48.1.5", Bytes{0x05, 0x00}, true)),
       "csr.extensions.1.3.6.1.5.5.7.48.1.5"},
      {"verification", "a device's name", Named(kDevice), "csr.subject.CN"},
      {"verification", "O beside the code", Named({{"O", "Example"}, kCode[0]}), "csr.subject.O"},
      {"station", "no URI", Named(named), "csr.subject_alt_name.uri"},
      {"station", "an operator's URI", Named(named, {Uri("operator")}), "csr.subject_alt_name.uri"},
      {"operator", "another realm", Named(named, {{Kind::kUri, "hallmark://other/operator/one"}}),
       "csr.subject_alt_name.uri"},
      {"importer", "an operator's URI", Named(named, {Uri("operator")}), "csr.subject_alt_name.uri"},
      {"report-signer", "another name", Named({{"OU", "a-17"}, {"CN", "Other"}}), "csr.subject.CN"},
      {"report-signer", "no lot", Named({{"CN", "Lot report"}}), "csr.subject.OU"},
      {"auditor", "two URIs", Named(named, {Uri("auditor"), Uri("operator")}), "csr.subject_alt_name.uri"},
  };
}

TEST(ProfileGoldenTest, EachProfileRefusesWhatItDoesNotGrantAndNamesTheField) {
  std::vector<Refusal> refusals = RefusalsOfAuthorities();
  for (const auto& more : {RefusalsOfDevices(), RefusalsOfServices()}) {
    refusals.insert(refusals.end(), more.begin(), more.end());
  }
  std::set<std::string> refusing;
  for (const Refusal& refusal : refusals) {
    refusing.insert(refusal.profile);
    CsrBuilder csr(Key(refusal.key));
    refusal.csr(csr);
    const StatusOr<Plan> plan = DecideOn(refusal.profile, csr.Build());
    ASSERT_EQ(plan.status().code(), Code::kInvalidArgument) << refusal.profile << ": " << refusal.what;
    const std::vector<FieldViolation> fields = Fields(plan.status());
    ASSERT_FALSE(fields.empty()) << refusal.profile << ": " << refusal.what;
    EXPECT_EQ(fields.front().field, refusal.field) << refusal.profile << ": " << refusal.what;
  }
  for (const auto& [name, profile] : Profiles()) EXPECT_TRUE(refusing.contains(name)) << name;
}

PlannedExtension Passed(const Bytes& octets) { return {"1.2.3.4", false, ExtensionRule::Encoding::kDer, "", octets}; }

// A CSR whose extension is passed on, but is no DER, is refused when the certificate is composed.
TEST(ProfileGoldenTest, OnlyOneElementOfDerIsPassedFromACsr) {
  for (const Bytes& octets : {Bytes{}, Bytes{0x05}, Bytes{0x05, 0x00, 0x00}, Bytes{0x30, 0x01, 0x05}}) {
    const StatusOr<Bytes> extension = EncodeExtension(Passed(octets));
    EXPECT_EQ(extension.status().code(), Code::kInvalidArgument) << Hex(octets);
  }
  EXPECT_THAT(EncodeExtension(Passed({0x30, 0x02, 0x05, 0x00})), IsOk());
}

struct Encoded {
  ExtensionRule::Encoding encoding;
  const char* text;
  const char* value;  // hexadecimal
};

TEST(ProfileGoldenTest, TextsOfExtensionsAreWrittenInTheirEncodings) {
  using Encoding = ExtensionRule::Encoding;
  for (const Encoded& c :
       std::vector<Encoded>{{Encoding::kUtf8, "ä", "0c02c3a4"},
                            {Encoding::kPrintable, "a b", "1303612062"},
                            {Encoding::kIa5, "a@b", "1603614062"},
                            {Encoding::kBoolean, "true", "0101ff"},
                            {Encoding::kBoolean, "false", "010100"},
                            {Encoding::kInteger, "0", "020100"},
                            {Encoding::kInteger, "127", "02017f"},
                            {Encoding::kInteger, "128", "02020080"},
                            {Encoding::kInteger, "-1", "0201ff"},
                            {Encoding::kInteger, "-128", "020180"},
                            {Encoding::kInteger, "-129", "0202ff7f"},
                            {Encoding::kInteger, "9223372036854775807", "02087fffffffffffffff"},
                            {Encoding::kInteger, "-9223372036854775808", "02088000000000000000"},
                            {Encoding::kOid, "1.2.840", "06032a8648"},
                            {Encoding::kTime, "2030-01-31T00:00:00Z", "180f32303330303133313030303030305a"},
                            {Encoding::kOctets, "00ff", "040200ff"},
                            {Encoding::kNull, "", "0500"},
                            {Encoding::kDer, "30020500", "30020500"}}) {
    const StatusOr<Bytes> extension = EncodeExtension({"1.2.3.4", false, c.encoding, c.text, std::nullopt});
    ASSERT_THAT(extension, IsOk()) << c.text;
    EXPECT_EQ(Hex(*extension), Hex(EncodeExtension("1.2.3.4", false, FromHex(c.value).value()))) << c.text;
  }
}

}  // namespace
}  // namespace hallmark
