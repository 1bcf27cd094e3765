// hallmark station export|import.
#include <fmt/format.h>

#include <fstream>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/station.h"
#include "tools/hallmark/station/answer.h"
#include "tools/hallmark/station/bundle.h"
#include "tools/hallmark/station/out_folder.h"
#include "tools/hallmark/station/report.h"
#include "tools/hallmark/station/run.h"
#include "tools/hallmark/station_credential.h"

namespace hallmark::cli {
namespace {

using station::Answer;
using station::Entry;
using station::Spool;

constexpr size_t kAll = size_t{1} << 30;
constexpr size_t kGroup = 256;

struct ExportOptions {
  std::string spool;
  std::string out;
  std::string bundle;
};

// What waits, or what an earlier bundle asked for and has no answer yet.
StatusOr<std::vector<Entry>> ToExport(Spool& spool, const std::string& bundle) {
  std::vector<Entry> entries;
  if (bundle.empty()) {
    RETURN_IF_ERROR(spool.Requeue());
    return spool.List("queued", kAll);
  }
  ASSIGN_OR_RETURN(std::vector<Entry> all, spool.OfBundle(bundle));
  for (Entry& entry : all) {
    if (entry.state == "exported") entries.push_back(std::move(entry));
  }
  return entries;
}

StatusOr<ExitCode> Export(Session& session, const ExportOptions& options) {
  std::error_code error;
  if (std::filesystem::exists(options.out, error)) {
    return UsageError(fmt::format("{} is there already; name a new file, so that no bundle is lost", options.out));
  }
  ASSIGN_OR_RETURN(const Context context, session.LoadContext());
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(context));
  ASSIGN_OR_RETURN(Spool spool, Spool::Claim(Spool::PathOf(options.spool, context.file), caller.uri));
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, ToExport(spool, options.bundle));
  if (entries.empty()) {
    return Error(Code::kNotFound, reason::kRequestInvalid,
                 options.bundle.empty() ? "nothing waits to be exported; `hallmark station run` takes CSRs in"
                                        : "nothing of that bundle waits for an answer");
  }
  ASSIGN_OR_RETURN(const Bytes random, RandomBytes(8));
  const std::string bundle = options.bundle.empty() ? "b-" + Hex(random) : options.bundle;
  const Time now = session.clock.Now();
  ASSIGN_OR_RETURN(const std::string content, station::WriteRequests(bundle, caller.uri, now, entries));
  ASSIGN_OR_RETURN(const Bytes signed_data, station::SignBundle(content, context));
  RETURN_IF_ERROR(WriteFile(options.out, signed_data));
  std::vector<int64_t> ids;
  for (const Entry& entry : entries) ids.push_back(entry.id);
  // After the file is safe: a crash before this exports them again, which asks the same under the same ids.
  RETURN_IF_ERROR(spool.MarkExported(ids, bundle, now));
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"bundle", bundle}, {"requests", entries.size()}, {"file", options.out}});
  } else {
    session.out << fmt::format("{}: bundle {}, {} requests; at the CA: hallmark batch sign {} --out answers.jsonl\n",
                               options.out, bundle, entries.size(), options.out);
  }
  return kDone;
}

struct ImportOptions {
  std::string spool;
  std::string file;
  std::string out;
};

// Takes answers in one by one and makes them durable in groups.
class Import {
 public:
  Import(Session& session, const Context& context, Spool& spool, station::OutFolder& out, station::Report& report)
      : session_(session), context_(context), spool_(spool), out_(out), report_(report) {}

