// Module is a loaded and initialised PKCS#11 module, and what it says of itself, its slots and its tokens.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "hsm/instant.h"
#include "hsm/return_value.h"

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
//
// p11-kit's client (p11-kit-client.so, or a module with `remote:` in its configuration), as of 0.24.1:
// - It has one connection, in which the server answers one call after the other. When that is lost while several
//   threads wait for answers, some wait for ever. So only one thread at a time enters it.
// - It never connects again by itself. When its server dies every call gives CKR_DEVICE_ERROR, and goes on so when the
//   server is back. Initialised without a server it succeeds, but has no slot and gives CKR_DEVICE_REMOVED. Only
//   Reinitialize heals both, and only if the process has loaded the module once: p11-kit counts those who load it, and
//   finalises it for the last one.
// - The process must ignore SIGPIPE.
class Module {
 public:
  // Loads a module by its path (which has a '/' or ends in ".so"), or by its name in p11-kit's configuration.
  // kFailedPrecondition (CONFIGURATION_INVALID): there is none. Otherwise as CkrError says, from C_Initialize.
  static StatusOr<std::shared_ptr<Module>> Load(const std::string& path_or_name);

  Module(const Module&) = delete;  // two owners would finalise it twice
  Module& operator=(const Module&) = delete;
  ~Module();

  const std::string& name() const { return name_; }

  // Errors: as CkrError says, and as Enter.
  StatusOr<ModuleInformation> Describe() const;
  StatusOr<std::vector<SlotInformation>> ListSlots() const;
  StatusOr<std::vector<MechanismInformation>> ListMechanisms(unsigned long slot) const;

  // For the files of hsm/ from here on.

  // Whether it serves one call after the other, so that only one thread at a time enters it.
  bool is_serial() const { return serial_; }

  // A thread's stay in the module, in which no other thread re-initialises it. A thread has one at a time, and neither
  // waits for others nor re-initialises meanwhile.
  class Use {
   public:
    Use(Use&& other) noexcept : module_(std::exchange(other.module_, nullptr)), incarnation_(other.incarnation_) {}
    Use& operator=(Use&&) = delete;  // nobody needs it
    ~Use() {
      if (module_ != nullptr) module_->Leave();
    }
    // Grows with each re-initialisation, which ends all sessions and handles.
    uint64_t incarnation() const { return incarnation_; }

   private:
    friend class Module;
    Use(const Module* module, uint64_t incarnation) : module_(module), incarnation_(incarnation) {}
    const Module* module_;
    uint64_t incarnation_;
  };

  // kUnavailable (HSM_UNAVAILABLE, with a retry delay): it was being re-initialised, or was serial and taken, until
  // `deadline`.
  StatusOr<Use> Enter(Instant deadline) const;
  // Waits for 10 s, for those who have no deadline.
  StatusOr<Use> Enter() const { return Enter(After(Now(), absl::Seconds(10))); }

  // To be called during a Use only.
  const _CK_FUNCTION_LIST& functions() const { return *functions_; }
  ReturnValue ReadSlots(std::vector<SlotInformation>& slots) const;

  uint64_t incarnation() const;

  // Finalises and initialises the module again, when everybody has left it; nobody enters it meanwhile. Does nothing if
  // its incarnation is not `seen` any more: then another thread has done it. kUnavailable (HSM_UNAVAILABLE, with a
  // retry delay): somebody stayed in it for 2 s or until `deadline`. Otherwise as CkrError says, from C_Initialize.
  Status Reinitialize(uint64_t seen, Instant deadline);

  // Remembers that a call of `user`, a token, was answered, until it dies; and whether since an instant any was, or
  // another user's.
  void NoteAnswer(const void* user);
  void Forget(const void* user);
  bool HasAnswered(Instant since) const { return HasAnsweredOthers(nullptr, since); }
  bool HasAnsweredOthers(const void* user, Instant since) const;

 private:
  Module(std::string name, _CK_FUNCTION_LIST* functions);
  void Leave() const;

  const std::string name_;
  _CK_FUNCTION_LIST* const functions_;  // loaded; finalised and released by the destructor
  const bool serial_;
  bool initialized_ = false;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable size_t inside_ = 0;  // Uses
  bool reinitializing_ = false;
  uint64_t incarnation_ = 1;
  std::map<const void*, Instant> answered_;  // by user
};

}  // namespace hallmark
