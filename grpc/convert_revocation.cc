#include "grpc/convert_revocation.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "grpc/convert.h"
#include "grpc/filter.h"

namespace hallmark {
namespace {

std::string AuthorityNameOf(const std::string& authority) { return "authorities/" + authority; }

template <class Message>
std::optional<Time> InvalidityOf(const Message& message) {
  if (!message.has_invalidity_time()) return std::nullopt;
  return absl::FromUnixSeconds(message.invalidity_time().seconds());
}

}  // namespace

StatusOr<MassRevocation> FromProto(const v1::RevokeCertificatesRequest& message) {
  MassRevocation asked;
  asked.request_id = message.request_id();
  ASSIGN_OR_RETURN(asked.filter, ParseFilter(message.filter()));
  if (!message.parent().empty()) {
    ASSIGN_OR_RETURN(asked.filter.authority, ParseAuthorityName(message.parent(), "parent"));
  }
  if (message.ledger_size() != 0) asked.filter.leaf_end = message.ledger_size();
  ASSIGN_OR_RETURN(asked.reason, FromProto(message.reason()));
  asked.invalidity = InvalidityOf(message);
  return asked;
}

StatusOr<AuthorityRevocation> FromProto(const v1::RevokeAuthorityRequest& message) {
  AuthorityRevocation asked;
  asked.request_id = message.request_id();
  ASSIGN_OR_RETURN(asked.reason, FromProto(message.reason()));
  asked.invalidity = InvalidityOf(message);
  ASSIGN_OR_RETURN(asked.version, ParseEtag(message.etag(), "etag"));
  asked.validate_only = message.validate_only();
  switch (message.below()) {
    case v1::RevokeAuthorityRequest::BELOW_UNSPECIFIED:
    case v1::RevokeAuthorityRequest::NOTHING: asked.below = AuthorityRevocation::Below::kNothing; return asked;
    case v1::RevokeAuthorityRequest::AUTHORITIES: asked.below = AuthorityRevocation::Below::kAuthorities; return asked;
    case v1::RevokeAuthorityRequest::CERTIFICATES:
      asked.below = AuthorityRevocation::Below::kCertificates;
      return asked;
    default: return FieldError(reason::kRequestInvalid, "below", "must be NOTHING, AUTHORITIES or CERTIFICATES");
  }
}

StatusOr<std::string> ParseRevocationName(const std::string& name) {
  return ParseResourceName("revocations/", name, "name", "revocations/{revocation}");
}

v1::MassRevocation ToProto(const MassRevocationRecord& record) {
  v1::MassRevocation message;
  message.set_name("revocations/" + record.revocation);
  switch (record.state) {
    case MassRevocationState::kRunning: message.set_state(v1::MassRevocation::RUNNING); break;
    case MassRevocationState::kDone: message.set_state(v1::MassRevocation::DONE); break;
    case MassRevocationState::kStopped: message.set_state(v1::MassRevocation::STOPPED); break;
  }
  if (!record.filter.authority.empty()) message.set_parent(AuthorityNameOf(record.filter.authority));
  message.set_filter(FilterText(record.filter));
  message.set_reason(ToProto(record.reason));
  if (record.invalidity.has_value()) *message.mutable_invalidity_time() = ToTimestamp(*record.invalidity);
  message.set_caller(record.caller);
  message.set_request_id(record.request_id);
  *message.mutable_create_time() = ToTimestamp(record.created);
  if (record.finished.has_value()) *message.mutable_finish_time() = ToTimestamp(*record.finished);
  message.set_stopped_by(record.stopped_by);
  message.set_certificates(record.total);
  message.set_seen(record.seen);
  message.set_changed(record.changed);
  return message;
}

v1::RevokeCertificatesResponse::Preview ToProto(const MassRevocationPreview& preview) {
  v1::RevokeCertificatesResponse::Preview message;
  message.set_certificates(preview.total);
  message.set_changes(preview.changes);
  for (const CertificateCount& count : preview.counts) {
    auto* one = message.add_counts();
    one->set_authority(AuthorityNameOf(count.authority));
    one->set_profile(count.profile);
    one->set_lot(count.lot);
    one->set_revoked(count.reason.has_value());
    if (count.reason.has_value()) one->set_reason(ToProto(*count.reason));
    one->set_expired(count.expired);
    one->set_certificates(count.certificates);
  }
  for (const CertificateRecord& record : preview.sample) *message.add_sample() = ToProto(record);
  for (const auto& [authority, octets] : preview.crl_growth) {
    (*message.mutable_crl_growth())[AuthorityNameOf(authority)] = octets;
  }
  message.set_registration_ids(preview.registration_ids);
  message.set_ledger_size(preview.leaf_end);
  return message;
}

v1::ImportedCrl ToProto(const ImportedCrlRecord& record) {
  v1::ImportedCrl message;
  message.set_name("importedCrls/" + record.name);
  message.set_issuer(record.issuer_name);
  message.set_number(record.number);
  *message.mutable_this_update() = ToTimestamp(record.this_update);
  *message.mutable_next_update() = ToTimestamp(record.next_update);
  message.set_crl(ToString(record.crl));
  *message.mutable_import_time() = ToTimestamp(record.imported);
  message.set_caller(record.imported_by);
  return message;
}

v1::RevocationStatus ToProto(const Freshness& freshness) {
  v1::RevocationStatus message;
  *message.mutable_time() = ToTimestamp(freshness.time);
  for (const ListFreshness& list : freshness.lists) {
    auto* one = message.add_lists();
    one->set_parent(list.imported ? "importedCrls/" + list.name : AuthorityNameOf(list.name));
    one->set_shard(list.scope.shard);
    one->set_delta(list.scope.delta);
    one->set_number(list.number);
    if (list.number != 0) {
      *one->mutable_this_update() = ToTimestamp(list.this_update);
      *one->mutable_next_update() = ToTimestamp(list.next_update);
    }
    one->set_waiting(list.waiting);
  }
  for (const ResponderFreshness& responder : freshness.responders) {
    auto* one = message.add_responders();
    one->set_parent(AuthorityNameOf(responder.authority));
    *one->mutable_expire_time() = ToTimestamp(responder.not_after);
    one->mutable_validity()->set_seconds(absl::ToInt64Seconds(responder.validity));
  }
  for (const MassRevocationRecord& record : freshness.running) *message.add_running() = ToProto(record);
  for (const std::string& warning : freshness.warnings) message.add_warnings(warning);
  message.set_cached_responses(static_cast<int64_t>(freshness.cached_responses));
  return message;
}

v1::RevokeAuthorityResponse ToProto(const RevokedAuthorities& revoked, const std::string& base_url) {
  v1::RevokeAuthorityResponse message;
  for (const AuthorityRecord& record : revoked.authorities) *message.add_authorities() = ToProto(record, base_url);
  for (const MassRevocationRecord& record : revoked.revocations) {
    message.add_revocations("revocations/" + record.revocation);
  }
  for (const std::string& authority : revoked.elsewhere) message.add_elsewhere(AuthorityNameOf(authority));
  return message;
}

}  // namespace hallmark
