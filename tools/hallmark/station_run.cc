// hallmark station run.
#include <fmt/format.h>

#include "base/yaml.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/station.h"
#include "tools/hallmark/station/answer.h"
#include "tools/hallmark/station/run.h"
#include "tools/hallmark/station_credential.h"
#include "tools/hallmark/stop_signals.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::vector<std::string> inputs;
  std::string out;
  std::string lot;
  std::string spool;
  std::string list;
  std::string authority = "devices";
  std::string profile = "device-dps";
  std::string serial_from = "csr";
  std::string rate;
  std::string timeout = "60s";
  size_t in_flight = 64;
  bool watch = false;
  bool offline = false;
  bool progress = false;
};

constexpr Duration kRenewalPeriod = absl::Minutes(1);  // between two looks at the credential

// Keeps the credential of a run in force: renews it when it is due, and goes on with the one that the context names,
// whoever renewed it. What fails is said, and tried again; until the old one has expired nothing is lost.
class Renewal {
 public:
  Renewal(Session& session, const Context& context, station::Report& report)
      : session_(session), report_(report), certificate_(context.certificate) {}

  void Look(Client& client) {
    if (session_.clock.Now() < next_) return;
    next_ = session_.clock.Now() + kRenewalPeriod;
    const StatusOr<bool> renewed = RenewIfDue(session_, client);
    if (!renewed.ok()) {
      report_.Waiting(Annotate(renewed.status(), "the station's certificate cannot be renewed"));
    }
    StatusOr<Context> context = session_.LoadContext();
    if (!context.ok() || context->certificate == certificate_) return;
    certificate_ = context->certificate;
    client = Client(*context, session_.clock);
  }

 private:
  Session& session_;
  station::Report& report_;
  std::string certificate_;
  Time next_ = absl::InfinitePast();
};

StatusOr<station::Intake::Settings> InputsOf(const Options& options) {
  station::Intake::Settings settings;
  settings.watch = options.watch;
  settings.terms = {.parent = AuthorityName(options.authority),
                    .profile = options.profile,
                    .lot = options.lot.empty() ? "" : LotName(options.lot),
                    .serial_from_name = options.serial_from == "filename"};
  settings.inputs.assign(options.inputs.begin(), options.inputs.end());
  if (!options.list.empty()) {
    ASSIGN_OR_RETURN(settings.list, station::ReadList(options.list));
    if (options.inputs.empty()) {
      for (const auto& [file, attributes] : settings.list) {
        settings.inputs.push_back(std::filesystem::path(options.list).parent_path() / file);
      }
    }
  }
  if (settings.inputs.empty()) return UsageError("there is nothing to read: give --in, --list or both");
  return settings;
}

StatusOr<ExitCode> RunStation(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(station::Intake::Settings inputs, InputsOf(options));
  station::Run::Settings settings{.in_flight = options.in_flight,
                                  .rate = std::nullopt,
                                  .patience = absl::InfiniteDuration(),
                                  .watch = options.watch,
                                  .offline = options.offline,
                                  .stopped = [] { return StopSignals::asked(); },
                                  .on_round = nullptr};
  if (!options.watch) {
    ASSIGN_OR_RETURN(settings.patience, yaml::ParseDuration(options.timeout));
  }
  if (!options.rate.empty()) {
    ASSIGN_OR_RETURN(settings.rate, ParseRate(options.rate));
  }
  ASSIGN_OR_RETURN(const Context context, session.LoadContext());
  ASSIGN_OR_RETURN(const Caller caller, CallerOf(context));
  ASSIGN_OR_RETURN(station::Spool spool,
                   station::Spool::Claim(station::Spool::PathOf(options.spool, context.file), caller.uri));
  ASSIGN_OR_RETURN(station::OutFolder out, station::OutFolder::Open(options.out));
  Client client(context, session.clock);
  station::Intake intake(std::move(inputs), spool);
  station::Report report(session, options.progress || session.environment.err_is_terminal);
  Renewal renewal(session, context, report);
  if (!options.offline) settings.on_round = [&renewal](Client& used) { renewal.Look(used); };
  const StopSignals signals;
  station::Run run(session, client, spool, intake, out, report, std::move(settings));
  const Status end = run.Go();
  const StatusOr<station::Counts> counts = spool.Count();
  const ExitCode code =
      report.Finish(end.ok() ? counts.status() : end, intake.tally(), counts.ok() ? counts->waiting() : 0);
  return options.offline && end.ok() && code == kUnavailable ? kDone : code;
}

void AddInputOptions(CLI::App& run, Options& options) {
  run.add_option("--in", options.inputs, "Folders, single CSRs (PEM, DER: *.csr, *.req, *.p10), .zip, .tar, .tar.gz")
      ->type_name("DIR|FILE");
  run.add_option("--list", options.list,
                 "CSV of what is known of each CSR: file,serial,endorsement_key_file,reissue_reason; without --in also "
                 "what to read")
      ->type_name("FILE");
  run.add_option("--out", options.out, "Where the answers go: NAME.json, NAME.pem, NAME-chain.pem, refused/NAME.json")
      ->required()
      ->type_name("DIR");
  AddSpoolOption(run, options.spool);
  run.add_flag("--watch", options.watch, "Go on with what appears in the folders, until SIGTERM or Ctrl-C");
}

void AddRequestOptions(CLI::App& run, Options& options) {
  run.add_option("--lot", options.lot, "The lot of the devices");
  run.add_option("--authority", options.authority, "Who shall certify")->capture_default_str();
  run.add_option("--profile", options.profile, "What the certificates shall be")->capture_default_str();
  run.add_option("--serial-from", options.serial_from,
                 "Where a device's serial number is: its CSR (serialNumber, or else CN) or the file's name")
      ->check(CLI::IsMember({"csr", "filename"}))
      ->capture_default_str();
  run.add_option("--rate", options.rate, "Send no more than that, e.g. 600/min")->type_name("COUNT/UNIT");
  run.add_option("--in-flight", options.in_flight, "At most so many unanswered at a time")
      ->check(CLI::Range(1, 1024, "1 to 1024"))
      ->capture_default_str();
  run.add_option("--timeout", options.timeout, "Without --watch: give up after so long without an answer")
      ->check(IsDuration())
      ->type_name("DURATION")
      ->capture_default_str();
  run.add_flag("--offline", options.offline, "Take the CSRs in and send nothing, for `station export`");
  run.add_flag("--progress", options.progress, "Report progress also where standard error is no terminal");
}

}  // namespace

void AddStationRun(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* run = AddCommand(
      group, "run",
      "Have the CSRs in a folder certified and put the answers into another.\n\n"
      "Each request is in the spool before it is sent, and each answer before it is written. The program may be "
      "killed,\n"
      "the power cut, the network or the service gone at any instant: run it again and it goes on. No device gets two\n"
      "certificates, since a request is sent again under the id that it had.\n\n"
      "Exit code: 0 all have a certificate, 3 some were refused, 4 some have no answer.",
      "  hallmark station run --lot a-17 --in csrs --out issued\n"
      "  hallmark station run --lot a-17 --in csrs --out issued --watch\n"
      "  hallmark station run --lot a-17 --in batch-9.zip --list batch-9.csv --out issued --output json");
  AddInputOptions(*run, *options);
  AddRequestOptions(*run, *options);
  run->callback([&session, options] { session.Finish(RunStation(session, *options)); });
}

}  // namespace hallmark::cli
