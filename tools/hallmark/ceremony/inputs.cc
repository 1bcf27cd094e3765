#include "tools/hallmark/ceremony/inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/reason.h"
#include "ca/der.h"
#include "policies/load.h"
#include "policies/shipped.h"
#include "tools/instance.h"

namespace hallmark::ceremony {
namespace {

constexpr size_t kInputLimit = size_t{1} << 20;

Status Unfit(const std::string& what) { return Error(Code::kFailedPrecondition, reason::kRequestInvalid, what); }

StatusOr<Input> LoadProfileText(const Ceremony& ceremony) {
  const CertificateWish& wish = *ceremony.certificate;
  const std::string name = wish.profile + ".yaml";
  if (!wish.policies.empty()) {
    const std::string file = wish.policies + "/" + name;
    ASSIGN_OR_RETURN(std::string text, ReadFile(ceremony.Resolve(file), kInputLimit));
    return Input{file, std::move(text)};
  }
  for (const ShippedPolicy& policy : ShippedPolicies()) {
    if (policy.path == "profiles/" + name) return Input{"shipped: " + name, std::string(policy.text)};
  }
  return Error(Code::kInvalidArgument, reason::kProfileUnknown,
               fmt::format("no profile '{}' ships with Hallmark; name the directory that has it in "
                           "certificate.policies",
                           wish.profile));
}

Bytes WithoutLeadingZeros(ByteView serial) {
  const auto first = std::find_if(serial.begin(), serial.end(), [](uint8_t octet) { return octet != 0; });
  return Bytes(first, serial.end());
}

Status ReadRevoked(const Ceremony& ceremony, const Inputs& inputs, Material& material) {
  for (size_t i = 0; i < ceremony.crl->entries.size(); ++i) {
    const CrlEntryWish& wish = ceremony.crl->entries[i];
    RevokedCertificate revoked{WithoutLeadingZeros(wish.serial), wish.revoked, wish.reason};
    if (!wish.certificate.empty()) {
      const Input& input = inputs.at(fmt::format("crl.entries[{}]", i));
      ASSIGN_OR_RETURN(const Bytes der, InputDer(input, "CERTIFICATE"));
      if (!material.issuer->Issued(der)) {
        return Unfit(fmt::format("{} was not issued by the issuer of the list", input.file));
      }
      ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(der));
      revoked.serial = WithoutLeadingZeros(parts.serial);
    }
    material.revoked.push_back(std::move(revoked));
  }
  std::sort(material.revoked.begin(), material.revoked.end(), [](const auto& a, const auto& b) {
    return a.serial.size() != b.serial.size() ? a.serial.size() < b.serial.size() : a.serial < b.serial;
  });
  const auto twice = std::adjacent_find(material.revoked.begin(), material.revoked.end(),
                                        [](const auto& a, const auto& b) { return a.serial == b.serial; });
  if (twice == material.revoked.end()) return absl::OkStatus();
  return Unfit(fmt::format("the certificate {} stands twice in crl.entries", Hex(twice->serial)));
}

Status ReadPreviousCrl(const Ceremony& ceremony, const Inputs& inputs, Material& material) {
  const auto found = inputs.find("previous_crl");
  if (found == inputs.end()) return absl::OkStatus();
  const Input& input = found->second;
  ASSIGN_OR_RETURN(const Bytes der, InputDer(input, "X509 CRL"));
  const StatusOr<ListedCrl> previous = ReadListedCrl(der);
  if (!previous.ok()) return Unfit(fmt::format("{} is no CRL: {}", input.file, Message(previous.status())));
  if (!material.issuer->Issued(der)) {
    return Unfit(fmt::format("{} is not a list of the issuer in {}", input.file, inputs.at("issuer_certificate").file));
  }
  if (ceremony.crl->number <= previous->number) {
    return Unfit(fmt::format("crl.number is {}, but {} has number {} already; give a greater one (RFC 5280 5.2.3)",
                             ceremony.crl->number, input.file, previous->number));
  }
  for (const RevokedCertificate& listed : previous->revoked) {
    const bool kept = std::any_of(material.revoked.begin(), material.revoked.end(),
                                  [&](const RevokedCertificate& revoked) { return revoked.serial == listed.serial; });
    if (kept) continue;
    return Unfit(fmt::format("{} revokes the certificate {}, which crl.entries lacks; a revocation is for ever",
                             input.file, Hex(listed.serial)));
  }
  material.previous_number = previous->number;
  material.previous_this_update = previous->this_update;
  return absl::OkStatus();
}

StatusOr<AuthorityCertificate> ReadAuthority(const Input& input) {
  ASSIGN_OR_RETURN(const Bytes der, InputDer(input, "CERTIFICATE"));
  StatusOr<AuthorityCertificate> certificate = AuthorityCertificate::Read(der);
  if (!certificate.ok()) return Annotate(certificate.status(), input.file);
  return certificate;
}

Status ReadRotated(const Ceremony& ceremony, const Input& input, Material& material) {
  ASSIGN_OR_RETURN(material.certificate, ReadAuthority(input));
  RETURN_IF_ERROR(Annotate(CheckReissuable(*material.certificate, *material.profile), input.file));
  if (material.certificate->self_signed() != ceremony.rotates_root()) {
    return Unfit(fmt::format("{} is {}; {} signing_key", input.file,
                             ceremony.rotates_root() ? "no root, so that it needs a CSR" : "a root",
                             ceremony.rotates_root() ? "leave out" : "name the old key in"));
  }
  if (ceremony.rotates_root()) {
    ASSIGN_OR_RETURN(material.issuer, ReadAuthority(input));
  }
  return absl::OkStatus();
}

Status ReadParticipants(const Ceremony& ceremony, const Inputs& inputs, Material& material) {
  for (size_t i = 0; i < ceremony.participants.size(); ++i) {
    if (ceremony.participants[i].certificate.empty()) continue;
    const auto input = inputs.find(fmt::format("participants[{}]", i));
    if (input == inputs.end()) {
      return Unfit(fmt::format("the certificate of {} is missing", ceremony.participants[i].name));
    }
    ASSIGN_OR_RETURN(Bytes der, InputDer(input->second, "CERTIFICATE"));
    const StatusOr<CertificateParts> parts = ReadCertificate(der);
    const Status usable = parts.ok() ? PublicKey::FromSpki(parts->spki).status() : parts.status();
    if (!usable.ok()) {
      return Unfit(fmt::format("{} cannot be the certificate of {}: {}", input->second.file,
                               ceremony.participants[i].name, Message(usable)));
    }
    material.participants[ceremony.participants[i].name] = std::move(der);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<Inputs> LoadInputs(const Ceremony& ceremony) {
  Inputs inputs;
  const auto load = [&](const std::string& name, const std::string& file) -> Status {
    if (file.empty()) return absl::OkStatus();
    StatusOr<std::string> content = ReadFile(ceremony.Resolve(file), kInputLimit);
    RETURN_IF_ERROR(Annotate(content.status(), name));
    inputs[name] = {file, *std::move(content)};
    return absl::OkStatus();
  };
  for (const auto& [name, file] : ceremony.inputs) RETURN_IF_ERROR(load(name, file));
  for (size_t i = 0; i < ceremony.participants.size(); ++i) {
    RETURN_IF_ERROR(load(fmt::format("participants[{}]", i), ceremony.participants[i].certificate));
  }
  for (size_t i = 0; ceremony.crl.has_value() && i < ceremony.crl->entries.size(); ++i) {
    RETURN_IF_ERROR(load(fmt::format("crl.entries[{}]", i), ceremony.crl->entries[i].certificate));
  }
  if (!ceremony.previous_transcript.empty()) {
    ASSIGN_OR_RETURN(const std::string previous,
                     ReadFile(ceremony.Resolve(ceremony.previous_transcript), kTranscriptLimit));
    inputs[kPreviousTranscript] = {ceremony.previous_transcript, Hex(Sha256(AsBytes(previous)))};
  }
  if (ceremony.certificate.has_value()) {
    ASSIGN_OR_RETURN(inputs["profile"], LoadProfileText(ceremony));
  }
  return inputs;
}

StatusOr<Bytes> InputDer(const Input& input, std::string_view label) {
  const ByteView content = AsBytes(input.content);
  if (!content.empty() && content[0] == der::kSequence) return ToBytes(content);
  StatusOr<std::vector<Bytes>> blocks = PemDecode(label, input.content);
  if (blocks.ok() && blocks->size() == 1) return std::move(blocks->front());
  return Error(Code::kInvalidArgument, reason::kRequestInvalid,
               fmt::format("{} is neither DER nor exactly one PEM block {} with nothing around it", input.file, label));
}

StatusOr<Material> Examine(const Ceremony& ceremony, const Inputs& inputs) {
  Material material;
  const auto find = [&](const std::string& name) -> StatusOr<Input> {
    const auto found = inputs.find(name);
    if (found != inputs.end()) return found->second;
    return Unfit(fmt::format("the input {} is missing", name));
  };
  for (const auto& [name, file] : ceremony.inputs) RETURN_IF_ERROR(find(name).status());
  if (!ceremony.previous_transcript.empty()) RETURN_IF_ERROR(find(kPreviousTranscript).status());
  if (ceremony.certificate.has_value()) {
    ASSIGN_OR_RETURN(const Input input, find("profile"));
    ASSIGN_OR_RETURN(Profile profile, ParseProfile(ceremony.certificate->profile, input.file, input.content, ""));
    material.profile = std::make_shared<const Profile>(std::move(profile));
  }
  if (const auto input = inputs.find("issuer_certificate"); input != inputs.end()) {
    ASSIGN_OR_RETURN(material.issuer, ReadAuthority(input->second));
  }
  if (ceremony.type == Type::kRotateKey) {
    RETURN_IF_ERROR(ReadRotated(ceremony, inputs.at("certificate"), material));
  } else if (ceremony.type == Type::kCrossSign) {
    const Input& input = inputs.at("certificate");
    ASSIGN_OR_RETURN(material.certificate, ReadAuthority(input));
    RETURN_IF_ERROR(Annotate(CheckReissuable(*material.certificate, *material.profile), input.file));
  } else if (ceremony.type == Type::kSignIntermediate) {
    const Input& input = inputs.at("csr");
    StatusOr<Csr> csr = ReadCsr(AsBytes(input.content));
    if (!csr.ok()) return Annotate(csr.status(), input.file);
    material.csr = *std::move(csr);
  } else if (ceremony.type == Type::kRootCrl) {
    for (size_t i = 0; i < ceremony.crl->entries.size(); ++i) {
      if (ceremony.crl->entries[i].certificate.empty()) continue;
      RETURN_IF_ERROR(find(fmt::format("crl.entries[{}]", i)).status());
    }
    RETURN_IF_ERROR(ReadRevoked(ceremony, inputs, material));
    RETURN_IF_ERROR(ReadPreviousCrl(ceremony, inputs, material));
  }
  RETURN_IF_ERROR(ReadParticipants(ceremony, inputs, material));
  return material;
}

SignatureAlgorithm SigningAlgorithm(const Ceremony& ceremony, const Material& material) {
  return ceremony.signing_key->algorithm.value_or(DefaultAlgorithm(material.issuer->key.type()));
}

}  // namespace hallmark::ceremony
