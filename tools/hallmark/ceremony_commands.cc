#include "tools/hallmark/ceremony_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "hsm/memory_signer.h"
#include "tools/hallmark/ceremony/examples.h"
#include "tools/hallmark/ceremony/run.h"
#include "tools/hallmark/ceremony/verification.h"
#include "tools/hallmark/table.h"
#include "tools/instance.h"

namespace hallmark::cli {
namespace {

using ceremony::Json;
using ceremony::Prepared;

struct Options {
  std::string file;
  bool dry_run = false;
  std::string keep_drafts;
  std::vector<std::string> approvals;
  std::string trust;
  std::string outputs;
  std::string previous;
  std::string name;
  std::string certificate;
  std::string key;
  std::string signature;
  std::string type;
};

// Line by line, so that no subject or title of a file can steer the terminal.
std::string PrintableLines(const std::string& text) {
  std::string printable;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    printable += Printable(std::string_view(text).substr(start, end - start)) + "\n";
    start = end + 1;
  }
  return printable;
}

std::string PlanText(const Prepared& prepared) {
  std::string text;
  for (const char* part : {"title", "ceremony", "file_sha256", "participants", "hsm", "inputs", "keys", "signs",
                           "transcript", "version"}) {
    text += ceremony::RenderText(Json{{part, prepared.plan.at(part)}});
  }
  return PrintableLines(text) +
         fmt::format("\nSHA-256 of the plan: {}\nCode of the plan:    {}\n", prepared.code.full, prepared.code.code);
}

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

StatusOr<ExitCode> Plan(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Prepared prepared, ceremony::Prepare(options.file));
  if (session.json()) {
    session.PrintJson({{"code", prepared.code.code}, {"plan", prepared.plan}, {"sha256", prepared.code.full}});
  } else {
    session.out << PlanText(prepared);
  }
  return kDone;
}

StatusOr<ExitCode> DryRun(Session& session, const Options& options, const Prepared& prepared) {
  ASSIGN_OR_RETURN(const ceremony::Rehearsal rehearsal, ceremony::Rehearse(prepared, session.clock.Now()));
  Json drafts = Json::array();
  for (const ceremony::OutputRecord& output : rehearsal.outputs) {
    ASSIGN_OR_RETURN(Json says, ceremony::Summarize(output.kind, output.der));
    drafts.push_back({{"output", output.name}, {"says", std::move(says)}});
    if (options.keep_drafts.empty()) continue;
    const std::filesystem::path path = std::filesystem::path(options.keep_drafts) / (output.name + ".draft.pem");
    const std::string pem = PemEncode(ceremony::PemLabel(output.kind), output.der);
    RETURN_IF_ERROR(ceremony::WriteNewFile(path, AsBytes(pem)));
    drafts.back()["file"] = path.string();
  }
  if (session.json()) {
    session.PrintJson({{"code", prepared.code.code}, {"drafts", drafts}, {"plan", prepared.plan}});
  } else {
    session.out << PlanText(prepared) << "\nRehearsed with throw-away keys; lint found nothing, nothing was changed:\n"
                << PrintableLines(ceremony::RenderText(drafts, 2));
  }
  return kDone;
}

StatusOr<std::string> AskCode(Session& session, const ceremony::Participant& participant) {
  const std::string who = Printable(fmt::format("{} ({})", participant.name, participant.role));
  if (!session.environment.in_is_terminal) {
    return Error(Code::kPermissionDenied, reason::kPermissionDenied,
                 fmt::format("{} has not approved the plan, and there is no terminal to ask on; give --approve "
                             "\"{}=CODE\"; nothing was changed",
                             who, participant.name));
  }
  session.err << fmt::format("{}, type the code of the plan to approve it: ", who) << std::flush;
  std::string code;
  std::getline(session.in, code);
  return code;
}

StatusOr<ExitCode> Run(Session& session, const Options& options) {
  log::Quiet();
  ASSIGN_OR_RETURN(const Prepared prepared, ceremony::Prepare(options.file));
  if (options.dry_run) return DryRun(session, options, prepared);
  if (!options.keep_drafts.empty()) return UsageError("--keep-drafts is for --dry-run");
  if (!session.json()) session.out << PlanText(prepared) << std::flush;
  const ceremony::RunOptions run{
      .approvals = options.approvals,
      .ask_code = [&session](const ceremony::Participant& participant) { return AskCode(session, participant); },
      .ask_pin = session.environment.in_is_terminal ? ceremony::AskPinAtTerminal : ceremony::AskPin(),
      .progress = [&session](const std::string& step) { session.err << "  " << Printable(step) << std::endl; },
      .tool_version = HALLMARK_VERSION,
      .host = HostName()};
  ASSIGN_OR_RETURN(const ceremony::Transcript transcript, ceremony::RunCeremony(prepared, run, session.clock));
  const std::string path = prepared.ceremony.Resolve(prepared.ceremony.transcript).string();
  if (session.json()) {
    Json outputs = Json::array();
    for (const ceremony::OutputRecord& output : transcript.outputs) {
      outputs.push_back({{"output", output.name},
                         {"file", prepared.ceremony.Resolve(output.file).string()},
                         {"der_sha256", Hex(Sha256(output.der))}});
    }
    session.PrintJson({{"code", prepared.code.code}, {"outputs", outputs}, {"transcript", path}});
  } else {
    session.out << fmt::format(
        "The ceremony is complete. Now read the hashes aloud, and check the transcript with:\n"
        "  hallmark ceremony verify {}\n",
        path);
  }
  return kDone;
}

