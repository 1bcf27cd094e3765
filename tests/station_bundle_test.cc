// A line without a network: its bundle as an outsider verifies it, and answers that are taken in or refused.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>

#include "tests/station_line.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::FactoryFloor;
using ::testing::HasSubstr;
using testing::RunCommand;
using testing::Service;
using testing::StationLine;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class StationBundleTest : public ::testing::Test {
 protected:
  StationBundleTest() : service_(Service::WithLots()) {
    service_->Start();
    floor_ = std::make_unique<FactoryFloor>(*service_);
    const auto imported = floor_->SignAndImport(FactoryFloor::Manifest("a-17", {"SN1", "SN2"}));
    if (imported.exit_code != 0) throw std::runtime_error(imported.output);
    line_ = std::make_unique<StationLine>(*service_, "localhost:1");  // leads nowhere
  }

  std::string Path(const std::string& name) const { return (line_->directory() / name).string(); }
  // Takes CSRs in and exports them; returns the verified lines.
  std::vector<std::string> Export(const std::string& bundle) {
    const auto taken = line_->Run("--lot a-17 --offline");
    EXPECT_EQ(taken.exit_code, 0) << taken.output;
    const auto exported = line_->Station("export --out " + Path(bundle));
    EXPECT_EQ(exported.exit_code, 0) << exported.output;
    const auto verified = RunCommand(
        fmt::format("openssl cms -verify -inform DER -in {} -CAfile {}/tls/root.pem -purpose any -out {} && cat {}",
                    Path(bundle), service_->ca().string(), Path("content"), Path("content")));
    EXPECT_THAT(verified.output, HasSubstr("CMS Verification successful"));
    return Lines(ReadFile(Path("content")).value());
  }
  testing::CommandResult Sign(const std::string& bundle, const std::string& carrier = "operator") {
    return service_->Hallmark(carrier, fmt::format("batch sign {} --out {}", bundle, Path("signed.jsonl")));
  }
  // What the service answers to a bundle.
  std::vector<v1::IssueCertificatesResponse> AnswersTo(const std::string& bundle) {
    const auto result = Sign(Path(bundle));
    EXPECT_THAT(result.exit_code, ::testing::AnyOf(0, 3)) << result.output;
    std::vector<v1::IssueCertificatesResponse> answers;
    const std::vector<std::string> lines = Lines(ReadFile(Path("signed.jsonl")).value());
    for (size_t i = 1; i < lines.size(); ++i) {
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(lines[i], &answers.emplace_back()).ok());
    }
    return answers;
  }
  // A bundle of these lines, as anybody can make one.
  std::string SignedBy(const std::string& signer, const std::vector<std::string>& lines,
                       const std::string& options = "") {
    std::ofstream out(Path("made"));
    for (const std::string& line : lines) out << line << '\n';
    out.close();
    const auto made = RunCommand(
        fmt::format("openssl cms -sign -binary -nodetach -md sha256 -outform DER -in {} -out {} -signer {}.pem -inkey "
                    "{}-key.pem {}",
                    Path("made"), Path("made.cms"), signer, signer, options));
    EXPECT_EQ(made.exit_code, 0) << made.output;
    return Path("made.cms");
  }
  std::string Context(const std::string& role) const { return (service_->ca() / "contexts" / role).string(); }
  size_t Certificates() {
    const auto listed = service_->Hallmark("operator", "certificate list --authority devices --output json");
    return nlohmann::json::parse(listed.output).value("certificates", nlohmann::json::array()).size();
  }
  std::string WriteAnswers(const std::vector<v1::IssueCertificatesResponse>& answers) {
    std::ofstream out(Path("answers.jsonl"));
    out << R"({"hallmark":"station-answers","version":1,"bundle":"b-1"})" << '\n';
    for (const auto& answer : answers) {
      std::string line;
      EXPECT_TRUE(google::protobuf::util::MessageToJsonString(answer, &line).ok());
      out << line << '\n';
    }
    return Path("answers.jsonl");
  }
  testing::CommandResult Import(const std::string& file) {
    return line_->Station(fmt::format("import {} --out {} --output json", file, line_->out().string()));
  }

  const std::unique_ptr<Service> service_;
  std::unique_ptr<FactoryFloor> floor_;
  std::unique_ptr<StationLine> line_;
};

