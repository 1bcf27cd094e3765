// What makes a certificate refused: its revocation, and the lists that say so.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/reason.h"
#include "ca/authority.h"
#include "ca/crl.h"
#include "ca/entries.h"
#include "ca/proof.h"

namespace hallmark {

namespace {

Status CheckReason(RevocationReason reason) {
  if (reason != RevocationReason::kRemoveFromCrl) return absl::OkStatus();
  return FieldError(reason::kRequestInvalid, "reason",
                    "removeFromCRL ends a hold and revokes nothing (RFC 5280 5.3.1); release the certificate instead");
}

bool Same(const std::optional<Revocation>& a, const std::optional<Revocation>& b) {
  return a.has_value() == b.has_value() && (!a.has_value() || a->reason == b->reason);
}

}  // namespace

Status CheckInvalidity(const std::optional<Time>& invalidity, Time now) {
  if (!invalidity.has_value() || *invalidity <= now) return absl::OkStatus();
  return FieldError(reason::kRequestInvalid, "invalidity_time",
                    fmt::format("{} is in the future; give the time from which the key was not to be believed, or none",
                                Rfc3339(*invalidity)));
}

void CertificateAuthority::TellRevocation(const CertificateRecord& changed) const {
  const auto& observer = changed.revocation.has_value() ? observers_.revoked : observers_.released;
  if (observer) observer(changed);
}

StatusOr<CertificateRecord> CertificateAuthority::Revoke(const CertificateRecord& found,
                                                         const Revocation& revocation) const {
  ASSIGN_OR_RETURN(CertificateRecord revoked,
                   parts_.store.Revoke(found.authority, found.serial, revocation,
                                       CertificateRevokedEntry(found.authority, found.serial, revocation)));
  if (!Same(found.revocation, revoked.revocation)) TellRevocation(revoked);
  return revoked;
}

StatusOr<CertificateRecord> CertificateAuthority::Revoke(const Caller& caller, const std::string& authority,
                                                         ByteView serial, RevocationReason reason,
                                                         std::optional<Time> invalidity) const {
  RETURN_IF_ERROR(FindIssuer(authority).status());
  const Time now = TruncateToSecond(parts_.clock.Now());
  RETURN_IF_ERROR(CheckReason(reason));
  RETURN_IF_ERROR(CheckInvalidity(invalidity, now));
  const StatusOr<CertificateRecord> found = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevoke, authority, found));
  RETURN_IF_ERROR(found.status());
  return Revoke(*found, {now, reason, caller.uri, invalidity});
}

StatusOr<CertificateRecord> CertificateAuthority::Release(const Caller& caller, const std::string& authority,
                                                          ByteView serial) const {
  RETURN_IF_ERROR(FindIssuer(authority).status());
  const StatusOr<CertificateRecord> found = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRelease, authority, found));
  RETURN_IF_ERROR(found.status());
  const hallmark::Release release{TruncateToSecond(parts_.clock.Now()), caller.uri};
  ASSIGN_OR_RETURN(
      CertificateRecord released,
      parts_.store.Release(authority, serial, release, CertificateReleasedEntry(authority, serial, release)));
  TellRevocation(released);
  return released;
}

StatusOr<CertificateRecord> CertificateAuthority::RevokeByKey(const Caller& caller, const std::string& authority,
                                                              ByteView serial, ByteView signature) const {
  RETURN_IF_ERROR(FindIssuer(authority).status());
  const StatusOr<CertificateRecord> found = parts_.store.GetCertificate(authority, serial);
  RETURN_IF_ERROR(CheckAccess(caller, permission::kRevokeByKey, authority, found));
  RETURN_IF_ERROR(found.status());
  ASSIGN_OR_RETURN(const bool proven,
                   IsSignedByCertified(found->certificate, RevocationChallenge(found->certificate), signature));
  if (!proven) {
    return FieldError(reason::kRevocationProofInvalid, "signature",
                      fmt::format("is not the certified key's over \"{}\"; nothing was revoked",
                                  RevocationChallenge(found->certificate)));
  }
  return Revoke(*found, {TruncateToSecond(parts_.clock.Now()), RevocationReason::kKeyCompromise, caller.uri});
}

int64_t CertificateAuthority::ShardsFrom(const std::string& authority) const {
  const auto found = parts_.crl_shards.find(authority);
  return found == parts_.crl_shards.end() ? 1 : found->second;
}

