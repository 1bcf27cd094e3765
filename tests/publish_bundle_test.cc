// What a person publishes by hand, from a real service, judged by others: sha256sum, openssl, bash, and a stand-in for
// az that checks possession as Azure does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "publish/bundle_directory.h"
#include "tests/service.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::TemporaryDirectory;

constexpr char kAzureCode[] = "2EF194C10D480915EBB4DAD7B3A18CCDEECF793D1FFEAFB6";
constexpr char kAwsCode[] = "00f194c10d480915ebb4dad7b3a18ccdeecf793d1ffeafb60123456789abcdef";
constexpr char kVerifyManifest[] =
    "openssl cms -verify -binary -inform DER -in manifest.p7s -content manifest.json -out /dev/null -CAfile ";

std::string Octets(const std::filesystem::path& path) { return ReadFile(path).value_or(""); }

void FlipAnOctet(const std::filesystem::path& path) {
  std::string octets = Octets(path);
  octets[octets.size() / 2] ^= 1;
  ASSERT_THAT(WriteFile(path, AsBytes(octets)), IsOk());
}

class PublishBundleTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { service_ = std::make_unique<Service>().release(); }
  static void TearDownTestSuite() { std::unique_ptr<Service>(service_).reset(); }

  std::string At() const { return directory_.path().string(); }
  std::string Folder() const { return At() + "/azure"; }
  CommandResult Operate(const std::string& arguments) const { return service_->Hallmark("operator", arguments); }
  std::string Succeed(const std::string& arguments) const {
    const CommandResult result = Operate(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.output;
    return result.output;
  }
  void Export(const std::string& options = "") const { Succeed("publish bundle " + Folder() + " " + options); }
  // In the bundle's directory.
  CommandResult Judge(const std::string& command) const {
    return RunCommand(fmt::format("cd {} && {}", Folder(), command));
  }
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(Folder())) files.insert(entry.path().filename());
    return files;
  }
  nlohmann::json Manifest() const { return nlohmann::json::parse(Octets(Folder() + "/manifest.json")); }

  static Service* service_;
  TemporaryDirectory directory_;
};

Service* PublishBundleTest::service_ = nullptr;

TEST_F(PublishBundleTest, EachFileIsWhatOthersTakeItFor) {
  const std::string told = Succeed("publish bundle " + Folder());
  EXPECT_THAT(told, AllOf(HasSubstr("/azure/devices.cer"), HasSubstr("next: read "), HasSubstr("STEPS.md")));
  EXPECT_EQ(Files(), (std::set<std::string>{"SHA256SUMS", "STEPS.md", "chain.pem", "devices.cer", "intermediates.pem",
                                            "manifest.json", "manifest.p7s", "publish.sh", "root.cer", "root.pem"}));
  EXPECT_EQ(Judge("sha256sum --strict -c SHA256SUMS").exit_code, 0);
  EXPECT_THAT(Judge(kVerifyManifest + std::string("root.pem")).output, HasSubstr("successful"));
  EXPECT_THAT(Judge("openssl verify -x509_strict -CAfile root.pem intermediates.pem").output, HasSubstr("OK"));
  EXPECT_EQ(Judge("openssl x509 -inform DER -in root.cer | cmp - root.pem").exit_code, 0);
  // What a device sends after its own certificate: its issuer's first.
  EXPECT_EQ(Judge("cat intermediates.pem root.pem | cmp - chain.pem").exit_code, 0);
  for (const std::string& file : Files()) {
    struct stat attributes = {};
    ASSERT_EQ(stat((Folder() + "/" + file).c_str(), &attributes), 0);
    EXPECT_EQ(attributes.st_mode & 0777, 0644u) << file;
  }
}

TEST_F(PublishBundleTest, TheManifestSaysWhatOpensslSays) {
  Export();
  const nlohmann::json manifest = Manifest();
  EXPECT_EQ(manifest.at("authority"), "authorities/devices");
  EXPECT_THAT(manifest.at("made_by").get<std::string>(), HasSubstr("hallmark://test/operator/"));
  ASSERT_EQ(manifest.at("certificates").size(), 2u);
  for (const nlohmann::json& certificate : manifest.at("certificates")) {
    const auto show = [&](const std::string& what) {
      std::string shown =
          Judge(fmt::format("openssl x509 -inform DER -noout -nameopt RFC2253 -dateopt iso_8601 -in {} {}",
                            certificate.at("file").get<std::string>(), what))
              .output;
      shown = shown.substr(shown.find('=') + 1);
      return std::regex_replace(shown, std::regex("[:\n]"), "");
    };
    EXPECT_EQ(certificate.at("sha1_thumbprint"), show("-fingerprint -sha1"));
    std::string sha256 = show("-fingerprint -sha256");
    for (char& c : sha256) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(certificate.at("sha256"), sha256);
    std::string serial = show("-serial");
    for (char& c : serial) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(certificate.at("serial"), serial);
    EXPECT_EQ(certificate.at("subject"), show("-subject"));
    EXPECT_EQ(certificate.at("issuer"), show("-issuer"));
    const auto instant = [](std::string text) {
      return std::regex_replace(std::regex_replace(text, std::regex("T"), " "), std::regex(":"), "");
    };
    EXPECT_EQ(instant(certificate.at("not_before")), show("-startdate"));
    EXPECT_EQ(instant(certificate.at("not_after")), show("-enddate"));
  }
  for (const auto& [file, digest] : manifest.at("files").items()) {
    EXPECT_EQ(Judge("sha256sum " + file).output.substr(0, 64), digest) << file;
  }
}

