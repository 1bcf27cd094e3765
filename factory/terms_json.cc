#include "factory/terms_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/reason.h"
#include "base/yaml.h"

namespace hallmark {
namespace {

using nlohmann::json;

constexpr char kAlphanumeric[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t kStationsLimit = 100;
constexpr size_t kPrefixLimit = 40;
constexpr int64_t kLastSerialLimit = 999'999'999'999;
constexpr int64_t kWidthLimit = 18;
constexpr char kAzureDps[] = "azure-dps";

bool IsOf(std::string_view text, std::string_view octets) { return text.find_first_not_of(octets) == text.npos; }

bool IsStation(std::string_view text) {
  std::string name(text);
  std::replace(name.begin(), name.end(), '*', 'a');
  return IsManifestName(name);
}

bool IsRate(std::string_view text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  return error == std::errc() && text[0] != '0' && count >= 1 && count <= 1'000'000 &&
         (unit == "/s" || unit == "/min" || unit == "/h" || unit == "/d");
}

bool IsPrefix(std::string_view text) { return text.size() <= kPrefixLimit && (text.empty() || IsSerialNumber(text)); }

bool IsHost(std::string_view text) {
  return text.size() <= 253 && !text.empty() && text.front() != '.' && text.front() != '-' && text.back() != '.' &&
         text.find("..") == text.npos && IsOf(text, "abcdefghijklmnopqrstuvwxyz0123456789-.");
}

bool IsIdScope(std::string_view text) { return !text.empty() && text.size() <= 64 && IsOf(text, kAlphanumeric); }

bool IsTemplate(std::string_view text) {
  bool known = text.size() <= 128;
  bool serial = false;
  std::string literals;
  ForEachPart(text, [&](std::string_view literal, std::string_view placeholder) {
    literals += literal;
    serial = serial || placeholder == "serial";
    known = known && (placeholder.empty() || placeholder == "serial" || placeholder == "product" ||
                      placeholder == "lot" || placeholder == "manufacturer");
  });
  return known && serial && literals.find_first_of("{}") == literals.npos &&
         (literals.empty() || IsRegistrationId(literals));
}

LotStation ReadStation(const json& value, const std::string& path, Violations& violations) {
  constexpr char kForm[] = "not a station's name, or names with * in it: 1 to 63 of a-z, 0-9, - and *";
  LotStation station;
  if (value.is_string()) {
    station.station = value.get<std::string>();
    if (!IsStation(station.station)) violations.Add(path, fmt::format("{} is {}", Quoted(value), kForm));
    return station;
  }
  ObjectFields fields(value, path, violations);
  station.station = fields.Required("station", IsStation, kForm);
  station.quantity = fields.Number("quantity", 1, kQuantityLimit);
  station.rate =
      fields.Text("rate", IsRate, "not a rate: 1 to 1000000 and one of /s, /min, /h, /d, e.g. 600/min").value_or("");
  fields.Finish();
  return station;
}

std::vector<LotStation> ReadStations(ObjectFields& fields, Violations& violations) {
  std::vector<LotStation> stations;
  const json* value = fields.Value("stations");
  if (value == nullptr) {
    fields.Fail("stations", "is required: the stations that may build the lot");
  } else if (!value->is_array() || value->empty() || value->size() > kStationsLimit) {
    fields.Fail("stations", fmt::format("is not a list of 1 to {} stations", kStationsLimit));
  } else {
    std::set<std::string> names;
    for (size_t i = 0; i < value->size(); ++i) {
      const std::string path = fmt::format("{}[{}]", fields.Path("stations"), i);
      stations.push_back(ReadStation((*value)[i], path, violations));
      if (!names.insert(stations.back().station).second) violations.Add(path, "stands in the list twice");
    }
  }
  return stations;
}

void ReadWindow(ObjectFields& fields, LotTerms& terms) {
  if (!fields.Has("window")) return fields.Fail("window", "is required");
  fields.Object("window", [&terms](ObjectFields& window) {
    terms.not_before = window.RequiredTime("not_before");
    terms.not_after = window.RequiredTime("not_after");
    if (window.Has("not_before") && window.Has("not_after") && terms.not_after <= terms.not_before) {
      window.Fail("not_after", "is not after not_before");
    }
  });
}

void ReadSerials(ObjectFields& fields, LotTerms& terms) {
  fields.Object("serials", [&terms](ObjectFields& serials) {
    SerialRange range;
    range.prefix =
        serials.Text("prefix", IsPrefix, "not the beginning of serial numbers, of 40 octets at most").value_or("");
    range.first = serials.RequiredNumber("first", 0, kLastSerialLimit);
    range.last = serials.RequiredNumber("last", 0, kLastSerialLimit);
    range.width = serials.Number("width", 0, kWidthLimit).value_or(0);
    if (range.last < range.first) serials.Fail("last", "is less than first");
    terms.serials = range;
  });
}

void ReadReissue(ObjectFields& fields, LotTerms& terms) {
  fields.Object("reissue", [&terms](ObjectFields& reissue) {
    terms.reissue.per_device = reissue.RequiredNumber("per_device", 0, 10);
    terms.reissue.total = reissue.RequiredNumber("total", 0, kQuantityLimit);
    terms.reissue.revoke_previous = reissue.Word("previous", {"revoke", "keep"}).value_or(0) == 0;
    if (terms.reissue.per_device > 0 && terms.reissue.total == 0 && reissue.Has("total")) {
      reissue.Fail("total", "is 0, so that nothing may be reissued although per_device allows it");
    }
  });
}

void ReadConfirmation(ObjectFields& fields, LotTerms& terms) {
  fields.Object("confirmation", [&terms](ObjectFields& confirmation) {
    terms.confirmation.within = confirmation.Period("within", absl::Minutes(1), absl::Hours(24 * 3650));
    terms.confirmation.revoke_unconfirmed = confirmation.Word("otherwise", {"report", "revoke"}).value_or(0) == 1;
    if (!confirmation.Has("within")) confirmation.Fail("within", "is required");
  });
}

void ReadBootstrap(ObjectFields& fields, LotTerms& terms) {
  fields.Object("bootstrap", [&terms](ObjectFields& bootstrap) {
    if (!bootstrap.Has("type")) bootstrap.Fail("type", "is required");
    if (bootstrap.Word("type", {kAzureDps}).has_value()) terms.bootstrap.type = kAzureDps;
    terms.bootstrap.global_endpoint =
        bootstrap.Text("global_endpoint", IsHost, "not the name of a host, in small letters")
            .value_or("global.azure-devices-provisioning.net");
    terms.bootstrap.id_scope = bootstrap.Required("id_scope", IsIdScope, "not an ID scope, e.g. 0ne00000000");
  });
}

std::string DurationText(Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds % 86400 == 0) return fmt::format("{}d", seconds / 86400);
  if (seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  if (seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

json StationJson(const LotStation& station) {
  json value = {{"station", station.station}};
  if (station.quantity.has_value()) value["quantity"] = *station.quantity;
  if (!station.rate.empty()) value["rate"] = station.rate;
  return value;
}

}  // namespace

void ForEachPart(std::string_view form, const std::function<void(std::string_view, std::string_view)>& call) {
  while (!form.empty()) {
    const size_t open = form.find('{');
    const size_t close = open == form.npos ? form.npos : form.find('}', open);
    if (close == form.npos) return call(form, "");
    // "{}" is a literal, which no template may have.
    if (close == open + 1) {
      call(form.substr(0, close + 1), "");
    } else {
      call(form.substr(0, open), form.substr(open + 1, close - open - 1));
    }
    form.remove_prefix(close + 1);
  }
}

bool IsRegistrationId(std::string_view text) {
  return !text.empty() && text.size() <= 128 && IsSerialNumber(text.substr(0, 64)) &&
         (text.size() <= 64 || IsSerialNumber(text.substr(64)));
}

bool IsDpsRegistrationId(std::string_view text) {
  return !text.empty() && text.size() <= 64 && IsOf(text, std::string(kAlphanumeric) + "-._:") &&
         (text.back() == '-' || IsOf(text.substr(text.size() - 1), kAlphanumeric));
}

LotTerms ReadTerms(ObjectFields& fields, Violations& violations) {
  LotTerms terms;
  terms.manufacturer = fields.Required("manufacturer", IsManifestName, kManifestNameForm);
  terms.product = fields.Required("product", IsManifestName, kManifestNameForm);
  terms.lot = fields.Required("lot", IsManifestName, kManifestNameForm);
  terms.revision = fields.RequiredNumber("revision", 1, 1'000'000);
  terms.profile = fields.Required("profile", IsManifestName, kManifestNameForm);
  terms.authority = fields.Required("authority", IsManifestName, kManifestNameForm);
  terms.stations = ReadStations(fields, violations);
  ReadWindow(fields, terms);
  terms.quantity = fields.RequiredNumber("quantity", 1, kQuantityLimit);
  ReadSerials(fields, terms);
  terms.registration_id =
      fields
          .Text(
              "registration_id", IsTemplate,
              "not a form of registration ids: {serial} and perhaps {product}, {lot}, {manufacturer} and text between")
          .value_or("{serial}");
  ReadReissue(fields, terms);
  ReadConfirmation(fields, terms);
  ReadBootstrap(fields, terms);
  return terms;
}

json TermsJson(const LotTerms& terms) {
  json value = {{"manufacturer", terms.manufacturer},
                {"product", terms.product},
                {"lot", terms.lot},
                {"revision", terms.revision},
                {"profile", terms.profile},
                {"authority", terms.authority},
                {"stations", json::array()},
                {"window", {{"not_before", Rfc3339(terms.not_before)}, {"not_after", Rfc3339(terms.not_after)}}},
                {"quantity", terms.quantity},
                {"registration_id", terms.registration_id},
                {"reissue",
                 {{"per_device", terms.reissue.per_device},
                  {"total", terms.reissue.total},
                  {"previous", terms.reissue.revoke_previous ? "revoke" : "keep"}}}};
  for (const LotStation& station : terms.stations) value["stations"].push_back(StationJson(station));
  if (const auto& serials = terms.serials; serials.has_value()) {
    value["serials"] = {
        {"prefix", serials->prefix}, {"first", serials->first}, {"last", serials->last}, {"width", serials->width}};
  }
  if (terms.confirmation.within.has_value()) {
    value["confirmation"] = {{"within", DurationText(*terms.confirmation.within)},
                             {"otherwise", terms.confirmation.revoke_unconfirmed ? "revoke" : "report"}};
  }
  if (!terms.bootstrap.type.empty()) {
    value["bootstrap"] = {{"type", terms.bootstrap.type},
                          {"global_endpoint", terms.bootstrap.global_endpoint},
                          {"id_scope", terms.bootstrap.id_scope}};
  }
  return value;
}

std::string ToJson(const LotTerms& terms) { return TermsJson(terms).dump(); }

StatusOr<LotTerms> ParseTerms(const std::string& text) {
  const auto corrupt = [](const std::string& why) {
    return Error(Code::kDataLoss, reason::kStoreCorrupt,
                 fmt::format("a lot's terms on record cannot be read: {}", why));
  };
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return corrupt("no JSON object");
  Violations violations;
  ObjectFields fields(value, "", violations);
  LotTerms terms = ReadTerms(fields, violations);
  fields.Finish();
  if (!violations.empty()) return corrupt(Message(violations.ToStatus(reason::kStoreCorrupt)));
  if (ToJson(terms) != text) return corrupt("it is not in the form in which it is written");
  return terms;
}

}  // namespace hallmark
