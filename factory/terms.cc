#include "factory/terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/glob.h"
#include "base/reason.h"
#include "factory/terms_json.h"

namespace hallmark {
namespace {

// Whole numbers, both ends in it; empty if last < first.
struct Interval {
  int64_t first = 0;
  int64_t last = -1;
  bool empty() const { return last < first; }
};

constexpr int kMostDigits = 18;  // of what fits int64_t

int64_t Power(int exponent) {
  int64_t power = 1;
  for (; exponent > 0; --exponent) power *= 10;
  return power;
}

Interval Intersection(Interval a, Interval b) { return {std::max(a.first, b.first), std::min(a.last, b.last)}; }

// The numbers of the range that are written with `digits` digits.
Interval WrittenWith(const SerialRange& range, int digits) {
  const int64_t least = std::max<int64_t>(range.width, 1);
  if (digits < least || digits > kMostDigits) return {};
  const int64_t smallest = digits == least ? 0 : Power(digits - 1);
  return Intersection({smallest, Power(digits) - 1}, {range.first, range.last});
}

bool IsDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int64_t ToNumber(std::string_view digits) {
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// Whether a serial number of `inner` is one of `outer`, whose prefix is the shorter: its number is `between`, which the
// longer prefix has in front, and then the inner number.
bool Meet(const SerialRange& outer, const SerialRange& inner, std::string_view between) {
  const int extra = static_cast<int>(between.size());
  for (int digits = 1; digits + extra <= kMostDigits; ++digits) {
    const Interval numbers = WrittenWith(inner, digits);
    if (numbers.empty()) continue;
    const int64_t shift = ToNumber(between) * Power(digits);
    const Interval shifted{numbers.first + shift, numbers.last + shift};
    if (!Intersection(shifted, WrittenWith(outer, digits + extra)).empty()) return true;
  }
  return false;
}

Status Changed(const char* field) {
  return Error(Code::kFailedPrecondition, reason::kLotChanged,
               fmt::format("an amendment may not change {}; announce a new lot", field));
}

bool Grows(const SerialRange& before, const SerialRange& after) {
  return before.prefix == after.prefix && before.width == after.width && after.first <= before.first &&
         after.last >= before.last;
}

}  // namespace

bool SerialRange::Contains(std::string_view serial) const {
  if (!serial.starts_with(prefix)) return false;
  const std::string_view digits = serial.substr(prefix.size());
  if (digits.empty() || digits.size() > kMostDigits || !IsDigits(digits)) return false;
  const Interval numbers = WrittenWith(*this, static_cast<int>(digits.size()));
  const int64_t number = ToNumber(digits);
  return numbers.first <= number && number <= numbers.last;
}

bool SerialRange::Overlaps(const SerialRange& other) const {
  if (other.prefix.size() < prefix.size()) return other.Overlaps(*this);
  if (!other.prefix.starts_with(prefix)) return false;
  const std::string_view between = std::string_view(other.prefix).substr(prefix.size());
  return IsDigits(between) && between.size() <= kMostDigits && Meet(*this, other, between);
}

const LotStation* FindStation(const LotTerms& terms, std::string_view name) {
  const auto found = std::find_if(terms.stations.begin(), terms.stations.end(),
                                  [&](const LotStation& station) { return MatchesGlob(station.station, name); });
  return name.empty() || found == terms.stations.end() ? nullptr : &*found;
}

std::string RegistrationId(const LotTerms& terms, std::string_view serial) {
  std::string id;
  ForEachPart(terms.registration_id, [&](std::string_view literal, std::string_view placeholder) {
    id += literal;
    if (placeholder == "serial") id += serial;
    if (placeholder == "product") id += terms.product;
    if (placeholder == "lot") id += terms.lot;
    if (placeholder == "manufacturer") id += terms.manufacturer;
  });
  return id;
}

Status CheckRegistrationId(const LotTerms& terms, const std::string& id) {
  const bool dps = !terms.bootstrap.type.empty();
  if (dps ? IsDpsRegistrationId(id) : IsRegistrationId(id)) return absl::OkStatus();
  return FieldError(reason::kManifestInvalid, "registration_id",
                    fmt::format("{} is {}", Quoted(id), dps ? kDpsRegistrationIdForm : kRegistrationIdForm));
}

Status CheckAmendment(const LotTerms& before, const LotTerms& after) {
  if (before.lot != after.lot) return Changed("lot");
  if (before.manufacturer != after.manufacturer) return Changed("manufacturer");
  if (before.product != after.product) return Changed("product");
  if (before.profile != after.profile) return Changed("profile");
  if (before.authority != after.authority) return Changed("authority");
  if (before.registration_id != after.registration_id) return Changed("registration_id");
  const auto same = [](const BootstrapTerms& a, const BootstrapTerms& b) {
    return a.type == b.type && a.global_endpoint == b.global_endpoint && a.id_scope == b.id_scope;
  };
  if (!same(before.bootstrap, after.bootstrap)) return Changed("bootstrap");
  if (before.serials.has_value() != after.serials.has_value()) return Changed("whether the lot has serials");
  if (before.serials.has_value() && !Grows(*before.serials, *after.serials)) {
    return Error(Code::kFailedPrecondition, reason::kLotChanged,
                 "an amendment may only let serials grow: prefix and width stay, first may fall and last may rise");
  }
  return absl::OkStatus();
}

bool IsSerialNumber(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '/' && c != '\\' && c != '"';
  });
}

}  // namespace hallmark
