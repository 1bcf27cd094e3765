// The repository's routes: what relying parties and operators get, when the store is well and when it is away. Its
// content comes from functions; the certificates and lists of the interoperability test come from openssl.
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "http/repository.h"
#include "http/server.h"
#include "tests/http_client.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;
using testing::HttpClient;
using testing::IsOk;
using ::testing::Not;
using testing::TemporaryDirectory;

// Made by openssl ca -selfsign: CN=Test, Ed25519, 2026-01-01T00:00:00Z to 2036-01-01T00:00:00Z.
constexpr char kAuthorityCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBETCBxKADAgECAhRZ+iu0bnYK+0zG0GCBDIR3b/oLCjAFBgMrZXAwDzENMAsG
A1UEAwwEVGVzdDAeFw0yNjAxMDEwMDAwMDBaFw0zNjAxMDEwMDAwMDBaMA8xDTAL
BgNVBAMMBFRlc3QwKjAFBgMrZXADIQBetL1TMBTiilwzaeJ14d8hPBDbEzDVpUZr
APF6Q+mjBKMyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUNJXdD5Gu0qBn
P+kJm7d7X+DQsmwwBQYDK2VwA0EAFWhKHovY2rA7/ZlzhA1VK4gxW2z7iFANDNE/
u9erEqW7aYakMGqpvbPc2EZxRV9fPv3ZhilhM41AeefO6AwHCQ==
-----END CERTIFICATE-----
)";

class FixedClock : public Clock {
 public:
  Time Now() const override { return absl::FromUnixSeconds(seconds_); }
  void Advance(Duration duration) { seconds_ += absl::ToInt64Seconds(duration); }

 private:
  std::atomic<int64_t> seconds_ = 1795514400;  // Tue, 24 Nov 2026 10:00:00 GMT
};

class RepositoryTest : public ::testing::Test {
 protected:
  RepositoryTest() {
    log::Quiet();
    crl_ = CrlRecord{.authority = "devices",
                     .number = 5,
                     .this_update = clock_.Now() - absl::Minutes(10),
                     .next_update = clock_.Now() + absl::Hours(24),
                     .revocation_count = 0,
                     .crl = ToBytes(AsBytes("list five"))};
  }

  HttpResponse Get(const std::string& path, const std::string& if_none_match = "",
                   const std::string& if_modified_since = "") {
    return repository_.Handle({.method = "GET",
                               .path = path,
                               .query = "",
                               .if_none_match = if_none_match,
                               .if_modified_since = if_modified_since});
  }
  static std::string Field(const HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }
  void StoreHas(uint64_t number, const std::string& list) {
    crl_->number = number;
    crl_->crl = ToBytes(AsBytes(list));
  }
  void StoreIsAway() {
    crl_ = Error(Code::kUnavailable, reason::kStoreUnavailable, "the disk with the secret is away");
  }

  FixedClock clock_;
  Metrics metrics_;
  StatusOr<CrlRecord> crl_;
  StatusOr<Bytes> certificate_ = PemDecode("CERTIFICATE", kAuthorityCertificate).value().at(0);
  std::vector<Check> checks_ = {{"store", absl::OkStatus()}, {"crl", absl::OkStatus()}};
  std::atomic<int> asked_ = 0;
  std::string later_ = "root";  // a further authority that is known
  Repository repository_{
      {.is_known = [this](const std::string& name) { return name == "devices" || name == "root" || name == later_; },
       .certificate = [this](const std::string&) { return certificate_; },
       .crl =
           [this](const std::string&, const CrlScope&) {
             ++asked_;
             return crl_;
           },
       .checks = [this] { return checks_; }},
      clock_,
      metrics_};
};