StatusOr<std::vector<Bytes>> ReadCertificates(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, ceremony::kTranscriptLimit));
  StatusOr<std::vector<Bytes>> certificates = PemDecode("CERTIFICATE", text);
  if (!certificates.ok()) return Annotate(certificates.status(), file);
  return certificates;
}

StatusOr<ceremony::Transcript> ReadTranscriptFile(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, ceremony::kTranscriptLimit));
  StatusOr<ceremony::Transcript> transcript = ceremony::ReadTranscript(text);
  if (!transcript.ok()) return Annotate(transcript.status(), file);
  return transcript;
}

StatusOr<ExitCode> Verify(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const ceremony::Transcript transcript, ReadTranscriptFile(options.file));
  ceremony::VerifyOptions verify{
      .trust = {}, .outputs = options.outputs, .previous = "", .tool_version = HALLMARK_VERSION};
  if (!options.trust.empty()) {
    ASSIGN_OR_RETURN(verify.trust, ReadCertificates(options.trust));
  }
  if (!options.previous.empty()) {
    ASSIGN_OR_RETURN(verify.previous, ReadFile(options.previous, ceremony::kTranscriptLimit));
  }
  bool verified = true;
  Json checks = Json::array();
  std::vector<std::vector<Cell>> rows;
  for (const ceremony::Check& check : ceremony::VerifyTranscript(transcript, verify)) {
    const bool good = check.status.ok();
    const std::string detail = Printable(good ? check.detail : Message(check.status));
    verified = verified && good;
    checks.push_back({{"what", check.what}, {"good", good}, {"detail", detail}});
    rows.push_back({Printable(check.what), {good ? "good" : "WRONG", good ? Color::kGreen : Color::kRed}, detail});
  }
  if (session.json()) {
    session.PrintJson({{"checks", checks}, {"verified", verified}});
  } else {
    session.out << RenderTable({"CHECKED", "VERDICT", "DETAIL"}, rows, session.colored());
    if (verified && options.trust.empty()) {
      session.out << "The transcript agrees with itself. That its keys are the right ones, only --trust can tell.\n";
    }
  }
  if (verified) return kDone;
  return Error(Code::kFailedPrecondition, reason::kTranscriptInvalid,
               fmt::format("{} is not proven: see what is wrong above", options.file));
}

// The signature of a participant over a transcript: made here with a key in a file, or elsewhere, e.g. on a smart card.
Status Witness(const Options& options, ByteView certificate, ceremony::Transcript& transcript) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  const SignatureAlgorithm algorithm = DefaultAlgorithm(key.type());
  if (!options.signature.empty()) {
    ASSIGN_OR_RETURN(const std::string signature, ReadFile(options.signature, ceremony::kTranscriptLimit));
    transcript.signatures.push_back({options.name, ToBytes(certificate), algorithm, ToBytes(AsBytes(signature))});
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string pem, ReadFile(options.key));
  ASSIGN_OR_RETURN(std::unique_ptr<Signer> signer, ReadMemorySigner(Secret(std::move(pem)), algorithm));
  if (!Equal(signer->public_key(), key.spki())) {
    return Error(Code::kInvalidArgument, reason::kRequestInvalid,
                 fmt::format("the key in {} is not that of {}", options.key, options.certificate));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> signing_key, SigningKey::Create(std::move(signer)));
  return ceremony::SignTranscript(*signing_key, options.name, certificate, transcript);
}

StatusOr<ExitCode> AddWitness(Session& session, const Options& options) {
  if (options.key.empty() == options.signature.empty()) return UsageError("give either --key or --signature");
  ASSIGN_OR_RETURN(ceremony::Transcript transcript, ReadTranscriptFile(options.file));
  ASSIGN_OR_RETURN(const std::vector<Bytes> certificates, ReadCertificates(options.certificate));
  RETURN_IF_ERROR(Witness(options, certificates.front(), transcript));
  const ceremony::VerifyOptions verify{.trust = {}, .outputs = "", .previous = "", .tool_version = HALLMARK_VERSION};
  for (const ceremony::Check& check : ceremony::VerifyTranscript(transcript, verify)) {
    // Others may have to sign after this one.
    if (check.what == "signatures" && Message(check.status).ends_with("is missing")) continue;
    if (!check.status.ok()) {
      return Annotate(check.status, fmt::format("did not add a signature to {}: {}", options.file, check.what));
    }
  }
  ASSIGN_OR_RETURN(const std::string text, ceremony::WriteTranscript(transcript));
  RETURN_IF_ERROR(WriteFile(options.file, AsBytes(text)));
  if (session.json()) {
    session.PrintJson(Json{{"signed_by", options.name}, {"transcript", options.file}});
  } else {
    session.out << fmt::format("{} carries the signature of {} now\n", options.file, Printable(options.name));
  }
  return kDone;
}

