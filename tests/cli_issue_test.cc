// `hallmark certificate issue` without a service: which CSRs, when it tries again, what it delivers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/reason.h"
#include "tests/cli_program.h"
#include "tests/command.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/batch.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/delivery.h"
#include "tools/hallmark/issue_all.h"

namespace hallmark::cli {
namespace {

using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::Program;
using ::hallmark::testing::RpcError;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::SomeCertificate;
using ::hallmark::testing::TemporaryDirectory;
using ::hallmark::testing::Write;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// --- CSRs.

class CsrTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string at = directory_.path();
    ASSERT_EQ(
        RunCommand(
            "cd " + at +
            " && mkdir d && for n in 1 2; do openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
            "-nodes -keyout k$n.pem -subj /CN=device-$n -out d/device-$n.csr; done; openssl req -in d/device-1.csr "
            "-outform DER -out one.der; cat d/device-1.csr d/device-2.csr > both.pem; cp k1.pem d/key.pem")
            .exit_code,
        0);
  }
  StatusOr<std::vector<Csr>> Read(const std::vector<std::string>& names, const std::string& input = "") const {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(name == "-" ? name : (directory_ / name).string());
    std::istringstream in(input);
    return ReadCsrs(paths, in);
  }
  TemporaryDirectory directory_;
};

TEST_F(CsrTest, IsTheSameInPemAndInDer) {
  const auto pem = Read({"d/device-1.csr"});
  const auto der = Read({"one.der"});
  const auto input = Read({"-"}, *ReadFile(directory_ / "d/device-1.csr"));
  ASSERT_THAT(pem, IsOk());
  ASSERT_THAT(der, IsOk());
  ASSERT_THAT(input, IsOk());
  EXPECT_EQ(pem->at(0).content, der->at(0).content);
  EXPECT_EQ(pem->at(0).content, input->at(0).content);
  EXPECT_EQ(pem->at(0).stem, "device-1");
  EXPECT_EQ(der->at(0).stem, "one");
  EXPECT_EQ(input->at(0).stem, "");
  EXPECT_EQ(input->at(0).source, "standard input");
}

TEST_F(CsrTest, OfADirectoryAreItsCsrFilesInOrder) {
  const auto csrs = Read({"d"});
  ASSERT_THAT(csrs, IsOk());
  ASSERT_THAT(*csrs, SizeIs(2));
  EXPECT_EQ(csrs->at(0).stem, "device-1");
  EXPECT_EQ(csrs->at(1).stem, "device-2");
}

TEST_F(CsrTest, MayStandSeveralInOneFile) {
  const auto csrs = Read({"both.pem"});
  ASSERT_THAT(csrs, IsOk());
  ASSERT_THAT(*csrs, SizeIs(2));
  EXPECT_THAT(csrs->at(1).source, ::testing::EndsWith("both.pem#2"));
  EXPECT_EQ(csrs->at(1).stem, "");
}

TEST_F(CsrTest, ThatIsNoneGoesToTheServiceAsItStands) {
  Write(directory_ / "odd.csr", "odd");
  EXPECT_EQ(ToString(Read({"odd.csr"})->at(0).content), "odd");
}

TEST_F(CsrTest, ThatIsMissingIsAnError) {
  EXPECT_THAT(Read({"none.csr"}), Fails(Code::kNotFound, reason::kFileUnreadable));
  EXPECT_THAT(Read({"-"}, ""), Fails(Code::kInvalidArgument, reason::kCommandLineInvalid));
  std::filesystem::create_directory(directory_ / "empty");
  EXPECT_THAT(Read({"empty"}), Fails(Code::kInvalidArgument, reason::kCommandLineInvalid));
}

