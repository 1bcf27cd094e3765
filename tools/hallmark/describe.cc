#include "tools/hallmark/describe.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "tools/hallmark/names.h"

namespace hallmark::cli {
namespace {

constexpr Duration kDay = absl::Hours(24);
constexpr int kDaysOfWarning = 30;

Time At(const google::protobuf::Timestamp& timestamp) { return absl::FromUnixSeconds(timestamp.seconds()); }
std::string Rfc3339(const google::protobuf::Timestamp& timestamp) { return hallmark::Rfc3339(At(timestamp)); }

std::string Days(Duration duration) {
  const int64_t days = duration / kDay;
  return fmt::format("{} {}", days, days == 1 ? "day" : "days");
}

// Of a period of validity alone; it includes its last second (RFC 5280 4.1.2.5).
Cell ValidityBetween(Time not_before, Time not_after, Time now) {
  const Time end = not_after + absl::Seconds(1);
  if (now < not_before) return {"not yet valid", Color::kYellow};
  if (now >= end) return {fmt::format("expired {} ago", Days(now - end)), Color::kRed};
  const bool ends_soon = end - now < kDaysOfWarning * kDay;
  return {fmt::format("valid, {} left", Days(end - now)), ends_soon ? Color::kYellow : Color::kGreen};
}

std::string Period(const google::protobuf::Timestamp& not_before, const google::protobuf::Timestamp& not_after) {
  return fmt::format("{} to {}", Rfc3339(not_before), Rfc3339(not_after));
}

std::string ChainNames(const v1::Certificate& certificate) {
  std::string names;
  for (const std::string& above : certificate.chain()) {
    const std::string name = CommonName(AsBytes(above));
    names += (names.empty() ? "" : " <- ") + (name.empty() ? "(no CN)" : name);
  }
  return names;
}

Cell StateOf(const v1::Authority& authority) {
  const std::string name = v1::Authority::State_Name(authority.state());
  switch (authority.state()) {
    case v1::Authority::ENABLED: return {name, Color::kGreen};
    case v1::Authority::REVOKED: return {name, Color::kRed};
    default: return {name, Color::kYellow};
  }
}

std::string CertifiedBy(const v1::Authority& authority) {
  if (authority.parent() == authority.name()) return "itself (a root)";
  if (!authority.parent().empty()) return authority.parent();
  return authority.certificate().empty() ? "(nobody yet)" : "(elsewhere)";
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string Join(const google::protobuf::RepeatedPtrField<v1::Attribute>& attributes, char separator) {
  std::string all;
  for (const v1::Attribute& attribute : attributes)
    all += fmt::format("{}{}{}{}", all.empty() ? "" : ", ", attribute.type(), separator, attribute.value());
  return all;
}

std::string Constraints(const v1::Description& description) {
  if (!description.ca()) return "no authority";
  return description.has_path_length() ? fmt::format("an authority, pathLenConstraint {}", description.path_length())
                                       : "an authority, any path length";
}

std::string Policies(const v1::Description& description) {
  std::string all;
  for (const auto& policy : description.certificate_policies()) {
    all += fmt::format("{}{}{}", all.empty() ? "" : ", ", policy.oid(), policy.cps().empty() ? "" : " " + policy.cps());
  }
  return all;
}

}  // namespace

std::string DescribeContent(const v1::Certificate& certificate, bool colored) {
  if (!certificate.has_description()) return "";
  const v1::Description& content = certificate.description();
  std::vector<Field> fields = {
      {"Subject", Join(content.subject(), '=')},
      {"Issuer", Join(content.issuer(), '=')},
      {"Valid", content.never_expires() ? Rfc3339(certificate.not_before()) + ", never expires"
                                        : Period(certificate.not_before(), certificate.not_after())},
      {"Names", Join(content.subject_alt_names(), ':')},
      {"Key", content.key_type()},
      {"Key usage", Join(content.key_usage())},
      {"Purposes", Join(content.extended_key_usage())},
      {"Constraints", Constraints(content)},
      {"Permitted names", Join(content.permitted_subtrees())},
      {"Excluded names", Join(content.excluded_subtrees())},
      {"Policies", Policies(content)},
      {"Subject key id", content.subject_key_identifier()},
      {"Issuer key id", content.authority_key_identifier()},
      {"CRL", Join(content.crl_distribution_points())},
      {"Issuer's certificate", Join(content.ca_issuers())},
      {"OCSP", Join(content.ocsp())}};
  for (const auto& extension : content.other_extensions()) {
    fields.push_back({"Extension", fmt::format("{}{} {}", extension.oid(), extension.critical() ? ", critical:" : ":",
                                               extension.value())});
  }
  return RenderFields(fields, colored);
}

Cell ValidityOf(const v1::Certificate& certificate, Time now) {
  if (certificate.has_revocation_details()) {
    const auto& details = certificate.revocation_details();
    if (details.reason() == v1::CERTIFICATE_HOLD) {
      return {fmt::format("on hold since {}", Rfc3339(details.revoke_time())), Color::kRed};
    }
    return {fmt::format("revoked on {} ({})", Rfc3339(details.revoke_time()), ReasonName(details.reason())),
            Color::kRed};
  }
  return ValidityBetween(At(certificate.not_before()), At(certificate.not_after()), now);
}

std::string DescribeCertificate(const v1::Certificate& certificate, Time now, bool colored) {
  const bool recorded = certificate.has_issue_time();
  return RenderFields({{"Certificate", certificate.name()},
                       {"Subject", certificate.subject()},
                       {"Status", ValidityOf(certificate, now)},
                       {"Valid", Period(certificate.not_before(), certificate.not_after())},
                       {"Serial", certificate.serial()},
                       {"Profile", certificate.profile()},
                       {"Profile version", certificate.profile_version()},
                       {"Asked for by", certificate.caller()},
                       {"Request id", certificate.request_id()},
                       {"Revoked by", certificate.revocation_details().caller()},
                       {"Not to be believed from", certificate.revocation_details().has_invalidity_time()
                                                       ? Rfc3339(certificate.revocation_details().invalidity_time())
                                                       : ""},
                       {"Issued", recorded ? Rfc3339(certificate.issue_time()) : ""},
                       {"Ledger leaf", recorded ? std::to_string(certificate.leaf_index()) : ""},
                       {"SHA-256", certificate.sha256_fingerprint()},
                       {"Key SHA-256", certificate.spki_sha256()},
                       {"Chain", ChainNames(certificate)}},
                      colored);
}

std::string CertificateTable(const std::vector<v1::Certificate>& certificates, Time now, bool colored) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::Certificate& certificate : certificates) {
    rows.push_back({ShortAuthority(certificate.name()), certificate.serial(), certificate.subject(),
                    certificate.profile(), Rfc3339(certificate.not_after()), certificate.caller(),
                    ValidityOf(certificate, now)});
  }
  return RenderTable({"AUTHORITY", "SERIAL", "SUBJECT", "PROFILE", "NOT AFTER", "CALLER", "STATUS"}, rows, colored);
}

