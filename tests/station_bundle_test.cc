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
  // What the service answers to the requests in these lines.
  std::vector<v1::IssueCertificatesResponse> AnswersTo(const std::vector<std::string>& lines) {
    std::vector<v1::IssueCertificatesResponse> answers;
    const auto channel = testing::ConnectAs(*service_, "station");
    for (size_t i = 1; i < lines.size(); ++i) {
      v1::IssueCertificateRequest request;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(lines[i], &request).ok());
      const testing::Answer answer = testing::Issue(channel, request);
      v1::IssueCertificatesResponse& response = answers.emplace_back();
      response.set_request_id(request.request_id());
      if (answer.status.ok()) {
        *response.mutable_certificate() = answer.certificate;
      } else {
        response.mutable_error()->ParseFromString(answer.status.error_details());
      }
    }
    return answers;
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

  const std::string file = WriteAnswers(AnswersTo(lines));
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
  std::vector<v1::IssueCertificatesResponse> answers = AnswersTo(Export("bundle.cms"));
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

}  // namespace
}  // namespace hallmark
