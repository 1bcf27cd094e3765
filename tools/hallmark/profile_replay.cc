// hallmark profile replay: what a change of a profile would have changed.
#include <fmt/format.h>

#include <filesystem>

#include "base/file.h"
#include "tools/hallmark/profile_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr size_t kTextLimit = size_t{1} << 20;
constexpr int kProgressStep = 100;

struct Options {
  std::string file;
  std::string profile;  // empty: named as the file
  int last = 1000;
  size_t limit = 50;
};

struct Tally {
  int replayed = 0;
  int refused = 0;
  int different = 0;
  int not_replayed = 0;
  std::vector<v1::ReplayProfileResponse> remarkable;  // all but those that are the same

  bool differs() const { return refused + different > 0; }
};

void Count(const v1::ReplayProfileResponse& response, Tally& tally) {
  ++tally.replayed;
  const bool refused = response.after() == v1::ReplayProfileResponse::REFUSED;
  const bool not_replayed = response.after() == v1::ReplayProfileResponse::NOT_REPLAYED;
  if (refused) ++tally.refused;
  if (not_replayed) ++tally.not_replayed;
  if (!refused && !not_replayed && response.differences().empty()) return;
  if (!refused && !not_replayed) ++tally.different;
  tally.remarkable.push_back(response);
}

std::string Summary(const Tally& tally) {
  const int same = tally.replayed - tally.refused - tally.different - tally.not_replayed;
  return fmt::format("{} replayed: {} the same, {} different, {} refused, {} not to be replayed\n", tally.replayed,
                     same, tally.different, tally.refused, tally.not_replayed);
}

std::string Render(const Tally& tally, size_t limit, bool colored) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::ReplayProfileResponse& response : tally.remarkable) {
    if (response.after() == v1::ReplayProfileResponse::REFUSED)
      rows.push_back({response.subject(), Cell("refused", Color::kRed), "issued", response.problem()});
    if (response.after() == v1::ReplayProfileResponse::NOT_REPLAYED)
      rows.push_back({response.subject(), Cell("not replayed", Color::kFaint), "", response.problem()});
    for (const auto& difference : response.differences())
      rows.push_back(
          {response.subject(), Cell(difference.field(), Color::kYellow), difference.before(), difference.after()});
  }
  if (rows.empty()) return "";
  const size_t all = rows.size();
  if (all > limit) rows.resize(limit, {});
  std::string text = RenderTable({"SUBJECT", "DIFFERENCE", "THEN", "NOW"}, rows, colored);
  if (all > limit) text += fmt::format("and {} more lines: --limit N, or --output json\n", all - limit);
  return text;
}

StatusOr<ExitCode> Replay(Session& session, const Options& options) {
  v1::ReplayProfileRequest request;
  const std::string stem = std::filesystem::path(options.file).stem().string();
  request.set_name("profiles/" + (options.profile.empty() ? stem : options.profile));
  request.set_count(options.last);
  ASSIGN_OR_RETURN(*request.mutable_text(), ReadFile(options.file, kTextLimit));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  Tally tally;
  const bool shows_progress = session.environment.err_is_terminal && !session.json();
  RETURN_IF_ERROR(client.ReplayProfile(request, [&](const v1::ReplayProfileResponse& response) {
    Count(response, tally);
    if (shows_progress && tally.replayed % kProgressStep == 0)
      session.err << fmt::format("\r{} of at most {}", tally.replayed, options.last) << std::flush;
  }));
  if (shows_progress) session.err << "\r\x1b[K";
  if (session.json()) {
    nlohmann::json results = nlohmann::json::array();
    for (const v1::ReplayProfileResponse& response : tally.remarkable) results.push_back(ToJson(response));
    session.PrintJson(nlohmann::json{{"replayed", tally.replayed},
                                     {"different", tally.different},
                                     {"refused", tally.refused},
                                     {"not_replayed", tally.not_replayed},
                                     {"results", std::move(results)}});
  } else {
    session.out << Render(tally, options.limit, session.colored()) << Summary(tally);
  }
  return tally.differs() ? kDiffers : kDone;
}

}  // namespace

void AddProfileReplay(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(group, "replay",
                 "Decide the last requests under a profile again with a changed one, each as it was sent,\n"
                 "by its caller, at its time, and show what would differ. Nothing is issued or changed.\n"
                 "Exit code 0 when nothing differs, 7 when something does.",
                 "  hallmark profile show device-dps --text > device-dps.yaml   # edit it, then:\n"
                 "  hallmark profile replay device-dps.yaml --last 1000\n"
                 "  hallmark profile replay draft.yaml --profile device-dps --output json");
  command->add_option("file", options->file, "The changed profile, YAML")->required()->type_name("FILE");
  command->add_option("--profile", options->profile, "Whose requests; named as the file if absent")->type_name("NAME");
  command->add_option("--last", options->last, "The last so many certificates")
      ->check(CLI::Range(1, 100'000, "1 to 100000"))
      ->capture_default_str();
  command->add_option("--limit", options->limit, "Show at most so many lines of differences")->capture_default_str();
  command->callback([&session, options] { session.Finish(Replay(session, *options)); });
}

}  // namespace hallmark::cli
