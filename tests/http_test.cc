// The HTTP server over real sockets, by a client that sends what no library would and by curl; metrics and dates.
// The routes are in http_repository_test.cc.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/http_date.h"
#include "base/log.h"
#include "base/reason.h"
#include "http/metrics.h"
#include "http/server.h"
#include "tests/http_client.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::ClientResponse;
using testing::Fails;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::IsOk;
using ::testing::Not;

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Tells what it was given.
HttpResponse Echo(const HttpRequest& request) {
  return TextResponse(200, request.method + "|" + request.path + "|" + request.query + "|" + request.if_none_match +
                               "|" + request.if_modified_since);
}

constexpr char kAnyPort[] = "127.0.0.1:0";

std::unique_ptr<HttpServer> Serve(HttpHandler handler = Echo, const HttpOptions& options = {.listen = kAnyPort}) {
  StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(options, std::move(handler));
  EXPECT_THAT(server, IsOk());
  return *std::move(server);
}

size_t OpenFiles() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

std::string Shell(const std::string& command) {
  const testing::TemporaryDirectory directory;
  EXPECT_EQ(std::system((command + " >" + (directory / "out").string() + " 2>&1").c_str()), 0) << command;
  return ReadFile(directory / "out").value_or("");
}

TEST(HttpServer, SaysWhatIsWrongWithItsAddress) {
  const std::unique_ptr<HttpServer> other = Serve();
  const std::string taken = "127.0.0.1:" + std::to_string(other->port());
  const struct {
    std::string listen;
    Code code;
    std::string advice;
  } cases[] = {
      {"", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"8080", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"127.0.0.1", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"127.0.0.1:", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"127.0.0.1:65536", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"127.0.0.1:80x", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"a-name:80", Code::kInvalidArgument, "127.0.0.1:8080"},
      {"192.0.2.1:0", Code::kFailedPrecondition, "an address of this machine"},
      {taken, Code::kFailedPrecondition, "choose another port"},
  };
  for (const auto& c : cases) {
    const auto server = HttpServer::Start({.listen = c.listen}, Echo);
    EXPECT_THAT(server, Fails(c.code, reason::kConfigurationInvalid)) << c.listen;
    EXPECT_THAT(Message(server.status()), AllOf(HasSubstr("'" + c.listen + "'"), HasSubstr(c.advice)));
  }
}

TEST(HttpServer, ListensOnIpv6) {
  const auto server = HttpServer::Start({.listen = "[::1]:0"}, Echo);
  ASSERT_THAT(server, IsOk());
  EXPECT_EQ(Shell("curl -sg http://[::1]:" + std::to_string((*server)->port()) + "/a"), "GET|/a|||");
}

TEST(HttpServer, PassesTheRequestOn) {
  const std::unique_ptr<HttpServer> server = Serve();
  const struct {
    std::string target;
    std::string fields;
    std::string seen;
  } cases[] = {
      {"/", "", "GET|/|||"},
      {"/a/b%20c?d=e?f", "", "GET|/a/b%20c|d=e?f||"},
      {"/?", "", "GET|/|||"},
      {"http://host:80/a?b", "", "GET|/a|b||"},
      {"http://host", "", "GET|/|||"},
      {"http://host?q", "", "GET|/|q||"},
      {"/a", "If-None-Match: \"x\"\r\nif-none-match: \"y\"\r\n", "GET|/a||\"x\", \"y\"|"},
      {"/a", "If-Modified-Since: Tue, 24 Nov 2026 10:00:00 GMT\r\n", "GET|/a|||Tue, 24 Nov 2026 10:00:00 GMT"},
      {"/a", "Content-Length: 3\r\n\r\nxyz", "GET|/a|||"},
  };
  HttpClient client(server->port());  // one connection: each request leaves the next one intact
  for (const auto& c : cases) {
    const std::string end = c.fields.ends_with("xyz") ? "" : "\r\n";
    ASSERT_TRUE(client.Send("GET " + c.target + " HTTP/1.1\r\nHost: test\r\n" + c.fields + end));
    const ClientResponse response = client.Receive();
    EXPECT_EQ(response.status, 200) << c.target;
    EXPECT_EQ(response.body, c.seen);
  }
}

