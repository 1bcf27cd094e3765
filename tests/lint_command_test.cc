// `hallmark lint` on what OpenSSL made: what it reads, what it says, how it ends; and that docs/lint.md has its rules.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/command.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::CommandResult;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::TemporaryDirectory;

constexpr char kMake[] = R"(
cat >openssl.cnf <<END
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[idevid]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectAltName = otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:module
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[module]
type = OID:1.3.6.1.4.1.32473.1
serial = FORMAT:ASCII,OCT:SN-1
[ca]
default_ca = ca
[ca]
database = index
crlnumber = number
default_md = sha256
default_crl_days = 7
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
END
touch index
echo 01 >number
new() { openssl req -config openssl.cnf -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }
sign() { openssl x509 -req -CA root.pem -CAkey root.key -extfile openssl.cnf -days 30 "$@"; }
new -x509 -subj /O=Example/CN=Root -keyout root.key -extensions root -days 3650 -out root.pem
new -x509 -subj /O=Example/CN=Other -keyout other.key -extensions root -days 3650 -out other.pem
new -subj /CN=device-1 -keyout device.key -out device.csr
sign -in device.csr -extensions leaf -out device.pem
sign -in device.csr -extensions leaf -outform DER -out device.der
sign -in device.csr -extensions leaf -set_serial 1 -out short.pem
sign -in device.csr -extensions leaf -sha1 -out sha1.pem
new -subj "/serialNumber=SN-1" -keyout idevid.key -out idevid.csr
sign -in idevid.csr -extensions idevid -out idevid.pem
openssl ca -config openssl.cnf -gencrl -cert root.pem -keyfile root.key -out root.crl
)";

class LintCommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDirectory>();
    const CommandResult made = In(fmt::format("set -e\n{}", kMake));
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  static void TearDownTestSuite() { directory_.reset(); }

  // Runs a command line in the directory of the files.
  static CommandResult In(const std::string& command) {
    return RunCommand(
        fmt::format("cd {} && PATH={}:$PATH\n{}", directory_->path().string(), testing::ProgramDirectory(), command));
  }
  static CommandResult Lint(const std::string& arguments) { return In("hallmark lint " + arguments); }
  static json LintJson(const std::string& arguments) {
    return json::parse(Lint(arguments + " --output json").output, nullptr, false);
  }
  // The rules of all findings.
  static std::vector<std::string> Rules(const std::string& arguments) {
    const json document = LintJson(arguments);
    std::vector<std::string> rules;
    for (const json& object : document.value("objects", json::array())) {
      for (const json& finding : object["findings"]) rules.push_back(finding["rule"]);
    }
    return rules;
  }

  static std::unique_ptr<TemporaryDirectory> directory_;
};
std::unique_ptr<TemporaryDirectory> LintCommandTest::directory_;

TEST_F(LintCommandTest, WhatIsRightHasNoFindingsAndExitCode0) {
  const CommandResult result = Lint("device.pem --issuer root.pem --strict");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("device.pem: certificate CN=device-1\n"), HasSubstr("held to RFC 5280: nothing found\n"),
                    HasSubstr("1 certificate, 0 CRLs: 0 errors, 0 warnings, 0 notices\n")));
}

TEST_F(LintCommandTest, AnErrorIsShownWithItsSectionAndExitCode3) {
  const CommandResult result = Lint("device.pem sha1.pem");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, AllOf(HasSubstr("SEVERITY"),
                                   ::testing::ContainsRegex("error +hallmark_sound_signature_algorithm +RFC 6194"),
                                   HasSubstr("2 certificates, 0 CRLs: 1 error, 0 warnings, 0 notices\n")));
}

TEST_F(LintCommandTest, WarningsCountForTheExitCodeOnlyWhenStrict) {
  EXPECT_THAT(Rules("short.pem"), ::testing::ElementsAre("hallmark_serial_entropy"));
  EXPECT_EQ(Lint("short.pem").exit_code, 0);
  EXPECT_EQ(Lint("short.pem --strict").exit_code, 3);
}

