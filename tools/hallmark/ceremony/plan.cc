#include "tools/hallmark/ceremony/plan.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/entries.h"
#include "ca/names.h"
#include "hsm/key_uri.h"

namespace hallmark::ceremony {
namespace {

constexpr char kAtRun[] = "when the ceremony is run";

std::string DurationText(Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  constexpr int64_t kDay = 86400;
  return seconds % kDay == 0 ? fmt::format("{} days", seconds / kDay) : fmt::format("{} s", seconds);
}

std::string NameText(ByteView name) {
  const StatusOr<Subject> subject = ReadName(name);
  return subject.ok() ? ToRfc4514(*subject) : fmt::format("unreadable: {}", Hex(name));
}

Json Usages(const std::vector<KeyUsage>& usages) {
  Json names = Json::array();
  for (const KeyUsage usage : usages) names.push_back(Name(usage));
  return names;
}

std::string KeyHash(const PublicKey& key) { return Hex(Sha256(key.spki())); }

Json DescribeAuthority(const AuthorityCertificate& certificate) {
  return {{"subject", NameText(certificate.subject)},
          {"issuer", NameText(certificate.issuer)},
          {"serial", Hex(certificate.serial)},
          {"not_before", Rfc3339(certificate.not_before)},
          {"not_after", Rfc3339(certificate.not_after)},
          {"public_key", fmt::format("{}, SHA-256 {}", Name(certificate.key.type()), KeyHash(certificate.key))}};
}

Json DescribeKeys(const Ceremony& ceremony, const Material& material) {
  Json keys = Json::object();
  if (ceremony.key.has_value()) {
    keys["key"] = {{"what", "is generated on the token"},
                   {"label", ceremony.key->label},
                   {"type", Name(ceremony.key->type)},
                   {"algorithm", Name(ceremony.key->algorithm)},
                   {"attributes",
                    "CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL and "
                    "CKA_SIGN true; CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP and CKA_DERIVE false"}};
  }
  if (ceremony.signing_key.has_value()) {
    const SigningKeyName& key = *ceremony.signing_key;
    keys["signing_key"] = {{"what", "is on the token and signs"},
                           {key.label.empty() ? "uri" : "label", key.label.empty() ? key.uri : key.label},
                           {"type", Name(material.issuer->key.type())},
                           {"algorithm", Name(SigningAlgorithm(ceremony, material))},
                           {"certified_as", NameText(material.issuer->subject)},
                           {"public_key_sha256", KeyHash(material.issuer->key)}};
  }
  return keys;
}

Json Validity(const Ceremony& ceremony, const Material& material, const std::string& output) {
  if (output == "new_with_old") return "that of the new root, but no longer than the old one's";
  if (output == "old_with_new") {
    return fmt::format("{} to {}, that of the old root", Rfc3339(material.certificate->not_before),
                       Rfc3339(material.certificate->not_after));
  }
  const CertificateWish& wish = *ceremony.certificate;
  const Duration lifetime = wish.lifetime.value_or(material.profile->lifetime);
  return fmt::format("for {} from {}", DurationText(lifetime),
                     wish.not_before.has_value() ? Rfc3339(*wish.not_before) : kAtRun);
}

std::string SubjectText(const Ceremony& ceremony, const Material& material) {
  if (material.csr.has_value()) return ToRfc4514(material.csr->facts.subject);
  if (material.certificate.has_value()) return NameText(material.certificate->subject);
  return ToRfc4514(ceremony.certificate->subject);
}

std::string SubjectKeyText(const Material& material, const std::string& output) {
  if (output == "old_with_new") return "the old key, SHA-256 " + KeyHash(material.certificate->key);
  if (material.csr.has_value()) {
    return fmt::format("of the CSR, {}, SHA-256 {}", Name(material.csr->key.type()), KeyHash(material.csr->key));
  }
  if (material.certificate.has_value() && material.issuer.has_value() && output == "certificate" &&
      !Equal(material.certificate->der, material.issuer->der)) {
    return fmt::format("of the certificate, {}, SHA-256 {}", Name(material.certificate->key.type()),
                       KeyHash(material.certificate->key));
  }
  return "the new key";
}

Json DescribeList(const Ceremony& ceremony, const Material& material) {
  Json entries = Json::array();
  for (const RevokedCertificate& revoked : material.revoked) {
    entries.push_back(
        fmt::format("{} revoked on {}: {}", Hex(revoked.serial), Rfc3339(revoked.revoked), Name(revoked.reason)));
  }
  return {{"issuer", NameText(material.issuer->subject)},
          {"crl_number", std::to_string(ceremony.crl->number)},
          {"previous_crl_number", material.previous_number.has_value() ? std::to_string(*material.previous_number)
                                                                       : "none: this is the first list"},
          {"this_update", kAtRun},
          {"next_update", fmt::format("{} after this_update", DurationText(ceremony.crl->lifetime))},
          {"revoked_certificates", entries}};
}

Json DescribeCertificate(const Ceremony& ceremony, const Material& material, const Step& step) {
  const Profile& profile = *material.profile;
  const bool self_signed = profile.subject_is_issuer;
  const std::string subject = SubjectText(ceremony, material);
  Json json = {{"subject", subject},
               {"issuer", self_signed ? subject : NameText(material.issuer->subject)},
               {"subject_public_key", SubjectKeyText(material, step.output)},
               {"validity", Validity(ceremony, material, step.output)},
               {"serial", "16 random octets"},
               {"profile", profile.name},
               {"basic_constraints", profile.path_length.has_value()
                                         ? fmt::format("CA:TRUE, pathLenConstraint {}", *profile.path_length)
                                         : "CA:TRUE, no pathLenConstraint"},
               {"key_usage", Usages(profile.key_usage)}};
  if (!profile.extended_key_usage.empty()) json["extended_key_usage"] = profile.extended_key_usage;
  if (profile.crl_distribution_points) json["crl_url"] = ceremony.certificate->crl_url;
  if (profile.authority_info_access) json["aia_url"] = ceremony.certificate->aia_url;
  if (profile.ocsp) json["ocsp_url"] = ceremony.certificate->ocsp_url;
  return json;
}

Json DescribeStep(const Ceremony& ceremony, const Material& material, const Step& step) {
  Json json;
  switch (step.kind) {
    case Kind::kCertificate: json = DescribeCertificate(ceremony, material, step); break;
    case Kind::kCsr:
      json = {{"subject", SubjectText(ceremony, material)},
              {"subject_public_key", "the new key"},
              {"for_profile", material.profile->name}};
      break;
    case Kind::kCrl: json = DescribeList(ceremony, material); break;
  }
  json["kind"] = Name(step.kind);
  json["output"] = step.output;
  json["signed_with"] = Name(step.signatory);
  json["written_to"] = ceremony.outputs.at(step.output);
  return json;
}

Json DescribeInputs(const Inputs& inputs, const Material& material) {
  Json described = Json::object();
  for (const auto& [name, input] : inputs) {
    const bool hashed = name == kPreviousTranscript;
    described[name] = {{"file", input.file}, {"sha256", hashed ? input.content : Hex(Sha256(AsBytes(input.content)))}};
  }
  if (described.contains("issuer_certificate")) {
    described["issuer_certificate"]["says"] = DescribeAuthority(*material.issuer);
  }
  if (described.contains("certificate")) described["certificate"]["says"] = DescribeAuthority(*material.certificate);
  return described;
}

// The token without pin-source: where a PIN lies is nobody's to approve and differs between machines.
StatusOr<std::string> TokenText(const std::string& text) {
  ASSIGN_OR_RETURN(KeyUri uri, KeyUri::Parse(text));
  uri.pin_source.clear();
  return uri.ToString();
}

StatusOr<Json> SummarizeCertificate(ByteView der) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(der));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  Json json = {{"subject", NameText(parts.subject)},    {"issuer", NameText(parts.issuer)},
               {"serial", Hex(parts.serial)},           {"not_before", Rfc3339(parts.not_before)},
               {"not_after", Rfc3339(parts.not_after)}, {"public_key", Name(key.type())},
               {"public_key_sha256", KeyHash(key)},     {"tbs_sha256", Hex(Sha256(parts.tbs))}};
  if (const Extension* extension = FindExtension(parts.extensions, oid::kBasicConstraints)) {
    ASSIGN_OR_RETURN(const BasicConstraintsValue value, ReadBasicConstraints(extension->value));
    json["ca"] = value.ca;
    if (value.path_length.has_value()) json["path_length"] = *value.path_length;
  }
  if (const Extension* extension = FindExtension(parts.extensions, oid::kKeyUsage)) {
    ASSIGN_OR_RETURN(const std::vector<KeyUsage> usages, ReadKeyUsage(extension->value));
    json["key_usage"] = Usages(usages);
  }
  return json;
}

}  // namespace