TEST_F(RepositoryTest, AnswersEachRouteWithItsType) {
  const struct {
    std::string path;
    int status;
    std::string type;
  } cases[] = {
      {"/crl/devices.crl", 200, "application/pkix-crl"},
      {"/aia/devices.cer", 200, "application/pkix-cert"},
      {"/aia/root.cer", 200, "application/pkix-cert"},
      {"/healthz", 200, "text/plain; charset=utf-8"},
      {"/readyz", 200, "application/json"},
      {"/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"},
      {"/", 404, "text/plain; charset=utf-8"},
      {"/crl/unknown.crl", 404, "text/plain; charset=utf-8"},
      {"/crl/.crl", 404, "text/plain; charset=utf-8"},
      {"/crl/devices.cer", 404, "text/plain; charset=utf-8"},
      {"/crl/devices", 404, "text/plain; charset=utf-8"},
      {"/crl/../crl/devices.crl", 404, "text/plain; charset=utf-8"},
      {"/crl/DEVICES.crl", 404, "text/plain; charset=utf-8"},
      {"/crl/devices%2ecrl", 404, "text/plain; charset=utf-8"},
      {"/crl/devices.crl/", 404, "text/plain; charset=utf-8"},
      {"/aia/devices.crl", 404, "text/plain; charset=utf-8"},
      {"/aia/x'; DROP TABLE crls;--.cer", 404, "text/plain; charset=utf-8"},
      {"/crl.crl", 404, "text/plain; charset=utf-8"},
      {"/healthz/", 404, "text/plain; charset=utf-8"},
  };
  for (const auto& c : cases) {
    const HttpResponse response = Get(c.path);
    EXPECT_EQ(response.status, c.status) << c.path;
    EXPECT_EQ(response.content_type, c.type) << c.path;
    ASSERT_NE(response.body, nullptr) << c.path;
    EXPECT_FALSE(response.body->empty()) << c.path;
  }
  EXPECT_EQ(asked_, 1);  // nobody was asked about an unknown name
}

TEST_F(RepositoryTest, ServesAnAuthorityThatComesLater) {
  EXPECT_EQ(Get("/crl/plant-b.crl").status, 404);
  EXPECT_EQ(Get("/aia/plant-b.cer").status, 404);
  later_ = "plant-b";
  EXPECT_EQ(Get("/crl/plant-b.crl").status, 200);
  EXPECT_EQ(Get("/aia/plant-b.cer").status, 200);
}

TEST_F(RepositoryTest, ServesTheOctetsThatItWasGiven) {
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list five");
  EXPECT_EQ(*Get("/aia/devices.cer").body, ToString(*certificate_));
  EXPECT_EQ(*Get("/healthz").body, "ok\n");
}

