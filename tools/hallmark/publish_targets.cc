// hallmark publish status|work|retry|reconcile: how far the targets are.
#include <fmt/format.h>

#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr int kEnrollmentsPage = 500;
constexpr int kWorkPage = 1000;

Cell ChainOf(const v1::Target& target) {
  switch (target.chain()) {
    case v1::Target::PUBLISHING: return {"publishing", Color::kYellow};
    case v1::Target::PUBLISHED:
      return target.as_described() ? Cell("published", Color::kGreen)
                                   : Cell("described anew: apply it", Color::kYellow);
    case v1::Target::FAILED: return {"failed", Color::kRed};
    default: return {"not published", Color::kFaint};
  }
}

std::string Age(Session& session, const v1::Target::Work& work) {
  if (work.count() == 0) return "";
  const Time oldest = absl::FromUnixSeconds(work.oldest_time().seconds());
  const Duration age = std::max(session.clock.Now() - oldest, absl::ZeroDuration());
  return fmt::format("{} since {} s", work.count(), absl::ToInt64Seconds(age));
}

Cell Converged(const v1::Target& target) {
  if (target.converged()) return {"yes", Color::kGreen};
  if (target.parked().count() > 0 || target.chain() == v1::Target::FAILED) return {"no: see work", Color::kRed};
  return {"not yet", Color::kYellow};
}

std::vector<Field> FieldsOf(Session& session, const v1::Target& target) {
  return {{"Name", target.name()},
          {"Kind", target.kind()},
          {"Chain", ChainOf(target)},
          {"Converged", Converged(target)},
          {"Waiting", Age(session, target.waiting())},
          {"Parked", {Age(session, target.parked()), Color::kRed}},
          {"Devices kept out", fmt::format("{}", target.blocked_devices())},
          {"Devices pinned", fmt::format("{}", target.pinned_devices())},
          {"Under way", target.under_way_devices() == 0 ? "" : fmt::format("{}", target.under_way_devices())},
          {"Published", target.has_publish_time() ? When(target.publish_time()) : ""},
          {"Described", When(target.update_time())},
          {"By", Printable(target.updated_by())},
          {"Left alone until", target.has_paused_until() ? When(target.paused_until()) : ""},
          {"Because", Printable(target.paused_reason())},
          {"The chain failed", {Printable(target.chain_failure()), Color::kRed}}};
}

StatusOr<ExitCode> Show(Session& session, const std::string& name) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  if (!name.empty()) {
    ASSIGN_OR_RETURN(const v1::Target target, client.GetTarget(TargetName(name)));
    if (session.json()) {
      session.PrintJson(target);
    } else {
      session.out << RenderFields(FieldsOf(session, target), session.colored());
    }
    return kDone;
  }
  ASSIGN_OR_RETURN(const v1::ListTargetsResponse list, client.ListTargets());
  if (session.json()) {
    session.PrintJson(list);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::Target& target : list.targets()) {
    rows.push_back({ShortTarget(target.name()), target.kind(), ChainOf(target), Converged(target),
                    Age(session, target.waiting()), Age(session, target.parked()),
                    fmt::format("{}", target.blocked_devices())});
  }
  session.out << RenderTable({"TARGET", "KIND", "CHAIN", "CONVERGED", "WAITING", "PARKED", "KEPT OUT"}, rows,
                             session.colored());
  return kDone;
}

struct WorkOptions {
  std::string target;
  bool parked = false;
};