TEST_F(CsrTest, HasARequestIdThatIsTheSameForTheSameQuestionOnly) {
  const auto csrs = Read({"d"});
  const std::string id = DefaultRequestId("authorities/devices", "device-dps", csrs->at(0).content);
  EXPECT_TRUE(std::regex_match(id, std::regex("sha256:[0-9a-f]{32}"))) << id;
  EXPECT_EQ(DefaultRequestId("authorities/devices", "device-dps", csrs->at(0).content), id);
  EXPECT_NE(DefaultRequestId("authorities/devices", "device-dps", csrs->at(1).content), id);
  EXPECT_NE(DefaultRequestId("authorities/other", "device-dps", csrs->at(0).content), id);
  EXPECT_NE(DefaultRequestId("authorities/devices", "station", csrs->at(0).content), id);
  EXPECT_NE(DefaultRequestId("a", "bc", {}), DefaultRequestId("ab", "c", {}));
}

TEST_F(CsrTest, IsCheckedBeforeAnythingIsSent) {
  std::filesystem::create_directory(directory_ / "e");
  std::filesystem::copy(directory_ / "d/device-1.csr", directory_ / "e/device-1.csr");
  Write(directory_ / "large.csr", std::string(8193, 'x'));
  const std::string at = directory_.path();
  const struct {
    std::vector<std::string> arguments;
    ExitCode exit_code;
    std::string message;
  } cases[] = {
      {{at + "/d", at + "/e", "--out", at + "/o"}, kUsage, "would be the same file device-1.pem"},
      {{at + "/d", "--request-id", "one"}, kUsage, "there are 2 CSRs"},
      {{at + "/large.csr"}, kRefused, "CSR_TOO_LARGE"},
      {{at + "/d", "--out", at + "/large.csr/x"}, kFailed, "cannot create the directory"},
      {{at + "/none.csr"}, kFailed, "none.csr"},
      {{at + "/k1.pem"}, kUsage, "holds a private key, which must not leave its owner"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.message);
    Program program;
    std::vector<std::string> arguments = {"certificate", "issue"};
    arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
    EXPECT_EQ(program.Run(arguments), test.exit_code);
    EXPECT_THAT(program.err(), HasSubstr(test.message));
  }
}

TEST(FileName, IsOneWhateverTheCommonNameSays) {
  const struct {
    std::string text;
    std::string name;
  } cases[] = {{"device-1.A_b", "device-1.A_b"},
               {"../../etc/passwd", "_._.._etc_passwd"},
               {".hidden", "_hidden"},
               {"a:b c", "a_b_c"},
               {"ä", "__"},
               {"", ""}};
  for (const auto& test : cases) EXPECT_EQ(FileName(test.text), test.name);
}

// --- Trying again.

