#include "http/head.h"

#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <iterator>

#include "base/http_date.h"

namespace hallmark {
namespace {

// HttpDate of now, composed once a second.
const std::string& Today() {
  thread_local Time second = absl::InfinitePast();
  thread_local std::string text;
  const Time now = SystemClock().Now();
  if (now < second || now >= second + absl::Seconds(1)) {
    second = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
    text = HttpDate(second);
  }
  return text;
}

void AppendField(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void ComposeHead(const HttpResponse& response, const HeadOptions& options, std::string& head) {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
  head.clear();
  fmt::format_to(std::back_inserter(head), "HTTP/1.{} {} ", options.http_1_0 ? 0 : 1, response.status);
  head.append(reason.data(), reason.size()).append("\r\n");
  AppendField(head, "Server", "Hallmark");
  AppendField(head, "Date", Today());
  for (const auto& [name, value] : response.headers) AppendField(head, name, value);
  if (response.status != 304) {
    AppendField(head, "Content-Type", response.content_type);
    AppendField(head, "Content-Length", fmt::format_int(response.body ? response.body->size() : 0).str());
  }
  if (options.http_1_0 && options.keep_alive) AppendField(head, "Connection", "keep-alive");
  if (!options.http_1_0 && !options.keep_alive) AppendField(head, "Connection", "close");
  head.append("\r\n");
}

}  // namespace hallmark
