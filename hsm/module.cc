#include "hsm/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/openssl.h"
#include "base/reason.h"
#include "hsm/cryptoki.h"
#include "hsm/return_value.h"

namespace hallmark {
namespace {

constexpr struct {
  const char* name;
  CK_MECHANISM_TYPE type;
} kMechanisms[] = {{"CKM_EC_KEY_PAIR_GEN", CKM_EC_KEY_PAIR_GEN},
                   {"CKM_ECDSA", CKM_ECDSA},
                   {"CKM_RSA_PKCS_KEY_PAIR_GEN", CKM_RSA_PKCS_KEY_PAIR_GEN},
                   {"CKM_RSA_PKCS", CKM_RSA_PKCS},
                   {"CKM_RSA_PKCS_PSS", CKM_RSA_PKCS_PSS}};

constexpr CK_FLAGS kErrorState = 0x01000000;  // CKF_ERROR_STATE of v2.40 3.2, which p11-kit's header lacks

std::string Version(const CK_VERSION& version) { return fmt::format("{}.{}", version.major, version.minor); }

std::optional<unsigned long> Limit(unsigned long stated) {
  if (stated == CK_UNAVAILABLE_INFORMATION || stated == CK_EFFECTIVELY_INFINITE) return std::nullopt;
  return stated;
}

std::optional<unsigned long> Stated(unsigned long value) {
  if (value == CK_UNAVAILABLE_INFORMATION) return std::nullopt;
  return value;
}

TokenInformation FromTokenInfo(const CK_TOKEN_INFO& info) {
  const auto has = [&info](CK_FLAGS flag) { return (info.flags & flag) != 0; };
  TokenInformation token;
  token.label = FromPadded(info.label);
  token.manufacturer = FromPadded(info.manufacturerID);
  token.model = FromPadded(info.model);
  token.serial = FromPadded(info.serialNumber);
  token.initialized = has(CKF_TOKEN_INITIALIZED);
  token.login_required = has(CKF_LOGIN_REQUIRED);
  token.write_protected = has(CKF_WRITE_PROTECTED);
  token.user_pin_initialized = has(CKF_USER_PIN_INITIALIZED);
  token.user_pin_count_low = has(CKF_USER_PIN_COUNT_LOW);
  token.user_pin_final_try = has(CKF_USER_PIN_FINAL_TRY);
  token.user_pin_locked = has(CKF_USER_PIN_LOCKED);
  token.max_sessions = Limit(info.ulMaxSessionCount);
  token.max_rw_sessions = Limit(info.ulMaxRwSessionCount);
  token.open_sessions = Stated(info.ulSessionCount);
  token.open_rw_sessions = Stated(info.ulRwSessionCount);
  token.protected_authentication_path = has(CKF_PROTECTED_AUTHENTICATION_PATH);
  token.user_pin_to_be_changed = has(CKF_USER_PIN_TO_BE_CHANGED);
  token.so_pin_locked = has(CKF_SO_PIN_LOCKED);
  token.error_state = has(kErrorState);
  token.min_pin_size = info.ulMinPinLen;
  token.max_pin_size = info.ulMaxPinLen;
  token.total_private_memory = Stated(info.ulTotalPrivateMemory);
  token.free_private_memory = Stated(info.ulFreePrivateMemory);
  if (has(CKF_CLOCK_ON_TOKEN)) token.utc_time.assign(std::begin(info.utcTime), std::end(info.utcTime));
  return token;
}

Status LoadError(const std::string& module, const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("cannot load the PKCS#11 module {}: {}", module, what));
}

StatusOr<CK_FUNCTION_LIST*> LoadPath(const std::string& path) {
  CK_FUNCTION_LIST* functions = p11_kit_module_load(path.c_str(), 0);
  if (functions != nullptr) return functions;
  const char* detail = p11_kit_message();
  return LoadError(path, fmt::format("{}; install it or correct the path", detail == nullptr ? "no detail" : detail));
}

// Loads what p11-kit's configuration lists, keeps the module of that name and releases the others.
StatusOr<CK_FUNCTION_LIST*> LoadName(const std::string& name) {
  const ssl::Owner<CK_FUNCTION_LIST*, std::free> modules(p11_kit_modules_load(nullptr, 0));
  if (modules == nullptr) return LoadError(name, "p11-kit cannot read its configuration; run: p11-kit list-modules");
  CK_FUNCTION_LIST* const wanted = p11_kit_module_for_name(modules.get(), name.c_str());
  for (CK_FUNCTION_LIST** module = modules.get(); *module != nullptr; ++module) {
    if (*module != wanted) p11_kit_module_release(*module);
  }
  if (wanted != nullptr) return wanted;
  return LoadError(name,
                   "p11-kit's configuration has no module of that name; give its path, or run: p11-kit list-modules");
}

bool IsP11KitClient(const std::string& name, CK_FUNCTION_LIST* functions) {
  const ssl::Owner<char, std::free> remote(p11_kit_config_option(functions, "remote"));
  return remote != nullptr || std::filesystem::path(name).filename() == "p11-kit-client.so";
}

// The slots, whose number may change between asking for it and asking for them.
CK_RV SlotIds(const CK_FUNCTION_LIST& functions, std::vector<CK_SLOT_ID>& slots) {
  while (true) {
    CK_ULONG count = 0;
    CK_RV rv = functions.C_GetSlotList(CK_FALSE, nullptr, &count);
    slots.resize(count);
    if (rv == CKR_OK && count > 0) rv = functions.C_GetSlotList(CK_FALSE, slots.data(), &count);
    if (rv == CKR_BUFFER_TOO_SMALL) continue;
    slots.resize(count);
    return rv;
  }
}

}  // namespace

