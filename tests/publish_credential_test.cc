// Credentials of publish/ against endpoints that verify them with Python's own cryptography
// (tests/interop/web_server.py).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "base/reason.h"
#include "hsm/key.h"
#include "hsm/memory_signer.h"
#include "hsm/token.h"
#include "publish/bearer_token.h"
#include "publish/dps_answer.h"
#include "publish/sas.h"
#include "tests/command.h"
#include "tests/softhsm.h"
#include "tests/status_matchers.h"
#include "tests/web_server.h"
#include "tools/configured_credentials.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::Fails;
using testing::FieldOf;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::TemporaryDirectory;
using testing::WebServer;

constexpr char kKey[] = "c2VzYW1lLXNlc2FtZS1zZXNhbWUtc2VzYW1lLTEyMzQ=";  // sesame-sesame-sesame-sesame-1234
constexpr char kOtherKey[] = "YW5vdGhlci1zZXNhbWUtYW5vdGhlci1zZXNhbWUtMTI=";
constexpr char kHost[] = "my-dps.azure-devices-provisioning.net";

Time Soon() { return absl::Now() + absl::Seconds(30); }

// As the world's, but for what a test adds.
class ShiftedClock : public Clock {
 public:
  Time Now() const override { return absl::Now() + shift_; }
  void Shift(Duration by) { shift_ += by; }
  Duration shift() const { return shift_; }

 private:
  Duration shift_ = absl::ZeroDuration();
};

// No message holds a key, a token or an assertion.
void ExpectDiscreet(const Status& status) {
  for (const char* secret : {"sesame", kKey, kOtherKey, "eyJ", "PRIVATE KEY", "sig="}) {
    EXPECT_THAT(Message(status), Not(HasSubstr(secret)));
  }
}

class SasTest : public ::testing::Test {
 protected:
  void SetUp() override { WriteKey(kKey); }
  void WriteKey(const std::string& key, unsigned mode = 0600) const {
    ASSERT_THAT(WriteFile(directory_ / "key", AsBytes(key), mode), IsOk());
  }
  std::string Sign(const std::string& host = kHost) const {
    const auto value = authorizer_->Authorization(host, Soon());
    EXPECT_THAT(value, IsOk());
    return value.ok() ? std::string(value->Reveal()) : "";
  }

  const TemporaryDirectory directory_;
  const SecretEnvironment environment_;
  ShiftedClock clock_;
  const std::unique_ptr<Authorizer> authorizer_ = MakeSasAuthorizer(
      {.policy = "provisioningserviceowner", .key = {.name = (directory_ / "key").string()}}, environment_, clock_);
};

TEST(SharedAccessSignatureTest, IsWhatOpensslMakesOfIt) {
  const struct {
    const char* host;
    const char* lower;
    const char* policy;
    const char* quoted_policy;
    const char* key;
  } cases[] = {
      {kHost, kHost, "provisioningserviceowner", "provisioningserviceowner", kKey},
      {"My-Hub.Azure-Devices.NET", "my-hub.azure-devices.net", "iot hub+owner", "iot%20hub%2Bowner", kOtherKey},
      {"a", "a", "p", "p", "AA=="},
  };
  for (const auto& test : cases) {
    for (const int64_t end : {int64_t{1763978400}, int64_t{4102444800}}) {
      const auto made =
          MakeSharedAccessSignature(test.host, test.policy, Secret(std::string(test.key)), absl::FromUnixSeconds(end));
      ASSERT_THAT(made, IsOk());
      const auto signature = RunCommand(fmt::format(
          "printf '%s\\n%s' {} {} | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(echo {} | base64 -d | xxd -p -c "
          "256) -binary | base64 | sed 's/+/%2B/g; s:/:%2F:g; s/=/%3D/g' | tr -d '\\n'",
          test.lower, end, test.key));
      ASSERT_THAT(signature.output, SizeIs(::testing::Ge(44u)));
      EXPECT_EQ(made->Reveal(), fmt::format("SharedAccessSignature sr={}&sig={}&se={}&skn={}", test.lower,
                                            signature.output, end, test.quoted_policy));
    }
  }
}