std::vector<v1::IssueCertificateRequest> SomeRequests(const std::vector<std::string>& request_ids) {
  std::vector<v1::IssueCertificateRequest> requests;
  for (const std::string& id : request_ids) requests.emplace_back().set_request_id(id);
  return requests;
}
const Time kStart = absl::FromUnixSeconds(1'000'000'000);
Batch SomeBatch(const std::vector<std::string>& request_ids) {
  return Batch(
      SomeRequests(request_ids), absl::Seconds(60), [] { return 0.5; }, kStart);
}
Status HsmAway() {
  return WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away"), absl::Seconds(2));
}

TEST(BackOff, DoublesUpToALimitAndHonoursTheService) {
  const struct {
    int failures;
    std::optional<Duration> asked;
    double jitter;
    Duration delay;
  } cases[] = {
      {1, std::nullopt, 0, absl::Milliseconds(100)},  {1, std::nullopt, 0.5, absl::Milliseconds(150)},
      {2, std::nullopt, 0, absl::Milliseconds(200)},  {5, std::nullopt, 0, absl::Milliseconds(1600)},
      {6, std::nullopt, 0, absl::Milliseconds(2500)}, {1000, std::nullopt, 0, absl::Milliseconds(2500)},
      {1, absl::Seconds(7), 0, absl::Seconds(7)},     {1, absl::Seconds(7), 0.5, absl::Milliseconds(7050)},
      {1, absl::Hours(7), 0, absl::Seconds(30)},      {1, absl::Seconds(-7), 0, absl::ZeroDuration()},
  };
  for (const auto& test : cases)
    EXPECT_EQ(BackOff(test.failures, test.asked, test.jitter), test.delay) << test.failures;
}

TEST(BatchTest, SendsEachOnceAndIsDoneWhenAllAreAnswered) {
  Batch batch = SomeBatch({"a", "b"});
  EXPECT_EQ(batch.Take(kStart)->request_id(), "a");
  EXPECT_EQ(batch.Take(kStart)->request_id(), "b");
  EXPECT_EQ(batch.Take(kStart), nullptr);
  EXPECT_EQ(batch.under_way(), 2U);
  EXPECT_THAT(batch.Settle("b", absl::OkStatus(), kStart), ElementsAre(1));
  EXPECT_THAT(batch.Settle("b", absl::OkStatus(), kStart), IsEmpty());  // answered twice
  EXPECT_THAT(batch.Settle("z", absl::OkStatus(), kStart), IsEmpty());  // never asked
  EXPECT_FALSE(batch.Done());
  EXPECT_THAT(batch.Settle("a", Error(Code::kInvalidArgument, reason::kKeyWeak, "x"), kStart), ElementsAre(0));
  EXPECT_TRUE(batch.Done());
}

TEST(BatchTest, SendsTheSameRequestOnceForAllThatAskIt) {
  Batch batch = SomeBatch({"a", "b", "a"});
  EXPECT_NE(batch.Take(kStart), nullptr);
  EXPECT_NE(batch.Take(kStart), nullptr);
  EXPECT_EQ(batch.Take(kStart), nullptr);
  EXPECT_THAT(batch.Settle("a", absl::OkStatus(), kStart), ElementsAre(0, 2));
}

TEST(BatchTest, WaitsAsLongAsTheServiceAsksAndSendsTheSameIdAgain) {
  Batch batch = SomeBatch({"a", "b"});
  batch.Take(kStart);
  EXPECT_THAT(batch.Settle("a", HsmAway(), kStart), IsEmpty());
  EXPECT_EQ(batch.Take(kStart + absl::Milliseconds(1999)), nullptr);  // nor b
  EXPECT_EQ(batch.Ready(), kStart + absl::Milliseconds(2050));
  EXPECT_EQ(batch.Take(batch.Ready())->request_id(), "b");
  EXPECT_EQ(batch.Take(batch.Ready() + absl::Seconds(9))->request_id(), "a");
}

TEST(BatchTest, CountsThoseThatFailTogetherAsOneFailure) {
  Batch batch = SomeBatch({"a", "b", "c"});
  for (int i = 0; i < 3; ++i) batch.Take(kStart);
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "x");
  for (const char* id : {"a", "b", "c"}) batch.Settle(id, away, kStart);
  EXPECT_EQ(batch.Ready(), kStart + BackOff(1, std::nullopt, 0.5));
  const Time second = batch.Ready();
  for (int i = 0; i < 3; ++i) batch.Take(second);
  for (const char* id : {"a", "b", "c"}) batch.Settle(id, away, second);
  EXPECT_EQ(batch.Ready(), second + BackOff(2, std::nullopt, 0.5));
}

TEST(BatchTest, SendsAgainWhatABrokenConnectionLeftUnanswered) {
  Batch batch = SomeBatch({"a", "b", "c"});
  for (int i = 0; i < 3; ++i) batch.Take(kStart);
  batch.Settle("b", absl::OkStatus(), kStart);
  batch.Interrupt(Error(Code::kUnavailable, reason::kServiceUnreachable, "broken"), kStart);
  EXPECT_EQ(batch.under_way(), 0U);
  EXPECT_EQ(batch.Take(kStart), nullptr);
  EXPECT_EQ(batch.Take(batch.Ready())->request_id(), "a");
  EXPECT_EQ(batch.Take(kStart + absl::Hours(1))->request_id(), "c");
  EXPECT_EQ(batch.Take(kStart + absl::Hours(1)), nullptr);
}

