#include "tools/hallmark/caller_commands.h"

#include <fmt/format.h>

#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string caller;
  std::string reason;
};

StatusOr<ExitCode> Suspend(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Suspension suspension, client.SuspendCaller(options.caller, options.reason));
  if (session.json()) {
    session.PrintJson(suspension);
    return kDone;
  }
  session.out << RenderFields({{"Caller", Printable(suspension.caller())},
                               {"State", Cell("suspended", Color::kYellow)},
                               {"Since", When(suspension.suspend_time())},
                               {"Reason", Printable(suspension.reason())},
                               {"Suspended by", Printable(suspension.suspended_by())}},
                              session.colored());
  return kDone;
}

StatusOr<ExitCode> Resume(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  RETURN_IF_ERROR(client.ResumeCaller(options.caller));
  if (session.json()) {
    session.PrintJson(v1::ResumeCallerResponse());
  } else {
    session.out << fmt::format("{} is not suspended.\n", Printable(options.caller));
  }
  return kDone;
}

StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ListSuspensionsResponse response, client.ListSuspensions());
  if (session.json()) {
    session.PrintJson(response);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Suspension& suspension : response.suspensions()) {
    rows.push_back({Printable(suspension.caller()), When(suspension.suspend_time()),
                    Printable(suspension.suspended_by()), Printable(suspension.reason())});
  }
  session.out << RenderTable({"SUSPENDED", "SINCE", "BY", "REASON"}, rows, session.colored());
  return kDone;
}

}  // namespace

void AddCaller(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "caller", "Who may call the service",
                               "  hallmark caller suspend hallmark://example/station/line-3 --reason \"stolen PC\"\n"
                               "  hallmark caller list");
  group->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* suspend =
      AddCommand(*group, "suspend",
                 "Keep a caller out at once, on open streams, too, with whatever certificate, until it is resumed.",
                 "  hallmark caller suspend hallmark://example/station/line-3 --reason \"stolen PC\"");
  suspend->add_option("caller", options->caller, "Its URI")->required()->type_name("URI");
  suspend->add_option("--reason", options->reason, "Why, for people and the ledger")->required()->type_name("TEXT");
  suspend->callback([&session, options] { session.Finish(Suspend(session, *options)); });
  CLI::App* resume = AddCommand(*group, "resume", "Let a suspended caller in again.",
                                "  hallmark caller resume hallmark://example/station/line-3");
  resume->add_option("caller", options->caller, "Its URI")->required()->type_name("URI");
  resume->callback([&session, options] { session.Finish(Resume(session, *options)); });
  CLI::App* list = AddCommand(*group, "list", "Show who is suspended.", "  hallmark caller list --output json");
  list->callback([&session] { session.Finish(List(session)); });
}

}  // namespace hallmark::cli
