// How CSRs come to a station: from folders, single files and archives, into the spool.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/hallmark/station/request.h"
#include "tools/hallmark/station/spool.h"
#include "tools/hallmark/station/watch.h"

namespace hallmark::cli::station {

// Reads what a file, or an archive, holds. Private keys, empty files, what is too large and unreadable archives are a
// Found with a problem; other octets are for the service to judge. Never a private key's octets.
std::vector<Found> ReadFound(const std::filesystem::path& path, const Terms& terms, const List& list);

// One thread. `spool` outlives it.
class Intake {
 public:
  struct Settings {
    std::vector<std::filesystem::path> inputs;  // folders, CSRs, archives
    Terms terms;
    List list;
    bool watch = false;
  };
  struct Tally {
    size_t queued = 0;
    size_t problems = 0;                       // refused here
    size_t known = 0;                          // asked by an earlier run
    size_t known_refused = 0;                  // and refused then
    std::map<std::string, std::string> taken;  // name: the file that wants the name of another one
  };

  Intake(Settings settings, Spool& spool);

  // Looks at every input, from then on also at what appears. Errors of the inputs, as COMMAND_LINE_INVALID.
  Status Begin(Time now);
  // Takes in some of what is there, in one transaction; does not wait. Returns whether there may be more at once.
  StatusOr<bool> Take(Time now);
  // Waits until something appears, at most `longest`.
  void Wait(Duration longest) const { watch_.Wait(longest); }

  const Tally& tally() const { return tally_; }

 private:
  struct Stamp {
    std::filesystem::file_time_type time;
    uintmax_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  Status Scan();
  void Collect(Time now);
  bool Ripe(const std::filesystem::path& path, bool closed, Time now);
  Status AddFound(Time now);

  Settings settings_;
  Spool& spool_;
  Watch watch_;
  std::deque<std::filesystem::path> files_;      // to look at
  std::map<std::filesystem::path, Stamp> seen_;  // as they were when they were read
  std::deque<Found> found_;                      // to add
  Time rescan_;
  Tally tally_;
};

}  // namespace hallmark::cli::station
