// Module is a loaded and initialised PKCS#11 module, and what it says of itself, its slots and its tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

struct _CK_FUNCTION_LIST;  // of pkcs11.h, which only the files of hsm/ see

namespace hallmark {

// CK_TOKEN_INFO (PKCS#11 v2.40 3.2) as far as an operator needs it.
struct TokenInformation {
  std::string label;
  std::string manufacturer;
  std::string model;
  std::string serial;
  bool initialized = false;
  bool login_required = false;
  bool write_protected = false;
  bool user_pin_initialized = false;
  bool user_pin_count_low = false;  // a wrong PIN was tried since the last login
  bool user_pin_final_try = false;  // the next wrong PIN locks it
  bool user_pin_locked = false;
  std::optional<unsigned long> max_sessions;  // absent when the token does not state a limit
  std::optional<unsigned long> max_rw_sessions;
  std::optional<unsigned long> open_sessions;     // of this application
  std::optional<unsigned long> open_rw_sessions;  // of this application
  bool protected_authentication_path = false;     // the PIN is typed at the token
  bool user_pin_to_be_changed = false;
  bool so_pin_locked = false;
  bool error_state = false;  // a FIPS self-test failed
  unsigned long min_pin_size = 0;
  unsigned long max_pin_size = 0;
  std::optional<unsigned long> total_private_memory;  // octets; absent when not stated, as is the next
  std::optional<unsigned long> free_private_memory;
  std::string utc_time;  // of a token with a clock: YYYYMMDDhhmmss and two reserved digits
};

struct SlotInformation {
  unsigned long slot = 0;  // CK_SLOT_ID; may change when tokens come and go
  std::string description;
  std::optional<TokenInformation> token;  // absent when the slot is empty
  bool hardware = false;                  // not a token in software
};

// A mechanism that Hallmark uses, and whether a token has it.
struct MechanismInformation {
  std::string name;
  bool present = false;
  unsigned long min_key_bits = 0;
  unsigned long max_key_bits = 0;
  bool signs = false;
  bool generates_key_pairs = false;
};

struct ModuleInformation {
  std::string description;
  std::string manufacturer;
  std::string version;
  std::string cryptoki_version;
};

// Thread-safe. Loaded through p11-kit, so that its configuration and `p11-kit server` remoting work as its users know
// them. The destructor finalises the module: it must outlive all use, which is why everybody shares it.
class Module {
 public:
  // Loads a module by its path (which has a '/' or ends in ".so"), or by its name in p11-kit's configuration.
  // kFailedPrecondition (CONFIGURATION_INVALID): there is none. Otherwise as CkrError says, from C_Initialize.
  static StatusOr<std::shared_ptr<Module>> Load(const std::string& path_or_name);

  Module(const Module&) = delete;  // two owners would finalise it twice
  Module& operator=(const Module&) = delete;
  ~Module();

  const std::string& name() const { return name_; }

  StatusOr<ModuleInformation> Describe() const;
  StatusOr<std::vector<SlotInformation>> ListSlots() const;
  StatusOr<std::vector<MechanismInformation>> ListMechanisms(unsigned long slot) const;

  // For the files of hsm/.
  const _CK_FUNCTION_LIST& functions() const { return *functions_; }

 private:
  Module(std::string name, _CK_FUNCTION_LIST* functions) : name_(std::move(name)), functions_(functions) {}

  const std::string name_;
  _CK_FUNCTION_LIST* const functions_;  // loaded; finalised and released by the destructor
  bool initialized_ = false;
};

}  // namespace hallmark
