// hallmark publish bundle.
#include <fmt/format.h>

#include <optional>

#include "base/file.h"
#include "publish/bundle_directory.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/possession.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr char kDefaultAuthority[] = "devices";

struct Options {
  std::string directory;
  std::string authority;
  std::optional<std::string> code;  // given but empty, as of an empty variable, is a mistake
  bool force = false;
};

// Whose: as it is said, else that of the bundle that is there.
StatusOr<std::string> AuthorityOf(const Options& options, const BundleDirectory& directory) {
  const std::string present = directory.authority();
  if (options.authority.empty()) return present.empty() ? AuthorityName(kDefaultAuthority) : present;
  const std::string asked = AuthorityName(options.authority);
  if (present.empty() || present == asked || options.force) return asked;
  return UsageError(fmt::format("{} holds the bundle of {}, not of {}; name another directory, or add --force",
                                options.directory, Printable(present), asked));
}

void PrintBundle(Session& session, const Options& options, const std::string& authority, const Bundle& bundle) {
  const std::string next = fmt::format("read {}/STEPS.md", options.directory);
  if (session.json()) {
    nlohmann::json files = nlohmann::json::array();
    for (const auto& [name, content] : bundle) files.push_back({{"name", name}, {"octets", content.size()}});
    session.PrintJson(nlohmann::json{
        {"authority", authority}, {"directory", options.directory}, {"files", files}, {"next_step", next}});
    return;
  }
  for (const auto& [name, content] : bundle) {
    session.out << fmt::format("{}/{}  {} octets\n", options.directory, name, content.size());
  }
  session.out << fmt::format("next: {}; it says what to do in the portal, and with az: bash {}/publish.sh\n", next,
                             options.directory);
}

StatusOr<ExitCode> WriteBundle(Session& session, Client& client, const Options& options, const std::string& authority) {
  ASSIGN_OR_RETURN(const v1::ExportBundleResponse exported, client.ExportBundle(authority));
  Bundle bundle;
  for (const v1::ExportBundleResponse::File& file : exported.files()) bundle[file.name()] = file.content();
  RETURN_IF_ERROR(BundleDirectory(options.directory).Replace(bundle, options.force));
  PrintBundle(session, options, authority, bundle);
  return kDone;
}

StatusOr<ExitCode> WritePossession(Session& session, Client& client, const Options& options,
                                   const std::string& authority, const std::string& code) {
  ASSIGN_OR_RETURN(const Bytes certificate, ProvePossession(client, session.clock, authority, code));
  const std::filesystem::path directory = options.directory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);  // an error is WriteFile's, too
  const std::string pem = (directory / PossessionFile(code, "pem")).string();
  const std::string cer = (directory / PossessionFile(code, "cer")).string();
  RETURN_IF_ERROR(WriteFile(pem, AsBytes(PemEncode("CERTIFICATE", certificate))));
  RETURN_IF_ERROR(WriteFile(cer, certificate));
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"authority", authority}, {"code", code}, {"files", {pem, cer}}});
    return kDone;
  }
  session.out << fmt::format("{}\n{}\n", pem, cer);
  session.out << (code.size() == kAzureCode
                      ? fmt::format("next: upload the .pem in the portal, on the certificate's page, as verification "
                                    "certificate; or:\n  az iot dps certificate verify --resource-group RESOURCE_GROUP "
                                    "--dps-name DPS --certificate-name {} --path {} --etag ETAG\n",
                                    ShortAuthority(authority), pem)
                      : fmt::format("next: aws iot register-ca-certificate --ca-certificate file://CA.pem \\\n"
                                    "  --verification-certificate file://{} --set-as-active\n",
                                    pem))
              << "It is good for a day, and for this code alone.\n";
  return kDone;
}

StatusOr<ExitCode> RunBundle(Session& session, const Options& options) {
  if (options.code.has_value()) RETURN_IF_ERROR(CheckCode(*options.code));
  const BundleDirectory directory(options.directory);
  ASSIGN_OR_RETURN(const std::string authority, AuthorityOf(options, directory));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  return options.code.has_value() ? WritePossession(session, client, options, authority, *options.code)
                                  : WriteBundle(session, client, options, authority);
}

}  // namespace

void AddPublishBundle(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(group, "bundle",
                 "Write all that a person needs who publishes an authority by hand: its certificates, the steps for "
                 "Azure's portal,\n"
                 "for az and for AWS, a script, and a signed list of it all. Nothing in it is secret.\n\n"
                 "With --code, write the certificate that proves to the cloud that the authority's key is ours: its CN "
                 "is the code,\n"
                 "its key is thrown away.",
                 "  hallmark publish bundle azure\n"
                 "  hallmark publish bundle azure --code 2EF194C10D480915EBB4DAD7B3A18CCDEECF793D1FFEAFB6\n"
                 "  hallmark publish bundle plant-b --authority plant-b --output json");
  command->add_option("directory", options->directory, "Where to; made if need be, of this bundle alone")
      ->required()
      ->type_name("DIR");
  command->add_option("--authority", options->authority,
                      "Whose; that of the bundle which DIR holds, or else devices, if absent");
  command
      ->add_option("--code", options->code,
                   "The cloud's code: 48 hexadecimal digits of Azure DPS or IoT Hub, 64 of AWS IoT Core")
      ->type_name("CODE");
  command->add_flag("--force", options->force, "Write beside others' files, or over the bundle of another authority");
  command->callback([&session, options] { session.Finish(RunBundle(session, *options)); });
}

}  // namespace hallmark::cli
