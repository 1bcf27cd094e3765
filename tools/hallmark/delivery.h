// What becomes of the answers to `hallmark certificate issue`: files, counts, progress, a summary.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/resources.pb.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

class Delivery {
 public:
  struct Settings {
    std::filesystem::path directory;  // for NAME.pem and NAME-chain.pem; empty: standard output
    bool progress = false;
    bool validate_only = false;
  };
  // `csrs` and `session` outlive it.
  Delivery(const std::vector<Csr>& csrs, Session& session, Settings settings);

  // Takes the answer to the CSRs of these indices: writes files, reports a refusal.
  void Take(const std::vector<size_t>& indices, const StatusOr<v1::Certificate>& answer);

  // Says that there is no answer for now and why, once for each cause.
  void Waiting(const Status& status);

  // Writes what is left to write, and the summary. `status`: why some have no answer, or OK. Returns the exit code: 4
  // if an answer is missing for want of the service, 1 for a file that could not be written, 3 for refusals, or what
  // all of the refusals mean when nothing was issued.
  ExitCode Finish(const Status& status, const std::vector<std::string>& request_ids);

 private:
  struct Outcome {
    StatusOr<v1::Certificate> answer = absl::UnknownError("no answer");
    bool answered = false;
    std::string file;  // that the certificate was written to
  };

  Status Write(const Csr& csr, Outcome& outcome);
  void ShowProgress();
  void ClearProgress();
  void PrintDocument(const std::vector<std::string>& request_ids) const;
  std::string Preview(v1::Certificate certificate) const;
  std::string Counts() const;

  const std::vector<Csr>& csrs_;
  Session& session_;
  Settings settings_;
  std::vector<Outcome> outcomes_;
  std::set<std::string> names_;  // of files written, without their extension
  std::set<ExitCode> failures_;
  size_t issued_ = 0;
  size_t failed_ = 0;
  std::string waiting_;  // the cause that was said last
  Time started_;
  Time shown_;
  bool line_open_ = false;  // the progress line stands on the terminal
};

}  // namespace hallmark::cli