TEST(BatchTest, ExpiresAfterItsPatienceWithoutAnAnswerOnly) {
  Batch batch = SomeBatch({"a", "b"});
  batch.Take(kStart);
  batch.Take(kStart);
  EXPECT_FALSE(batch.Expired(kStart + absl::Seconds(59)));
  EXPECT_TRUE(batch.Expired(kStart + absl::Seconds(60)));
  batch.Settle("a", HsmAway(), kStart + absl::Seconds(59));  // no answer
  EXPECT_TRUE(batch.Expired(kStart + absl::Seconds(60)));
  batch.Settle("b", absl::OkStatus(), kStart + absl::Seconds(59));
  EXPECT_FALSE(batch.Expired(kStart + absl::Seconds(118)));
  EXPECT_TRUE(batch.Expired(kStart + absl::Seconds(119)));
}

TEST(Retry, IsForWhatMayPass) {
  EXPECT_TRUE(Retryable(HsmAway()));
  EXPECT_TRUE(Retryable(Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded, "x")));
  EXPECT_FALSE(Retryable(absl::OkStatus()));
  EXPECT_FALSE(Retryable(Error(Code::kInvalidArgument, reason::kKeyWeak, "x")));
  EXPECT_FALSE(Retryable(Error(Code::kPermissionDenied, reason::kPermissionDenied, "x")));
  EXPECT_FALSE(Retryable(Error(Code::kResourceExhausted, "", "too large")));
  EXPECT_TRUE(Retryable(WithRetry(Error(Code::kResourceExhausted, "", "too many"), absl::Seconds(1))));
}

// Nobody listens at port 1 (tcpmux).
TEST(Service, ThatIsAwayIsUnavailableAfterThePatienceForOneAndForMany) {
  const TemporaryDirectory directory;
  const std::string at = directory.path();
  ASSERT_EQ(
      RunCommand("cd " + at +
                 " && for n in 1 2; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                 "-keyout me.key -subj /CN=me -out me.pem; openssl req -new -key me.key -subj /CN=$n -out $n.csr; done")
          .exit_code,
      0);
  Write(directory / "me.yaml", "endpoint: 127.0.0.1:1\ncertificate: me.pem\nkey: me.key\nroots: me.pem\n");
  for (const bool many : {false, true}) {
    const StatusOr<Context> context = ReadContext(directory / "me.yaml");
    ASSERT_THAT(context, IsOk());
    const SystemClock clock;
    Client client(*context, clock);
    Batch batch(
        SomeRequests(many ? std::vector<std::string>{"a", "b"} : std::vector<std::string>{"a"}), absl::Seconds(1),
        [] { return 0.5; }, clock.Now());
    int waits = 0;
    const Time begin = clock.Now();
    const Status status = IssueAll(
        client, batch, 64, clock, [](const auto&, const auto&) { ADD_FAILURE() << "an answer from nobody"; },
        [&waits](const Status&) { ++waits; });
    EXPECT_THAT(status, Fails(Code::kUnavailable, reason::kServiceUnreachable));
    EXPECT_THAT(Message(status), HasSubstr("127.0.0.1:1"));
    EXPECT_GE(waits, 2);
    EXPECT_LT(clock.Now() - begin, absl::Seconds(5));
  }
}

// --- Delivery.

TEST(DeliveryTest, WritesChainsNamedAfterTheCsrOrTheCommonNameAndEndsWithWhatHappened) {
  const TemporaryDirectory directory;
  const std::string at = directory.path();
  ASSERT_EQ(RunCommand("cd " + at +
                       " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj "
                       "'/CN=dev:1' -outform DER -out c.der")
                .exit_code,
            0);
  v1::Certificate certificate = SomeCertificate(kStart, kStart);
  certificate.set_certificate(*ReadFile(directory / "c.der"));
  certificate.add_chain(certificate.certificate());
  const std::vector<Csr> csrs = {
      {"x/one.csr", "one", {}}, {"standard input#1", "", {}}, {"standard input#2", "", {}}, {"bad.csr", "bad", {}}};
  Program program;
  Delivery delivery(csrs, program.session(),
                    {.directory = directory.path(), .progress = false, .validate_only = false});
  delivery.Take({0}, certificate);
  delivery.Take({1}, certificate);
  delivery.Take({2}, certificate);
  delivery.Take({3}, FromRpc(RpcError()));
  EXPECT_EQ(delivery.Finish(absl::OkStatus(), {"a", "b", "c", "d"}), kRefused);
  EXPECT_THAT(program.out(), IsEmpty());
  EXPECT_THAT(program.err(), HasSubstr("hallmark: bad.csr: the CSR is refused\n  csr.subject.CN: is longer"));
  EXPECT_THAT(program.err(), HasSubstr("3 of 4 issued, 1 refused or failed"));
  for (const char* name : {"one", "dev_1", "dev_1-4a01"}) {
    const std::string file = at + "/" + name;
    EXPECT_EQ(RunCommand("openssl x509 -noout -subject -in " + file + ".pem").output, "subject=CN = dev:1\n") << name;
    EXPECT_EQ(RunCommand("grep -c BEGIN " + file + "-chain.pem").output, "2\n") << name;
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "bad.pem"));
}

