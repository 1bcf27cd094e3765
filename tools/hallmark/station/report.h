// What the people at a line see of a run: refusals as they come, progress, and how it ended.
#pragma once

#include <map>
#include <string>

#include "tools/hallmark/session.h"
#include "tools/hallmark/station/intake.h"
#include "tools/hallmark/station/spool.h"

namespace hallmark::cli::station {

// One thread. `session` outlives it.
class Report {
 public:
  Report(Session& session, bool progress);

  // An answer is in OUT, a certificate or a refusal.
  void Delivered(const Entry& entry);
  // Nothing is sent for now, and why: said once for each cause.
  void Waiting(const Status& status);
  // The line of progress, not more often than people can read; `waiting` have no answer yet.
  void Show(size_t waiting);

  // The summary, and the exit code: what `end` means if it is not OK, 4 when something has no answer, 3 when something
  // was refused, now or by an earlier run that was asked the same, 0 otherwise.
  ExitCode Finish(const Status& end, const Intake::Tally& tally, int64_t waiting);

 private:
  void ClearLine();
  std::string Counted() const;

  Session& session_;
  const bool progress_;
  size_t delivered_ = 0;
  size_t refused_ = 0;
  std::map<std::string, size_t> reasons_;
  std::string waiting_;  // the cause that was said last
  const Time started_;
  Time shown_;
  size_t settled_then_ = 0;  // when it was shown last
  double rate_ = 0;          // answers a second, lately
  bool line_open_ = false;
};

}  // namespace hallmark::cli::station