StatusOr<std::string> Canonical(const Json& json) {
  try {
    return json.dump(-1, ' ', false, Json::error_handler_t::strict) + "\n";
  } catch (const Json::exception& exception) {
    return Error(Code::kInternal, reason::kInternal,
                 fmt::format("a ceremony's document cannot be written as JSON: {}; report this", exception.what()));
  }
}

StatusOr<Json> MakePlan(const Ceremony& ceremony, const Inputs& inputs, const Material& material) {
  Json participants = Json::array();
  for (const Participant& participant : ceremony.participants) {
    Json json = {{"name", participant.name}, {"role", participant.role}, {"approves", participant.approve}};
    if (const auto certificate = material.participants.find(participant.name);
        certificate != material.participants.end()) {
      json["signs_with"] = "certificate of SHA-256 " + Hex(Sha256(certificate->second));
    }
    participants.push_back(std::move(json));
  }
  Json steps = Json::array();
  for (const Step& step : StepsOf(ceremony)) steps.push_back(DescribeStep(ceremony, material, step));
  ASSIGN_OR_RETURN(const std::string token, TokenText(ceremony.hsm.token));
  return Json{{"ceremony", Name(ceremony.type)},
              {"file_sha256", Hex(Sha256(AsBytes(ceremony.text)))},
              {"hsm", {{"module", ceremony.hsm.module}, {"token", token}}},
              {"inputs", DescribeInputs(inputs, material)},
              {"keys", DescribeKeys(ceremony, material)},
              {"participants", participants},
              {"signs", steps},
              {"title", ceremony.title},
              {"transcript", ceremony.transcript},
              {"version", 1}};
}