TEST(SharedAccessSignatureTest, NeedsAKeyInBase64) {
  for (const char* key : {"", "sesame!", "c2VzYW1l\n", "c2VzYW1", "c2Vz=W1l", "-_-_"}) {
    const auto made = MakeSharedAccessSignature(kHost, "p", Secret(std::string(key)), absl::Now());
    EXPECT_THAT(made, Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid)) << key;
    ExpectDiscreet(made.status());
  }
}

TEST_F(SasTest, IsKeptForFiftyFiveMinutesOneAHost) {
  const std::string first = Sign();
  EXPECT_THAT(first, StartsWith(fmt::format("SharedAccessSignature sr={}&sig=", kHost)));
  EXPECT_THAT(first, HasSubstr(fmt::format("&se={}", absl::ToUnixSeconds(clock_.Now() + absl::Hours(1)))));
  EXPECT_NE(Sign("hub.azure-devices.net"), first);
  clock_.Shift(absl::Minutes(54));
  EXPECT_EQ(Sign(), first);
  clock_.Shift(absl::Minutes(1));
  const std::string second = Sign();
  EXPECT_NE(second, first);
  clock_.Shift(-absl::Hours(2));  // somebody set the clock right
  EXPECT_NE(Sign(), second);
}

TEST_F(SasTest, FollowsTheKeysFile) {
  const std::string first = Sign();
  WriteKey(std::string(kOtherKey) + "\n");
  const std::string second = Sign();
  EXPECT_NE(second, first);
  clock_.Shift(absl::Seconds(2));
  EXPECT_EQ(Sign(), second);
  // Written in place by someone who restores its time: noticed once a signature was refused.
  struct stat before = {};
  ASSERT_EQ(stat((directory_ / "key").c_str(), &before), 0);
  std::ofstream(directory_ / "key") << kKey << "\n";
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, (directory_ / "key").c_str(), times, 0), 0);
  EXPECT_EQ(Sign(), second);
  authorizer_->Forget(Secret(std::string(first)));  // of long ago
  EXPECT_EQ(Sign(), second);
  authorizer_->Forget(Secret(std::string(second)));
  const std::string third = Sign();
  EXPECT_NE(third.substr(0, third.find("&se=")), second.substr(0, second.find("&se=")));
}

