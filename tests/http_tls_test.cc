// HTTP over TLS beside plain HTTP at one port, by curl and by openssl s_client, which bring TLS of their own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/reason.h"
#include "http/server.h"
#include "tests/command.h"
#include "tests/http_client.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using testing::CommandResult;
using testing::Fails;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;

HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/long") return TextResponse(200, std::string(5 << 20, 'x'));
  return TextResponse(200, request.method + "|" + request.path + "|" + request.body);
}

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() {
    for (const char* name : {"one", "two"}) {
      const CommandResult made = RunCommand(
          fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={1} -addext "
                      "subjectAltName=IP:127.0.0.1 -keyout {0}/{1}.key -out {0}/{1}.pem",
                      At(), name));
      EXPECT_EQ(made.exit_code, 0) << made.output;
    }
    Start({.listen = "127.0.0.1:0", .post_path = "/ocsp", .tls = Read("one", "one")});
  }
  void Start(const HttpOptions& options) {
    server_.reset();
    auto server = HttpServer::Start(options, Echo);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  std::string At() const { return directory_.path().string(); }
  std::shared_ptr<const HttpTls> Read(const std::string& certificate, const std::string& key) const {
    auto tls = std::make_shared<HttpTls>();
    tls->certificate_chain = ReadFile(directory_ / (certificate + ".pem")).value();
    tls->private_key = Secret(ReadFile(directory_ / (key + ".key")).value());
    return tls;
  }
  // Of curl that trusts the certificate of that name alone.
  CommandResult Curl(const std::string& trusted, const std::string& path, const std::string& options = "") const {
    return RunCommand(fmt::format("curl -s --max-time 20 --cacert {}/{}.pem {} https://127.0.0.1:{}{}", At(), trusted,
                                  options, server_->port(), path));
  }
  CommandResult Client(const std::string& options) const {
    return RunCommand(
        fmt::format("printf 'GET /a HTTP/1.0\\r\\n\\r\\n' | openssl s_client -connect 127.0.0.1:{} -quiet {} 2>&1",
                    server_->port(), options));
  }

  const testing::TemporaryDirectory directory_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTlsTest, CurlGetsWhatItGetsWithoutTls) {
  EXPECT_EQ(Curl("one", "/a").output, "GET|/a|");
  EXPECT_EQ(Curl("one", "/ocsp", "-H Expect: -d hello").output, "POST|/ocsp|hello");
  EXPECT_EQ(Curl("one", "/long", "-o /dev/null -w '%{http_code} %{size_download}'").output,
            fmt::format("200 {}", 5 << 20));
  EXPECT_THAT(Curl("one", "/a", "-I").output, HasSubstr("Content-Length: 8\r\n"));
  const CommandResult two = Curl("one", "/a", fmt::format("-v https://127.0.0.1:{}/b", server_->port()));
  EXPECT_THAT(two.output, HasSubstr("Re-using existing connection"));
  EXPECT_THAT(two.output, HasSubstr("GET|/b|"));
  EXPECT_EQ(RunCommand(fmt::format("curl -s http://127.0.0.1:{}/plain", server_->port())).output, "GET|/plain|");
  EXPECT_EQ(HttpClient(server_->port()).Get("/plain").body, "GET|/plain|");
}

TEST_F(HttpTlsTest, SpeaksTls12And13AndNothingOlder) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    EXPECT_THAT(Client(version).output, HasSubstr("GET|/a|")) << version;
  }
  for (const char* version : {"-tls1_1", "-tls1"}) {
    EXPECT_THAT(Client(std::string(version) + " -cipher DEFAULT:@SECLEVEL=0").output, Not(HasSubstr("GET|/a|")))
        << version;
  }
}

TEST_F(HttpTlsTest, TakesANewCertificateWhileItRuns) {
  EXPECT_EQ(Curl("one", "/a").exit_code, 0);
  EXPECT_THAT(server_->UseTls(*Read("two", "two")), IsOk());
  EXPECT_EQ(Curl("two", "/a").output, "GET|/a|");
  EXPECT_EQ(Curl("one", "/a").exit_code, 60);  // it is another one's
  // What does not load leaves what is in force.
  HttpTls broken = {"", Secret(std::string("x"))};
  EXPECT_THAT(server_->UseTls(broken), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
  EXPECT_THAT(server_->UseTls(*Read("one", "two")), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
  EXPECT_EQ(
      RunCommand(fmt::format("openssl ec -aes256 -passout pass:x -in {0}/one.key -out {0}/locked.key", At())).exit_code,
      0);
  EXPECT_THAT(server_->UseTls(*Read("one", "locked")), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
  EXPECT_EQ(Curl("two", "/a").output, "GET|/a|");
}

TEST_F(HttpTlsTest, WhatDoesNotLoadDoesNotStart) {
  const HttpOptions options = {.listen = "127.0.0.1:0", .tls = Read("one", "two")};
  EXPECT_THAT(HttpServer::Start(options, Echo), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
}

TEST_F(HttpTlsTest, AHandshakeHasNoMoreTimeThanARequest) {
  Start({.listen = "127.0.0.1:0",
         .tls = Read("one", "one"),
         .request_limit = absl::Milliseconds(300),
         .idle_limit = absl::Hours(1)});
  HttpClient begun(server_->port());
  ASSERT_TRUE(begun.Send(std::string("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_TRUE(begun.IsClosed());
  // One that was ended by the client, and one that is none, harm nobody.
  HttpClient(server_->port()).Send("\x16");
  HttpClient garbage(server_->port());
  ASSERT_TRUE(garbage.Send("\x16 is no handshake at all, whatever it looks like"));
  EXPECT_NE(garbage.Receive().status, 200);
  EXPECT_EQ(Curl("one", "/a").output, "GET|/a|");
}

TEST_F(HttpTlsTest, WithoutACertificateItIsNoHttp) {
  Start({.listen = "127.0.0.1:0"});
  HttpClient client(server_->port());
  ASSERT_TRUE(client.Send("\x16\x03\x01\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 400);
}

}  // namespace
}  // namespace hallmark
