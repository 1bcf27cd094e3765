// What `hallmark publish` checks by itself, with certificates of openssl's that break one rule each: a service that
// answers with such a thing is not believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/openssl.h"
#include "tests/command.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/adr_contract.h"
#include "tools/hallmark/possession.h"

namespace hallmark::cli {
namespace {

using ::hallmark::testing::RunCommand;
using ::hallmark::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kCode[] = "2EF194C10D480915EBB4DAD7B3A18CCDEECF793D1FFEAFB6";
constexpr char kAuthority[] =
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\n"
    "subjectKeyIdentifier=hash\n";

class PublishChecksTest : public ::testing::Test {
 protected:
  PublishChecksTest() {
    Run("openssl ecparam -name prime256v1 -genkey -noout -out root.key && openssl ecparam -name secp384r1 -genkey "
        "-noout "
        "-out ica.key && openssl req -new -key ica.key -subj '/O=Contoso/CN=ica' -outform DER -out ica.csr");
    MakeRoot("root", "-key root.key");
  }
  void Run(const std::string& command) const {
    const auto result = RunCommand(fmt::format("cd {} && {{ {} ; }} 2>&1", directory_.path().string(), command));
    ASSERT_EQ(result.exit_code, 0) << command << "\n" << result.output;
  }
  Bytes Read(const std::string& name) const { return ToBytes(AsBytes(ReadFile(directory_ / name).value())); }
  void MakeRoot(const std::string& name, const std::string& key, const std::string& constraints = "pathlen:1",
                const std::string& options = "-days 9000") const {
    Run(
        fmt::format("openssl req -x509 {1} -subj /CN=root {3} -outform DER -out {0} -config /dev/null -addext "
                    "basicConstraints=critical,CA:TRUE{4}{2} -addext keyUsage=critical,keyCertSign,cRLSign",
                    name, key, constraints, options, constraints.empty() ? "" : ","));
  }
  // Signs `csr` with `key` under the root's name.
  Bytes Certify(const std::string& csr, const std::string& extensions,
                const std::string& options = "-days 1000") const {
    EXPECT_THAT(WriteFile(directory_ / "ext", AsBytes(extensions)), testing::IsOk());
    Run(fmt::format(
        "openssl x509 -req -inform DER -in {} -CAform DER -CA root -CAkey root.key -set_serial 7 -extfile ext "
        "-outform DER -out made {}",
        csr, options));
    return Read("made");
  }
  static std::vector<std::string> Rules(const std::vector<FieldViolation>& violations) {
    std::vector<std::string> rules;
    for (const FieldViolation& violation : violations) rules.push_back(violation.field);
    return rules;
  }