StatusOr<ExitCode> ListWork(Session& session, const WorkOptions& options) {
  v1::ListWorkRequest request;
  request.set_name(TargetName(options.target));
  request.set_parked_only(options.parked);
  request.set_page_size(kWorkPage);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ListWorkResponse work;
  do {
    ASSIGN_OR_RETURN(const v1::ListWorkResponse page, client.ListWork(request));
    work.mutable_items()->MergeFrom(page.items());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (session.json()) {
    session.PrintJson(work);
    return kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const v1::WorkItem& item : work.items()) {
    rows.push_back({item.review() ? item.kind() + " again" : item.kind(), Printable(item.key()),
                    When(item.queue_time()),
                    item.parked() ? Cell("parked", Color::kRed) : Cell("waiting", Color::kYellow),
                    fmt::format("{}", item.attempts()), Printable(item.failure())});
  }
  session.out << RenderTable({"WHAT", "KEY", "SINCE", "STATE", "ATTEMPTS", "LAST FAILURE"}, rows, session.colored());
  return kDone;
}

struct EnrollmentsOptions {
  std::string target;
  bool by_hand = false;
};

Cell StateOf(const v1::Enrollment& enrollment) {
  switch (enrollment.state()) {
    case v1::Enrollment::DISABLED: return {"kept out", Color::kRed};
    case v1::Enrollment::PINNED: return {"pinned", Color::kYellow};
    default: return {"under way", Color::kFaint};
  }
}

Cell HubOf(const v1::Enrollment& enrollment) {
  const std::string in = enrollment.hub().empty() ? "" : " in " + Printable(enrollment.hub());
  if (enrollment.hub_disabled()) return {"disabled" + in};
  const bool pinned = enrollment.state() == v1::Enrollment::PINNED;
  if (enrollment.by_hand()) return {(pinned ? "see its thumbprints" : "disable it by hand") + in, Color::kYellow};
  return {""};
}

StatusOr<ExitCode> ListEnrollments(Session& session, const EnrollmentsOptions& options) {
  v1::ListEnrollmentsRequest request;
  request.set_name(TargetName(options.target));
  request.set_by_hand_only(options.by_hand);
  request.set_page_size(kEnrollmentsPage);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ListEnrollmentsResponse all;
  std::vector<std::vector<Cell>> rows;
  do {
    ASSIGN_OR_RETURN(const v1::ListEnrollmentsResponse page, client.ListEnrollments(request));
    for (const v1::Enrollment& one : page.enrollments()) {
      rows.push_back({Printable(one.registration_id()), StateOf(one), one.created() ? "ours" : "somebody else's",
                      one.has_collect_time() ? When(one.collect_time()) : "", HubOf(one)});
      if (session.json()) *all.add_enrollments() = one;
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (session.json()) {
    session.PrintJson(all);
    return kDone;
  }
  session.out << RenderTable({"DEVICE", "STATE", "WHOSE", "UNTIL", "IN ITS HUB"}, rows, session.colored());
  return kDone;
}

StatusOr<ExitCode> Retry(Session& session, const std::string& target) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::RetryWorkResponse response, client.RetryWork(TargetName(target)));
  if (session.json()) {
    session.PrintJson(response);
  } else {
    session.out << fmt::format("{} changes are tried now; see: hallmark publish status {}\n", response.items(), target);
  }
  return kDone;
}

struct ReconcileOptions {
  std::string target;
  bool repair = false;
};

StatusOr<ExitCode> Reconcile(Session& session, const ReconcileOptions& options) {
  v1::ReconcileTargetRequest request;
  request.set_name(TargetName(options.target));
  request.set_repair(options.repair);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  const bool terminal = session.environment.err_is_terminal && !session.json();
  v1::ReconcileTargetResponse::Result result;
  nlohmann::json drifts = nlohmann::json::array();
  std::vector<std::vector<Cell>> rows;
  const Status status = client.ReconcileTarget(request, [&](const v1::ReconcileTargetResponse& response) {
    if (response.has_progress()) result.set_seen(response.progress().seen());
    if (response.has_progress() && terminal) {
      session.err << fmt::format("\r\x1b[K{} seen", response.progress().seen()) << std::flush;
    }
    if (response.has_result()) result = response.result();
    if (!response.has_drift()) return;
    const auto& drift = response.drift();
    drifts.push_back(ToJson(drift));
    rows.push_back({drift.kind(), Printable(drift.id()), drift.ours() ? "ours" : "not ours", Printable(drift.what())});
  });
  if (terminal) session.err << "\r\x1b[K";
  const ExitCode code = result.drift() > result.repairing() ? kDiffers : kDone;
  if (session.json()) {
    if (!status.ok() && rows.empty()) return status;
    session.PrintJson(nlohmann::json{{"drift", drifts}, {"seen", result.seen()}, {"repairing", result.repairing()}});
    RETURN_IF_ERROR(status);
    return code;
  }
  if (!rows.empty()) session.out << RenderTable({"WHAT", "ID", "WHOSE", "DRIFT"}, rows, session.colored());
  RETURN_IF_ERROR(status);
  session.out << fmt::format("{} looked at, {} not as they should be", result.seen(), result.drift());
  if (options.repair) {
    session.out << fmt::format(", {} are being repaired.\n", result.repairing());
  } else {
    session.out << (result.drift() == 0 ? ".\n" : "; --repair mends what is ours.\n");
  }
  return code;
}

}  // namespace

