// publish/'s HTTPS client against real servers, good and bad ones (tests/interop/web_server.py), and what it makes of
// Retry-After.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "base/reason.h"
#include "publish/retry_after.h"
#include "publish/web_client.h"
#include "tests/status_matchers.h"
#include "tests/web_server.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::Fails;
using testing::FieldOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::SizeIs;
using testing::WebServer;

constexpr char kCredential[] = "Bearer sesame";
constexpr char kBody[] = "the body";

Time Soon() { return absl::Now() + absl::Seconds(30); }

// A variable of the environment while this is there.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  Variable(const Variable&) = delete;  // two owners would unset it twice
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unsetenv(name_); }

 private:
  const char* const name_;
};

class WebClientTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<WebServer>(); }
  static void TearDownTestSuite() { server_.reset(); }

  static std::unique_ptr<WebClient> MakeClient() { return WebClient::Create(*server_ / "root.pem").value(); }
  static WebRequest Put(const std::string& url) {
    return {.method = "PUT", .url = url, .body = kBody, .authorization = Secret(std::string(kCredential))};
  }
  // No message tells what was sent.
  StatusOr<WebResponse> Send(const WebRequest& request, Time deadline = Soon()) const {
    StatusOr<WebResponse> response = client_->Send(request, deadline);
    if (!response.ok()) {
      EXPECT_THAT(Message(response.status()),
                  AllOf(Not(HasSubstr("sesame")), Not(HasSubstr(kBody)), Not(HasSubstr("?"))));
    }
    return response;
  }

  static std::unique_ptr<WebServer> server_;  // for all tests of the suite
  const std::unique_ptr<WebClient> client_ = MakeClient();
};
std::unique_ptr<WebServer> WebClientTest::server_;

TEST_F(WebClientTest, SendsWhatItIsGivenAndReturnsWhatComes) {
  for (const char* method : {"GET", "PUT", "POST", "DELETE"}) {
    WebRequest request = Put(server_->Origin() + "/echo?api-version=2021-10-01");
    request.method = method;
    request.headers = {{"If-Match", "abc=="}, {"Content-Type", "application/json"}};
    const auto response = Send(request);
    ASSERT_THAT(response, IsOk()) << method;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.at("x-two"), "one, two");
    const nlohmann::json seen = nlohmann::json::parse(response->body);
    EXPECT_EQ(seen["method"], method);
    EXPECT_EQ(seen["path"], "/echo?api-version=2021-10-01");
    EXPECT_EQ(seen["body"], kBody);
    EXPECT_EQ(FieldOf(seen, "authorization"), kCredential);
    EXPECT_EQ(FieldOf(seen, "if-match"), "abc==");
    EXPECT_EQ(FieldOf(seen, "content-type"), "application/json");
    EXPECT_EQ(FieldOf(seen, "expect"), "(none)");
  }
}

TEST_F(WebClientTest, SaysThatThereIsNoBody) {
  for (const auto& [method, length] : std::vector<std::pair<const char*, const char*>>{
           {"GET", "(none)"}, {"DELETE", "(none)"}, {"POST", "0"}, {"PUT", "0"}}) {
    const auto response = Send({.method = method, .url = server_->Origin() + "/echo"});
    ASSERT_THAT(response, IsOk()) << method;
    const nlohmann::json seen = nlohmann::json::parse(response->body);
    EXPECT_EQ(FieldOf(seen, "content-length"), length) << method;
    EXPECT_EQ(FieldOf(seen, "content-type"), "(none)") << method;
    EXPECT_EQ(FieldOf(seen, "authorization"), "(none)") << method;
  }
  const auto head = Send({.method = "HEAD", .url = server_->Origin() + "/echo"});
  ASSERT_THAT(head, IsOk());
  EXPECT_EQ(head->body, "");
}

TEST_F(WebClientTest, ReturnsEveryStatus) {
  for (const int status : {204, 400, 401, 404, 409, 412, 429, 500, 503}) {
    const auto response = Send({.url = fmt::format("{}/status?code={}", server_->Origin(), status)});
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->status, status);
    EXPECT_EQ(response->headers.at("retry-after"), "7");
  }
}

TEST_F(WebClientTest, ForgetsAnInterimResponse) {
  const auto response = Send({.url = server_->Origin() + "/early"});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 200);
  EXPECT_FALSE(response->headers.contains("link"));
  EXPECT_EQ(response->body, "after all");
}

