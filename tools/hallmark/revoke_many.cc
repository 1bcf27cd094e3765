// hallmark revoke: all certificates that have something in common, shown first.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr int kLotsLooked = 20;
constexpr int64_t kMebibyte = int64_t{1} << 20;

struct Options {
  std::string authority;
  ListTerms terms;
  std::string key;
  std::string reason;
  std::string invalidity;
  bool yes = false;
  bool dry_run = false;
  bool no_wait = false;
};

StatusOr<v1::RevokeCertificatesRequest> RequestOf(const Session& session, const Options& options) {
  v1::RevokeCertificatesRequest request;
  ASSIGN_OR_RETURN(const std::string id, NewRequestId());
  request.set_request_id(id);
  if (!options.authority.empty()) request.set_parent(AuthorityName(options.authority));
  ListTerms terms = options.terms;
  if (!options.key.empty()) {
    ASSIGN_OR_RETURN(terms.spki, ReadKeyDigest(options.key));
  }
  request.set_filter(ListFilter(terms));
  if (request.parent().empty() && request.filter().empty()) {
    return UsageError("say which: --lot, --device, --station, --key, --authority, --profile, --subject, --issued-from");
  }
  if (options.reason.empty()) return UsageError("say why: --reason keyCompromise, superseded, cessationOfOperation...");
  ASSIGN_OR_RETURN(const v1::RevocationReason reason, ParseReason(options.reason));
  request.set_reason(reason);
  if (options.invalidity.empty()) return request;
  ASSIGN_OR_RETURN(const Time invalidity, ParsePast("--invalidity-date", options.invalidity, session.clock.Now()));
  request.mutable_invalidity_time()->set_seconds(absl::ToUnixSeconds(invalidity));
  return request;
}

std::string Octets(int64_t octets) {
  const int64_t size = octets < 0 ? -octets : octets;
  const std::string text = size < kMebibyte ? fmt::format("{:.1f} KiB", static_cast<double>(size) / 1024)
                                            : fmt::format("{:.1f} MiB", static_cast<double>(size) / kMebibyte);
  return (octets < 0 ? "-" : "+") + text;
}

std::string StandingOf(const v1::RevokeCertificatesResponse::Count& count) {
  const std::string standing = !count.revoked()                         ? "not revoked"
                               : count.reason() == v1::CERTIFICATE_HOLD ? "on hold"
                                                                        : "revoked";
  return count.expired() ? standing + ", expired" : standing;
}

void Show(Session& session, const v1::RevokeCertificatesResponse::Preview& preview) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& count : preview.counts()) {
    rows.push_back({ShortAuthority(count.authority()), Printable(count.profile()),
                    count.lot().empty() ? "-" : Printable(count.lot()), StandingOf(count),
                    std::to_string(count.certificates())});
  }
  session.err << RenderTable({"AUTHORITY", "PROFILE", "LOT", "NOW", "CERTIFICATES"}, rows, false) << "\n";
  std::vector<v1::Certificate> sample(preview.sample().begin(), preview.sample().end());
  session.err << CertificateTable(sample, session.clock.Now(), false);
  if (preview.certificates() > preview.sample_size()) {
    session.err << fmt::format("... and {} more\n", preview.certificates() - preview.sample_size());
  }
  session.err << "\n";
  for (const auto& [authority, octets] :
       std::map<std::string, int64_t>(preview.crl_growth().begin(), preview.crl_growth().end())) {
    session.err << fmt::format("CRLs of {}: {}\n", authority, Octets(octets));
  }
  session.err << fmt::format("Devices that a provisioning service knows by name: {}\n", preview.registration_ids());
}

// Whose stations may go on making certificates that this does not revoke.
void WarnOfOpenLots(Session& session, Client& client, const v1::RevokeCertificatesResponse::Preview& preview) {
  std::set<std::string> lots;
  for (const auto& count : preview.counts()) {
    if (!count.lot().empty() && lots.size() < kLotsLooked) lots.insert(count.lot());
  }
  for (const std::string& lot : lots) {
    const StatusOr<v1::Lot> found = client.GetLot(LotName(lot));
    if (!found.ok() || found->state() != v1::Lot::OPEN) continue;
    session.err << fmt::format("Lot {0} is open: its stations may go on. To end that: hallmark lot close {0}\n",
                               Printable(lot));
  }
}

