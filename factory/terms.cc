#include "factory/terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr size_t kSerialLimit = 64;
constexpr size_t kDigits = 18;  // of a number of a range

using Json = nlohmann::json;

Json StationJson(const LotStation& station) {
  Json json = {{"station", station.station}};
  if (station.quantity.has_value()) json["quantity"] = *station.quantity;
  if (!station.rate.empty()) json["rate"] = station.rate;
  return json;
}

Json BootstrapJson(const BootstrapTerms& bootstrap) {
  return {{"type", bootstrap.type}, {"global_endpoint", bootstrap.global_endpoint}, {"id_scope", bootstrap.id_scope}};
}

Status Corrupt(const std::string& what) {
  return Error(Code::kDataLoss, reason::kStoreCorrupt,
               fmt::format("a lot's terms cannot be read: {}; restore the database from a backup", what));
}

// Reads members of one object and notices what nobody asked for. Throws std::runtime_error and nlohmann's exceptions.
class Members {
 public:
  explicit Members(const Json& json) : json_(json) {
    if (!json.is_object()) throw std::runtime_error("not an object");
  }
  template <class T>
  T Get(const char* name) {
    seen_.insert(name);
    return json_.at(name).get<T>();
  }
  const Json* Find(const char* name) {
    seen_.insert(name);
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }
  void Finish() const {
    for (const auto& [name, value] : json_.items()) {
      if (!seen_.contains(name)) throw std::runtime_error(fmt::format("\"{}\" is not known", name));
    }
  }

 private:
  const Json& json_;
  std::set<std::string> seen_;
};

LotStation ReadStation(const Json& json) {
  Members members(json);
  LotStation station;
  station.station = members.Get<std::string>("station");
  if (const Json* quantity = members.Find("quantity"); quantity != nullptr) station.quantity = quantity->get<int64_t>();
  if (const Json* rate = members.Find("rate"); rate != nullptr) station.rate = rate->get<std::string>();
  members.Finish();
  return station;
}

SerialRange ReadRange(const Json& json) {
  Members members(json);
  SerialRange range;
  range.prefix = members.Get<std::string>("prefix");
  range.first = members.Get<int64_t>("first");
  range.last = members.Get<int64_t>("last");
  range.width = members.Get<int64_t>("width");
  members.Finish();
  return range;
}

ReissueTerms ReadReissue(const Json& json) {
  Members members(json);
  ReissueTerms reissue;
  reissue.per_device = members.Get<int64_t>("per_device");
  reissue.total = members.Get<int64_t>("total");
  reissue.revoke_previous = members.Get<bool>("revoke_previous");
  members.Finish();
  return reissue;
}

ConfirmationTerms ReadConfirmation(const Json& json) {
  Members members(json);
  ConfirmationTerms confirmation;
  if (const Json* within = members.Find("within"); within != nullptr)
    confirmation.within = absl::Seconds(within->get<int64_t>());
  confirmation.revoke_unconfirmed = members.Get<bool>("revoke_unconfirmed");
  members.Finish();
  return confirmation;
}

BootstrapTerms ReadBootstrap(const Json& json) {
  Members members(json);
  BootstrapTerms bootstrap;
  bootstrap.type = members.Get<std::string>("type");
  bootstrap.global_endpoint = members.Get<std::string>("global_endpoint");
  bootstrap.id_scope = members.Get<std::string>("id_scope");
  members.Finish();
  return bootstrap;
}

LotTerms ReadTerms(const Json& json) {
  Members members(json);
  LotTerms terms;
  terms.manufacturer = members.Get<std::string>("manufacturer");
  terms.product = members.Get<std::string>("product");
  terms.lot = members.Get<std::string>("lot");
  terms.revision = members.Get<int64_t>("revision");
  terms.profile = members.Get<std::string>("profile");
  terms.authority = members.Get<std::string>("authority");
  for (const Json& station : members.Get<Json>("stations")) terms.stations.push_back(ReadStation(station));
  terms.not_before = absl::FromUnixSeconds(members.Get<int64_t>("not_before"));
  terms.not_after = absl::FromUnixSeconds(members.Get<int64_t>("not_after"));
  terms.quantity = members.Get<int64_t>("quantity");
  if (const Json* serials = members.Find("serials"); serials != nullptr) terms.serials = ReadRange(*serials);
  terms.registration_id = members.Get<std::string>("registration_id");
  terms.reissue = ReadReissue(members.Get<Json>("reissue"));
  terms.confirmation = ReadConfirmation(members.Get<Json>("confirmation"));
  terms.bootstrap = ReadBootstrap(members.Get<Json>("bootstrap"));
  members.Finish();
  return terms;
}

}  // namespace