TEST_F(SasTest, SaysWhatIsWrongWithTheFile) {
  const struct {
    const char* content;
    unsigned mode;
    const char* reason;
  } cases[] = {
      {kKey, 0604, reason::kFileUnreadable},
      {"", 0600, reason::kFileUnreadable},
      {"sesame!", 0600, reason::kConfigurationInvalid},
      {"\n", 0600, reason::kConfigurationInvalid},
  };
  for (const auto& test : cases) {
    WriteKey(test.content, test.mode);
    const auto value = authorizer_->Authorization(kHost, Soon());
    EXPECT_THAT(value, Fails(Code::kFailedPrecondition, test.reason));
    EXPECT_THAT(Message(value.status()), HasSubstr((directory_ / "key").string()));
    ExpectDiscreet(value.status());
  }
  std::filesystem::remove(directory_ / "key");
  EXPECT_THAT(authorizer_->Authorization(kHost, Soon()), Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
  WriteKey(kKey);
  Sign();
}

TEST(SecretSourceTest, IsAFileACredentialOrAVariable) {
  const TemporaryDirectory directory;
  SecretEnvironment environment;
  const auto read = [&](const std::string& text) -> StatusOr<std::string> {
    ASSIGN_OR_RETURN(const SecretSource source, ParseSecretSource(text, directory.path()));
    ASSIGN_OR_RETURN(const Secret secret, ReadSecret(source, environment));
    return std::string(secret.Reveal());
  };
  ASSERT_THAT(WriteFile(directory / "dps.key", AsBytes("one\ntwo\n"), 0600), IsOk());
  EXPECT_EQ(read("dps.key").value(), "one\ntwo\n");
  EXPECT_EQ(read((directory / "dps.key").string()).value(), "one\ntwo\n");
  EXPECT_EQ(ParseSecretSource("./x/../dps.key", directory.path())->ToString(), (directory / "dps.key").string());

  const auto unreadable = Fails(Code::kFailedPrecondition, reason::kFileUnreadable);
  EXPECT_THAT(read("nothing"), unreadable);
  EXPECT_THAT(read("credential:dps.key"), unreadable);  // there is no directory
  environment.credentials_directory = directory.path();
  EXPECT_EQ(read("credential:dps.key").value(), "one\ntwo\n");
  EXPECT_THAT(read("credential:other"), unreadable);
  EXPECT_THAT(read("env:DPS_KEY"), unreadable);
  environment.variables.emplace("DPS_KEY", Secret(std::string("three")));
  EXPECT_EQ(read("env:DPS_KEY").value(), "three");
  for (const char* text : {"", "env:", "credential:", "credential:../x", "credential:/etc/passwd"}) {
    EXPECT_THAT(read(text), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << text;
  }
}

TEST(TokenAnswerTest, IsReadStrictly) {
  const Time now = absl::FromUnixSeconds(1'700'000'000);
  const auto lifetime = [&](const std::string& body) -> std::optional<int64_t> {
    const auto token = ReadTokenAnswer(body, now);
    if (!token.ok()) {
      EXPECT_THAT(token, Fails(Code::kInvalidArgument, reason::kTargetAnswerInvalid));
      ExpectDiscreet(token.status());
      return std::nullopt;
    }
    EXPECT_EQ(token->authorization.Reveal(), "Bearer sesame");
    return absl::ToInt64Seconds(token->expires - now);
  };
  const auto with = [](const std::string& fields) {
    return R"({"access_token":"sesame","token_type":"Bearer")" + fields + "}";
  };
  const struct {
    std::string body;
    std::optional<int64_t> lifetime;
  } cases[] = {
      {with(R"(,"expires_in":3599)"), 3599},
      {with(R"(,"expires_in":"3599","expires_on":"1")"), 3599},
      {with(R"(,"expires_on":"1700000060")"), 60},
      {with(R"(,"expires_on":1700000060,"resource":"x")"), 60},
      {with(R"(,"expires_in":0)"), 0},
      {with(R"(,"expires_in":18446744073709551615)"), 86400},
      {with(R"(,"expires_in":86401)"), 86400},
      {R"({"access_token":"sesame","token_type":"bearer","expires_in":1})", 1},
      {with(""), std::nullopt},
      {with(R"(,"expires_in":-1)"), std::nullopt},
      {with(R"(,"expires_in":1.5)"), std::nullopt},
      {with(R"(,"expires_in":"1s")"), std::nullopt},
      {with(R"(,"expires_in":"-1")"), std::nullopt},
      {with(R"(,"expires_in":null)"), std::nullopt},
      {R"({"access_token":"sesame","token_type":"mac","expires_in":1})", std::nullopt},
      {R"({"access_token":"sesame","expires_in":1})", std::nullopt},
      {R"({"access_token":"","token_type":"Bearer","expires_in":1})", std::nullopt},
      {R"({"access_token":7,"token_type":"Bearer","expires_in":1})", std::nullopt},
      {R"({"access_token":"sesame\r\nX: y","token_type":"Bearer","expires_in":1})", std::nullopt},
      {R"({"access_token":"se same","token_type":"Bearer","expires_in":1})", std::nullopt},
      {R"({"token_type":"Bearer","expires_in":1})", std::nullopt},
      {R"(["sesame"])", std::nullopt},
      {"<html>sesame</html>", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& test : cases) EXPECT_EQ(lifetime(test.body), test.lifetime) << test.body;
}

TEST(TokenAnswerTest, ToldOfARefusalIsItsCodesOnly) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"error":"invalid_client","error_description":"AADSTS700027: sesame"})", "invalid_client, AADSTS700027"},
      {R"({"error":"invalid_request","error_description":"Identity not found"})", "invalid_request"},
      {R"({"error_description":"AADSTS90002: sesame"})", "AADSTS90002"},
      {R"({"error":"sesame 1","error_description":"AADSTS"})", ""},
      {R"({"error":"invalid_client","error_description":"AADSTS12345678901234567890"})", "invalid_client"},
      {R"({"error":{"code":"x"}})", ""},
      {"<html>", ""},
      {"", ""},
  };
  for (const auto& [body, told] : cases) EXPECT_EQ(ReadTokenRefusal(body), told) << body;
}