TEST_F(WebClientTest, FollowsNoRedirect) {
  const auto response =
      Send(Put(fmt::format("{}/redirect?to={}/echo", server_->Origin(), server_->Origin("elsewhere"))));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.at("location"), server_->Origin("elsewhere") + "/echo");
  EXPECT_THAT(server_->Requests("elsewhere"), IsEmpty());
}

TEST_F(WebClientTest, SendsNothingToWhomItCannotTrust) {
  const struct {
    const char* server;
    const char* host;
    const char* what;
  } cases[] = {
      {"other_host", "localhost", "localhost"},
      {"other_host", "127.0.0.1", "127.0.0.1"},
      {"unknown_root", "localhost", "certificate"},
      {"expired", "localhost", "expired"},
  };
  for (const auto& test : cases) {
    const auto response = Send(Put(server_->Origin(test.server, test.host) + "/echo?x"));
    EXPECT_THAT(response, Fails(Code::kFailedPrecondition, reason::kTargetUntrusted)) << test.server;
    EXPECT_THAT(Message(response.status()), AllOf(HasSubstr(test.what), HasSubstr("publish.roots")));
    EXPECT_THAT(server_->Requests(test.server), IsEmpty()) << test.server;
  }
}

TEST_F(WebClientTest, TrustsTheRootsItIsGivenAndNoOthers) {
  const auto system = WebClient::Create("");  // which do not hold the test's
  ASSERT_THAT(system, IsOk());
  EXPECT_THAT((*system)->Send(Put(server_->Origin() + "/echo"), Soon()),
              Fails(Code::kFailedPrecondition, reason::kTargetUntrusted));
  // A change of the file is seen, after the minute for which libcurl keeps it; here by another client.
  const auto strange = WebClient::Create(*server_ / "unknown_root.pem");
  ASSERT_THAT(strange, IsOk());
  EXPECT_THAT((*strange)->Send({.url = server_->Origin("unknown_root") + "/echo"}, Soon()), IsOk());
  EXPECT_THAT((*strange)->Send({.url = server_->Origin() + "/echo"}, Soon()),
              Fails(Code::kFailedPrecondition, reason::kTargetUntrusted));

  EXPECT_THAT(WebClient::Create(*server_ / "nothing.pem"), Fails(Code::kNotFound, reason::kFileUnreadable));
  server_->Write("empty.pem", "no certificate");
  const auto empty = WebClient::Create(*server_ / "empty.pem");
  ASSERT_THAT(empty, IsOk());
  EXPECT_THAT((*empty)->Send(Put(server_->Origin() + "/echo"), Soon()),
              Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
}

TEST_F(WebClientTest, SpeaksNoOldTls) {
  EXPECT_THAT(Send(Put(server_->Origin("old_tls") + "/echo")), Fails(Code::kUnavailable, reason::kTargetUnreachable));
  EXPECT_THAT(server_->Requests("old_tls"), IsEmpty());
}

TEST_F(WebClientTest, SendsInTheClearOnlyWhenAskedAndNearby) {
  const auto refused = Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid);
  EXPECT_THAT(Send(Put(server_->Origin("plain") + "/echo")), refused);
  for (const char* url : {"", "x", "ftp://localhost/", "file:///etc/passwd", "https://", "https://user:pass@localhost/",
                          "https://local host/", "HTTPS-://localhost/"}) {
    EXPECT_THAT(Send(Put(url)), refused) << url;
  }
  EXPECT_THAT(server_->Requests("plain"), IsEmpty());
  WebRequest plain = {.url = server_->Origin("plain") + "/echo", .plain_http = true};
  EXPECT_THAT(Send(plain), IsOk());
  plain.url = server_->Origin() + "/echo";
  EXPECT_THAT(Send(plain), refused);
}

TEST_F(WebClientTest, SendsNothingInTheClearIntoTheNetwork) {
  if (server_->own_address().empty()) GTEST_SKIP() << "this machine has no network";
  WebRequest request = {.url = server_->Origin("plain_elsewhere", server_->own_address()) + "/echo",
                        .plain_http = true};
  EXPECT_THAT(Send(request), Fails(Code::kFailedPrecondition, reason::kTargetUntrusted));
  EXPECT_THAT(server_->Requests("plain_elsewhere"), IsEmpty());
}

