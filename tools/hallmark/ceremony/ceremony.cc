#include "tools/hallmark/ceremony/ceremony.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "ca/entries.h"
#include "tools/instance.h"

namespace hallmark::ceremony {
namespace {

constexpr size_t kFileLimit = size_t{256} << 10;
constexpr size_t kTextLimit = 256;
constexpr size_t kParticipantLimit = 20;
constexpr size_t kEntryLimit = 1000;

bool Clean(std::string_view text, std::string_view allowed_controls) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x20 && octet != 0x7f) || allowed_controls.find(c) != allowed_controls.npos;
  });
}

std::string Text(yaml::Mapping& mapping, const std::string& field) {
  std::string text = mapping.Required<std::string>(field);
  if (text.empty() || text.size() > kTextLimit || !Clean(text, "")) {
    mapping.Fail(field, fmt::format("must have 1 to {} octets and no control character", kTextLimit));
  }
  return text;
}

std::string OptionalText(yaml::Mapping& mapping, const std::string& field) {
  return mapping.Has(field) ? Text(mapping, field) : "";
}

Time TimeField(yaml::Mapping& mapping, const std::string& field) {
  Time time;
  const std::string text = mapping.Required<std::string>(field);
  if (absl::ParseTime("%Y-%m-%dT%H:%M:%SZ", text, &time, nullptr)) return time;
  mapping.Fail(field, fmt::format("'{}' is not an instant in UTC like 2026-11-24T10:00:00Z", text));
  return time;
}

std::string Url(yaml::Mapping& mapping, const std::string& field) {
  std::string url = OptionalText(mapping, field);
  const bool ascii = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!url.empty() && (!url.starts_with("http://") || !ascii)) {
    mapping.Fail(field, "must begin with http:// (RFC 5280 8: never https) and have printable ASCII only");
  }
  return url;
}

Status ReadParticipant(yaml::Mapping& mapping, Ceremony& ceremony) {
  Participant participant;
  participant.name = Text(mapping, "name");
  participant.role = Text(mapping, "role");
  participant.approve = mapping.Optional<bool>("approve", false);
  participant.certificate = OptionalText(mapping, "certificate");
  if (participant.name.find('=') != std::string::npos) mapping.Fail("name", "must not have a '='");
  for (const Participant& other : ceremony.participants) {
    if (other.name == participant.name) mapping.Fail("name", fmt::format("'{}' stands twice", participant.name));
  }
  ceremony.participants.push_back(std::move(participant));
  if (ceremony.participants.size() > kParticipantLimit) {
    mapping.Fail("", fmt::format("more than {} participants", kParticipantLimit));
  }
  return mapping.Finish();
}

Status ReadHsm(yaml::Mapping& mapping, Hsm& hsm) {
  hsm.module = Text(mapping, "module");
  hsm.token = Text(mapping, "token");
  mapping.Nested("environment", [&](yaml::Mapping& environment) {
    for (const std::string& name : environment.Keys()) hsm.environment[name] = Text(environment, name);
    return environment.Finish();
  });
  return mapping.Finish();
}

SignatureAlgorithm Algorithm(yaml::Mapping& mapping) {
  const StatusOr<SignatureAlgorithm> algorithm = ParseSignatureAlgorithm(mapping.Required<std::string>("algorithm"));
  mapping.Check(algorithm.status(), "algorithm");
  return algorithm.value_or(SignatureAlgorithm::kEcdsaSha256);
}

Status ReadNewKey(yaml::Mapping& mapping, NewKey& key) {
  key.label = Text(mapping, "label");
  const StatusOr<KeyType> type = ParseKeyType(mapping.Required<std::string>("type"));
  mapping.Check(type.status(), "type");
  key.type = type.value_or(KeyType::kEcP256);
  key.algorithm = mapping.Has("algorithm") ? Algorithm(mapping) : DefaultAlgorithm(key.type);
  const bool ec_key = key.type == KeyType::kEcP256 || key.type == KeyType::kEcP384;
  if (ec_key != std::string_view(Name(key.algorithm)).starts_with("ecdsa")) {
    mapping.Fail("algorithm", fmt::format("{} does not fit a key of type {}", Name(key.algorithm), Name(key.type)));
  }
  return mapping.Finish();
}

Status ReadSigningKey(yaml::Mapping& mapping, SigningKeyName& key) {
  key.label = OptionalText(mapping, "label");
  key.uri = OptionalText(mapping, "uri");
  if (key.label.empty() == key.uri.empty()) mapping.Fail("label", "give either label or uri");
  if (mapping.Has("algorithm")) key.algorithm = Algorithm(mapping);
  return mapping.Finish();
}