TEST(DeliveryTest, EndsWithTheExitCodeOfWhatHappened) {
  const Status refused = Error(Code::kInvalidArgument, reason::kKeyWeak, "x");
  const Status denied = Error(Code::kPermissionDenied, reason::kPermissionDenied, "x");
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "x");
  const v1::Certificate certificate;
  const struct {
    std::vector<StatusOr<v1::Certificate>> answers;
    Status status;
    ExitCode exit_code;
  } cases[] = {
      {{certificate, certificate}, absl::OkStatus(), kDone},
      {{certificate, refused}, absl::OkStatus(), kRefused},
      {{certificate, denied}, absl::OkStatus(), kRefused},
      {{denied, denied}, absl::OkStatus(), kPermission},
      {{denied, refused}, absl::OkStatus(), kRefused},
      {{refused}, away, kUnavailable},
      {{certificate}, away, kUnavailable},
      {{}, denied, kPermission},
  };
  for (const auto& test : cases) {
    Program program;
    const std::vector<Csr> csrs = {{"a", "a", {}}, {"b", "b", {}}};
    Delivery delivery(csrs, program.session(), {});
    for (size_t i = 0; i < test.answers.size(); ++i) delivery.Take({i}, test.answers[i]);
    EXPECT_EQ(delivery.Finish(test.status, {"a", "b"}), test.exit_code);
  }
}

TEST(DeliveryTest, OfJsonIsOneDocumentWithEachResult) {
  Program program;
  program.session().output = "json";
  const std::vector<Csr> csrs = {{"a.csr", "a", {}}, {"b.csr", "b", {}}, {"c.csr", "c", {}}};
  Delivery delivery(csrs, program.session(), {});
  delivery.Take({0}, SomeCertificate(kStart, kStart));
  delivery.Take({1}, FromRpc(RpcError()));
  EXPECT_EQ(delivery.Finish(HsmAway(), {"id-a", "id-b", "id-c"}), kUnavailable);
  const auto document = nlohmann::json::parse(program.out());
  EXPECT_EQ(document["issued"], 1);
  EXPECT_EQ(document["refused_or_failed"], 1);
  EXPECT_EQ(document["results"][0]["certificate"]["not_after"], "2001-09-09T01:46:40Z");
  EXPECT_EQ(document["results"][0]["request_id"], "id-a");
  EXPECT_EQ(document["results"][1]["error"]["reason"], "SUBJECT_NOT_ALLOWED");
  EXPECT_EQ(document["results"][2]["error"]["reason"], "HSM_UNAVAILABLE");
  EXPECT_EQ(nlohmann::json::parse(program.err())["error"]["retry_delay_ms"], 2000);
}

TEST(DeliveryTest, ReportsAFileThatCannotBeWrittenAsAFailureOfItsOwn) {
  const TemporaryDirectory directory;
  Program program;
  const std::vector<Csr> csrs = {{"a", "a", {}}};
  Delivery delivery(csrs, program.session(),
                    {.directory = directory / "gone", .progress = false, .validate_only = false});
  delivery.Take({0}, v1::Certificate());
  EXPECT_EQ(delivery.Finish(absl::OkStatus(), {"a"}), kFailed);
  EXPECT_THAT(program.err(), HasSubstr("FILE_UNREADABLE"));
}

}  // namespace
}  // namespace hallmark::cli
