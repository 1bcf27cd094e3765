// Whether one device may come in, of all that was certified and revoked for it. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/records.h"

namespace hallmark {

struct DeviceAdmission {
  enum class Kind {
    kByGroup,  // as every device of its authority
    kBlocked,  // not at all
    kPinned,   // with its newest certificates only: an earlier one was revoked and has not expired
  };
  std::string registration_id;
  Kind kind = Kind::kByGroup;
  std::vector<Bytes> certificates = {};  // kBlocked: the revoked, kPinned: the good ones; the newest first, at most two
  std::string authority = "";            // of the first of them
  bool live = false;                     // there is a good certificate that has not expired
  std::optional<Time> collect = std::nullopt;  // when the last revoked one has expired
  bool alone = false;                          // not together with others: it failed before
};

// `certificates`: all of the device, in the order of issuance. `revoked_authorities`: those of whose certificates none
// counts, though nobody revoked them one by one.
DeviceAdmission AdmissionOf(const std::string& registration_id, const std::vector<CertificateRecord>& certificates,
                            const std::set<std::string>& revoked_authorities, Time now);

}  // namespace hallmark
