// hallmark authority activate|stage|enable|disable|keys.
#include <fmt/format.h>

#include <algorithm>

#include "tools/hallmark/authority_commands.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli {
namespace {

struct ActOptions {
  std::string name;
  std::vector<std::string> files;
  std::string uri;
  bool validate_only = false;
  bool keep_predecessor = false;
};

StatusOr<ExitCode> Activate(Session& session, const ActOptions& options) {
  v1::ActivateAuthorityRequest request;
  request.set_name(AuthorityName(options.name));
  ASSIGN_OR_RETURN(*request.mutable_certificates(), ReadCertificates(options.files));
  request.set_validate_only(options.validate_only);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.ActivateAuthority(request));
  PrintAuthority(session, authority);
  if (options.validate_only) {
    session.err << "the certificates are good; nothing was changed: --validate-only\n";
  } else {
    HintAtNext(session, authority);
  }
  return kDone;
}

StatusOr<ExitCode> SetState(Session& session, const ActOptions& options, v1::Authority::State state) {
  v1::SetStateRequest request;
  request.set_name(AuthorityName(options.name));
  request.set_state(state);
  request.set_keep_predecessor(options.keep_predecessor);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.SetState(request));
  PrintAuthority(session, authority);
  if (state == v1::Authority::ENABLED && !authority.predecessor().empty() && !options.keep_predecessor) {
    session.err << fmt::format("{} is DISABLED now: it issues nothing any more, its CRL goes on\n",
                               authority.predecessor());
  }
  return kDone;
}

// Adds a URI to those of an authority's key, or takes it away.
StatusOr<ExitCode> ChangeKeys(Session& session, const ActOptions& options, bool add) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.GetAuthority(AuthorityName(options.name)));
  const auto& uris = authority.key_uris();
  const bool listed = std::find(uris.begin(), uris.end(), options.uri) != uris.end();
  if (!add && !listed) {
    return UsageError(fmt::format("the key of {} has no URI {}; see: hallmark authority show {}", authority.name(),
                                  options.uri, ShortAuthority(authority.name())));
  }
  v1::UpdateAuthorityRequest request;
  request.mutable_authority()->set_name(authority.name());
  request.mutable_authority()->set_etag(authority.etag());
  for (const std::string& uri : uris) {
    if (add || uri != options.uri) request.mutable_authority()->add_key_uris(uri);
  }
  if (add && !listed) request.mutable_authority()->add_key_uris(options.uri);
  request.mutable_update_mask()->add_paths("key_uris");
  ASSIGN_OR_RETURN(const v1::Authority updated, client.UpdateAuthority(request));
  PrintAuthority(session, updated);
  return kDone;
}

void AddActivate(CLI::App& group, Session& session) {
  const auto options = std::make_shared<ActOptions>();
  CLI::App* activate = AddCommand(
      group, "activate",
      "Give an authority the certificate that somebody else made of its CSR.\n\n"
      "With the certificates above it, up to the root; those of this instance may be left out. Everything is checked\n"
      "first. Again with a renewed certificate of the same key and name, the authority goes on with that one.",
      "  hallmark authority activate plant-c plant-c.pem corporate-root.pem\n"
      "  hallmark authority activate plant-c chain.p7b --validate-only");
  activate->add_option("name", options->name, "Its name, e.g. plant-c")->required();
  activate->add_option("files", options->files, "PEM or DER, in any order; or one PKCS#7")
      ->required()
      ->type_name("FILE");
  activate->add_flag("--validate-only", options->validate_only, "Only say whether the certificates are good");
  activate->callback([&session, options] { session.Finish(Activate(session, *options)); });
}

void AddStates(CLI::App& group, Session& session) {
  struct Act {
    const char* name;
    const char* description;
    v1::Authority::State state;
  };
  constexpr Act kActs[] = {
      {"stage", "Let an authority issue to who asks for it by name only", v1::Authority::STAGED},
      {"enable", "Let an authority issue; its predecessor is disabled in the same step", v1::Authority::ENABLED},
      {"disable", "Let an authority issue nothing any more; its CRL goes on", v1::Authority::DISABLED}};
  for (const Act& act : kActs) {
    const auto options = std::make_shared<ActOptions>();
    CLI::App* command =
        AddCommand(group, act.name, act.description, fmt::format("  hallmark authority {} plant-b", act.name));
    command->add_option("name", options->name, "Its name, e.g. plant-b")->required();
    if (act.state == v1::Authority::ENABLED) {
      command->add_flag("--keep-predecessor", options->keep_predecessor, "Let its predecessor issue on beside it");
    }
    command->callback([&session, options, state = act.state] { session.Finish(SetState(session, *options, state)); });
  }
}

void AddKeys(CLI::App& group, Session& session) {
  CLI::App* keys =
      AddCommand(group, "keys", "Where an authority's key is found: one key, on one token or several",
                 "  hallmark authority keys add devices 'pkcs11:token=second;object=devices;type=private'\n"
                 "  hallmark authority keys remove devices 'pkcs11:token=first;object=devices'");
  keys->require_subcommand(1);
  for (const bool add : {true, false}) {
    const auto options = std::make_shared<ActOptions>();
    CLI::App* command =
        AddCommand(*keys, add ? "add" : "remove",
                   add ? "Add a URI; the key there is opened first and must be the same one" : "Take a URI away",
                   fmt::format("  hallmark authority keys {} devices 'pkcs11:token=second;object=devices;type=private'",
                               add ? "add" : "remove"));
    command->add_option("name", options->name, "The authority's name, e.g. devices")->required();
    command->add_option("uri", options->uri, "RFC 7512, without a PIN")->required()->type_name("URI");
    command->callback([&session, options, add] { session.Finish(ChangeKeys(session, *options, add)); });
  }
}

}  // namespace

void PrintAuthority(Session& session, const v1::Authority& authority) {
  if (session.json()) {
    session.PrintJson(authority);
  } else {
    session.out << DescribeAuthority(authority, session.clock.Now(), session.colored());
  }
}

void HintAtNext(Session& session, const v1::Authority& authority) {
  const std::string name = ShortAuthority(authority.name());
  switch (authority.state()) {
    case v1::Authority::AWAITING_ACTIVATION:
      session.err << fmt::format(
          "next: now have it signed: hallmark authority csr {0} --out {0}.csr\n"
          "      and with the certificate and those above it: hallmark authority activate {0} {0}.pem root.pem\n",
          name);
      break;
    case v1::Authority::STAGED:
      session.err << fmt::format("next: try it, it issues to who asks for it; then: hallmark authority enable {}\n",
                                 name);
      break;
    default: break;
  }
}

void AddAuthorityActs(CLI::App& group, Session& session) {
  AddActivate(group, session);
  AddStates(group, session);
  AddKeys(group, session);
}

}  // namespace hallmark::cli
