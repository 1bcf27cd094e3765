#include "tools/hallmark/lint_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/lint.h"
#include "tools/hallmark/lint_input.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using nlohmann::json;

constexpr std::array kStandards = {Standard::kIeee8021Ar, Standard::kMatterDac, Standard::kMatterPai,
                                   Standard::kOpcUa,      Standard::kAzureDps,  Standard::kAzureDeviceRegistry};

struct Options {
  std::vector<std::string> files;
  std::string issuer;
  std::vector<std::string> standards;
  bool strict = false;
  bool list_rules = false;
};

// What lint found in one object.
struct Linted {
  const LintInput* input;
  std::string subject;             // of a certificate; of a CRL its issuer; empty: unreadable
  std::vector<Standard> detected;  // those that the certificate means to keep
  std::vector<Standard> asked;     // the others, which --standard names
  std::vector<Finding> findings;   // the worst first

  bool is_crl() const { return input->kind == LintInput::Kind::kCrl; }
};

struct Totals {
  size_t certificates = 0;
  size_t crls = 0;
  std::array<size_t, 3> findings = {};  // by severity

  size_t of(Severity severity) const { return findings[static_cast<size_t>(severity)]; }
};

ssl::Certificate ReadX509(ByteView der) {
  const uint8_t* in = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  if (certificate == nullptr) ssl::DrainErrors();
  return certificate;
}

