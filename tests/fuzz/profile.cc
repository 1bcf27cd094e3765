// A profile that loads can be used: its purposes and policies are object identifiers, whatever it decides keeps to its
// own rules, and what it grants can be composed and read.
#include "policies/profile.h"

#include <algorithm>

#include "ca/certificate.h"
#include "ca/csr.h"
#include "ca/der.h"
#include "ca/names.h"
#include "policies/compare.h"
#include "policies/forms.h"
#include "policies/load.h"
#include "tests/fuzz/property.h"
#include "tests/software_signer.h"

namespace hallmark::fuzz {
namespace {

const PublicKey& DeviceKey() {
  static const auto& key = *new PublicKey(
      PublicKey::FromSpki(testing::SoftwareSigner(SignatureAlgorithm::kEcdsaSha256).public_key()).value());
  return key;
}

// A request that asks for a bit of everything, or only for what the profile has rules for.
Facts MakeFacts(const Profile& profile, bool asks_for_all) {
  Facts facts;
  facts.key = profile.keys.front();
  facts.caller = ParseCallerUri("hallmark://test.realm/station/line-1").value();
  facts.device = {{"serial", "SN-1"}, {"model", "M"}};
  const Subject all = {{"O", "Example"}, {"serialNumber", "SN-1"}, {"CN", "device-1"}};
  for (const Attribute& attribute : all) {
    const bool has_rule = std::any_of(profile.subject.begin(), profile.subject.end(),
                                      [&](const NameRule& rule) { return rule.type == attribute.type; });
    if (asks_for_all || has_rule) facts.subject.push_back(attribute);
  }
  for (const ExtensionRule& rule : profile.extensions) {
    if (rule.value.empty()) facts.other_extensions.push_back({rule.oid, rule.critical, {0x05, 0x00}});
  }
  return facts;
}

void CheckPlan(const Profile& profile, const Facts& facts, const Plan& plan) {
  Require(!plan.subject.empty() || !plan.subject_alt_names.empty(), "somebody is named");
  for (const Attribute& attribute : plan.subject) {
    const bool has_rule = std::any_of(profile.subject.begin(), profile.subject.end(),
                                      [&](const NameRule& rule) { return rule.type == attribute.type; });
    Require(has_rule && !attribute.value.empty(), "an attribute has a rule and a value");
    Require(profile.subject_as_requested || CheckNameForm(attribute.type, attribute.value).ok(),
            "an attribute is of its type's form");
  }
  for (const PlannedExtension& extension : plan.extensions) {
    Require(extension.passed.has_value() || CheckEncoding(extension.encoding, extension.text).ok(),
            "a text can be encoded");
  }
  Require(plan.not_before <= plan.not_after && plan.not_after <= NeverExpires(), "the validity is one");
  for (const Comparison& row : Compare(profile, facts, plan)) {
    Require(row.problem.empty(), "what is granted has no problem");
  }
}

void Use(const std::shared_ptr<const Profile>& profile, const Facts& facts) {
  const Time now = absl::FromUnixSeconds(1'795'514'400);
  const StatusOr<Plan> plan =
      Decide(profile, facts, now, {.not_before = now - absl::Hours(24 * 365), .not_after = NeverExpires()});
  if (!plan.ok()) {
    Require(!Fields(plan.status()).empty(), "a refusal names fields");
    const std::vector<Comparison> rows = Compare(*profile, facts, plan);
    Require(std::any_of(rows.begin(), rows.end(), [](const Comparison& row) { return !row.problem.empty(); }),
            "what is refused has a problem");
    return;
  }
  CheckPlan(*profile, facts, *plan);
  const CertificateTemplate made(
      *profile, {EncodeName({{"CN", "Test"}}), Bytes(20, 0x5a), "http://ca.example/a.crl", "http://ca.example/a.cer"},
      SignatureAlgorithm::kEcdsaSha256);
  const StatusOr<Draft> draft = made.Compose(*plan, DeviceKey(), Bytes(16, 0x11));
  if (!draft.ok()) return;  // a value that is no name of its kind
  Require(ReadCertificate(draft->Unsigned()).ok(), "what the profile grants can be read as a certificate");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  StatusOr<Profile> profile = ParseProfile("fuzzed", "fuzzed.yaml", ToString({data, size}), "test.realm");
  if (!Accepted(profile)) return 0;
  Require(!profile->keys.empty() && !profile->subject.empty() && !profile->key_usage.empty(),
          "keys, a subject and usages are granted");
  std::vector<std::string> oids = profile->extended_key_usage;
  for (const CertificatePolicy& policy : profile->certificate_policies) oids.push_back(policy.oid);
  for (const ExtensionRule& rule : profile->extensions) oids.push_back(rule.oid);
  for (const std::string& text : oids) {
    const Bytes oid = der::Oid(text);
    Require(der::OidText(der::ReadWhole(oid, der::kOid).value()).value_or("") == text,
            "an OID is an object identifier");
  }
  const auto loaded = std::make_shared<const Profile>(*std::move(profile));
  for (bool asks_for_all : {false, true}) Use(loaded, MakeFacts(*loaded, asks_for_all));
  return 0;
}

}  // namespace hallmark::fuzz
