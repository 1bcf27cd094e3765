// Lint takes whatever octets it is given, under every standard and any issuer; each finding is of a listed rule; and
// what it calls free of errors OpenSSL can read, with the extensions that lint knows.
#include "ca/lint.h"

#include <openssl/err.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>

#include "base/openssl.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

void RequireListed(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    const std::vector<LintRule>& rules = LintRules();
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&finding](const LintRule& r) { return finding.rule == r.name; });
    Require(rule != rules.end() && finding.citation == rule->citation && finding.severity == rule->severity,
            "a finding is of a listed rule, with its section and severity");
    Require(!finding.message.empty(), "a finding says what is wrong");
  }
}

// Whose syntax lint knows. Of a policy's qualifiers it only warns.
bool IsKnown(int nid) {
  constexpr int kKnown[] = {NID_basic_constraints,
                            NID_key_usage,
                            NID_ext_key_usage,
                            NID_subject_key_identifier,
                            NID_subject_alt_name,
                            NID_issuer_alt_name,
                            NID_authority_key_identifier,
                            NID_name_constraints,
                            NID_crl_distribution_points,
                            NID_policy_constraints,
                            NID_policy_mappings,
                            NID_inhibit_any_policy,
                            NID_freshest_crl,
                            NID_info_access,
                            NID_sinfo_access};
  return std::find(std::begin(kKnown), std::end(kKnown), nid) != std::end(kKnown);
}

void RequireReadable(ByteView octets) {
  const uint8_t* in = octets.data();
  const ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(octets.size())));
  Require(certificate != nullptr && in == octets.data() + octets.size(),
          "OpenSSL reads what has no errors, to its end");
  for (int i = 0; i < X509_get_ext_count(certificate.get()); ++i) {
    X509_EXTENSION* extension = X509_get_ext(certificate.get(), i);
    if (!IsKnown(OBJ_obj2nid(X509_EXTENSION_get_object(extension)))) continue;
    const X509V3_EXT_METHOD* method = X509V3_EXT_get(extension);
    const std::unique_ptr<void, std::function<void(void*)>> value(X509V3_EXT_d2i(extension), [method](void* read) {
      ASN1_item_free(static_cast<ASN1_VALUE*>(read), ASN1_ITEM_ptr(method->it));
    });
    Require(value != nullptr, "OpenSSL reads the extensions of what has no errors");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView octets(data, size);
  constexpr Standard kAll[] = {Standard::kIeee8021Ar, Standard::kMatterDac, Standard::kMatterPai,
                               Standard::kOpcUa,      Standard::kAzureDps,  Standard::kAzureDeviceRegistry};
  RequireListed(LintAnyCertificate(octets, octets, {std::begin(kAll), std::end(kAll)}));
  RequireListed(LintAnyCrl(octets, octets));
  const std::vector<Finding> findings = LintAnyCertificate(octets, {}, DetectStandards(octets));
  RequireListed(findings);
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (!Verdict(findings).ok()) return 0;
  ++accepted_inputs;
  RequireReadable(octets);
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