TEST_F(RepositoryTest, LetsCachesKeepWhatIsPublishedAndNothingElse) {
  const struct {
    Duration until_next_update;
    std::string cache_control;
    std::string expires;
  } cases[] = {
      {absl::Hours(24), "public, max-age=3600, must-revalidate, no-transform", "Tue, 24 Nov 2026 11:00:00 GMT"},
      {absl::Minutes(10), "public, max-age=600, must-revalidate, no-transform", "Tue, 24 Nov 2026 10:10:00 GMT"},
      {absl::Seconds(-5), "public, max-age=0, must-revalidate, no-transform", "Tue, 24 Nov 2026 10:00:00 GMT"},
  };
  for (const auto& c : cases) {
    crl_->next_update = clock_.Now() + c.until_next_update;
    Repository repository({.is_known = [](const std::string&) { return true; },
                           .certificate = {},
                           .crl = [&](const std::string&, const CrlScope&) { return crl_; },
                           .checks = {}},
                          clock_, metrics_);
    const HttpResponse response = repository.Handle(
        {.method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(Field(response, "Cache-Control"), c.cache_control);
    EXPECT_EQ(Field(response, "Expires"), c.expires);
    EXPECT_EQ(Field(response, "Last-Modified"), "Tue, 24 Nov 2026 09:50:00 GMT");
    EXPECT_EQ(Field(response, "ETag"), '"' + Hex(Sha256(AsBytes("list five"))).substr(0, 32) + '"');
  }
  EXPECT_EQ(Field(Get("/aia/devices.cer"), "Last-Modified"), "Thu, 01 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(Field(Get("/aia/devices.cer"), "Cache-Control"), "public, max-age=3600, must-revalidate, no-transform");
  for (const std::string path : {"/healthz", "/readyz", "/metrics"}) {
    EXPECT_EQ(Field(Get(path), "Cache-Control"), "no-store") << path;
  }
}

TEST_F(RepositoryTest, AnswersConditionalRequests) {
  const std::string tag = Field(Get("/crl/devices.crl"), "ETag");
  const struct {
    std::string if_none_match;
    std::string if_modified_since;
    int status;
  } cases[] = {
      {tag, "", 304},
      {"W/" + tag, "", 304},
      {"\"other\", " + tag, "", 304},
      {"\"other\" ,\t" + tag + " ", "", 304},
      {"*", "", 304},
      {"\"other\"", "", 200},
      {tag.substr(1), "", 200},
      {",", "", 200},
      {"", "Tue, 24 Nov 2026 09:50:00 GMT", 304},
      {"", "Tuesday, 24-Nov-26 09:50:00 GMT", 304},
      {"", "Tue Nov 24 09:55:00 2026", 304},
      {"", "Tue, 24 Nov 2026 09:49:59 GMT", 200},
      {"", "not a date", 200},
      {"\"other\"", "Tue, 24 Nov 2026 09:50:00 GMT", 200},
      {tag, "Tue, 24 Nov 2026 09:49:59 GMT", 304},
  };
  for (const auto& c : cases) {
    const HttpResponse response = Get("/crl/devices.crl", c.if_none_match, c.if_modified_since);
    EXPECT_EQ(response.status, c.status) << c.if_none_match << c.if_modified_since;
    EXPECT_EQ(response.body == nullptr, c.status == 304);
    EXPECT_EQ(Field(response, "ETag"), tag);
    EXPECT_NE(Field(response, "Cache-Control"), "");
  }
  const std::string certificate_tag = Field(Get("/aia/root.cer"), "ETag");
  EXPECT_EQ(Get("/aia/root.cer", certificate_tag).status, 304);
  EXPECT_EQ(Get("/aia/root.cer", tag).status, 200);
}

std::string Unzipped(const std::string& octets) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "list.gz", std::ios::binary) << octets;
  EXPECT_EQ(std::system(("gzip -dk " + (directory / "list.gz").string()).c_str()), 0);
  return ReadFile(directory / "list").value_or("");
}

TEST_F(RepositoryTest, ServesALongListInGzipToThoseWhoTakeIt) {
  StoreHas(6, std::string(4000, 'x') + "six");
  const HttpResponse plain = Get("/crl/devices.crl");
  EXPECT_EQ(Field(plain, "Content-Encoding"), "");
  EXPECT_EQ(Field(plain, "Vary"), "Accept-Encoding");
  EXPECT_EQ(*plain.body, ToString(crl_->crl));
  HttpRequest request = {
      .method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""};
  request.accept_encoding = "deflate, gzip;q=0.5";
  const HttpResponse encoded = repository_.Handle(request);
  EXPECT_EQ(Field(encoded, "Content-Encoding"), "gzip");
  EXPECT_EQ(Field(encoded, "Vary"), "Accept-Encoding");
  EXPECT_EQ(encoded.content_type, "application/pkix-crl");
  EXPECT_LT(encoded.body->size(), 100u);
  EXPECT_EQ(Unzipped(*encoded.body), *plain.body);
  EXPECT_NE(Field(encoded, "ETag"), Field(plain, "ETag"));
  EXPECT_EQ(repository_.Handle(request).body, encoded.body);  // compressed once
  for (const char* accept : {"", "gzip"}) {
    request.accept_encoding = accept;
    for (const std::string& tag : {Field(plain, "ETag"), Field(encoded, "ETag")}) {
      request.if_none_match = tag;
      const HttpResponse unmodified = repository_.Handle(request);
      EXPECT_EQ(unmodified.status, 304) << accept;
      EXPECT_EQ(Field(unmodified, "ETag"), tag);
      EXPECT_EQ(Field(unmodified, "Vary"), "Accept-Encoding");
      EXPECT_EQ(Field(unmodified, "Content-Encoding"), "");
    }
  }
}

TEST_F(RepositoryTest, ServesWithoutGzipWhatIsShortOrWouldNotShrink) {
  std::string random;
  for (int i = 0; random.size() < 4000; ++i) random += ToString(Sha256(AsBytes(std::to_string(i))));
  uint64_t number = 6;
  for (const std::string& list : {std::string(1024, 'x'), random}) {
    StoreHas(number++, list);
    clock_.Advance(absl::Seconds(1));
    HttpRequest request = {
        .method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""};
    request.accept_encoding = "gzip";
    const HttpResponse response = repository_.Handle(request);
    EXPECT_EQ(*response.body, list);
    EXPECT_EQ(Field(response, "Content-Encoding"), "");
    EXPECT_EQ(Field(response, "Vary"), "");
  }
}

TEST_F(RepositoryTest, AnswersAtOnceWithWhatItReadWithinASecond) {
  const HttpRequest request = {
      .method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""};
  EXPECT_FALSE(repository_.HandleAtOnce(request).has_value());
  const HttpResponse read = repository_.Handle(request);
  for (int i = 0; i < 10; ++i) {
    const std::optional<HttpResponse> response = repository_.HandleAtOnce(request);
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->body, read.body);
    EXPECT_EQ(response->headers, read.headers);
  }
  EXPECT_EQ(asked_, 1);
  EXPECT_THAT(metrics_.Text(), HasSubstr("hallmark_http_requests_total{code=\"200\",route=\"crl\"} 11"));
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(repository_.HandleAtOnce(request).has_value());
  // Nothing of what is not known, of what there is no list, and of what takes a look elsewhere.
  StoreIsAway();
  Get("/crl/root.crl");
  for (const char* path : {"/crl/root.crl", "/crl/nobody.crl", "/crl/devices/1.crl", "/aia/devices.cer", "/readyz"}) {
    HttpRequest other = request;
    other.path = path;
    EXPECT_FALSE(repository_.HandleAtOnce(other).has_value()) << path;
  }
}

