// hallmark publish dps: a target from its description to its devices.
#include <absl/time/clock.h>
#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "publish/description.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr Duration kInterval = absl::Milliseconds(300);

struct AddOptions {
  std::string file;
  bool replace = false;
  bool dry_run = false;
};

StatusOr<ExitCode> Add(Session& session, const AddOptions& options) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(options.file, kDescriptionLimit));
  v1::AddTargetRequest request;
  request.set_description(text);
  request.set_replace(options.replace);
  request.set_validate_only(options.dry_run);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Target target, client.AddTarget(request));
  if (session.json()) {
    session.PrintJson(target);
    return kDone;
  }
  const std::string name = ShortTarget(target.name());
  if (options.dry_run) {
    session.out << fmt::format("{} is a good description of {}. Nothing was kept.\n", options.file, name);
    return kDone;
  }
  session.out << fmt::format(
      "{} is kept, and nothing was sent yet. See what would be done: hallmark publish dps plan {}\n", name, name);
  return kDone;
}

void PrintPlan(std::ostream& out, bool colored, const v1::PublicationPlan& plan) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& step : plan.steps()) {
    const Color color = step.action() == "remove" || step.action() == "disable" ? Color::kRed
                        : step.action() == "claim"                              ? Color::kYellow
                                                                                : Color::kGreen;
    std::string details;
    for (const std::string& detail : step.details()) details += (details.empty() ? "" : "; ") + detail;
    rows.push_back({{step.action(), color}, step.kind(), Printable(step.id()), Printable(details)});
  }
  if (!rows.empty()) out << RenderTable({"DO", "WHAT", "ID", "DETAILS"}, rows, colored);
  for (const std::string& conflict : plan.conflicts()) out << "Left as it is: " << Printable(conflict) << "\n";
  for (const std::string& warning : plan.warnings()) out << "Beware: " << Printable(warning) << "\n";
  for (const std::string& obstacle : plan.obstacles()) out << "In the way: " << Printable(obstacle) << "\n";
  if (plan.most_certificates() == 0) return;
  out << fmt::format("The service has then {} of {} CA certificates and {} of {} enrollment groups.\n",
                     plan.certificates(), plan.most_certificates(), plan.groups(), plan.most_groups());
}

struct PlanOptions {
  std::string target;
  bool take_over = false;
};

StatusOr<ExitCode> Plan(Session& session, const PlanOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::PublicationPlan plan,
                   client.PlanPublication(TargetName(options.target), options.take_over));
  const bool obstructed = plan.obstacles_size() > 0;
  if (session.json()) {
    session.PrintJson(plan);
    return obstructed ? kRefused : kDone;
  }
  PrintPlan(session.out, session.colored(), plan);
  if (obstructed) return kRefused;
  session.out << (plan.steps_size() == 0 ? "Everything is as described; nothing is to do.\n"
                                         : fmt::format("Make it so: hallmark publish dps apply {}{}\n", options.target,
                                                       options.take_over ? " --take-over" : ""));
  return kDone;
}

struct ApplyOptions {
  std::string target;
  bool yes = false;
  bool take_over = false;
  bool no_wait = false;
};

std::string Progress(const v1::Target& target) {
  if (!target.paused_reason().empty()) return "waiting: " + Printable(target.paused_reason());
  if (!target.chain_failure().empty()) return "waiting: " + Printable(target.chain_failure());
  const int64_t others = target.waiting().count() - 1;
  return others > 0 ? fmt::format("publishing; {} other changes wait, revoked devices come first", others)
                    : "publishing";
}

// Until it is published, or needs a person.
StatusOr<v1::Target> Follow(Session& session, Client& client, v1::Target target) {
  const bool terminal = session.environment.err_is_terminal && !session.json();
  std::string shown;
  while (target.chain() == v1::Target::PUBLISHING) {
    absl::SleepFor(kInterval);
    ASSIGN_OR_RETURN(target, client.GetTarget(target.name()));
    const std::string now = Progress(target);
    if (session.json() || now == shown) continue;
    session.err << (terminal ? "\r\x1b[K" : "") << now << (terminal ? "" : "\n") << std::flush;
    shown = now;
  }
  if (terminal) session.err << "\r\x1b[K";
  return target;
}

StatusOr<ExitCode> Tell(Session& session, const v1::Target& target) {
  if (session.json()) {
    session.PrintJson(target);
  } else if (target.chain() == v1::Target::PUBLISHED) {
    session.out << fmt::format("{} is published.\n", ShortTarget(target.name()));
  } else if (target.chain() == v1::Target::PUBLISHING) {
    session.out << fmt::format("{0} is being published; see: hallmark publish status {0}\n",
                               ShortTarget(target.name()));
  }
  if (target.chain() != v1::Target::FAILED) return kDone;
  return Error(Code::kFailedPrecondition, target.chain_failure_reason(), Printable(target.chain_failure()));
}

// What the plan says, if it cannot be carried out.
StatusOr<ExitCode> Obstructed(Session& session, const v1::PublicationPlan& plan) {
  if (!session.json()) return kRefused;
  std::string all;
  for (const std::string& obstacle : plan.obstacles()) all += (all.empty() ? "" : "; ") + Printable(obstacle);
  return Error(Code::kFailedPrecondition, reason::kPublicationObstructed, all);
}

