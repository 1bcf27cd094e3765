// hallmark certificate revoke|hold|release.
#include <absl/time/clock.h>
#include <fmt/format.h>

#include <functional>
#include <map>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/revocation_commands.h"

namespace hallmark::cli {
namespace {

constexpr Duration kCrlPatience = absl::Seconds(5);
constexpr Duration kCrlInterval = absl::Milliseconds(200);
constexpr size_t kSignatureLimit = 4096;

struct Options {
  std::vector<std::string> certificates;
  std::string authority = "devices";
  std::string reason;
  std::string invalidity;
  std::string signature;
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

// Asks the person at the terminal, after showing what it is about.
Status Confirm(Session& session, const std::vector<v1::Certificate>& certificates, const std::string& question) {
  session.err << CertificateTable(certificates, session.clock.Now(), false);
  return Ask(session, false, question);
}

std::string These(const std::vector<v1::Certificate>& certificates) {
  return certificates.size() == 1 ? "this certificate" : fmt::format("these {} certificates", certificates.size());
}

// A CRL, or the delta to it, as soon as the two together list all of `serials`, or none of them.
StatusOr<v1::Crl> AwaitCrl(Session& session, Client& client, const v1::GetCrlRequest& list,
                           const std::vector<std::string>& serials, bool listed) {
  const Time deadline = session.clock.Now() + kCrlPatience;
  while (true) {
    for (const bool delta : {false, true}) {
      v1::GetCrlRequest request = list;
      request.set_delta(delta);
      StatusOr<v1::Crl> crl = client.GetCrl(request);
      const bool comes_later = absl::IsNotFound(crl.status()) || absl::IsUnavailable(crl.status());
      if (!crl.ok() && !comes_later)
        return Annotate(crl.status(), fmt::format("done, but cannot read the CRL of {}", list.parent()));
      bool complete = crl.ok();
      for (const std::string& serial : serials) {
        if (!complete) break;
        ASSIGN_OR_RETURN(const bool lists, Lists(AsBytes(crl->crl()), serial));
        // A delta lists what was released, too.
        complete = delta ? lists : lists == listed;
      }
      if (complete) return crl;
    }
    if (session.clock.Now() >= deadline) {
      return Error(Code::kUnavailable, reason::kCrlUnknown,
                   fmt::format("done, which is durable, but the CRL of {} does not show it after {}; it follows as "
                               "soon as the service can sign it",
                               list.parent(), absl::FormatDuration(kCrlPatience)));
    }
    absl::SleepFor(kCrlInterval);
  }
}

// Waits for the CRLs that show what was done. An expired certificate need not be in one (RFC 5280 3.3).
nlohmann::json AwaitCrls(Session& session, Client& client, const std::vector<v1::Certificate>& changed, bool listed,
                         ExitCode& exit_code) {
  std::map<std::pair<std::string, int64_t>, std::vector<std::string>> serials;
  for (const v1::Certificate& certificate : changed) {
    if (absl::FromUnixSeconds(certificate.not_after().seconds()) < session.clock.Now()) continue;
    serials[{AuthorityName(ShortAuthority(certificate.name())), certificate.crl_shard()}].push_back(
        certificate.serial());
  }
  nlohmann::json crls = nlohmann::json::array();
  for (const auto& [list, expected] : serials) {
    v1::GetCrlRequest request;
    request.set_parent(list.first);
    request.set_shard(list.second);
    const StatusOr<v1::Crl> crl = AwaitCrl(session, client, request, expected, listed);
    if (!crl.ok()) {
      session.Report(crl.status());
      if (exit_code == kDone) exit_code = ExitCodeOf(crl.status());
      continue;
    }
    crls.push_back({{"authority", list.first}, {"number", crl->number()}, {"shard", list.second}});
    if (!session.json()) session.out << fmt::format("CRL number {} of {} says so\n", crl->number(), list.first);
  }
  return crls;
}

using Act = std::function<StatusOr<v1::Certificate>(const v1::Certificate&)>;

// Does the same to each of the certificates, shows what became of them, and waits for the CRLs.
StatusOr<ExitCode> ActOnEach(Session& session, Client& client, const Options& options,
                             const std::vector<v1::Certificate>& certificates, bool listed, const Act& act) {
  ExitCode exit_code = kDone;
  std::vector<v1::Certificate> changed;
  nlohmann::json document = {{"certificates", nlohmann::json::array()}};
  for (const v1::Certificate& certificate : certificates) {
    const StatusOr<v1::Certificate> answer = act(certificate);
    if (!answer.ok()) {
      session.Report(Annotate(answer.status(), certificate.name()));
      exit_code = certificates.size() == 1 ? ExitCodeOf(answer.status()) : kRefused;
      continue;
    }
    changed.push_back(*answer);
    document["certificates"].push_back(ToJson(*answer));
    if (!session.json()) {
      session.out << fmt::format("{} {}: {}\n", certificate.name(), Printable(answer->subject()),
                                 ValidityOf(*answer, session.clock.Now()).text);
    }
  }
  if (!options.no_wait) document["crls"] = AwaitCrls(session, client, changed, listed, exit_code);
  if (session.json()) session.PrintJson(document);
  return exit_code;
}

Status CheckAskable(const Session& session, const Options& options) {
  if (options.yes || session.environment.in_is_terminal) return absl::OkStatus();
  return UsageError("there is no terminal to ask on; add --yes to confirm, nothing was changed");
}

StatusOr<v1::RevokeCertificateRequest> RevocationOf(const Session& session, const Options& options) {
  v1::RevokeCertificateRequest request;
  ASSIGN_OR_RETURN(const v1::RevocationReason reason, ParseReason(options.reason));
  request.set_reason(reason);
  if (options.invalidity.empty()) return request;
  ASSIGN_OR_RETURN(const Time invalidity, ParsePast("--invalidity-date", options.invalidity, session.clock.Now()));
  request.mutable_invalidity_time()->set_seconds(absl::ToUnixSeconds(invalidity));
  return request;
}

// On the word of whoever has the key, which is for one certificate.
StatusOr<ExitCode> RevokeByKey(Session& session, const Options& options) {
  if (options.certificates.size() != 1) return UsageError("--signature is of one certificate's key; name that alone");
  if (!options.reason.empty()) {
    return UsageError("--signature says by itself that the key is compromised; leave --reason out");
  }
  RETURN_IF_ERROR(CheckAskable(session, options));
  ASSIGN_OR_RETURN(const std::string signature, ReadFile(options.signature, kSignatureLimit));
  ASSIGN_OR_RETURN(const CertificateReference reference, ReadReference(options.certificates[0], options.authority));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  // A station may bring the word without being allowed to look at the certificate.
  v1::Certificate certificate;
  certificate.set_name(reference.name);
  if (!options.yes) {
    RETURN_IF_ERROR(Confirm(session, {certificate}, "Revoke this certificate for ever, its key being compromised?"));
  }
  return ActOnEach(session, client, options, {certificate}, true,
                   [&](const v1::Certificate& one) { return client.RevokeCertificateByKey(one.name(), signature); });
}

StatusOr<ExitCode> Revoke(Session& session, const Options& options) {
  if (!options.signature.empty()) return RevokeByKey(session, options);
  if (options.reason.empty()) return UsageError("say why: --reason keyCompromise, superseded, cessationOfOperation...");
  ASSIGN_OR_RETURN(const v1::RevokeCertificateRequest revocation, RevocationOf(session, options));
  RETURN_IF_ERROR(CheckAskable(session, options));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Certificate> certificates, FetchAll(client, options));
  if (!options.yes) {
    const bool hold = revocation.reason() == v1::CERTIFICATE_HOLD;
    RETURN_IF_ERROR(Confirm(session, certificates,
                            hold ? fmt::format("Put {} on hold, until they are released?", These(certificates))
                                 : fmt::format("Revoke {} for ever, for the reason {}?", These(certificates),
                                               ReasonName(revocation.reason()))));
  }
  return ActOnEach(session, client, options, certificates, true, [&](const v1::Certificate& certificate) {
    v1::RevokeCertificateRequest request = revocation;
    request.set_name(certificate.name());
    return client.RevokeCertificate(request);
  });
}

StatusOr<ExitCode> Release(Session& session, const Options& options) {
  RETURN_IF_ERROR(CheckAskable(session, options));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Certificate> certificates, FetchAll(client, options));
  if (!options.yes) {
    RETURN_IF_ERROR(
        Confirm(session, certificates, fmt::format("Release {}, which are good again then?", These(certificates))));
  }
  return ActOnEach(session, client, options, certificates, false, [&client](const v1::Certificate& certificate) {
    return client.ReleaseCertificate(certificate.name());
  });
}

void AddCommonOptions(CLI::App& command, Options& options) {
  command.add_option("certificates", options.certificates, "Resource names, serial numbers in hexadecimal, or files")
      ->required()
      ->type_name("NAME|SERIAL|FILE");
  command.add_option("--authority", options.authority, "Who issued them, for serial numbers and files")
      ->capture_default_str();
  command.add_flag("--yes", options.yes, "Do not ask; needed where there is no terminal");
  command.add_flag("--no-wait", options.no_wait, "Do not wait (at most 5 s) for the CRL that shows it");
}

}  // namespace