TEST_F(LintCommandTest, JsonHasEverythingOfTheTable) {
  const CommandResult result = Lint("sha1.pem --output json");
  EXPECT_EQ(result.exit_code, 3);
  const json document = json::parse(result.output, nullptr, false);
  EXPECT_EQ(document["errors"], 1);
  EXPECT_EQ(document["warnings"], 0);
  EXPECT_EQ(document["notices"], 0);
  ASSERT_EQ(document["objects"].size(), 1u);
  const json& object = document["objects"][0];
  EXPECT_EQ(object["source"], "sha1.pem");
  EXPECT_EQ(object["kind"], "certificate");
  EXPECT_EQ(object["subject"], "CN=device-1");
  ASSERT_EQ(object["findings"].size(), 1u);
  EXPECT_EQ(object["findings"][0]["severity"], "error");
  EXPECT_EQ(object["findings"][0]["rule"], "hallmark_sound_signature_algorithm");
  EXPECT_THAT(object["findings"][0]["citation"].get<std::string>(), HasSubstr("RFC 6194"));
  EXPECT_NE(object["findings"][0]["message"], "");
}

TEST_F(LintCommandTest, ReadsEachFormInWhichCertificatesAndListsStand) {
  const struct {
    const char* name;
    const char* command;
    std::vector<std::string> objects;
  } kCases[] = {
      {"PEM", "hallmark lint device.pem", {"device.pem certificate CN=device-1"}},
      {"DER", "hallmark lint device.der", {"device.der certificate CN=device-1"}},
      {"several files",
       "hallmark lint device.der root.pem",
       {"device.der certificate CN=device-1", "root.pem certificate CN=Root,O=Example"}},
      {"a chain",
       "cat device.pem root.pem >chain.pem; hallmark lint chain.pem",
       {"chain.pem#1 certificate CN=device-1", "chain.pem#2 certificate CN=Root,O=Example"}},
      {"text, a key and a CSR around it",
       "{ cat device.key device.csr; openssl x509 -in root.pem -text; echo the end; } >mixed.pem; hallmark lint "
       "mixed.pem",
       {"mixed.pem certificate CN=Root,O=Example"}},
      {"carriage returns",
       "sed 's/$/\\r/' device.pem >dos.pem; hallmark lint dos.pem",
       {"dos.pem certificate CN=device-1"}},
      {"standard input", "cat device.pem | hallmark lint -", {"standard input certificate CN=device-1"}},
      {"a CRL", "hallmark lint root.crl", {"root.crl crl CN=Root,O=Example"}},
      {"a CRL in DER",
       "openssl crl -in root.crl -outform DER -out root.crl.der; hallmark lint root.crl.der",
       {"root.crl.der crl CN=Root,O=Example"}},
      {"a PEM block inside DER is none",
       "new() { openssl req -config openssl.cnf -new -x509 -key root.key \"$@\"; }; new -subj /CN=outer -outform DER "
       "-addext \"nsComment=$(printf -- '-----BEGIN CERTIFICATE-----')\" -out nested.der && hallmark lint nested.der",
       {"nested.der certificate CN=outer"}},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const CommandResult result = In(std::string(c.command) + " --output json");
    const json document = json::parse(result.output, nullptr, false);
    std::vector<std::string> objects;
    for (const json& object : document.value("objects", json::array())) {
      objects.push_back(fmt::format("{} {} {}", object["source"].get<std::string>(), object["kind"].get<std::string>(),
                                    object[object["kind"] == "crl" ? "issuer" : "subject"].get<std::string>()));
    }
    EXPECT_EQ(objects, c.objects) << result.output;
  }
}

TEST_F(LintCommandTest, ComparesWithTheIssuerWhichItFindsInAChain) {
  EXPECT_THAT(Rules("device.pem"), ::testing::IsEmpty());
  EXPECT_THAT(Rules("device.pem --issuer other.pem"), Contains("rfc5280_4_1_2_4_issuer"));
  In("cat other.pem root.pem >both.pem");
  EXPECT_THAT(Rules("device.pem --issuer both.pem"), ::testing::IsEmpty());
  EXPECT_THAT(Rules("root.crl --issuer both.pem"), ::testing::IsEmpty());
  EXPECT_THAT(Rules("root.crl --issuer other.pem"), Contains("rfc5280_5_1_2_3_issuer"));
}