std::string QuestionOf(const v1::RevokeCertificatesRequest& request, int64_t changes) {
  const std::string these = fmt::format("{} certificate{}", changes, changes == 1 ? "" : "s");
  if (request.reason() == v1::REMOVE_FROM_CRL) return fmt::format("Release {}, which are good again then?", these);
  if (request.reason() == v1::CERTIFICATE_HOLD) return fmt::format("Put {} on hold, until they are released?", these);
  return fmt::format("Revoke {} for ever, for the reason {}?", these, ReasonName(request.reason()));
}

StatusOr<ExitCode> End(Session& session, const v1::RevokeCertificatesResponse& answer) {
  const v1::MassRevocation& revocation = answer.revocation();
  if (session.json()) {
    session.PrintJson(answer);
  } else if (!revocation.name().empty()) {
    session.out << DescribeMassRevocation(revocation, session.colored());
  }
  return revocation.state() == v1::MassRevocation::STOPPED ? kRefused : kDone;
}

StatusOr<ExitCode> RevokeMany(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(v1::RevokeCertificatesRequest request, RequestOf(session, options));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  request.set_validate_only(true);
  if (session.environment.err_is_terminal) session.err << "counting...\r" << std::flush;
  ASSIGN_OR_RETURN(v1::RevokeCertificatesResponse answer, client.RevokeCertificates(request));
  if (!session.json()) {
    Show(session, answer.preview());
    WarnOfOpenLots(session, client, answer.preview());
  }
  const int64_t changes = answer.preview().changes();
  if (options.dry_run || changes == 0) {
    if (!session.json()) {
      session.err << (changes == 0 ? "Nothing would change.\n"
                                   : fmt::format("{} would change; nothing was: --dry-run\n", changes));
    }
    return End(session, answer);
  }
  RETURN_IF_ERROR(Ask(session, options.yes, QuestionOf(request, changes)));
  request.set_validate_only(false);
  request.set_ledger_size(answer.preview().ledger_size());
  ASSIGN_OR_RETURN(const v1::RevokeCertificatesResponse started, client.RevokeCertificates(request));
  *answer.mutable_revocation() = started.revocation();
  if (!options.no_wait) {
    ASSIGN_OR_RETURN(*answer.mutable_revocation(), Follow(session, client, started.revocation()));
  }
  return End(session, answer);
}

}  // namespace

void AddRevokeMany(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* revoke = AddCommand(
      app, "revoke",
      "Revoke all certificates that have something in common: shown first, then asked.\n\n"
      "What is shown is what is revoked, also if others are issued meanwhile. The service does it in steps and goes "
      "on\n"
      "by itself when this command or the service is interrupted: see hallmark revocation. For single certificates by\n"
      "file or serial number: hallmark certificate revoke. The reason removeFromCRL releases what is on hold.",
      "  hallmark revoke --lot a-17 --reason keyCompromise --dry-run\n"
      "  hallmark revoke --station hallmark://example/station/line-3 --issued-from 2026-11-20T00:00:00Z --reason "
      "superseded\n"
      "  hallmark revoke --device SN0042 --reason cessationOfOperation --yes\n"
      "  hallmark revoke --key device.pub --reason keyCompromise\n"
      "  hallmark revoke --lot a-17 --reason certificateHold && hallmark revoke --lot a-17 --reason removeFromCRL");
  revoke->add_option("--authority", options->authority, "Of this authority");
  AddTerms(*revoke, options->terms);
  revoke->add_option("--key", options->key, "Of this public key: a file (PEM or DER), or its SHA-256 in hexadecimal")
      ->type_name("FILE|SHA256");
  revoke->add_option("--reason", options->reason, "Why: a name or number of RFC 5280 5.3.1, e.g. keyCompromise");
  revoke->add_option("--invalidity-date", options->invalidity, "From when the keys were not to be believed, if known")
      ->type_name("RFC3339");
  revoke->add_flag("--dry-run", options->dry_run, "Only show what would come of it");
  revoke->add_flag("--yes", options->yes, "Do not ask; needed where there is no terminal");
  revoke->add_flag("--no-wait", options->no_wait, "Do not wait until all of it is done");
  revoke->callback([&session, options] { session.Finish(RevokeMany(session, *options)); });
}

}  // namespace hallmark::cli