StatusOr<PlanCode> CodeOf(const Json& plan) {
  ASSIGN_OR_RETURN(const std::string canonical, Canonical(plan));
  PlanCode code{Hex(Sha256(AsBytes(canonical))), ""};
  constexpr size_t kDigits = 16;
  constexpr size_t kGroup = 4;
  for (size_t i = 0; i < kDigits; i += kGroup) code.code += (i == 0 ? "" : "-") + code.full.substr(i, kGroup);
  return code;
}

StatusOr<Json> Summarize(Kind kind, ByteView der) {
  if (kind == Kind::kCertificate) return SummarizeCertificate(der);
  if (kind == Kind::kCsr) {
    ASSIGN_OR_RETURN(const Csr csr, ReadCsr(der));
    return Json{{"subject", ToRfc4514(csr.facts.subject)},
                {"public_key", Name(csr.key.type())},
                {"public_key_sha256", KeyHash(csr.key)}};
  }
  ASSIGN_OR_RETURN(const CrlParts parts, ReadCrl(der));
  return Json{{"issuer", NameText(parts.issuer)},
              {"this_update", Rfc3339(parts.this_update)},
              {"next_update", Rfc3339(parts.next_update)},
              {"tbs_sha256", Hex(Sha256(parts.tbs))}};
}

std::string RenderText(const Json& json, int indent) {
  const std::string margin(static_cast<size_t>(indent), ' ');
  std::string text;
  const auto value = [](const Json& scalar) { return scalar.is_string() ? scalar.get<std::string>() : scalar.dump(); };
  const auto add = [&](const std::string& label, const Json& member) {
    if (!member.is_structured()) {
      text += fmt::format("{}{} {}\n", margin, label, value(member));
    } else if (!member.empty()) {
      text += fmt::format("{}{}\n{}", margin, label, RenderText(member, indent + 2));
    }
  };
  if (json.is_object()) {
    for (const auto& [name, member] : json.items()) add(name + ":", member);
  } else if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i) add(fmt::format("{}.", i + 1), json[i]);
  } else {
    text = margin + value(json) + "\n";
  }
  return text;
}

}  // namespace hallmark::ceremony
