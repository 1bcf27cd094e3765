// Deciding past requests again with a profile that is not in force: what a change of it would have changed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ca/authority.h"

namespace hallmark {

struct Difference {
  std::string field;  // "subject", "validity", "key_usage", "extension 1.2.3"...
  std::string before;
  std::string after;
};

struct Replayed {
  enum class Outcome { kIssued, kRefused, kNotReplayed };
  CertificateRecord record;
  Outcome outcome = Outcome::kIssued;   // today
  std::string problem;                  // why it is not issued
  std::vector<Difference> differences;  // between the certificate and what would be issued
};

// The differences between what two certificates say, but for what is drawn or signed anew.
StatusOr<std::vector<Difference>> CompareCertificates(ByteView before, ByteView after);

// Decides the last `count` requests of the profile `changed` is a version of, the newest first, each as it was sent, by
// its caller, at its time; tells `visit` of each until that returns false. Signs and records nothing. Who may ask
// (permission::kReplayProfile) is for whoever calls it to check.
Status Replay(const CertificateAuthority& authority, std::shared_ptr<const Profile> changed, int count,
              const std::function<bool(const Replayed&)>& visit);

}  // namespace hallmark