TEST_F(LintCommandTest, NamesTheStandardsThatItDetectedAndThoseThatItWasAskedFor) {
  const CommandResult result = Lint("idevid.pem --standard azure-dps");
  EXPECT_THAT(result.output, HasSubstr("held to RFC 5280, ieee-802.1ar (detected), azure-dps:"));
  const json detected = {{"name", "ieee-802.1ar"}, {"detected", true}};
  const json asked = {{"name", "azure-dps"}, {"detected", false}};
  const json document = LintJson("idevid.pem --standard azure-dps --standard ieee-802.1ar");
  EXPECT_EQ(document["objects"][0]["standards"], json::array({detected, asked}));
  EXPECT_THAT(Rules("device.pem --standard matter-dac"), Contains(HasSubstr("matter")));
}

TEST_F(LintCommandTest, NoNameSteersTheTerminal) {
  const CommandResult result = In(
      "openssl req -config openssl.cnf -new -x509 -key root.key -subj \"$(printf '/CN=a\\033[31mb')\" -out red.pem && "
      "hallmark lint red.pem");
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, Not(HasSubstr("\x1b")));
}

TEST_F(LintCommandTest, SaysWhatIsWrongWithTheCommandLine) {
  const struct {
    const char* arguments;
    int exit_code;
    const char* words;
  } kCases[] = {
      {"", 2, "name the files to lint"},
      {"device.pem --list-rules", 2, "excludes"},
      {"device.pem --standard x.509", 2, "x.509"},
      {"missing.pem", 1, "missing.pem"},
      {"device.key", 2, "there is no certificate and no CRL in device.key"},
      {"openssl.cnf", 2, "there is no certificate and no CRL in openssl.cnf"},
      {"index", 2, "there is no certificate and no CRL in index"},
      {"device.pem --issuer root.crl", 2, "root.crl, which --issuer names, holds a CRL and no certificate"},
      {"broken.pem", 2, "cannot read broken.pem: PEM: the base64"},
      {"cut.pem", 2, "cannot read cut.pem: PEM: \"-----END CERTIFICATE-----\" is missing"},
  };
  In("sed 's/=/*/; 3s/./*/' device.pem >broken.pem; head -3 device.pem >cut.pem");
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.arguments);
    const CommandResult result = Lint(c.arguments);
    EXPECT_EQ(result.exit_code, c.exit_code);
    EXPECT_THAT(result.output, HasSubstr(c.words));
  }
}

TEST_F(LintCommandTest, OctetsThatAreNoCertificateAreAFindingOfTheirOwn) {
  const CommandResult result = In("head -c 200 device.der >cut.der; hallmark lint cut.der");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, AllOf(HasSubstr("cut.der: certificate (no name)"), HasSubstr("x690_der")));
}

TEST_F(LintCommandTest, ShellsCompleteItsOptionsAndStandards) {
  const std::string script = In("hallmark completion bash").output;
  EXPECT_THAT(script, HasSubstr("'hallmark lint --standard') COMPREPLY=($(compgen -W 'ieee-802.1ar matter-dac"));
  EXPECT_THAT(script, HasSubstr("--list-rules"));
}

// --- The rules.

TEST_F(LintCommandTest, ListsItsRulesWithSectionAndRequirementByName) {
  const json rules = LintJson("--list-rules")["rules"];
  ASSERT_GT(rules.size(), 50u);
  std::string last;
  for (const json& rule : rules) {
    const auto name = rule["name"].get<std::string>();
    EXPECT_LT(last, name);
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), name.npos) << name;
    EXPECT_GT(rule["citation"].get<std::string>().size(), 5u) << name;
    EXPECT_GT(rule["requirement"].get<std::string>().size(), 10u) << name;
    last = name;
  }
  EXPECT_THAT(Lint("--list-rules").output, ::testing::ContainsRegex("error +rfc5280_4_1_2_2_serial_number +RFC 5280"));
}

// docs/lint.md says how its table is made; when rules change, run that command and put what it prints there.
TEST_F(LintCommandTest, TheDocumentedTableIsCurrent) {
  const std::string document = ReadFile(testing::SourceDirectory() + "/docs/lint.md").value();
  const json rules = LintJson("--list-rules")["rules"];
  std::string table;
  for (const json& rule : rules) {
    table +=
        fmt::format("| `{}` | {} | {} | {} |\n", rule["name"].get<std::string>(), rule["severity"].get<std::string>(),
                    rule["citation"].get<std::string>(), rule["requirement"].get<std::string>());
  }
  EXPECT_TRUE(document.ends_with("|---|---|---|---|\n" + table)) << "docs/lint.md should end with:\n" << table;
}

}  // namespace
}  // namespace hallmark
