#include "publish/web_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark {
namespace {

constexpr size_t kBodyLimit = size_t{4} << 20;
constexpr size_t kHeadLimit = size_t{64} << 10;
constexpr Duration kConnectLimit = absl::Seconds(10);
constexpr Duration kRequestLimit = absl::Seconds(60);

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyCleanup>;

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlCleanup>;

Status Unsendable(const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid, "cannot send a request: " + what);
}

StatusOr<std::string> PartOf(CURLU* url, CURLUPart part, const char* what) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return Unsendable(fmt::format("its URL has no {}", what));
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return std::string(text);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return lower;
}

// The request's fields as libcurl wants them, in memory that is cleansed.
class FieldList {
 public:
  FieldList() = default;
  FieldList(const FieldList&) = delete;  // its nodes point to its lines
  FieldList& operator=(const FieldList&) = delete;
  ~FieldList() {
    for (std::string& line : lines_) OPENSSL_cleanse(line.data(), line.size());
  }

  void Add(std::string_view name, std::string_view value) { lines_.push_back(fmt::format("{}: {}", name, value)); }
  void Omit(std::string_view name) { lines_.push_back(fmt::format("{}:", name)); }  // what libcurl would add

  // Borrowed: of the lines that were added so far.
  curl_slist* Link() {
    nodes_.clear();
    for (std::string& line : lines_) nodes_.push_back({.data = line.data(), .next = nullptr});
    for (size_t i = 1; i < nodes_.size(); ++i) nodes_[i - 1].next = &nodes_[i];
    return nodes_.empty() ? nullptr : &nodes_.front();
  }

 private:
  std::deque<std::string> lines_;
  std::deque<curl_slist> nodes_;
};

Status AddFields(const WebRequest& request, FieldList& fields) {
  static constexpr std::string_view kBreaks("\r\n\0", 3);
  const auto is_sendable = [](std::string_view text) { return text.find_first_of(kBreaks) == text.npos; };
  bool has_type = false;
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || !is_sendable(name) || !is_sendable(value)) {
      return Unsendable("the name or the value of a field has a line break in it");
    }
    fields.Add(name, value);
    has_type = has_type || Lower(name) == "content-type";
  }
  if (!has_type) fields.Omit("Content-Type");
  fields.Omit("Expect");
  if (request.authorization.empty()) return absl::OkStatus();
  if (!is_sendable(request.authorization.Reveal())) return Unsendable("the credential has a line break in it");
  fields.Add("Authorization", request.authorization.Reveal());
  return absl::OkStatus();
}

// One request on its way, and what came back so far.
struct Exchange {
  const std::atomic<bool>& stopping;
  WebResponse response = {};
  size_t head = 0;
  bool is_too_large = false;
  bool is_elsewhere = false;  // a plain request's peer is not on this machine or its link
};

size_t TakeBody(char* data, size_t, size_t size, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  exchange.is_too_large = exchange.response.body.size() + size > kBodyLimit;
  if (exchange.is_too_large) return 0;
  exchange.response.body.append(data, size);
  return size;
}

size_t TakeField(char* data, size_t, size_t size, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, size);
  exchange.head += size;
  exchange.is_too_large = exchange.head > kHeadLimit;
  if (exchange.is_too_large) return 0;
  if (line.starts_with("HTTP/")) exchange.response.headers.clear();  // an interim response's (RFC 9110 15.2)
  const size_t colon = line.find(':');
  if (colon == line.npos || line.starts_with("HTTP/")) return size;
  constexpr std::string_view kSpace = " \t\r\n";
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(kSpace), value.size()));
  value = value.substr(0, value.find_last_not_of(kSpace) + 1);
  std::string& field = exchange.response.headers[Lower(line.substr(0, colon))];
  field.append(field.empty() ? "" : ", ").append(value);
  return size;
}

int CheckStopping(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(user)->stopping ? 1 : 0;
}

