#include "ca/entries.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/ledger_json.h"
#include "base/reason.h"

namespace hallmark {
namespace {

struct NamedReason {
  RevocationReason reason;
  const char* name;
};
constexpr std::array<NamedReason, 10> kReasons = {{{RevocationReason::kUnspecified, "unspecified"},
                                                   {RevocationReason::kKeyCompromise, "keyCompromise"},
                                                   {RevocationReason::kCaCompromise, "cACompromise"},
                                                   {RevocationReason::kAffiliationChanged, "affiliationChanged"},
                                                   {RevocationReason::kSuperseded, "superseded"},
                                                   {RevocationReason::kCessationOfOperation, "cessationOfOperation"},
                                                   {RevocationReason::kCertificateHold, "certificateHold"},
                                                   {RevocationReason::kRemoveFromCrl, "removeFromCRL"},
                                                   {RevocationReason::kPrivilegeWithdrawn, "privilegeWithdrawn"},
                                                   {RevocationReason::kAaCompromise, "aACompromise"}}};

}  // namespace

std::string AuthorityCreatedEntry(const AuthorityRecord& authority, const std::string& caller) {
  return LedgerJson({{"type", "authority_created"},
                     {"authority", authority.authority},
                     {"parent", authority.parent},
                     {"profile", authority.profile},
                     {"sha256", Hex(Sha256(authority.certificate))},
                     {"caller", caller},
                     {"time", Rfc3339(authority.created)}});
}

std::string AuthorityEntry(const char* type, const std::vector<AuthorityRecord>& authorities, const std::string& caller,
                           Time time) {
  nlohmann::json records = nlohmann::json::array();
  for (const AuthorityRecord& authority : authorities) {
    nlohmann::json record = {{"authority", authority.authority},
                             {"parent", authority.parent},
                             {"profile", authority.profile},
                             {"state", Name(authority.state)},
                             {"key_uris", authority.key_uris}};
    if (!authority.predecessor.empty()) record["predecessor"] = authority.predecessor;
    if (!authority.profiles.empty()) record["profiles"] = authority.profiles;
    if (!authority.certificate.empty()) record["sha256"] = Hex(Sha256(authority.certificate));
    records.push_back(std::move(record));
  }
  return LedgerJson({{"type", type}, {"authorities", std::move(records)}, {"caller", caller}, {"time", Rfc3339(time)}});
}

std::string CertificateIssuedEntry(const Intent& intent, ByteView certificate, Time issued) {
  nlohmann::json entry = {{"type", "certificate_issued"},    {"authority", intent.authority},
                          {"serial", Hex(intent.serial)},    {"sha256", Hex(Sha256(certificate))},
                          {"profile", intent.profile},       {"profile_version", intent.profile_version},
                          {"subject", intent.subject},       {"caller", intent.caller},
                          {"request_id", intent.request_id}, {"time", Rfc3339(issued)}};
  if (intent.device.has_value()) {
    entry["lot"] = intent.device->lot;
    entry["device"] = intent.device->serial;
  }
  return LedgerJson(entry);
}

std::string CertificateRevokedEntry(const std::string& authority, ByteView serial, const Revocation& revocation) {
  nlohmann::json entry = {{"type", "certificate_revoked"},   {"authority", authority},
                          {"serial", Hex(serial)},           {"reason", Name(revocation.reason)},
                          {"caller", revocation.revoked_by}, {"time", Rfc3339(revocation.revoked)}};
  if (revocation.invalidity.has_value()) entry["invalidity_date"] = Rfc3339(*revocation.invalidity);
  return LedgerJson(entry);
}

std::string CertificateReleasedEntry(const std::string& authority, ByteView serial, const Release& release) {
  return LedgerJson({{"type", "certificate_released"},
                     {"authority", authority},
                     {"serial", Hex(serial)},
                     {"caller", release.released_by},
                     {"time", Rfc3339(release.released)}});
}

std::string CrlIssuedEntry(const CrlRecord& crl, ByteView signed_crl) {
  nlohmann::json entry = {{"type", "crl_issued"},
                          {"authority", crl.authority},
                          {"number", crl.number},
                          {"sha256", Hex(Sha256(signed_crl))},
                          {"this_update", Rfc3339(crl.this_update)},
                          {"next_update", Rfc3339(crl.next_update)}};
  if (crl.shard != 0) entry["shard"] = crl.shard;
  if (crl.base.has_value()) entry["base"] = *crl.base;
  return LedgerJson(entry);
}

std::string ProfileLoadedEntry(const std::string& profile, const std::string& version, Time time) {
  return LedgerJson({{"type", "profile_loaded"}, {"profile", profile}, {"version", version}, {"time", Rfc3339(time)}});
}

std::string RolesLoadedEntry(const std::string& version, Time time) {
  return LedgerJson({{"type", "roles_loaded"}, {"version", version}, {"time", Rfc3339(time)}});
}

std::string CsrRequestedEntry(const std::string& authority, ByteView tbs, const std::string& caller, Time time) {
  return LedgerJson({{"type", "csr_requested"},
                     {"authority", authority},
                     {"tbs_sha256", Hex(Sha256(tbs))},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string BundleAcceptedEntry(const std::string& bundle, const std::string& station, const std::string& sha256,
                                const std::string& caller, Time time) {
  return LedgerJson({{"type", "bundle_accepted"},
                     {"bundle", bundle},
                     {"station", station},
                     {"sha256", sha256},
                     {"caller", caller},
                     {"time", Rfc3339(time)}});
}

std::string MassRevocationEntryOf(const char* type, const MassRevocationRecord& revocation, const std::string& caller,
                                  Time time) {
  const CertificateFilter& filter = revocation.filter;
  nlohmann::json selects = nlohmann::json::object();
  const auto select = [&selects](const char* field, const std::string& value) {
    if (!value.empty()) selects[field] = value;
  };
  select("authority", filter.authority);
  select("profile", filter.profile);
  select("subject", filter.subject);
  select("caller", filter.caller);
  select("lot", filter.lot);
  select("device", filter.device_serial);
  if (filter.spki.has_value()) select("spki_sha256", Hex(*filter.spki));
  if (filter.revoked.has_value()) selects["revoked"] = *filter.revoked;
  if (filter.issued_from.has_value()) select("issued_from", Rfc3339(*filter.issued_from));
  if (filter.issued_before.has_value()) select("issued_before", Rfc3339(*filter.issued_before));
  if (filter.leaf_end.has_value()) selects["ledger_size"] = *filter.leaf_end;
  nlohmann::json entry = {{"type", type},
                          {"revocation", revocation.revocation},
                          {"filter", std::move(selects)},
                          {"reason", Name(revocation.reason)},
                          {"seen", revocation.seen},
                          {"changed", revocation.changed},
                          {"caller", caller},
                          {"time", Rfc3339(time)}};
  if (revocation.invalidity.has_value()) entry["invalidity_date"] = Rfc3339(*revocation.invalidity);
  return LedgerJson(entry);
}

std::string CrlImportedEntry(const ImportedCrlRecord& crl) {
  return LedgerJson({{"type", "crl_imported"},
                     {"name", crl.name},
                     {"issuer", crl.issuer_name},
                     {"number", crl.number},
                     {"sha256", Hex(Sha256(crl.crl))},
                     {"this_update", Rfc3339(crl.this_update)},
                     {"next_update", Rfc3339(crl.next_update)},
                     {"caller", crl.imported_by},
                     {"time", Rfc3339(crl.imported)}});
}

std::string CallerSuspendedEntry(const SuspensionRecord& suspension) {
  return LedgerJson({{"type", "caller_suspended"},
                     {"suspended", suspension.caller},
                     {"reason", suspension.reason},
                     {"caller", suspension.suspended_by},
                     {"time", Rfc3339(suspension.suspended)}});
}

std::string CallerResumedEntry(const std::string& suspended, const std::string& caller, Time time) {
  return LedgerJson({{"type", "caller_resumed"}, {"resumed", suspended}, {"caller", caller}, {"time", Rfc3339(time)}});
}

const char* Name(AuthorityState state) {
  switch (state) {
    case AuthorityState::kStaged: return "STAGED";
    case AuthorityState::kEnabled: return "ENABLED";
    case AuthorityState::kDisabled: return "DISABLED";
    case AuthorityState::kRevoked: return "REVOKED";
    case AuthorityState::kAwaitingActivation: return "AWAITING_ACTIVATION";
  }
  return "unknown";
}

const char* Name(RevocationReason reason) {
  for (const NamedReason& row : kReasons) {
    if (row.reason == reason) return row.name;
  }
  return "unspecified";
}

StatusOr<RevocationReason> ParseRevocationReason(const std::string& name_or_number) {
  std::string known;
  for (const NamedReason& row : kReasons) {
    if (name_or_number == row.name || name_or_number == std::to_string(static_cast<int>(row.reason))) return row.reason;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", row.name, static_cast<int>(row.reason));
  }
  return FieldError(reason::kRequestInvalid, "reason",
                    fmt::format("'{}' is not a reason of RFC 5280 5.3.1; known: {}", name_or_number, known));
}

}  // namespace hallmark
