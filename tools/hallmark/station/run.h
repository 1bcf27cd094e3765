// hallmark station run: from the CSRs in a folder to the answers in another, over whatever the network is.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "policies/rate.h"
#include "tools/hallmark/batch.h"
#include "tools/hallmark/client.h"
#include "tools/hallmark/session.h"
#include "tools/hallmark/station/intake.h"
#include "tools/hallmark/station/out_folder.h"
#include "tools/hallmark/station/report.h"
#include "tools/hallmark/station/spool.h"

namespace hallmark::cli::station {

// Whether a refusal is about who asks and not about what is asked: what waits then goes on waiting.
bool IsAboutCaller(const Status& status);

// Takes CSRs in, sends them, records and delivers the answers, until there is nothing left to do, the service gives no
// answer any more, or it is told to stop. At any instant it may be killed: the next run goes on. One thread.
class Run {
 public:
  struct Settings {
    size_t in_flight = 64;
    std::optional<Rate> rate;
    Duration patience;  // without an answer; InfiniteDuration for a run that watches
    bool watch = false;
    bool offline = false;                   // takes CSRs in and sends nothing
    std::function<bool()> stopped;          // whether it was told to stop
    std::function<void(Client&)> on_round;  // called once a loop, e.g. to renew the credential; may be null
  };
  // All of them outlive it.
  Run(Session& session, Client& client, Spool& spool, Intake& intake, OutFolder& out, Report& report,
      Settings settings);

  // OK when it has come to its end, also with refusals. Else the error that ended it; what waits stays in the spool.
  Status Go();

 private:
  Status Loop();
  Status SendRound();
  Status Turn();  // also during a stream
  void Refill();
  Status Flush();
  Status DeliverLeftovers();
  void TakeAnswer(size_t index, const StatusOr<v1::Certificate>& answer);
  Status Halt(const Status& why);
  void NewBatch();

  Session& session_;
  Client& client_;
  Spool& spool_;
  Intake& intake_;
  OutFolder& out_;
  Report& report_;
  Settings settings_;
  std::minstd_rand random_{std::random_device{}()};
  RateLimits rates_;
  std::unique_ptr<Batch> batch_;
  std::vector<Entry> entries_;   // of batch_, by its indices
  std::deque<Entry> ready_;      // taken from the spool, for batch_ when the rate allows
  std::vector<Entry> answered_;  // not durable yet
  Status failure_;               // of the disk, which ends the run
  Status halted_;                // the service has something against the caller
  bool more_ = false;            // files, at once
};

}  // namespace hallmark::cli::station
