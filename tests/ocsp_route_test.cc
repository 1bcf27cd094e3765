// OCSP over HTTP: methods, types, targets and the fields of caches, with a responder that is a function; and over a
// real socket, where what is too long ends.
#include "http/ocsp_route.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/reason.h"
#include "http/server.h"
#include "tests/http_client.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::ClientResponse;
using testing::Fails;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::IsOk;
using ::testing::Not;

constexpr char kType[] = "application/ocsp-request";

class FixedClock : public Clock {
 public:
  Time Now() const override { return now; }
  Time now = absl::FromUnixSeconds(1795514400);  // Tue, 24 Nov 2026 10:00:00 GMT
};

class OcspRouteTest : public ::testing::Test {
 protected:
  OcspRouteTest() {
    log::Quiet();
    answer_ = {OcspStatus::kSuccessful, std::make_shared<const std::string>("response"),
               OcspAnswer::Reuse{clock_.now, clock_.now + absl::Minutes(30), clock_.now + absl::Hours(1),
                                 Sha256(AsBytes("response"))}};
  }

  HttpResponse Get(const std::string& path, const std::string& if_none_match = "",
                   const std::string& if_modified_since = "") {
    return route_.Handle({.method = "GET",
                          .path = path,
                          .query = "",
                          .if_none_match = if_none_match,
                          .if_modified_since = if_modified_since});
  }
  HttpResponse Post(const std::string& path, const std::string& type, const std::string& body) {
    return route_.Handle({.method = "POST",
                          .path = path,
                          .query = "",
                          .if_none_match = "",
                          .if_modified_since = "",
                          .content_type = type,
                          .body = body});
  }
  static std::string Field(const HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  FixedClock clock_;
  Metrics metrics_;
  OcspAnswer answer_;
  std::optional<OcspAnswer> at_hand_;
  std::vector<std::string> asked_;
  const OcspRoute route_{[this](ByteView request) {
                           asked_.push_back(ToString(request));
                           return answer_;
                         },
                         [this](ByteView) { return at_hand_; }, clock_, metrics_};
};

TEST(OcspPathTest, IsBase64PercentEncodedOnce) {
  const struct {
    const char* path;
    const char* octets;
  } good[] = {
      {"MAA=", "\x30"},     {"MAA%3D", "\x30"},     {"MAA%3d", "\x30"},       {"%4dAA=", "\x30"},
      {"YQ==", "a"},        {"YWI=", "ab"},         {"YWJj", "abc"},          {"YWJjZA==", "abcd"},
      {"//8=", "\xff\xff"}, {"%2F/8=", "\xff\xff"}, {"++++", "\xfb\xef\xbe"}, {"%2B%2b++", "\xfb\xef\xbe"},
  };
  for (const auto& c : good) {
    const StatusOr<Bytes> octets = DecodeOcspPath(c.path);
    ASSERT_THAT(octets, IsOk()) << c.path;
    EXPECT_TRUE(ToString(*octets).starts_with(c.octets)) << c.path;
  }
  EXPECT_EQ(DecodeOcspPath("MAA=").value(), (Bytes{0x30, 0x00}));
  EXPECT_EQ(DecodeOcspPath("YWJjZA==").value().size(), 4u);
  for (const char* bad : {"",      "=",      "====",     "A",    "AA",       "AAA",
                          "A===",  "MAA",    "MAA=MAA=", "MA=A", "MAA%253D", "%252B%252B++",
                          "MAB=",  "YR==",   "MA_A",     "MA-A", "MA A",     "MAA%",
                          "MAA%3", "MAA%3G", "%",        "MA%00"}) {
    EXPECT_THAT(DecodeOcspPath(bad), Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << bad;
  }
}

TEST_F(OcspRouteTest, KnowsItsPaths) {
  for (const char* path : {"/ocsp", "/ocsp/", "/ocsp/MAA=", "/ocsp//"}) EXPECT_TRUE(OcspRoute::Has(path)) << path;
  for (const char* path : {"/", "/ocs", "/ocspx", "/OCSP", "/crl/ocsp", "//ocsp"})
    EXPECT_FALSE(OcspRoute::Has(path)) << path;
}

TEST_F(OcspRouteTest, GivesTheRequestToTheResponderAsItIs) {
  EXPECT_EQ(Get("/ocsp/MAA%3D").status, 200);
  EXPECT_EQ(Post("/ocsp", kType, "anything").status, 200);
  EXPECT_EQ(Get("/ocsp/MAA%253D").status, 200);  // what is no base64 is no request: the responder says so
  EXPECT_EQ(Get("/ocsp/").status, 200);
  EXPECT_EQ(asked_, (std::vector<std::string>{std::string("\x30\x00", 2), "anything", "", ""}));
}

TEST_F(OcspRouteTest, RefusesOtherMethodsAndTypes) {
  const struct {
    HttpResponse response;
    int status;
    std::string allow;
  } cases[] = {
      {Get("/ocsp"), 405, "POST"},
      {Post("/ocsp/MAA=", kType, "x"), 405, "GET, HEAD"},
      {Post("/ocsp", "", "x"), 415, ""},
      {Post("/ocsp", "application/json", "x"), 415, ""},
      {Post("/ocsp", "application/ocsp-request2", "x"), 415, ""},
      {Post("/ocsp", "application/ocsp-request, text/plain", "x"), 415, ""},
      {Post("/ocsp", "Application/OCSP-Request ; charset=x", "x"), 200, ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.response.status, c.status);
    EXPECT_EQ(Field(c.response, "Allow"), c.allow);
    EXPECT_EQ(Field(c.response, "Cache-Control"), "no-store");
  }
  EXPECT_EQ(asked_.size(), 1u);
}

TEST_F(OcspRouteTest, AGetMayBeCachedUntilThereWillBeAnother) {
  const HttpResponse fresh = Get("/ocsp/MAA=");
  EXPECT_EQ(fresh.status, 200);
  EXPECT_EQ(fresh.content_type, "application/ocsp-response");
  EXPECT_EQ(*fresh.body, "response");
  EXPECT_EQ(Field(fresh, "Cache-Control"), "public, max-age=1800, must-revalidate, no-transform");
  EXPECT_EQ(Field(fresh, "Expires"), "Tue, 24 Nov 2026 11:00:00 GMT");
  EXPECT_EQ(Field(fresh, "Last-Modified"), "");  // another could be of the same second
  EXPECT_FALSE(Field(fresh, "ETag").empty());
  clock_.now += absl::Minutes(10);
  const HttpResponse later = Get("/ocsp/MAA=");
  EXPECT_EQ(Field(later, "Cache-Control"), "public, max-age=1200, must-revalidate, no-transform");
  EXPECT_EQ(Field(later, "Last-Modified"), "Tue, 24 Nov 2026 10:00:00 GMT");
  EXPECT_EQ(Field(later, "ETag"), Field(fresh, "ETag"));
  clock_.now += absl::Minutes(25);  // its successor is late
  EXPECT_EQ(Field(Get("/ocsp/MAA="), "Cache-Control"), "public, max-age=60, must-revalidate, no-transform");
  clock_.now += absl::Minutes(24) + absl::Seconds(30);
  EXPECT_EQ(Field(Get("/ocsp/MAA="), "Cache-Control"), "public, max-age=30, must-revalidate, no-transform");
}

TEST_F(OcspRouteTest, WhoHasTheResponseIsToldSo) {
  const std::string tag = Field(Get("/ocsp/MAA="), "ETag");
  clock_.now += absl::Minutes(1);
  for (const HttpResponse& response : {Get("/ocsp/MAA=", tag), Get("/ocsp/MAA=", "\"x\", " + tag),
                                       Get("/ocsp/MAA=", "", "Tue, 24 Nov 2026 10:00:00 GMT")}) {
    EXPECT_EQ(response.status, 304);
    EXPECT_EQ(response.body, nullptr);
    EXPECT_EQ(Field(response, "ETag"), tag);
    EXPECT_FALSE(Field(response, "Cache-Control").empty());
  }
  EXPECT_EQ(Get("/ocsp/MAA=", "\"x\"", "Tue, 24 Nov 2026 10:00:00 GMT").status, 200);
  answer_.der = std::make_shared<const std::string>("another");
  answer_.reuse->digest = Sha256(AsBytes("another"));
  EXPECT_EQ(Get("/ocsp/MAA=", tag).status, 200);
}

TEST_F(OcspRouteTest, NothingElseIsCached) {
  EXPECT_EQ(Field(Post("/ocsp", kType, "x"), "Cache-Control"), "no-store");
  answer_.reuse.reset();  // with a nonce
  EXPECT_EQ(Field(Get("/ocsp/MAA="), "Cache-Control"), "no-store");
  answer_.status = OcspStatus::kUnauthorized;
  const HttpResponse refused = Get("/ocsp/MAA=");
  EXPECT_EQ(refused.status, 200);
  EXPECT_EQ(Field(refused, "Cache-Control"), "no-store");
  EXPECT_EQ(Field(refused, "ETag"), "");
  EXPECT_THAT(metrics_.Text(), HasSubstr("hallmark_ocsp_responses_total{status=\"unauthorized\"} 1"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("hallmark_http_requests_total{code=\"200\",route=\"ocsp\"} 3"));
}

TEST_F(OcspRouteTest, AnswersAtOnceWhatIsAtHandAndLeavesTheRest) {
  const HttpRequest request = {
      .method = "GET", .path = "/ocsp/MAA=", .query = "", .if_none_match = "", .if_modified_since = ""};
  EXPECT_FALSE(route_.HandleAtOnce(request).has_value());
  EXPECT_THAT(metrics_.Text(), Not(HasSubstr("route=\"ocsp\"")));  // who answers counts it
  at_hand_ = answer_;
  at_hand_->der = std::make_shared<const std::string>("at hand");
  const std::optional<HttpResponse> response = route_.HandleAtOnce(request);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(*response->body, "at hand");
  EXPECT_EQ(response->headers, Get("/ocsp/MAA=").headers);
  EXPECT_THAT(metrics_.Text(), HasSubstr("hallmark_http_requests_total{code=\"200\",route=\"ocsp\"} 2"));
}

TEST_F(OcspRouteTest, OverASocket) {
  const auto server =
      HttpServer::Start({.listen = "127.0.0.1:0", .threads = 1, .post_path = kOcspPath},
                        [this](const HttpRequest& request) {
                          return OcspRoute::Has(request.path) ? route_.Handle(request) : TextResponse(404, "no\n");
                        })
          .value();
  const auto post = [](const std::string& target, const std::string& body, size_t length, const char* type = kType) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", target,
                       type, length, body);
  };
  const struct {
    std::string name;
    std::string request;
    int status;
    std::string allow;
  } cases[] = {
      {"a POST", post("/ocsp", "hello", 5), 200, ""},
      {"with a query", post("/ocsp?x", "hello", 5), 200, ""},
      {"nothing", post("/ocsp", "", 0), 200, ""},
      {"64 KiB", post("/ocsp", std::string(65536, 'x'), 65536), 200, ""},
      {"an octet more", post("/ocsp", "", 65537), 413, ""},
      {"1 MiB", post("/ocsp", std::string(1 << 20, 'x'), 1 << 20), 413, ""},
      {"another type", post("/ocsp", "hello", 5, "text/plain"), 415, ""},
      {"a POST elsewhere", post("/crl/devices.crl", "hello", 5), 405, "GET, HEAD"},
      {"a POST below", post("/ocsp/MAA=", "hello", 5), 405, "GET, HEAD"},
      {"a PUT", "PUT /ocsp HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", 405, "POST"},
      {"a GET of nothing", "GET /ocsp HTTP/1.1\r\nHost: test\r\n\r\n", 405, "POST"},
      {"a GET", "GET /ocsp/MAA%3D HTTP/1.1\r\nHost: test\r\n\r\n", 200, ""},
      {"a GET with slashes", "GET /ocsp/////8= HTTP/1.1\r\nHost: test\r\n\r\n", 200, ""},
      {"a GET of a URL", "GET http://test/ocsp/MAA%3D HTTP/1.1\r\nHost: test\r\n\r\n", 200, ""},
      {"a path of 9 KiB", "GET /ocsp/" + std::string(9 << 10, 'A') + " HTTP/1.1\r\nHost: test\r\n\r\n", 431, ""},
  };
  for (const auto& c : cases) {
    HttpClient client(server->port());
    client.Send(c.request);
    const ClientResponse response = client.Receive();
    EXPECT_EQ(response.status, c.status) << c.name;
    EXPECT_EQ(response.headers.contains("allow") ? response.headers.at("allow") : "", c.allow) << c.name;
    if (c.status != 200) continue;
    EXPECT_EQ(response.body, "response") << c.name;
    EXPECT_EQ(response.headers.at("content-type"), "application/ocsp-response") << c.name;
  }
  HttpClient head(server->port());
  head.Send("HEAD /ocsp/MAA= HTTP/1.1\r\nHost: test\r\n\r\n");
  const ClientResponse response = head.Receive(true);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-length"), "8");
  EXPECT_TRUE(response.headers.contains("etag"));
  EXPECT_EQ(head.Get("/ocsp/MAA=").body, "response");  // the connection goes on
}

}  // namespace
}  // namespace hallmark
