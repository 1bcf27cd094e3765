#include "tools/hallmark/ceremony/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "base/reason.h"

namespace hallmark::ceremony {
namespace {

namespace fs = std::filesystem;

Status Exists(const fs::path& path) {
  return Error(
      Code::kAlreadyExists, reason::kRequestInvalid,
      fmt::format("{} exists, and a ceremony overwrites nothing; move it away or name another file", path.string()));
}

Status NotApproved(const Participant& participant, const std::string& what) {
  return Error(Code::kPermissionDenied, reason::kPermissionDenied,
               fmt::format("{} ({}) has not approved the plan: {}; nothing was changed", participant.name,
                           participant.role, what));
}

// The code that was given for a participant on the command line.
std::optional<std::string> GivenCode(const std::vector<std::string>& approvals, const Participant& participant) {
  for (const std::string& approval : approvals) {
    const size_t equals = approval.find('=');
    if (equals != approval.npos && approval.substr(0, equals) == participant.name) return approval.substr(equals + 1);
  }
  return std::nullopt;
}

StatusOr<std::vector<Approval>> Approve(const Prepared& prepared, const RunOptions& options, const Clock& clock) {
  std::vector<Approval> approvals;
  for (const std::string& given : options.approvals) {
    const bool known = std::any_of(prepared.ceremony.participants.begin(), prepared.ceremony.participants.end(),
                                   [&](const Participant& p) { return p.approve && given.starts_with(p.name + "="); });
    if (known) continue;
    return Error(Code::kPermissionDenied, reason::kPermissionDenied,
                 fmt::format("'{}' is no NAME=CODE of a participant with approve: true; nothing was changed", given));
  }
  for (const Participant& participant : prepared.ceremony.participants) {
    if (!participant.approve) continue;
    std::optional<std::string> code = GivenCode(options.approvals, participant);
    const std::string method = code.has_value() ? "given" : "typed";
    if (!code.has_value()) {
      ASSIGN_OR_RETURN(code, options.ask_code(participant));
    }
    if (*code != prepared.code.code && *code != prepared.code.full) {
      return NotApproved(participant, fmt::format("the code is {}, not '{}'", prepared.code.code, *code));
    }
    approvals.push_back({participant.name, method, TruncateToSecond(clock.Now())});
  }
  return approvals;
}

Json DescribeHsm(const Token& token) {
  Json json = {{"module", {{"name", token.module().name()}}}, {"token", Json::object()}};
  if (const StatusOr<ModuleInformation> module = token.module().Describe(); module.ok()) {
    json["module"]["description"] = module->description;
    json["module"]["manufacturer"] = module->manufacturer;
    json["module"]["version"] = module->version;
    json["module"]["cryptoki_version"] = module->cryptoki_version;
  }
  const StatusOr<std::vector<SlotInformation>> slots = token.module().ListSlots();
  for (size_t i = 0; slots.ok() && i < slots->size(); ++i) {
    const std::optional<TokenInformation>& found = (*slots)[i].token;
    if (!found.has_value() || found->label != token.uri().token) continue;
    json["token"] = {{"label", found->label},
                     {"manufacturer", found->manufacturer},
                     {"model", found->model},
                     {"serial", found->serial}};
  }
  return json;
}

// The part of a ceremony that changes things, and its record while it does.
class Run {
 public:
  Run(const Prepared& prepared, const Rehearsal& rehearsal, std::shared_ptr<Token> token, const RunOptions& options,
      const Clock& clock)
      : prepared_(prepared), rehearsal_(rehearsal), token_(std::move(token)), options_(options), clock_(clock) {}

  StatusOr<Transcript> Do(Time began, std::vector<Approval> approvals) {
    const Ceremony& ceremony = prepared_.ceremony;
    transcript_.tool_version = options_.tool_version;
    transcript_.host = options_.host;
    transcript_.began = TruncateToSecond(began);
    transcript_.moment = rehearsal_.moment.time;
    transcript_.file = fs::path(ceremony.file).filename().string();
    transcript_.text = ceremony.text;
    transcript_.plan = prepared_.plan;
    transcript_.approvals = std::move(approvals);
    transcript_.hsm = DescribeHsm(*token_);
    transcript_.inputs = prepared_.inputs;
    RETURN_IF_ERROR(CheckToken());
    const Status done = Steps();
    if (!done.ok()) return Interrupted(done);
    return std::move(transcript_);
  }

 private:
  // Everything that the token can be asked before it is changed.
  Status CheckToken() {
    const Ceremony& ceremony = prepared_.ceremony;
    ASSIGN_OR_RETURN(const std::vector<KeyAttributes> keys, ListKeys(*token_));
    if (ceremony.key.has_value()) {
      for (const KeyAttributes& key : keys) {
        if (key.uri.object != ceremony.key->label) continue;
        return Error(Code::kAlreadyExists, reason::kHsmRefused,
                     fmt::format("the token \"{}\" has a key \"{}\" already; choose another label", token_->uri().token,
                                 ceremony.key->label));
      }
    }
    return ceremony.signing_key.has_value() ? OpenSigningKey() : absl::OkStatus();
  }

