// Authorities between the contract's messages and the house's values.
#include <fmt/format.h>

#include <charconv>

#include "base/reason.h"
#include "ca/names.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

constexpr int kMaxAttributes = 16;

std::string ResourceName(const std::string& authority) { return authority.empty() ? "" : "authorities/" + authority; }

std::string SubjectText(ByteView name) {
  const StatusOr<Subject> subject = ReadName(name);
  return subject.ok() ? ToRfc4514(*subject) : "";
}

void AddCertificate(const AuthorityRecord& record, v1::Authority& message) {
  const StatusOr<CertificateParts> parts = ReadCertificate(record.certificate);
  if (!parts.ok()) return;  // Issuers refuses such a record
  message.set_subject(SubjectText(parts->subject));
  message.set_certificate(ToString(record.certificate));
  message.set_sha256_fingerprint(Hex(Sha256(record.certificate)));
  *message.mutable_not_before() = ToTimestamp(parts->not_before);
  *message.mutable_not_after() = ToTimestamp(parts->not_after);
  const StatusOr<PublicKey> key = PublicKey::FromSpki(parts->spki);
  if (!key.ok()) return;
  message.set_key_type(Name(key->type()));
  if (message.signature_algorithm().empty()) message.set_signature_algorithm(Name(DefaultAlgorithm(key->type())));
}

template <class Value>
Status ReadOptional(const std::string& text, StatusOr<Value> (*parse)(const std::string&), const char* field,
                    std::optional<Value>& value) {
  if (text.empty()) return absl::OkStatus();
  const StatusOr<Value> parsed = parse(text);
  if (!parsed.ok()) return FieldError(reason::kRequestInvalid, field, Message(parsed.status()));
  value = *parsed;
  return absl::OkStatus();
}

std::vector<std::string> ToVector(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

StatusOr<Subject> ReadSubject(const v1::CreateAuthorityRequest& message) {
  if (message.subject_size() == 0 || message.subject_size() > kMaxAttributes) {
    return FieldError(reason::kRequestInvalid, "subject", fmt::format("must have 1 to {} attributes", kMaxAttributes));
  }
  Subject subject;
  for (const v1::Attribute& attribute : message.subject()) subject.push_back({attribute.type(), attribute.value()});
  return subject;
}

}  // namespace

v1::Authority ToProto(const AuthorityRecord& record, const std::string& base_url) {
  v1::Authority message;
  message.set_name(ResourceName(record.authority));
  message.set_parent(ResourceName(record.parent));
  message.set_state(static_cast<v1::Authority::State>(record.state));
  message.set_profile(record.profile);
  message.set_signature_algorithm(record.signature_algorithm);
  message.set_subject(SubjectText(record.subject));
  if (!record.certificate.empty()) AddCertificate(record, message);
  message.set_crl_url(CrlUrl(base_url, record.authority));
  message.set_aia_url(AiaUrl(base_url, record.authority));
  for (const std::string& uri : record.key_uris) message.add_key_uris(uri);
  if (!record.key_uris.empty()) message.set_key_uri(record.key_uris.front());
  message.set_successor(ResourceName(record.successor));
  message.set_predecessor(ResourceName(record.predecessor));
  for (const std::string& profile : record.profiles) message.add_profiles(profile);
  message.set_etag(std::to_string(record.version));
  *message.mutable_create_time() = ToTimestamp(record.created);
  for (const Bytes& certificate : record.external_chain) message.add_external_chain(ToString(certificate));
  return message;
}

StatusOr<NewAuthority> FromProto(const v1::CreateAuthorityRequest& message) {
  NewAuthority asked;
  asked.request_id = message.request_id();
  asked.authority = message.authority_id();
  if (message.external() && !message.parent().empty())
    return FieldError(reason::kRequestInvalid, "parent", "must be empty when somebody else certifies the authority");
  if (!message.parent().empty()) {
    ASSIGN_OR_RETURN(asked.parent, ParseAuthorityName(message.parent(), "parent"));
  } else if (!message.external()) {
    asked.parent = asked.authority;
  }
  asked.profile = message.profile();
  if (asked.profile.empty()) asked.profile = asked.parent == asked.authority ? "root" : "issuing-authority";
  ASSIGN_OR_RETURN(asked.subject, ReadSubject(message));
  std::optional<KeyType> type;
  RETURN_IF_ERROR(ReadOptional(message.key_type(), ParseKeyType, "key_type", type));
  asked.key.type = type.value_or(KeyType::kEcP256);
  RETURN_IF_ERROR(
      ReadOptional(message.signature_algorithm(), ParseSignatureAlgorithm, "signature_algorithm", asked.key.algorithm));
  asked.key.token = message.token();
  asked.key.key_uris = ToVector(message.key_uris());
  if (message.has_lifetime()) {
    ASSIGN_OR_RETURN(asked.lifetime, FromProto(message.lifetime()));
  }
  if (message.state() != v1::Authority::STATE_UNSPECIFIED) asked.state = static_cast<AuthorityState>(message.state());
  asked.profiles = ToVector(message.profiles());
  asked.validate_only = message.validate_only();
  return asked;
}

StatusOr<Rollover> FromProto(const v1::RolloverAuthorityRequest& message) {
  Rollover rollover;
  rollover.request_id = message.request_id();
  rollover.successor = message.successor_id();
  rollover.token = message.token();
  RETURN_IF_ERROR(ReadOptional(message.key_type(), ParseKeyType, "key_type", rollover.key_type));
  RETURN_IF_ERROR(
      ReadOptional(message.signature_algorithm(), ParseSignatureAlgorithm, "signature_algorithm", rollover.algorithm));
  rollover.key_uris = ToVector(message.key_uris());
  if (message.has_lifetime()) {
    ASSIGN_OR_RETURN(rollover.lifetime, FromProto(message.lifetime()));
  }
  rollover.validate_only = message.validate_only();
  return rollover;
}

StatusOr<AuthorityChanges> FromProto(const v1::UpdateAuthorityRequest& message) {
  AuthorityChanges changes;
  for (const std::string& path : message.update_mask().paths()) {
    if (path == "key_uris") {
      changes.key_uris = ToVector(message.authority().key_uris());
    } else if (path == "profiles") {
      changes.profiles = ToVector(message.authority().profiles());
    } else {
      return FieldError(reason::kRequestInvalid, "update_mask", "may name key_uris and profiles, and nothing else");
    }
  }
  if (!changes.key_uris.has_value() && !changes.profiles.has_value())
    return FieldError(reason::kRequestInvalid, "update_mask", "is required; name key_uris, profiles, or both");
  return changes;
}

StatusOr<uint64_t> ParseEtag(const std::string& etag, const std::string& field) {
  uint64_t version = 0;
  if (etag.empty()) return version;
  const auto [end, error] = std::from_chars(etag.data(), etag.data() + etag.size(), version);
  if (error == std::errc() && end == etag.data() + etag.size() && version != 0) return version;
  return FieldError(reason::kRequestInvalid, field, "is none that an authority has; leave it out, or read it anew");
}

}  // namespace hallmark