int CheckIsNear(void* user, char* peer, char*, int, int) {
  const std::string_view address = peer;
  const bool is_near = address.starts_with("127.") || address.starts_with("169.254.") || address == "::1" ||
                       address.starts_with("fe80:");
  static_cast<Exchange*>(user)->is_elsewhere = !is_near;
  return is_near ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

// Sets options until one fails.
class Options {
 public:
  explicit Options(CURL* easy) : easy_(easy) {}
  template <class T>
  Options& Set(CURLoption option, T value) {
    if (code_ == CURLE_OK) code_ = curl_easy_setopt(easy_, option, value);
    return *this;
  }
  Status status() const {
    if (code_ == CURLE_OK) return absl::OkStatus();
    return Error(Code::kInternal, reason::kInternal,
                 fmt::format("libcurl refuses an option: {}", curl_easy_strerror(code_)));
  }

 private:
  CURL* const easy_;
  CURLcode code_ = CURLE_OK;
};

void SetTrust(const std::filesystem::path& roots, Options& options) {
  options.Set(CURLOPT_SSL_VERIFYPEER, 1L).Set(CURLOPT_SSL_VERIFYHOST, 2L);
  options.Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (roots.empty()) return;
  options.Set(CURLOPT_CAINFO, roots.c_str());
  options.Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // else the system's are trusted, too
  options.Set(CURLOPT_CA_CACHE_TIMEOUT, 60L);
}

void SetConduct(const WebRequest& request, Options& options) {
  options.Set(CURLOPT_URL, request.url.c_str()).Set(CURLOPT_PATH_AS_IS, 1L).Set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  options.Set(CURLOPT_PROTOCOLS_STR, request.plain_http ? "http" : "https");
  options.Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  options.Set(CURLOPT_FOLLOWLOCATION, 0L).Set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  options.Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L).Set(CURLOPT_NOSIGNAL, 1L);
  if (request.plain_http) options.Set(CURLOPT_PROXY, "").Set(CURLOPT_PREREQFUNCTION, CheckIsNear);
}

void SetBody(const WebRequest& request, Options& options) {
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    options.Set(CURLOPT_POST, 1L).Set(CURLOPT_POSTFIELDS, request.body.data());
    options.Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  } else if (request.method == "HEAD") {
    options.Set(CURLOPT_NOBODY, 1L);
  }
  options.Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  // When a connection that was kept turns out to be dead, curl sends again what the server may have taken.
  if (request.method != "GET") options.Set(CURLOPT_FRESH_CONNECT, 1L);
}

void SetCallbacks(Exchange& exchange, Options& options) {
  options.Set(CURLOPT_WRITEFUNCTION, TakeBody).Set(CURLOPT_WRITEDATA, &exchange);
  options.Set(CURLOPT_HEADERFUNCTION, TakeField).Set(CURLOPT_HEADERDATA, &exchange);
  options.Set(CURLOPT_XFERINFOFUNCTION, CheckStopping).Set(CURLOPT_XFERINFODATA, &exchange);
  options.Set(CURLOPT_NOPROGRESS, 0L).Set(CURLOPT_PREREQDATA, &exchange);
}

Status Unreachable(const std::string& host, const std::string& what, const std::string& advice) {
  return Error(Code::kUnavailable, reason::kTargetUnreachable,
               fmt::format("cannot reach {}: {}; {}", host, what, advice));
}

Status Untrusted(const std::string& host, const std::string& what, const std::string& advice) {
  return Error(Code::kFailedPrecondition, reason::kTargetUntrusted,
               fmt::format("nothing was sent to {}: {}; {}", host, what, advice));
}

Status DeadlinePassed(const std::string& host) {
  return Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded,
               fmt::format("{} did not answer before the deadline; it may have done what it was asked", host));
}

Status Stopped() {
  return Error(Code::kUnavailable, reason::kShuttingDown, "nothing is sent any more: the service is being stopped");
}

// How a request failed.
struct Failure {
  CURLcode code = CURLE_OK;
  std::string detail = "";  // libcurl's own words; where a proxy may be concerned, they can hold its password
  long os_error = 0;
};

Status Explain(const Failure& failure, const std::string& host, Time deadline) {
  constexpr Duration kGrain = absl::Milliseconds(50);  // libcurl's milliseconds are those of another clock
  constexpr char kNetwork[] = "check the address, the network, the firewall and https_proxy";
  const std::string what = curl_easy_strerror(failure.code);
  const std::string detail = failure.detail.empty() ? what : failure.detail;
  switch (failure.code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return Untrusted(host, detail,
                       "correct the address, or name the root of its certificate in publish.roots; this machine's "
                       "time must be right, too");
    case CURLE_SSL_CACERT_BADFILE:
      return Error(
          Code::kFailedPrecondition, reason::kFileUnreadable,
          fmt::format("nothing was sent to {}: no trusted certificates can be read; give publish.roots a file of "
                      "them in PEM, or install ca-certificates",
                      host));
    case CURLE_URL_MALFORMAT: return Unsendable(fmt::format("the URL for {} is malformed", host));
    case CURLE_OPERATION_TIMEDOUT:
      if (absl::Now() >= deadline - kGrain) return DeadlinePassed(host);
      return Unreachable(host, "it did not answer in time", kNetwork);
    case CURLE_COULDNT_RESOLVE_HOST: return Unreachable(host, detail, "correct the name, or check the resolver");
    case CURLE_COULDNT_RESOLVE_PROXY: return Unreachable(host, what, "correct https_proxy");
    case CURLE_COULDNT_CONNECT:
      if (failure.os_error == 0) return Unreachable(host, what, kNetwork);
      return Unreachable(host, std::strerror(static_cast<int>(failure.os_error)), kNetwork);
    case CURLE_SSL_CONNECT_ERROR: return Unreachable(host, detail, kNetwork);
    case CURLE_UNSUPPORTED_PROTOCOL: return Unreachable(host, "what it answers is not HTTP", kNetwork);
    default: return Unreachable(host, what, "try again; check the network and https_proxy if it stays");
  }
}

