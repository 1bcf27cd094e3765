// Shared access signatures: what Azure's DPS and IoT Hub take from the holder of a policy's key.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/secret_source.h"
#include "publish/authorizer.h"

namespace hallmark {

// Returns "SharedAccessSignature sr=...&sig=...&se=...&skn=...", good up to `expires` by the other side's clock: an
// HMAC-SHA256, under the key that `key` is the base64 of, over the host and that instant.
// kFailedPrecondition (CONFIGURATION_INVALID) when the key is no base64.
StatusOr<Secret> MakeSharedAccessSignature(const std::string& host, const std::string& policy, const Secret& key,
                                           Time expires);

struct SasOptions {
  std::string policy;  // e.g. provisioningserviceowner
  SecretSource key;    // its first line
};

// Makes signatures that are good for an hour, kept until five minutes before that, one a host. The key is not kept: it
// is read for each new signature, which there is also when the key's file has changed. `environment` and `clock`
// outlive it.
std::unique_ptr<Authorizer> MakeSasAuthorizer(SasOptions options, const SecretEnvironment& environment,
                                              const Clock& clock);

}  // namespace hallmark