  TemporaryDirectory directory_;
  const Time now_ = absl::Now() + absl::Minutes(5);  // after all that is made here
};

TEST_F(PublishChecksTest, OfAnIssuingCaEachRuleOfAzures) {
  const std::string good = kAuthority;
  const auto with = [&](const std::string& to, const std::string& instead_of) {
    return std::string(good).replace(good.find(instead_of), instead_of.size(), to);
  };
  const struct {
    std::string extensions;
    std::string options;
    std::vector<std::string> rules;
  } cases[] = {
      {good, "-days 1000", {}},
      {good + "extendedKeyUsage=clientAuth,serverAuth\n", "-days 1000", {}},
      {good + "extendedKeyUsage=serverAuth\n", "-days 1000", {"extKeyUsage"}},
      {with("", "critical,"), "-days 1000", {"basicConstraints"}},
      {with("FALSE", "TRUE,pathlen:0"), "-days 1000", {"basicConstraints"}},
      {with("", ",cRLSign"), "-days 1000", {"keyUsage"}},
      {with("", "digitalSignature,"), "-days 1000", {"keyUsage"}},
      {with("none", "hash"), "-days 1000", {"subjectKeyIdentifier"}},
      {good, "-days 364", {"notAfter"}},
      {good, "-days 1000 -sha1", {"signature"}},
  };
  for (const auto& test : cases) {
    const Bytes certificate = Certify("ica.csr", test.extensions, test.options);
    EXPECT_EQ(Rules(CheckCertificate(certificate, Read("ica.csr"), now_)), test.rules)
        << test.extensions << test.options;
  }
  const Bytes certificate = Certify("ica.csr", good);
  EXPECT_THAT(Rules(CheckCertificate(certificate, Read("ica.csr"), now_ - absl::Hours(1))), ElementsAre("notBefore"));
  Run("openssl req -new -key root.key -subj '/CN=ica/O=Contoso' -outform DER -out other.csr");
  EXPECT_THAT(Rules(CheckCertificate(certificate, Read("other.csr"), now_)),
              ElementsAre("subject", "subjectPublicKeyInfo"));
  EXPECT_THAT(Rules(CheckCertificate(Bytes{1, 2}, Read("ica.csr"), now_)), ElementsAre("certificate"));
}

TEST_F(PublishChecksTest, OfASigningCaItsKeySignatureAndPathLength) {
  const Duration for_ever = absl::InfiniteDuration();
  EXPECT_THAT(CheckSigner({Read("root")}, now_, for_ever), IsEmpty());
  const struct {
    std::string key;
    std::string constraints;
    std::string options;
    std::vector<std::string> rules;
  } cases[] = {
      {"-key root.key", "", "-days 9000", {}},
      {"-key root.key", "pathlen:2", "-days 9000", {"root's pathLenConstraint"}},
      {"-key root.key", "pathlen:1", "-days 300", {"validity"}},
      {"-key root.key -sha1", "pathlen:1", "-days 9000", {"signing CA's signature"}},
      {"-newkey rsa:2048 -nodes -keyout k", "pathlen:1", "-days 9000", {"signing CA's key", "signing CA's signature"}},
      {"-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -keyout k",
       "pathlen:1",
       "-days 9000",
       {"signing CA's key"}},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -nodes -keyout k",
       "pathlen:1",
       "-days 9000",
       {"signing CA's key"}},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout k", "pathlen:1", "-days 9000", {}},
  };
  for (const auto& test : cases) {
    MakeRoot("signer", test.key, test.constraints, test.options);
    EXPECT_EQ(Rules(CheckSigner({Read("signer")}, now_, for_ever)), test.rules) << test.key << test.constraints;
  }
  EXPECT_THAT(Rules(CheckSigner({Read("root")}, now_, absl::Hours(24 * 364))), ElementsAre("validity"));
  EXPECT_THAT(CheckSigner({}, now_, for_ever), ::testing::SizeIs(1));
}

TEST_F(PublishChecksTest, OfACertificateOfPossessionWhatTheCloudLooksAt) {
  Run(
      fmt::format("openssl req -new -key ica.key -subj /CN={} -outform DER -out code.csr && openssl pkey -in ica.key "
                  "-pubout -outform DER -out spki && openssl pkey -in root.key -pubout -outform DER -out other-spki",
                  kCode));
  const Bytes certificate = Certify("code.csr", "keyUsage=digitalSignature\n", "-days 1");
  const Bytes spki = Read("spki");
  const auto fault = [&](ByteView of, ByteView issuer, ByteView key, Time now) {
    return FaultOfPossession(of, issuer, key, kCode, now).value_or("not read");
  };
  EXPECT_EQ(fault(certificate, Read("root"), spki, now_), "");
  EXPECT_THAT(fault(certificate, Read("root"), Read("other-spki"), now_), HasSubstr("another key"));
  EXPECT_THAT(fault(certificate, Read("root"), spki, now_ + absl::Hours(30)), HasSubstr("expired"));
  EXPECT_THAT(FaultOfPossession(certificate, Read("root"), spki, std::string(48, 'A'), now_).value(),
              HasSubstr("its subject is CN=2EF1"));
  // The same name, another key: its certificate verifies nothing of ours.
  MakeRoot("impostor", "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k");
  EXPECT_THAT(fault(certificate, Read("impostor"), spki, now_), HasSubstr("signature does not verify"));
  EXPECT_THAT(fault(certificate, certificate, spki, now_), HasSubstr("another issuer"));
  EXPECT_EQ(fault(Bytes{1, 2}, Read("root"), spki, now_), "not read");
}

}  // namespace
}  // namespace hallmark::cli