std::string DescribeAuthority(const v1::Authority& authority, Time now, bool colored) {
  const bool certified = !authority.certificate().empty();
  return RenderFields(
      {{"Authority", authority.name()},
       {"Subject", authority.subject()},
       {"State", StateOf(authority)},
       {"Status", certified ? ValidityBetween(At(authority.not_before()), At(authority.not_after()), now) : Cell("")},
       {"Valid", certified ? Period(authority.not_before(), authority.not_after()) : ""},
       {"Certified by", CertifiedBy(authority)},
       {"Successor", authority.successor()},
       {"Predecessor", authority.predecessor()},
       {"Profile", authority.profile()},
       {"Issues also", Join(authority.profiles())},
       {"Key", authority.key_type()},
       {"Signs with", authority.signature_algorithm()},
       {"Key in the HSM", authority.key_uris_size() == 0 ? "none yet" : Join(authority.key_uris())},
       {"CRL", certified ? authority.crl_url() : ""},
       {"Certificate", certified ? authority.aia_url() : ""},
       {"SHA-256", authority.sha256_fingerprint()}},
      colored);
}

std::string AuthorityTable(const std::vector<v1::Authority>& authorities, bool colored) {
  std::vector<std::vector<Cell>> rows;
  for (const v1::Authority& authority : authorities) {
    rows.push_back({ShortAuthority(authority.name()), StateOf(authority), authority.subject(), authority.key_type(),
                    authority.signature_algorithm(),
                    authority.certificate().empty() ? "" : Rfc3339(authority.not_after()),
                    authority.parent() == authority.name() ? "(root)" : ShortAuthority(CertifiedBy(authority)),
                    ShortAuthority(authority.successor())});
  }
  return RenderTable({"NAME", "STATE", "SUBJECT", "KEY", "SIGNS WITH", "NOT AFTER", "CERTIFIED BY", "SUCCESSOR"}, rows,
                     colored);
}

}  // namespace hallmark::cli
