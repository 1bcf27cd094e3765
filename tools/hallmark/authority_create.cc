// hallmark authority create|rollover.
#include <fmt/format.h>

#include <charconv>

#include "base/yaml.h"
#include "tools/hallmark/authority_commands.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli {
namespace {

struct KeyOptions {
  std::string token;
  std::string type;
  std::string algorithm;
  std::vector<std::string> uris;
};

struct CreateOptions {
  std::string name;
  std::string parent;
  bool root = false;
  bool external = false;
  std::string subject;
  std::string profile;
  std::vector<std::string> issues;
  KeyOptions key;
  std::string lifetime;
  bool enable = false;
  bool validate_only = false;
  std::string request_id;
};

struct RolloverOptions {
  std::string name;
  std::string successor;
  KeyOptions key;
  std::string lifetime;
  bool validate_only = false;
  std::string request_id;
};

template <class Request>
Status FillKey(const KeyOptions& options, const std::string& lifetime, Request& request) {
  request.set_token(options.token);
  request.set_key_type(options.type);
  request.set_signature_algorithm(options.algorithm);
  for (const std::string& uri : options.uris) request.add_key_uris(uri);
  if (lifetime.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Duration duration, yaml::ParseDuration(lifetime));
  request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(duration));
  return absl::OkStatus();
}

StatusOr<ExitCode> Create(Session& session, const CreateOptions& options) {
  if ((options.parent.empty() ? 0 : 1) + (options.root ? 1 : 0) + (options.external ? 1 : 0) != 1) {
    return UsageError(
        "say who certifies it: --parent AUTHORITY, --root (it certifies itself) or --external (somebody else; it then "
        "awaits its certificate)");
  }
  v1::CreateAuthorityRequest request;
  request.set_request_id(options.request_id.empty() ? "create:" + options.name.substr(0, 57) : options.request_id);
  request.set_authority_id(options.name);
  if (!options.parent.empty()) request.set_parent(AuthorityName(options.parent));
  request.set_external(options.external);
  request.set_profile(options.profile);
  ASSIGN_OR_RETURN(const std::vector<v1::Attribute> subject, ParseSubject(options.subject));
  for (const v1::Attribute& attribute : subject) *request.add_subject() = attribute;
  for (const std::string& profile : options.issues) request.add_profiles(profile);
  RETURN_IF_ERROR(FillKey(options.key, options.lifetime, request));
  if (options.enable) request.set_state(v1::Authority::ENABLED);
  request.set_validate_only(options.validate_only);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.CreateAuthority(request));
  PrintAuthority(session, authority);
  if (options.validate_only) {
    session.err << "nothing was made: --validate-only\n";
  } else {
    HintAtNext(session, authority);
  }
  return kDone;
}

// "devices" -> "devices-2" -> "devices-3".
std::string NextName(const std::string& name) {
  const size_t dash = name.rfind('-');
  unsigned number = 0;
  if (dash != name.npos) {
    const auto [end, error] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number >= 2)
      return fmt::format("{}-{}", name.substr(0, dash), number + 1);
  }
  return name + "-2";
}

StatusOr<ExitCode> Rollover(Session& session, const RolloverOptions& options) {
  const std::string successor = options.successor.empty() ? NextName(ShortAuthority(options.name)) : options.successor;
  v1::RolloverAuthorityRequest request;
  request.set_request_id(options.request_id.empty() ? "rollover:" + successor.substr(0, 55) : options.request_id);
  request.set_name(AuthorityName(options.name));
  request.set_successor_id(successor);
  RETURN_IF_ERROR(FillKey(options.key, options.lifetime, request));
  request.set_validate_only(options.validate_only);
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const v1::Authority authority, client.RolloverAuthority(request));
  PrintAuthority(session, authority);
  if (options.validate_only) {
    session.err << "nothing was made: --validate-only\n";
    return kDone;
  }
  HintAtNext(session, authority);
  session.err << fmt::format(
      "{} goes on until its successor is enabled; publish the new chain before: hallmark "
      "authority chain {}\n",
      authority.predecessor(), successor);
  return kDone;
}

