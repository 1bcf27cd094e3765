#include "grpc/convert.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "base/reason.h"
#include "ca/entries.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/convert_lot.h"

namespace hallmark {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kMessageLimit = 1024;
constexpr size_t kViolationLimit = 16;
constexpr size_t kDescriptionLimit = 256;
constexpr size_t kSerialLimit = 20;

// Cut at a character's boundary, and visibly.
std::string Clip(const std::string& text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return fmt::format("{}... ({} octets more)", text.substr(0, end), text.size() - end);
}

google::rpc::BadRequest ToBadRequest(const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest bad_request;
  for (size_t i = 0; i < violations.size() && i < kViolationLimit; ++i) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(violations[i].field);
    violation->set_description(Clip(violations[i].description, kDescriptionLimit));
  }
  if (violations.size() > kViolationLimit) {
    bad_request.add_field_violations()->set_description(
        fmt::format("{} further violations", violations.size() - kViolationLimit));
  }
  return bad_request;
}

// A resource's last segment: 1 to 63 of a-z 0-9 - (AIP-122).
bool IsIdentifier(std::string_view text) {
  constexpr size_t kLimit = 63;
  return !text.empty() && text.size() <= kLimit &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

}  // namespace

google::rpc::Status ToRpcStatus(const Status& status) {
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(Clip(Message(status), kMessageLimit));
  google::rpc::ErrorInfo info;
  info.set_reason(Reason(status).empty() ? reason::kInternal : Reason(status));
  info.set_domain("hallmark");
  rpc.add_details()->PackFrom(info);
  if (const auto violations = Fields(status); !violations.empty())
    rpc.add_details()->PackFrom(ToBadRequest(violations));
  if (const auto delay = RetryDelay(status); delay.has_value()) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(*delay));
    rpc.add_details()->PackFrom(retry);
  }
  if (const auto quota = Quota(status); quota.has_value()) {
    google::rpc::QuotaFailure failure;
    failure.add_violations()->set_subject(quota->subject);
    failure.mutable_violations(0)->set_description(quota->description);
    rpc.add_details()->PackFrom(failure);
  }
  if (const auto validation = status.GetPayload(kValidationType); validation.has_value()) {
    auto* detail = rpc.add_details();
    detail->set_type_url(kValidationType);
    detail->set_value(std::string(*validation));
  }
  return rpc;
}

grpc::Status ToGrpcStatus(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status rpc = ToRpcStatus(status);
  return {static_cast<grpc::StatusCode>(rpc.code()), rpc.message(), rpc.SerializeAsString()};
}

StatusOr<std::string> ParseResourceName(std::string_view prefix, const std::string& name, const std::string& field,
                                        const char* form) {
  if (name.starts_with(prefix) && IsIdentifier(std::string_view(name).substr(prefix.size()))) {
    return name.substr(prefix.size());
  }
  return FieldError(reason::kRequestInvalid, field, fmt::format("must be {}", form));
}

StatusOr<std::string> ParseAuthorityName(const std::string& name, const std::string& field) {
  return ParseResourceName("authorities/", name, field, "authorities/{authority}, e.g. authorities/devices");
}

StatusOr<CertificateName> ParseCertificateName(const std::string& name) {
  constexpr std::string_view kMiddle = "/certificates/";
  const size_t middle = name.find(kMiddle);
  if (middle != name.npos) {
    const StatusOr<std::string> authority = ParseAuthorityName(name.substr(0, middle), "name");
    StatusOr<Bytes> serial = FromHex(std::string_view(name).substr(middle + kMiddle.size()));
    if (authority.ok() && serial.ok() && !serial->empty() && serial->size() <= kSerialLimit)
      return CertificateName{*authority, std::move(*serial)};
  }
  return FieldError(reason::kRequestInvalid, "name",
                    "must be authorities/{authority}/certificates/{serial}, the serial number in hexadecimal");
}

StatusOr<Duration> FromProto(const google::protobuf::Duration& lifetime) {
  if (lifetime.nanos() != 0) return FieldError(reason::kRequestInvalid, "lifetime", "must be whole seconds");
  return absl::Seconds(lifetime.seconds());
}