TEST_F(StationBundleTest, GoesThereAndBackAndAsOftenAsOneLikes) {
  line_->MakeCsr("SN1", "SN1");
  line_->MakeCsr("SN9", "SN9");
  const std::vector<std::string> lines = Export("bundle.cms");
  ASSERT_EQ(lines.size(), 3u);
  const nlohmann::json header = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(header.at("hallmark"), "station-requests");
  EXPECT_EQ(header.at("version"), 1);
  EXPECT_EQ(header.at("station"), "hallmark://test/station/line-1");
  EXPECT_EQ(line_->Status().at("states"), nlohmann::json({{"exported", 2}}));
  EXPECT_EQ(line_->Station("export --out " + Path("none.cms")).exit_code, 5);    // nothing waits
  EXPECT_EQ(line_->Station("export --out " + Path("bundle.cms")).exit_code, 2);  // never over a bundle
  const std::string again =
      fmt::format("export --bundle {} --out {}", header.at("bundle").get<std::string>(), Path("again.cms"));
  EXPECT_EQ(line_->Station(again).exit_code, 0);

  EXPECT_EQ(Sign(Path("bundle.cms"), "station").exit_code, 6);  // who signs does not carry
  EXPECT_EQ(Sign(Path("bundle.cms")).exit_code, 3);             // one of the two is unknown
  const std::string first = ReadFile(Path("signed.jsonl")).value();
  EXPECT_EQ(Sign(Path("again.cms")).exit_code, 3);
  EXPECT_EQ(ReadFile(Path("signed.jsonl")).value(), first);
  EXPECT_EQ(Certificates(), 1U);
  const std::string file = Path("signed.jsonl");
  for (const int delivered : {1, 0}) {
    const auto imported = Import(file);
    EXPECT_EQ(nlohmann::json::parse(imported.output).at("delivered"), delivered) << imported.output;
  }
  EXPECT_TRUE(std::filesystem::exists(line_->out() / "SN1.json"));
  EXPECT_EQ(nlohmann::json::parse(ReadFile(line_->out() / "refused/SN9.json").value()).at("error").at("reason"),
            "DEVICE_UNKNOWN");
}

TEST_F(StationBundleTest, AnswersForAnotherKeyOrFromAnotherRootAreRefused) {
  line_->MakeCsr("SN1", "SN1");
  line_->MakeCsr("SN2", "SN2");
  Export("bundle.cms");
  std::vector<v1::IssueCertificatesResponse> answers = AnswersTo("bundle.cms");
  ASSERT_EQ(answers.size(), 2u);
  // Each has the other's.
  answers[0].mutable_certificate()->Swap(answers[1].mutable_certificate());
  EXPECT_EQ(Import(WriteAnswers(answers)).exit_code, 3);
  EXPECT_THAT(ReadFile(line_->out() / "refused/SN1.json").value(), HasSubstr("not for the key of the CSR"));
  EXPECT_EQ(line_->Delivered(), 0u);
  // The right key, certified by somebody else.
  answers[0].mutable_certificate()->Swap(answers[1].mutable_certificate());
  const auto own = RunCommand(fmt::format(
      "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -keyout o.key "
      "-out "
      "o.pem && openssl x509 -req -in csrs/SN1.csr -inform DER -CA o.pem -CAkey o.key -outform DER -out o.der",
      line_->directory().string()));
  ASSERT_EQ(own.exit_code, 0) << own.output;
  std::vector<v1::IssueCertificatesResponse> foreign = {answers[0]};
  foreign[0].mutable_certificate()->set_certificate(ReadFile(Path("o.der")).value());
  EXPECT_EQ(Import(WriteAnswers(foreign)).exit_code, 3);
  EXPECT_THAT(ReadFile(line_->out() / "refused/SN1.json").value(), HasSubstr("CHAIN_INVALID"));
  // What is good is still taken.
  EXPECT_EQ(Import(WriteAnswers(answers)).exit_code, 0);
  EXPECT_EQ(line_->Delivered(), 2u);
  EXPECT_FALSE(std::filesystem::exists(line_->out() / "refused/SN1.json"));

  const std::vector<std::string> broken = {"", "{}\n", R"({"hallmark":"station-answers","version":2,"bundle":"b"})",
                                           "{\"hallmark\":\"station-answers\",\"version\":1,\"bundle\":\"b\"}\njunk\n"};
  for (const std::string& text : broken) {
    std::ofstream(Path("broken.jsonl")) << text;
    const auto refused = Import(Path("broken.jsonl"));
    EXPECT_EQ(refused.exit_code, 3) << refused.output;
    EXPECT_THAT(refused.output, HasSubstr("BUNDLE_INVALID")) << text;
  }
}

