// Bearer tokens (RFC 6750) as Entra ID and managed identities issue them, and one of them kept while it is good.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "base/status.h"
#include "publish/web_client.h"

namespace hallmark {

struct BearerToken {
  Secret authorization;  // "Bearer ..."
  Time expires;
};

// Reads a token answer of status 200 (RFC 6749 5.1). Its lifetime is expires_in or, where a managed identity leaves
// that out, expires_on; either is a number or, against the RFC, a text; it counts for a day at most.
// kInvalidArgument (TARGET_ANSWER_INVALID); the message holds nothing of the answer.
StatusOr<BearerToken> ReadTokenAnswer(const std::string& body, Time now);

// What a refusal (RFC 6749 5.2) says that may be told: the code in `error`, and Entra ID's AADSTS number; "" for
// neither. The rest of it is the other side's text and could repeat what it was sent.
std::string ReadTokenRefusal(const std::string& body);

// Reads the answer of a token endpoint, whatever its status. kUnavailable (TARGET_UNREACHABLE), with the delay that was
// asked for: it has none now. kFailedPrecondition: TARGET_CREDENTIAL_REFUSED, with `advice`; TARGET_ANSWER_INVALID.
StatusOr<BearerToken> JudgeTokenAnswer(const WebResponse& response, const std::string& host, const std::string& advice,
                                       Time now);

// One token, kept until five minutes before it expires. Thread-safe: of several callers without one, the first gets it
// and the others wait for it.
class TokenCache {
 public:
  using Fetch = std::function<StatusOr<BearerToken>(Time deadline)>;
  TokenCache(const Clock& clock, Fetch fetch) : clock_(clock), fetch_(std::move(fetch)) {}

  // kDeadlineExceeded (DEADLINE_EXCEEDED) when another caller's wait took too long; otherwise as `fetch`.
  StatusOr<Secret> Get(Time deadline);
  void Forget(const Secret& authorization);

 private:
  const Clock& clock_;
  const Fetch fetch_;
  std::timed_mutex mutex_;
  BearerToken token_ = {};  // guarded by mutex_; empty: none
};

}  // namespace hallmark