TEST_F(WebClientTest, TakesAProxyForHttpsOnly) {
  const Variable everything("all_proxy", "http://user:sesame@127.0.0.1:1");
  const Variable http("http_proxy", "http://user:sesame@127.0.0.1:1");
  EXPECT_THAT(Send({.url = server_->Origin("plain") + "/echo", .plain_http = true}), IsOk());
  EXPECT_THAT(Send(Put(server_->Origin() + "/echo")), Fails(Code::kUnavailable, reason::kTargetUnreachable));
  const Variable https("https_proxy", "nonsense://user:sesame@127.0.0.1:1");
  EXPECT_FALSE(Send(Put(server_->Origin() + "/echo")).ok());
  const Variable direct("no_proxy", "localhost");
  EXPECT_THAT(Send(Put(server_->Origin() + "/echo")), IsOk());
}

TEST_F(WebClientTest, RefusesFieldsThatWouldBecomeOthers) {
  const auto refused = Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid);
  WebRequest request = Put(server_->Origin() + "/echo");
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"If-Match", "a\r\nX: y"},
                                                                                    {"If-Match", "a\ny"},
                                                                                    {"If\r\nMatch", "a"},
                                                                                    {"", "a"},
                                                                                    {"X", std::string(1, '\0')}}) {
    request.headers = {{name, value}};
    EXPECT_THAT(Send(request), refused);
  }
  request.headers.clear();
  request.authorization = Secret(std::string("Bearer a\r\nX: y"));
  EXPECT_THAT(Send(request), refused);
}

TEST_F(WebClientTest, LimitsTheAnswer) {
  const auto too_large = Fails(Code::kFailedPrecondition, reason::kTargetAnswerTooLarge);
  const size_t limit = 4 << 20;
  const auto whole = Send({.url = fmt::format("{}/large?size={}", server_->Origin(), limit)});
  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(whole->body.size(), limit);
  EXPECT_THAT(Send({.url = fmt::format("{}/large?size={}", server_->Origin(), limit + 1)}), too_large);
  EXPECT_THAT(Send({.url = fmt::format("{}/chunked?size={}", server_->Origin(), limit)}), IsOk());
  EXPECT_THAT(Send({.url = fmt::format("{}/chunked?size={}", server_->Origin(), limit + 65536)}), too_large);
  EXPECT_THAT(Send({.url = server_->Origin() + "/large-head"}), too_large);
}

TEST_F(WebClientTest, WaitsNoLongerThanTheDeadline) {
  for (const char* path : {"/slow?x", "/drip?x"}) {
    const Time start = absl::Now();
    EXPECT_THAT(Send(Put(server_->Origin() + path), start + absl::Milliseconds(400)),
                Fails(Code::kDeadlineExceeded, reason::kDeadlineExceeded));
    EXPECT_GE(absl::Now() - start, absl::Milliseconds(390)) << path;
    EXPECT_LE(absl::Now() - start, absl::Seconds(5)) << path;
  }
  const size_t before = server_->Requests().size();
  EXPECT_THAT(Send(Put(server_->Origin() + "/echo"), absl::Now() - absl::Seconds(1)),
              Fails(Code::kDeadlineExceeded, reason::kDeadlineExceeded));
  EXPECT_EQ(server_->Requests().size(), before);
}

TEST_F(WebClientTest, TellsOfBrokenConnections) {
  const auto unreachable = Fails(Code::kUnavailable, reason::kTargetUnreachable);
  for (const char* path : {"/reset?x", "/half?x", "/garbage?x"})
    EXPECT_THAT(Send(Put(server_->Origin() + path)), unreachable) << path;
  const auto refused = Send(Put("https://127.0.0.1:1/echo?x"));
  EXPECT_THAT(refused, unreachable);
  EXPECT_THAT(Message(refused.status()), AllOf(HasSubstr("127.0.0.1"), HasSubstr("refused")));
  const auto unknown = Send(Put("https://no-such-host.invalid/echo?x"));
  EXPECT_THAT(unknown, unreachable);
  EXPECT_THAT(Message(unknown.status()), HasSubstr("no-such-host.invalid"));
}

TEST_F(WebClientTest, KeepsConnectionsAndReplacesClosedOnes) {
  const auto connection = [&](const std::string& path) {
    const auto response = Send({.url = server_->Origin() + path});
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->headers.at("x-connection") : "";
  };
  const std::string first = connection("/echo");
  EXPECT_EQ(connection("/echo"), first);
  EXPECT_EQ(connection("/close-after"), first);
  EXPECT_NE(connection("/echo"), first);
}

