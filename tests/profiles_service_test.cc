// Profiles as their readers see them: listed, shown as they were, tried and replayed, through the service and the
// command line.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/reason.h"
#include "hallmark/v1/profiles.grpc.pb.h"
#include "tests/service_client.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::CommandResult;
using testing::ConnectAs;
using testing::CsrBuilder;
using testing::DeviceRequest;
using ::testing::HasSubstr;
using testing::Issue;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::Within;

class ProfilesServiceTest : public ::testing::Test {
 protected:
  static Service& TheService() {
    static auto& service = *new std::unique_ptr<Service>();
    if (service == nullptr) service = std::make_unique<Service>();
    return *service;
  }
  static void TearDownTestSuite() { TheService().Stop(); }

  static std::string Rows(const std::string& table) {
    return RunCommand(fmt::format("sqlite3 -readonly {}/hallmark.db 'SELECT count(*) FROM {}'",
                                  TheService().ca().string(), table))
        .output;
  }
  static std::string Shipped() { return ReadFile(TheService().ca() / "policies/profiles/device-dps.yaml").value(); }
  static std::string Changed(const std::string& what, const std::string& by) {
    std::string text = std::regex_replace(Shipped(), std::regex(what), by);
    EXPECT_NE(text, Shipped()) << what;
    return text;
  }
  std::string WriteChanged(const std::string& text) const {
    const std::filesystem::path file = TheService().directory() / "device-dps.yaml";
    std::ofstream(file) << text;
    return file.string();
  }
  static std::vector<v1::ReplayProfileResponse> Replay(const v1::ReplayProfileRequest& request, grpc::Status& status) {
    const auto stub = v1::Profiles::NewStub(ConnectAs(TheService(), "auditor"));
    grpc::ClientContext context;
    const auto stream = stub->ReplayProfile(&Within(context), request);
    std::vector<v1::ReplayProfileResponse> responses;
    for (v1::ReplayProfileResponse response; stream->Read(&response);) responses.push_back(response);
    status = stream->Finish();
    return responses;
  }
  static v1::ReplayProfileRequest ReplayRequest(const std::string& profile, const std::string& text) {
    v1::ReplayProfileRequest request;
    request.set_name("profiles/" + profile);
    request.set_text(text);
    return request;
  }
  static void IssueDevices(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("replayed-{}", i);
      const auto request = DeviceRequest(name, [&](CsrBuilder& csr) { csr.subject = EncodeName({{"CN", name}}); });
      Issue(ConnectAs(TheService(), "station"), request);  // again: refused, and there already
    }
  }
};

TEST_F(ProfilesServiceTest, AValidationShowsWhatWouldComeAndRecordsNothing) {
  v1::IssueCertificateRequest request = DeviceRequest("try", [](CsrBuilder& csr) {
    csr.subject = EncodeName({{"CN", "tried"}});
  });
  request.set_validate_only(true);
  request.mutable_lifetime()->set_seconds(90 * 86400);
  const std::string rows = Rows("certificates");
  const Answer answer = Issue(ConnectAs(TheService(), "station"), request);
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(Rows("certificates"), rows);
  const v1::Description& description = answer.certificate.description();
  ASSERT_EQ(description.subject_size(), 1);
  EXPECT_EQ(description.subject(0).type() + "=" + description.subject(0).value(), "CN=tried");
  EXPECT_EQ(description.key_type(), "ec-p256");
  EXPECT_FALSE(description.ca());
  EXPECT_EQ(answer.certificate.profile_version(), Hex(Sha256(AsBytes(Shipped()))));
  std::map<std::string, v1::Validation::Comparison> comparisons;
  for (const auto& comparison : answer.certificate.validation().comparisons())
    comparisons[comparison.field()] = comparison;
  EXPECT_EQ(comparisons["subject.CN"].asked(), "tried");
  EXPECT_EQ(comparisons["subject.CN"].result(), "tried");
  EXPECT_THAT(comparisons["key"].allowed(), HasSubstr("ec-p256"));
  EXPECT_EQ(comparisons["lifetime"].problem(), "");
  for (const auto& finding : answer.certificate.validation().findings()) EXPECT_NE(finding.severity(), "error");

  request.clear_validate_only();
  const Answer issued = Issue(ConnectAs(TheService(), "station"), request);
  ASSERT_TRUE(issued.status.ok());
  EXPECT_FALSE(issued.certificate.has_validation());
  EXPECT_EQ(issued.certificate.description().subject_key_identifier(), description.subject_key_identifier());
}

