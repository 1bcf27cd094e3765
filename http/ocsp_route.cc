#include "http/ocsp_route.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/http_date.h"
#include "base/reason.h"
#include "http/conditional.h"

namespace hallmark {
namespace {

constexpr char kRequestType[] = "application/ocsp-request";
constexpr char kResponseType[] = "application/ocsp-response";
// As of a CRL: two responses can be of one second, and If-Modified-Since would keep a client on the first.
constexpr Duration kSettled = absl::Seconds(2);
// In caches, of a response whose successor is late because the HSM is away.
constexpr Duration kLate = absl::Minutes(1);

HttpResponse NotAllowed(const char* allowed) {
  HttpResponse response = TextResponse(405, fmt::format("only {} is served here\n", allowed));
  response.headers = {{"Allow", allowed}, {"Cache-Control", "no-store"}};
  return response;
}

HttpResponse WrongType() {
  HttpResponse response = TextResponse(415, fmt::format("a body of type {} is expected\n", kRequestType));
  response.headers = {{"Accept-Post", kRequestType}, {"Cache-Control", "no-store"}};
  return response;
}

// Types are compared without their case, parameters set aside (RFC 9110 8.3.1).
bool IsRequestType(std::string content_type) {
  content_type.erase(std::min(content_type.find(';'), content_type.size()));
  content_type.erase(content_type.find_last_not_of(" \t") + 1);
  std::transform(content_type.begin(), content_type.end(), content_type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return content_type == kRequestType;
}

Status BadPath(const char* what) {
  return Error(Code::kInvalidArgument, reason::kRequestInvalid,
               fmt::format("the path is no OCSP request in base64: {}", what));
}

StatusOr<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return BadPath("a percent sign without two digits");
    const StatusOr<Bytes> octet = FromHex(text.substr(i + 1, 2));
    if (!octet.ok()) return BadPath("a percent sign without two digits");
    decoded += static_cast<char>(octet->front());
    i += 2;
  }
  return decoded;
}

// The value of a digit of base64; -1: it is none.
int DigitOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

StatusOr<Bytes> DecodeOcspPath(std::string_view text) {
  ASSIGN_OR_RETURN(const std::string base64, PercentDecode(text));
  const size_t digits = std::min(base64.find_last_not_of('=') + 1, base64.size());  // of npos: 0
  const size_t padding = base64.size() - digits;
  if (base64.empty() || base64.size() % 4 != 0 || padding > 2) return BadPath("its length or padding is wrong");
  Bytes octets;
  octets.reserve(digits / 4 * 3 + 2);
  uint32_t bits = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int digit = DigitOf(base64[i]);
    if (digit < 0) return BadPath("a character that is no digit of base64");
    bits = (bits << 6 | static_cast<uint32_t>(digit)) & 0xffffff;
    // Each digit but the first of four completes an octet.
    if (i % 4 != 0) octets.push_back(static_cast<uint8_t>(bits >> (6 - i % 4 * 2)));
  }
  if (padding > 0 && (bits & ((1u << (padding * 2)) - 1)) != 0) return BadPath("bits after its end");
  return octets;
}

OcspRoute::OcspRoute(Responder responder, ResponderAtOnce at_once, const Clock& clock, Metrics& metrics)
    : responder_([answer = std::move(responder)](ByteView request) { return std::optional(answer(request)); }),
      at_once_(std::move(at_once)),
      clock_(clock),
      metrics_(metrics) {}

bool OcspRoute::Has(const std::string& path) {
  return path == kOcspPath || path.starts_with(std::string(kOcspPath) + "/");
}

HttpResponse OcspRoute::Handle(const HttpRequest& request) const { return *Answer(request, responder_); }

std::optional<HttpResponse> OcspRoute::HandleAtOnce(const HttpRequest& request) const {
  return Answer(request, at_once_);
}

std::optional<HttpResponse> OcspRoute::Answer(const HttpRequest& request, const ResponderAtOnce& responder) const {
  HttpResponse response;
  std::optional<OcspAnswer> answer;
  if (request.path == kOcspPath && request.method != "POST") {
    response = NotAllowed("POST");
  } else if (request.path == kOcspPath && !IsRequestType(request.content_type)) {
    response = WrongType();
  } else if (request.path != kOcspPath && request.method == "POST") {
    response = NotAllowed("GET, HEAD");
  } else {
    if (request.path == kOcspPath) {
      answer = responder(AsBytes(request.body));
    } else {
      const StatusOr<Bytes> octets = DecodeOcspPath(std::string_view(request.path).substr(sizeof(kOcspPath)));
      answer = responder(octets.ok() ? ByteView(*octets) : ByteView());
    }
    if (!answer.has_value()) return std::nullopt;
    response = Serve(*answer, request);
  }
  metrics_.CountHttpRequest("ocsp", response.status);
  return response;
}

HttpResponse OcspRoute::Serve(const OcspAnswer& answer, const HttpRequest& request) const {
  metrics_.CountOcsp(Name(answer.status));
  HttpResponse response;
  response.content_type = kResponseType;
  response.body = answer.der;
  if (!answer.reuse.has_value() || request.method == "POST") {
    response.headers = {{"Cache-Control", "no-store"}};
    return response;
  }
  // RFC 5019 6.2: Expires is nextUpdate; max-age, which goes before it, ends when there will be another response.
  const OcspAnswer::Reuse& reuse = *answer.reuse;
  const Time now = clock_.Now();
  const Duration age = now < reuse.refresh ? reuse.refresh - now : std::min(kLate, reuse.next_update - now);
  const int64_t max_age = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  const std::string entity_tag = EntityTag(reuse.digest);
  response.headers = {{"ETag", entity_tag},
                      {"Expires", HttpDate(reuse.next_update)},
                      {"Cache-Control", fmt::format("public, max-age={}, must-revalidate, no-transform", max_age)}};
  if (now >= reuse.this_update + kSettled) response.headers.emplace_back("Last-Modified", HttpDate(reuse.this_update));
  if (IsUnmodified(request, entity_tag, reuse.this_update)) {
    response.status = 304;
    response.body = nullptr;
  }
  return response;
}

}  // namespace hallmark