TEST_F(WebClientTest, SendsOnceWhatIsNoGet) {
  ASSERT_THAT(Send({.url = server_->Origin() + "/echo"}), IsOk());
  EXPECT_THAT(Send(Put(server_->Origin() + "/reset?once")), Fails(Code::kUnavailable, reason::kTargetUnreachable));
  EXPECT_EQ(server_->Requests("good", "/reset?once").size(), 1u);
}

TEST_F(WebClientTest, ServesManyThreads) {
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string body = fmt::format("{} {}", thread, i);
        const auto response = Send({.method = "PUT", .url = server_->Origin() + "/echo", .body = body});
        ASSERT_THAT(response, IsOk());
        EXPECT_EQ(nlohmann::json::parse(response->body)["body"], body);
      }
    });
  }
}

TEST_F(WebClientTest, StopsAtOnce) {
  const Time start = absl::Now();
  std::jthread stop([&] {
    absl::SleepFor(absl::Milliseconds(300));
    client_->Stop();
  });
  EXPECT_THAT(Send({.url = server_->Origin() + "/slow"}), Fails(Code::kUnavailable, reason::kShuttingDown));
  EXPECT_LE(absl::Now() - start, absl::Seconds(5));
  EXPECT_THAT(Send({.url = server_->Origin() + "/echo"}), Fails(Code::kUnavailable, reason::kShuttingDown));
}

TEST(UrlTest, KnowsHostsAndEncodesTheRest) {
  EXPECT_EQ(HostOf("https://My-DPS.azure-devices-provisioning.net:443/x?y").value(),
            "my-dps.azure-devices-provisioning.net");
  EXPECT_THAT(HostOf("not a url"), Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid));
  EXPECT_EQ(PercentEncode("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(PercentEncode("a+b/c=:%\xff "), "a%2Bb%2Fc%3D%3A%25%FF%20");
}

TEST(RetryAfterTest, IsSecondsOrADate) {
  const Time now = absl::FromCivil(absl::CivilSecond(2026, 11, 24, 10, 0, 0), absl::UTCTimeZone());
  const struct {
    const char* value;
    std::optional<Duration> delay;
  } cases[] = {
      {"0", absl::ZeroDuration()},
      {"2", absl::Seconds(2)},
      {"00120", absl::Minutes(2)},
      {"600", absl::Minutes(10)},
      {"601", absl::Minutes(10)},
      {"86400", absl::Minutes(10)},
      {"99999999999999999999999999", absl::Minutes(10)},
      {"Tue, 24 Nov 2026 10:00:30 GMT", absl::Seconds(30)},
      {"Tuesday, 24-Nov-26 10:00:30 GMT", absl::Seconds(30)},
      {"Tue Nov 24 10:00:30 2026", absl::Seconds(30)},
      {"Wed, 25 Nov 2026 10:00:30 GMT", absl::Minutes(10)},
      {"Tue, 24 Nov 2026 10:00:00 GMT", std::nullopt},
      {"Tue, 24 Nov 2026 09:59:30 GMT", std::nullopt},
      {"", std::nullopt},
      {"-1", std::nullopt},
      {"+1", std::nullopt},
      {"1.5", std::nullopt},
      {"2 ", std::nullopt},
      {"2s", std::nullopt},
      {"0x10", std::nullopt},
      {"soon", std::nullopt},
      {"2026-11-24T10:00:30Z", std::nullopt},
      {"infinite-future", std::nullopt},
  };
  for (const auto& test : cases) EXPECT_EQ(ParseRetryAfter(test.value, now), test.delay) << test.value;
}

TEST(BackOffTest, DoublesUpToFiveMinutesAndIsSpreadOverAllOfIt) {
  const struct {
    int failures;
    Duration longest;
  } cases[] = {
      {-1, absl::Seconds(1)}, {0, absl::Seconds(1)},    {1, absl::Seconds(1)},   {2, absl::Seconds(2)},
      {3, absl::Seconds(4)},  {8, absl::Seconds(128)},  {9, absl::Seconds(256)}, {10, absl::Minutes(5)},
      {11, absl::Minutes(5)}, {1000, absl::Minutes(5)},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(BackOff(test.failures, 0), absl::ZeroDuration());
    EXPECT_EQ(BackOff(test.failures, 0.5), test.longest / 2) << test.failures;
    EXPECT_LT(BackOff(test.failures, 0.999), test.longest) << test.failures;
  }
}

}  // namespace
}  // namespace hallmark
