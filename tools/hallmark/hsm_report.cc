#include "tools/hallmark/hsm_report.h"

namespace hallmark::cli {
namespace {

using nlohmann::json;

json OrNull(const std::optional<unsigned long>& value) { return value.has_value() ? json(*value) : json(nullptr); }

json TokenJson(const TokenInformation& token) {
  return {{"label", token.label},
          {"manufacturer", token.manufacturer},
          {"model", token.model},
          {"serial", token.serial},
          {"initialized", token.initialized},
          {"login_required", token.login_required},
          {"write_protected", token.write_protected},
          {"user_pin_initialized", token.user_pin_initialized},
          {"user_pin_count_low", token.user_pin_count_low},
          {"user_pin_final_try", token.user_pin_final_try},
          {"user_pin_locked", token.user_pin_locked},
          {"user_pin_to_be_changed", token.user_pin_to_be_changed},
          {"so_pin_locked", token.so_pin_locked},
          {"protected_authentication_path", token.protected_authentication_path},
          {"error_state", token.error_state},
          {"min_pin_size", token.min_pin_size},
          {"max_pin_size", token.max_pin_size},
          {"max_sessions", OrNull(token.max_sessions)},
          {"max_rw_sessions", OrNull(token.max_rw_sessions)},
          {"open_sessions", OrNull(token.open_sessions)},
          {"open_rw_sessions", OrNull(token.open_rw_sessions)},
          {"total_private_memory", OrNull(token.total_private_memory)},
          {"free_private_memory", OrNull(token.free_private_memory)},
          {"utc_time", token.utc_time}};
}

json SlotJson(const ExaminedSlot& slot) {
  json mechanisms = json::array();
  for (const MechanismInformation& mechanism : slot.mechanisms) {
    mechanisms.push_back({{"name", mechanism.name},
                          {"present", mechanism.present},
                          {"min_key_bits", mechanism.min_key_bits},
                          {"max_key_bits", mechanism.max_key_bits},
                          {"signs", mechanism.signs},
                          {"generates_key_pairs", mechanism.generates_key_pairs}});
  }
  return {{"slot", slot.slot.slot},
          {"description", slot.slot.description},
          {"hardware", slot.slot.hardware},
          {"token", slot.slot.token.has_value() ? TokenJson(*slot.slot.token) : json(nullptr)},
          {"mechanisms", mechanisms}};
}

json AttributesJson(const KeyAttributes& key) {
  return {{"token", key.on_token},
          {"private", key.is_private},
          {"sensitive", key.sensitive},
          {"always_sensitive", key.always_sensitive},
          {"extractable", key.extractable},
          {"never_extractable", key.never_extractable},
          {"local", key.local},
          {"sign", key.sign},
          {"decrypt", key.decrypt},
          {"unwrap", key.unwrap},
          {"derive", key.derive}};
}

json KeyJson(const ExaminedKey& key) {
  json made = {{"label", key.attributes.uri.object},
               {"id", Hex(key.attributes.uri.id)},
               {"uri", key.attributes.uri.ToString()},
               {"type", key.attributes.type ? json(KeyTypeName(*key.attributes.type)) : json(nullptr)},
               {"authority", key.authority.empty() ? json(nullptr) : json(key.authority)},
               {"verdict", Name(key.verdict)},
               {"has_public_key", key.has_public_key},
               {"attributes", AttributesJson(key.attributes)},
               {"signatures", nullptr}};
  if (key.signatures.has_value()) {
    made["signatures"] = {{"count", key.signatures->count},
                          {"verified", key.signatures->verified},
                          {"median_ms", absl::ToDoubleMilliseconds(key.signatures->median)},
                          {"slowest_ms", absl::ToDoubleMilliseconds(key.signatures->slowest)}};
  }
  return made;
}

const char* Name(LoginState login) {
  switch (login) {
    case LoginState::kNotTried: return "not_tried";
    case LoginState::kRefused: return "refused";
    case LoginState::kNotRequired: return "not_required";
    case LoginState::kWasLoggedIn: return "was_logged_in";
    case LoginState::kLoggedIn: return "logged_in";
  }
  return "not_tried";
}

}  // namespace

const char* Name(Judgement verdict) {
  switch (verdict) {
    case Judgement::kGood: return "good";
    case Judgement::kWarning: return "warning";
    case Judgement::kBad: return "bad";
  }
  return "bad";
}

json HsmJson(const ExaminedHsm& hsm) {
  json slots = json::array();
  for (const ExaminedSlot& slot : hsm.slots) slots.push_back(SlotJson(slot));
  json keys = json::array();
  for (const ExaminedKey& key : hsm.keys) keys.push_back(KeyJson(key));
  json objects = json::array();
  for (const ObjectInformation& object : hsm.objects) {
    objects.push_back({{"class", object.object_class}, {"label", object.label}, {"id", Hex(object.id)}});
  }
  json module = {{"name", hsm.module_name}, {"loaded", hsm.module.has_value()}};
  if (hsm.module.has_value()) {
    module["description"] = hsm.module->description;
    module["manufacturer"] = hsm.module->manufacturer;
    module["version"] = hsm.module->version;
    module["cryptoki_version"] = hsm.module->cryptoki_version;
  }
  return {{"module", module},
          {"slots", slots},
          {"token", hsm.token.has_value() ? TokenJson(*hsm.slots[*hsm.token].slot.token) : json(nullptr)},
          {"login", Name(hsm.login)},
          {"keys", keys},
          {"objects", objects}};
}

}  // namespace hallmark::cli
