// The life of authorities as an operator meets it: `hallmark authority` against a hallmarkd with keys in SoftHSM, and
// openssl, certtool and curl as judges.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/service.h"

namespace hallmark {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;

class LifecycleServiceTest : public ::testing::Test {
 protected:
  // One service for all tests of this program; each names its own authorities.
  static Service& TheService() {
    static Service service;
    return service;
  }
  static CommandResult Authority(const std::string& arguments, const std::string& role = "operator") {
    return TheService().Hallmark(role, "authority " + arguments);
  }
  static nlohmann::json Show(const std::string& name) {
    return nlohmann::json::parse(TheService().Hallmark("operator", "--output json authority show " + name).output);
  }
  static std::string Path(const std::string& name) { return (TheService().directory() / name).string(); }
  static CommandResult Issue(const std::string& authority, const std::string& device) {
    TheService().MakeCsrs(Path(device), device, 1);
    return TheService().Hallmark("operator", fmt::format("certificate issue --authority {} --lifetime 1d --out {} "
                                                         "{}/{}-1.csr",
                                                         authority, Path(device), Path(device), device));
  }
  // The authority's CRL from its URL, once it is there.
  static CommandResult FetchCrl(const std::string& authority) {
    return RunCommand(
        fmt::format("curl -sf --retry 10 --retry-delay 1 --retry-all-errors {}/crl/{}.crl | openssl crl "
                    "-inform DER -out {}",
                    TheService().base_url(), authority, Path(authority + ".crl")));
  }
  // What openssl says of a device with its chain and the CRLs of all above it, under `root`.
  static std::string Verify(const std::string& device, const std::string& root, const std::string& crls) {
    return RunCommand(fmt::format("cat {3} > {0}/crls.pem; openssl verify -x509_strict -crl_check_all -CRLfile "
                                  "{0}/crls.pem -CAfile {1} -untrusted {0}/{2}-1-chain.pem {0}/{2}-1.pem",
                                  Path(device), root, device, crls))
        .output;
  }
};

TEST_F(LifecycleServiceTest, AnAuthorityIsCreatedEnabledDisabledAndRolledOver) {
  const std::string root = (TheService().ca() / "tls/root.pem").string();
  const auto created =
      Authority("create plant-b --parent root --subject 'O=Example\\, Ltd, CN=Plant B' --issues device-dps");
  ASSERT_EQ(created.exit_code, 0) << created.output;
  EXPECT_THAT(created.output, HasSubstr("STAGED"));
  EXPECT_THAT(created.output, HasSubstr("hallmark authority enable plant-b"));
  EXPECT_EQ(Show("plant-b")["subject"], "CN=Plant B,O=Example\\, Ltd");
  ASSERT_EQ(
      Authority("create plant-b --parent root --subject 'O=Example\\, Ltd, CN=Plant B' --issues device-dps").exit_code,
      0)
      << "the same again";
  ASSERT_EQ(Authority("enable plant-b").exit_code, 0);
  ASSERT_EQ(Issue("plant-b", "before").exit_code, 0);

  const auto rolled = Authority("rollover plant-b --key-type ec-p384");
  ASSERT_EQ(rolled.exit_code, 0) << rolled.output;
  EXPECT_EQ(Show("plant-b")["successor"], "authorities/plant-b-2");
  EXPECT_EQ(Show("plant-b-2")["key_type"], "ec-p384");
  EXPECT_EQ(Show("plant-b-2")["signature_algorithm"], "ecdsa-sha384");
  ASSERT_EQ(Authority("enable plant-b-2").exit_code, 0);
  EXPECT_EQ(Show("plant-b")["state"], "DISABLED");
  const auto refused = Issue("plant-b", "late");
  EXPECT_EQ(refused.exit_code, 3) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("AUTHORITY_NOT_ISSUING"));
  EXPECT_THAT(refused.output, HasSubstr("plant-b-2"));
  ASSERT_EQ(Issue("plant-b-2", "after").exit_code, 0);

