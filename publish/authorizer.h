// What every kind of credential is to its users: the maker of the value of Authorization (RFC 9110 11.6.2).
#pragma once

#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"

namespace hallmark {

// Thread-safe.
class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // Returns the value for a request to `host`; one that is at hand, or a new one. Messages never hold it, nor the key.
  // kFailedPrecondition: FILE_UNREADABLE, the key; CONFIGURATION_INVALID, it cannot be used; TARGET_CREDENTIAL_REFUSED,
  // who issues tokens refused it; and as WebClient::Send. kUnavailable (TARGET_UNREACHABLE, with a retry delay if one
  // was asked for): who issues tokens has none now. TARGET_CREDENTIAL_MISSING, with the code of hsm/: the key on its
  // token cannot sign.
  virtual StatusOr<Secret> Authorization(const std::string& host, Time deadline) = 0;

  // The value was refused: if it is still at hand, the next call makes a new one and reads the key again.
  virtual void Forget(const Secret& authorization) = 0;

  // What it is, for messages, e.g. "the SAS key of policy 'provisioningserviceowner' in /etc/hallmark/dps.key".
  virtual std::string Describe() const = 0;
};

}  // namespace hallmark