StatusOr<std::map<int64_t, uint64_t>> CertificateAuthority::ShardsOf(const std::string& authority) const {
  ASSIGN_OR_RETURN(auto shards, parts_.store.CountShards(authority));
  for (int64_t shard = 0; shard < ShardsFrom(authority); ++shard) shards.try_emplace(shard, 0);
  return shards;
}

// An expired certificate leaves the list only after it was on one that was made after its expiry (RFC 5280 3.3).
StatusOr<Time> CertificateAuthority::OldestExpiry(const CrlRecord& next) const {
  const StatusOr<CrlRecord> last = parts_.store.LatestCrl(next.authority, {next.shard, false});
  if (absl::IsNotFound(last.status())) return absl::FromUnixSeconds(0);
  RETURN_IF_ERROR(last.status());
  if (last->this_update > next.this_update) {
    log::Warning(
        "clock_stepped_back",
        {{"authority", next.authority}, {"now", Rfc3339(next.this_update)}, {"last_crl", Rfc3339(last->this_update)}});
  }
  return std::min(last->this_update, next.this_update);
}

// A list of some certificates only says so; one of all does not need to, and is understood by everybody.
StatusOr<CrlUrls> CertificateAuthority::UrlsOf(const Issuer& issuer, const CrlScope& scope) const {
  CrlUrls urls;
  ASSIGN_OR_RETURN(const auto shards, ShardsOf(issuer.record().authority));
  if (shards.size() > 1) urls.issuing_distribution_point = issuer.crl_url({scope.shard, false});
  if (!scope.delta && parts_.crl_delta_lifetime > absl::ZeroDuration()) {
    urls.freshest = issuer.crl_url({scope.shard, true});
  }
  return urls;
}

Status CertificateAuthority::CollectEntries(CrlRecord& crl, CrlEntries& entries) const {
  const auto add = [&entries](const RevokedCertificate& revoked) { entries.Add(revoked); };
  if (crl.base.has_value()) {
    ASSIGN_OR_RETURN(const CrlRecord base, parts_.store.LatestCrl(crl.authority, {crl.shard, false}));
    crl.base = base.number;
    ASSIGN_OR_RETURN(crl.revocation_count,
                     parts_.store.ForEachChanged(crl.authority, crl.shard, base.revocation_count, add));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Time expires_from, OldestExpiry(crl));
  ASSIGN_OR_RETURN(crl.revocation_count, parts_.store.ForEachRevoked(crl.authority, expires_from, add, crl.shard));
  return absl::OkStatus();
}

StatusOr<CrlRecord> CertificateAuthority::GenerateCrl(const Issuer& issuer, Time deadline,
                                                      const CrlScope& scope) const {
  RETURN_IF_ERROR(issuer.CheckKey());
  // One after the other, so that a list with a higher number never knows less.
  const std::lock_guard lock(crl_mutex_);
  const SigningKey& key = issuer.key();
  CrlRecord crl;
  crl.authority = issuer.record().authority;
  crl.shard = scope.shard;
  if (scope.delta) crl.base = 0;  // until it is known
  ASSIGN_OR_RETURN(crl.number, parts_.store.NextCrlNumber(crl.authority));
  crl.this_update = TruncateToSecond(parts_.clock.Now());
  // Nobody believes an authority's list beyond the authority's end.
  const Duration lifetime = scope.delta ? parts_.crl_delta_lifetime : parts_.crl_lifetime;
  crl.next_update = std::min(crl.this_update + lifetime, issuer.not_after());
  CrlEntries entries;
  RETURN_IF_ERROR(CollectEntries(crl, entries));
  if (crl.next_update <= crl.this_update) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority '{}' expired on {}; nobody would believe its CRL", crl.authority,
                             Rfc3339(issuer.not_after())));
  }
  ASSIGN_OR_RETURN(const CrlUrls urls, UrlsOf(issuer, scope));
  Draft draft = ComposeCrl(issuer.name(), issuer.key_identifier(), key.signer().algorithm(), crl, entries, urls);
  crl.crl = draft.Unsigned();
  RETURN_IF_ERROR(Verdict(LintCrl(crl.crl, issuer.lint())));
  RETURN_IF_ERROR(parts_.store.IntendCrl(crl));
  ASSIGN_OR_RETURN(crl.crl, Seal(std::move(draft), key, deadline));
  RETURN_IF_ERROR(parts_.store.RecordCrl(crl.authority, crl.number, crl.crl, CrlIssuedEntry(crl, crl.crl)));
  if (observers_.crl_issued) observers_.crl_issued(crl);
  return crl;
}

}  // namespace hallmark