void AddKeyOptions(CLI::App& command, KeyOptions& key, std::string& lifetime, const std::string& otherwise) {
  command.add_option("--token", key.token,
                     "The token to generate its key on, by its name in hallmark.yaml; the default "
                     "one if absent");
  command.add_option("--key-type", key.type, "Of its key; " + otherwise)
      ->check(CLI::IsMember({"ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"}));
  command
      .add_option("--signature-algorithm", key.algorithm, "What it signs with; the default of the key's type if absent")
      ->check(CLI::IsMember({"ecdsa-sha256", "ecdsa-sha384", "rsa-pkcs1-sha256", "rsa-pkcs1-sha384", "rsa-pss-sha256",
                             "rsa-pss-sha384"}));
  command
      .add_option("--key-uri", key.uris,
                  "Use the key at this PKCS#11 URI (RFC 7512) instead of a new one; again for another token with it")
      ->type_name("URI");
  command.add_option("--lifetime", lifetime, "Of its certificate, e.g. 10y; the profile's if absent")
      ->type_name("DURATION")
      ->check(IsDuration());
}

void AddCreate(CLI::App& group, Session& session) {
  const auto options = std::make_shared<CreateOptions>();
  CLI::App* create = AddCommand(
      group, "create",
      "Make an authority: a key of its own on a token, and a certificate for it.\n\n"
      "It is STAGED until you enable it. The same command again is safe: after a crash it goes on where it stopped.",
      "  hallmark authority create plant-b --parent root --subject \"O=Example, CN=Plant B\" --issues device-dps\n"
      "  hallmark authority create root-2 --root --subject \"O=Example, CN=Example Root 2\" --key-type ec-p384\n"
      "  hallmark authority create plant-c --external --subject \"O=Example, CN=Plant C\"   # then: csr, activate");
  create->add_option("name", options->name, "Its name, e.g. plant-b")->required();
  create->add_option("--subject", options->subject, "Its distinguished name, e.g. \"O=Example, CN=Plant B\"")
      ->required();
  create->add_option("--parent", options->parent, "The authority that certifies it, e.g. root")->type_name("AUTHORITY");
  create->add_flag("--root", options->root, "It certifies itself");
  create->add_flag("--external", options->external, "Somebody else certifies it; it awaits its certificate");
  create->add_option("--profile", options->profile, "It is certified under; root or issuing-authority if absent");
  create->add_option("--issues", options->issues, "A profile that it issues under though the profile does not name it")
      ->type_name("PROFILE");
  AddKeyOptions(*create, options->key, options->lifetime, "ec-p256 if absent");
  create->add_flag("--enable", options->enable, "ENABLED at once instead of STAGED");
  create->add_flag("--validate-only", options->validate_only, "Only say what would be made, or why not");
  create->add_option("--request-id", options->request_id, "Names this creation; after its name if absent");
  create->callback([&session, options] { session.Finish(Create(session, *options)); });
}

void AddRollover(CLI::App& group, Session& session) {
  const auto options = std::make_shared<RolloverOptions>();
  CLI::App* rollover =
      AddCommand(group, "rollover",
                 "Make an authority's successor: the same subject and issuer, a new key.\n\n"
                 "Both are served; the old one issues until the successor is enabled, and signs its CRL after that.",
                 "  hallmark authority rollover plant-b                          # makes plant-b-2\n"
                 "  hallmark authority rollover plant-b --successor plant-b-2027 --key-type ec-p384\n"
                 "  hallmark authority enable plant-b-2                          # and plant-b is disabled");
  rollover->add_option("name", options->name, "The authority to succeed, e.g. plant-b")->required();
  rollover->add_option("--successor", options->successor, "The successor's name; counted on if absent");
  AddKeyOptions(*rollover, options->key, options->lifetime, "as before if absent");
  rollover->add_flag("--validate-only", options->validate_only, "Only say what would be made, or why not");
  rollover->add_option("--request-id", options->request_id, "Names this rollover; after the successor if absent");
  rollover->callback([&session, options] { session.Finish(Rollover(session, *options)); });
}

}  // namespace

void AddAuthorityCreation(CLI::App& group, Session& session) {
  AddCreate(group, session);
  AddRollover(group, session);
}

}  // namespace hallmark::cli