TEST(TokenCacheTest, AWaitForAnothersTokenEndsAtTheDeadline) {
  const ShiftedClock clock;
  std::atomic<int> fetched = 0;
  TokenCache cache(clock, [&](Time) -> StatusOr<BearerToken> {
    ++fetched;
    absl::SleepFor(absl::Milliseconds(600));
    return BearerToken{.authorization = Secret(std::string("Bearer sesame")), .expires = clock.Now() + absl::Hours(1)};
  });
  std::jthread first([&] { EXPECT_THAT(cache.Get(Soon()), IsOk()); });
  while (fetched == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(cache.Get(absl::Now() + absl::Milliseconds(50)),
              Fails(Code::kDeadlineExceeded, reason::kDeadlineExceeded));
  EXPECT_THAT(cache.Get(Soon()), IsOk());
  EXPECT_EQ(fetched, 1);
}

class CredentialTest : public ::testing::Test {
 protected:
  CredentialTest() {
    config_.roots = server_ / "root.pem";
    config_.azure.login = server_.Origin();
    config_.azure.managed_identity = server_.Origin("plain");
    for (const char* name : {"app.pem", "app.key"}) Install(name, name);
    config_.credentials["azure"] = {
        {Audience::kManagement, EntraConfig{.tenant = "contoso",
                                            .client_id = "app-1",
                                            .certificate = server_ / "mine-app.pem",
                                            .key = {.name = (server_ / "mine-app.key").string()}}},
        {Audience::kService,
         SasConfig{.policy = "provisioningserviceowner", .key = {.name = (server_ / "mine-service.key").string()}}},
        {Audience::kHub, ManagedIdentityConfig{}}};
    WriteServiceKeys(kKey, kKey);
    Open();
  }

  // What the server's `from` is becomes what the credential finds at `to`.
  void Install(const std::string& from, const std::string& to) const {
    server_.Write("mine-" + to, ReadFile(server_ / from).value());
  }
  void WriteServiceKeys(const std::string& theirs, const std::string& ours) const {
    server_.Write("service_key", theirs);
    server_.Write("mine-service.key", ours);
  }
  void Open(SecretEnvironment environment = {}) {
    tokens_ = ConfiguredTokens::Open(hsm_, {}, nullptr).value();
    credentials_ = ConfiguredCredentials::Open(config_, std::move(environment), *tokens_, clock_).value();
    credential_ = credentials_->Find("azure").value();
  }
  StatusOr<WebResponse> Send(Audience audience) const {
    StatusOr<WebResponse> response = credential_->Send(audience, {.url = server_.Origin() + "/api/x"}, Soon());
    if (!response.ok()) ExpectDiscreet(response.status());
    return response;
  }
  // What a request through `audience` comes to, when it is refused.
  Status Refusal(Audience audience) const { return Send(audience).status(); }
  size_t TokensIssued() const { return server_.Requests("good", "/contoso/oauth2/v2.0/token").size(); }
  size_t Calls() const { return server_.Requests("good", "/api/").size(); }
  void Control(nlohmann::json settings) const {
    settings["clock"] = absl::ToInt64Seconds(clock_.shift());
    server_.Control(settings);
  }

  const WebServer server_;
  ShiftedClock clock_;
  PublishConfig config_;
  Config hsm_;
  std::unique_ptr<ConfiguredTokens> tokens_;
  std::unique_ptr<ConfiguredCredentials> credentials_;
  Credential* credential_ = nullptr;
};

TEST_F(CredentialTest, AnApplicationGetsATokenAndKeepsIt) {
  for (int i = 0; i < 3; ++i) ASSERT_THAT(Send(Audience::kManagement), IsOk());
  ASSERT_EQ(TokensIssued(), 1u);
  const auto request = server_.Requests("good", "/contoso/oauth2/v2.0/token").front();
  EXPECT_THAT(request["body"].get<std::string>(), HasSubstr("scope=https%3A%2F%2Fmanagement.azure.com%2F.default&"));
  EXPECT_EQ(FieldOf(request, "authorization"), "(none)");
  EXPECT_EQ(FieldOf(server_.Requests("good", "/api/").back(), "authorization"), "Bearer sesame-1");

  clock_.Shift(absl::Seconds(3599) - absl::Minutes(5) - absl::Seconds(30));
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  EXPECT_EQ(TokensIssued(), 1u);
  clock_.Shift(absl::Seconds(31));
  Control({});
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  EXPECT_EQ(TokensIssued(), 2u);
}

TEST_F(CredentialTest, ManyThreadsGetOneToken) {
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] { EXPECT_THAT(Send(Audience::kManagement), IsOk()); });
    }
  }
  EXPECT_EQ(TokensIssued(), 1u);
}

