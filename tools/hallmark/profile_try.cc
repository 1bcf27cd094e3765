// hallmark profile try: what would come of a CSR, side by side with what it asks for and what the profile allows.
#include <fmt/format.h>

#include "base/yaml.h"
#include "hallmark/v1/resources.pb.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/describe.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/profile_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string profile;
  std::string csr;
  std::string authority = "devices";
  std::string lifetime;
};

StatusOr<v1::IssueCertificateRequest> RequestOf(const Options& options, std::istream& in) {
  ASSIGN_OR_RETURN(const std::vector<Csr> csrs, ReadCsrs({options.csr}, in));
  if (csrs.size() != 1) return UsageError(fmt::format("{} holds {} CSRs; try one at a time", options.csr, csrs.size()));
  v1::IssueCertificateRequest request;
  request.set_parent(AuthorityName(options.authority));
  request.set_profile(options.profile);
  request.set_csr(ToString(csrs.front().content));
  // Nobody will have used it: what was issued already would be answered otherwise.
  request.set_request_id("try:" + Hex(Sha256(AsBytes(request.SerializeAsString()))).substr(0, 32));
  request.set_validate_only(true);
  if (options.lifetime.empty()) return request;
  ASSIGN_OR_RETURN(const Duration lifetime, yaml::ParseDuration(options.lifetime));
  request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(lifetime));
  return request;
}

Cell SeverityCell(const std::string& severity) {
  if (severity == "error") return {severity, Color::kRed};
  return {severity, severity == "warning" ? Color::kYellow : Color::kFaint};
}

std::string Render(const v1::Validation& validation, bool colored) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& row : validation.comparisons()) {
    rows.push_back({row.field(), row.asked(), row.allowed(), row.result(), Cell(row.problem(), Color::kRed)});
  }
  std::string text = rows.empty() ? "" : RenderTable({"FIELD", "ASKED", "ALLOWED", "RESULT", "PROBLEM"}, rows, colored);
  rows.clear();
  for (const auto& finding : validation.findings()) {
    rows.push_back({SeverityCell(finding.severity()), finding.citation(), finding.message(), finding.rule()});
  }
  if (!rows.empty()) text += "\n" + RenderTable({"LINT", "STANDARD", "FINDING", "RULE"}, rows, colored);
  if (validation.left_out() > 0)
    text += fmt::format("and {} more, which an error cannot hold\n", validation.left_out());
  return text;
}

StatusOr<ExitCode> Try(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const v1::IssueCertificateRequest request, RequestOf(options, session.in));
  ASSIGN_OR_RETURN(Client client, session.Connect());
  constexpr Duration kLimit = absl::Seconds(30);
  const StatusOr<v1::Certificate> certificate = client.IssueCertificate(request, session.clock.Now() + kLimit);
  const v1::Validation validation = certificate.ok() ? certificate->validation() : ValidationOf(certificate.status());
  if (!certificate.ok() && validation.comparisons().empty()) return certificate.status();
  if (session.json()) {
    nlohmann::json json = {{"validation", ToJson(validation)}};
    if (certificate.ok()) {
      v1::Certificate shown = *certificate;
      shown.clear_validation();
      json["certificate"] = ToJson(shown);
    } else {
      json["error"] = FailureJson(certificate.status());
    }
    session.PrintJson(json);
    return certificate.ok() ? kDone : ExitCodeOf(certificate.status());
  }
  session.out << Render(validation, session.colored());
  RETURN_IF_ERROR(certificate.status());
  if (validation.findings().empty()) session.out << "\nlint: nothing found\n";
  session.out << "\n" << DescribeContent(*certificate, session.colored());
  return kDone;
}

}  // namespace

void AddProfileTry(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      AddCommand(group, "try",
                 "Show what would come of a CSR under a profile in force: what it asks for, what the\n"
                 "profile allows, what the certificate would have, and what lint says. Issues nothing.",
                 "  hallmark profile try device-dps --csr device-1.csr\n"
                 "  hallmark profile try tls-server --csr server.csr --authority access --lifetime 90d\n"
                 "  hallmark profile try device-dps --csr - --output json < device-1.csr");
  command->add_option("profile", options->profile, "Its name, e.g. device-dps")->required();
  command->add_option("--csr", options->csr, "A CSR in PEM or DER, - for standard input")
      ->required()
      ->type_name("FILE|-");
  command->add_option("--authority", options->authority, "Who would certify")->capture_default_str();
  command->add_option("--lifetime", options->lifetime, "How long it would be valid; the profile's own if absent")
      ->check(IsDuration())
      ->type_name("DURATION");
  command->callback([&session, options] { session.Finish(Try(session, *options)); });
}

}  // namespace hallmark::cli