StatusOr<std::shared_ptr<Module>> Module::Load(const std::string& path_or_name) {
  const bool is_path = path_or_name.find('/') != path_or_name.npos || path_or_name.ends_with(".so");
  ASSIGN_OR_RETURN(CK_FUNCTION_LIST* const functions, is_path ? LoadPath(path_or_name) : LoadName(path_or_name));
  const std::shared_ptr<Module> module(new Module(path_or_name, functions));
  if (const CK_RV rv = p11_kit_module_initialize(functions); rv != CKR_OK) {
    return CkrError("initialise the PKCS#11 module " + path_or_name, rv);
  }
  module->initialized_ = true;
  return module;
}

Module::Module(std::string name, CK_FUNCTION_LIST* functions)
    : name_(std::move(name)), functions_(functions), serial_(IsP11KitClient(name_, functions)) {}

Module::~Module() {
  if (initialized_) p11_kit_module_finalize(functions_);  // nothing is left to do about a failure
  p11_kit_module_release(functions_);
}

StatusOr<ModuleInformation> Module::Describe() const {
  ASSIGN_OR_RETURN(const Use use, Enter());
  CK_INFO info = {};
  if (const CK_RV rv = functions_->C_GetInfo(&info); rv != CKR_OK) return CkrError("describe " + name_, rv);
  return ModuleInformation{FromPadded(info.libraryDescription), FromPadded(info.manufacturerID),
                           Version(info.libraryVersion), Version(info.cryptokiVersion)};
}

StatusOr<std::vector<SlotInformation>> Module::ListSlots() const {
  ASSIGN_OR_RETURN(const Use use, Enter());
  std::vector<SlotInformation> slots;
  if (const CK_RV rv = ReadSlots(slots); rv != CKR_OK) return CkrError("list the slots of " + name_, rv);
  return slots;
}