StatusOr<ExitCode> Apply(Session& session, const ApplyOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::PublicationPlan plan,
                   client.PlanPublication(TargetName(options.target), options.take_over));
  // Whoever is asked sees what about.
  if (!session.json() || !options.yes) PrintPlan(session.json() ? session.err : session.out, session.colored(), plan);
  if (plan.obstacles_size() > 0) return Obstructed(session, plan);
  if (plan.steps_size() > 0 || options.take_over) {
    RETURN_IF_ERROR(Ask(session, options.yes, fmt::format("Do this in {}?", options.target)));
  }
  ASSIGN_OR_RETURN(v1::Target target, client.PublishChain(TargetName(options.target), options.take_over));
  if (!options.no_wait) {
    ASSIGN_OR_RETURN(target, Follow(session, client, std::move(target)));
  }
  return Tell(session, target);
}

struct RemoveOptions {
  std::string target;
  bool force = false;
  bool yes = false;
};

// What stays in the service, and who is let in or kept out there for ever.
std::string ForceQuestion(const v1::Target& target) {
  return fmt::format(
      "{} changes wait for {}, {} devices are kept out there and {} are pinned: nobody looks after them any more. "
      "Forget it?",
      target.waiting().count() + target.parked().count(), ShortTarget(target.name()),
      target.blocked_devices() + target.under_way_devices(), target.pinned_devices());
}

StatusOr<ExitCode> Remove(Session& session, const RemoveOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  if (options.force) {
    ASSIGN_OR_RETURN(const v1::Target target, client.GetTarget(TargetName(options.target)));
    RETURN_IF_ERROR(Ask(session, options.yes, ForceQuestion(target)));
  }
  RETURN_IF_ERROR(client.RemoveTarget(TargetName(options.target), options.force));
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"removed", TargetName(options.target)}});
  } else {
    session.out << fmt::format("{} is forgotten here. What stands in the service stays.\n", options.target);
  }
  return kDone;
}

}  // namespace

std::string TargetName(const std::string& text) { return text.starts_with("targets/") ? text : "targets/" + text; }
std::string ShortTarget(const std::string& name) {
  return name.starts_with("targets/") ? name.substr(sizeof "targets/" - 1) : name;
}

void AddPublishDps(CLI::App& group, Session& session) {
  CLI::App* dps = AddCommand(group, "dps", "Azure IoT Hub Device Provisioning Service: chains, proofs, groups",
                             "  hallmark publish dps add contoso.yaml\n"
                             "  hallmark publish dps plan contoso\n"
                             "  hallmark publish dps apply contoso");
  dps->require_subcommand(1);

  const auto add = std::make_shared<AddOptions>();
  CLI::App* adding = AddCommand(*dps, "add", "Keep the description of a service; nothing is sent yet",
                                "  hallmark publish dps add contoso.yaml --dry-run\n"
                                "  hallmark publish dps add contoso.yaml --replace");
  adding->add_option("description", add->file, "YAML, see docs/publishing.md")->required()->type_name("FILE");
  adding->add_flag("--replace", add->replace, "Instead of the one that has the same name");
  adding->add_flag("--dry-run", add->dry_run, "Only look whether it is right");
  adding->callback([&session, add] { session.Finish(Add(session, *add)); });

  const auto planned = std::make_shared<PlanOptions>();
  CLI::App* plan = AddCommand(*dps, "plan", "Compare the service with its description, and show what would be done",
                              "  hallmark publish dps plan contoso");
  plan->add_option("target", planned->target, "Its name")->required()->type_name("TARGET");
  plan->add_flag("--take-over", planned->take_over, "As `apply --take-over` would do it");
  plan->callback([&session, planned] { session.Finish(Plan(session, *planned)); });

  const auto apply = std::make_shared<ApplyOptions>();
  CLI::App* applying = AddCommand(*dps, "apply", "Upload, prove and bind until the service is as described",
                                  "  hallmark publish dps apply contoso\n"
                                  "  hallmark publish dps apply contoso --yes --take-over");
  applying->add_option("target", apply->target, "Its name")->required()->type_name("TARGET");
  applying->add_flag("--yes", apply->yes, "Do not ask");
  applying->add_flag("--take-over", apply->take_over, "Also set what somebody else has changed");
  applying->add_flag("--no-wait", apply->no_wait, "Do not wait until it is done");
  applying->callback([&session, apply] { session.Finish(Apply(session, *apply)); });

  const auto remove = std::make_shared<RemoveOptions>();
  CLI::App* removing =
      AddCommand(*dps, "remove", "Forget a service; what stands there stays", "  hallmark publish dps remove contoso");
  removing->add_option("target", remove->target, "Its name")->required()->type_name("TARGET");
  removing->add_flag("--force", remove->force, "Although revocations wait for it or devices are kept out there");
  removing->add_flag("--yes", remove->yes, "Do not ask, with --force");
  removing->callback([&session, remove] { session.Finish(Remove(session, *remove)); });

  AddPublishCheck(*dps, session);
  AddTargetStatus(*dps, session, "hallmark publish dps");
}

}  // namespace hallmark::cli
