// hallmark certificate issue.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/file.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "tools/hallmark/certificate_commands.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/delivery.h"
#include "tools/hallmark/issue_all.h"
#include "tools/hallmark/lot_commands.h"

namespace hallmark::cli {
namespace {

constexpr size_t kCsrLimit = 8192;  // of IssueCertificateRequest.csr

struct Options {
  std::vector<std::string> inputs;
  std::string authority = "devices";
  std::string profile = "device-dps";
  std::string lifetime;
  std::string lot;
  std::string device_serial;
  std::string reissue_reason;
  std::string request_id;
  bool validate_only = false;
  size_t in_flight = 64;
  std::string timeout = "60s";
  std::string out;
  bool progress = false;
};

// Two CSRs must not be delivered into the same file.
Status CheckNames(const std::vector<Csr>& csrs) {
  std::map<std::string, std::string> sources;
  for (const Csr& csr : csrs) {
    if (csr.stem.empty()) continue;
    const auto [entry, added] = sources.emplace(csr.stem, csr.source);
    if (!added) {
      return UsageError(
          fmt::format("the certificates of {} and {} would be the same file {}.pem; rename one of them, or "
                      "issue them into two directories",
                      entry->second, csr.source, csr.stem));
    }
  }
  return absl::OkStatus();
}

Status Prepare(const Options& options, const std::vector<Csr>& csrs) {
  if (!options.request_id.empty() && csrs.size() != 1) {
    return UsageError(fmt::format("--request-id names one request, but there are {} CSRs; leave it out", csrs.size()));
  }
  if (!options.device_serial.empty() && csrs.size() != 1) {
    return UsageError(fmt::format("--device names one device, but there are {} CSRs; leave it out", csrs.size()));
  }
  for (const Csr& csr : csrs) {
    // What is far too large would end the stream for all of them.
    if (csr.content.size() <= kCsrLimit) continue;
    return Error(Code::kInvalidArgument, reason::kCsrTooLarge,
                 fmt::format("{} has {} octets, more than the {} of a CSR; nothing was sent", csr.source,
                             csr.content.size(), kCsrLimit));
  }
  if (options.out.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckNames(csrs));
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (!error) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot create the directory {}: {}", options.out, error.message()));
}

// The same question has the same id; a reissue is another question.
std::string RequestIdOf(const Options& options, const std::string& parent, const Csr& csr) {
  if (!options.request_id.empty()) return options.request_id;
  if (options.lot.empty()) return DefaultRequestId(parent, options.profile, csr.content);
  return DefaultRequestId(parent,
                          fmt::format("{}\n{}\n{}\n{}", options.profile, LotName(options.lot), options.device_serial,
                                      options.reissue_reason),
                          csr.content);
}

StatusOr<std::vector<v1::IssueCertificateRequest>> Requests(const Options& options, const std::vector<Csr>& csrs) {
  std::vector<v1::IssueCertificateRequest> requests;
  const std::string parent = AuthorityName(options.authority);
  for (const Csr& csr : csrs) {
    v1::IssueCertificateRequest& request = requests.emplace_back();
    request.set_request_id(RequestIdOf(options, parent, csr));
    request.set_parent(parent);
    request.set_profile(options.profile);
    request.set_csr(ToString(csr.content));
    request.set_validate_only(options.validate_only);
    if (!options.lot.empty()) request.set_lot(LotName(options.lot));
    request.set_device_serial(options.device_serial);
    request.set_reissue_reason(options.reissue_reason);
    if (options.lifetime.empty()) continue;
    ASSIGN_OR_RETURN(const Duration lifetime, yaml::ParseDuration(options.lifetime));
    request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(lifetime));
  }
  return requests;
}

StatusOr<ExitCode> Issue(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<Csr> csrs, ReadCsrs(options.inputs, session.in));
  RETURN_IF_ERROR(Prepare(options, csrs));
  ASSIGN_OR_RETURN(std::vector<v1::IssueCertificateRequest> requests, Requests(options, csrs));
  ASSIGN_OR_RETURN(const Duration patience, yaml::ParseDuration(options.timeout));
  ASSIGN_OR_RETURN(Client client, session.Connect());

