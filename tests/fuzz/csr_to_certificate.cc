// From a CSR to what would be signed, under every profile that ships and one that uses everything: whatever comes in,
// a draft re-reads, lints clean, and is octet for octet what a second reading of the profile makes of the request.
#include <openssl/err.h>

#include "base/openssl.h"
#include "ca/certificate.h"
#include "ca/csr.h"
#include "ca/extensions.h"
#include "ca/lint.h"
#include "ca/names.h"
#include "policies/load.h"
#include "policies/shipped.h"
#include "tests/fuzz/accepted_csr.h"
#include "tests/fuzz/everything_profile.h"
#include "tests/profile_reading.h"

namespace hallmark::fuzz {
namespace {

constexpr char kRealm[] = "test";
const Time kNow = absl::FromUnixSeconds(1'795'514'400);
const IssuerValidity kIssuerValidity{kNow - absl::Hours(24), NeverExpires()};
const Bytes kSerial = ToBytes(AsBytes("\x4d serial number"));
constexpr auto kAlgorithm = SignatureAlgorithm::kEcdsaSha256;

// Who asks, and the device's record.
const std::map<std::string, std::string>& Sources() {
  static const auto& sources = *new std::map<std::string, std::string>{{"caller.uri", "hallmark://test/station/line-1"},
                                                                       {"caller.realm", "test"},
                                                                       {"caller.role", "station"},
                                                                       {"caller.name", "line-1"},
                                                                       {"device.serial", "sn-1"}};
  return sources;
}

// An issuer that may certify whatever the profile is for: it has a Matter vendor and product id, as a PAI has.
IssuerNames TheIssuer() {
  const Subject name = {
      {"O", "Test"}, {"CN", "Test Authority"}, {"1.3.6.1.4.1.37244.2.1", "FFF1"}, {"1.3.6.1.4.1.37244.2.2", "8000"}};
  return {EncodeName(name), Bytes(20, 0x5a), "http://ca.example/crl/devices.crl", "http://ca.example/aia/devices.cer",
          "http://ca.example/ocsp"};
}

struct Line {
  std::shared_ptr<const Profile> profile;
  testing::ProfileReading reading;
};

Line MakeLine(const std::string& name, const std::string& text) {
  const StatusOr<Profile> profile = ParseProfile(name, name, text, kRealm);
  Require(profile.ok(), "the profile can be read");
  return {std::make_shared<const Profile>(*profile), testing::ProfileReading(text, kRealm)};
}

const std::vector<Line>& Lines() {
  static const auto& lines = *new std::vector<Line>([] {
    std::vector<Line> made = {MakeLine("everything", kEverythingProfile)};
    for (const ShippedPolicy& policy : ShippedPolicies()) {
      if (policy.path.starts_with("profiles/"))
        made.push_back(MakeLine(std::string(policy.path), std::string(policy.text)));
    }
    Require(made.size() > 20, "profiles ship");
    return made;
  }());
  return lines;
}

Facts Completed(Facts facts) {
  facts.caller = ParseCallerUri(Sources().at("caller.uri")).value();
  facts.device = {{"serial", Sources().at("device.serial")}};
  return facts;
}

IssuerNames IssuerOf(const Line& line, const Plan& plan, const PublicKey& key) {
  if (!line.profile->subject_is_issuer) return TheIssuer();
  return {EncodeName(plan.subject), KeyIdentifier(key.key_octets(), line.profile->subject_key_identifier), "", "", ""};
}

testing::Circumstances CircumstancesOf(const Line& line, const IssuerNames& issuer) {
  const bool self = line.profile->subject_is_issuer;
  return {.issuer = self ? Bytes() : issuer.name,
          .issuer_key_identifier = self ? Bytes() : issuer.key_identifier,
          .crl_url = issuer.crl_url,
          .aia_url = issuer.aia_url,
          .ocsp_url = issuer.ocsp_url,
          .now = absl::ToUnixSeconds(kNow),
          .issuer_not_before = absl::ToUnixSeconds(kIssuerValidity.not_before),
          .issuer_not_after = absl::ToUnixSeconds(kIssuerValidity.not_after),
          .sources = Sources()};
}

// Shows the fault, if there is one, of which the property speaks.
void RequireNothing(const Line& line, const std::string& fault, const char* property) {
  if (!fault.empty()) std::fprintf(stderr, "%s: %s\n", line.profile->name.c_str(), fault.c_str());
  Require(fault.empty(), property);
}

bool HasError(const std::vector<Finding>& findings) { return !Verdict(findings).ok(); }

void CheckLine(const Line& line, const Csr& csr, X509_REQ* request) {
  const StatusOr<Plan> plan = Decide(line.profile, csr.facts, kNow, kIssuerValidity);
  if (!Accepted(plan)) return;
  const IssuerNames issuer = IssuerOf(line, *plan, csr.key);
  const StatusOr<Draft> draft = CertificateTemplate(*line.profile, issuer, kAlgorithm).Compose(*plan, csr.key, kSerial);
  if (!Accepted(draft)) return;
  const Bytes octets = draft->Unsigned();
  const LintIssuer lint{.subject = issuer.name,
                        .key_identifier = issuer.key_identifier,
                        .algorithm = AlgorithmIdentifier(kAlgorithm),
                        .not_after = kIssuerValidity.not_after,
                        .path_length = kNoPathLength,
                        .self = line.profile->subject_is_issuer};
  RequireNothing(line, Message(Verdict(LintCertificate(octets, lint))), "the draft keeps RFC 5280");
  // What a profile grants may still be against a standard that it names.
  if (HasError(LintCertificate(octets, lint, line.profile->standards))) return;
  Require(ReadCertificate(octets).ok(), "the draft can be read back");
  RequireNothing(line, line.reading.Fault(request, octets, CircumstancesOf(line, issuer)),
                 "the draft holds what the profile grants of the CSR and nothing else");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  StatusOr<Csr> csr = ReadCsr({data, size});
  if (!csr.ok()) return 0;
  csr->facts = Completed(std::move(csr->facts));
  const ssl::CertificateRequest request = OpensslRequest({data, size});
  for (const Line& line : Lines()) CheckLine(line, *csr, request.get());
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
