#include "tools/hallmark/station.h"

#include <fmt/format.h>

#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using station::Counts;
using station::Database;
using station::Entry;
using station::Spool;

constexpr size_t kAll = size_t{1} << 30;

nlohmann::json ErrorOf(const Entry& entry) { return nlohmann::json::parse(entry.error, nullptr, false); }

std::string TextOf(const nlohmann::json& json, const char* name) {
  return json.is_object() && json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
}

struct StatusOptions {
  std::string spool;
  size_t refusals = 20;
};

void PrintStatus(Session& session, const Counts& counts, const std::vector<Entry>& refused) {
  std::vector<Field> fields;
  for (const char* state : {"queued", "sent", "exported", "answered", "delivered", "confirmed", "refused"}) {
    const auto found = counts.by_state.find(state);
    const int64_t count = found == counts.by_state.end() ? 0 : found->second;
    std::string name = state;
    name[0] = static_cast<char>(std::toupper(name[0]));
    fields.push_back({name, fmt::format("{}", count)});
  }
  if (counts.oldest_waiting.has_value()) {
    const int64_t seconds = absl::ToInt64Seconds(session.clock.Now() - *counts.oldest_waiting);
    fields.push_back({"Oldest waiting", fmt::format("{}, for {} s", Rfc3339(*counts.oldest_waiting), seconds)});
  }
  for (const auto& [reason, count] : counts.refusals) fields.push_back({"  " + reason, fmt::format("{}", count)});
  session.out << RenderFields(fields, session.colored());
  if (refused.empty()) return;
  std::vector<std::vector<Cell>> rows;
  for (const Entry& entry : refused) {
    const nlohmann::json error = ErrorOf(entry);
    rows.push_back({Printable(entry.name), Printable(TextOf(error, "reason")), Printable(TextOf(error, "message"))});
  }
  session.out << '\n' << RenderTable({"REFUSED", "REASON", "MESSAGE"}, rows, session.colored());
}

StatusOr<ExitCode> ShowStatus(Session& session, const StatusOptions& options) {
  ASSIGN_OR_RETURN(Spool spool, OpenSpool(session, options.spool, Database::Access::kReadOnly));
  ASSIGN_OR_RETURN(const Counts counts, spool.Count());
  ASSIGN_OR_RETURN(const std::vector<Entry> refused, spool.List("refused", options.refusals));
  if (!session.json()) {
    PrintStatus(session, counts, refused);
    return kDone;
  }
  nlohmann::json document = {{"states", counts.by_state},
                             {"refusals", counts.refusals},
                             {"waiting", counts.waiting()},
                             {"refused", nlohmann::json::array()}};
  if (counts.oldest_waiting.has_value()) document["oldest_waiting"] = Rfc3339(*counts.oldest_waiting);
  for (const Entry& entry : refused) {
    document["refused"].push_back({{"name", entry.name}, {"source", entry.source}, {"error", ErrorOf(entry)}});
  }
  session.PrintJson(document);
  return kDone;
}

struct RetryOptions {
  std::string spool;
  std::vector<std::string> names;
  std::string reason;
  bool all = false;
};

StatusOr<ExitCode> Retry(Session& session, const RetryOptions& options) {
  if (options.all == !options.names.empty()) return UsageError("give either the names of what was refused, or --all");
  ASSIGN_OR_RETURN(Spool spool, OpenSpool(session, options.spool, Database::Access::kReadWrite));
  std::vector<Entry> entries;
  if (options.all) {
    ASSIGN_OR_RETURN(entries, spool.List("refused", kAll));
  }
  for (const std::string& name : options.names) {
    ASSIGN_OR_RETURN(entries.emplace_back(), spool.Find(name));
  }
  size_t queued = 0;
  for (const Entry& entry : entries) {
    if (options.all && entry.request.csr().empty()) continue;  // its file is at fault
    if (!options.reason.empty() && TextOf(ErrorOf(entry), "reason") != options.reason) continue;
    RETURN_IF_ERROR(spool.Retry(entry, session.clock.Now()));
    ++queued;
  }
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"queued", queued}});
  } else {
    session.out << fmt::format("{} queued again; `hallmark station run` sends them\n", queued);
  }
  return kDone;
}

}  // namespace

void AddSpoolOption(CLI::App& command, std::string& spool) {
  command
      .add_option("--spool", spool,
                  "Where requests and answers are kept; CONTEXT-spool.db beside the context if absent")
      ->type_name("DIR|FILE");
}

StatusOr<Spool> OpenSpool(const Session& session, const std::string& spool, Database::Access access) {
  ASSIGN_OR_RETURN(const std::filesystem::path file, session.FindContextFile());
  return Spool::Open(Spool::PathOf(spool, file), access);
}

void AddStationStatus(CLI::App& group, Session& session) {
  const auto options = std::make_shared<StatusOptions>();
  CLI::App* status = AddCommand(group, "status", "Show what the spool holds: states, what waits longest, refusals",
                                "  hallmark station status\n"
                                "  hallmark station status --output json");
  AddSpoolOption(*status, options->spool);
  status->add_option("--refusals", options->refusals, "At most so many refusals")->capture_default_str();
  status->callback([&session, options] { session.Finish(ShowStatus(session, *options)); });
}

void AddStationRetry(CLI::App& group, Session& session) {
  const auto options = std::make_shared<RetryOptions>();
  CLI::App* retry = AddCommand(group, "retry",
                               "Ask again for what was refused, under a new request id, once its cause is out of the "
                               "way; or ask over the network\n"
                               "for what is in a bundle. A run that watches sends it at once, else the next run does.",
                               "  hallmark station retry SN0012\n"
                               "  hallmark station retry --all --reason LOT_NOT_YET_OPEN");
  AddSpoolOption(*retry, options->spool);
  retry->add_option("names", options->names, "The names of files in OUT/refused, without .json")->type_name("NAME");
  retry->add_flag("--all", options->all, "Everything that was refused");
  retry->add_option("--reason", options->reason, "Only what was refused for this reason");
  retry->callback([&session, options] { session.Finish(Retry(session, *options)); });
}

void AddStation(CLI::App& app, Session& session) {
  CLI::App* group = app.add_subcommand("station", "Certify a line's devices over a bad network, or none");
  group->require_subcommand(1);
  AddStationRun(*group, session);
  AddStationStatus(*group, session);
  AddStationRetry(*group, session);
  AddStationConfirm(*group, session);
  AddStationExport(*group, session);
  AddStationImport(*group, session);
  AddStationCredentials(*group, session);
}

}  // namespace hallmark::cli
