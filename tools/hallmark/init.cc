#include "tools/hallmark/init.h"

#include <fmt/format.h>

#include "base/log.h"
#include "tools/hallmark/initialize.h"

namespace hallmark::cli {
namespace {

StatusOr<ExitCode> Init(Session& session, InitializeOptions options) {
  log::Quiet();
  options.progress = [&session](const std::string& step) { session.err << "  " << step << std::endl; };
  ASSIGN_OR_RETURN(const Initialized initialized, InitializeInstance(options));
  const std::string directory = options.directory.string();
  const std::string base_url = fmt::format("http://{}:{}", options.host, initialized.http_port);
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"directory", directory},
                                     {"config", directory + "/hallmark.yaml"},
                                     {"endpoint", fmt::format("{}:{}", options.host, initialized.grpc_port)},
                                     {"base_url", base_url}});
    return kDone;
  }
  session.out << fmt::format(
      "An instance is in {0}. Next:\n"
      "  hallmarkd --config {0}/hallmark.yaml                     start it: gRPC on port {1}, HTTP on {2}\n"
      "  export HALLMARK_CONTEXT={0}/contexts/operator.yaml       be its operator\n"
      "  hallmark authority list\n"
      "Guard {0}/secrets (the token's PINs) and {0}/contexts (credentials); for a CA in earnest put the token on an "
      "HSM\n"
      "and --host to the name that devices' relying parties use: it stands in every certificate ({3}).\n",
      directory, initialized.grpc_port, initialized.http_port, base_url);
  return kDone;
}

}  // namespace

void AddInit(CLI::App& app, Session& session) {
  const auto options = std::make_shared<InitializeOptions>();
  CLI::App* init = AddCommand(
      app, "init", "Make a working instance: token, authorities, credentials, configuration; nothing to edit",
      "  hallmark init ca\n  hallmark init /var/lib/hallmark --realm example.com --organization \"Example Ltd\" --host "
      "ca.example.com --listen 0.0.0.0");
  init->add_option("dir", options->directory, "The directory to make; it must not exist or be empty")->required();
  init->add_option("--realm", options->realm, "Names the instance in its callers' URIs, hallmark://REALM/...")
      ->capture_default_str();
  init->add_option("--organization", options->organization, "O of the authorities' names")->capture_default_str();
  init->add_option("--host", options->host, "The name by which stations and relying parties reach it")
      ->capture_default_str();
  init->add_option("--listen", options->listen, "The IPv4 address to listen on; 0.0.0.0 for all")
      ->capture_default_str();
  init->add_option("--grpc-port", options->grpc_port, "If it is taken, a free one is chosen")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  init->add_option("--http-port", options->http_port, "If it is taken, a free one is chosen")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  init->add_option("--key-type", options->key_type, "Of the authorities' keys")
      ->capture_default_str()
      ->check(CLI::IsMember({"ec-p256", "ec-p384", "rsa-3072", "rsa-4096"}));
  init->add_option("--module", options->module, "The PKCS#11 module of SoftHSM2")->capture_default_str();
  // A script appends to what it was given: the last one counts.
  for (CLI::Option* option : init->get_options(
           [](const CLI::Option* o) { return !o->get_lnames().empty() && o->get_items_expected_max() > 0; })) {
    option->take_last();
  }
  init->callback([&session, options] { session.Finish(Init(session, *options)); });
}

}  // namespace hallmark::cli
