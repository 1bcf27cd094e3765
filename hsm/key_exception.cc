#include "hsm/key_exception.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "hsm/key.h"

namespace hallmark {
namespace {

// What a key must be, and what it is called when it is not.
struct Property {
  const char* weakness;
  const char* attribute;
  bool KeyAttributes::*value;
  bool wanted;
};
constexpr Property kProperties[] = {
    {"not_on_token", "CKA_TOKEN", &KeyAttributes::on_token, true},
    {"not_private", "CKA_PRIVATE", &KeyAttributes::is_private, true},
    {"not_sensitive", "CKA_SENSITIVE", &KeyAttributes::sensitive, true},
    {"not_always_sensitive", "CKA_ALWAYS_SENSITIVE", &KeyAttributes::always_sensitive, true},
    {"extractable", "CKA_EXTRACTABLE", &KeyAttributes::extractable, false},
    {"not_never_extractable", "CKA_NEVER_EXTRACTABLE", &KeyAttributes::never_extractable, true},
    {"not_local", "CKA_LOCAL", &KeyAttributes::local, true},
    {"not_sign", "CKA_SIGN", &KeyAttributes::sign, true},
    {"decrypt", "CKA_DECRYPT", &KeyAttributes::decrypt, false},
    {"unwrap", "CKA_UNWRAP", &KeyAttributes::unwrap, false},
    {"derive", "CKA_DERIVE", &KeyAttributes::derive, false},
};

bool IsWeakness(const std::string& name) {
  return std::any_of(std::begin(kProperties), std::end(kProperties),
                     [&](const Property& property) { return name == property.weakness; });
}

bool Covers(const KeyUri& named, const KeyUri& key) {
  const auto fits = [](const auto& wanted, const auto& is) { return wanted.empty() || wanted == is; };
  return named.token == key.token && fits(named.serial, key.serial) && fits(named.id, key.id) &&
         fits(named.object, key.object);
}

// The exception that accepts a weakness of `key`; nullptr when there is none.
const KeyException* FindException(const KeyAttributes& key, const std::string& weakness,
                                  const std::vector<KeyException>& exceptions) {
  const auto found = std::find_if(exceptions.begin(), exceptions.end(), [&](const KeyException& exception) {
    return Covers(exception.uri, key.uri) &&
           std::find(exception.attributes.begin(), exception.attributes.end(), weakness) != exception.attributes.end();
  });
  return found == exceptions.end() ? nullptr : &*found;
}

}  // namespace

StatusOr<KeyException> KeyException::Create(const std::string& uri, std::vector<std::string> attributes,
                                            std::string reason) {
  const auto refuse = [&](const std::string& what) {
    return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                 fmt::format("cannot accept weaknesses of the key {}: {}", uri, what));
  };
  ASSIGN_OR_RETURN(KeyUri parsed, KeyUri::Parse(uri));
  if (parsed.id.empty() && parsed.object.empty()) return refuse("it has neither id= nor object=, so it names no key");
  if (reason.empty()) return refuse("there is no reason; write why the key may be used all the same");
  if (attributes.empty()) return refuse("no attribute is named; name each that is accepted, e.g. not_local");
  for (const std::string& attribute : attributes) {
    if (IsWeakness(attribute)) continue;
    std::string known;
    for (const Property& property : kProperties)
      known += fmt::format("{}{}", known.empty() ? "" : ", ", property.weakness);
    return refuse(fmt::format("\"{}\" is not one of {}", attribute, known));
  }
  return KeyException{std::move(parsed), std::move(attributes), std::move(reason)};
}

Status CheckSafe(const KeyAttributes& key, const std::vector<KeyException>& exceptions) {
  std::string wrong;
  for (const Property& property : kProperties) {
    if (key.*property.value == property.wanted || FindException(key, property.weakness, exceptions) != nullptr)
      continue;
    wrong += fmt::format("{}{} is {} ({})", wrong.empty() ? "" : ", ", property.attribute, !property.wanted,
                         property.weakness);
  }
  if (wrong.empty()) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kHsmKeyUnsafe,
               fmt::format("cannot use the key {}: {}; a CA key must be generated on its token by Hallmark, so that it "
                           "never was outside: generate another, or accept what is wrong in the configuration, with "
                           "the reason",
                           key.uri.ToString(), wrong));
}

std::vector<AcceptedWeakness> AcceptedWeaknesses(const KeyAttributes& key,
                                                 const std::vector<KeyException>& exceptions) {
  std::vector<AcceptedWeakness> accepted;
  for (const Property& property : kProperties) {
    if (key.*property.value == property.wanted) continue;
    const KeyException* exception = FindException(key, property.weakness, exceptions);
    if (exception != nullptr) accepted.push_back({property.weakness, exception->reason});
  }
  return accepted;
}

}  // namespace hallmark