  Status Take(const v1::IssueCertificatesResponse& response) {
    ASSIGN_OR_RETURN(std::optional<Entry> entry, spool_.FindRequest(response.request_id()));
    if (!entry.has_value()) {
      ++unknown_;
      return absl::OkStatus();
    }
    if (entry->state == "answered" || entry->state == "delivered" || entry->state == "confirmed") {
      return CheckSame(*entry, response);
    }
    Status status = response.has_certificate() ? Check(*entry, response.certificate()) : FromRpc(response.error());
    if (Retryable(status) || station::IsAboutCaller(status)) {
      ++unanswered_;
      last_ = status;
      return absl::OkStatus();
    }
    entry->state = status.ok() ? "answered" : "refused";
    if (status.ok()) {
      entry->certificate = response.certificate();
    } else {
      entry->error = FailureJson(status).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    entries_.push_back(*std::move(entry));
    return entries_.size() < kGroup ? absl::OkStatus() : Flush();
  }

  Status Flush() {
    std::vector<Answer> answers;
    std::vector<int64_t> ids;
    for (const Entry& entry : entries_) {
      Answer& answer = answers.emplace_back();
      answer.id = entry.id;
      answer.error = entry.error;
      if (entry.state == "answered") answer.certificate = entry.certificate;
      ids.push_back(entry.id);
    }
    RETURN_IF_ERROR(spool_.Record(answers, session_.clock.Now()));
    RETURN_IF_ERROR(out_.Deliver(entries_));
    RETURN_IF_ERROR(spool_.MarkDelivered(ids, session_.clock.Now()));
    for (const Entry& entry : entries_) report_.Delivered(entry);
    entries_.clear();
    return absl::OkStatus();
  }

  // Why something in the answers is of no use, though each line could be read.
  Status Verdict() const {
    if (unanswered_ > 0) return Annotate(last_, fmt::format("{} requests have no answer in it", unanswered_));
    if (unknown_ == 0) return absl::OkStatus();
    return Error(
        Code::kInvalidArgument, reason::kBundleInvalid,
        fmt::format("{} answers are to requests that this spool does not know; is it another station's?", unknown_));
  }
  size_t known() const { return known_; }

 private:
  Status Check(const Entry& entry, const v1::Certificate& certificate) const {
    RETURN_IF_ERROR(station::CheckKey(entry.request, certificate));
    return station::CheckChain(certificate, context_.roots);
  }
  Status CheckSame(const Entry& entry, const v1::IssueCertificatesResponse& response) {
    ++known_;
    if (!response.has_certificate() || response.certificate().certificate() == entry.certificate.certificate()) {
      return absl::OkStatus();
    }
    return Error(
        Code::kDataLoss, reason::kBundleInvalid,
        fmt::format("{} has another certificate already; nothing was changed. Tell the operator of the service",
                    entry.name));
  }

  Session& session_;
  const Context& context_;
  Spool& spool_;
  station::OutFolder& out_;
  station::Report& report_;
  std::vector<Entry> entries_;
  size_t known_ = 0;
  size_t unknown_ = 0;
  size_t unanswered_ = 0;
  Status last_;
};

StatusOr<ExitCode> ImportAnswers(Session& session, const ImportOptions& options) {
  ASSIGN_OR_RETURN(const Context context, session.LoadContext());
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(context));
  ASSIGN_OR_RETURN(Spool spool, Spool::Claim(Spool::PathOf(options.spool, context.file), caller.uri));
  ASSIGN_OR_RETURN(station::OutFolder out, station::OutFolder::Open(options.out));
  std::ifstream in(options.file, std::ios::binary);
  if (!in) {
    return Error(Code::kNotFound, reason::kFileUnreadable, fmt::format("cannot open the answers {}", options.file));
  }
  station::Report report(session, false);
  Import import(session, context, spool, out, report);
  const StatusOr<std::string> read = station::ReadAnswers(
      in, [&import](const v1::IssueCertificatesResponse& response) { return import.Take(response); });
  RETURN_IF_ERROR(import.Flush());
  ASSIGN_OR_RETURN(const station::Counts counts, spool.Count());
  station::Intake::Tally tally;
  tally.known = import.known();
  return report.Finish(read.ok() ? import.Verdict() : read.status(), tally, counts.waiting());
}

}  // namespace

void AddStationExport(CLI::App& group, Session& session) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = AddCommand(
      group, "export",
      "Write what waits as a bundle, signed with the station's credential, for a CA that no network leads to",
      "  hallmark station run --lot a-17 --in csrs --out issued --offline\n"
      "  hallmark station export --out bundle.cms\n"
      "  hallmark station export --bundle b-0123456789abcdef --out again.cms   # the same, should it be lost");
  AddSpoolOption(*command, options->spool);
  command->add_option("--out", options->out, "A new file, CMS SignedData in DER")->required()->type_name("FILE");
  command->add_option("--bundle", options->bundle, "What that bundle asked for and has no answer yet")->type_name("ID");
  command->callback([&session, options] { session.Finish(Export(session, *options)); });
}

void AddStationImport(CLI::App& group, Session& session) {
  const auto options = std::make_shared<ImportOptions>();
  CLI::App* command = AddCommand(
      group, "import",
      "Take the answers to a bundle in and deliver them. Each certificate must lead to a root of the context\n"
      "and have the key of its CSR. Once more does no harm.",
      "  hallmark station import answers.jsonl --out issued");
  AddSpoolOption(*command, options->spool);
  command->add_option("file", options->file, "What `hallmark batch sign` wrote")->required()->type_name("FILE");
  command->add_option("--out", options->out, "As that of `station run`")->required()->type_name("DIR");
  command->callback([&session, options] { session.Finish(ImportAnswers(session, *options)); });
}

}  // namespace hallmark::cli