ReturnValue Module::ReadSlots(std::vector<SlotInformation>& slots) const {
  std::vector<CK_SLOT_ID> ids;
  if (const CK_RV rv = SlotIds(*functions_, ids); rv != CKR_OK) return rv;
  for (const CK_SLOT_ID id : ids) {
    CK_SLOT_INFO info = {};
    CK_RV rv = functions_->C_GetSlotInfo(id, &info);
    if (rv == CKR_SLOT_ID_INVALID) continue;  // gone since it was listed
    if (rv != CKR_OK) return rv;
    SlotInformation slot{id, FromPadded(info.slotDescription), std::nullopt, (info.flags & CKF_HW_SLOT) != 0};
    if ((info.flags & CKF_TOKEN_PRESENT) != 0) {
      CK_TOKEN_INFO token = {};
      rv = functions_->C_GetTokenInfo(id, &token);
      if (rv == CKR_OK) slot.token = FromTokenInfo(token);
      const bool absent = rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_TOKEN_NOT_RECOGNIZED || rv == CKR_SLOT_ID_INVALID;
      if (rv != CKR_OK && !absent) return rv;
    }
    slots.push_back(std::move(slot));
  }
  return CKR_OK;
}

StatusOr<std::vector<MechanismInformation>> Module::ListMechanisms(unsigned long slot) const {
  ASSIGN_OR_RETURN(const Use use, Enter());
  std::vector<MechanismInformation> mechanisms;
  for (const auto& [name, type] : kMechanisms) {
    CK_MECHANISM_INFO info = {};
    const CK_RV rv = functions_->C_GetMechanismInfo(slot, type, &info);
    if (rv != CKR_OK && rv != CKR_MECHANISM_INVALID) {
      return CkrError(fmt::format("ask slot {} of {} for the mechanism {}", slot, name_, name), rv);
    }
    mechanisms.push_back({name, rv == CKR_OK, info.ulMinKeySize, info.ulMaxKeySize, (info.flags & CKF_SIGN) != 0,
                          (info.flags & CKF_GENERATE_KEY_PAIR) != 0});
  }
  return mechanisms;
}

StatusOr<Module::Use> Module::Enter(Instant deadline) const {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_until(lock, deadline, [this] { return !reinitializing_ && (!serial_ || inside_ == 0); })) {
    return WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable,
                           fmt::format("cannot use {}: it is {}; try again later", name_,
                                       reinitializing_ ? "being initialised again" : "busy with another call")),
                     kHsmRetryDelay);
  }
  ++inside_;
  return Use(this, incarnation_);
}

void Module::Leave() const {
  const std::lock_guard lock(mutex_);
  if (--inside_ == 0) changed_.notify_all();
}

uint64_t Module::incarnation() const {
  const std::lock_guard lock(mutex_);
  return incarnation_;
}

Status Module::Reinitialize(uint64_t seen, Instant deadline) {
  constexpr Duration kPatience = absl::Seconds(2);
  const std::string attempted = fmt::format("initialise the PKCS#11 module {} again", name_);
  const Status occupied = WithRetry(
      Error(Code::kUnavailable, reason::kHsmUnavailable,
            fmt::format("cannot {}: calls that are in it do not return; try again later, and restart if it stays so",
                        attempted)),
      kHsmRetryDelay);
  deadline = std::min(deadline, After(Now(), kPatience));
  std::unique_lock lock(mutex_);
  if (!changed_.wait_until(lock, deadline, [this] { return !reinitializing_; })) return occupied;
  if (incarnation_ != seen) return absl::OkStatus();
  reinitializing_ = true;
  const bool is_empty = changed_.wait_until(lock, deadline, [this] { return inside_ == 0; });
  CK_RV rv = CKR_OK;
  if (is_empty) {
    lock.unlock();
    p11_kit_module_finalize(functions_);  // whatever it answers, what counts is whether it can be initialised
    rv = p11_kit_module_initialize(functions_);
    lock.lock();
    initialized_ = rv == CKR_OK;
    ++incarnation_;
  }
  reinitializing_ = false;
  changed_.notify_all();
  if (!is_empty) return occupied;
  return rv == CKR_OK ? absl::OkStatus() : CkrError(attempted, rv);
}

void Module::NoteAnswer(const void* user) {
  const std::lock_guard lock(mutex_);
  answered_[user] = Now();
}

void Module::Forget(const void* user) {
  const std::lock_guard lock(mutex_);
  answered_.erase(user);
}

bool Module::HasAnsweredOthers(const void* user, Instant since) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(answered_.begin(), answered_.end(),
                     [&](const auto& answer) { return answer.first != user && answer.second > since; });
}

}  // namespace hallmark