  Status OpenSigningKey() {
    const SigningKeyName& name = *prepared_.ceremony.signing_key;
    KeyUri uri;
    if (name.uri.empty()) {
      uri.token = token_->uri().token;
      uri.object = name.label;
      uri.type = "private";
    } else {
      ASSIGN_OR_RETURN(uri, KeyUri::Parse(name.uri));
    }
    const SignatureAlgorithm algorithm = SigningAlgorithm(prepared_.ceremony, prepared_.material);
    ASSIGN_OR_RETURN(signing_key_, OpenCeremonyKey(token_, uri, algorithm));
    if (!Equal(signing_key_->public_key().spki(), prepared_.material.issuer->key.spki())) {
      return Error(Code::kFailedPrecondition, reason::kHsmKeyNotFound,
                   fmt::format("the key {} on the token is not the one in the issuer's certificate; it signed nothing",
                               uri.ToString()));
    }
    return Record(Signatory::kSigningKey, uri, algorithm, *signing_key_);
  }

  // Reads the attributes back from the token, whatever was asked for.
  Status Record(Signatory signatory, const KeyUri& uri, SignatureAlgorithm algorithm, const SigningKey& key) {
    ASSIGN_OR_RETURN(KeyAttributes attributes, ReadKeyAttributes(*token_, uri));
    RETURN_IF_ERROR(CheckSafe(attributes));
    transcript_.keys.push_back({Name(signatory), algorithm, std::move(attributes), ToBytes(key.public_key().spki())});
    return absl::OkStatus();
  }

  Status Steps() {
    RETURN_IF_ERROR(WritePartial());
    if (prepared_.ceremony.key.has_value()) RETURN_IF_ERROR(Generate());
    const PublicKey* key = new_key_ == nullptr ? nullptr : &new_key_->public_key();
    ASSIGN_OR_RETURN(std::vector<NamedDraft> drafts,
                     ComposeDrafts(prepared_.ceremony, prepared_.material, key, rehearsal_.moment));
    RETURN_IF_ERROR(CheckRehearsed(rehearsal_, drafts, key));
    for (const NamedDraft& draft : drafts) transcript_.drafts.push_back({draft.output, draft.draft.Unsigned()});
    RETURN_IF_ERROR(WritePartial());  // what will be signed is on record before it is
    for (NamedDraft& draft : drafts) RETURN_IF_ERROR(Sign(std::move(draft)));
    transcript_.drafts.clear();
    transcript_.ended = TruncateToSecond(clock_.Now());
    RETURN_IF_ERROR(SignAll(transcript_));
    ASSIGN_OR_RETURN(const std::string text, WriteTranscript(transcript_));
    const fs::path path = prepared_.ceremony.Resolve(prepared_.ceremony.transcript);
    RETURN_IF_ERROR(WriteNewFile(path, AsBytes(text)));
    options_.progress(fmt::format("wrote the transcript {}", path.string()));
    return RemovePartial();
  }

  Status Generate() {
    const NewKey& wish = *prepared_.ceremony.key;
    ASSIGN_OR_RETURN(const KeyUri uri, GenerateKey(*token_, wish.type, wish.label));
    generated_ = uri.ToString();
    options_.progress(fmt::format("generated the {} key {}", KeyTypeName(wish.type), generated_));
    ASSIGN_OR_RETURN(new_key_, OpenCeremonyKey(token_, uri, wish.algorithm));
    RETURN_IF_ERROR(Record(Signatory::kNewKey, uri, wish.algorithm, *new_key_));
    return WritePartial();
  }

  Status Sign(NamedDraft draft) {
    OutputRecord output{draft.output, draft.kind, prepared_.ceremony.outputs.at(draft.output), {}};
    const SigningKey& key = draft.signatory == Signatory::kNewKey ? *new_key_ : *signing_key_;
    ASSIGN_OR_RETURN(output.der, SealChecked(std::move(draft), key));
    transcript_.outputs.push_back(output);
    const fs::path path = prepared_.ceremony.Resolve(output.file);
    RETURN_IF_ERROR(WriteNewFile(path, OutputOctets(output)));
    options_.progress(
        fmt::format("signed and wrote {} ({} SHA-256 {})", path.string(), Name(output.kind), Hex(Sha256(output.der))));
    return absl::OkStatus();
  }

