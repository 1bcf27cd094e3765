#include "tools/hallmark/ceremony/verification.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/reason.h"
#include "ca/statement.h"

namespace hallmark::ceremony {
namespace {

Status Wrong(const std::string& what) { return Error(Code::kFailedPrecondition, reason::kTranscriptInvalid, what); }

StatusOr<PublicKey> KeyOfCertificate(ByteView der) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(der));
  return PublicKey::FromSpki(parts.spki);
}

class Verification {
 public:
  Verification(const Transcript& transcript, const VerifyOptions& options)
      : transcript_(transcript), options_(options) {}

  std::vector<Check> Run() {
    Add("form", absl::OkStatus(), "canonical, version 1; every hash in it is that of its content");
    Add("result", transcript_.failure.empty() ? absl::OkStatus() : Wrong("interrupted: " + transcript_.failure),
        "complete");
    const Status read = ReadCeremonyAgain();
    Add("ceremony", read, fmt::format("{}: {}", Name(ceremony_.type), ceremony_.title));
    if (!read.ok()) return std::move(checks_);
    Add("plan", CheckPlan(), "follows from the ceremony's file and inputs; code " + CodeText());
    Add("approvals", CheckApprovals(), fmt::format("{} by name", transcript_.approvals.size()));
    const Status keys = CheckKeys();
    Add("keys", keys, "generated on the token, never extractable, sign only");
    Add("outputs", keys.ok() ? CheckOutputs() : Wrong("cannot be checked without the keys"),
        "exactly what the plan asks for, linted again, signed with these keys");
    Add("signatures", keys.ok() ? CheckSignatures() : Wrong("cannot be checked without the keys"),
        fmt::format("{} of this transcript", transcript_.signatures.size()));
    if (!options_.trust.empty()) Add("trust", CheckTrust(), "each key is, or chains to, one that you trust");
    if (!options_.outputs.empty()) AddFiles();
    if (!options_.previous.empty()) Add("previous transcript", CheckPrevious(), "is the one that is named");
    return std::move(checks_);
  }

 private:
  void Add(const std::string& what, const Status& status, const std::string& detail) {
    checks_.push_back({what, status, status.ok() ? detail : ""});
  }

  Status ReadCeremonyAgain() {
    ASSIGN_OR_RETURN(ceremony_, ParseCeremony(transcript_.file, transcript_.text));
    ASSIGN_OR_RETURN(material_, Examine(ceremony_, transcript_.inputs));
    return absl::OkStatus();
  }

  std::string CodeText() const {
    const StatusOr<PlanCode> code = CodeOf(transcript_.plan);
    return code.ok() ? code->code : "";
  }

  Status CheckPlan() const {
    ASSIGN_OR_RETURN(const Json plan, MakePlan(ceremony_, transcript_.inputs, material_));
    if (plan == transcript_.plan) return absl::OkStatus();
    return Wrong(fmt::format("differs at {} from what the ceremony's file and inputs ask for{}",
                             Json::diff(transcript_.plan, plan).at(0).at("path").get<std::string>(), OtherVersion()));
  }

  // A later Hallmark may word a plan or compose a certificate otherwise.
  std::string OtherVersion() const {
    if (transcript_.tool_version == options_.tool_version) return "";
    return fmt::format("; it was made by hallmark {}, verify it with that before you conclude anything",
                       transcript_.tool_version);
  }

  Status CheckApprovals() const {
    std::vector<std::string> wanted;
    for (const Participant& participant : ceremony_.participants) {
      if (participant.approve) wanted.push_back(participant.name);
    }
    std::vector<std::string> given;
    for (const Approval& approval : transcript_.approvals) {
      if (approval.time < transcript_.began || approval.time > transcript_.ended) {
        return Wrong(fmt::format("{} approved outside of the ceremony", approval.participant));
      }
      given.push_back(approval.participant);
    }
    return given == wanted ? absl::OkStatus() : Wrong("are not those of the participants who have to approve");
  }