google::protobuf::Timestamp ToTimestamp(Time time) { return TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(time)); }

StatusOr<Request> FromProto(const v1::IssueCertificateRequest& message) {
  Request request;
  request.request_id = message.request_id();
  ASSIGN_OR_RETURN(request.authority, ParseAuthorityName(message.parent(), "parent"));
  if (!IsIdentifier(message.profile()))
    return FieldError(reason::kRequestInvalid, "profile", "must be the name of a profile, e.g. device");
  request.profile = message.profile();
  request.csr = ToBytes(AsBytes(message.csr()));
  request.validate_only = message.validate_only();
  if (!message.lot().empty()) {
    ASSIGN_OR_RETURN(request.lot, ParseLotName(message.lot(), "lot"));
  }
  request.device_serial = message.device_serial();
  request.endorsement_key = ToBytes(AsBytes(message.endorsement_key()));
  request.reissue_reason = message.reissue_reason();
  if (message.has_lifetime()) {
    ASSIGN_OR_RETURN(request.lifetime, FromProto(message.lifetime()));
  }
  return request;
}

StatusOr<RevocationReason> FromProto(v1::RevocationReason reason) {
  if (reason == v1::REVOCATION_REASON_UNSET || !v1::RevocationReason_IsValid(reason)) {
    return FieldError(reason::kRequestInvalid, "reason", "is required; UNSPECIFIED is one");
  }
  return static_cast<RevocationReason>(static_cast<int>(reason) - 1);
}

v1::RevocationReason ToProto(RevocationReason reason) {
  return static_cast<v1::RevocationReason>(static_cast<int>(reason) + 1);
}

v1::Certificate ToProto(const CertificateRecord& record) {
  v1::Certificate message;
  message.set_serial(Hex(record.serial));
  message.set_name(fmt::format("authorities/{}/certificates/{}", record.authority, message.serial()));
  message.set_certificate(ToString(record.certificate));
  message.set_sha256_fingerprint(Hex(Sha256(record.certificate)));
  message.set_profile(record.profile);
  message.set_profile_version(record.profile_version);
  message.set_subject(record.subject);
  *message.mutable_not_before() = ToTimestamp(record.not_before);
  *message.mutable_not_after() = ToTimestamp(record.not_after);
  if (record.issued != Time()) *message.mutable_issue_time() = ToTimestamp(record.issued);
  message.set_spki_sha256(Hex(record.spki));
  message.set_caller(record.caller);
  message.set_request_id(record.request_id);
  message.set_leaf_index(record.leaf_index);
  if (record.device.has_value()) {
    message.set_device(fmt::format("lots/{}/devices/{}", record.device->lot, record.device->serial));
  }
  message.set_crl_shard(record.crl_shard);
  if (record.revocation.has_value()) {
    auto* details = message.mutable_revocation_details();
    *details->mutable_revoke_time() = ToTimestamp(record.revocation->revoked);
    details->set_reason(ToProto(record.revocation->reason));
    details->set_caller(record.revocation->revoked_by);
    if (record.revocation->invalidity.has_value())
      *details->mutable_invalidity_time() = ToTimestamp(*record.revocation->invalidity);
  }
  return message;
}

v1::Certificate ToProto(const Issued& issued) {
  v1::Certificate message = ToProto(issued.record);
  message.set_device_bundle(issued.device_bundle);
  for (const Bytes& certificate : issued.issuer->chain()) message.add_chain(ToString(certificate));
  // One that was made elsewhere may be beyond us.
  const StatusOr<Description> description = Describe(issued.record.certificate);
  if (description.ok()) *message.mutable_description() = ToProto(*description);
  return message;
}

v1::Crl ToProto(const CrlRecord& crl) {
  v1::Crl message;
  message.set_crl(ToString(crl.crl));
  message.set_number(crl.number);
  *message.mutable_this_update() = ToTimestamp(crl.this_update);
  *message.mutable_next_update() = ToTimestamp(crl.next_update);
  message.set_shard(crl.shard);
  message.set_base_number(crl.base.value_or(0));
  message.set_size_bytes(static_cast<int64_t>(crl.crl.size()));
  return message;
}

}  // namespace hallmark
