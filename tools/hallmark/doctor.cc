#include "tools/hallmark/doctor.h"

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "tools/hallmark/examination.h"
#include "tools/hallmark/hsm_examination.h"
#include "tools/hallmark/hsm_report.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

struct DoctorOptions {
  bool hsm = false;
  std::string config = "hallmark.yaml";
  std::string module;
  std::string token;
  bool no_signature = false;
};

bool IsHealthy(const std::vector<Examined>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Examined& f) { return f.verdict == Judgement::kBad; });
}

nlohmann::json PartsJson(const std::vector<Examined>& findings) {
  nlohmann::json parts = nlohmann::json::array();
  for (const Examined& f : findings) {
    parts.push_back({{"part", f.part}, {"verdict", Name(f.verdict)}, {"finding", f.finding}, {"advice", f.advice}});
  }
  return parts;
}

void PrintTable(const Session& session, const std::vector<Examined>& findings) {
  std::vector<std::vector<Cell>> rows;
  for (const Examined& f : findings) {
    const Color color = f.verdict == Judgement::kGood      ? Color::kGreen
                        : f.verdict == Judgement::kWarning ? Color::kYellow
                                                           : Color::kRed;
    rows.push_back({Printable(f.part), Cell(Name(f.verdict), color), Printable(f.finding)});
  }
  session.out << RenderTable({"PART", "VERDICT", "FINDING"}, rows, session.colored());
  for (const Examined& f : findings) {
    if (!f.advice.empty()) session.out << "\n" << Printable(f.part) << ": " << Printable(f.advice) << "\n";
  }
}

StatusOr<ExitCode> ExamineInstance(Session& session, const std::string& config) {
  const std::vector<Examined> findings = Examine(config, session.clock);
  const bool healthy = IsHealthy(findings);
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"healthy", healthy}, {"parts", PartsJson(findings)}});
  } else {
    PrintTable(session, findings);
  }
  return healthy ? kDone : kFailed;
}

StatusOr<ExitCode> ExamineHsms(Session& session, const DoctorOptions& options) {
  HsmDoctorOptions hsm_options{
      .config = options.config, .module = options.module, .token = options.token, .sign = !options.no_signature};
  if (!session.json()) {
    hsm_options.progress = [&session](const std::string& step) { session.err << "  " << Printable(step) << std::endl; };
  }
  const HsmDiagnosis diagnosis = DiagnoseHsm(hsm_options, session.clock);
  bool healthy = IsHealthy(diagnosis.findings);
  nlohmann::json parts = PartsJson(diagnosis.findings);
  nlohmann::json hsms = nlohmann::json::array();
  std::vector<Examined> findings = diagnosis.findings;
  for (const ExaminedHsm& hsm : diagnosis.hsms) {
    healthy = healthy && IsHealthy(hsm.findings);
    findings.insert(findings.end(), hsm.findings.begin(), hsm.findings.end());
    for (nlohmann::json& part : PartsJson(hsm.findings)) {
      part["hsm"] = hsms.size();
      parts.push_back(std::move(part));
    }
    hsms.push_back(HsmJson(hsm));
  }
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"healthy", healthy}, {"parts", parts}, {"hsms", hsms}});
  } else {
    PrintTable(session, findings);
  }
  return healthy ? kDone : kFailed;
}

StatusOr<ExitCode> Doctor(Session& session, const DoctorOptions& options) {
  log::Quiet();
  signal(SIGPIPE, SIG_IGN);  // raised in a module whose p11-kit server ended
  if (options.hsm) return ExamineHsms(session, options);
  if (!options.module.empty() || options.no_signature) {
    return UsageError("--module, --token and --no-signature are options of the examination of the HSM; add --hsm");
  }
  return ExamineInstance(session, options.config);
}

}  // namespace

void AddDoctor(CLI::App& app, Session& session) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* doctor = AddCommand(
      app, "doctor",
      "Examine an instance on this machine: module, token, login, keys, clock, database, ports, disk, configuration",
      "  hallmark doctor --config ca/hallmark.yaml\n  hallmark doctor --config ca/hallmark.yaml --output json\n"
      "  hallmark doctor --hsm --config ca/hallmark.yaml\n"
      "  hallmark doctor --hsm --module /usr/lib/softhsm/libsofthsm2.so\n"
      "  hallmark doctor --hsm --module softhsm2 --token 'pkcs11:token=ca?pin-source=file:/etc/hallmark/pin'");
  CLI::Option* config =
      doctor->add_option("--config", options->config, "The instance's hallmark.yaml")->capture_default_str();
  doctor->add_flag(
      "--hsm", options->hsm,
      "The HSM in detail: slots, flags, mechanisms, sessions, login, keys, test signatures; changes nothing");
  CLI::Option* module =
      doctor
          ->add_option(
              "--module", options->module,
              "With --hsm: a PKCS#11 module's path, or its name in p11-kit's configuration, instead of --config")
          ->excludes(config);
  doctor
      ->add_option(
          "--token", options->token,
          "With --module: the token (RFC 7512 URI, with pin-source perhaps); without it, what there is is listed")
      ->needs(module);
  doctor->add_flag(
      "--no-signature", options->no_signature,
      "With --hsm: make no test signatures. Each is a signature of the CA key over random octets, and has its "
      "line in the signature journal");
  doctor->callback([&session, options] { session.Finish(Doctor(session, *options)); });
}

}  // namespace hallmark::cli