  Status CheckKeys() {
    std::vector<std::string> wanted;
    if (ceremony_.signing_key.has_value()) wanted.push_back(Name(Signatory::kSigningKey));
    if (ceremony_.key.has_value()) wanted.push_back(Name(Signatory::kNewKey));
    std::vector<std::string> found;
    for (const KeyRecord& record : transcript_.keys) {
      found.push_back(record.name);
      ASSIGN_OR_RETURN(PublicKey key, PublicKey::FromSpki(record.public_key));
      RETURN_IF_ERROR(CheckSafe(record.attributes));
      RETURN_IF_ERROR(CheckKey(record, key));
      keys_.push_back(std::move(key));
    }
    return found == wanted ? absl::OkStatus() : Wrong("are not those that the ceremony uses");
  }

  Status CheckKey(const KeyRecord& record, const PublicKey& key) const {
    const bool is_new = record.name == Name(Signatory::kNewKey);
    if (record.attributes.type != key.type()) return Wrong(record.name + ": the type is not the public key's");
    if (is_new &&
        (!ceremony_.key.has_value() || key.type() != ceremony_.key->type ||
         record.algorithm != ceremony_.key->algorithm || record.attributes.uri.object != ceremony_.key->label)) {
      return Wrong("the new key is not the one that was asked for");
    }
    if (!is_new && (!ceremony_.signing_key.has_value() || !Equal(key.spki(), material_.issuer->key.spki()) ||
                    record.algorithm != SigningAlgorithm(ceremony_, material_))) {
      return Wrong("the signing key is not the one of the issuer's certificate");
    }
    return absl::OkStatus();
  }

  const PublicKey& KeyOf(const std::string& name) const {
    const auto record = std::find_if(transcript_.keys.begin(), transcript_.keys.end(),
                                     [&](const KeyRecord& key) { return key.name == name; });
    return keys_.at(static_cast<size_t>(record - transcript_.keys.begin()));
  }

