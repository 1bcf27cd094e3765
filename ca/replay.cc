#include "ca/replay.h"

#include <fmt/format.h>

#include <map>

#include "base/reason.h"
#include "ca/description.h"
#include "ca/judgement.h"

namespace hallmark {
namespace {

constexpr int kPageSize = 200;

using FieldTexts = std::map<std::string, std::string>;

// What two certificates are compared by: as people read it.
FieldTexts FieldsOf(const Description& d) {
  FieldTexts fields = {{"subject", ToRfc4514(d.subject)},
                       {"issuer", ToRfc4514(d.issuer)},
                       {"validity", fmt::format("{} to {}", Rfc3339(d.not_before), Rfc3339(d.not_after))},
                       {"key", d.key_type},
                       {"subject_key_identifier", Hex(d.subject_key_identifier)},
                       {"authority_key_identifier", Hex(d.authority_key_identifier)}};
  const auto add = [&fields](const char* field, const std::string& text) {
    std::string& all = fields[field];
    all += (all.empty() ? "" : ", ") + text;
  };
  for (const GeneralName& name : d.subject_alt_names) add("subject_alt_names", Name(name.kind) + (":" + name.value));
  for (const KeyUsage usage : d.key_usage) add("key_usage", Name(usage));
  for (const std::string& purpose : d.extended_key_usage) add("extended_key_usage", purpose);
  if (d.ca) add("basic_constraints", d.path_length.has_value() ? fmt::format("CA, pathLen {}", *d.path_length) : "CA");
  for (const std::string& url : d.crl_distribution_points) add("crl_distribution_points", url);
  for (const std::string& url : d.ca_issuers) add("ca_issuers", url);
  for (const std::string& url : d.ocsp) add("ocsp", url);
  for (const CertificatePolicy& policy : d.certificate_policies)
    add("certificate_policies", policy.oid + (policy.cps.empty() ? "" : " " + policy.cps));
  for (const std::string& subtree : d.permitted_subtrees) add("permitted_subtrees", subtree);
  for (const std::string& subtree : d.excluded_subtrees) add("excluded_subtrees", subtree);
  for (const RequestedExtension& extension : d.other_extensions) {
    fields["extension " + extension.oid] = (extension.critical ? "critical " : "") + Hex(extension.value);
  }
  return fields;
}

Replayed NotReplayed(const CertificateRecord& record, const std::string& why) {
  return {record, Replayed::Outcome::kNotReplayed, why, {}};
}
Replayed Refused(const CertificateRecord& record, const Status& why) {
  return {record, Replayed::Outcome::kRefused, Message(why), {}};
}

class Replayer {
 public:
  Replayer(Issuers& issuers, PolicyPointer policies, std::shared_ptr<const Profile> changed)
      : issuers_(issuers), policies_(std::move(policies)), changed_(std::move(changed)) {}

  Replayed Decide(const CertificateRecord& record) {
    if (record.csr.empty()) return NotReplayed(record, "its request was not kept");
    StatusOr<Csr> csr = ReadCsr(record.csr);
    if (!csr.ok()) return Refused(record, csr.status());
    csr->facts.lifetime = record.lifetime;
    if (StatusOr<Caller> caller = ParseCallerUri(record.caller); caller.ok()) csr->facts.caller = *std::move(caller);
    const StatusOr<IssuerPointer>& issuer = Find(record.authority);
    if (!issuer.ok()) return NotReplayed(record, Message(issuer.status()));
    if ((*issuer)->FindTemplate(changed_->name) == nullptr) {
      return Refused(record, Error(Code::kNotFound, reason::kProfileUnknown,
                                   fmt::format("authority '{}' may not issue under it", record.authority)));
    }
    const Judgement judgement = Judge(**issuer, changed_, *csr, record.intended, record.serial);
    if (!judgement.verdict.ok()) return Refused(record, judgement.verdict);
    StatusOr<std::vector<Difference>> differences = CompareCertificates(record.certificate, judgement.draft);
    if (!differences.ok()) return NotReplayed(record, Message(differences.status()));
    return {record, Replayed::Outcome::kIssued, "", *std::move(differences)};
  }

 private:
  // With templates of the changed profile.
  const StatusOr<IssuerPointer>& Find(const std::string& authority) {
    const auto found = known_.find(authority);
    if (found != known_.end()) return found->second;
    return known_.emplace(authority, issuers_.Find(authority, policies_)).first->second;
  }

  Issuers& issuers_;
  const PolicyPointer policies_;
  const std::shared_ptr<const Profile> changed_;
  std::map<std::string, StatusOr<IssuerPointer>> known_;
};

}  // namespace

StatusOr<std::vector<Difference>> CompareCertificates(ByteView before, ByteView after) {
  ASSIGN_OR_RETURN(const Description old_description, Describe(before));
  ASSIGN_OR_RETURN(const Description new_description, Describe(after));
  const FieldTexts old_fields = FieldsOf(old_description);
  FieldTexts new_fields = FieldsOf(new_description);
  std::vector<Difference> differences;
  for (const auto& [field, value] : old_fields) {
    const std::string& other = new_fields[field];
    if (value != other) differences.push_back({field, value, other});
  }
  for (const auto& [field, value] : new_fields) {
    if (!old_fields.contains(field) && !value.empty()) differences.push_back({field, "", value});
  }
  return differences;
}

Status Replay(const CertificateAuthority& authority, std::shared_ptr<const Profile> changed, int count,
              const std::function<bool(const Replayed&)>& visit) {
  const CertificateAuthority::Parts& parts = authority.parts();
  auto policies = std::make_shared<PolicySnapshot>(*parts.policies.Current());
  policies->profiles[changed->name] = changed;
  CertificateFilter filter;
  filter.profile = changed->name;
  filter.newest_first = true;
  Replayer replayer(parts.issuers, std::move(policies), std::move(changed));
  std::string token;
  do {
    ASSIGN_OR_RETURN(const Page<CertificateRecord> page,
                     parts.store.ListCertificates(filter, std::min(count, kPageSize), token));
    for (const CertificateRecord& record : page.items) {
      if (!visit(replayer.Decide(record))) return absl::OkStatus();
    }
    count -= static_cast<int>(page.items.size());
    token = page.next_page_token;
  } while (count > 0 && !token.empty());
  return absl::OkStatus();
}

}  // namespace hallmark