TEST_F(PublishBundleTest, AFlippedOctetIsSeen) {
  Export();
  FlipAnOctet(Folder() + "/devices.cer");
  EXPECT_THAT(Judge("sha256sum -c SHA256SUMS").output, HasSubstr("devices.cer: FAILED"));
  EXPECT_THAT(Judge(kVerifyManifest + std::string("root.pem")).output, HasSubstr("successful"));
  FlipAnOctet(Folder() + "/manifest.json");
  EXPECT_NE(Judge(kVerifyManifest + std::string("root.pem")).exit_code, 0);
  // Another root proves nothing.
  Export();
  EXPECT_NE(Judge("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x "
                  "-out ../other.pem 2> /dev/null && " +
                  std::string(kVerifyManifest) + "../other.pem")
                .exit_code,
            0);
}

TEST_F(PublishBundleTest, TheStepsNameFilesThatAreThere) {
  Export();
  const std::string steps = Octets(Folder() + "/STEPS.md");
  const std::set<std::string> files = Files();
  static const std::regex kFile(R"([A-Za-z0-9./$_-]*[A-Za-z0-9_-]\.(pem|cer|json|p7s|sh|md)\b|SHA256SUMS)");
  size_t named = 0;
  for (std::sregex_iterator match(steps.begin(), steps.end(), kFile), end; match != end; ++match) {
    const std::string file = match->str();
    if (file == "possession-CODE.pem" || file.ends_with("possession-$CODE.pem")) continue;
    ++named;
    EXPECT_TRUE(files.contains(file)) << file;
  }
  EXPECT_GT(named, 12u);
  const nlohmann::json manifest = Manifest();
  for (const nlohmann::json& certificate : manifest.at("certificates")) {
    EXPECT_THAT(steps, HasSubstr(certificate.at("sha1_thumbprint").get<std::string>()));
  }
  EXPECT_THAT(steps, Not(HasSubstr("{")));  // no place that was left empty
  EXPECT_EQ(Judge("bash -n publish.sh").exit_code, 0);
}

TEST_F(PublishBundleTest, ACodeBecomesACertificateOfPossession) {
  Export();
  for (const std::string code : {kAzureCode, kAwsCode}) {
    const std::string told = Succeed(fmt::format("publish bundle {} --code {}", Folder(), code));
    const std::string file = "possession-" + code;
    EXPECT_THAT(told, HasSubstr(file + ".pem"));
    EXPECT_EQ(Judge(fmt::format("openssl x509 -in {}.pem -noout -subject -nameopt RFC2253", file)).output,
              "subject=CN=" + code + "\n");
    EXPECT_THAT(Judge(fmt::format("openssl verify -partial_chain -trusted intermediates.pem {}.pem", file)).output,
                HasSubstr(": OK"));
    EXPECT_NE(Judge(fmt::format("openssl verify -partial_chain -trusted root.pem {}.pem", file)).exit_code, 0);
    EXPECT_EQ(Judge(fmt::format("openssl x509 -in {0}.pem -outform DER | cmp - {0}.cer", file)).exit_code, 0);
  }
  EXPECT_NE(Judge(fmt::format("grep -l PRIVATE *")).exit_code, 0);
  // They stay when the bundle is made anew, and are counted as nobody else's.
  Export();
  EXPECT_TRUE(Files().contains(fmt::format("possession-{}.pem", kAwsCode)));
}

TEST_F(PublishBundleTest, WhatIsNoCodeIsRefusedBeforeAnythingIsAsked) {
  for (const char* code : {"2EF1", "''", "2EF194C10D480915EBB4DAD7B3A18CCDEECF793D1FFEAFBX",
                           "' EF194C10D480915EBB4DAD7B3A18CCDEECF793D1FFEAFB6'"}) {
    const CommandResult refused = Operate(fmt::format("publish bundle {} --code {}", Folder(), code));
    EXPECT_EQ(refused.exit_code, 2) << refused.output;
    EXPECT_THAT(refused.output, HasSubstr("Azure's codes are 48 hexadecimal digits"));
  }
  EXPECT_FALSE(std::filesystem::exists(Folder()));
}