  for (const char* name : {"root", "plant-b", "plant-b-2"}) ASSERT_EQ(FetchCrl(name).exit_code, 0) << name;
  EXPECT_THAT(Verify("before", root, Path("root.crl") + " " + Path("plant-b.crl")), HasSubstr("before-1.pem: OK"));
  EXPECT_THAT(Verify("after", root, Path("root.crl") + " " + Path("plant-b-2.crl")), HasSubstr("after-1.pem: OK"));
  // The one's list does not do for the other, though they have one name.
  EXPECT_THAT(Verify("after", root, Path("root.crl") + " " + Path("plant-b.crl")), Not(HasSubstr(": OK")));
  for (const char* name : {"plant-b", "plant-b-2"}) {
    EXPECT_THAT(RunCommand(fmt::format("curl -sf {}/aia/{}.cer | openssl x509 -inform DER -noout -subject",
                                       TheService().base_url(), name))
                    .output,
                HasSubstr("Plant B"));
  }
}

TEST_F(LifecycleServiceTest, AnAuthorityThatOpensslCertifiesIsActivatedAndIssues) {
  const auto created =
      Authority("create corporate --external --subject 'O=Example, CN=Corporate Devices' --issues device-dps");
  ASSERT_EQ(created.exit_code, 0) << created.output;
  EXPECT_THAT(created.output, HasSubstr("AWAITING_ACTIVATION"));
  EXPECT_THAT(created.output, HasSubstr("hallmark authority csr corporate"));
  EXPECT_EQ(Issue("corporate", "early").exit_code, 3);
  ASSERT_EQ(Authority("csr corporate --out " + Path("corporate.csr")).exit_code, 0);
  const auto made = RunCommand(fmt::format(
      "cd {} && openssl req -x509 -newkey rsa:3072 -nodes -keyout corp.key -out corp.pem -days 3650 -subj "
      "'/O=Corp/CN=Corporate Root' && printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,"
      "keyCertSign,cRLSign\\nsubjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid\\n' > extensions && openssl x509 "
      "-req -in corporate.csr -CA corp.pem -CAkey corp.key -CAcreateserial -days 3000 -extfile extensions -text -out "
      "corporate.pem && openssl x509 -req -in corporate.csr -CA corp.pem -CAkey corp.key -CAcreateserial -days 3000 "
      "-out leaf.pem",
      TheService().directory().path().string()));
  ASSERT_EQ(made.exit_code, 0) << made.output;

  const auto refused = Authority(fmt::format("activate corporate {} {}", Path("leaf.pem"), Path("corp.pem")));
  EXPECT_EQ(refused.exit_code, 3) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("CHAIN_INVALID"));
  const std::string files = Path("corporate.pem") + " " + Path("corp.pem");  // one with openssl's text around
  EXPECT_EQ(Authority("activate corporate --validate-only " + files).exit_code, 0);
  EXPECT_EQ(Show("corporate")["state"], "AWAITING_ACTIVATION");
  const auto activated = Authority("activate corporate " + files);
  ASSERT_EQ(activated.exit_code, 0) << activated.output;
  ASSERT_EQ(Authority("activate corporate " + files).exit_code, 0) << "the same again";
  ASSERT_EQ(Authority("enable corporate").exit_code, 0);
  ASSERT_EQ(Issue("corporate", "corp-device").exit_code, 0);
  EXPECT_THAT(RunCommand(fmt::format("openssl verify -CAfile {} -untrusted {}/corp-device-1-chain.pem "
                                     "{}/corp-device-1.pem",
                                     Path("corp.pem"), Path("corp-device"), Path("corp-device")))
                  .output,
              HasSubstr("corp-device-1.pem: OK"));
  ASSERT_EQ(FetchCrl("corporate").exit_code, 0);

  // Its successor awaits its own certificate.
  const auto rolled = Authority("rollover corporate");
  ASSERT_EQ(rolled.exit_code, 0) << rolled.output;
  EXPECT_EQ(Show("corporate-2")["state"], "AWAITING_ACTIVATION");
  EXPECT_EQ(Show("corporate-2")["subject"], Show("corporate")["subject"]);
  EXPECT_EQ(Show("corporate")["state"], "ENABLED");
}