TEST_F(RepositoryTest, ServesANewerListASecondLaterAndNeverAnOlderOne) {
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list five");
  StoreHas(6, "list six");
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list five");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list six");
  StoreHas(5, "list five");  // e.g. a database restored from a backup
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list six");
}

TEST_F(RepositoryTest, WithholdsLastModifiedWhileAListOfTheSameSecondMayFollow) {
  crl_->this_update = clock_.Now();
  const HttpResponse first = Get("/crl/devices.crl");
  EXPECT_EQ(Field(first, "Last-Modified"), "");
  StoreHas(6, "list six");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Field(Get("/crl/devices.crl"), "Last-Modified"), "Tue, 24 Nov 2026 10:00:00 GMT");
  EXPECT_EQ(*Get("/crl/devices.crl", Field(first, "ETag")).body, "list six");
}

TEST_F(RepositoryTest, ServesTheLastListWhileTheStoreIsAway) {
  EXPECT_EQ(*Get("/crl/devices.crl").body, "list five");
  StoreIsAway();
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(absl::Minutes(1));
    EXPECT_EQ(Get("/crl/devices.crl").status, 200);
    EXPECT_EQ(*Get("/crl/devices.crl").body, "list five");
  }
}

TEST_F(RepositoryTest, AnswersUnavailableWhenThereIsNoListYet) {
  const StatusOr<CrlRecord> good = crl_;
  StatusOr<CrlRecord> empty = crl_;
  empty->crl.clear();
  StoreIsAway();
  const StatusOr<CrlRecord> away = crl_;
  const StatusOr<CrlRecord> none = Error(Code::kNotFound, reason::kCrlUnknown, "authority 'devices' has no CRL yet");
  for (const StatusOr<CrlRecord>& record : {away, none, empty}) {
    crl_ = record;
    clock_.Advance(absl::Seconds(1));
    const HttpResponse response = Get("/crl/devices.crl");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(Field(response, "Retry-After"), "5");
    EXPECT_EQ(Field(response, "Cache-Control"), "no-store");
    EXPECT_THAT(*response.body, HasSubstr("CRL of authority 'devices'"));
    EXPECT_THAT(*response.body, Not(HasSubstr("secret")));
  }
  crl_ = good;
  EXPECT_EQ(Get("/crl/devices.crl").status, 503);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Get("/crl/devices.crl").status, 200);
}

