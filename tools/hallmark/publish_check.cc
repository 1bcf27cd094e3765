// hallmark publish dps check: would the service let a device in, or those of a lot?
#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "ca/chain.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct CheckOptions {
  std::string target;
  std::string certificate;
  std::string chain;
  std::string lot;
};

StatusOr<std::vector<Bytes>> ReadChainFile(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string octets, ReadFile(file, kChainLimit));
  const StatusOr<std::vector<Bytes>> chain = ReadChain(AsBytes(octets));
  return chain.ok() ? chain : Annotate(chain.status(), file);
}

// The only target there is, if none is named.
StatusOr<std::string> ChooseTarget(Client& client, const std::string& named) {
  if (!named.empty()) return TargetName(named);
  ASSIGN_OR_RETURN(const v1::ListTargetsResponse list, client.ListTargets());
  if (list.targets_size() == 1) return list.targets(0).name();
  return UsageError(list.targets_size() == 0 ? "there is no target yet; add one with hallmark publish dps add"
                                             : "there are several targets; say which with --target");
}

template <typename Findings>
void PrintFindings(Session& session, const Findings& findings) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& finding : findings) {
    rows.push_back({finding.good() ? Cell("yes", Color::kGreen) : Cell("no", Color::kRed), Printable(finding.what())});
  }
  session.out << RenderTable({"GOOD", "WHAT THE SERVICE LOOKS AT"}, rows, session.colored());
}

StatusOr<ExitCode> CheckCertificate(Session& session, const CheckOptions& options) {
  ASSIGN_OR_RETURN(std::vector<Bytes> chain, ReadChainFile(options.certificate));
  if (!options.chain.empty()) {
    ASSIGN_OR_RETURN(const std::vector<Bytes> above, ReadChainFile(options.chain));
    // A file that has the device's certificate at its beginning is what the device sends as a whole.
    if (!above.empty() && above.front() == chain.front()) chain.clear();
    chain.insert(chain.end(), above.begin(), above.end());
  }
  v1::CheckCertificateRequest request;
  request.set_certificate(ToString(chain.front()));
  for (size_t i = 1; i < chain.size(); ++i) request.add_chain(ToString(chain[i]));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(*request.mutable_name(), ChooseTarget(client, options.target));
  ASSIGN_OR_RETURN(const v1::CheckCertificateResponse verdict, client.CheckCertificate(request));
  if (session.json()) {
    session.PrintJson(verdict);
    return verdict.admitted() ? kDone : kRefused;
  }
  PrintFindings(session, verdict.findings());
  if (verdict.admitted()) {
    session.out << "The service would let it in.\n";
  } else {
    session.out << fmt::format("The service would refuse it with 401, code {}. {}\n", verdict.error_code(),
                               Printable(verdict.advice()));
  }
  return verdict.admitted() ? kDone : kRefused;
}

// Why a lot's devices meet nothing at `target` (empty: any), of where they are sent.
std::string NoAdmission(const std::string& lot, const std::vector<std::string>& sent, const std::string& target) {
  if (sent.empty()) {
    return fmt::format(
        "No target lets in devices of {}: the lot names no bootstrap, and its authority is below no target's groups.",
        lot);
  }
  return fmt::format("Devices of {} are sent to {}, and not to {}.", lot, fmt::join(sent, ", "), target);
}

StatusOr<ExitCode> CheckLot(Session& session, const CheckOptions& options) {
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(v1::CheckLotResponse answer, client.CheckLot(LotName(options.lot)));
  std::vector<std::string> sent;
  for (const v1::LotAdmission& one : answer.admissions()) {
    sent.push_back(one.target().empty() ? "the ID scope " + Printable(one.id_scope()) + ", which no target has"
                                        : ShortTarget(one.target()));
  }
  if (!options.target.empty()) {
    auto& all = *answer.mutable_admissions();
    const std::string target = TargetName(options.target);
    all.erase(std::remove_if(all.begin(), all.end(), [&](const auto& one) { return one.target() != target; }),
              all.end());
  }
  const auto& admissions = answer.admissions();
  const bool all_admitted = !admissions.empty() && std::all_of(admissions.begin(), admissions.end(),
                                                               [](const auto& a) { return a.admitted(); });
  if (session.json()) {
    session.PrintJson(answer);
    return all_admitted ? kDone : kRefused;
  }
  for (const v1::LotAdmission& admission : admissions) {
    if (admission.findings_size() > 0) PrintFindings(session, admission.findings());
    session.out << Telling(admission) << "\n";
  }
  if (admissions.empty()) session.out << NoAdmission(options.lot, sent, options.target) << "\n";
  return all_admitted ? kDone : kRefused;
}

StatusOr<ExitCode> Check(Session& session, const CheckOptions& options) {
  if (options.lot.empty() == options.certificate.empty()) {
    return UsageError("say either a device's certificate or --lot, whose devices are not made yet");
  }
  if (options.lot.empty()) return CheckCertificate(session, options);
  return options.chain.empty() ? CheckLot(session, options)
                               : UsageError("--chain is what a device sends; of a lot it is known");
}

}  // namespace

std::string Telling(const v1::LotAdmission& admission) {
  if (admission.target().empty()) {
    return fmt::format(
        "No target has the ID scope {} that the lot sends its devices to: nobody publishes their chain "
        "there, and no revocation arrives. Add one: hallmark publish dps add FILE",
        Printable(admission.id_scope()));
  }
  const std::string target = ShortTarget(admission.target());
  if (!admission.failure().empty()) {
    return fmt::format("Whether {} would let its devices in could not be found out: {}", target,
                       Printable(admission.failure()));
  }
  if (admission.admitted()) return fmt::format("{} would let its devices in.", target);
  return fmt::format("{} would refuse its devices with 401, code {}. {}", target, admission.error_code(),
                     Printable(admission.advice()));
}

void AddPublishCheck(CLI::App& group, Session& session) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* command =
      AddCommand(group, "check", "Would the service let this device in, or the lot's? If not, why",
                 "  hallmark publish dps check device-1.pem\n"
                 "  hallmark publish dps check device-1.pem --chain device-1-chain.pem --target contoso\n"
                 "  hallmark publish dps check --lot a-17      before its first device is made");
  command->add_option("certificate", options->certificate, "The device's, or its chain")->type_name("FILE");
  command->add_option("--chain", options->chain, "What the device sends; otherwise what is known")->type_name("FILE");
  command->add_option("--lot", options->lot, "Instead of a certificate: what devices of this lot would meet")
      ->type_name("LOT");
  command->add_option("--target", options->target, "Where; not needed if there is one only")->type_name("TARGET");
  command->callback([&session, options] { session.Finish(Check(session, *options)); });
}

}  // namespace hallmark::cli
