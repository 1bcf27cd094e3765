#include "tools/hallmark/delivery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli {

Delivery::Delivery(const std::vector<Csr>& csrs, Session& session, Settings settings)
    : csrs_(csrs),
      session_(session),
      settings_(std::move(settings)),
      outcomes_(csrs.size()),
      started_(session.clock.Now()),
      shown_(started_) {}

void Delivery::Take(const std::vector<size_t>& indices, const StatusOr<v1::Certificate>& answer) {
  for (const size_t index : indices) {
    Outcome& outcome = outcomes_[index];
    outcome.answer = answer;
    outcome.answered = true;
    Status status = answer.status();
    if (status.ok() && !settings_.directory.empty()) status = Write(csrs_[index], outcome);
    if (status.ok()) {
      ++issued_;
      continue;
    }
    ++failed_;
    failures_.insert(ExitCodeOf(status));
    outcome.answer = status;
    if (!session_.json()) {
      ClearProgress();
      session_.Report(Annotate(status, csrs_[index].source));
    }
  }
  ShowProgress();
}

Status Delivery::Write(const Csr& csr, Outcome& outcome) {
  const v1::Certificate& certificate = *outcome.answer;
  std::string name = csr.stem;
  if (name.empty()) {
    name = FileName(CommonName(AsBytes(certificate.certificate())));
    if (name.empty() || names_.contains(name)) name += (name.empty() ? "" : "-") + FileName(certificate.serial());
  }
  names_.insert(name);
  const std::filesystem::path file = settings_.directory / (name + ".pem");
  outcome.file = file.string();
  // NAME.pem last, so that whoever waits for it finds the others.
  if (!certificate.device_bundle().empty())
    RETURN_IF_ERROR(WriteFile(settings_.directory / (name + ".json"), AsBytes(certificate.device_bundle())));
  RETURN_IF_ERROR(WriteFile(settings_.directory / (name + "-chain.pem"), AsBytes(ChainPem(certificate))));
  return WriteFile(file, AsBytes(CertificatePem(certificate)));
}

void Delivery::Waiting(const Status& status) {
  if (session_.json() || Message(status) == waiting_) return;
  waiting_ = Message(status);
  ClearProgress();
  session_.err << fmt::format("hallmark: {}; trying again\n", waiting_) << std::flush;
}

std::string Delivery::Counts() const {
  const Duration elapsed = session_.clock.Now() - started_;
  const double rate = static_cast<double>(issued_ + failed_) / std::max(0.001, absl::ToDoubleSeconds(elapsed));
  return fmt::format("{} of {} {}, {} refused or failed, {:.0f}/s", issued_, csrs_.size(),
                     settings_.validate_only ? "valid" : "issued", failed_, rate);
}

void Delivery::ShowProgress() {
  if (!settings_.progress) return;
  const bool terminal = session_.environment.err_is_terminal;
  const Time now = session_.clock.Now();
  if (now - shown_ < (terminal ? absl::Milliseconds(200) : absl::Seconds(1))) return;
  shown_ = now;
  session_.err << (terminal ? "\r\x1b[K" : "") << Counts() << (terminal ? "" : "\n") << std::flush;
  line_open_ = terminal;
}

void Delivery::ClearProgress() {
  if (line_open_) session_.err << "\r\x1b[K";
  line_open_ = false;
}

void Delivery::PrintDocument(const std::vector<std::string>& request_ids) const {
  nlohmann::json results = nlohmann::json::array();
  for (size_t i = 0; i < outcomes_.size(); ++i) {
    const Outcome& outcome = outcomes_[i];
    nlohmann::json result = {{"source", csrs_[i].source}, {"request_id", request_ids[i]}};
    if (!outcome.file.empty()) result["file"] = outcome.file;
    if (outcome.answer.ok()) {
      result["certificate"] = ToJson(*outcome.answer);
    } else {
      result["error"] = FailureJson(outcome.answer.status());
    }
    results.push_back(std::move(result));
  }
  session_.PrintJson(
      nlohmann::json{{"issued", issued_}, {"refused_or_failed", failed_}, {"results", std::move(results)}});
}

// What would be issued, without what each issuance chooses anew.
std::string Delivery::Preview(v1::Certificate certificate) const {
  certificate.clear_name();
  certificate.clear_serial();
  certificate.clear_sha256_fingerprint();
  return DescribeCertificate(certificate, session_.clock.Now(), session_.colored());
}

ExitCode Delivery::Finish(const Status& status, const std::vector<std::string>& request_ids) {
  ClearProgress();
  for (Outcome& outcome : outcomes_) {
    if (!outcome.answered) outcome.answer = status;
  }
  if (session_.json()) {
    PrintDocument(request_ids);
  } else if (settings_.directory.empty()) {
    for (const Outcome& outcome : outcomes_) {
      if (!outcome.answer.ok()) continue;
      session_.out << (settings_.validate_only ? Preview(*outcome.answer) : CertificatePem(*outcome.answer));
    }
  }
  const size_t unanswered = csrs_.size() - issued_ - failed_;
  if (!status.ok()) {
    session_.Report(unanswered == 1 && csrs_.size() == 1
                        ? Annotate(status, csrs_[0].source)
                        : Annotate(status, fmt::format("{} of {} CSRs have no answer", unanswered, csrs_.size())));
  }
  if (!session_.json() && (csrs_.size() > 1 || (issued_ > 0 && !settings_.directory.empty()))) {
    session_.err << Counts() << (unanswered > 0 ? fmt::format(", {} without an answer", unanswered) : "")
                 << (settings_.directory.empty() ? "" : fmt::format("; in {}", settings_.directory.string())) << '\n';
  }
  if (!status.ok()) return ExitCodeOf(status);
  if (failures_.empty()) return kDone;
  if (failures_.contains(kFailed)) return kFailed;
  return issued_ == 0 && failures_.size() == 1 ? *failures_.begin() : kRefused;
}

}  // namespace hallmark::cli
