// Where to find lists, issuers and answers (RFC 5280 4.2.1.13, 4.2.1.15, 4.2.2).
#include <fmt/format.h>

#include "ca/lint/examined.h"

namespace hallmark::lint {
namespace {

constexpr LintRule kPoints{"rfc5280_4_2_1_13_distribution_points", "RFC 5280 4.2.1.13", Severity::kError,
                           "cRLDistributionPoints is a list of points, each with a name or an issuer"};
constexpr LintRule kPointUrl{"rfc5280_4_2_1_13_distribution_point_uri", "RFC 5280 4.2.1.13", Severity::kWarning,
                             "a distribution point has an http or ldap URI"};
constexpr LintRule kAccess{"rfc5280_4_2_2_information_access", "RFC 5280 4.2.2", Severity::kError,
                           "authorityInfoAccess and subjectInfoAccess are lists of a method and a location"};
constexpr LintRule kAccessUrl{"rfc5280_4_2_2_1_access_uri", "RFC 5280 4.2.2.1", Severity::kWarning,
                              "caIssuers and OCSP are at http URIs, since https would need a path of its own"};

bool IsFetchable(std::string_view uri) { return uri.starts_with("http://") || uri.starts_with("ldap://"); }

// DistributionPointName ::= CHOICE { fullName [0], nameRelativeToCRLIssuer [1] }
bool CheckPointNames(const der::Element& point_name, Findings& findings) {
  der::Reader choice(point_name.content);
  const StatusOr<der::Element> chosen = choice.Next();
  if (!chosen.ok() || !choice.empty()) return false;
  if (chosen->tag == der::ContextConstructed(1)) {
    CheckName("nameRelativeToCRLIssuer", der::Sequence({der::Tlv(der::kSet, chosen->content)}), findings);
    return true;
  }
  if (chosen->tag != der::ContextConstructed(0) || !CheckGeneralNames(*chosen, "cRLDistributionPoints", findings)) {
    return false;
  }
  bool fetchable = false;
  for (const der::Element& name :
       ReadElements(chosen->whole, der::ContextConstructed(0)).value_or(std::vector<der::Element>())) {
    fetchable |= name.tag == kUriName && IsFetchable(AsText(name.content));
  }
  findings.Require(fetchable, kPointUrl, "a distribution point has no http or ldap URI");
  return true;
}

// DistributionPoint ::= SEQUENCE { distributionPoint [0], reasons [1], cRLIssuer [2], all OPTIONAL }
bool CheckPoint(const der::Element& point, Findings& findings) {
  const auto fields = ReadElements(point.whole);
  if (!fields.has_value()) return false;
  bool named = false;
  int before = -1;
  for (const der::Element& field : *fields) {
    const int number = field.tag & 0x1f;
    if (number <= before) return false;
    before = number;
    if (field.tag == der::ContextConstructed(0)) {
      if (!CheckPointNames(field, findings)) return false;
    } else if (field.tag == der::ContextPrimitive(1)) {
      if (!der::NamedBits(field.content).ok()) return false;
    } else if (field.tag != der::ContextConstructed(2) || !CheckGeneralNames(field, "cRLIssuer", findings)) {
      return false;
    }
    named |= number != 1;
  }
  return named;
}

void CheckPoints(const Examined& c, std::string_view oid, Findings& findings) {
  const ExtensionView* extension = c.Find(oid);
  if (extension == nullptr) return;
  const auto points = ReadElements(extension->value);
  if (!points.has_value() || points->empty()) return findings.Add(kPoints, "there are no distribution points");
  for (const der::Element& point : *points) {
    findings.Require(CheckPoint(point, findings), kPoints,
                     "a distribution point is malformed, or has reasons and nothing else");
  }
}

void CheckAccess(const Examined& c, std::string_view oid, const char* what, Findings& findings) {
  const ExtensionView* extension = c.Find(oid);
  if (extension == nullptr) return;
  const auto descriptions = ReadElements(extension->value);
  bool right = descriptions.has_value() && !descriptions->empty();
  for (const der::Element& description : descriptions.value_or(std::vector<der::Element>())) {
    const auto fields = ReadElements(description.whole);
    if (!fields.has_value() || fields->size() != 2 || (*fields)[0].tag != der::kOid) {
      right = false;
      continue;
    }
    const der::Element& location = (*fields)[1];
    CheckGeneralName(location, what, findings);
    if (oid == oids::kAuthorityInfoAccess && location.tag == kUriName) {
      findings.Require(IsFetchable(AsText(location.content)), kAccessUrl, "an access location is no http or ldap URI");
    }
  }
  if (!right) findings.Add(kAccess, fmt::format("{} is malformed or empty", what));
}

}  // namespace

void CheckPointers(const Examined& c, Findings& findings) {
  CheckPoints(c, oids::kCrlDistributionPoints, findings);
  CheckPoints(c, oids::kFreshestCrl, findings);
  CheckAccess(c, oids::kAuthorityInfoAccess, "authorityInfoAccess", findings);
  CheckAccess(c, oids::kSubjectInfoAccess, "subjectInfoAccess", findings);
}

std::vector<LintRule> PointerRules() { return {kPoints, kPointUrl, kAccess, kAccessUrl}; }

}  // namespace hallmark::lint
