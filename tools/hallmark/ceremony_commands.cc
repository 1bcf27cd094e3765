#include "tools/hallmark/ceremony_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/log.h"
#include "base/reason.h"
#include "tools/hallmark/ceremony/examples.h"
#include "tools/hallmark/ceremony/run.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using ceremony::Json;
using ceremony::Prepared;

struct Options {
  std::string file;
  bool dry_run = false;
  std::string keep_drafts;
  std::vector<std::string> approvals;
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
  AddCeremonyVerify(*group, session);
  AddCeremonyWitness(*group, session);

  CLI::App* example = AddCommand(*group, "example", "Print a ceremony's YAML with comments, to start from",
                                 "  hallmark ceremony example root > root.yaml");
  std::vector<std::string> types;
  for (const ceremony::Example& known : ceremony::Examples()) types.emplace_back(known.type);
  example->add_option("type", options->type, "Which")->required()->check(CLI::IsMember(types));
  example->callback([&session, options] { session.Finish(PrintExample(session, *options)); });
}

}  // namespace hallmark::cli
