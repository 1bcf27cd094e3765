// What a certificate says, told by us: of certificates that OpenSSL made, and of ones that it did not make well.
#include "ca/description.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "tests/command.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::ElementsAre;
using testing::IsOk;
using testing::RunCommand;

class DescriptionTest : public ::testing::Test {
 protected:
  // A self-signed certificate with an extensions section of OpenSSL's configuration.
  StatusOr<Description> Make(const std::string& extensions, const std::string& key =
                                                                "-newkey ec -pkeyopt "
                                                                "ec_paramgen_curve:P-384") {
    const std::string base = (directory_ / "c").string();
    std::ofstream(base + ".cnf") << "[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\n"
                                 << extensions << "\n";
    const auto made =
        RunCommand(fmt::format("openssl req -x509 -config {0}.cnf {1} -nodes -subj /O=Example/CN=a -days "
                               "30 -keyout {0}.key -outform DER -out {0}.der",
                               base, key));
    EXPECT_EQ(made.exit_code, 0) << made.output;
    ASSIGN_OR_RETURN(const std::string der, ReadFile(base + ".der"));
    return Describe(AsBytes(der));
  }

  testing::TemporaryDirectory directory_;
};

TEST_F(DescriptionTest, TellsEachExtensionThatItKnows) {
  const auto description = Make(R"(
basicConstraints=critical,CA:TRUE,pathlen:2
keyUsage=critical,keyCertSign,cRLSign
extendedKeyUsage=serverAuth,OCSPSigning,1.3.6.1.4.1.32473.1
subjectAltName=DNS:a.example,IP:192.0.2.1,email:a@example.com,URI:urn:a
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always
crlDistributionPoints=URI:http://ca.example/a.crl
authorityInfoAccess=caIssuers;URI:http://ca.example/a.cer,OCSP;URI:http://ocsp.example
certificatePolicies=1.3.6.1.4.1.32473.2,@cps
nameConstraints=permitted;DNS:example.com,permitted;IP:10.0.0.0/255.240.0.0,permitted;dirName:directory,excluded;email:.example
1.3.6.1.4.1.32473.9=critical,ASN1:UTF8String:hello
[cps]
policyIdentifier=1.3.6.1.4.1.32473.3
CPS.1=http://ca.example/cps
[directory]
O=Example
)");
  ASSERT_THAT(description, IsOk());
  EXPECT_EQ(ToRfc4514(description->subject), "CN=a,O=Example");
  EXPECT_EQ(ToRfc4514(description->issuer), "CN=a,O=Example");
  EXPECT_EQ(description->key_type, "ec-p384");
  EXPECT_TRUE(description->ca);
  EXPECT_EQ(description->path_length, 2);
  EXPECT_THAT(description->key_usage, ElementsAre(KeyUsage::kKeyCertSign, KeyUsage::kCrlSign));
  EXPECT_THAT(description->extended_key_usage, ElementsAre("serverAuth", "OCSPSigning", "1.3.6.1.4.1.32473.1"));
  ASSERT_EQ(description->subject_alt_names.size(), 4u);
  EXPECT_EQ(description->subject_alt_names[1], (GeneralName{GeneralName::Kind::kIp, "192.0.2.1"}));
  EXPECT_EQ(description->subject_key_identifier.size(), 20u);
  EXPECT_EQ(description->authority_key_identifier, description->subject_key_identifier);
  EXPECT_THAT(description->crl_distribution_points, ElementsAre("http://ca.example/a.crl"));
  EXPECT_THAT(description->ca_issuers, ElementsAre("http://ca.example/a.cer"));
  EXPECT_THAT(description->ocsp, ElementsAre("http://ocsp.example"));
  ASSERT_EQ(description->certificate_policies.size(), 2u);
  EXPECT_EQ(description->certificate_policies[0].oid, "1.3.6.1.4.1.32473.2");
  EXPECT_EQ(description->certificate_policies[1].cps, "http://ca.example/cps");
  EXPECT_THAT(description->permitted_subtrees, ElementsAre("dns:example.com", "ip:10.0.0.0/12", "directory:O=Example"));
  EXPECT_THAT(description->excluded_subtrees, ElementsAre("email:.example"));
  ASSERT_EQ(description->other_extensions.size(), 1u);
  EXPECT_EQ(description->other_extensions[0].oid, "1.3.6.1.4.1.32473.9");
  EXPECT_TRUE(description->other_extensions[0].critical);
  EXPECT_EQ(Hex(description->other_extensions[0].value), "0c0568656c6c6f");
}

TEST_F(DescriptionTest, NamesEachTypeOfKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-256", "ec-p256"},
      {"-newkey ec -pkeyopt ec_paramgen_curve:P-521", "1.3.132.0.35"},
      {"-newkey rsa:2048", "rsa-2048"},
      {"-newkey rsa:3072", "rsa-3072"},
      {"-newkey ed25519", "1.3.101.112"},
  };
  for (const auto& [key, name] : cases) {
    const auto description = Make("basicConstraints=CA:FALSE", key);
    ASSERT_THAT(description, IsOk()) << key;
    EXPECT_EQ(description->key_type, name);
    EXPECT_FALSE(description->ca);
    EXPECT_FALSE(description->path_length.has_value());
  }
}

// What a field cannot hold is shown as it stands, and nothing of it in the field.
TEST_F(DescriptionTest, WhatItCannotTellItShowsAsItStands) {
  const std::pair<const char*, const char*> cases[] = {
      {"2.5.29.15=DER:0500", "2.5.29.15"},
      {"2.5.29.17=DER:3000", "2.5.29.17"},
      {"2.5.29.19=DER:0101FF", "2.5.29.19"},
      {"2.5.29.30=DER:3000A1", "2.5.29.30"},
      {"2.5.29.30=DER:300EA00C300A87080A000000FF00FF00", "2.5.29.30"},  // a mask with a gap
      {"2.5.29.31=DER:3003300101", "2.5.29.31"},
      {"2.5.29.32=DER:30020500", "2.5.29.32"},
      {"2.5.29.35=DER:3003820100", "2.5.29.35"},
      {"1.3.6.1.5.5.7.1.1=DER:30020500", "1.3.6.1.5.5.7.1.1"},
  };
  for (const auto& [extension, oid] : cases) {
    const auto description = Make(extension);
    ASSERT_THAT(description, IsOk()) << extension;
    ASSERT_EQ(description->other_extensions.size(), 1u) << extension;
    EXPECT_EQ(description->other_extensions[0].oid, oid);
    EXPECT_TRUE(description->key_usage.empty() && description->subject_alt_names.empty() && !description->ca &&
                description->permitted_subtrees.empty() && description->crl_distribution_points.empty() &&
                description->certificate_policies.empty() && description->ca_issuers.empty() &&
                description->authority_key_identifier.empty())
        << extension;
  }
}

TEST_F(DescriptionTest, WhatIsNoCertificateIsRefused) {
  EXPECT_FALSE(Describe({}).ok());
  EXPECT_FALSE(Describe(AsBytes("certificate")).ok());
}

}  // namespace
}  // namespace hallmark