Status Judge(const Failure& failure, const Exchange& exchange, const std::string& host, Time deadline) {
  if (exchange.is_too_large) {
    return Error(Code::kFailedPrecondition, reason::kTargetAnswerTooLarge,
                 fmt::format("the answer of {} is over {} octets, or its head over {}; ask for less, or correct the "
                             "address",
                             host, kBodyLimit, kHeadLimit));
  }
  if (exchange.is_elsewhere) {
    return Untrusted(host, "a request without TLS goes to this machine or its link only", "correct the address");
  }
  if (failure.code == CURLE_OK) return absl::OkStatus();
  return failure.code == CURLE_ABORTED_BY_CALLBACK ? Stopped() : Explain(failure, host, deadline);
}

}  // namespace

// Each easy handle keeps its connections; a handle is one request's at a time.
class WebClient::Handles {
 public:
  explicit Handles(std::filesystem::path roots) : roots_(std::move(roots)) {}

  StatusOr<Easy> Take() {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Easy easy = std::move(idle_.back());
      idle_.pop_back();
      return easy;
    }
    Easy easy(curl_easy_init());
    if (easy != nullptr) return easy;
    return Error(Code::kInternal, reason::kInternal, "libcurl makes no handle");
  }
  void Return(Easy easy) {
    constexpr size_t kMostIdle = 8;
    curl_easy_reset(easy.get());
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMostIdle) idle_.push_back(std::move(easy));
  }

  const std::filesystem::path& roots() const { return roots_; }
  std::atomic<bool>& stopping() { return stopping_; }

 private:
  const std::filesystem::path roots_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<Easy> idle_;  // guarded by mutex_
};

WebClient::WebClient(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}
WebClient::~WebClient() = default;

void WebClient::Stop() { handles_->stopping() = true; }

StatusOr<std::unique_ptr<WebClient>> WebClient::Create(const std::filesystem::path& roots) {
  static const CURLcode kInitialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kInitialised != CURLE_OK) {
    return Error(Code::kInternal, reason::kInternal,
                 fmt::format("libcurl does not start: {}", curl_easy_strerror(kInitialised)));
  }
  if (!roots.empty()) {
    RETURN_IF_ERROR(Annotate(ReadFile(roots).status(), "publish.roots"));
  }
  return std::unique_ptr<WebClient>(new WebClient(std::make_unique<Handles>(roots)));  // the constructor is private
}

StatusOr<WebResponse> WebClient::Send(const WebRequest& request, Time deadline) const {
  ASSIGN_OR_RETURN(const std::string host, HostOf(request.url));
  if (!request.url.starts_with(request.plain_http ? "http://" : "https://")) {
    return Unsendable(fmt::format("the URL for {} is not {}", host, request.plain_http ? "http://" : "https://"));
  }
  const Duration left = std::min(deadline - absl::Now(), kRequestLimit);
  if (left <= absl::ZeroDuration()) return DeadlinePassed(host);
  if (handles_->stopping()) return Stopped();
  FieldList fields;
  RETURN_IF_ERROR(AddFields(request, fields));
  ASSIGN_OR_RETURN(Easy easy, handles_->Take());
  Exchange exchange = {.stopping = handles_->stopping()};
  std::array<char, CURL_ERROR_SIZE> detail = {};
  Options options(easy.get());
  SetTrust(handles_->roots(), options);
  SetConduct(request, options);
  SetBody(request, options);
  SetCallbacks(exchange, options);
  options.Set(CURLOPT_HTTPHEADER, fields.Link()).Set(CURLOPT_ERRORBUFFER, detail.data());
  options.Set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(left) + 1));
  options.Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(kConnectLimit)));
  RETURN_IF_ERROR(options.status());
  Failure failure = {.code = curl_easy_perform(easy.get()), .detail = detail.data()};
  long status = 0;
  const CURLcode told = curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (failure.code == CURLE_OK) failure.code = told;
  if (curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &failure.os_error) != CURLE_OK) failure.os_error = 0;
  handles_->Return(std::move(easy));
  RETURN_IF_ERROR(Judge(failure, exchange, host, deadline));
  exchange.response.status = static_cast<int>(status);
  return std::move(exchange.response);
}

StatusOr<std::string> HostOf(const std::string& text) {
  const Url url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    return Unsendable("its URL is malformed, or has a user in it");
  }
  ASSIGN_OR_RETURN(const std::string host, PartOf(url.get(), CURLUPART_HOST, "host"));
  return Lower(host);
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.find(c) != kUnreserved.npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return encoded;
}

}  // namespace hallmark