ssl::Crl ReadX509Crl(ByteView der) {
  const uint8_t* in = der.data();
  ssl::Crl crl(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
  if (crl == nullptr) ssl::DrainErrors();
  return crl;
}

// By RFC 4514, whatever the name holds.
std::string NameText(const X509_NAME* name) {
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  if (out == nullptr || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) {
    ssl::DrainErrors();
    return "";
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size <= 0 ? "" : std::string(text, static_cast<size_t>(size));
}

// The certificate among `issuers` that has the name of the object's issuer; if none has, the first, of which lint then
// says so. Empty: there is none at all.
ByteView IssuerOf(const X509_NAME* issuer, const std::vector<LintInput>& issuers) {
  for (const LintInput& candidate : issuers) {
    const ssl::Certificate certificate = ReadX509(candidate.der);
    if (issuer != nullptr && certificate != nullptr &&
        X509_NAME_cmp(issuer, X509_get_subject_name(certificate.get())) == 0) {
      return candidate.der;
    }
  }
  return issuers.empty() ? ByteView() : ByteView(issuers.front().der);
}

Linted LintCertificateInput(const LintInput& input, const std::vector<LintInput>& issuers,
                            const std::vector<Standard>& asked) {
  Linted linted{&input, "", DetectStandards(input.der), {}, {}};
  std::vector<Standard> standards = linted.detected;
  for (const Standard standard : asked) {
    if (std::find(standards.begin(), standards.end(), standard) != standards.end()) continue;
    standards.push_back(standard);
    linted.asked.push_back(standard);
  }
  const ssl::Certificate certificate = ReadX509(input.der);
  const X509* x509 = certificate.get();
  if (x509 != nullptr) linted.subject = NameText(X509_get_subject_name(x509));
  const ByteView issuer = IssuerOf(x509 == nullptr ? nullptr : X509_get_issuer_name(x509), issuers);
  linted.findings = LintAnyCertificate(input.der, issuer, standards);
  return linted;
}

Linted LintCrlInput(const LintInput& input, const std::vector<LintInput>& issuers) {
  Linted linted{&input, "", {}, {}, {}};
  const ssl::Crl crl = ReadX509Crl(input.der);
  const X509_NAME* name = crl == nullptr ? nullptr : X509_CRL_get_issuer(crl.get());
  if (name != nullptr) linted.subject = NameText(name);
  linted.findings = LintAnyCrl(input.der, IssuerOf(name, issuers));
  return linted;
}

Totals Count(const std::vector<Linted>& all) {
  Totals totals;
  for (const Linted& linted : all) {
    ++(linted.is_crl() ? totals.crls : totals.certificates);
    for (const Finding& finding : linted.findings) ++totals.findings[static_cast<size_t>(finding.severity)];
  }
  return totals;
}

// "1 error", "2 errors".
std::string Number(size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string Summary(const Totals& totals) {
  return fmt::format("{}, {}: {}, {}, {}", Number(totals.certificates, "certificate"), Number(totals.crls, "CRL"),
                     Number(totals.of(Severity::kError), "error"), Number(totals.of(Severity::kWarning), "warning"),
                     Number(totals.of(Severity::kNotice), "notice"));
}

Cell SeverityCell(Severity severity) {
  const Color color = severity == Severity::kError     ? Color::kRed
                      : severity == Severity::kWarning ? Color::kYellow
                                                       : Color::kPlain;
  return {Name(severity), color};
}

std::string StandardsText(const Linted& linted) {
  std::string text = "RFC 5280";
  for (const Standard standard : linted.detected) text += fmt::format(", {} (detected)", Name(standard));
  for (const Standard standard : linted.asked) text += fmt::format(", {}", Name(standard));
  return text;
}

void PrintTables(const Session& session, const std::vector<Linted>& all) {
  for (const Linted& linted : all) {
    session.out << Printable(fmt::format("{}: {} {}", linted.input->source, linted.is_crl() ? "CRL of" : "certificate",
                                         linted.subject.empty() ? "(no name)" : linted.subject))
                << "\n"
                << fmt::format("held to {}:{}", StandardsText(linted), linted.findings.empty() ? " nothing found" : "")
                << "\n";
    std::vector<std::vector<Cell>> rows;
    for (const Finding& finding : linted.findings) {
      rows.push_back({SeverityCell(finding.severity), finding.rule, finding.citation, finding.message});
    }
    if (!rows.empty()) session.out << RenderTable({"SEVERITY", "RULE", "CITATION", "FINDING"}, rows, session.colored());
    session.out << "\n";
  }
  session.out << Summary(Count(all)) << "\n";
}

json ToJson(const Linted& linted) {
  json standards = json::array();
  for (const Standard standard : linted.detected) standards.push_back({{"name", Name(standard)}, {"detected", true}});
  for (const Standard standard : linted.asked) standards.push_back({{"name", Name(standard)}, {"detected", false}});
  json findings = json::array();
  for (const Finding& finding : linted.findings) {
    findings.push_back({{"severity", Name(finding.severity)},
                        {"rule", finding.rule},
                        {"citation", finding.citation},
                        {"message", finding.message}});
  }
  return {{"source", linted.input->source},
          {"kind", linted.is_crl() ? "crl" : "certificate"},
          {linted.is_crl() ? "issuer" : "subject", linted.subject},
          {"standards", standards},
          {"findings", findings}};
}

void PrintDocument(const Session& session, const std::vector<Linted>& all) {
  json objects = json::array();
  for (const Linted& linted : all) objects.push_back(ToJson(linted));
  const Totals totals = Count(all);
  session.PrintJson(json{{"objects", objects},
                         {"errors", totals.of(Severity::kError)},
                         {"warnings", totals.of(Severity::kWarning)},
                         {"notices", totals.of(Severity::kNotice)}});
}

ExitCode ListRules(const Session& session) {
  json rules = json::array();
  std::vector<std::vector<Cell>> rows;
  for (const LintRule& rule : LintRules()) {
    rules.push_back({{"name", rule.name},
                     {"severity", Name(rule.severity)},
                     {"citation", rule.citation},
                     {"requirement", rule.requirement}});
    rows.push_back({SeverityCell(rule.severity), rule.name, rule.citation, rule.requirement});
  }
  if (session.json()) {
    session.PrintJson(json{{"rules", rules}});
  } else {
    session.out << RenderTable({"SEVERITY", "RULE", "CITATION", "REQUIREMENT"}, rows, session.colored());
  }
  return kDone;
}

StatusOr<std::vector<LintInput>> ReadIssuers(Session& session, const Options& options) {
  if (options.issuer.empty()) return std::vector<LintInput>();
  ASSIGN_OR_RETURN(std::vector<LintInput> issuers, ReadLintInputs({options.issuer}, session.in));
  std::erase_if(issuers, [](const LintInput& input) { return input.kind == LintInput::Kind::kCrl; });
  if (!issuers.empty()) return issuers;
  return UsageError(fmt::format("{}, which --issuer names, holds a CRL and no certificate", options.issuer));
}

StatusOr<ExitCode> Lint(Session& session, const Options& options) {
  if (options.list_rules) return ListRules(session);
  if (options.files.empty()) return UsageError("name the files to lint, or - for standard input");
  std::vector<Standard> asked;
  for (const std::string& name : options.standards) {
    ASSIGN_OR_RETURN(const Standard standard, ParseStandard(name));
    asked.push_back(standard);
  }
  ASSIGN_OR_RETURN(const std::vector<LintInput> issuers, ReadIssuers(session, options));
  ASSIGN_OR_RETURN(const std::vector<LintInput> inputs, ReadLintInputs(options.files, session.in));
  std::vector<Linted> all;
  for (const LintInput& input : inputs) {
    all.push_back(input.kind == LintInput::Kind::kCrl ? LintCrlInput(input, issuers)
                                                      : LintCertificateInput(input, issuers, asked));
    std::stable_sort(all.back().findings.begin(), all.back().findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  }
  if (session.json()) {
    PrintDocument(session, all);
  } else {
    PrintTables(session, all);
  }
  const Totals totals = Count(all);
  const bool refused = totals.of(Severity::kError) > 0 || (options.strict && totals.of(Severity::kWarning) > 0);
  return refused ? kRefused : kDone;
}

}  // namespace

void AddLint(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* lint = AddCommand(
      app, "lint",
      "Hold any certificate or CRL to RFC 5280 and the standards of device identities, as the service does its drafts",
      "  hallmark lint device-1.pem\n"
      "  hallmark lint idevid.der --issuer issuing.pem --standard ieee-802.1ar\n"
      "  hallmark lint chain.pem devices.crl --strict\n"
      "  openssl s_client -connect ca.example.com:8443 -showcerts </dev/null | hallmark lint -\n"
      "  hallmark lint *.pem --output json | jq -r '.objects[] | .source as $s | .findings[] | [$s, .rule] | @tsv'\n"
      "  hallmark lint --list-rules");
  CLI::Option* files = lint->add_option("files", options->files, "PEM or DER; several in one file; - is standard input")
                           ->type_name("FILE");
  lint->add_option(
          "--issuer", options->issuer,
          "The issuer's certificate, or a chain that has it: names, key identifiers, validity, path length and "
          "name constraints are compared with it")
      ->type_name("FILE");
  std::vector<std::string> names;
  for (const Standard standard : kStandards) names.emplace_back(Name(standard));
  lint->add_option("--standard", options->standards,
                   "A standard to hold certificates to beside those that are detected; repeatable")
      ->check(CLI::IsMember(names))
      ->allow_extra_args(false);
  lint->add_flag("--strict", options->strict, "Exit code 3 for a warning, too, as for an error");
  lint->add_flag("--list-rules", options->list_rules, "Print every rule with its section, and exit")->excludes(files);
  lint->callback([&session, options] { session.Finish(Lint(session, *options)); });
}

}  // namespace hallmark::cli
