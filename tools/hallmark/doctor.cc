#include "tools/hallmark/doctor.h"

#include <algorithm>

#include "base/log.h"
#include "tools/hallmark/examination.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

const char* Name(Verdict verdict) {
  return verdict == Verdict::kGood ? "good" : verdict == Verdict::kWarning ? "warning" : "bad";
}

StatusOr<ExitCode> Doctor(Session& session, const std::string& config) {
  log::Quiet();
  const std::vector<Examined> examined = Examine(config, session.clock);
  const bool bad =
      std::any_of(examined.begin(), examined.end(), [](const Examined& e) { return e.verdict == Verdict::kBad; });
  if (session.json()) {
    nlohmann::json parts = nlohmann::json::array();
    for (const Examined& e : examined) {
      parts.push_back({{"part", e.part}, {"verdict", Name(e.verdict)}, {"finding", e.finding}, {"advice", e.advice}});
    }
    session.PrintJson(nlohmann::json{{"healthy", !bad}, {"parts", parts}});
    return bad ? kFailed : kDone;
  }
  std::vector<std::vector<Cell>> rows;
  for (const Examined& e : examined) {
    const Color color = e.verdict == Verdict::kGood      ? Color::kGreen
                        : e.verdict == Verdict::kWarning ? Color::kYellow
                                                         : Color::kRed;
    rows.push_back({e.part, Cell(Name(e.verdict), color), Printable(e.finding)});
  }
  session.out << RenderTable({"PART", "VERDICT", "FINDING"}, rows, session.colored());
  for (const Examined& e : examined) {
    if (!e.advice.empty()) session.out << "\n" << e.part << ": " << Printable(e.advice) << "\n";
  }
  return bad ? kFailed : kDone;
}

}  // namespace

void AddDoctor(CLI::App& app, Session& session) {
  const auto config = std::make_shared<std::string>("hallmark.yaml");
  CLI::App* doctor = AddCommand(
      app, "doctor",
      "Examine an instance on this machine: module, token, login, keys, clock, database, ports, disk, configuration",
      "  hallmark doctor --config ca/hallmark.yaml\n  hallmark doctor --config ca/hallmark.yaml --output json");
  doctor->add_option("--config", *config, "The instance's hallmark.yaml")->capture_default_str();
  doctor->callback([&session, config] { session.Finish(Doctor(session, *config)); });
}

}  // namespace hallmark::cli