  // Composes and lints each output's content again, with the serial numbers that it has.
  Status CheckOutputs() const {
    const std::vector<Step> steps = StepsOf(ceremony_);
    if (transcript_.outputs.size() != steps.size()) return Wrong("are not as many as were asked for");
    Moment moment{transcript_.moment, {}};
    for (size_t i = 0; i < steps.size(); ++i) {
      const OutputRecord& output = transcript_.outputs[i];
      if (output.name != steps[i].output || output.kind != steps[i].kind ||
          output.file != ceremony_.outputs.at(output.name)) {
        return Wrong(fmt::format("{} is not what was asked for", output.name));
      }
      if (output.kind != Kind::kCertificate) continue;
      ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(output.der));
      moment.serials.push_back(ToBytes(parts.serial));
    }
    const PublicKey* new_key = ceremony_.key.has_value() ? &KeyOf(Name(Signatory::kNewKey)) : nullptr;
    ASSIGN_OR_RETURN(const std::vector<NamedDraft> drafts, ComposeDrafts(ceremony_, material_, new_key, moment));
    for (size_t i = 0; i < steps.size(); ++i) RETURN_IF_ERROR(CheckOutput(drafts[i], transcript_.outputs[i]));
    return absl::OkStatus();
  }

  Status CheckOutput(const NamedDraft& draft, const OutputRecord& output) const {
    const StatusOr<SignedObject> object = ReadSignedObject(output.der);
    if (!object.ok() || !Equal(object->tbs, draft.draft.tbs()) ||
        !Equal(object->algorithm, AlgorithmIdentifier(draft.draft.algorithm()))) {
      return Wrong(fmt::format("{} is not what the ceremony's file and inputs ask for{}", output.name, OtherVersion()));
    }
    if (KeyOf(Name(draft.signatory)).Verify(SchemeOf(draft.draft.algorithm()), object->tbs, object->signature)) {
      return absl::OkStatus();
    }
    return Wrong(fmt::format("the signature of {} is not the key's", output.name));
  }

  Status CheckSignatures() const {
    ASSIGN_OR_RETURN(const std::string content, SignedContent(transcript_));
    std::set<std::string> missing;
    for (const KeyRecord& key : transcript_.keys) missing.insert(key.name);
    for (const auto& [participant, certificate] : material_.participants) missing.insert(participant);
    for (const TranscriptSignature& signature : transcript_.signatures) {
      RETURN_IF_ERROR(CheckSignature(signature, content));
      missing.erase(signature.by);
    }
    if (missing.empty()) return absl::OkStatus();
    return Wrong(fmt::format("the signature of {} is missing", *missing.begin()));
  }

  Status CheckSignature(const TranscriptSignature& signature, const std::string& content) const {
    const auto verify = [&](const PublicKey& key) {
      if (VerifyStatement(kTranscriptDomain, AsBytes(content), key, signature.algorithm, signature.signature)) {
        return absl::OkStatus();
      }
      return Wrong(fmt::format("the signature of {} does not verify: something was changed", signature.by));
    };
    if (signature.certificate.empty()) {
      const bool known = std::any_of(transcript_.keys.begin(), transcript_.keys.end(),
                                     [&](const KeyRecord& key) { return key.name == signature.by; });
      return known ? verify(KeyOf(signature.by)) : Wrong(fmt::format("{} is no key of this ceremony", signature.by));
    }
    const bool participant = std::any_of(ceremony_.participants.begin(), ceremony_.participants.end(),
                                         [&](const Participant& p) { return p.name == signature.by; });
    const auto pinned = material_.participants.find(signature.by);
    if (!participant || (pinned != material_.participants.end() && pinned->second != signature.certificate)) {
      return Wrong(fmt::format("{} signed with a certificate that the ceremony does not name", signature.by));
    }
    ASSIGN_OR_RETURN(const PublicKey key, KeyOfCertificate(signature.certificate));
    return verify(key);
  }

  // Certificates that are trusted, and those of authorities below them, as far as the transcript has them.
  std::vector<AuthorityCertificate> Trusted() const {
    std::vector<Bytes> candidates;
    for (const auto& [name, input] : transcript_.inputs) {
      StatusOr<Bytes> der = InputDer(input, "CERTIFICATE");
      if (der.ok()) candidates.push_back(*std::move(der));
    }
    for (const OutputRecord& output : transcript_.outputs) candidates.push_back(output.der);
    std::vector<AuthorityCertificate> trusted;
    for (const Bytes& der : options_.trust) {
      StatusOr<AuthorityCertificate> certificate = AuthorityCertificate::Read(der);
      if (certificate.ok()) trusted.push_back(*std::move(certificate));
    }
    for (size_t i = 0; i < trusted.size(); ++i) {
      for (Bytes& der : candidates) {
        if (der.empty() || !trusted[i].Issued(der)) continue;
        StatusOr<AuthorityCertificate> certificate = AuthorityCertificate::Read(der);
        der.clear();
        if (certificate.ok()) trusted.push_back(*std::move(certificate));
      }
    }
    return trusted;
  }

  Status CheckTrust() const {
    const std::vector<AuthorityCertificate> trusted = Trusted();
    for (size_t i = 0; i < keys_.size(); ++i) {
      const bool known = std::any_of(trusted.begin(), trusted.end(), [&](const AuthorityCertificate& certificate) {
        return Equal(certificate.key.spki(), keys_[i].spki());
      });
      if (!known) {
        return Wrong(fmt::format("{} is neither the key of a certificate that you trust nor of one below it",
                                 transcript_.keys[i].name));
      }
    }
    return keys_.empty() ? Wrong("there is no key") : absl::OkStatus();
  }

  void AddFiles() {
    for (const OutputRecord& output : transcript_.outputs) {
      const std::filesystem::path path = options_.outputs / std::filesystem::path(output.file).filename();
      const StatusOr<std::string> content = ReadFile(path, kTranscriptLimit);
      if (absl::IsNotFound(content.status())) continue;
      Status status = content.status();
      if (content.ok() && !Equal(AsBytes(*content), OutputOctets(output))) {
        status = Wrong(path.string() + " is not the file that the ceremony wrote");
      }
      Add("file " + path.filename().string(), status, "as the ceremony wrote it");
    }
  }

  Status CheckPrevious() const {
    const auto named = transcript_.inputs.find(kPreviousTranscript);
    if (named == transcript_.inputs.end()) return Wrong("none is named in the transcript");
    if (named->second.content == Hex(Sha256(AsBytes(options_.previous)))) return absl::OkStatus();
    return Wrong("is not the one that is named in the transcript");
  }

  const Transcript& transcript_;
  const VerifyOptions& options_;
  Ceremony ceremony_;
  Material material_;
  std::vector<PublicKey> keys_;  // of transcript_.keys
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> VerifyTranscript(const Transcript& transcript, const VerifyOptions& options) {
  return Verification(transcript, options).Run();
}

}  // namespace hallmark::ceremony