// Each error still is one, and tells what an answer would.
TEST_F(ProfilesServiceTest, ARefusedValidationTellsAllTheSame) {
  v1::IssueCertificateRequest request = DeviceRequest("refused", [](CsrBuilder& csr) {
    csr.subject = EncodeName({{"O", "Example"}, {"CN", "ends in a dot."}});
    csr.attributes = testing::RequestExtensions({BasicConstraints(true, std::nullopt)});
  });
  request.set_validate_only(true);
  request.mutable_lifetime()->set_seconds(int64_t{90} * 365 * 86400);
  const Answer answer = Issue(ConnectAs(TheService(), "station"), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status rpc;
  ASSERT_TRUE(rpc.ParseFromString(answer.status.error_details()));
  v1::Validation validation;
  int found = 0;
  for (const auto& detail : rpc.details()) found += detail.UnpackTo(&validation) ? 1 : 0;
  ASSERT_EQ(found, 1);
  std::map<std::string, std::string> problems;
  for (const auto& comparison : validation.comparisons()) problems[comparison.field()] = comparison.problem();
  for (const char* field : {"subject.CN", "basic_constraints", "lifetime"}) EXPECT_NE(problems[field], "") << field;
  EXPECT_EQ(problems["subject.O"], "");

  request.set_parent("authorities/access");
  const Answer denied = Issue(ConnectAs(TheService(), "station"), request);
  EXPECT_EQ(denied.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(denied.status.error_details(), Not(HasSubstr("subject.CN"))) << "who may not ask learns nothing";
}

TEST_F(ProfilesServiceTest, AReplayWithTheSameProfileFindsTheSame) {
  IssueDevices(3);
  grpc::Status status;
  v1::ReplayProfileRequest request = ReplayRequest("device-dps", Shipped());
  const auto responses = Replay(request, status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_GE(responses.size(), 3u);
  for (const auto& response : responses) {
    EXPECT_EQ(response.before(), v1::ReplayProfileResponse::ISSUED);
    EXPECT_EQ(response.after(), v1::ReplayProfileResponse::ISSUED) << response.problem();
    EXPECT_EQ(response.differences_size(), 0) << response.differences(0).field();
  }
  request.set_count(2);
  EXPECT_EQ(Replay(request, status).size(), 2u);
  EXPECT_THAT(responses.front().certificate(), HasSubstr("authorities/devices/certificates/"));
}

TEST_F(ProfilesServiceTest, AReplayShowsWhatAChangeWouldHaveDone) {
  IssueDevices(3);
  const std::string certificates = Rows("certificates");
  const std::string leaves = Rows("ledger");
  const std::string rows = certificates + leaves + Rows("policies");
  grpc::Status status;
  const auto longer = Replay(ReplayRequest("device-dps", Changed("([{ ])lifetime: \\w+", "$1lifetime: 3y")), status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  bool found = false;
  for (const auto& response : longer) {
    EXPECT_EQ(response.after(), v1::ReplayProfileResponse::ISSUED);
    for (const auto& difference : response.differences()) {
      EXPECT_EQ(difference.field(), "validity");
      EXPECT_NE(difference.before(), difference.after());
      found = true;
    }
  }
  EXPECT_TRUE(found);
  const auto stricter =
      Replay(ReplayRequest("device-dps", Changed("(type: CN, pattern: )\"[^\"]*\"", "$1\"replayed-[0-9]+\"")), status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  for (const auto& response : stricter) {
    const bool fits = response.subject().starts_with("CN=replayed-");
    EXPECT_EQ(response.after(), fits ? v1::ReplayProfileResponse::ISSUED : v1::ReplayProfileResponse::REFUSED)
        << response.subject();
    EXPECT_EQ(response.problem().empty(), fits);
  }
  EXPECT_EQ(Rows("certificates") + Rows("ledger") + Rows("policies"), rows) << "nothing is recorded";
}

TEST_F(ProfilesServiceTest, WhatHasNoRequestOnRecordIsSaidToBeSo) {
  grpc::Status status;
  const std::string text = ReadFile(TheService().ca() / "policies/profiles/issuing-authority.yaml").value();
  const auto responses = Replay(ReplayRequest("issuing-authority", text), status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(responses.size(), 2u);
  for (const auto& response : responses) EXPECT_EQ(response.after(), v1::ReplayProfileResponse::NOT_REPLAYED);
}

TEST_F(ProfilesServiceTest, ReplaysRefuseWhatMakesNoSense) {
  const struct {
    const char* name;
    std::string profile;
    std::string text;
    int count;
    const char* says;
  } cases[] = {
      {"no YAML", "device-dps", "description: [", 0, "device-dps.yaml"},
      {"an unknown field", "device-dps", Shipped() + "\ncolour: red\n", 0, "colour"},
      {"a name that is none", "Device", Shipped(), 0, "profiles/{profile}"},
      {"a negative count", "device-dps", Shipped(), -1, "count"},
      {"a count beyond the limit", "device-dps", Shipped(), 100'001, "count"},
  };
  for (const auto& c : cases) {
    grpc::Status status;
    v1::ReplayProfileRequest request = ReplayRequest(c.profile, c.text);
    request.set_count(c.count);
    Replay(request, status);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << c.name;
    EXPECT_THAT(status.error_message(), HasSubstr(c.says)) << c.name;
  }
}

TEST_F(ProfilesServiceTest, TheCommandLineListsAndShows) {
  const CommandResult list = TheService().Hallmark("auditor", "profile list");
  EXPECT_EQ(list.exit_code, 0) << list.output;
  EXPECT_THAT(list.output, AllOf(HasSubstr("device-dps"), HasSubstr("station")));
  const CommandResult show = TheService().Hallmark("auditor", "profile show device-dps");
  EXPECT_THAT(show.output, AllOf(HasSubstr("in force"), HasSubstr("key_usage:")));
  EXPECT_EQ(TheService().Hallmark("auditor", "profile show device-dps --text").output, Shipped());
  EXPECT_EQ(TheService().Hallmark("auditor", "profile show toaster").exit_code, 5);
  EXPECT_EQ(TheService().Hallmark("auditor", "profile show device-dps --version 00").exit_code, 5);
  EXPECT_EQ(TheService().Hallmark("station", "profile list").exit_code, 6);
}

TEST_F(ProfilesServiceTest, TheCommandLineTries) {
  const std::string directory = (TheService().directory() / "csrs").string();
  TheService().MakeCsrs(directory, "tried-by-hand", 1);
  const std::string csr = directory + "/tried-by-hand-1.csr";
  const CommandResult good = TheService().Hallmark("station", "profile try device-dps --csr " + csr);
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_THAT(good.output, AllOf(HasSubstr("ASKED"), HasSubstr("ALLOWED"), HasSubstr("RESULT"), HasSubstr("lint"),
                                 HasSubstr("digitalSignature"), HasSubstr("tried-by-hand-1")));
  const CommandResult bad = TheService().Hallmark("station", "profile try device-dps --lifetime 90y --csr " + csr);
  EXPECT_EQ(bad.exit_code, 3) << bad.output;
  EXPECT_THAT(bad.output, AllOf(HasSubstr("ASKED"), HasSubstr("lifetime"), HasSubstr("VALIDITY_NOT_ALLOWED")));
  const CommandResult json =
      TheService().Hallmark("station", "profile try device-dps --lifetime 90y --output json --csr " + csr);
  EXPECT_EQ(json.exit_code, 3);
  const auto parsed = nlohmann::json::parse(json.output);
  EXPECT_EQ(parsed["error"]["reason"], reason::kValidityNotAllowed);
  EXPECT_FALSE(parsed["validation"]["comparisons"].empty());
}

TEST_F(ProfilesServiceTest, TheCommandLineReplaysAndItsExitCodeTellsOfDifferences) {
  IssueDevices(3);
  const CommandResult same = TheService().Hallmark("operator", "profile replay " + WriteChanged(Shipped()));
  EXPECT_EQ(same.exit_code, 0) << same.output;
  EXPECT_THAT(same.output, AllOf(HasSubstr("0 different"), HasSubstr("0 refused")));
  const std::string changed = WriteChanged(Changed("([{ ])lifetime: \\w+", "$1lifetime: 3y"));
  const CommandResult different = TheService().Hallmark("operator", "profile replay --last 2 " + changed);
  EXPECT_EQ(different.exit_code, 7) << different.output;
  EXPECT_THAT(different.output, AllOf(HasSubstr("validity"), HasSubstr("THEN"), HasSubstr("2 replayed")));
  const CommandResult json = TheService().Hallmark("operator", "profile replay --output json " + changed);
  EXPECT_EQ(json.exit_code, 7);
  EXPECT_GE(nlohmann::json::parse(json.output)["different"], 3);
  EXPECT_EQ(TheService().Hallmark("operator", "profile replay " + WriteChanged("keys: [")).exit_code, 1);
}

// The last test: it changes what the others read.
TEST_F(ProfilesServiceTest, ZThePastTextOfAProfileStaysWithItsCertificates) {
  const std::string before = Shipped();
  const std::string version = Hex(Sha256(AsBytes(before)));
  std::ofstream(TheService().ca() / "policies/profiles/device-dps.yaml") << "# changed\n" << before;
  ASSERT_EQ(kill(TheService().process(), SIGHUP), 0);
  const std::string shown = "profile show device-dps --version " + version;
  for (int i = 0; i < 600; ++i) {
    if (TheService().Hallmark("auditor", shown).output.find("not in force") != std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_THAT(TheService().Hallmark("auditor", shown).output, HasSubstr("not in force any more"));
  EXPECT_EQ(TheService().Hallmark("auditor", shown + " --text").output, before);
  EXPECT_EQ(TheService().Hallmark("auditor", "profile show device-dps --text").output, "# changed\n" + before);
}

}  // namespace
}  // namespace hallmark