TEST(HttpServer, RefusesWhatIsNotARequestForIt) {
  const std::unique_ptr<HttpServer> server = Serve();
  const std::string get = "GET / HTTP/1.1\r\nHost: test\r\n";
  const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  const struct {
    std::string name;
    std::string octets;
    int status;
  } cases[] = {
      {"POST", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", 405},
      {"OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", 405},
      {"an unknown method", "BREW / HTTP/1.1\r\nHost: test\r\n\r\n", 405},
      {"no HTTP", "\x16\x03\x01\x02garbage\r\n\r\n", 400},
      {"no target", "GET HTTP/1.1\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", get + "Host: other\r\n\r\n", 400},
      {"an asterisk", "GET * HTTP/1.1\r\nHost: test\r\n\r\n", 400},
      {"a field without a colon", get + "nonsense\r\n\r\n", 400},
      {"a NUL", get + "A: b" + std::string(1, '\0') + "\r\n\r\n", 400},
      {"two lengths", get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
      {"length and chunks", get + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a negative length", get + "Content-Length: -1\r\n\r\n", 400},
      {"a bad chunk", get + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"a later version", "GET / HTTP/2.0\r\nHost: test\r\n\r\n", 505},
      {"Expect", get + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 417},
      {"a long target", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: test\r\n\r\n", 431},
      {"a long field", get + "A: " + std::string(9000, 'a') + "\r\n\r\n", 431},
      {"an endless header", get + std::string(1 << 20, 'a'), 431},
      {"a long body", get + "Content-Length: 65537\r\n\r\n" + std::string(65537, 'x'), 413},
      {"a long POST", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n", 413},
      {"many chunks", get + "Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk + chunk + "0\r\n\r\n", 413},
  };
  for (const auto& c : cases) {
    HttpClient client(server->port());
    client.Send(c.octets);
    const ClientResponse response = client.Receive();
    EXPECT_EQ(response.status, c.status) << c.name;
    EXPECT_FALSE(response.body.empty()) << c.name;
    EXPECT_EQ(response.headers.at("connection"), "close") << c.name;
    EXPECT_EQ(response.headers.contains("allow"), c.status == 405) << c.name;
    EXPECT_TRUE(client.IsClosed()) << c.name;
  }
  EXPECT_EQ(HttpClient(server->port()).Get("/").status, 200);
}

TEST(HttpServer, ServesRequestsUpToItsLimits) {
  const std::unique_ptr<HttpServer> server = Serve();
  HttpClient client(server->port());
  const std::string around = "Host: test\r\nA: \r\n\r\n";
  EXPECT_EQ(client.Get("/", "A: " + std::string(8192 - around.size(), 'a') + "\r\n").status, 200);
  EXPECT_EQ(client.Get("/" + std::string(8000, 'a')).status, 200);
  EXPECT_EQ(client.Get("/", "Content-Length: 65536\r\n\r\n" + std::string(65536 - 2, 'x')).status, 200);
  EXPECT_EQ(client.Get("/", "A: " + std::string(8192 + 64 - around.size(), 'a') + "\r\n").status, 431);
}

TEST(HttpServer, OutlivesGarbage) {
  const std::unique_ptr<HttpServer> server = Serve();
  std::mt19937 random(20261124);
  for (int i = 0; i < 300; ++i) {
    std::string octets = i % 2 == 0 ? "" : "GET / HTTP/1.1\r\nHost: test\r\n";
    for (size_t size = random() % 2000; size > 0; --size) octets.push_back(static_cast<char>(random()));
    HttpClient client(server->port());
    client.Send(octets);
    client.EndSending();
    const int status = client.Receive().status;
    EXPECT_TRUE(status == 0 || status == 400 || status == 505) << status;
  }
  EXPECT_EQ(HttpClient(server->port()).Get("/").status, 200);
}

TEST(HttpServer, AnswersHeadLikeGetWithoutTheBody) {
  const std::unique_ptr<HttpServer> server = Serve();
  HttpClient client(server->port());
  for (int i = 0; i < 2; ++i) {  // the second finds no stray body before it
    client.Send("HEAD /a HTTP/1.1\r\nHost: test\r\n\r\n");
    const ClientResponse head = client.Receive(/*head=*/true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.headers.at("content-length"), "10");  // HEAD|/a|||
    EXPECT_EQ(head.headers.at("content-type"), "text/plain; charset=utf-8");
  }
  EXPECT_EQ(client.Get("/a").body, "GET|/a|||");
}

TEST(HttpServer, NamesItselfAndTheTime) {
  const std::unique_ptr<HttpServer> server = Serve();
  ClientResponse response = HttpClient(server->port()).Get("/");
  EXPECT_EQ(response.headers["server"], "Hallmark");
  const std::optional<Time> date = ParseHttpDate(response.headers["date"]);
  ASSERT_TRUE(date.has_value()) << response.headers["date"];
  EXPECT_LT(absl::AbsDuration(absl::Now() - *date), absl::Seconds(3));
}

TEST(HttpServer, KeepsConnectionsAsTheClientAsks) {
  const std::unique_ptr<HttpServer> server = Serve();
  const struct {
    std::string request;
    bool kept;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: test\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
  };
  for (const auto& c : cases) {
    HttpClient client(server->port());
    client.Send(c.request);
    EXPECT_EQ(client.Receive().status, 200) << c.request;
    if (c.kept) {
      EXPECT_EQ(client.Get("/").status, 200) << c.request;
    } else {
      EXPECT_TRUE(client.IsClosed()) << c.request;
    }
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const std::unique_ptr<HttpServer> server = Serve();
  HttpClient client(server->port());
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: test\r\n\r\n";
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.Receive().body, "GET|/" + std::to_string(i) + "|||");
}

TEST(HttpServer, ReadsARequestThatComesOctetByOctet) {
  const std::unique_ptr<HttpServer> server = Serve();
  HttpClient client(server->port());
  for (const char octet : std::string("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")) {
    ASSERT_TRUE(client.Send(std::string(1, octet)));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(client.Receive().body, "GET|/slow|||");
}

TEST(HttpServer, ClosesOnSlowRequests) {
  const std::unique_ptr<HttpServer> server =
      Serve(Echo, {.listen = kAnyPort, .request_limit = absl::Milliseconds(400), .idle_limit = absl::Seconds(20)});
  const std::string begun = "GET / HTTP/1.1\r\nHost: test\r\n";
  const Stopwatch stopwatch;
  HttpClient silent(server->port());
  HttpClient served(server->port());
  ASSERT_EQ(served.Get("/").status, 200);
  ASSERT_TRUE(served.Send(begun));  // its next request has no more time than its first
  HttpClient body(server->port());
  ASSERT_TRUE(body.Send(begun + "Content-Length: 5\r\n\r\nx"));
  HttpClient dripping(server->port());
  bool open = true;
  while (open && stopwatch.Seconds() < 10) {  // each octet buys no more time
    open = dripping.Send("G");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_FALSE(open);
  EXPECT_TRUE(silent.IsClosed());
  EXPECT_TRUE(served.IsClosed());
  EXPECT_TRUE(body.IsClosed());
  EXPECT_GE(stopwatch.Seconds(), 0.35);
  EXPECT_LT(stopwatch.Seconds(), 5);
}

TEST(HttpServer, ClosesIdleConnectionsAfterTheIdleLimit) {
  const std::unique_ptr<HttpServer> server = Serve(
      Echo, {.listen = kAnyPort, .request_limit = absl::Milliseconds(100), .idle_limit = absl::Milliseconds(600)});
  HttpClient client(server->port());
  ASSERT_EQ(client.Get("/").status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // longer than a request may take
  ASSERT_EQ(client.Get("/").status, 200);
  const Stopwatch stopwatch;
  EXPECT_TRUE(client.IsClosed());
  EXPECT_GE(stopwatch.Seconds(), 0.5);
  EXPECT_LT(stopwatch.Seconds(), 5);
}

TEST(HttpServer, MakesRoomForHonestClientsByClosingIdleOnes) {
  // Twice what may be accepted between two answers to the regular client: eight slow ones that the kernel still held
  // back when it was last answered, one that closes, and eight new ones.
  constexpr int kMaxConnections = 34;
  const std::unique_ptr<HttpServer> server = Serve(Echo, {.listen = kAnyPort, .max_connections = kMaxConnections});
  HttpClient regular(server->port());
  ASSERT_EQ(regular.Get("/").status, 200);
  const size_t before = OpenFiles();
  std::vector<HttpClient> slow;
  double slowest = 0;
  for (int i = 0; i < 200; ++i) {
    slow.emplace_back(server->port()).Send("GET / HTTP/1.1\r\nHos");
    if (i % 8 != 0) continue;
    ASSERT_EQ(regular.Get("/").status, 200) << i;  // recently served: others go first
    const Stopwatch stopwatch;
    ASSERT_EQ(HttpClient(server->port()).Get("/", "Connection: close\r\n").status, 200) << i;
    slowest = std::max(slowest, stopwatch.Seconds());
  }
  EXPECT_LT(slowest, 1);
  EXPECT_TRUE(slow.front().IsClosed());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LE(OpenFiles(),
            before + slow.size() + kMaxConnections + 1);  // ours, and no more than the limit of the server's
  EXPECT_TRUE(slow.back().Send("t: test\r\n\r\n"));
  EXPECT_EQ(slow.back().Receive().status, 200);
}

TEST(HttpServer, ServesManyClientsAtOnce) {
  const std::unique_ptr<HttpServer> server = Serve();
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      std::vector<HttpClient> clients;
      for (int j = 0; j < 50; ++j) clients.emplace_back(server->port());
      for (int round = 0; round < 5; ++round) {
        for (HttpClient& client : clients) client.Send("GET /x HTTP/1.1\r\nHost: test\r\n\r\n");
        for (HttpClient& client : clients) served += client.Receive().body == "GET|/x|||" ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 8 * 50 * 5);
}

// Answers once it is told to.
class Held {
 public:
  HttpResponse Handle(const HttpRequest& request) {
    if (request.path.starts_with("/slow") || request.path == "/held") released_.wait();
    return Echo(request);
  }
  void Release() { release_.set_value(); }

 private:
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

TEST(HttpServer, TheSlowKeepNobodyFromWhatIsAtHand) {
  Held held;
  HttpOptions options = {.listen = kAnyPort, .threads = 1, .post_path = "/slow", .post_threads = 1};
  const std::unique_ptr<HttpServer> server =
      HttpServer::Start(
          options, [&](const HttpRequest& request) { return held.Handle(request); },
          [](const HttpRequest& request) {
            return request.path == "/slow/at-hand" ? std::optional(Echo(request)) : std::nullopt;
          })
          .value();
  const auto ask = [](HttpClient& client, const std::string& path) {
    client.Send("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
  };
  std::vector<HttpClient> slow;
  for (int i = 0; i < 20; ++i) ask(slow.emplace_back(server->port()), "/slow/" + std::to_string(i));
  HttpClient neighbour(server->port());
  EXPECT_EQ(neighbour.Get("/other").body, "GET|/other|||");  // on a thread of its own
  HttpClient waiting(server->port());
  ask(waiting, "/held");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(HttpClient(server->port()).Get("/slow/at-hand").status, 200);
  held.Release();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(slow[static_cast<size_t>(i)].Receive().status, 200);
  EXPECT_EQ(waiting.Receive().status, 200);
}

TEST(HttpServer, ThousandsOfSlowClientsDoNotDisturbNeighbours) {
  // Each costs this process two descriptors, one at either end.
  rlimit files = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 20'600);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  const size_t count = std::min<size_t>(10'000, files.rlim_cur / 2 - 200);
  RecordProperty("clients", static_cast<int>(count));
  Held held;
  HttpOptions options = {.listen = kAnyPort,
                         .post_path = "/slow",
                         .post_threads = 4,
                         .max_connections = count + 100,
                         .request_limit = absl::Minutes(5)};
  const std::unique_ptr<HttpServer> server =
      HttpServer::Start(options, [&](const HttpRequest& request) { return held.Handle(request); }).value();
  HttpClient regular(server->port());
  std::vector<HttpClient> slow;
  slow.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    HttpClient& client = slow.emplace_back(server->port());
    ASSERT_TRUE(client.connected()) << i;
    // Some begin a request, some have made one that takes long, and the rest say nothing.
    if (i % 3 == 0) client.Send("GET /slow HTTP/1.1\r\nHos");
    if (i % 3 == 1) client.Send("GET /slow/1 HTTP/1.1\r\nHost: test\r\n\r\n");
  }
  double slowest = 0;
  for (int i = 0; i < 200; ++i) {
    const Stopwatch stopwatch;
    ASSERT_EQ(regular.Get("/").status, 200) << i;
    ASSERT_EQ(HttpClient(server->port()).Get("/", "Connection: close\r\n").status, 200) << i;
    slowest = std::max(slowest, stopwatch.Seconds());
  }
  RecordProperty("slowest_ms", static_cast<int>(1000 * slowest));
  EXPECT_LT(slowest, 5);
  held.Release();
  for (size_t i = 0; i < count; ++i) {  // nobody was put out
    if (i % 3 == 0) slow[i].Send("t: test\r\n\r\n");
    if (i % 3 == 2) slow[i].Send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_EQ(slow[i].Receive().status, 200) << i;
  }
}

TEST(HttpServer, SendsALongBodyWhole) {
  const auto body = std::make_shared<const std::string>(20 << 20, 'x');
  const std::unique_ptr<HttpServer> server = Serve([&](const HttpRequest&) {
    return HttpResponse{.content_type = "application/octet-stream", .body = body, .headers = {}};
  });
  HttpClient client(server->port());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(client.Get("/").body.size(), body->size());
}

TEST(HttpServer, TurnsAnExceptionOfTheHandlerInto500) {
  const std::unique_ptr<HttpServer> server = Serve([](const HttpRequest& request) -> HttpResponse {
    if (request.path == "/std") throw std::runtime_error("the secret cause");
    if (request.path == "/int") throw 7;
    return Echo(request);
  });
  HttpClient client(server->port());
  for (const std::string path : {"/std", "/int"}) {
    const ClientResponse response = client.Get(path);
    EXPECT_EQ(response.status, 500);
    EXPECT_THAT(response.body, Not(HasSubstr("secret")));
  }
  EXPECT_EQ(client.Get("/").status, 200);
}

TEST(HttpServer, StopsAfterTheRequestsInFlight) {
  std::atomic<bool> begun = false;
  std::unique_ptr<HttpServer> server = Serve([&](const HttpRequest& request) {
    begun = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    return Echo(request);
  });
  const uint16_t port = server->port();
  HttpClient idle(port);
  HttpClient client(port);
  ASSERT_TRUE(client.Send("GET /last HTTP/1.1\r\nHost: test\r\n\r\n"));
  while (!begun) std::this_thread::yield();
  ClientResponse response;
  std::thread reader([&] {
    response = client.Receive();
    client.EndSending();
  });
  const Stopwatch stopwatch;
  server.reset();
  EXPECT_LT(stopwatch.Seconds(), 3);
  reader.join();
  EXPECT_EQ(response.body, "GET|/last|||");
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_TRUE(client.IsClosed());
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_FALSE(HttpClient(port).connected());
}

TEST(HttpServer, StopsAtOnceWhenNothingIsInFlight) {
  std::unique_ptr<HttpServer> server = Serve();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 50; ++i) clients.emplace_back(server->port()).Get("/");
  const Stopwatch stopwatch;
  server.reset();
  EXPECT_LT(stopwatch.Seconds(), 1);
}

TEST(HttpServer, StopsWithinItsLimitWhenAClientDoesNotRead) {
  const auto body = std::make_shared<const std::string>(64 << 20, 'x');
  std::unique_ptr<HttpServer> server = Serve(
      [&](const HttpRequest&) {
        return HttpResponse{.content_type = "application/octet-stream", .body = body, .headers = {}};
      },
      {.listen = kAnyPort, .stop_limit = absl::Milliseconds(500)});
  HttpClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: test\r\n\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const Stopwatch stopwatch;
  server.reset();
  EXPECT_GE(stopwatch.Seconds(), 0.4);
  EXPECT_LT(stopwatch.Seconds(), 3);
}

TEST(HttpServer, SatisfiesCurl) {
  const std::unique_ptr<HttpServer> server = Serve();
  const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
  EXPECT_THAT(Shell("curl -sv " + url + "/a " + url + "/b"),
              AllOf(HasSubstr("Re-using existing connection"), HasSubstr("GET|/b|||")));
  EXPECT_THAT(Shell("curl -sI " + url + "/a"), AllOf(HasSubstr("HTTP/1.1 200 OK"), HasSubstr("Content-Length: 10")));
  EXPECT_THAT(Shell("curl -s -o /dev/null -w '%{http_code} %{http_version}' -X DELETE " + url), HasSubstr("405 1.1"));
  EXPECT_THAT(Shell("curl -s --http1.0 " + url + "/old"), "GET|/old|||");
  EXPECT_THAT(Shell("head -c 100000 /dev/zero | curl -s -w '%{http_code}' --data-binary @- " + url), HasSubstr("413"));
}

TEST(HttpDate, IsReadInAllItsForms) {
  const Time time = absl::FromUnixSeconds(784111777);  // the example of RFC 9110 5.6.7
  EXPECT_EQ(HttpDate(time), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), time);
  for (int64_t seconds = 0; seconds < 250'000'000'000; seconds += 86'399'999) {  // each day of the week and month
    const Time one = absl::FromUnixSeconds(seconds);
    ASSERT_EQ(HttpDate(one), absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", one, absl::UTCTimeZone()));
  }
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), time);
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 1994"), time);
  for (const std::string wrong :
       {"", "yesterday", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 CET", "0", "infinite-future",
        "Sun, 06\rNov 1994 08:49:37 GMT", "Fri, 31 Dec 99999 23:59:59 GMT", "Sun,  06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(ParseHttpDate(wrong), std::nullopt) << wrong;
  }
}

TEST(Metrics, TellsWhatItWasToldInPrometheusText) {
  Metrics metrics;
  metrics.SetBuildInfo("1.2.3");
  metrics.CountCall("hallmark.v1.Issuance/IssueCertificate", Code::kOk);
  metrics.CountCall("hallmark.v1.Issuance/IssueCertificate", Code::kNotFound);
  metrics.CountCall("hallmark.v1.Issuance/IssueCertificate", Code::kNotFound);
  metrics.ObserveCallSeconds("hallmark.v1.Issuance/IssueCertificate", 0.003);
  metrics.CountHttpRequest("crl", 304);
  metrics.CountIssued("devices", "device");
  metrics.CountRevoked("devices", "keyCompromise");
  metrics.SetCrl({"devices"}, {6, absl::FromUnixSeconds(1795514400), absl::FromUnixSeconds(1795600800), 1});
  metrics.SetCrl({"devices"}, {7, absl::FromUnixSeconds(1795514460), absl::FromUnixSeconds(1795600860), 0});
  metrics.SetCrl({"devices", 3, "delta"}, {8, absl::FromUnixSeconds(1795514460), absl::FromUnixSeconds(1795600860), 2});
  metrics.SetCrlSize({"devices"}, 12345);
  for (const bool up : {true, false, true, false}) metrics.SetTokenUp("main", up);
  metrics.SetKeyUp("devices", "pkcs11:token=a;id=%01", true);
  metrics.SetCollector([&metrics] { metrics.SetTokenSessions("main", 1, 2, 3); });
  const std::string text = metrics.Text();
  for (const std::string line : {
           "# TYPE hallmark_grpc_calls_total counter",
           "# TYPE hallmark_grpc_call_seconds histogram",
           "# TYPE hallmark_crl_next_update_seconds gauge",
           "hallmark_build_info{version=\"1.2.3\"} 1",
           "hallmark_grpc_calls_total{code=\"OK\",method=\"hallmark.v1.Issuance/IssueCertificate\"} 1",
           "hallmark_grpc_calls_total{code=\"NOT_FOUND\",method=\"hallmark.v1.Issuance/IssueCertificate\"} 2",
           "hallmark_grpc_call_seconds_count{method=\"hallmark.v1.Issuance/IssueCertificate\"} 1",
           "hallmark_grpc_call_seconds_sum{method=\"hallmark.v1.Issuance/IssueCertificate\"} 0.003",
           "hallmark_grpc_call_seconds_bucket{method=\"hallmark.v1.Issuance/IssueCertificate\",le=\"0.0025\"} 0",
           "hallmark_grpc_call_seconds_bucket{method=\"hallmark.v1.Issuance/IssueCertificate\",le=\"0.005\"} 1",
           "hallmark_http_requests_total{code=\"304\",route=\"crl\"} 1",
           "hallmark_certificates_issued_total{authority=\"devices\",profile=\"device\"} 1",
           "hallmark_certificates_revoked_total{authority=\"devices\",reason=\"keyCompromise\"} 1",
           "hallmark_crl_number{authority=\"devices\",kind=\"complete\",shard=\"0\"} 7",
           "hallmark_crl_this_update_seconds{authority=\"devices\",kind=\"complete\",shard=\"0\"} 1795514460",
           "hallmark_crl_next_update_seconds{authority=\"devices\",kind=\"complete\",shard=\"0\"} 1795600860",
           "hallmark_crl_waiting{authority=\"devices\",kind=\"delta\",shard=\"3\"} 2",
           "hallmark_crl_size_bytes{authority=\"devices\",kind=\"complete\",shard=\"0\"} 12345",
           "hallmark_hsm_token_up{token=\"main\"} 0",
           "hallmark_hsm_token_losses_total{token=\"main\"} 2",
           "hallmark_hsm_key_up{authority=\"devices\",key=\"pkcs11:token=a;id=%01\"} 1",
           "hallmark_hsm_sessions{state=\"busy\",token=\"main\"} 1",
           "hallmark_hsm_sessions{state=\"open\",token=\"main\"} 2",
           "hallmark_hsm_sessions{state=\"limit\",token=\"main\"} 3",
       }) {
    EXPECT_THAT(text, HasSubstr(line + "\n"));
  }
}

TEST(Metrics, LosesNoCountOfManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 5000; ++j) metrics.CountIssued("devices", j % 2 == 0 ? "device" : "station");
      metrics.Text();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics.Text(), AllOf(HasSubstr("{authority=\"devices\",profile=\"device\"} 10000\n"),
                                    HasSubstr("{authority=\"devices\",profile=\"station\"} 10000\n")));
}

}  // namespace
}  // namespace hallmark
