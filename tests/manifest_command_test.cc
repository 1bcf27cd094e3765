// `hallmark manifest` as a manufacturer uses it: make, check, sign, show; and openssl agrees with what is signed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
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
using ::testing::HasSubstr;

class ManifestCommandTest : public ::testing::Test {
 protected:
  CommandResult In(const std::string& command) {
    return testing::RunCommand(
        fmt::format("cd {} && PATH={}:$PATH\n{}", directory_.path().string(), testing::ProgramDirectory(), command));
  }
  CommandResult New(const std::string& options) {
    return In(
        "hallmark manifest new --manufacturer acme --product sensor-2 --lot a-17 --profile device-dps --authority "
        "devices --station line-1 --station 'plant-2-*' " +
        options);
  }
  void MakeSigner() {
    const CommandResult made =
        In("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout acme.key -out acme.pem -subj "
           "/CN=acme -days 30 -addext keyUsage=digitalSignature && printf 'SN1\\nSN2\\n' >serials.txt");
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }

  testing::TemporaryDirectory directory_;
};

TEST_F(ManifestCommandTest, AManifestOfAListIsMadeCheckedSignedAndShown) {
  MakeSigner();
  ASSERT_EQ(New("--devices serials.txt --id-scope 0ne00000001 --out a.json").exit_code, 0);
  const json made = json::parse(ReadFile(directory_ / "a.json").value());
  EXPECT_EQ(made["devices"], json::parse(R"([{"serial":"SN1"},{"serial":"SN2"}])"));
  EXPECT_EQ(made["quantity"], 2);
  EXPECT_EQ(made["stations"], json::parse(R"(["line-1","plant-2-*"])"));
  const CommandResult checked = In("hallmark manifest check a.json");
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_THAT(checked.output, AllOf(HasSubstr("a-17 revision 1"), HasSubstr("2 of 2 announced")));
  const CommandResult signed_ = In("hallmark manifest sign a.json --key acme.key --certificate acme.pem");
  EXPECT_EQ(signed_.exit_code, 0) << signed_.output;
  EXPECT_EQ(In("openssl cms -verify -inform DER -in a.cms -CAfile acme.pem -partial_chain -purpose any -binary -out "
               "out.json && "
               "cmp out.json a.json && echo same")
                    .output.find("same") == std::string::npos,
            false);
  const json summary = json::parse(In("hallmark manifest check a.cms --output json").output, nullptr, false);
  EXPECT_EQ(summary["announced"], 2);
  EXPECT_EQ(summary["terms"]["bootstrap"]["id_scope"], "0ne00000001");
  const json shown = json::parse(In("hallmark manifest show a.cms").output, nullptr, false);
  EXPECT_EQ(shown["lot"], "a-17");
  EXPECT_FALSE(shown.contains("devices"));
}

TEST_F(ManifestCommandTest, ADetachedSignatureStandsBeside) {
  MakeSigner();
  ASSERT_EQ(New("--prefix SN --first 1 --last 100 --width 6 --quantity 50 --out a.json").exit_code, 0);
  const CommandResult made = In("hallmark manifest sign a.json --key acme.key --certificate acme.pem --detached");
  EXPECT_EQ(made.exit_code, 0) << made.output;
  EXPECT_THAT(In("openssl cms -verify -binary -inform DER -in a.p7s -content a.json -CAfile acme.pem -partial_chain "
                 "-purpose any -out /dev/null")
                  .output,
              HasSubstr("Verification successful"));
}

TEST_F(ManifestCommandTest, AFileOfLinesIsAnnouncedAndChecked) {
  std::ofstream(directory_ / "a.csv") << "serial,hardware.mac\nSN1,0\nSN2,1\n";
  ASSERT_EQ(New("--lines a.csv --out a.json").exit_code, 0);
  EXPECT_EQ(In("hallmark manifest check a.json --lines a.csv").exit_code, 0);
  std::ofstream(directory_ / "a.csv", std::ios::app) << "SN3,2\n";
  const CommandResult changed = In("hallmark manifest check a.json --lines a.csv");
  EXPECT_NE(changed.exit_code, 0);
  EXPECT_THAT(changed.output, HasSubstr("announces 2 lines, and there are more"));
}

TEST_F(ManifestCommandTest, EachFaultIsTold) {
  MakeSigner();
  std::ofstream(directory_ / "bad.json") << R"({"hallmark_manifest": 1, "lot": "A", "quantiy": 1})";
  for (const char* command :
       {"hallmark manifest check bad.json", "hallmark manifest sign bad.json --key acme.key --certificate acme.pem"}) {
    const CommandResult result = In(command);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.output, AllOf(HasSubstr("lot: "), HasSubstr("did you mean quantity?"), HasSubstr("stations: "),
                                     HasSubstr("MANIFEST_INVALID")));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "bad.cms"));
  ASSERT_EQ(New("--devices serials.txt --out a.json").exit_code, 0);
  EXPECT_NE(In("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key; hallmark manifest sign "
               "a.json --key other.key --certificate acme.pem")
                .exit_code,
            0);
  EXPECT_NE(New("--quantity 5").exit_code, 0);
  EXPECT_NE(New("--devices serials.txt --quantity 5").exit_code, 0);
  EXPECT_THAT(In("hallmark manifest check nowhere.json").output, HasSubstr("cannot read nowhere.json"));
}

TEST_F(ManifestCommandTest, TheExampleOfTheDocumentationIsAManifest) {
  const std::string text = ReadFile(testing::SourceDirectory() + "/docs/manifest.md").value();
  const size_t start = text.find("```json\n") + 8;
  ASSERT_NE(text.find("```json\n"), text.npos);
  std::ofstream(directory_ / "example.json") << text.substr(start, text.find("```", start) - start);
  const CommandResult result = In("hallmark manifest check example.json");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(json::parse(In("hallmark manifest schema").output, nullptr, false)["title"], "Manifest of a lot");
}

}  // namespace
}  // namespace hallmark