Status ReadCertificateWish(yaml::Mapping& mapping, bool names_itself, bool is_signed, CertificateWish& wish) {
  wish.profile = Text(mapping, "profile");
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (wish.profile.find_first_not_of(kAllowed) != std::string::npos) mapping.Fail("profile", "must be of a-z 0-9 -");
  wish.policies = OptionalText(mapping, "policies");
  if (names_itself) {
    mapping.Each("subject", [&](yaml::Mapping& attribute) {
      wish.subject.push_back({Text(attribute, "type"), Text(attribute, "value")});
      return attribute.Finish();
    });
    if (wish.subject.empty()) mapping.Fail("subject", "is required: a list of {type: O, value: Example}");
  }
  if (is_signed) {
    if (mapping.Has("not_before")) wish.not_before = TimeField(mapping, "not_before");
    if (mapping.Has("lifetime")) wish.lifetime = mapping.Required<Duration>("lifetime");
    wish.crl_url = Url(mapping, "crl_url");
    wish.aia_url = Url(mapping, "aia_url");
    wish.ocsp_url = Url(mapping, "ocsp_url");
  }
  return mapping.Finish();
}

Status ReadCrlEntry(yaml::Mapping& mapping, CrlWish& crl) {
  CrlEntryWish entry;
  entry.certificate = OptionalText(mapping, "certificate");
  if (entry.certificate.empty() == !mapping.Has("serial")) mapping.Fail("serial", "give either certificate or serial");
  if (mapping.Has("serial")) {
    const StatusOr<Bytes> serial = FromHex(mapping.Required<std::string>("serial"));
    mapping.Check(serial.status(), "serial");
    entry.serial = serial.value_or(Bytes());
    if (entry.serial.empty() || entry.serial.size() > 20 || entry.serial[0] >= 0x80) {
      mapping.Fail("serial", "must be a positive number of 1 to 20 octets in hexadecimal (RFC 5280 4.1.2.2)");
    }
  }
  entry.revoked = TimeField(mapping, "date");
  const StatusOr<RevocationReason> reason = ParseRevocationReason(mapping.Required<std::string>("reason"));
  mapping.Check(reason.status(), "reason");
  entry.reason = reason.value_or(RevocationReason::kUnspecified);
  if (entry.reason == RevocationReason::kCertificateHold || entry.reason == RevocationReason::kRemoveFromCrl) {
    mapping.Fail("reason",
                 "an authority is revoked for ever; certificateHold and removeFromCRL are not for a root's CRL");
  }
  crl.entries.push_back(std::move(entry));
  if (crl.entries.size() > kEntryLimit) mapping.Fail("", fmt::format("more than {} entries", kEntryLimit));
  return mapping.Finish();
}

Status ReadCrlWish(yaml::Mapping& mapping, CrlWish& crl) {
  const int64_t number = mapping.Required<int64_t>("number");
  if (number < 1) mapping.Fail("number", "must be at least 1");
  crl.number = static_cast<uint64_t>(number);
  crl.lifetime = mapping.Required<Duration>("lifetime");
  if (crl.lifetime < absl::Hours(1)) mapping.Fail("lifetime", "must be at least 1h");
  mapping.Each("entries", [&](yaml::Mapping& entry) { return ReadCrlEntry(entry, crl); });
  return mapping.Finish();
}

// The fields that may stand under inputs: and must stand under outputs:, by the type.
struct Files {
  std::vector<const char*> inputs;
  std::vector<const char*> optional_inputs;
  std::vector<const char*> outputs;
};
Files FilesOf(const Ceremony& ceremony) {
  switch (ceremony.type) {
    case Type::kRoot: return {{}, {}, {"certificate"}};
    case Type::kIntermediate: return {{}, {}, {"csr"}};
    case Type::kSignIntermediate: return {{"issuer_certificate", "csr"}, {}, {"certificate"}};
    case Type::kCrossSign: return {{"issuer_certificate", "certificate"}, {}, {"certificate"}};
    case Type::kRootCrl: return {{"issuer_certificate"}, {"previous_crl"}, {"crl"}};
    case Type::kRotateKey:
      if (!ceremony.rotates_root()) return {{"certificate"}, {}, {"csr"}};
      return {{"certificate"}, {}, {"certificate", "new_with_old", "old_with_new"}};
  }
  return {};
}

