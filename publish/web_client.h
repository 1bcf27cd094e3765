// WebClient sends HTTPS requests to publication's targets and returns what they answer. It holds no rule of any target.
//
// The peer's certificate and name are always verified before anything of a request is sent; TLS 1.2 or newer. It
// follows no redirect: a 3xx is an answer, and its target never sees the credential. Connections are kept for later
// requests; when a kept one turns out to be closed before any of the answer came, the request is sent once more on a
// new one. An HTTPS proxy is taken from the environment (https_proxy, all_proxy, no_proxy), as libcurl reads it; it
// sees no more than the host's name.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"

namespace hallmark {

struct WebRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  Secret authorization = {};  // the value of Authorization; empty: none
  // For the managed identity's endpoint: http:// instead of https://, never through a proxy, and only to an address of
  // this machine or its link.
  bool plain_http = false;
};

struct WebResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; values of a repeated field joined by ", "
  std::string body;
};

// Thread-safe.
class WebClient {
 public:
  // `roots`: a PEM file of trusted certificates, read again within a minute of its change; empty: the system's.
  // kFailedPrecondition or kNotFound (FILE_UNREADABLE) when it cannot be read.
  static StatusOr<std::unique_ptr<WebClient>> Create(const std::filesystem::path& roots);
  ~WebClient();
  WebClient(const WebClient&) = delete;  // requests in flight know its address
  WebClient& operator=(const WebClient&) = delete;

  // Returns whatever answer comes, of any status. Sends what is no GET once, and what is one again when a connection
  // that was kept has gone. Blocks up to the deadline and never for more than a minute. Messages name the host, never
  // the request's path, fields or body. kUnavailable: TARGET_UNREACHABLE, no connection within 10 s, or a broken one;
  // SHUTTING_DOWN after Stop. kFailedPrecondition: TARGET_UNTRUSTED, and nothing of the request was sent;
  // TARGET_ANSWER_TOO_LARGE, a body over 4 MiB or a head over 64 KiB; CONFIGURATION_INVALID, the URL or a field cannot
  // be sent; FILE_UNREADABLE, the roots. kDeadlineExceeded: DEADLINE_EXCEEDED.
  StatusOr<WebResponse> Send(const WebRequest& request, Time deadline) const;

  // Ends the requests in flight, within a second or so, and refuses further ones.
  void Stop();

 private:
  class Handles;
  explicit WebClient(std::unique_ptr<Handles> handles);

  const std::unique_ptr<Handles> handles_;
};

// The host of an absolute URL, in lower case and without the port. kFailedPrecondition (CONFIGURATION_INVALID).
StatusOr<std::string> HostOf(const std::string& url);

// Everything but the unreserved characters of RFC 3986 2.3 as %XX.
std::string PercentEncode(std::string_view text);

}  // namespace hallmark