  std::vector<std::string> request_ids;
  for (const v1::IssueCertificateRequest& request : requests) request_ids.push_back(request.request_id());
  std::minstd_rand random(std::random_device{}());
  Batch batch(
      std::move(requests), patience, [&random] { return std::uniform_real_distribution<>()(random); },
      session.clock.Now());
  Delivery delivery(csrs, session,
                    {.directory = options.out,
                     .progress = options.progress || (session.environment.err_is_terminal && csrs.size() > 1),
                     .validate_only = options.validate_only});
  const Status status = IssueAll(
      client, batch, options.in_flight, session.clock,
      [&delivery](const std::vector<size_t>& indices, const StatusOr<v1::Certificate>& answer) {
        delivery.Take(indices, answer);
      },
      [&delivery](const Status& failure) { delivery.Waiting(failure); });
  return delivery.Finish(status, request_ids);
}

}  // namespace

void AddIssue(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* issue = AddCommand(
      group, "issue",
      "Have the keys of CSRs (PKCS #10) certified.\n\n"
      "Running the same command again is always safe. A CSR's request id is a digest of the CSR, the authority and "
      "the\n"
      "profile, and the service answers a request id that it knows with the certificate that it issued then: the same\n"
      "command can never make a second certificate, and it continues a batch that was interrupted. To have the same "
      "CSR\n"
      "certified anew on purpose, give a --request-id of your own.",
      "  hallmark certificate issue device-1.csr --lot a-17 > device-1.pem\n"
      "  hallmark certificate issue line-3/ --lot a-17 --out issued   # each *.csr, *.req and *.p10 in line-3\n"
      "  openssl req -new -key k.pem -subj /CN=device-2 | hallmark certificate issue - --out issued\n"
      "  hallmark certificate issue server.csr --authority access --profile tls-server --lifetime 90d\n"
      "  hallmark certificate issue device-1.csr --validate-only");
  issue->add_option("csrs", options->inputs, "CSRs in PEM or DER, directories of them, - for standard input")
      ->required()
      ->type_name("FILE|DIR|-");
  issue->add_option("--authority", options->authority, "Who shall certify")->capture_default_str();
  issue->add_option("--profile", options->profile, "What the certificates shall be")->capture_default_str();
  issue
      ->add_option("--lifetime", options->lifetime,
                   "How long they shall be valid, e.g. 90d; the profile's own if absent")
      ->check(IsDuration())
      ->type_name("DURATION");
  issue->add_option("--lot", options->lot, "The lot that announces the devices, of profiles that want one")
      ->type_name("LOT");
  issue
      ->add_option("--device", options->device_serial,
                   "The device's serial number in the lot; the CSR's serialNumber or CN if absent")
      ->type_name("SERIAL");
  issue
      ->add_option("--reissue", options->reissue_reason,
                   "Why a device shall get a further certificate, e.g. \"rework\", within the lot's limits")
      ->type_name("REASON");
  issue
      ->add_option(
          "--out", options->out,
          "Write NAME.pem and NAME-chain.pem (leaf first, root last), named after the CSR; of a device in a lot "
          "NAME.json, too: all that the device needs")
      ->type_name("DIR");
  CLI::Option* request_id =
      issue->add_option("--request-id", options->request_id, "The request id of a single CSR, the same in every retry");
  issue->add_flag("--validate-only", options->validate_only, "Show what would be issued; issue nothing")
      ->excludes("--out")
      ->excludes(request_id);
  issue->add_option("--timeout", options->timeout, "Give up after so long without an answer")
      ->check(IsDuration())
      ->type_name("DURATION")
      ->capture_default_str();
  issue->add_option("--in-flight", options->in_flight, "Of a batch, at most so many unanswered at a time")
      ->check(CLI::Range(1, 1024, "1 to 1024"))
      ->capture_default_str();
  issue->add_flag("--progress", options->progress, "Report progress also where standard error is no terminal");
  issue->callback([&session, options] { session.Finish(Issue(session, *options)); });
}

}  // namespace hallmark::cli
