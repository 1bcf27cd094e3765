// A Signer whose private key is on a token: hashes here, and sends the digest to the HSM.
#pragma once

#include <memory>

#include "base/status.h"
#include "hsm/key_uri.h"
#include "hsm/signer.h"
#include "hsm/token.h"

namespace hallmark {

// Opens the private key that `uri` names, which must be safe (CheckSafe), of a KeyType that fits `algorithm`, and have
// its public key beside it. The Signer keeps the token. After a loss of session, login or handle it heals itself once
// in a call, and checks the key again when it finds it again.
// kFailedPrecondition: HSM_KEY_NOT_FOUND, HSM_KEY_UNSAFE, or HSM_REFUSED when key and algorithm do not fit. Otherwise
// as Token::LogIn.
StatusOr<std::unique_ptr<Signer>> OpenSigner(std::shared_ptr<Token> token, const KeyUri& uri,
                                             SignatureAlgorithm algorithm);

}  // namespace hallmark