TEST_F(StationBundleTest, IsWorthWhatItsSignerIs) {
  line_->MakeCsr("SN1", "SN1");
  const std::vector<std::string> lines = Export("bundle.cms");
  const auto expect = [&](const std::string& bundle, const std::string& what, int exit_code) {
    const auto refused = Sign(bundle);
    EXPECT_EQ(refused.exit_code, exit_code) << refused.output;
    EXPECT_THAT(refused.output, HasSubstr(what));
    EXPECT_FALSE(std::filesystem::exists(Path("signed.jsonl")));
  };
  // By somebody who is not whom the header names; by nobody of ours; by two; over a weak digest; without attributes.
  expect(SignedBy(Context("auditor"), lines), "but hallmark://test/auditor/", 3);
  const auto own = RunCommand(
      fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=line-1 -addext "
                  "subjectAltName=URI:hallmark://test/station/line-1 -keyout {0}-key.pem -out {0}.pem",
                  Path("own")));
  ASSERT_EQ(own.exit_code, 0) << own.output;
  expect(SignedBy(Path("own"), lines), "CALLER_UNKNOWN", 6);
  expect(SignedBy(Context("station"), lines, fmt::format("-signer {0}.pem -inkey {0}-key.pem", Context("auditor"))),
         "has 2 signers", 3);
  expect(SignedBy(Context("station"), lines, "-md sha1"), "SHA-256 or better", 3);
  expect(SignedBy(Context("station"), lines, "-noattr"), "no signed attributes", 3);
  expect(SignedBy(Context("station"), lines, "-nocerts"), "no certificate of its signer", 3);
  // Changed on its way.
  std::string changed = ReadFile(Path("bundle.cms")).value();
  const size_t at = changed.find("lots/a-17");
  ASSERT_NE(at, changed.npos);
  changed[at + 5] = 'b';
  std::ofstream(Path("changed.cms"), std::ios::binary) << changed;
  expect(Path("changed.cms"), "of another content", 3);
  // Put out since it signed.
  const std::string uri = "hallmark://test/station/line-1";
  ASSERT_EQ(service_->Hallmark("operator", "caller suspend --reason stolen " + uri).exit_code, 0);
  expect(Path("bundle.cms"), "CALLER_SUSPENDED", 6);
  ASSERT_EQ(service_->Hallmark("operator", "caller resume " + uri).exit_code, 0);
  EXPECT_EQ(Certificates(), 0U);
  EXPECT_EQ(Sign(Path("bundle.cms")).exit_code, 0);
}

TEST_F(StationBundleTest, OneMalformedLineRefusesItWhole) {
  line_->MakeCsr("SN1", "SN1");
  const std::vector<std::string> lines = Export("bundle.cms");
  struct Case {
    std::vector<std::string> lines;
    std::string what;
  };
  const std::string header = R"({"hallmark":"station-requests","version":1,"bundle":"b","station":")";
  const std::vector<Case> cases = {
      {{}, "the bundle is empty"},
      {{lines[0]}, "asks for nothing"},
      {{lines[1]}, "line 1 of the bundle is not"},
      {{lines[0], lines[1], "junk"}, "line 3 of the bundle is no request"},
      {{lines[0], lines[1], ""}, "line 3 of the bundle is no request"},
      {{lines[0], lines[1], R"({"request_id":"1","no_such_field":1})"}, "line 3 of the bundle is no request"},
      {{header + "x\"}", lines[1]}, "says that it is of x"},
      {{R"({"hallmark":"station-requests","version":2,"bundle":"b","station":"x"})", lines[1]}, "another version"},
      {{R"({"hallmark":"station-requests","version":1,"bundle":"../b","station":"x"})", lines[1]}, "names no bundle"},
      {{R"({"hallmark":"station-requests","version":1,"bundle":"b"})", lines[1]}, "names no station"},
      {{lines[0], lines[1], std::string((size_t{1} << 20) + 1, ' ')}, "line 3 of the bundle is longer"},
  };
  for (const Case& c : cases) {
    const auto refused = Sign(SignedBy(Context("station"), c.lines));
    EXPECT_EQ(refused.exit_code, 3) << refused.output;
    EXPECT_THAT(refused.output, ::testing::AllOf(HasSubstr(c.what), HasSubstr("BUNDLE_INVALID")));
  }
  std::ofstream(Path("junk.cms")) << "junk";
  EXPECT_THAT(Sign(Path("junk.cms")).output, HasSubstr("BUNDLE_INVALID"));
  EXPECT_EQ(Certificates(), 0U);
}

TEST_F(StationBundleTest, WaitsForWhatIsRefusedForNow) {
  const auto imported = floor_->SignAndImport([] {
    std::vector<std::string> serials;
    for (int i = 0; i < 30; ++i) serials.push_back(fmt::format("R{:02}", i));
    nlohmann::json manifest = FactoryFloor::Manifest("a-18", serials);
    manifest["stations"] = {nlohmann::json{{"station", "line-1"}, {"rate", "300/min"}}};
    return manifest;
  }());
  ASSERT_EQ(imported.exit_code, 0) << imported.output;
  for (int i = 0; i < 30; ++i) line_->MakeCsr(fmt::format("R{:02}", i), fmt::format("R{:02}", i));
  ASSERT_EQ(line_->Run("--lot a-18 --offline").exit_code, 0);
  ASSERT_EQ(line_->Station("export --out " + Path("bundle.cms")).exit_code, 0);
  const auto signed_at_last = Sign(Path("bundle.cms"));
  EXPECT_EQ(signed_at_last.exit_code, 0) << signed_at_last.output;
  EXPECT_THAT(signed_at_last.output, HasSubstr("30 answered, 30 of them with a certificate"));
  const auto imported_there = Import(Path("signed.jsonl"));
  EXPECT_EQ(imported_there.exit_code, 0) << imported_there.output;
  EXPECT_EQ(line_->Delivered(), 30U);
  EXPECT_EQ(Certificates(), 30U);
}

}  // namespace
}  // namespace hallmark
