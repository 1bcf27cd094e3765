#include "ca/device_bundle.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ca/proof.h"

namespace hallmark {

std::string DeviceBundle(const CertificateRecord& record, const std::vector<Bytes>& chain, const LotTerms& terms) {
  const ClaimedDevice& device = *record.device;
  // What the device presents: itself and the authorities above it; the root is what the other side has.
  const std::string certificate = PemEncode("CERTIFICATE", record.certificate);
  std::string presented = certificate;
  for (size_t i = 0; i + 1 < chain.size(); ++i) presented += PemEncode("CERTIFICATE", chain[i]);
  nlohmann::ordered_json bundle = {
      {"hallmark_device_bundle", 1},
      {"device", fmt::format("lots/{}/devices/{}", device.lot, device.serial)},
      {"serial", device.serial},
      {"registration_id", device.registration_id},
      {"certificate", fmt::format("authorities/{}/certificates/{}", record.authority, Hex(record.serial))},
      {"not_before", Rfc3339(record.not_before)},
      {"not_after", Rfc3339(record.not_after)},
      {"certificate_pem", certificate},
      {"certificate_chain_pem", presented},
      {"root_pem", chain.empty() ? "" : PemEncode("CERTIFICATE", chain.back())},
      {"installation_challenge", InstallationChallenge(record.certificate)}};
  if (!terms.bootstrap.type.empty()) {
    bundle["bootstrap"] = {{"type", terms.bootstrap.type},
                           {"global_endpoint", terms.bootstrap.global_endpoint},
                           {"id_scope", terms.bootstrap.id_scope}};
  }
  return bundle.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace hallmark