TEST_F(RepositoryTest, AnswersUnavailableWhenTheCertificateCannotBeRead) {
  for (const StatusOr<Bytes>& wrong :
       std::vector<StatusOr<Bytes>>{Error(Code::kUnavailable, reason::kStoreUnavailable, "away"), Bytes(),
                                    Bytes{0x30, 0x03, 0x02, 0x01, 0x00}}) {
    certificate_ = wrong;
    const HttpResponse response = Get("/aia/devices.cer");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(Field(response, "Retry-After"), "5");
  }
}

TEST_F(RepositoryTest, AsksTheStoreOnceASecondWhateverClientsDo) {
  for (int second = 0; second < 3; ++second) {
    for (int i = 0; i < 100; ++i) Get("/crl/devices.crl");
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(asked_, 3);
  StoreIsAway();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Get("/crl/root.crl").status, 503);
  EXPECT_EQ(asked_, 4);
}

TEST_F(RepositoryTest, ServesWhileTheStoreHangs) {
  std::promise<void> hanging;
  std::promise<void> release;
  std::atomic<int> asked = 0;
  Repository repository({.is_known = [](const std::string& name) { return name == "devices"; },
                         .certificate = {},
                         .crl =
                             [&](const std::string&, const CrlScope&) {
                               if (++asked == 2) {
                                 hanging.set_value();
                                 release.get_future().wait();
                               }
                               return crl_;
                             },
                         .checks = {}},
                        clock_, metrics_);
  const HttpRequest request = {
      .method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""};
  EXPECT_EQ(repository.Handle(request).status, 200);
  clock_.Advance(absl::Seconds(1));
  std::thread first([&] { EXPECT_EQ(*repository.Handle(request).body, "list five"); });
  hanging.get_future().wait();
  EXPECT_EQ(*repository.Handle(request).body, "list five");  // would never return if it waited for the store
  release.set_value();
  first.join();
  EXPECT_EQ(asked, 2);
}