void ReadFiles(yaml::Mapping& top, Ceremony& ceremony) {
  const Files files = FilesOf(ceremony);
  if (!files.inputs.empty()) {
    if (!top.Has("inputs")) top.Fail("inputs", "is required");
    top.Nested("inputs", [&](yaml::Mapping& inputs) {
      for (const char* name : files.inputs) ceremony.inputs[name] = Text(inputs, name);
      for (const char* name : files.optional_inputs) {
        if (inputs.Has(name)) ceremony.inputs[name] = Text(inputs, name);
      }
      return inputs.Finish();
    });
  }
  if (!top.Has("outputs")) top.Fail("outputs", "is required");
  top.Nested("outputs", [&](yaml::Mapping& outputs) {
    ceremony.transcript = Text(outputs, "transcript");
    std::set<std::filesystem::path> paths = {ceremony.Resolve(ceremony.transcript)};
    for (const char* name : files.outputs) {
      ceremony.outputs[name] = Text(outputs, name);
      if (!paths.insert(ceremony.Resolve(ceremony.outputs[name])).second) outputs.Fail(name, "is written twice");
    }
    return outputs.Finish();
  });
}

void ReadKeys(yaml::Mapping& top, Ceremony& ceremony) {
  const bool generates =
      ceremony.type == Type::kRoot || ceremony.type == Type::kIntermediate || ceremony.type == Type::kRotateKey;
  if (generates) {
    if (!top.Has("key")) top.Fail("key", "is required");
    ceremony.key.emplace();
    top.Nested("key", [&](yaml::Mapping& key) { return ReadNewKey(key, *ceremony.key); });
  }
  if (generates && ceremony.type != Type::kRotateKey) return;
  if (!generates && !top.Has("signing_key")) top.Fail("signing_key", "is required");
  if (!top.Has("signing_key")) return;
  ceremony.signing_key.emplace();
  top.Nested("signing_key", [&](yaml::Mapping& key) { return ReadSigningKey(key, *ceremony.signing_key); });
}

void ReadContent(yaml::Mapping& top, Ceremony& ceremony) {
  if (ceremony.type == Type::kRootCrl) {
    if (!top.Has("crl")) top.Fail("crl", "is required");
    ceremony.crl.emplace();
    top.Nested("crl", [&](yaml::Mapping& crl) { return ReadCrlWish(crl, *ceremony.crl); });
    if (ceremony.crl->number > 1 && !ceremony.inputs.contains("previous_crl")) {
      top.Fail("inputs", "previous_crl is required for every list but number 1, so that nothing is lost from it");
    }
    return;
  }
  const bool csr_only = ceremony.outputs.contains("csr");
  if (!top.Has("certificate")) top.Fail("certificate", "is required");
  ceremony.certificate.emplace();
  top.Nested("certificate", [&](yaml::Mapping& certificate) {
    const bool names_itself = ceremony.type == Type::kRoot || ceremony.type == Type::kIntermediate;
    return ReadCertificateWish(certificate, names_itself, !csr_only, *ceremony.certificate);
  });
}

Status ReadTop(yaml::Mapping& top, Ceremony& ceremony) {
  const StatusOr<Type> type = ParseType(top.Required<std::string>("ceremony"));
  top.Check(type.status(), "ceremony");
  if (!type.ok()) return top.Finish();
  ceremony.type = *type;
  ceremony.title = Text(top, "title");
  top.Each("participants", [&](yaml::Mapping& participant) { return ReadParticipant(participant, ceremony); });
  const bool approved = std::any_of(ceremony.participants.begin(), ceremony.participants.end(),
                                    [](const Participant& participant) { return participant.approve; });
  if (!approved) top.Fail("participants", "at least one has to have approve: true");
  if (!top.Has("hsm")) top.Fail("hsm", "is required");
  top.Nested("hsm", [&](yaml::Mapping& hsm) { return ReadHsm(hsm, ceremony.hsm); });
  ReadKeys(top, ceremony);
  ReadFiles(top, ceremony);
  ReadContent(top, ceremony);
  ceremony.previous_transcript = OptionalText(top, "previous_transcript");
  return top.Finish();
}

Status CheckText(const std::string& file, const std::string& text) {
  bool utf8 = true;
  try {
    nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    utf8 = false;
  }
  if (utf8 && text.size() <= kFileLimit && Clean(text, "\n\t")) return absl::OkStatus();
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("{}:1: must be UTF-8 of at most {} octets with no control character but tab and line feed",
                           file, kFileLimit));
}

}  // namespace

std::filesystem::path Ceremony::Resolve(const std::string& path) const {
  return (std::filesystem::path(file).parent_path() / path).lexically_normal();
}

StatusOr<Ceremony> ParseCeremony(const std::string& file, const std::string& text) {
  RETURN_IF_ERROR(CheckText(file, text));
  Ceremony ceremony;
  ceremony.file = file;
  ceremony.text = text;
  RETURN_IF_ERROR(yaml::ParseMapping(file, text, [&](yaml::Mapping& top) { return ReadTop(top, ceremony); }));
  return ceremony;
}

StatusOr<Ceremony> ReadCeremony(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kFileLimit));
  return ParseCeremony(file.string(), text);
}

}  // namespace hallmark::ceremony