TEST_F(PublishBundleTest, OthersFilesAreNeitherMixedInNorLost) {
  std::filesystem::create_directories(Folder());
  std::ofstream(Folder() + "/notes.txt") << "mine";
  const CommandResult refused = Operate("publish bundle " + Folder());
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, AllOf(HasSubstr("notes.txt"), HasSubstr("nothing was written")));
  EXPECT_EQ(Files(), std::set<std::string>{"notes.txt"});
  Export("--force");
  EXPECT_EQ(Octets(Folder() + "/notes.txt"), "mine");
  EXPECT_TRUE(Files().contains("SHA256SUMS"));
  // Another authority's bundle is not put over this one by mistake; with --force nothing of this one is left.
  EXPECT_EQ(Operate("publish bundle --authority root " + Folder()).exit_code, 2);
  Export("--authority root --force");
  EXPECT_FALSE(Files().contains("devices.cer"));
  EXPECT_FALSE(Files().contains("intermediates.pem"));
  EXPECT_EQ(Judge("sha256sum --strict -c SHA256SUMS").exit_code, 0);
  // And it is that authority that proves possession, unless it is told otherwise.
  Succeed(fmt::format("publish bundle {} --code {}", Folder(), kAzureCode));
  EXPECT_THAT(
      Judge(fmt::format("openssl verify -partial_chain -trusted root.pem possession-{}.pem", kAzureCode)).output,
      HasSubstr(": OK"));
}

TEST_F(PublishBundleTest, OfAnotherRootTheManifestVerifiesUpToTheServices) {
  Succeed("authority create field-root --root --profile root --subject 'O=Example, CN=Field Root' --enable");
  Succeed("authority create field --parent field-root --subject 'O=Example, CN=Field' --issues device-dps --enable");
  Export("--authority field");
  EXPECT_TRUE(Files().contains("field-root.cer"));
  EXPECT_THAT(Judge(kVerifyManifest + std::string("signer-root.pem")).output, HasSubstr("successful"));
  EXPECT_NE(Judge(kVerifyManifest + std::string("root.pem")).exit_code, 0);
  EXPECT_THAT(Octets(Folder() + "/STEPS.md"), HasSubstr("-CAfile signer-root.pem"));
}

TEST_F(PublishBundleTest, WhoMayAndOfWhom) {
  EXPECT_EQ(service_->Hallmark("station", "publish bundle " + Folder()).exit_code, 6);
  EXPECT_EQ(service_->Hallmark("auditor", fmt::format("publish bundle {} --output json", Folder())).exit_code, 0);
  // An auditor sees everything and issues nothing.
  EXPECT_EQ(service_->Hallmark("auditor", fmt::format("publish bundle {} --code {}", Folder(), kAzureCode)).exit_code,
            6);
  EXPECT_EQ(Operate("publish bundle --authority nobody " + At() + "/nobody").exit_code, 5);
  EXPECT_FALSE(std::filesystem::exists(At() + "/nobody"));
}

// `az`, as far as publish.sh uses it. It keeps its state in files, gives a new etag with each write, and believes only
// a certificate of possession that the one it holds has issued.
constexpr char kAz[] = R"sh(#!/bin/bash
set -euo pipefail
state=$(dirname "$0")/state
mkdir -p "$state"
echo "$*" >> "$state/calls"
command="$3 $4"
shift 4
while (($#)); do
  declare "${1#--}"="$2" 2> /dev/null || { name=${1#--}; declare "${name//-/_}"="$2"; }
  shift 2
done
fresh() { echo "etag$RANDOM$RANDOM=" > "$state/etag"; }
etag_holds() { [[ ${etag:?} == "$(cat "$state/etag")" ]] || { echo "412 precondition failed" >&2; exit 1; }; }
case "$command" in
  "certificate create") openssl x509 -inform DER -in "$path" -out "$state/ca.pem"; echo false > "$state/verified"; fresh ;;
  "certificate show")
    [[ -e $state/ca.pem ]] || { echo "404 not found" >&2; exit 3; }
    case "$query" in
      etag) cat "$state/etag" ;;
      properties.isVerified) cat "$state/verified" ;;
      properties.thumbprint) openssl x509 -in "$state/ca.pem" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g' ;;
    esac ;;
  "certificate generate-verification-code") etag_holds; openssl rand -hex 24 | tr a-f A-F | tee "$state/code"; fresh ;;
  "certificate verify")
    etag_holds
    openssl verify -partial_chain -trusted "$state/ca.pem" "$path" > /dev/null
    [[ $(openssl x509 -in "$path" -noout -subject -nameopt RFC2253) == "subject=CN=$(cat "$state/code")" ]]
    echo true > "$state/verified"; fresh ;;
  "enrollment-group show") [[ -e $state/group ]] ;;
  "enrollment-group create") [[ ! -e $state/group && $(cat "$state/verified") == true ]]; echo "$enrollment_id $ca_name" > "$state/group" ;;
  *) echo "unknown: $command" >&2; exit 2 ;;