StatusOr<ExitCode> PrintExample(Session& session, const Options& options) {
  for (const ceremony::Example& example : ceremony::Examples()) {
    if (example.type == options.type) session.out << example.text;
  }
  return kDone;
}

void AddRun(CLI::App& group, Session& session, const std::shared_ptr<Options>& options) {
  CLI::App* run = AddCommand(
      group, "run",
      "Rehearse a ceremony, have its plan approved, and do it.\n\n"
      "Every participant with approve: true types the plan's code. Nothing is changed before that, and no file is\n"
      "overwritten. The PIN comes from hsm.token's pin-source, HALLMARK_PIN, or is asked for at the terminal.",
      "  hallmark ceremony run root.yaml --dry-run --keep-drafts drafts\n  hallmark ceremony run root.yaml");
  run->add_option("file", options->file, "The ceremony's YAML")->required()->type_name("FILE");
  run->add_flag("--dry-run", options->dry_run, "Only rehearse, with throw-away keys; needs no token");
  run->add_option("--keep-drafts", options->keep_drafts, "Where to write what was rehearsed, to look at")
      ->type_name("DIR");
  run->add_option("--approve", options->approvals, "The approval of a participant who cannot type it now; repeatable")
      ->type_name("NAME=CODE");
  run->callback([&session, options] { session.Finish(Run(session, *options)); });
}

void AddVerify(CLI::App& group, Session& session, const std::shared_ptr<Options>& options) {
  CLI::App* verify = AddCommand(
      group, "verify", "Check a transcript: everything is made again and compared, every signature is verified",
      "  hallmark ceremony verify root.transcript.json --trust root.pem --outputs .");
  verify->add_option("transcript", options->file, "The transcript")->required()->type_name("FILE");
  verify->add_option("--trust", options->trust, "Certificates, PEM, that you know to be right: the keys must be theirs")
      ->type_name("FILE");
  verify->add_option("--outputs", options->outputs, "The directory of the files that the ceremony wrote")
      ->type_name("DIR");
  verify->add_option("--previous", options->previous, "The transcript before it")->type_name("FILE");
  verify->callback([&session, options] { session.Finish(Verify(session, *options)); });

  CLI::App* witness =
      AddCommand(group, "witness", "Add a participant's signature to a transcript, which is verified first",
                 "  hallmark ceremony witness root.transcript.json --name \"Bob\" --certificate bob.pem --key bob.key");
  witness->add_option("transcript", options->file, "The transcript")->required()->type_name("FILE");
  witness->add_option("--name", options->name, "The participant, as the ceremony names him or her")->required();
  witness->add_option("--certificate", options->certificate, "PEM")->required()->type_name("FILE");
  witness->add_option("--key", options->key, "The private key, PEM")->type_name("FILE");
  witness
      ->add_option("--signature", options->signature,
                   "A signature that was made elsewhere, e.g. on a smart card; docs/ceremonies.md says of what")
      ->type_name("FILE");
  witness->callback([&session, options] { session.Finish(AddWitness(session, *options)); });
}

}  // namespace

void AddCeremony(CLI::App& app, Session& session) {
  CLI::App* group =
      AddCommand(app, "ceremony", "Keys and certificates of authorities, made away from the service and on record",
                 "  hallmark ceremony example root > root.yaml\n  hallmark ceremony plan root.yaml\n"
                 "  hallmark ceremony run root.yaml\n  hallmark ceremony verify root.transcript.json --trust root.pem");
  group->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* plan = AddCommand(*group, "plan", "Print what a ceremony will do, and the code that approves it",
                              "  hallmark ceremony plan root.yaml\n"
                              "  hallmark ceremony plan root.yaml --output json | jq -r .code");
  plan->add_option("file", options->file, "The ceremony's YAML")->required()->type_name("FILE");
  plan->callback([&session, options] { session.Finish(Plan(session, *options)); });

  AddRun(*group, session, options);
  AddVerify(*group, session, options);

  CLI::App* example = AddCommand(*group, "example", "Print a ceremony's YAML with comments, to start from",
                                 "  hallmark ceremony example root > root.yaml");
  std::vector<std::string> types;
  for (const ceremony::Example& known : ceremony::Examples()) types.emplace_back(known.type);
  example->add_option("type", options->type, "Which")->required()->check(CLI::IsMember(types));
  example->callback([&session, options] { session.Finish(PrintExample(session, *options)); });
}

}  // namespace hallmark::cli
