// The token of a ceremony: opened with a PIN from a file, a credential, the environment or the person at the terminal.
#pragma once

#include <functional>
#include <memory>

#include "ca/draft.h"
#include "hsm/key.h"
#include "tools/hallmark/ceremony/ceremony.h"

namespace hallmark::ceremony {

// Asks the person for a PIN, without showing what is typed. kFailedPrecondition: there is nobody to ask.
using AskPin = std::function<StatusOr<Secret>(const std::string& token)>;

// Asks at the terminal /dev/tty, with its echo off.
StatusOr<Secret> AskPinAtTerminal(const std::string& token);

// Sets the environment that the ceremony asks for, opens its token and logs in. Errors as Token::LogIn, Module::Load
// and ReadPin. Before the first thread, since it sets the environment.
StatusOr<std::shared_ptr<Token>> OpenCeremonyToken(const Ceremony& ceremony, const AskPin& ask_pin);

// The key that `uri` names, which must be safe (hsm/key.h), ready to sign.
StatusOr<std::shared_ptr<const SigningKey>> OpenCeremonyKey(const std::shared_ptr<Token>& token, const KeyUri& uri,
                                                            SignatureAlgorithm algorithm);

}  // namespace hallmark::ceremony
