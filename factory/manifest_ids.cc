#include "factory/manifest_ids.h"

#include "factory/terms_json.h"

namespace hallmark {

void RegistrationIds::Add(const DeviceLine& line, const std::string& path) {
  const auto keep = [&](std::vector<Suspect>& suspects) {
    if (suspects.size() < kSuspectsLimit) suspects.push_back({path, line});
  };
  if (!line.registration_id.empty()) {
    if (!IsDpsRegistrationId(line.registration_id)) keep(explicit_);
    return;
  }
  if (longest_.empty() || longest_[0].line.serial.size() < line.serial.size()) longest_ = {{path, line}};
  if (!IsDpsRegistrationId(line.serial))
    keep(IsDpsRegistrationId(line.serial + "-") || line.serial.size() == 64 ? last_ : octets_);
}

void RegistrationIds::Judge(const LotTerms& terms, Violations& violations) const {
  if (terms.bootstrap.type.empty()) return;
  const auto check = [&](const std::string& path, const std::string& id) {
    const Status status = CheckRegistrationId(terms, id);
    if (!status.ok()) violations.Add(path, "the registration id " + Quoted(id) + " is " + kDpsRegistrationIdForm);
    return status.ok();
  };
  for (const Suspect& suspect : explicit_) check(suspect.path + ".registration_id", suspect.line.registration_id);
  for (const auto* suspects : {&octets_, &last_}) {
    for (const Suspect& suspect : *suspects) {
      check(suspect.path + ".serial", RegistrationId(terms, suspect.line.serial));
    }
  }
  if (violations.empty() && !longest_.empty()) {
    check(longest_[0].path + ".serial", RegistrationId(terms, longest_[0].line.serial));
  }
  if (!terms.serials.has_value()) return;
  const std::string digits = std::to_string(terms.serials->last);
  const auto width = static_cast<size_t>(terms.serials->width);
  const std::string zeros(width > digits.size() ? width - digits.size() : 0, '0');
  check("registration_id", RegistrationId(terms, terms.serials->prefix + zeros + digits));
}

}  // namespace hallmark
