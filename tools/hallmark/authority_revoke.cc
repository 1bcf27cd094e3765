// hallmark authority revoke.
#include <fmt/format.h>

#include "tools/hallmark/authority_commands.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/revocation_commands.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string name;
  std::string reason;
  std::string invalidity;
  std::string below = "nothing";
  bool yes = false;
  bool dry_run = false;
  bool no_wait = false;
};

StatusOr<v1::RevokeAuthorityRequest> RequestOf(const Session& session, const Options& options) {
  v1::RevokeAuthorityRequest request;
  ASSIGN_OR_RETURN(const std::string id, NewRequestId());
  request.set_request_id(id);
  request.set_name(AuthorityName(options.name));
  ASSIGN_OR_RETURN(const v1::RevocationReason reason, ParseReason(options.reason));
  request.set_reason(reason);
  request.set_below(options.below == "certificates"  ? v1::RevokeAuthorityRequest::CERTIFICATES
                    : options.below == "authorities" ? v1::RevokeAuthorityRequest::AUTHORITIES
                                                     : v1::RevokeAuthorityRequest::NOTHING);
  if (options.invalidity.empty()) return request;
  ASSIGN_OR_RETURN(const Time invalidity, ParsePast("--invalidity-date", options.invalidity, session.clock.Now()));
  request.mutable_invalidity_time()->set_seconds(absl::ToUnixSeconds(invalidity));
  return request;
}

// How many certificates each of the authorities has issued.
Status ShowCertificates(Session& session, Client& client, const v1::RevokeAuthorityResponse& preview) {
  for (const v1::Authority& authority : preview.authorities()) {
    v1::RevokeCertificatesRequest request;
    request.set_request_id("preview");
    request.set_parent(authority.name());
    request.set_reason(v1::SUPERSEDED);
    request.set_validate_only(true);
    const StatusOr<v1::RevokeCertificatesResponse> counted = client.RevokeCertificates(request);
    if (absl::IsNotFound(counted.status())) continue;
    RETURN_IF_ERROR(counted.status());
    session.err << fmt::format("{} has issued {} certificates, {} of them are not revoked\n", authority.name(),
                               counted->preview().certificates(), counted->preview().changes());
  }
  return absl::OkStatus();
}

StatusOr<ExitCode> Revoke(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(v1::RevokeAuthorityRequest request, RequestOf(session, options));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  request.set_validate_only(true);
  ASSIGN_OR_RETURN(v1::RevokeAuthorityResponse answer, client.RevokeAuthority(request));
  if (!session.json()) {
    session.err << AuthorityTable({answer.authorities().begin(), answer.authorities().end()}, false);
    RETURN_IF_ERROR(ShowCertificates(session, client, answer));
  }
  if (options.dry_run) {
    if (session.json()) session.PrintJson(answer);
    session.err << "nothing was changed: --dry-run\n";
    return kDone;
  }
  RETURN_IF_ERROR(
      Ask(session, options.yes,
          fmt::format("Revoke {} for ever, for the reason {}{}?", request.name(), ReasonName(request.reason()),
                      options.below == "certificates"  ? ", and all that it and those below have issued"
                      : options.below == "authorities" ? ", and the authorities below"
                                                       : "")));
  request.set_validate_only(false);
  ASSIGN_OR_RETURN(answer, client.RevokeAuthority(request));
  for (const std::string& name : answer.revocations()) {
    if (options.no_wait) break;
    ASSIGN_OR_RETURN(const v1::MassRevocation begun, client.GetMassRevocation(name));
    ASSIGN_OR_RETURN(const v1::MassRevocation done, Follow(session, client, begun));
    if (!session.json()) session.out << DescribeMassRevocation(done, session.colored()) << "\n";
  }
  if (!answer.revocations().empty()) {
    session.err << "for a minute, what was being signed when this began is looked for and revoked, too: hallmark "
                   "revocation list\n";
  }
  if (session.json()) {
    session.PrintJson(answer);
  } else {
    session.out << AuthorityTable({answer.authorities().begin(), answer.authorities().end()}, session.colored());
  }
  for (const std::string& authority : answer.elsewhere()) {
    session.err << fmt::format("the certificate of {} was issued elsewhere: have it revoked there, too\n", authority);
  }
  return kDone;
}

}  // namespace

void AddAuthorityRevocation(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* revoke =
      AddCommand(group, "revoke",
                 "Revoke an authority for ever: it issues no more from the moment that this ends.\n\n"
                 "Its certificate is revoked, too, if an authority of this instance issued it. Its CRL and OCSP go on.",
                 "  hallmark authority revoke plant-b --reason cessationOfOperation --dry-run\n"
                 "  hallmark authority revoke plant-b --reason cACompromise --below certificates");
  revoke->add_option("authority", options->name, "Its name")->required()->type_name("NAME");
  revoke->add_option("--reason", options->reason, "Why: a name or number of RFC 5280 5.3.1, e.g. cACompromise")
      ->required();
  revoke->add_option("--invalidity-date", options->invalidity, "From when its key was not to be believed, if known")
      ->type_name("RFC3339");
  revoke->add_option("--below", options->below, "What else: nothing, the authorities below, or all certificates, too")
      ->check(CLI::IsMember({"nothing", "authorities", "certificates"}))
      ->capture_default_str();
  revoke->add_flag("--dry-run", options->dry_run, "Only show what would come of it");
  revoke->add_flag("--yes", options->yes, "Do not ask; needed where there is no terminal");
  revoke->add_flag("--no-wait", options->no_wait, "Do not wait until all certificates are revoked");
  revoke->callback([&session, options] { session.Finish(Revoke(session, *options)); });
}

}  // namespace hallmark::cli
