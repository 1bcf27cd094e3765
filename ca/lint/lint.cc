#include "ca/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/reason.h"
#include "ca/lint/examined.h"

namespace hallmark {
namespace lint {
namespace {

constexpr LintRule kIssuerReadable{"hallmark_issuer_readable", "RFC 5280 6.1", Severity::kError,
                                   "the issuer's certificate can be read"};

void CheckAlone(const Examined& c, Findings& findings) {
  for (const auto check : {CheckStructure, CheckNames, CheckKey, CheckExtensions, CheckAlternativeNames,
                           CheckPathExtensions, CheckPointers}) {
    check(c, findings);
  }
}

// nullopt, and a finding, for one that cannot be read.
std::optional<Examined> ExamineIssuer(ByteView certificate, Findings& findings) {
  if (certificate.empty()) return std::nullopt;
  Findings unread;
  std::optional<Examined> issuer = Examine(certificate, unread);
  if (!issuer.has_value()) findings.Add(kIssuerReadable, "the issuer's certificate cannot be read");
  return issuer;
}

// What a certificate says of itself as an issuer; views into it.
LintIssuer AsIssuer(const Examined& c) {
  const ExtensionView* key = c.Find(oids::kSubjectKeyIdentifier);
  return {.certificate = c.whole,
          .subject = c.subject_octets,
          .key_identifier =
              key == nullptr ? ByteView() : der::ReadWhole(key->value, der::kOctetString).value_or(ByteView()),
          .algorithm = {},
          .not_after = c.not_after.value_or(absl::InfiniteFuture()),
          .path_length = c.path_length.value_or(kNoPathLength)};
}

std::vector<Finding> Check(ByteView certificate, const std::function<void(const Examined&, Findings&)>& more) {
  Findings findings;
  CheckDer(certificate, findings);
  const std::optional<Examined> c = Examine(certificate, findings);
  if (c.has_value()) {
    CheckAlone(*c, findings);
    more(*c, findings);
  }
  return findings.Take();
}

std::vector<LintRule> AllRules() {
  std::vector<LintRule> all = {kIssuerReadable};
  for (const auto room :
       {DerRules, StructureRules, NameRules, KeyRules, ExtensionRules, AlternativeNameRules, PathRules, PointerRules,
        IssuerRules, HouseRules, NameConstraintRules, Ieee8021ArRules, MatterRules, OpcUaRules, AzureRules, CrlRules}) {
    const std::vector<LintRule> rules = room();
    all.insert(all.end(), rules.begin(), rules.end());
  }
  std::sort(all.begin(), all.end(),
            [](const LintRule& a, const LintRule& b) { return std::string_view(a.name) < b.name; });
  return all;
}

}  // namespace

void CheckStandard(Standard standard, const Examined& c, const Examined* issuer, Findings& findings) {
  switch (standard) {
    case Standard::kIeee8021Ar: return CheckIeee8021Ar(c, findings);
    case Standard::kMatterDac: return CheckMatter(true, c, issuer, findings);
    case Standard::kMatterPai: return CheckMatter(false, c, issuer, findings);
    case Standard::kOpcUa: return CheckOpcUa(c, findings);
    case Standard::kAzureDps: return CheckAzureDps(c, findings);
    case Standard::kAzureDeviceRegistry: return CheckAzureDeviceRegistry(c, issuer, findings);
  }
}

}  // namespace lint

const char* Name(Severity severity) {
  return severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "notice";
}

const std::vector<LintRule>& LintRules() {
  static const auto& rules = *new std::vector<LintRule>(lint::AllRules());
  return rules;
}

std::vector<Finding> LintCertificate(ByteView draft, const LintIssuer& issuer, const std::vector<Standard>& standards) {
  return lint::Check(draft, [&](const lint::Examined& c, lint::Findings& findings) {
    const std::optional<lint::Examined> certificate = lint::ExamineIssuer(issuer.certificate, findings);
    const lint::Examined* examined = certificate.has_value() ? &*certificate : nullptr;
    lint::CheckIssuer(c, issuer, examined, findings);
    lint::CheckHouse(c, findings);
    for (Standard standard : standards) lint::CheckStandard(standard, c, examined, findings);
  });
}

std::vector<Finding> LintAnyCertificate(ByteView certificate, ByteView issuer, const std::vector<Standard>& standards) {
  return lint::Check(certificate, [&](const lint::Examined& c, lint::Findings& findings) {
    const std::optional<lint::Examined> above = lint::ExamineIssuer(issuer, findings);
    if (above.has_value()) {
      LintIssuer its_issuer = lint::AsIssuer(*above);
      its_issuer.self = Equal(certificate, issuer);
      lint::CheckIssuer(c, its_issuer, &*above, findings);
    }
    for (Standard standard : standards) {
      lint::CheckStandard(standard, c, above.has_value() ? &*above : nullptr, findings);
    }
  });
}

std::vector<Finding> LintCrl(ByteView draft, const LintIssuer& issuer) {
  lint::Findings findings;
  const std::optional<lint::Examined> certificate = lint::ExamineIssuer(issuer.certificate, findings);
  lint::CheckCrl(draft, issuer, certificate.has_value() ? &*certificate : nullptr, findings);
  return findings.Take();
}

std::vector<Finding> LintAnyCrl(ByteView crl, ByteView issuer) {
  lint::Findings findings;
  const std::optional<lint::Examined> above = lint::ExamineIssuer(issuer, findings);
  if (above.has_value()) {
    lint::CheckCrl(crl, lint::AsIssuer(*above), &*above, findings);
  } else {
    lint::CheckCrl(crl, {}, nullptr, findings);
  }
  return findings.Take();
}

std::vector<Standard> DetectStandards(ByteView certificate) {
  lint::Findings unread;
  const std::optional<lint::Examined> c = lint::Examine(certificate, unread);
  std::vector<Standard> standards;
  if (!c.has_value()) return standards;
  if (std::any_of(c->alternative_names.begin(), c->alternative_names.end(),
                  [](const der::Element& name) { return lint::ReadHardwareModule(name).has_value(); })) {
    standards.push_back(Standard::kIeee8021Ar);
  }
  const bool vendor = !lint::ValuesOf(c->subject, lint::oids::kMatterVendorId).empty();
  if (vendor && !c->is_self_issued()) standards.push_back(c->ca ? Standard::kMatterPai : Standard::kMatterDac);
  return standards;
}

Status Verdict(const std::vector<Finding>& findings) {
  std::string errors;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::kError) continue;
    errors += fmt::format("; {} ({}): {}", finding.rule, finding.citation, finding.message);
  }
  if (errors.empty()) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kLintFailed, "lint refuses what would be signed" + errors);
}

}  // namespace hallmark
