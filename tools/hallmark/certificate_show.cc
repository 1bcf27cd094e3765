// hallmark certificate show|list, and the group itself.
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "base/text.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/describe.h"

namespace hallmark::cli {
namespace {

constexpr int kPageSize = 1000;

struct ShowOptions {
  std::string certificate;
  std::string authority = "devices";
  bool pem = false;
  bool chain = false;
};

struct ListOptions {
  std::string authority;
  ListTerms terms;
  int limit = 50;
  bool all = false;
};

StatusOr<ExitCode> Show(Session& session, const ShowOptions& options) {
  if (options.pem && session.json())
    return UsageError("--pem and --output json exclude each other; the JSON holds the DER");
  ASSIGN_OR_RETURN(const CertificateReference reference, ReadReference(options.certificate, options.authority));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Certificate certificate, Fetch(client, reference));
  if (session.json()) {
    session.PrintJson(certificate);
  } else if (options.pem) {
    session.out << (options.chain ? ChainPem(certificate) : CertificatePem(certificate));
  } else {
    session.out << DescribeCertificate(certificate, session.clock.Now(), session.colored());
    const std::string content = DescribeContent(certificate, session.colored());
    if (!content.empty()) session.out << "\n" << content;
  }
  return kDone;
}

StatusOr<ExitCode> List(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  v1::ListCertificatesRequest request;
  if (!options.authority.empty()) request.set_parent(AuthorityName(options.authority));
  request.set_filter(ListFilter(options.terms));
  v1::ListCertificatesResponse found;
  do {
    const int missing = options.limit - found.certificates_size();
    request.set_page_size(options.all ? kPageSize : std::min(missing, kPageSize));
    ASSIGN_OR_RETURN(v1::ListCertificatesResponse page, client.ListCertificates(request));
    request.set_page_token(page.next_page_token());
    found.MergeFrom(page);
    found.set_next_page_token(page.next_page_token());
  } while (!found.next_page_token().empty() && (options.all || found.certificates_size() < options.limit));
  if (session.json()) {
    session.PrintJson(found);
    return kDone;
  }
  session.out << CertificateTable({found.certificates().begin(), found.certificates().end()}, session.clock.Now(),
                                  session.colored());
  if (found.certificates().empty()) session.err << "no certificate matches\n";
  if (!found.next_page_token().empty()) {
    session.err << fmt::format("the first {}; there are more: --limit N or --all\n", found.certificates_size());
  }
  return kDone;
}

}  // namespace

StatusOr<v1::Certificate> Fetch(Client& client, const CertificateReference& reference) {
  ASSIGN_OR_RETURN(v1::Certificate certificate, client.GetCertificate(reference.name));
  if (reference.certificate.empty() || Equal(reference.certificate, AsBytes(certificate.certificate())))
    return certificate;
  return Error(Code::kNotFound, reason::kCertificateUnknown,
               fmt::format("{} is another certificate than the file's, which that authority did not issue; name the "
                           "authority that did with --authority",
                           reference.name));
}

std::string ListFilter(const ListTerms& terms) {
  const std::string subject =
      terms.subject.empty() || terms.subject.find('=') != std::string::npos ? terms.subject : "CN=" + terms.subject;
  std::string filter;
  for (const auto& [field, value] :
       {std::pair("profile", terms.profile), std::pair("subject", subject), std::pair("caller", terms.caller),
        std::pair("lot", terms.lot), std::pair("device", terms.device), std::pair("spki_sha256", terms.spki),
        std::pair("issued_from", terms.issued_from), std::pair("issued_before", terms.issued_before)}) {
    if (!value.empty()) filter += fmt::format("{}{} = {}", filter.empty() ? "" : " AND ", field, InQuotes(value));
  }
  if (terms.revoked) filter += fmt::format("{}revoked = true", filter.empty() ? "" : " AND ");
  return filter;
}

void AddTerms(CLI::App& command, ListTerms& terms) {
  command.add_option("--lot", terms.lot, "Of devices of this lot");
  command.add_option("--device", terms.device, "Of the device with this serial number, as its lot has it")
      ->type_name("SERIAL");
  command.add_option("--profile", terms.profile, "Of this profile");
  command.add_option("--subject", terms.subject, "Of this subject: a common name, or all of it (CN=x,O=y)");
  command.add_option("--caller,--station", terms.caller, "That this caller asked for")->type_name("URI");
  command.add_option("--issued-from", terms.issued_from, "Issued at this time or later")->type_name("RFC3339");
  command.add_option("--issued-before", terms.issued_before, "Issued before this time")->type_name("RFC3339");
}

void AddShow(CLI::App& group, Session& session) {
  const auto options = std::make_shared<ShowOptions>();
  CLI::App* show = AddCommand(group, "show", "Show one certificate and what is known of it",
                              "  hallmark certificate show 4a01c2...\n"
                              "  hallmark certificate show device-1.pem\n"
                              "  hallmark certificate show 4a01c2... --pem --chain > device-1-chain.pem\n"
                              "  hallmark certificate show authorities/access/certificates/5b... --output json");
  show->add_option("certificate", options->certificate,
                   "Its resource name, its serial number in hexadecimal, or a file")
      ->required()
      ->type_name("NAME|SERIAL|FILE");
  show->add_option("--authority", options->authority, "Who issued it, for a serial number or a file")
      ->capture_default_str();
  CLI::Option* pem = show->add_flag("--pem", options->pem, "Write the certificate itself, PEM");
  show->add_flag("--chain", options->chain, "... and those above it, the root last")->needs(pem);
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
}

void AddList(CLI::App& group, Session& session) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* list = AddCommand(group, "list", "List certificates in the order of their issuance",
                              "  hallmark certificate list\n"
                              "  hallmark certificate list --subject device-1\n"
                              "  hallmark certificate list --device SN0042\n"
                              "  hallmark certificate list --profile station --revoked --all\n"
                              "  hallmark certificate list --all --output json | jq -r '.certificates[].serial'");
  list->add_option("--authority", options->authority, "Only of this authority");
  AddTerms(*list, options->terms);
  list->add_flag("--revoked", options->terms.revoked, "Only revoked ones");
  CLI::Option* limit = list->add_option("--limit", options->limit, "At most so many")
                           ->check(CLI::Range(1, 1'000'000, "1 to 1000000"))
                           ->capture_default_str();
  list->add_flag("--all", options->all, "All of them")->excludes(limit);
  list->callback([&session, options] { session.Finish(List(session, *options)); });
}

void AddCertificate(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "certificate", "Issue, show, list and revoke certificates",
                               "  hallmark certificate issue device-1.csr --out issued\n"
                               "  hallmark certificate show issued/device-1.pem\n"
                               "  hallmark certificate revoke issued/device-1.pem --reason keyCompromise");
  group->require_subcommand(1);
  AddIssue(*group, session);
  AddShow(*group, session);
  AddList(*group, session);
  AddRevoke(*group, session);
  AddHoldAndRelease(*group, session);
}

}  // namespace hallmark::cli