void AddRevoke(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* revoke = AddCommand(
      group, "revoke",
      "Revoke certificates for ever.\n\n"
      "A certificate that is revoked already keeps its first revocation, so that the same command again is safe; but "
      "a\n"
      "hold gives way, and every reason to keyCompromise, whose key is certified no more. Ends when the CRL shows it.",
      "  hallmark certificate revoke issued/device-1.pem --reason keyCompromise --invalidity-date "
      "2026-11-20T00:00:00Z\n"
      "  hallmark certificate revoke 4a01c2... 77f0e1... --reason cessationOfOperation --yes\n"
      "  hallmark certificate revoke authorities/access/certificates/5b... --reason 4 --yes\n"
      "  hallmark certificate revoke device-1.pem --signature word.sig   # by the key, over "
      "hallmark-revocation-v1:SHA256");
  AddCommonOptions(*revoke, *options);
  revoke->add_option("--reason", options->reason, "Why: a name or number of RFC 5280 5.3.1, e.g. keyCompromise");
  revoke->add_option("--invalidity-date", options->invalidity, "From when the key was not to be believed, if known")
      ->type_name("RFC3339");
  revoke->add_option("--signature", options->signature, "The word of whoever has the key, instead of a reason")
      ->type_name("FILE");
  revoke->callback([&session, options] { session.Finish(Revoke(session, *options)); });
}

void AddHoldAndRelease(CLI::App& group, Session& session) {
  const auto held = std::make_shared<Options>();
  held->reason = "certificateHold";
  CLI::App* hold = AddCommand(group, "hold", "Put certificates on hold: not good, until they are released or revoked.",
                              "  hallmark certificate hold issued/device-1.pem");
  AddCommonOptions(*hold, *held);
  hold->callback([&session, held] { session.Finish(Revoke(session, *held)); });
  const auto released = std::make_shared<Options>();
  CLI::App* release = AddCommand(group, "release", "End a hold: the certificates are good again.",
                                 "  hallmark certificate release issued/device-1.pem");
  AddCommonOptions(*release, *released);
  release->callback([&session, released] { session.Finish(Release(session, *released)); });
}

}  // namespace hallmark::cli
