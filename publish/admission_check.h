// Whether a provisioning service would let a device in, judged as it does: the individual enrollment first, then the
// group whose certificate is closest to the device's; that one decides. The chain that the device shows must hold, and
// must reach a certificate that the service has verified. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "publish/dps_service.h"

namespace hallmark {

inline constexpr char kClientAuth[] = "1.3.6.1.5.5.7.3.2";  // in extendedKeyUsage

struct ServiceState {
  std::vector<FoundCertificate> certificates;
  std::vector<nlohmann::json> groups;
  nlohmann::json enrollment = nullptr;  // of this registration id
};

struct AdmissionVerdict {
  struct Finding {
    bool good = false;
    std::string what;
  };
  bool admitted = false;
  int error_code = 0;             // that the service answers
  std::vector<Finding> findings;  // in the order in which it looks
  std::string advice;
};

// `chain`: the device's certificate, then what it sends with it.
AdmissionVerdict CheckAdmission(const std::vector<Bytes>& chain, const ServiceState& state, Time now);

// A device that is not certified yet: what its certificate will say under a profile.
struct ProspectiveDevice {
  std::string profile;      // for people
  bool common_name = true;  // a CN, which is its registration id
  bool client_auth = true;
};

// The same before there is a certificate, of any device that `issuers` will certify: what it will send after its own,
// the closest first. As if the device had no individual enrollment.
AdmissionVerdict CheckProspect(const ProspectiveDevice& device, const std::vector<Bytes>& issuers,
                               const ServiceState& state, Time now);

// The CN of the device's certificate; nullopt: it is no registration id, which CheckAdmission tells of.
// kInvalidArgument (REQUEST_INVALID): the chain is empty, or something in it is no certificate.
StatusOr<std::optional<std::string>> RegistrationIdOf(const std::vector<Bytes>& chain);

}  // namespace hallmark
