// What the key of a certificate may do (RFC 5280 4.2.1.3, 4.2.1.12).
#include <fmt/format.h>

#include "policies/load_parts.h"

namespace hallmark {
namespace {

bool Allows(const Profile& profile, bool ec) {
  return std::any_of(profile.keys.begin(), profile.keys.end(), [&](KeyType key) { return IsEc(key) == ec; });
}

// RFC 5480 3 with RFC 8813 3; RFC 3279 2.3.1.
void CheckUsages(yaml::Mapping& mapping, const std::string& field, const std::vector<KeyUsage>& usages, bool ec,
                 const std::string& advice) {
  for (KeyUsage usage : usages) {
    const bool enciphers = usage == KeyUsage::kKeyEncipherment || usage == KeyUsage::kDataEncipherment;
    if (ec && enciphers) {
      mapping.Fail(field, fmt::format("an EC key cannot do {} (RFC 8813 3){}", Name(usage), advice));
    }
    if (!ec && usage == KeyUsage::kKeyAgreement) {
      mapping.Fail(field, fmt::format("an RSA key cannot do {} (RFC 3279 2.3.1){}", Name(usage), advice));
    }
  }
}

Status ReadUsagesByKey(yaml::Mapping& usages, Profile& profile) {
  const auto rsa = ReadList<KeyUsage>(usages, "rsa", ParseKeyUsage);
  const auto ec = ReadList<KeyUsage>(usages, "ec", ParseKeyUsage);
  for (const auto& [field, is_ec] : {std::pair("rsa", false), std::pair("ec", true)}) {
    if (Allows(profile, is_ec) && !usages.Has(field)) usages.Fail(field, "is required, since `keys` allows such keys");
    if (!Allows(profile, is_ec) && usages.Has(field)) usages.Fail(field, "stands here, but `keys` allows no such key");
  }
  CheckUsages(usages, "rsa", rsa, false, "");
  CheckUsages(usages, "ec", ec, true, "");
  profile.key_usage = rsa.empty() ? ec : rsa;
  profile.ec_key_usage = rsa.empty() || ec == rsa ? std::vector<KeyUsage>() : ec;
  return usages.Finish();
}

}  // namespace

void ReadUsages(yaml::Mapping& mapping, Profile& profile) {
  if (!mapping.Has("key_usage")) mapping.Fail("key_usage", "is required: at least one usage");
  if (mapping.IsMapping("key_usage")) {
    mapping.Nested("key_usage", [&](yaml::Mapping& usages) { return ReadUsagesByKey(usages, profile); });
  } else {
    profile.key_usage = ReadList<KeyUsage>(mapping, "key_usage", ParseKeyUsage);
    const bool both = Allows(profile, true) && Allows(profile, false);
    const std::string advice = both ? "; write key_usage: {rsa: [...], ec: [...]}" : "";
    if (Allows(profile, true)) CheckUsages(mapping, "key_usage", profile.key_usage, true, advice);
    if (Allows(profile, false)) CheckUsages(mapping, "key_usage", profile.key_usage, false, advice);
  }
  profile.extended_key_usage = ReadList<std::string>(mapping, "extended_key_usage", ParsePurpose);
}

}  // namespace hallmark
