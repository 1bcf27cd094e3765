// hallmark certificate revoke.
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <map>

#include "base/reason.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"

namespace hallmark::cli {
namespace {

constexpr Duration kCrlPatience = absl::Seconds(5);
constexpr Duration kCrlInterval = absl::Milliseconds(200);

struct Options {
  std::vector<std::string> certificates;
  std::string authority = "devices";
  std::string reason;
  bool yes = false;
  bool no_wait = false;
};

// The certificates that a command line names, each once; an error if one of them does not exist, before any is revoked.
StatusOr<std::vector<v1::Certificate>> FetchAll(Client& client, const Options& options) {
  std::map<std::string, v1::Certificate> certificates;
  for (const std::string& text : options.certificates) {
    ASSIGN_OR_RETURN(const CertificateReference reference, ReadReference(text, options.authority));
    StatusOr<v1::Certificate> certificate = Fetch(client, reference);
    RETURN_IF_ERROR(Annotate(certificate.status(), fmt::format("cannot revoke {}, and nothing was revoked", text)));
    certificates.emplace(certificate->name(), *std::move(certificate));
  }
  std::vector<v1::Certificate> found;
  for (auto& [name, certificate] : certificates) found.push_back(std::move(certificate));
  return found;
}

Status Confirm(Session& session, const std::vector<v1::Certificate>& certificates, v1::RevocationReason reason) {
  session.err << CertificateTable(certificates, session.clock.Now(), false)
              << fmt::format("Revoke {} for ever, for the reason {}? [y/N] ",
                             certificates.size() == 1 ? "this certificate"
                                                      : fmt::format("these {} certificates", certificates.size()),
                             ReasonName(reason))
              << std::flush;
  std::string answer;
  std::getline(session.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return Error(Code::kCancelled, "", "nothing was revoked, since the answer was not y");
}

// The authority's CRL as soon as it lists all of `serials`.
StatusOr<v1::Crl> AwaitCrl(Session& session, Client& client, const std::string& authority,
                           const std::vector<std::string>& serials) {
  const Time deadline = session.clock.Now() + kCrlPatience;
  while (true) {
    StatusOr<v1::Crl> crl = client.GetCrl(authority);
    const bool comes_later = absl::IsNotFound(crl.status()) || absl::IsUnavailable(crl.status());
    if (!crl.ok() && !comes_later)
      return Annotate(crl.status(), fmt::format("revoked, but cannot read the CRL of {}", authority));
    bool complete = crl.ok();
    for (const std::string& serial : serials) {
      if (!complete) break;
      ASSIGN_OR_RETURN(complete, Lists(AsBytes(crl->crl()), serial));
    }
    if (complete) return crl;
    if (session.clock.Now() >= deadline) {
      return Error(
          Code::kUnavailable, reason::kCrlUnknown,
          fmt::format("revoked, which is durable, but the CRL of {} does not show it after {}; it follows as soon "
                      "as the service can sign it",
                      authority, absl::FormatDuration(kCrlPatience)));
    }
    absl::SleepFor(kCrlInterval);
  }
}

// Waits for the CRLs of what was revoked. An expired certificate need not be in one (RFC 5280 3.3).
nlohmann::json AwaitCrls(Session& session, Client& client, const std::vector<v1::Certificate>& revoked,
                         ExitCode& exit_code) {
  std::map<std::string, std::vector<std::string>> serials;
  for (const v1::Certificate& certificate : revoked) {
    if (absl::FromUnixSeconds(certificate.not_after().seconds()) < session.clock.Now()) continue;
    serials[AuthorityName(ShortAuthority(certificate.name()))].push_back(certificate.serial());
  }
  nlohmann::json crls = nlohmann::json::array();
  for (const auto& [authority, expected] : serials) {
    const StatusOr<v1::Crl> crl = AwaitCrl(session, client, authority, expected);
    if (!crl.ok()) {
      session.Report(crl.status());
      if (exit_code == kDone) exit_code = ExitCodeOf(crl.status());
      continue;
    }
    crls.push_back({{"authority", authority}, {"number", crl->number()}});
    if (!session.json()) session.out << fmt::format("CRL number {} of {} says so\n", crl->number(), authority);
  }
  return crls;
}

StatusOr<ExitCode> Revoke(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const v1::RevocationReason reason, ParseReason(options.reason));
  if (!options.yes && !session.environment.in_is_terminal) {
    return UsageError(
        "revoking is for ever and there is no terminal to ask on; add --yes to confirm, nothing was revoked");
  }
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Certificate> certificates, FetchAll(client, options));
  if (!options.yes) RETURN_IF_ERROR(Confirm(session, certificates, reason));

  ExitCode exit_code = kDone;
  std::vector<v1::Certificate> revoked;
  nlohmann::json document = {{"certificates", nlohmann::json::array()}};
  for (const v1::Certificate& certificate : certificates) {
    const StatusOr<v1::Certificate> answer = client.RevokeCertificate(certificate.name(), reason);
    if (!answer.ok()) {
      session.Report(Annotate(answer.status(), fmt::format("cannot revoke {}", certificate.name())));
      exit_code = certificates.size() == 1 ? ExitCodeOf(answer.status()) : kRefused;
      continue;
    }
    revoked.push_back(*answer);
    document["certificates"].push_back(ToJson(*answer));
    if (!session.json()) {
      session.out << fmt::format("{} {}: {}\n", certificate.name(), Printable(answer->subject()),
                                 ValidityOf(*answer, session.clock.Now()).text);
    }
  }
  if (!options.no_wait) document["crls"] = AwaitCrls(session, client, revoked, exit_code);
  if (session.json()) session.PrintJson(document);
  return exit_code;
}

}  // namespace

void AddRevoke(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* revoke = AddCommand(
      group, "revoke",
      "Revoke certificates for ever.\n\n"
      "A certificate that is revoked already keeps its first revocation, so that the same command again is safe. Ends\n"
      "when the CRL shows it.",
      "  hallmark certificate revoke issued/device-1.pem --reason keyCompromise\n"
      "  hallmark certificate revoke 4a01c2... 77f0e1... --reason cessationOfOperation --yes\n"
      "  hallmark certificate revoke authorities/access/certificates/5b... --reason 4 --yes");
  revoke->add_option("certificates", options->certificates, "Resource names, serial numbers in hexadecimal, or files")
      ->required()
      ->type_name("NAME|SERIAL|FILE");
  revoke->add_option("--reason", options->reason, "Why: a name or number of RFC 5280 5.3.1, e.g. keyCompromise")
      ->required();
  revoke->add_option("--authority", options->authority, "Who issued them, for serial numbers and files")
      ->capture_default_str();
  revoke->add_flag("--yes", options->yes, "Do not ask; needed where there is no terminal");
  revoke->add_flag("--no-wait", options->no_wait, "Do not wait (at most 5 s) for the CRL that shows it");
  revoke->callback([&session, options] { session.Finish(Revoke(session, *options)); });
}

}  // namespace hallmark::cli