  Status SignAll(Transcript& transcript) const {
    const std::vector<KeyRecord> keys = transcript.keys;
    for (const KeyRecord& record : keys) {
      const SigningKey& key = record.name == Name(Signatory::kNewKey) ? *new_key_ : *signing_key_;
      RETURN_IF_ERROR(SignTranscript(key, record.name, {}, transcript));
    }
    return absl::OkStatus();
  }

  Status WritePartial() const {
    Transcript partial = transcript_;
    partial.ended = TruncateToSecond(clock_.Now());
    if (partial.failure.empty()) partial.failure = "the ceremony has not come to its end";
    ASSIGN_OR_RETURN(const std::string text, WriteTranscript(partial));
    return WriteFile(PartialTranscript(prepared_.ceremony), AsBytes(text));
  }

  Status RemovePartial() const {
    std::error_code error;
    const fs::path path = PartialTranscript(prepared_.ceremony);
    if (fs::remove(path, error) || !error) return absl::OkStatus();
    return Error(
        Code::kFailedPrecondition, reason::kFileUnreadable,
        fmt::format("the ceremony is complete, but cannot remove {}: {}; remove it", path.string(), error.message()));
  }

  Status Interrupted(const Status& why) {
    if (generated_.empty() && transcript_.outputs.empty()) {
      RETURN_IF_ERROR(Annotate(RemovePartial(), Message(why)));
      return why;
    }
    std::string what = "the ceremony was interrupted";
    if (!generated_.empty()) {
      what += fmt::format(
          "; the key {} was generated and stays on the token: destroy it (p11tool --login --delete 'URI') and run the "
          "ceremony again, once nothing that it signed is used",
          generated_);
    }
    for (const OutputRecord& output : transcript_.outputs) what += fmt::format("; {} was signed", output.name);
    transcript_.failure = Message(why) + (generated_.empty() ? "" : "; generated: " + generated_);
    transcript_.signatures.clear();
    const Status written = WritePartial();
    what += written.ok() ? fmt::format("; its record is {}, keep it", PartialTranscript(prepared_.ceremony).string())
                         : "; its record could not be written: " + Message(written);
    return Annotate(why, what);
  }

  const Prepared& prepared_;
  const Rehearsal& rehearsal_;
  const std::shared_ptr<Token> token_;
  const RunOptions& options_;
  const Clock& clock_;
  Transcript transcript_;
  std::shared_ptr<const SigningKey> new_key_;
  std::shared_ptr<const SigningKey> signing_key_;
  std::string generated_;  // URI of the key that this run has made
};

}  // namespace

fs::path PartialTranscript(const Ceremony& ceremony) {
  return ceremony.Resolve(ceremony.transcript).string() + ".partial";
}

Status WriteNewFile(const fs::path& path, ByteView content) {
  const fs::path unfinished = path.string() + ".new";
  RETURN_IF_ERROR(WriteFile(unfinished, content));
  if (renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return absl::OkStatus();
  int error = errno;
  // Some file systems do not know the flag; there, what CheckOutputs saw has to do.
  if (error == EINVAL && access(path.c_str(), F_OK) != 0) {
    if (rename(unfinished.c_str(), path.c_str()) == 0) return absl::OkStatus();
    error = errno;
  }
  unlink(unfinished.c_str());
  if (error == EEXIST || error == EINVAL) return Exists(path);
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot rename a file to {}: {}", path.string(), std::strerror(error)));
}

Status CheckOutputs(const Ceremony& ceremony) {
  std::vector<fs::path> paths = {ceremony.Resolve(ceremony.transcript), PartialTranscript(ceremony)};
  for (const auto& [name, file] : ceremony.outputs) paths.push_back(ceremony.Resolve(file));
  for (const fs::path& path : paths) {
    std::error_code error;
    if (fs::symlink_status(path, error).type() != fs::file_type::not_found) return Exists(path);
    const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (access(directory.c_str(), W_OK | X_OK) == 0) continue;
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("cannot write {}: {} is no directory that this user may write to", path.string(),
                             directory.string()));
  }
  return absl::OkStatus();
}

StatusOr<Transcript> RunCeremony(const Prepared& prepared, const RunOptions& options, const Clock& clock) {
  const Time began = clock.Now();
  RETURN_IF_ERROR(CheckOutputs(prepared.ceremony));
  ASSIGN_OR_RETURN(const Rehearsal rehearsal, Rehearse(prepared, began));
  options.progress("rehearsed with throw-away keys: lint found nothing");
  ASSIGN_OR_RETURN(std::vector<Approval> approvals, Approve(prepared, options, clock));
  ASSIGN_OR_RETURN(std::shared_ptr<Token> token, OpenCeremonyToken(prepared.ceremony, options.ask_pin));
  return Run(prepared, rehearsal, std::move(token), options, clock).Do(began, std::move(approvals));
}

}  // namespace hallmark::ceremony
