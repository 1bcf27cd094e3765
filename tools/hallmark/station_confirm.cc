// hallmark station confirm.
#include <fmt/format.h>

#include "base/file.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "tools/hallmark/station.h"
#include "tools/hallmark/station/run.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using station::Database;
using station::Entry;
using station::Spool;

constexpr size_t kAll = size_t{1} << 30;
constexpr size_t kSignatureLimit = 4096;

struct Options {
  std::string spool;
  std::vector<std::string> names;
  std::string signature;
  std::string key;
  bool all = false;
};

// What stands in a device's bundle as installation_challenge.
std::string ChallengeOf(const v1::Certificate& certificate) {
  return "hallmark-installation-v1:" + Hex(Sha256(AsBytes(certificate.certificate())));
}

// As the device would sign, with its key in a file: for tests and for development.
StatusOr<std::string> Prove(const std::string& key_file, const std::string& challenge) {
  const ssl::Bio in(BIO_new_file(key_file.c_str(), "rb"));
  const ssl::EvpKey key(in == nullptr ? nullptr : PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const ssl::EvpDigestContext context(EVP_MD_CTX_new());
  size_t size = key == nullptr ? 0 : static_cast<size_t>(EVP_PKEY_get_size(key.get()));
  std::string signature(size, '\0');
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSignUpdate(context.get(), challenge.data(), challenge.size()) != 1 ||
      EVP_DigestSignFinal(context.get(), reinterpret_cast<uint8_t*>(signature.data()), &size) != 1) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("cannot sign with the key in {}: {}", key_file, ssl::DrainErrors()));
  }
  signature.resize(size);
  return signature;
}

StatusOr<std::vector<Entry>> Named(Spool& spool, const Options& options) {
  std::vector<Entry> entries;
  if (options.all) {
    ASSIGN_OR_RETURN(std::vector<Entry> delivered, spool.List("delivered", kAll));
    for (Entry& entry : delivered) {
      if (!entry.certificate.device().empty()) entries.push_back(std::move(entry));
    }
  }
  for (const std::string& name : options.names) {
    ASSIGN_OR_RETURN(Entry entry, spool.Find(name));
    if (entry.state != "delivered" && entry.state != "confirmed") {
      return Error(Code::kFailedPrecondition, reason::kDeviceNotIssued,
                   fmt::format("{} is {}, so there is no certificate to confirm", name, entry.state));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

StatusOr<v1::ConfirmInstallationResponse> Confirm(Client& client, const Options& options, const Entry& entry) {
  v1::ConfirmInstallationRequest request;
  request.set_name(entry.certificate.name());
  if (!options.signature.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_signature(), ReadFile(options.signature, kSignatureLimit));
  } else if (!options.key.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_signature(), Prove(options.key, ChallengeOf(entry.certificate)));
  }
  return client.ConfirmInstallation(request);
}

StatusOr<ExitCode> ConfirmAll(Session& session, const Options& options) {
  if (options.all == !options.names.empty()) return UsageError("give either the names of devices, or --all");
  if ((!options.signature.empty() || !options.key.empty()) && options.names.size() != 1) {
    return UsageError("a signature or a key is one device's; give its name");
  }
  ASSIGN_OR_RETURN(Spool spool, OpenSpool(session, options.spool, Database::Access::kReadWrite));
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, Named(spool, options));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  nlohmann::json devices = nlohmann::json::array();
  size_t refused = 0;
  for (const Entry& entry : entries) {
    const StatusOr<v1::ConfirmInstallationResponse> confirmed = Confirm(client, options, entry);
    if (confirmed.ok()) {
      RETURN_IF_ERROR(spool.MarkConfirmed(entry.id, session.clock.Now()));
      devices.push_back({{"name", entry.name}, {"device", confirmed->device()}, {"proven", confirmed->proven()}});
      continue;
    }
    const Status why = Annotate(confirmed.status(), entry.name);
    if (entries.size() == 1 || Retryable(why) || station::IsAboutCaller(why)) return why;
    ++refused;
    devices.push_back({{"name", entry.name}, {"error", FailureJson(why)}});
    if (!session.json()) session.Report(why);
  }
  if (session.json()) {
    session.PrintJson(
        nlohmann::json{{"confirmed", entries.size() - refused}, {"refused", refused}, {"devices", devices}});
  } else {
    session.out << fmt::format("{} confirmed, {} refused\n", entries.size() - refused, refused);
  }
  return refused > 0 ? kRefused : kDone;
}

}  // namespace

void AddStationConfirm(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* confirm = AddCommand(
      group, "confirm", "Tell the service that devices have their certificates; once more does no harm",
      "  hallmark station confirm SN0012 SN0013\n"
      "  hallmark station confirm --all\n"
      "  hallmark station confirm SN0012 --signature SN0012.sig   # the device's, over its installation_challenge");
  AddSpoolOption(*confirm, options->spool);
  confirm->add_option("names", options->names, "The names of files in OUT, without .pem")->type_name("NAME");
  confirm->add_flag("--all", options->all, "Everything of a lot that was delivered and is not confirmed yet");
  CLI::Option* signature =
      confirm->add_option("--signature", options->signature, "The device's own proof")->type_name("FILE");
  confirm->add_option("--key", options->key, "Make that proof with the device's key, PEM: for tests and development")
      ->type_name("FILE")
      ->excludes(signature);
  confirm->callback([&session, options] { session.Finish(ConfirmAll(session, *options)); });
}

}  // namespace hallmark::cli