TEST_F(CredentialTest, ARefusedTokenIsReplacedOnce) {
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  // Another application's token is the latest now.
  auto other = ConfiguredCredentials::Open(config_, {}, *tokens_, clock_).value();
  ASSERT_THAT((*other->Find("azure"))->Authorization(Audience::kManagement, "x", Soon()), IsOk());
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  EXPECT_EQ(TokensIssued(), 3u);
  EXPECT_EQ(Calls(), 3u);  // one was refused

  Control({{"accept", "nobody"}});
  const Status refusal = Refusal(Audience::kManagement);
  EXPECT_THAT(refusal, Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
  EXPECT_THAT(Message(refusal), AllOf(HasSubstr("azure"), HasSubstr("app-1"), Not(HasSubstr("clock"))));
  EXPECT_EQ(TokensIssued(), 4u);
  EXPECT_EQ(Calls(), 5u);
}

TEST_F(CredentialTest, ALateRefusalForgetsNoNewerToken) {
  const auto first = credential_->Authorization(Audience::kManagement, "x", Soon());
  credential_->Refused(Audience::kManagement, *first);
  const auto second = credential_->Authorization(Audience::kManagement, "x", Soon());
  EXPECT_NE(first->Reveal(), second->Reveal());
  credential_->Refused(Audience::kManagement, *first);
  EXPECT_EQ(credential_->Authorization(Audience::kManagement, "x", Soon())->Reveal(), second->Reveal());
  EXPECT_EQ(TokensIssued(), 2u);
}

TEST_F(CredentialTest, ANewCertificateAndKeyAreUsedWithoutARestart) {
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  Install("app_two.pem", "app.pem");
  Install("app_two.key", "app.key");
  Control({{"certificates", {"app_two"}}});
  credential_->Refused(Audience::kManagement, *credential_->Authorization(Audience::kManagement, "x", Soon()));
  ASSERT_THAT(Send(Audience::kManagement), IsOk());
  Control({{"certificates", {"app"}}});
  credential_->Refused(Audience::kManagement, *credential_->Authorization(Audience::kManagement, "x", Soon()));
  const Status refusal = Refusal(Audience::kManagement);
  EXPECT_THAT(refusal, Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
  EXPECT_THAT(Message(refusal), AllOf(HasSubstr("invalid_client"), HasSubstr("AADSTS700027"), HasSubstr("app-1")));
}

TEST_F(CredentialTest, SaysWhatIsWrongWithAnApplicationsFiles) {
  const struct {
    const char* certificate;
    const char* key;
    const char* reason;
    const char* file;
  } cases[] = {
      {"nothing", "app.key", reason::kFileUnreadable, "mine-app.pem"},
      {"app.key", "app.key", reason::kConfigurationInvalid, "mine-app.pem"},
      {"app_expired.pem", "app_expired.key", reason::kConfigurationInvalid, "mine-app.pem"},
      {"app_ec.pem", "app_ec.key", reason::kTargetCredentialMissing, "mine-app.pem"},
      {"app.pem", "nothing", reason::kFileUnreadable, "mine-app.key"},
      {"app.pem", "app.pem", reason::kConfigurationInvalid, "mine-app.key"},
      {"app.pem", "app_two.key", reason::kConfigurationInvalid, "mine-app.pem"},
  };
  for (const auto& test : cases) {
    for (const auto& [from, to] : {std::pair{test.certificate, "app.pem"}, std::pair{test.key, "app.key"}}) {
      std::filesystem::remove(server_ / (std::string("mine-") + to));
      if (std::string(from) != "nothing") Install(from, to);
    }
    const Status refusal = Refusal(Audience::kManagement);
    EXPECT_THAT(refusal, Fails(Code::kFailedPrecondition, test.reason)) << test.certificate << " " << test.key;
    EXPECT_THAT(Message(refusal), HasSubstr(test.file));
  }
  EXPECT_EQ(TokensIssued(), 0u);
}

TEST_F(CredentialTest, TellsWhatTheTokenEndpointAnswered) {
  const auto answer = [&](int status, const std::string& body, const char* field = "X", const std::string& value = "") {
    const nlohmann::json headers = nlohmann::json::array({nlohmann::json::array({field, value})});
    Control({{"token_answer", nlohmann::json::array({status, body, headers})}});
    return Refusal(Audience::kManagement);
  };
  const auto busy = Fails(Code::kUnavailable, reason::kTargetUnreachable);
  const Status later = answer(429, "sesame", "Retry-After", "12");
  EXPECT_THAT(later, busy);
  EXPECT_EQ(RetryDelay(later), absl::Seconds(12));
  EXPECT_EQ(RetryDelay(answer(503, "sesame", "Retry-After", "sesame")), std::nullopt);
  for (const int status : {408, 410, 500, 502, 503, 504}) EXPECT_THAT(answer(status, ""), busy) << status;
  EXPECT_THAT(answer(400, R"({"error":"temporarily_unavailable"})"), busy);

  const auto refused = Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused);
  for (const int status : {400, 401, 403, 404}) EXPECT_THAT(answer(status, "sesame"), refused) << status;
  EXPECT_THAT(answer(302, "", "Location", server_.Origin("elsewhere") + "/contoso/oauth2/v2.0/token"), refused);
  EXPECT_THAT(server_.Requests("elsewhere"), SizeIs(0));
  EXPECT_THAT(answer(200, "<html>sesame</html>"), Fails(Code::kFailedPrecondition, reason::kTargetAnswerInvalid));
  EXPECT_EQ(Calls(), 0u);
  Control({});
  EXPECT_THAT(Send(Audience::kManagement), IsOk());
}

TEST_F(CredentialTest, SendsNoAssertionToWhomItCannotTrust) {
  config_.azure.login = server_.Origin("other_host");
  Open();
  EXPECT_THAT(Refusal(Audience::kManagement), Fails(Code::kFailedPrecondition, reason::kTargetUntrusted));
  EXPECT_THAT(server_.Requests("other_host"), SizeIs(0));
}

TEST_F(CredentialTest, AnAssertionIsSignedWithPkcs1WhereTheKeyDoesThat) {
  const auto client = WebClient::Create(server_ / "root.pem").value();
  const Bytes certificate = PemDecode("CERTIFICATE", ReadFile(server_ / "app.pem").value())->front();
  const auto authorizer = MakeEntraAuthorizer({.login = server_.Origin(),
                                               .tenant = "contoso",
                                               .client_id = "app-1",
                                               .scope = config_.azure.scopes.at(Audience::kHub),
                                               .certificate = server_ / "app.pem",
                                               .open_key = [&](ByteView) -> StatusOr<std::shared_ptr<const Signer>> {
                                                 return ReadMemorySigner(ReadSecretText(server_ / "app.key").value(),
                                                                         SignatureAlgorithm::kRsaPkcs1Sha256);
                                               }},
                                              *client, clock_);
  EXPECT_THAT(authorizer->Authorization("x", Soon()), IsOk());
  const auto ec = GenerateMemorySigner(KeyType::kEcP256, SignatureAlgorithm::kEcdsaSha256).value();
  EXPECT_THAT(MakeClientAssertion("https://x", "app-1", certificate, *ec, clock_.Now(), Soon()),
              Fails(Code::kFailedPrecondition, reason::kKeyUnsupported));
}

TEST_F(CredentialTest, AnApplicationsKeyThatCannotSignIsTheTargetsFailure) {
  const auto client = WebClient::Create(server_ / "root.pem").value();
  Status away;
  const auto authorizer =
      MakeEntraAuthorizer({.login = server_.Origin(),
                           .tenant = "contoso",
                           .client_id = "app-1",
                           .scope = config_.azure.scopes.at(Audience::kHub),
                           .certificate = server_ / "app.pem",
                           .open_key = [&](ByteView) -> StatusOr<std::shared_ptr<const Signer>> { return away; }},
                          *client, clock_);
  for (const char* reason : {reason::kHsmUnavailable, reason::kHsmTokenNotFound}) {
    away = WithRetry(Error(Code::kUnavailable, reason, "the HSM is away"), absl::Seconds(3));
    const Status failure = authorizer->Authorization("x", Soon()).status();
    EXPECT_THAT(failure, Fails(Code::kUnavailable, reason::kTargetCredentialMissing));
    EXPECT_THAT(Message(failure), AllOf(HasSubstr("app-1"), HasSubstr("the HSM is away")));
    EXPECT_EQ(RetryDelay(failure), absl::Seconds(3));
    EXPECT_TRUE(ConcernsTarget(failure));
  }
  for (const Status& other : {Error(Code::kDeadlineExceeded, reason::kHsmUnavailable, "the HSM is busy"),
                              Error(Code::kFailedPrecondition, reason::kHsmPinIncorrect, "the PIN is wrong"),
                              Error(Code::kFailedPrecondition, reason::kKeyUnsupported, "the key is no RSA key")}) {
    away = other;
    const Status failure = authorizer->Authorization("x", Soon()).status();
    EXPECT_TRUE(ConcernsTarget(failure)) << failure;
    EXPECT_EQ(failure.code(), other.code());
    EXPECT_THAT(Message(failure), HasSubstr(Message(other)));
  }
}

TEST_F(CredentialTest, AnApplicationsKeyMayBeOnAToken) {
  const auto module = Module::Load(testing::kSoftHsm).value();
  ASSERT_THAT(
      InitializeToken(*module, "publication", testing::MakeSecret(testing::kSoPin), testing::MakeSecret(testing::kPin)),
      IsOk());
  ASSERT_THAT(WriteFile(server_ / "pin", AsBytes(testing::kPin), 0600), IsOk());
  hsm_.hsm_tokens = {{.name = kOnlyToken,
                      .module = testing::kSoftHsm,
                      .uri = fmt::format("pkcs11:token=publication?pin-source={}", (server_ / "pin").string())}};
  Open();
  const auto token = tokens_->FindNamed("").value();
  const KeyUri uri = GenerateKey(*token, KeyType::kRsa2048, "app").value();
  server_.Write("public.pem", PemEncode("PUBLIC KEY", ReadPublicKey(*token, uri).value()));
  const auto certified = RunCommand(
      fmt::format("cd {} && openssl x509 -new -force_pubkey public.pem -key app.key -subj /CN=app-1 -days 2 -out "
                  "app_token.pem",
                  (server_ / ".").string()));
  ASSERT_EQ(certified.exit_code, 0) << certified.output;
  auto& entra = std::get<EntraConfig>(config_.credentials["azure"].at(Audience::kManagement));
  entra.certificate = server_ / "app_token.pem";
  entra.key_uri = uri.ToString();
  Open();
  Control({{"certificates", {"app_token"}}});
  EXPECT_THAT(Send(Audience::kManagement), IsOk());
  entra.certificate = server_ / "app.pem";  // of another key
  Open();
  const Status mismatch = Refusal(Audience::kManagement);
  EXPECT_THAT(mismatch, Fails(Code::kFailedPrecondition, reason::kTargetCredentialMissing));
  EXPECT_THAT(Message(mismatch), HasSubstr("another"));
}

TEST_F(CredentialTest, ASasKeyIsRotatedWithoutARestart) {
  Control({{"accept", "sas"}});
  ASSERT_THAT(Send(Audience::kService), IsOk());
  WriteServiceKeys(kOtherKey, kKey);
  EXPECT_THAT(Refusal(Audience::kService), Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
  EXPECT_EQ(Calls(), 3u);
  WriteServiceKeys(kOtherKey, kOtherKey);
  ASSERT_THAT(Send(Audience::kService), IsOk());
  EXPECT_EQ(Calls(), 4u);
  EXPECT_EQ(TokensIssued(), 0u);
}

TEST_F(CredentialTest, ARefusalTellsOfClocksThatDiffer) {
  const struct {
    int offset;  // of the server's clock, in seconds
    const char* what;
  } cases[] = {{-600, "10m"}, {-600, "ahead of"}, {600, "behind"}};
  for (const auto& test : cases) {
    Control({{"accept", "nobody"}, {"date_offset", test.offset}});
    const Status refusal = Refusal(Audience::kService);
    EXPECT_THAT(refusal, Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
    EXPECT_THAT(Message(refusal), AllOf(HasSubstr("clock"), HasSubstr(test.what)));
  }
  Control({{"accept", "nobody"}, {"date_offset", 30}});
  EXPECT_THAT(Message(Refusal(Audience::kService)), Not(HasSubstr("clock")));
}

TEST_F(CredentialTest, AManagedIdentityNeedsNoSecret) {
  ASSERT_THAT(Send(Audience::kHub), IsOk());
  ASSERT_THAT(Send(Audience::kHub), IsOk());
  const auto requests = server_.Requests("plain");
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0]["path"],
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fiothubs."
            "azure.net");
  std::get<ManagedIdentityConfig>(config_.credentials["azure"].at(Audience::kHub)).client_id = "unknown";
  Open();
  const Status refusal = Refusal(Audience::kHub);
  EXPECT_THAT(refusal, Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
  EXPECT_THAT(Message(refusal), AllOf(HasSubstr("the managed identity unknown"), HasSubstr("invalid_request")));
}

TEST_F(CredentialTest, AnAppAsksItsOwnEndpoint) {
  SecretEnvironment environment;
  environment.variables.emplace("IDENTITY_ENDPOINT", Secret(server_.Origin("plain") + "/msi/token"));
  environment.variables.emplace("IDENTITY_HEADER", Secret(std::string("app-sesame")));
  Open(std::move(environment));
  ASSERT_THAT(Send(Audience::kHub), IsOk());
  EXPECT_EQ(server_.Requests("plain", "/msi/token").size(), 1u);
  SecretEnvironment wrong;
  wrong.variables.emplace("IDENTITY_ENDPOINT", Secret(server_.Origin("plain") + "/msi/token"));
  wrong.variables.emplace("IDENTITY_HEADER", Secret(std::string("another sesame")));
  Open(std::move(wrong));
  EXPECT_THAT(Refusal(Audience::kHub), Fails(Code::kFailedPrecondition, reason::kTargetCredentialRefused));
}

TEST_F(CredentialTest, AnAudienceWithoutOneIsTold) {
  config_.credentials["azure"].erase(Audience::kManagement);
  config_.credentials["azure"].erase(Audience::kHub);
  Open();
  const auto missing = Fails(Code::kFailedPrecondition, reason::kTargetCredentialMissing);
  const Status management = Refusal(Audience::kManagement);
  EXPECT_THAT(management, missing);
  EXPECT_THAT(Message(management), AllOf(HasSubstr("publish.credentials.azure.management"), HasSubstr("SAS")));
  EXPECT_THAT(Refusal(Audience::kHub), missing);
  EXPECT_EQ(Calls(), 0u);
  EXPECT_THAT(credentials_->Find("gcp"), Fails(Code::kNotFound, reason::kTargetCredentialMissing));
}

const auto* const kHsm = ::testing::AddGlobalTestEnvironment(
    std::make_unique<testing::SoftHsmEnvironment>().release());  // GoogleTest owns it

}  // namespace
}  // namespace hallmark