esac
)sh";

TEST_F(PublishBundleTest, TheScriptPublishesAndMayBeRepeated) {
  Export();
  std::filesystem::create_directories(At() + "/bin");
  ASSERT_THAT(WriteFile(At() + "/bin/az", AsBytes(kAz), 0755), IsOk());
  const std::string run = fmt::format(
      "PATH={0}/bin:$PATH HALLMARK={1}/hallmark HALLMARK_CONTEXT={2}/contexts/operator.yaml bash {3}/publish.sh "
      "factory my-dps line-devices",
      At(), testing::kPrograms, service_->ca().string(), Folder());
  const CommandResult first = RunCommand(run);
  EXPECT_EQ(first.exit_code, 0) << first.output;
  EXPECT_EQ(Octets(At() + "/bin/state/verified"), "true\n");
  EXPECT_EQ(Octets(At() + "/bin/state/group"), "line-devices devices\n");
  const std::string etag = Octets(At() + "/bin/state/etag");
  const CommandResult second = RunCommand(run);
  EXPECT_EQ(second.exit_code, 0) << second.output;
  EXPECT_EQ(Octets(At() + "/bin/state/etag"), etag);  // nothing was written again
  // Neither a folder that was changed nor another certificate under the name is published.
  FlipAnOctet(Folder() + "/chain.pem");
  EXPECT_NE(RunCommand(run).exit_code, 0);
  Export();
  RunCommand(fmt::format("cp {}/root.pem {}/bin/state/ca.pem", Folder(), At()));
  EXPECT_THAT(RunCommand(run).output, HasSubstr("another certificate called devices"));
}

TEST(BundleDirectoryTest, IsWrittenOnceAndMendedWhenItWasCutOff) {
  const TemporaryDirectory temporary;
  const BundleDirectory directory(temporary / "bundle");
  const auto bundle = [](const std::string& made, const std::string& certificate) {
    const nlohmann::json manifest = {{"what", kBundleKind},
                                     {"authority", "authorities/devices"},
                                     {"made", made},
                                     {"files", {{certificate, "digest"}}}};
    return Bundle{{kBundleManifest, manifest.dump()}, {"manifest.p7s", made}, {kBundleSums, made}, {certificate, "x"}};
  };
  EXPECT_THAT(directory.authority(), IsEmpty());
  EXPECT_EQ(directory.Write(bundle("today", "devices.cer")).value(), true);
  EXPECT_EQ(directory.authority(), "authorities/devices");
  EXPECT_EQ(directory.Write(bundle("tomorrow", "devices.cer")).value(), false);  // the same chain
  std::filesystem::remove(temporary / "bundle/SHA256SUMS");
  std::ofstream(temporary / "bundle/devices.cer.a1B2c3") << "half";
  EXPECT_EQ(directory.Write(bundle("tomorrow", "devices.cer")).value(), true);
  EXPECT_EQ(directory.Write(bundle("tomorrow", "devices-2.cer")).value(), true);
  EXPECT_FALSE(std::filesystem::exists(temporary / "bundle/devices.cer"));
  std::ofstream(temporary / "bundle/index.html") << "somebody's";
  EXPECT_EQ(directory.Write(bundle("later", "devices-2.cer")).value(), false);
  EXPECT_THAT(directory.Write(bundle("later", "devices-3.cer")).status().ToString(), HasSubstr("index.html"));
  EXPECT_TRUE(std::filesystem::exists(temporary / "bundle/devices-2.cer"));
}

TEST(BundleDirectoryTest, WritesNothingOutsideOfItself) {
  const TemporaryDirectory temporary;
  for (const char* name : {"../outside", "/tmp/outside", ".hidden", "a/b", ""}) {
    EXPECT_FALSE(BundleDirectory(temporary / "bundle").Write({{name, "x"}}).ok()) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(temporary / "outside"));
  EXPECT_FALSE(std::filesystem::exists(temporary / "bundle"));
}

}  // namespace
}  // namespace hallmark
