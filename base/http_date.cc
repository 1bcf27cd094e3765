#include "base/http_date.h"

#include <fmt/format.h>

namespace hallmark {

// By hand: three of them are in a response, and strftime takes a microsecond for each.
std::string HttpDate(Time time) {
  constexpr const char* kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};  // in the order of absl::Weekday
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<int>(absl::GetWeekday(civil))],
                     civil.day(), kMonths[civil.month() - 1], civil.year(), civil.hour(), civil.minute(),
                     civil.second());
}

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
