// A profile that loads can be used: its purposes are object identifiers, and what it grants can be composed and read.
#include "policies/profile.h"

#include "ca/certificate.h"
#include "ca/csr.h"
#include "ca/der.h"
#include "ca/names.h"
#include "policies/load.h"
#include "tests/fuzz/property.h"
#include "tests/software_signer.h"

namespace hallmark::fuzz {
namespace {

const PublicKey& DeviceKey() {
  static const auto& key = *new PublicKey(
      PublicKey::FromSpki(testing::SoftwareSigner(SignatureAlgorithm::kEcdsaSha256).public_key()).value());
  return key;
}

void Use(std::shared_ptr<const Profile> profile) {
  const Time now = absl::FromUnixSeconds(1'795'514'400);
  const CertificateTemplate made(
      *profile, {EncodeName({{"CN", "Test"}}), Bytes(20, 0x5a), "http://ca.example/a.crl", "http://ca.example/a.cer"},
      SignatureAlgorithm::kEcdsaSha256);
  Facts facts;
  facts.subject = {{"O", "Example"}, {"CN", "device-1"}};
  facts.key = profile->keys.front();
  const StatusOr<Plan> plan =
      Decide(std::move(profile), facts, now,
             {.not_before = now - absl::Hours(24 * 365), .not_after = now + absl::Hours(24 * 365 * 30)});
  if (!plan.ok()) return;
  const StatusOr<Draft> draft = made.Compose(*plan, DeviceKey(), Bytes(16, 0x11));
  if (!draft.ok()) return;  // a fixed value that is no name of its kind
  Require(ReadCertificate(draft->Unsigned()).ok(), "what the profile grants can be read as a certificate");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  StatusOr<Profile> profile = ParseProfile("fuzzed", "fuzzed.yaml", ToString({data, size}), "test.realm");
  if (!Accepted(profile)) return 0;
  Require(!profile->keys.empty() && !profile->subject.empty() && !profile->key_usage.empty(),
          "keys, a subject and usages are granted");
  for (const std::string& purpose : profile->extended_key_usage) {
    const Bytes oid = der::Oid(purpose);
    Require(der::OidText(der::ReadWhole(oid, der::kOid).value()).value_or("") == purpose,
            "a purpose is an object identifier");
  }
  Use(std::make_shared<const Profile>(*std::move(profile)));
  return 0;
}

}  // namespace hallmark::fuzz
