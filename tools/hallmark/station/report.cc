#include "tools/hallmark/station/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/hallmark/table.h"

namespace hallmark::cli::station {
namespace {

constexpr size_t kRefusalsShown = 100;

std::string TextOf(const nlohmann::json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Report::Report(Session& session, bool progress)
    : session_(session), progress_(progress), started_(session.clock.Now()), shown_(started_) {}

void Report::Delivered(const Entry& entry) {
  waiting_.clear();
  if (entry.state != "refused") {
    ++delivered_;
    return;
  }
  const nlohmann::json error = nlohmann::json::parse(entry.error, nullptr, false);
  std::string reason = TextOf(error, "reason");
  if (reason.empty()) reason = TextOf(error, "code");
  ++reasons_[reason];
  ++refused_;
  if (session_.json() || refused_ > kRefusalsShown) return;
  ClearLine();
  session_.err << fmt::format("refused: {}: {} ({})\n", Printable(entry.name), Printable(TextOf(error, "message")),
                              Printable(reason));
  if (refused_ == kRefusalsShown) session_.err << "further refusals are counted only; see: hallmark station status\n";
  session_.err << std::flush;
}

void Report::Waiting(const Status& status) {
  if (session_.json() || Message(status) == waiting_) return;
  waiting_ = Message(status);
  ClearLine();
  session_.err << fmt::format("hallmark: {}; trying again\n", waiting_) << std::flush;
}

std::string Report::Counted() const {
  std::string text = fmt::format("{} delivered, {} refused", delivered_, refused_);
  if (reasons_.empty()) return text;
  std::string reasons;
  for (const auto& [reason, count] : reasons_) {
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", Printable(reason), count);
  }
  return text + " (" + reasons + ")";
}

void Report::Show(size_t waiting) {
  if (!progress_ || session_.json()) return;
  const bool terminal = session_.environment.err_is_terminal;
  const Time now = session_.clock.Now();
  const Duration since = now - shown_;
  if (since < (terminal ? absl::Milliseconds(250) : absl::Seconds(2))) return;
  const size_t settled = delivered_ + refused_;
  if (!terminal && settled == settled_then_) return;
  rate_ = 0.5 * rate_ + 0.5 * static_cast<double>(settled - settled_then_) / absl::ToDoubleSeconds(since);
  shown_ = now;
  settled_then_ = settled;
  session_.err << (terminal ? "\r\x1b[K" : "") << Counted() << fmt::format(", {} waiting, {:.0f}/s", waiting, rate_)
               << (terminal ? "" : "\n") << std::flush;
  line_open_ = terminal;
}

void Report::ClearLine() {
  if (line_open_) session_.err << "\r\x1b[K";
  line_open_ = false;
}

ExitCode Report::Finish(const Status& end, const Intake::Tally& tally, int64_t waiting) {
  ClearLine();
  const Duration elapsed = session_.clock.Now() - started_;
  if (session_.json()) {
    nlohmann::json summary = {{"delivered", delivered_},     {"refused", refused_},
                              {"refusals", reasons_},        {"waiting", waiting},
                              {"known", tally.known},        {"known_refused", tally.known_refused},
                              {"not_taken_in", tally.taken}, {"elapsed_ms", absl::ToInt64Milliseconds(elapsed)}};
    session_.PrintJson(summary);
  } else {
    for (const auto& [name, source] : tally.taken) {
      session_.err << fmt::format(
          "not taken in: {}: another CSR is known as '{}'; rename the file, give a reissue_reason in --list, or "
          "another --spool with another --out\n",
          Printable(source), Printable(name));
    }
    const double seconds = std::max(0.001, absl::ToDoubleSeconds(elapsed));
    const std::string earlier = fmt::format("{}", tally.known + tally.known_refused);
    session_.out << RenderFields(
        {{"Delivered", fmt::format("{}", delivered_)},
         {"Refused", Cell(Counted().substr(Counted().find(", ") + 2), refused_ > 0 ? Color::kRed : Color::kPlain)},
         {"Without an answer", Cell(fmt::format("{}", waiting), waiting > 0 ? Color::kYellow : Color::kPlain)},
         {"Asked by an earlier run", earlier == "0" ? "" : earlier},
         {"Time", fmt::format("{:.1f} s, {:.0f}/s", seconds, static_cast<double>(delivered_ + refused_) / seconds)}},
        session_.colored());
  }
  if (!end.ok()) {
    session_.Report(end);
    return ExitCodeOf(end);
  }
  if (waiting > 0) return kUnavailable;
  return refused_ > 0 || tally.known_refused > 0 || !tally.taken.empty() ? kRefused : kDone;
}

}  // namespace hallmark::cli::station
