// Examines an HSM as hallmark doctor --hsm does: module, slots, token, mechanisms, sessions, PIN, login, keys and test
// signatures, each with a verdict and, when it is not good, the cause in words and the next step.
//
// Read-only: makes and changes no object, initialises nothing. The PIN is tried once at most, and never when one try is
// left or its length is none that the token takes (and again only where a broken session took the login with it, on a
// token that allows no second one). Sessions are closed at the end, with which a login ends that was made
// here (PKCS#11 v2.40 5.6); call it in a process of its own, since a login is the whole application's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsm/key_examination.h"
#include "hsm/module_examination.h"
#include "hsm/pin.h"
#include "hsm/token_examination.h"

namespace hallmark {

struct HsmToExamine {
  std::string module;  // as Module::Load takes it
  std::string token;   // RFC 7512 URI; empty: lists what there is, with no login
  PinSources pin;
  size_t sessions = 1;  // that are configured
  std::vector<KeyToExamine> keys;
  bool all_must_fit = true;  // see KeyExaminationOptions
  std::shared_ptr<SignatureJournal> journal;
  std::vector<KeyException> exceptions;  // what the configuration accepts of keys
  bool sign = true;
  ModuleEnvironment environment;
  std::function<void(const std::string&)> progress = [](const std::string&) {};  // told of each step
};

struct ExaminedSlot {
  SlotInformation slot;
  std::vector<MechanismInformation> mechanisms;  // empty when the slot has no initialised token
};

// How far the login came.
enum class LoginState { kNotTried, kRefused, kNotRequired, kWasLoggedIn, kLoggedIn };

struct ExaminedHsm {
  std::string module_name;
  std::optional<ModuleInformation> module;  // absent: it does not load
  std::vector<ExaminedSlot> slots;
  std::optional<size_t> token;  // index of the token in `slots`
  LoginState login = LoginState::kNotTried;
  std::vector<ExaminedKey> keys;
  std::vector<ObjectInformation> objects;
  std::vector<Examined> findings;  // in the order in which they were made
};

// What needs a part that is bad is not examined.
ExaminedHsm ExamineHsm(HsmToExamine hsm, const Clock& clock);

}  // namespace hallmark
