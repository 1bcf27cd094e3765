// Faults of an HSM, on demand: the test's side of the PKCS#11 module in tests/pkcs11_shim/, which forwards to the real
// module (SoftHSM, or $HALLMARK_SHIM_MODULE) whatever it is not told to spoil.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/pkcs11_shim/control.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

// Thread-safe. Make it before the module is loaded, one at a time: this process and those that it starts find it by the
// environment. It steers the module wherever it was loaded, here, in hallmarkd or in `p11-kit server`.
class Pkcs11Shim {
 public:
  Pkcs11Shim() : path_(directory_ / "control") {
    std::ofstream(path_) << std::string(sizeof(ShimControl), '\0');
    control_ = MapControl(path_.c_str());
    if (control_ == nullptr) throw std::runtime_error("cannot map " + path_.string());
    control_->owner = getpid();
    control_->magic = ShimControl::kMagic;
    setenv("HALLMARK_SHIM_MODULE", "/usr/lib/softhsm/libsofthsm2.so", 0);
    setenv("HALLMARK_SHIM_CONTROL", path_.c_str(), 1);
  }
  Pkcs11Shim(const Pkcs11Shim&) = delete;  // the environment names one
  Pkcs11Shim& operator=(const Pkcs11Shim&) = delete;
  ~Pkcs11Shim() {
    Clear();
    unsetenv("HALLMARK_SHIM_CONTROL");
  }

  // The module, for whoever loads it.
  static std::string Path() { return ProgramDirectory() + "/libhallmark_pkcs11_shim.so"; }

  // --- Rules. Those for a function hold for all processes together, and a later one replaces an earlier.

  // After `skip` more calls, the next `times` calls (-1: all) return `rv` and do not reach the module; only a failing
  // C_Sign does, and its signature is lost. A session of which the caller so learns that it is lost stays open in the
  // module until it is closed.
  void Fail(Function function, unsigned long rv, int times = 1, int skip = 0) {
    FunctionControl& rules = control_->of(function);
    rules.failures = 0;
    rules.failure = rv;
    rules.skip = skip;
    rules.failures = times;
  }
  // Each call takes that much longer.
  void Delay(Function function, std::chrono::milliseconds delay) {
    control_->of(function).delay_us = std::chrono::microseconds(delay).count();
  }
  // Calls wait for Release, and go on then.
  void Hang(Function function) { control_->of(function).hangs = true; }
  void Release() {
    for (FunctionControl& rules : control_->functions) rules.hangs = false;
  }
  // Of the calls of `functions`, that many of a thousand return one of `values` (at most 32).
  void FailRandomly(int permille, const std::vector<unsigned long>& values, uint64_t seed,
                    const std::vector<Function>& functions = {
                        Function::kOpenSession, Function::kGetSessionInfo, Function::kLogin, Function::kFindObjectsInit,
                        Function::kFindObjects, Function::kFindObjectsFinal, Function::kGetAttributeValue,
                        Function::kSignInit, Function::kSign}) {
    control_->random_permille = 0;
    control_->random_value_count = std::min(values.size(), ShimControl::kMaxRandomValues);
    for (size_t i = 0; i < control_->random_value_count; ++i) control_->random_values[i] = values[i];
    control_->random_seed = seed;
    control_->random_draws = 0;
    for (FunctionControl& rules : control_->functions) rules.fails_randomly = false;
    for (const Function function : functions) control_->of(function).fails_randomly = true;
    control_->random_permille = static_cast<uint64_t>(permille);
  }
  // One bit of each of the next `times` results (-1: all) of C_Sign is wrong.
  void CorruptSignatures(int times) { control_->corrupt_signatures = times; }
  // C_OpenSession gives CKR_SESSION_COUNT in a process that has `limit` sessions (0: no limit). `stated`: CK_TOKEN_INFO
  // says so.
  void LimitSessions(int limit, bool stated = false) {
    control_->session_limit_stated = stated;
    control_->session_limit = limit;
  }

  // Done in the module by the next call that passes through, in the process that makes it, before that call.
  void CloseSessionsBehindTheBack() { control_->close_sessions = true; }
  void LogOutBehindTheBack() { control_->log_out = true; }
  void FinalizeBehindTheBack() { control_->finalize = true; }

  // While it is away no slot has a token and what is called on one, or in a session, gives CKR_TOKEN_NOT_PRESENT or
  // CKR_DEVICE_REMOVED. Its sessions and its login are gone when it is back.
  void RemoveToken() {
    control_->token_removed = true;
    control_->close_sessions = true;
  }
  void ReturnToken() { control_->token_removed = false; }

  // No rules from here on. Counters stay.
  void Clear() {
    for (FunctionControl& rules : control_->functions) {
      rules.failures = 0;
      rules.skip = 0;
      rules.delay_us = 0;
      rules.hangs = false;
      rules.fails_randomly = false;
    }
    control_->random_permille = 0;
    control_->corrupt_signatures = 0;
    control_->session_limit = 0;
    control_->session_limit_stated = false;
    control_->close_sessions = false;
    control_->log_out = false;
    control_->finalize = false;
    control_->token_removed = false;
  }

  // --- Counters, since the beginning.

  uint64_t Calls(Function function) const { return control_->of(function).calls; }
  // At the same time, in one process.
  uint64_t MaxConcurrent(Function function) const { return control_->of(function).max_concurrent; }
  // That the module has open, in the process that opened or closed one last.
  int64_t OpenSessions() const { return control_->open_sessions; }
  // Those that succeeded; Calls counts the attempts.
  uint64_t Logins() const { return control_->logins; }
  // Calls with a session that the caller had closed, or knew to be lost by CKR_SESSION_HANDLE_INVALID or
  // CKR_SESSION_CLOSED. To close a lost one once is no use.
  uint64_t UsesOfDeadSessions() const { return control_->uses_of_dead_sessions; }

 private:
  const TemporaryDirectory directory_;
  const std::filesystem::path path_;
  MappedControl control_;
};

}  // namespace hallmark::testing