void AddTargetStatus(CLI::App& group, Session& session, const std::string& command) {
  const auto target = std::make_shared<std::string>();
  CLI::App* status = AddCommand(group, "status", "How far the targets are: converged, waiting, parked",
                                fmt::format("  {0} status\n  {0} status contoso --output json", command));
  status->add_option("target", *target, "Only this one")->type_name("TARGET");
  status->callback([&session, target] { session.Finish(Show(session, *target)); });
}

void AddPublishTargets(CLI::App& group, Session& session) {
  AddTargetStatus(group, session, "hallmark publish");

  const auto work = std::make_shared<WorkOptions>();
  CLI::App* listing = AddCommand(group, "work", "What waits for a target, and why what is parked does",
                                 "  hallmark publish work contoso --parked");
  listing->add_option("target", work->target, "Its name")->required()->type_name("TARGET");
  listing->add_flag("--parked", work->parked, "Only what needs a person");
  listing->callback([&session, work] { session.Finish(ListWork(session, *work)); });

  const auto enrollments = std::make_shared<EnrollmentsOptions>();
  CLI::App* listed =
      AddCommand(group, "enrollments", "The devices that are kept out of a target, or pinned to one certificate",
                 "  hallmark publish enrollments contoso\n"
                 "  hallmark publish enrollments contoso --by-hand      that may still be connected to their hub");
  listed->add_option("target", enrollments->target, "Its name")->required()->type_name("TARGET");
  listed->add_flag(
      "--by-hand", enrollments->by_hand,
      "Only those whose hub a person has to look after, since the target does not name it: one that is kept "
      "out is to be disabled there, one that is pinned is to know no revoked certificate's thumbprint");
  listed->callback([&session, enrollments] { session.Finish(ListEnrollments(session, *enrollments)); });

  const auto retried = std::make_shared<std::string>();
  CLI::App* retry =
      AddCommand(group, "retry", "Try at once what waits or is parked", "  hallmark publish retry contoso");
  retry->add_option("target", *retried, "Its name")->required()->type_name("TARGET");
  retry->callback([&session, retried] { session.Finish(Retry(session, *retried)); });

  const auto reconcile = std::make_shared<ReconcileOptions>();
  CLI::App* reconciling = AddCommand(group, "reconcile", "Look for what somebody changed in a target behind our back",
                                     "  hallmark publish reconcile contoso\n"
                                     "  hallmark publish reconcile contoso --repair");
  reconciling->add_option("target", reconcile->target, "Its name")->required()->type_name("TARGET");
  reconciling->add_flag("--repair", reconcile->repair,
                        "Mend what is ours: what was deleted there, or what we had set and somebody changed");
  reconciling->callback([&session, reconcile] { session.Finish(Reconcile(session, *reconcile)); });
}

void AddPublish(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "publish", "Carry authorities and revocations to the clouds that let devices in",
                               "  hallmark publish dps add contoso.yaml\n"
                               "  hallmark publish dps apply contoso\n"
                               "  hallmark publish status\n"
                               "  hallmark publish bundle azure");
  group->require_subcommand(1);
  AddPublishBundle(*group, session);
  AddPublishAdr(*group, session);
  AddPublishDps(*group, session);
  AddPublishTargets(*group, session);
}

}  // namespace hallmark::cli
