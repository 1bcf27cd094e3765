// hallmark publish adr sign, of a real service: what it certifies is judged by OpenSSL and GnuTLS against Azure's list,
// and what would break the list is refused before anything is issued.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/service.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::TemporaryDirectory;

class PublishAdrTest : public ::testing::Test {
 protected:
  CommandResult Operate(const std::string& arguments) const { return service().Hallmark("operator", arguments); }
  std::string Succeed(const std::string& arguments) const {
    const CommandResult result = Operate(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.output;
    return result.output;
  }
  CommandResult Judge(const std::string& command) const {
    return RunCommand(fmt::format("cd {} && {}", directory_.path().string(), command));
  }
  std::string At(const std::string& name) const { return (directory_ / name).string(); }

  // As Azure makes it, with a name in an order of its own, and asking for what it shall not get.
  void MakeCsr(const std::string& options = "-newkey ec -pkeyopt ec_paramgen_curve:P-256") const {
    const CommandResult made = Judge(fmt::format(
        "openssl req -new {} -nodes -keyout azure.key -out azure.csr -subj '/CN=adr-ica-7/O=Contoso/C=US' -addext "
        "basicConstraints=CA:FALSE -addext extendedKeyUsage=serverAuth -addext subjectAltName=DNS:example.com 2>&1",
        options));
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  size_t Issued() const {
    const auto listed = nlohmann::json::parse(Succeed("certificate list --all --output json"), nullptr, false);
    return listed.is_object() && listed.contains("certificates") ? listed.at("certificates").size() : 0;
  }
  void ExpectRefusal(const std::string& arguments, const std::string& rule) const {
    const size_t before = Issued();
    const CommandResult refused = Operate("publish adr sign " + arguments);
    EXPECT_EQ(refused.exit_code, 3) << refused.output;
    EXPECT_THAT(refused.output, AllOf(HasSubstr(rule), HasSubstr("nothing was issued")));
    EXPECT_EQ(Issued(), before);
    EXPECT_GT(before, 0u);
  }
  virtual const Service& service() const {
    static const Service service;
    return service;
  }

  TemporaryDirectory directory_;
};

TEST_F(PublishAdrTest, CertifiesWhatAzureTakes) {
  MakeCsr();
  const std::string told = Succeed(fmt::format("publish adr sign {} --out {}", At("azure.csr"), At("adr")));
  EXPECT_THAT(told, AllOf(HasSubstr("az iot adr ns ca activate"), HasSubstr("activateBringYourOwnRoot"),
                          HasSubstr(At("adr/azure-chain.pem"))));
  ASSERT_EQ(
      Judge("csplit -sz -f part- adr/azure-chain.pem '/BEGIN/' '{*}' && [ -e part-01 ] && [ ! -e part-02 ]").exit_code,
      0);
  EXPECT_THAT(Judge("openssl verify -x509_strict -CAfile part-01 part-00").output, HasSubstr("part-00: OK"));
  const std::string text = Judge("openssl x509 -in part-00 -noout -text").output;
  EXPECT_THAT(text,
              AllOf(HasSubstr("Version: 3"), HasSubstr("X509v3 Basic Constraints: critical\n                CA:TRUE"),
                    HasSubstr("Digital Signature, Certificate Sign, CRL Sign"),
                    HasSubstr("X509v3 Subject Key Identifier"), HasSubstr("ecdsa-with-SHA")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("example.com")), Not(HasSubstr("TLS Web Server")),
                          Not(HasSubstr("Extended Key Usage"))));
  const char kSubject[] = "-noout -subject -nameopt RFC2253,show_type";
  EXPECT_EQ(Judge(fmt::format("openssl x509 -in part-00 {}", kSubject)).output,
            Judge(fmt::format("openssl req -in azure.csr {}", kSubject)).output);
  EXPECT_EQ(Judge(fmt::format("openssl x509 -in part-00 -noout -checkend {}", 365 * 86400)).exit_code, 0);
  EXPECT_EQ(Judge("openssl req -in azure.csr -noout -pubkey > a && openssl x509 -in part-00 -noout -pubkey | cmp - a")
                .exit_code,
            0);
  EXPECT_THAT(Judge("openssl x509 -in part-01 -noout -ext basicConstraints").output, HasSubstr("pathlen:1"));
  if (RunCommand("command -v certtool").exit_code == 0) {
    EXPECT_THAT(Judge("certtool --verify --load-ca-certificate part-01 --infile part-00").output,
                HasSubstr("Verified. The certificate is trusted"));
  }
  EXPECT_EQ(
      Judge("python3 -c \"import json;print(json.load(open('adr/azure-activate.json'))['certificateChain'],end='')\" "
            "| cmp - adr/azure-chain.pem")
          .exit_code,
      0);
  // The same command again gets the same certificate.
  Succeed(fmt::format("publish adr sign {} --out {}", At("azure.csr"), At("again")));
  EXPECT_EQ(Judge("cmp adr/azure-chain.pem again/azure-chain.pem").exit_code, 0);
}

TEST_F(PublishAdrTest, TakesDerAndStandardInput) {
  MakeCsr("-newkey ec -pkeyopt ec_paramgen_curve:P-384");
  Judge("openssl req -in azure.csr -outform DER -out azure.der");
  const std::string chain = Succeed("publish adr sign " + At("azure.der") + " --lifetime 4y 2> /dev/null");
  EXPECT_THAT(chain, ::testing::StartsWith("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(Succeed("publish adr sign - --lifetime 4y 2> /dev/null < " + At("azure.csr")), chain);
}

TEST_F(PublishAdrTest, RefusesWhatAzureWouldRefuse) {
  MakeCsr();
  ExpectRefusal(At("azure.csr") + " --lifetime 300d", "validity: would end on");
  // A second too short, when it is judged here or, if that second is over already, when it is judged there.
  const size_t before = Issued();
  const CommandResult short_by_a_second = Operate("publish adr sign " + At("azure.csr") + " --lifetime 365d");
  EXPECT_NE(short_by_a_second.exit_code, 0);
  EXPECT_THAT(short_by_a_second.output, AnyOf(HasSubstr("notAfter: is "), HasSubstr("azure_adr_validity")));
  EXPECT_EQ(Issued(), before);
  ExpectRefusal(At("azure.csr") + " --authority devices", "signing CA's pathLenConstraint: is 0");
  Succeed("authority create three --root --profile three-tier-root --subject 'O=Example, CN=Three' --enable");
  ExpectRefusal(At("azure.csr") + " --authority three", "root's pathLenConstraint: is 2; Azure takes 1");
  Judge(
      "openssl req -in azure.csr -outform DER -out damaged.csr && printf '\\377' | dd of=damaged.csr bs=1 conv=notrunc "
      "seek=$(($(stat -c %s damaged.csr) - 4)) 2>/dev/null");
  ExpectRefusal(At("damaged.csr"), "CSR's signature: does not verify");
  Judge("openssl x509 -in " + (service().ca() / "tls/root.pem").string() + " -out root.csr");
  ExpectRefusal(At("root.csr"), "CSR: is no PKCS#10 request");
  MakeCsr("-newkey rsa:2048");
  ExpectRefusal(At("azure.csr"), "CSR's key: is rsaEncryption");
  MakeCsr("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit");
  ExpectRefusal(At("azure.csr"), "CSR's key: is an EC key with explicit parameters");
}

class PublishAdrRsaTest : public PublishAdrTest {
 protected:
  const Service& service() const override {
    static const Service service("--key-type rsa-3072");
    return service;
  }
};

TEST_F(PublishAdrRsaTest, ARootWithAnRsaKeyIsRefusedBeforeAnythingIsIssued) {
  MakeCsr();
  ExpectRefusal(At("azure.csr"), "signing CA's key: is rsaEncryption; Azure takes P-256, P-384 and P-521");
  ExpectRefusal(At("azure.csr"), "hallmark authority create NAME --root");
}

}  // namespace
}  // namespace hallmark