TEST_F(LifecycleServiceTest, EachFormOfAChainIsWhatItsReadersTake) {
  const auto chain = [](const std::string& format) {
    const std::string file = Path("devices." + format);
    EXPECT_EQ(Authority(fmt::format("chain devices --format {} --out {}", format, file)).exit_code, 0);
    return file;
  };
  EXPECT_EQ(RunCommand("grep -c 'BEGIN CERT' " + chain("pem")).output, "2\n");
  EXPECT_THAT(RunCommand("openssl x509 -inform DER -noout -subject -in " + chain("der")).output,
              HasSubstr("Hallmark Devices"));
  EXPECT_EQ(
      RunCommand("openssl pkcs7 -inform DER -print_certs -noout -in " + chain("pkcs7") + " | grep -c subject").output,
      "2\n");
  EXPECT_EQ(RunCommand("certtool --p7-info --inder --infile " + chain("pkcs7") + " 2>/dev/null | grep -c 'BEGIN CERT'")
                .output,
            "2\n");
  const auto bundle = nlohmann::json::parse(std::ifstream(chain("json")));
  ASSERT_EQ(bundle["certificates"].size(), 2u);
  EXPECT_EQ(bundle["certificates"][0]["authority"], "authorities/devices");
  EXPECT_EQ(bundle["certificates"][1]["subject"], bundle["certificates"][1]["issuer"]);
}

TEST_F(LifecycleServiceTest, NobodyButAnOperatorChangesAnAuthority) {
  const std::string before = Authority("list").output;
  for (const char* role : {"station", "auditor"}) {
    for (const std::string& command :
         {std::string("create x --root --subject CN=X"), std::string("create x --parent root --subject CN=X"),
          std::string("create x --external --subject CN=X"), std::string("rollover devices"),
          std::string("disable devices"), std::string("stage devices"), std::string("enable devices"),
          std::string("csr devices"), "activate devices " + (TheService().ca() / "tls/root.pem").string(),
          std::string("keys add devices pkcs11:token=hallmark")}) {
      const auto denied = Authority(command, role);
      EXPECT_EQ(denied.exit_code, 6) << role << " " << command << ": " << denied.output;
    }
  }
  EXPECT_EQ(Authority("list").output, before);
}

TEST_F(LifecycleServiceTest, AKeyIsAddedByAnotherUriOnlyIfItIsTheSame) {
  const std::string uri = "pkcs11:token=hallmark;object=devices;type=private";
  const auto added = Authority("keys add devices '" + uri + "'");
  ASSERT_EQ(added.exit_code, 0) << added.output;
  EXPECT_EQ(Show("devices")["key_uris"].size(), 2u);
  const auto other = Authority("keys add devices 'pkcs11:token=hallmark;object=access;type=private'");
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.output, HasSubstr("another key"));
  EXPECT_EQ(Authority("keys remove devices '" + uri + "'").exit_code, 0);
  EXPECT_EQ(Authority("keys remove devices '" + uri + "'").exit_code, 2);
  const std::string last = Show("devices")["key_uris"][0];
  EXPECT_EQ(Authority("keys remove devices '" + last + "'").exit_code, 3) << "it needs one";
}

TEST_F(LifecycleServiceTest, WhatMakesNoSenseIsRefusedWithAHint) {
  const struct {
    std::string command;
    int exit_code;
    const char* says;
  } cases[] = {
      {"create x --subject CN=X", 2, "--external"},
      {"create x --root --parent root --subject CN=X", 2, "say who certifies"},
      {"create x --root --subject nonsense", 2, "O=Example"},
      {"create x --root --subject CN=", 2, "O=Example"},
      {"create X --root --subject CN=X", 3, "authority_id"},
      {"create x --root --subject CN=X --token elsewhere", 3, "known: default"},
      {"create devices --root --subject CN=X", 3, "AUTHORITY_EXISTS"},
      {"create x --parent nobody --subject CN=X", 5, "AUTHORITY_UNKNOWN"},
      {"enable nobody", 5, "AUTHORITY_UNKNOWN"},
      {"activate root " + (TheService().ca() / "tls/root.pem").string(), 3, "root"},
      {"rollover nobody", 5, "AUTHORITY_UNKNOWN"},
  };
  for (const auto& c : cases) {
    const auto refused = Authority(c.command);
    EXPECT_EQ(refused.exit_code, c.exit_code) << c.command << ": " << refused.output;
    EXPECT_THAT(refused.output, HasSubstr(c.says)) << c.command;
  }
}

TEST_F(LifecycleServiceTest, EverythingIsThereAfterAKillAndARestart) {
  ASSERT_EQ(Authority("create plant-k --parent root --subject CN=PlantK --issues device-dps").exit_code, 0);
  TheService().Kill();
  TheService().Start();
  EXPECT_EQ(Show("plant-k")["state"], "STAGED");
  EXPECT_EQ(Issue("plant-k", "killed").exit_code, 0);
}

}  // namespace
}  // namespace hallmark