bool SerialRange::Contains(std::string_view serial) const {
  if (!serial.starts_with(prefix)) return false;
  const std::string_view digits = serial.substr(prefix.size());
  if (digits.empty() || digits.size() > kDigits || digits.find_first_not_of("0123456789") != digits.npos) return false;
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // One spelling of each number: padded to the width, and no further.
  return number >= first && number <= last && digits == fmt::format("{:0{}}", number, std::max<int64_t>(width, 1));
}

bool SerialRange::Overlaps(const SerialRange& other) const {
  return prefix == other.prefix && width == other.width && first <= other.last && other.first <= last;
}

std::string ToJson(const LotTerms& terms) {
  Json json = {{"manufacturer", terms.manufacturer},
               {"product", terms.product},
               {"lot", terms.lot},
               {"revision", terms.revision},
               {"profile", terms.profile},
               {"authority", terms.authority},
               {"stations", Json::array()},
               {"not_before", absl::ToUnixSeconds(terms.not_before)},
               {"not_after", absl::ToUnixSeconds(terms.not_after)},
               {"quantity", terms.quantity},
               {"registration_id", terms.registration_id},
               {"reissue",
                {{"per_device", terms.reissue.per_device},
                 {"total", terms.reissue.total},
                 {"revoke_previous", terms.reissue.revoke_previous}}},
               {"confirmation", {{"revoke_unconfirmed", terms.confirmation.revoke_unconfirmed}}},
               {"bootstrap", BootstrapJson(terms.bootstrap)}};
  for (const LotStation& station : terms.stations) json["stations"].push_back(StationJson(station));
  if (terms.confirmation.within.has_value())
    json["confirmation"]["within"] = absl::ToInt64Seconds(*terms.confirmation.within);
  if (terms.serials.has_value()) {
    json["serials"] = {{"prefix", terms.serials->prefix},
                       {"first", terms.serials->first},
                       {"last", terms.serials->last},
                       {"width", terms.serials->width}};
  }
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

StatusOr<LotTerms> ParseTerms(const std::string& json) {
  try {
    return ReadTerms(Json::parse(json));
  } catch (const std::exception& error) {  // nlohmann's, and ours
    return Corrupt(error.what());
  }
}

std::string RegistrationId(const LotTerms& terms, std::string_view serial) {
  const std::pair<std::string_view, std::string_view> values[] = {
      {"{serial}", serial}, {"{product}", terms.product}, {"{lot}", terms.lot}, {"{manufacturer}", terms.manufacturer}};
  std::string id;
  std::string_view rest = terms.registration_id;
  while (!rest.empty()) {
    const auto* found = std::find_if(std::begin(values), std::end(values),
                                     [&](const auto& value) { return rest.starts_with(value.first); });
    if (found == std::end(values)) {
      id += rest[0];
      rest.remove_prefix(1);
    } else {
      id += found->second;
      rest.remove_prefix(found->first.size());
    }
  }
  return id;
}

Status CheckAmendment(const LotTerms& before, const LotTerms& after) {
  std::string field;
  const auto expect_same = [&field](const char* name, bool same) {
    if (!same && field.empty()) field = name;
  };
  expect_same("manufacturer", before.manufacturer == after.manufacturer);
  expect_same("product", before.product == after.product);
  expect_same("profile", before.profile == after.profile);
  expect_same("authority", before.authority == after.authority);
  expect_same("registration_id", before.registration_id == after.registration_id);
  expect_same("bootstrap", BootstrapJson(before.bootstrap) == BootstrapJson(after.bootstrap));
  const bool grows =
      before.serials == after.serials ||
      (before.serials.has_value() && after.serials.has_value() && before.serials->prefix == after.serials->prefix &&
       before.serials->width == after.serials->width && before.serials->first >= after.serials->first &&
       before.serials->last <= after.serials->last);
  expect_same("serials", grows);
  if (field.empty()) return absl::OkStatus();
  return Error(
      Code::kFailedPrecondition, reason::kLotChanged,
      fmt::format("\"{}\" of lot \"{}\" differs from revision {}; an amendment adds or withdraws devices, and may "
                  "change stations, window, quantity, reissue and confirmation; make another lot for the rest",
                  field, after.lot, before.revision));
}

bool IsSerialNumber(std::string_view text) {
  return !text.empty() && text.size() <= kSerialLimit && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '/' && c != '\\' && c != '"';
  });
}

}  // namespace hallmark
