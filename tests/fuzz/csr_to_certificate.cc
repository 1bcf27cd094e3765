// From a CSR to what would be signed, under the profile for devices that ships: whatever comes in, a draft lints clean,
// is to OpenSSL what it is to us, and holds nothing that the profile does not grant.
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "base/openssl.h"
#include "ca/certificate.h"
#include "ca/csr.h"
#include "ca/lint.h"
#include "ca/names.h"
#include "policies/load.h"
#include "policies/shipped.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

std::shared_ptr<const Profile> DeviceProfile() {
  for (const ShippedPolicy& policy : ShippedPolicies()) {
    if (policy.path != "profiles/device-dps.yaml") continue;
    return std::make_shared<const Profile>(
        ParseProfile("device-dps", std::string(policy.path), std::string(policy.text), "test").value());
  }
  Require(false, "a profile for devices ships");
  return nullptr;
}

const Time kNow = absl::FromUnixSeconds(1'795'514'400);
const Time kIssuerNotAfter = kNow + absl::Hours(24 * 365 * 15);
const Bytes kSerial = ToBytes(AsBytes("\x4d serial number"));

struct Line {
  std::shared_ptr<const Profile> profile = DeviceProfile();
  IssuerNames issuer = {EncodeName({{"O", "Test"}, {"CN", "Test Devices"}}), Bytes(20, 0x5a),
                        "http://ca.example/crl/devices.crl", "http://ca.example/aia/devices.cer"};
  CertificateTemplate certificate{*profile, issuer, SignatureAlgorithm::kEcdsaSha256};
  LintIssuer lint = {.subject = issuer.name,
                     .key_identifier = issuer.key_identifier,
                     .algorithm = AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256),
                     .not_after = kIssuerNotAfter,
                     .path_length = 0,
                     .self = false};
};

// device-dps.yaml's pattern of CN, written a second time.
bool IsRegistrationId(const std::string& text) {
  constexpr std::string_view kLast = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 64 && text.find_first_not_of(std::string(kLast) + "._:") == text.npos &&
         kLast.find(text.back()) != kLast.npos;
}

void CheckSubject(const Subject& asked, const X509_NAME* name) {
  constexpr std::array<int, 4> kGranted = {NID_organizationName, NID_organizationalUnitName, NID_serialNumber,
                                           NID_commonName};
  int last = -1;
  std::string common_name;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int type = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    const auto place = static_cast<int>(std::find(kGranted.begin(), kGranted.end(), type) - kGranted.begin());
    Require(place > last && place < static_cast<int>(kGranted.size()),
            "the subject holds O, OU, serialNumber and CN, each once, in this order");
    last = place;
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    const std::string text = ToString({ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))});
    Require(std::count(asked.begin(), asked.end(), Attribute{OBJ_nid2sn(type), text}) == 1,
            "the CSR asks for the attribute, once");
    if (type == NID_commonName) common_name = text;
  }
  Require(IsRegistrationId(common_name), "CN is a registration id");
}

void CheckCertificate(const Csr& csr, const Draft& draft, X509* certificate) {
  Require(X509_get_version(certificate) == X509_VERSION_3 && X509_get_ext_count(certificate) == 7,
          "version 3 with the seven extensions of a device");
  Require((X509_get_extension_flags(certificate) & EXFLAG_INVALID) == 0, "OpenSSL can read all extensions");
  Require(X509_check_ca(certificate) == 0 && (X509_get_extension_flags(certificate) & EXFLAG_BCONS) != 0, "CA:FALSE");
  Require(X509_get_key_usage(certificate) == KU_DIGITAL_SIGNATURE, "keyUsage is digitalSignature");
  Require(X509_get_extended_key_usage(certificate) == XKU_SSL_CLIENT, "extKeyUsage is clientAuth");
  Require(X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0, "no subjectAltName");
  Require(ssl::ToDer(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate)).value() == ToBytes(csr.key.spki()),
          "the key is the CSR's");
  CheckSubject(csr.facts.subject, X509_get_subject_name(certificate));
  Require(ssl::ToDer(i2d_re_X509_tbs, certificate).value() == ToBytes(draft.tbs()), "OpenSSL encodes the same octets");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto& line = *new Line();
  const StatusOr<Csr> csr = ReadCsr({data, size});
  if (!csr.ok()) return 0;
  const StatusOr<Plan> plan = Decide(line.profile, csr->facts, kNow, {.not_after = kIssuerNotAfter});
  if (!Accepted(plan)) return 0;
  const StatusOr<Draft> draft = line.certificate.Compose(*plan, csr->key, kSerial);
  Require(draft.ok(), "what the profile grants can be composed");
  const Bytes octets = draft->Unsigned();
  Require(LintCertificate(octets, line.lint).empty(), "the draft lints clean");
  const uint8_t* in = octets.data();
  const ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(octets.size())));
  Require(certificate != nullptr && in == octets.data() + octets.size(), "OpenSSL reads the draft");
  CheckCertificate(*csr, *draft, certificate.get());
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
