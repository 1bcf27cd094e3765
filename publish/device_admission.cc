#include "publish/device_admission.h"

#include <algorithm>

namespace hallmark {
namespace {

constexpr size_t kSlots = 2;                  // primary and secondary
constexpr Duration kMargin = absl::Hours(1);  // by which the service's clock may be behind ours

}  // namespace

DeviceAdmission AdmissionOf(const std::string& registration_id, const std::vector<CertificateRecord>& certificates,
                            const std::set<std::string>& revoked_authorities, Time now) {
  DeviceAdmission admission{.registration_id = registration_id};
  std::vector<const CertificateRecord*> revoked;
  std::vector<const CertificateRecord*> good;
  for (auto record = certificates.rbegin(); record != certificates.rend(); ++record) {
    if (record->not_after + kMargin <= now) continue;
    const bool bad = record->revocation.has_value() || revoked_authorities.contains(record->authority);
    (bad ? revoked : good).push_back(&*record);
  }
  admission.live = !good.empty();
  if (revoked.empty()) return admission;
  admission.kind = good.empty() ? DeviceAdmission::Kind::kBlocked : DeviceAdmission::Kind::kPinned;
  const std::vector<const CertificateRecord*>& named = good.empty() ? revoked : good;
  for (size_t i = 0; i < std::min(kSlots, named.size()); ++i) {
    admission.certificates.push_back(named[i]->certificate);
  }
  admission.authority = named.front()->authority;
  for (const CertificateRecord* one : revoked) {
    const Time end = one->not_after + kMargin;
    admission.collect = std::max(admission.collect.value_or(end), end);
  }
  return admission;
}

}  // namespace hallmark
