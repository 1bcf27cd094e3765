#include "http/message.h"

namespace hallmark {

HttpResponse TextResponse(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

std::string HttpDate(Time time) { return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time, absl::UTCTimeZone()); }

std::optional<Time> ParseHttpDate(const std::string& text) {
  constexpr const char* kForms[] = {
      "%a, %d %b %Y %H:%M:%S GMT",  // IMF-fixdate
      "%A, %d-%b-%y %H:%M:%S GMT",  // RFC 850
      "%a %b %e %H:%M:%S %Y",       // asctime
  };
  for (const char* form : kForms) {
    Time time;
    std::string error;
    // ParseTime takes more than HTTP has: other white space, longer years, "infinite-future".
    if (!absl::ParseTime(form, text, &time, &error) || absl::FormatTime(form, time, absl::UTCTimeZone()) != text)
      continue;
    const int64_t year = absl::ToCivilYear(time, absl::UTCTimeZone()).year();
    if (year >= 1000 && year <= 9999) return time;
  }
  return std::nullopt;
}

}  // namespace hallmark
