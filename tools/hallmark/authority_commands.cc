// hallmark authority list|show|chain|csr.
#include "tools/hallmark/authority_commands.h"

#include <fmt/format.h>

#include "base/file.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/revocation_commands.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string name;
  std::string format = "pem";
  std::string out;
};

StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ListAuthoritiesResponse response, client.ListAuthorities());
  if (session.json()) {
    session.PrintJson(response);
  } else {
    session.out << AuthorityTable({response.authorities().begin(), response.authorities().end()}, session.colored());
  }
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.GetAuthority(AuthorityName(options.name)));
  PrintAuthority(session, authority);
  return kDone;
}

v1::ExportChainRequest::Format FormatOf(const std::string& name) {
  if (name == "pkcs7") return v1::ExportChainRequest::PKCS7;
  if (name == "der") return v1::ExportChainRequest::DER;
  return name == "json" ? v1::ExportChainRequest::JSON : v1::ExportChainRequest::PEM;
}

StatusOr<ExitCode> Chain(Session& session, const Options& options) {
  const bool binary = options.format == "pkcs7" || options.format == "der";
  if (binary && options.out.empty() && !session.json() && session.environment.out_is_terminal) {
    return UsageError("DER is nothing that a terminal can show; add --out FILE, or redirect the output");
  }
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::ExportChainResponse response,
                   client.ExportChain(AuthorityName(options.name), FormatOf(options.format)));
  if (!options.out.empty()) {
    RETURN_IF_ERROR(WriteFile(options.out, AsBytes(response.chain())));
    session.err << fmt::format("wrote the chain of {} to {}\n", AuthorityName(options.name), options.out);
  }
  if (session.json()) {
    session.PrintJson(response);
  } else if (options.out.empty()) {
    session.out << response.chain();
  }
  return kDone;
}

StatusOr<ExitCode> Csr(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::FetchCsrResponse response, client.FetchCsr(AuthorityName(options.name)));
  const std::string pem = PemEncode("CERTIFICATE REQUEST", AsBytes(response.csr()));
  if (!options.out.empty()) {
    RETURN_IF_ERROR(WriteFile(options.out, AsBytes(pem)));
    session.err << fmt::format(
        "wrote a CSR of {0} to {1}\nnext: have it certified as an authority (CA:TRUE, keyCertSign, cRLSign), then: "
        "hallmark authority activate {2} CERTIFICATE... ROOT\n",
        AuthorityName(options.name), options.out, ShortAuthority(options.name));
  }
  if (session.json()) {
    session.PrintJson(response);
  } else if (options.out.empty()) {
    session.out << pem;
  }
  return kDone;
}

}  // namespace

void AddAuthority(CLI::App& app, Session& session) {
  CLI::App* group = AddCommand(app, "authority", "The authorities that certify: their life, their keys, their chains",
                               "  hallmark authority list\n"
                               "  hallmark authority create plant-b --parent root --subject \"O=Example, CN=Plant B\"\n"
                               "  hallmark authority enable plant-b\n"
                               "  hallmark authority rollover plant-b\n"
                               "  hallmark authority chain devices --out devices-chain.pem");
  group->require_subcommand(1);

  CLI::App* list =
      AddCommand(*group, "list", "List the authorities",
                 "  hallmark authority list\n  hallmark authority list --output json | jq -r '.authorities[].name'");
  list->callback([&session] { session.Finish(List(session)); });

  const auto options = std::make_shared<Options>();
  CLI::App* show = AddCommand(*group, "show", "Show one authority",
                              "  hallmark authority show devices\n  hallmark authority show devices --output json");
  show->add_option("name", options->name, "Its name, e.g. devices")->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });

  CLI::App* chain = AddCommand(
      *group, "chain", "Write the certificates from an authority to its root, for a trust store, a server or a cloud",
      "  hallmark authority chain devices\n"
      "  hallmark authority chain devices --format pkcs7 --out devices.p7c");
  chain->add_option("name", options->name, "Its name, e.g. devices")->required();
  chain
      ->add_option("--format", options->format,
                   "pem (the root last), pkcs7 (certs-only, DER), der (its own certificate alone) or json (with names, "
                   "fingerprints and URLs)")
      ->check(CLI::IsMember({"pem", "pkcs7", "der", "json"}))
      ->capture_default_str();
  chain->add_option("--out", options->out, "Where to; standard output if absent")->type_name("FILE");
  chain->callback([&session, options] { session.Finish(Chain(session, *options)); });

  CLI::App* csr =
      AddCommand(*group, "csr", "Write a certification request for an authority's key, for another to certify",
                 "  hallmark authority csr devices --out devices.csr");
  csr->add_option("name", options->name, "Its name, e.g. devices")->required();
  csr->add_option("--out", options->out, "Where to, PEM; standard output if absent")->type_name("FILE");
  csr->callback([&session, options] { session.Finish(Csr(session, *options)); });
  AddAuthorityCreation(*group, session);
  AddAuthorityActs(*group, session);
  AddAuthorityRevocation(*group, session);
}

}  // namespace hallmark::cli
