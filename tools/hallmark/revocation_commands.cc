// hallmark revocation list|show|wait|stop: what hallmark revoke has begun.
#include "tools/hallmark/revocation_commands.h"

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr Duration kInterval = absl::Milliseconds(300);
constexpr Duration kQuietInterval = absl::Seconds(5);  // between lines where nobody watches

std::string RevocationName(const std::string& text) {
  return text.starts_with("revocations/") ? text : "revocations/" + text;
}

Cell StateOf(const v1::MassRevocation& revocation) {
  switch (revocation.state()) {
    case v1::MassRevocation::RUNNING: return {"running", Color::kYellow};
    case v1::MassRevocation::DONE: return {"done", Color::kGreen};
    case v1::MassRevocation::STOPPED: return {"stopped", Color::kRed};
    default: return "unknown";
  }
}

std::string Progress(const v1::MassRevocation& revocation) {
  return fmt::format("{} of {} certificates, {} changed", revocation.seen(), revocation.certificates(),
                     revocation.changed());
}

std::string WhatOf(const v1::MassRevocation& revocation) {
  std::string what = revocation.parent().empty() ? "" : revocation.parent();
  if (!revocation.filter().empty()) what += (what.empty() ? "" : " AND ") + revocation.filter();
  return what;
}

StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ListMassRevocationsResponse response, client.ListMassRevocations());
  if (session.json()) {
    session.PrintJson(response);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::MassRevocation& one : response.revocations()) {
    rows.push_back({one.name().substr(sizeof "revocations/" - 1), StateOf(one), When(one.create_time()),
                    ReasonName(one.reason()), Progress(one), Printable(WhatOf(one))});
  }
  session.out << RenderTable({"NAME", "STATE", "BEGUN", "REASON", "PROGRESS", "WHAT"}, rows, session.colored());
  return kDone;
}

StatusOr<ExitCode> Print(Session& session, const StatusOr<v1::MassRevocation>& revocation) {
  RETURN_IF_ERROR(revocation.status());
  if (session.json()) {
    session.PrintJson(*revocation);
  } else {
    session.out << DescribeMassRevocation(*revocation, session.colored());
  }
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const std::string& name, bool wait) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  StatusOr<v1::MassRevocation> revocation = client.GetMassRevocation(RevocationName(name));
  if (wait && revocation.ok()) revocation = Follow(session, client, *revocation);
  return Print(session, revocation);
}

StatusOr<ExitCode> Stop(Session& session, const std::string& name) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  return Print(session, client.StopMassRevocation(RevocationName(name)));
}

}  // namespace

Status Ask(Session& session, bool yes, const std::string& question) {
  if (yes) return absl::OkStatus();
  if (!session.environment.in_is_terminal) {
    return UsageError("there is no terminal to ask on; add --yes to confirm, nothing was changed");
  }
  session.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(session.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return Error(Code::kCancelled, "", "nothing was changed, since the answer was not y");
}

StatusOr<v1::MassRevocation> Follow(Session& session, Client& client, v1::MassRevocation revocation) {
  const bool terminal = session.environment.err_is_terminal;
  Time shown = session.clock.Now();
  while (revocation.state() == v1::MassRevocation::RUNNING && revocation.seen() < revocation.certificates()) {
    absl::SleepFor(kInterval);
    ASSIGN_OR_RETURN(revocation, client.GetMassRevocation(revocation.name()));
    if (session.json() || (!terminal && session.clock.Now() - shown < kQuietInterval)) continue;
    shown = session.clock.Now();
    session.err << (terminal ? "\r\x1b[K" : "") << Progress(revocation) << (terminal ? "" : "\n") << std::flush;
  }
  if (terminal && !session.json()) session.err << "\r\x1b[K";
  return revocation;
}

std::string DescribeMassRevocation(const v1::MassRevocation& revocation, bool colored) {
  return RenderFields({{"Name", revocation.name()},
                       {"State", StateOf(revocation)},
                       {"What", Printable(WhatOf(revocation))},
                       {"Reason", ReasonName(revocation.reason())},
                       {"Progress", Progress(revocation)},
                       {"Begun", When(revocation.create_time())},
                       {"By", Printable(revocation.caller())},
                       {"Ended", revocation.has_finish_time() ? When(revocation.finish_time()) : ""},
                       {"Stopped by", Printable(revocation.stopped_by())}},
                      colored);
}

void AddRevocation(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "revocation", "See what `hallmark revoke` has begun, and stop it",
                               "  hallmark revocation list\n"
                               "  hallmark revocation show 3f9a0c17b2d4");
  group->require_subcommand(1);
  CLI::App* list =
      AddCommand(*group, "list", "The newest hundred, the newest first", "  hallmark revocation list --output json");
  list->callback([&session] { session.Finish(List(session)); });
  const auto name = std::make_shared<std::string>();
  CLI::App* show = AddCommand(*group, "show", "How far one is", "  hallmark revocation show 3f9a0c17b2d4");
  show->add_option("revocation", *name, "Its name")->required()->type_name("NAME");
  show->callback([&session, name] { session.Finish(Show(session, *name, false)); });
  CLI::App* wait =
      AddCommand(*group, "wait", "Show how far one is until it is done", "  hallmark revocation wait 3f9a0c17b2d4");
  wait->add_option("revocation", *name, "Its name")->required()->type_name("NAME");
  wait->callback([&session, name] { session.Finish(Show(session, *name, true)); });
  CLI::App* stop = AddCommand(*group, "stop", "End one where it is; what is revoked stays so",
                              "  hallmark revocation stop 3f9a0c17b2d4");
  stop->add_option("revocation", *name, "Its name")->required()->type_name("NAME");
  stop->callback([&session, name] { session.Finish(Stop(session, *name)); });
}

}  // namespace hallmark::cli
