// OCSP over HTTP (RFC 6960 appendix A, RFC 5019 5 and 6):
//
//   POST /ocsp            an OCSPRequest, application/ocsp-request
//   GET  /ocsp/<request>  the same in base64, percent-encoded once
//
// What is no request of OCSP is answered so in OCSP (malformedRequest, with HTTP's 200): 405 and 415 are for what HTTP
// itself got wrong. Only a GET of what others may get, too, is cacheable, until there will be another response.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ca/ocsp_responder.h"
#include "http/message.h"
#include "http/metrics.h"

namespace hallmark {

inline constexpr char kOcspPath[] = "/ocsp";

// Thread-safe.
class OcspRoute {
 public:
  using Responder = std::function<OcspAnswer(ByteView request)>;
  using ResponderAtOnce = std::function<std::optional<OcspAnswer>(ByteView request)>;  // nothing: it would have to wait

  // `clock` and `metrics` outlive it. The responders are called by several threads at once.
  OcspRoute(Responder responder, ResponderAtOnce at_once, const Clock& clock, Metrics& metrics);

  // Whether a path is of this route.
  static bool Has(const std::string& path);
  HttpResponse Handle(const HttpRequest& request) const;
  // The same from memory alone; nothing: it takes Handle.
  std::optional<HttpResponse> HandleAtOnce(const HttpRequest& request) const;

 private:
  std::optional<HttpResponse> Answer(const HttpRequest& request, const ResponderAtOnce& responder) const;
  HttpResponse Serve(const OcspAnswer& answer, const HttpRequest& request) const;

  const ResponderAtOnce responder_;  // which always answers
  const ResponderAtOnce at_once_;
  const Clock& clock_;
  Metrics& metrics_;
};

// The octets of a request in a path: base64 (RFC 4648 4, padding and all) that was percent-encoded once, or not where
// it need not be. kInvalidArgument (REQUEST_INVALID) for anything else.
StatusOr<Bytes> DecodeOcspPath(std::string_view text);

}  // namespace hallmark
