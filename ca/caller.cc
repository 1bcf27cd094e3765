// Who asks, and what they may read.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "ca/authority.h"
#include "ca/names.h"

namespace hallmark {
namespace {

Status Unauthenticated(const char* reason, const std::string& message) {
  return Error(Code::kUnauthenticated, reason, message);
}

// The one URI among the certificate's subject alternative names.
StatusOr<std::string> SoleUri(const CertificateParts& parts) {
  const Extension* extension = FindExtension(parts.extensions, oid::kSubjectAltName);
  if (extension != nullptr) {
    ASSIGN_OR_RETURN(const std::vector<GeneralName> names, ReadGeneralNames(extension->value));
    if (names.size() == 1 && names[0].kind == GeneralName::Kind::kUri) return names[0].value;
  }
  return Unauthenticated(
      reason::kCallerUnauthenticated,
      "the client certificate names no caller: its subjectAltName is not a single URI. Use an operator, "
      "station or auditor credential, not a device's certificate");
}

// In which role those whom a profile certifies call.
std::string RoleOf(const ProfileMap& profiles, const std::string& profile) {
  const auto found = profiles.find(profile);
  return found == profiles.end() || found->second->caller_role.empty() ? profile : found->second->caller_role;
}

}  // namespace

StatusOr<CertificateRecord> CertificateAuthority::FindCertificate(const Issuers::Snapshot& known,
                                                                  const CertificateParts& parts) const {
  // Authorities may share a name, as one and its successor do.
  StatusOr<CertificateRecord> record = absl::NotFoundError("");
  for (const auto& [name, issuer] : known.issuers) {
    if (!Equal(issuer->name(), parts.issuer)) continue;
    record = parts_.store.GetCertificate(name, parts.serial);
    if (!absl::IsNotFound(record.status())) break;
  }
  return record;
}

StatusOr<Caller> CertificateAuthority::Identify(ByteView certificate, const std::string& realm) const {
  const StatusOr<CertificateParts> parts = ReadCertificate(certificate);
  if (!parts.ok())
    return Unauthenticated(reason::kCallerUnauthenticated,
                           "the client certificate cannot be read: " + Message(parts.status()));
  std::shared_ptr<const Issuers::Snapshot> known = parts_.issuers.Current();
  StatusOr<CertificateRecord> record = FindCertificate(*known, *parts);
  if (absl::IsNotFound(record.status())) {
    known = parts_.issuers.Recent();
    record = FindCertificate(*known, *parts);
  }
  if (absl::IsNotFound(record.status()) || (record.ok() && !Equal(record->certificate, certificate))) {
    return Unauthenticated(reason::kCallerUnknown, "the client certificate is not one that this service issued");
  }
  RETURN_IF_ERROR(record.status());
  ASSIGN_OR_RETURN(const std::string uri, SoleUri(*parts));
  ASSIGN_OR_RETURN(Caller caller, ParseCallerUri(uri));
  if (caller.realm != realm || caller.role != RoleOf(parts_.policies.Current()->profiles, record->profile)) {
    return Unauthenticated(
        reason::kCallerUnauthenticated,
        fmt::format("{} is not a caller of realm '{}' certified under the profile of its role", uri, realm));
  }
  std::optional<Revocation> revocation = record->revocation;
  if (!revocation.has_value()) {
    ASSIGN_OR_RETURN(revocation, FindRevocation(*known->issuers.at(record->authority)));
  }
  if (revocation.has_value()) {
    return Unauthenticated(
        reason::kCallerRevoked,
        fmt::format("the certificate of {}, or an authority above it, was revoked on {}; ask an operator for a new one",
                    uri, Rfc3339(revocation->revoked)));
  }
  const std::string revoked_authority = RevokedInPath(*known->issuers.at(record->authority));
  if (!revoked_authority.empty()) {
    return Unauthenticated(reason::kCallerRevoked,
                           fmt::format("the certificate of {} cannot be believed, since authority '{}' is REVOKED; ask "
                                       "an operator for a new one",
                                       uri, revoked_authority));
  }
  ASSIGN_OR_RETURN(const std::optional<SuspensionRecord> suspension, parts_.store.FindSuspension(uri));
  if (suspension.has_value()) {
    return Unauthenticated(
        reason::kCallerSuspended,
        fmt::format("{} was suspended on {}; ask an operator, who can resume it", uri, Rfc3339(suspension->suspended)));
  }
  const Time now = parts_.clock.Now();
  if (now < record->not_before || now >= record->not_after + absl::Seconds(1)) {
    return Unauthenticated(reason::kCallerExpired,
                           fmt::format("the certificate of {} is valid from {} to {}; ask an operator for a new one",
                                       uri, Rfc3339(record->not_before), Rfc3339(record->not_after)));
  }
  caller.authority = record->authority;
  caller.serial = ToBytes(parts->serial);
  return caller;
}

Status CertificateAuthority::CheckAccess(const Caller& caller, const char* permission, const std::string& authority,
                                         const StatusOr<CertificateRecord>& found) const {
  Resource resource{authority, "", "", parts_.issuers.Predecessors(authority)};
  if (found.ok()) {
    resource.profile = found->profile;
    resource.owner = found->caller;
  }
  return Authorize(caller, permission, resource);
}

StatusOr<Issued> CertificateAuthority::Get(const Caller& caller, const std::string& authority, ByteView serial) const {
  ASSIGN_OR_RETURN(IssuerPointer issuer, FindIssuer(authority));
  StatusOr<CertificateRecord> record = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kGetCertificate, authority, record));
  RETURN_IF_ERROR(record.status());
  return WithBundle({std::move(*record), std::move(issuer)});
}

StatusOr<Page<CertificateRecord>> CertificateAuthority::List(const Caller& caller, CertificateFilter filter,
                                                             int page_size, const std::string& page_token) const {
  Resource all{filter.authority, filter.profile, "", parts_.issuers.Predecessors(filter.authority)};
  const PolicyPointer policies = parts_.policies.Current();
  if (!policies->access->Check(caller, permission::kListCertificates, all, parts_.clock.Now()).ok()) {
    all.owner = caller.uri;  // perhaps its own, then
    RETURN_IF_ERROR(policies->access->Check(caller, permission::kListCertificates, all, parts_.clock.Now()));
    filter.caller = caller.uri;
  }
  return parts_.store.ListCertificates(filter, page_size, page_token);
}

}  // namespace hallmark