TEST_F(RepositoryTest, ServesManyThreadsWhileListsAreReplaced) {
  std::atomic<uint64_t> number = 1;
  Repository repository({.is_known = [](const std::string& name) { return name == "devices"; },
                         .certificate = {},
                         .crl = [&](const std::string&, const CrlScope&) -> StatusOr<CrlRecord> {
                           CrlRecord record = *crl_;
                           record.number = number++;
                           record.crl = ToBytes(AsBytes(std::to_string(record.number)));
                           return record;
                         },
                         .checks = {}},
                        clock_, metrics_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      unsigned long last = 0;
      for (int j = 0; j < 2000; ++j) {
        clock_.Advance(absl::Seconds(1));
        const HttpResponse response = repository.Handle(
            {.method = "GET", .path = "/crl/devices.crl", .query = "", .if_none_match = "", .if_modified_since = ""});
        ASSERT_EQ(response.status, 200);
        ASSERT_GE(std::stoul(*response.body), last);
        last = std::stoul(*response.body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(number, 100u);
}

TEST_F(RepositoryTest, TellsWhatKeepsItFromBeingReady) {
  const nlohmann::json well = nlohmann::json::parse(*Get("/readyz").body);
  EXPECT_EQ(well["ready"], true);
  EXPECT_EQ(well["checks"].size(), 2u);
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "token \"a\xff\n\" is away");
  checks_.push_back({"hsm", away});
  EXPECT_EQ(Get("/readyz").status, 200);  // asked once a second, however often somebody looks
  clock_.Advance(absl::Seconds(1));
  const HttpResponse response = Get("/readyz");
  EXPECT_EQ(response.status, 503);
  const nlohmann::json ill = nlohmann::json::parse(*response.body);
  EXPECT_EQ(ill["ready"], false);
  EXPECT_EQ(ill["checks"][0]["ok"], true);
  EXPECT_EQ(ill["checks"][2]["name"], "hsm");
  EXPECT_EQ(ill["checks"][2]["ok"], false);
  EXPECT_EQ(ill["checks"][2]["reason"], "HSM_UNAVAILABLE");
  EXPECT_THAT(ill["checks"][2]["message"].get<std::string>(), HasSubstr("is away"));
  EXPECT_EQ(Get("/healthz").status, 200);
  checks_.back().required = false;
  clock_.Advance(absl::Seconds(1));
  const HttpResponse ready = Get("/readyz");
  EXPECT_EQ(ready.status, 200);
  const nlohmann::json degraded = nlohmann::json::parse(*ready.body);
  EXPECT_EQ(degraded["ready"], true);
  EXPECT_EQ(degraded["checks"][2]["ok"], false);
  EXPECT_EQ(degraded["checks"][2]["required"], false);
}

TEST_F(RepositoryTest, CountsItsRequests) {
  Get("/crl/devices.crl");
  Get("/crl/devices.crl", "*");
  Get("/crl/unknown.crl");
  Get("/no/\"such\"\n{page}");
  const std::string text = *Get("/metrics").body;
  EXPECT_THAT(text, HasSubstr("hallmark_http_requests_total{code=\"200\",route=\"crl\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hallmark_http_requests_total{code=\"304\",route=\"crl\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hallmark_http_requests_total{code=\"404\",route=\"unknown\"} 2\n"));
}

// A CA of the openssl command line, whose list and certificate the repository serves.
class OpensslAuthority {
 public:
  OpensslAuthority() {
    std::ofstream(directory_ / "index.txt");
    std::ofstream(directory_ / "crlnumber") << "01\n";
    std::ofstream(directory_ / "ca.cnf") << "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ncrlnumber=crlnumber\n"
                                            "default_md=sha256\ndefault_crl_days=1\nnew_certs_dir=.\nserial=serial\n"
                                            "certificate=ca.pem\nprivate_key=ca.key\npolicy=p\ndefault_days=9\n"
                                            "[p]\ncommonName=supplied\n";
    EXPECT_TRUE(
        Shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem "
              "-subj /CN=Judge -addext keyUsage=critical,keyCertSign,cRLSign"));
    EXPECT_TRUE(
        Shell("openssl ecparam -name prime256v1 -genkey -noout -out leaf.key && "
              "openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr"));
  }

  bool Shell(const std::string& command) const {
    return std::system(("cd " + directory_.path().string() + " && (" + command + ") >out 2>&1").c_str()) == 0;
  }
  std::string Output() const { return ReadFile(directory_ / "out").value_or(""); }
  void Sign(const std::string& crl_url) {
    std::ofstream(directory_ / "leaf.ext") << "crlDistributionPoints=URI:" << crl_url << "\n";
    EXPECT_TRUE(
        Shell("openssl ca -batch -config ca.cnf -rand_serial -extfile leaf.ext -in leaf.csr -out leaf.pem -notext"))
        << Output();
  }
  void MakeCrl() {
    EXPECT_TRUE(
        Shell("openssl ca -config ca.cnf -gencrl -out crl.pem && openssl crl -in crl.pem -outform DER -out crl.der"))
        << Output();
    ++number_;
  }
  StatusOr<CrlRecord> Crl() const {
    ASSIGN_OR_RETURN(const std::string der, ReadFile(directory_ / "crl.der"));
    return CrlRecord{.authority = "judge",
                     .number = number_,
                     .this_update = absl::Now() - absl::Minutes(1),
                     .next_update = absl::Now() + absl::Hours(1),
                     .revocation_count = 0,
                     .crl = ToBytes(AsBytes(der))};
  }
  StatusOr<Bytes> Certificate() const {
    ASSIGN_OR_RETURN(const std::string pem, ReadFile(directory_ / "ca.pem"));
    ASSIGN_OR_RETURN(const std::vector<Bytes> blocks, PemDecode("CERTIFICATE", pem));
    return blocks.at(0);
  }

 private:
  TemporaryDirectory directory_;
  std::atomic<uint64_t> number_ = 0;  // the server reads it
};

TEST(RepositoryOverHttp, SatisfiesOpensslAndCurl) {
  OpensslAuthority authority;
  const SystemClock clock;
  Metrics metrics;
  Repository repository({.is_known = [](const std::string& name) { return name == "judge"; },
                         .certificate = [&](const std::string&) { return authority.Certificate(); },
                         .crl = [&](const std::string&, const CrlScope&) { return authority.Crl(); },
                         .checks = [] { return std::vector<Check>(); }},
                        clock, metrics);
  const auto server = HttpServer::Start({.listen = "127.0.0.1:0"},
                                        [&](const HttpRequest& request) { return repository.Handle(request); });
  ASSERT_THAT(server, IsOk());
  const std::string base = "http://127.0.0.1:" + std::to_string((*server)->port());
  const std::string crl_url = base + "/crl/judge.crl";
  authority.Sign(crl_url);
  authority.MakeCrl();

  EXPECT_TRUE(authority.Shell("curl -sf " + crl_url + " | openssl crl -inform DER -noout -CAfile ca.pem"));
  EXPECT_THAT(authority.Output(), HasSubstr("verify OK"));
  EXPECT_TRUE(authority.Shell("curl -sf " + base + "/aia/judge.cer | openssl x509 -inform DER -noout -subject"));
  EXPECT_THAT(authority.Output(), HasSubstr("CN = Judge"));
  const std::string verify = "openssl verify -crl_check -crl_download -CAfile ca.pem leaf.pem";
  EXPECT_TRUE(authority.Shell(verify)) << authority.Output();

  const std::string code = "-s -o got -w '%{http_code} %{size_download}' ";
  EXPECT_TRUE(authority.Shell("curl -s -o got -R --etag-save tag " + crl_url));
  EXPECT_TRUE(authority.Shell("curl " + code + "--etag-compare tag " + crl_url));
  EXPECT_EQ(authority.Output(), "304 0");
  EXPECT_TRUE(authority.Shell("curl " + code + "-z got " + crl_url));
  EXPECT_EQ(authority.Output(), "304 0");
  EXPECT_TRUE(authority.Shell("curl -sI " + crl_url));
  EXPECT_THAT(authority.Output(), HasSubstr("application/pkix-crl"));

  EXPECT_TRUE(authority.Shell("openssl ca -config ca.cnf -revoke leaf.pem"));
  authority.MakeCrl();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_FALSE(authority.Shell(verify));
  EXPECT_THAT(authority.Output(), HasSubstr("certificate revoked"));
  EXPECT_TRUE(authority.Shell("curl " + code + "--etag-compare tag " + crl_url));
  EXPECT_THAT(authority.Output(), HasSubstr("200 "));
}

}  // namespace
}  // namespace hallmark
