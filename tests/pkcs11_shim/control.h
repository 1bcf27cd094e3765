// What a test and the PKCS#11 shim share: the rules that the test sets and the counters that the shim keeps, in a file
// that both map. Every field is a lock-free atomic, so that it works across processes; a page of zeros has no rules.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hallmark::testing {

// Every function of PKCS#11 v2.40, in the order of CK_FUNCTION_LIST.
// clang-format off
#define HALLMARK_PKCS11_FUNCTIONS(X) \
  X(Initialize) X(Finalize) X(GetInfo) X(GetFunctionList) X(GetSlotList) X(GetSlotInfo) X(GetTokenInfo) \
  X(GetMechanismList) X(GetMechanismInfo) X(InitToken) X(InitPIN) X(SetPIN) X(OpenSession) X(CloseSession) \
  X(CloseAllSessions) X(GetSessionInfo) X(GetOperationState) X(SetOperationState) X(Login) X(Logout) X(CreateObject) \
  X(CopyObject) X(DestroyObject) X(GetObjectSize) X(GetAttributeValue) X(SetAttributeValue) X(FindObjectsInit) \
  X(FindObjects) X(FindObjectsFinal) X(EncryptInit) X(Encrypt) X(EncryptUpdate) X(EncryptFinal) X(DecryptInit) \
  X(Decrypt) X(DecryptUpdate) X(DecryptFinal) X(DigestInit) X(Digest) X(DigestUpdate) X(DigestKey) X(DigestFinal) \
  X(SignInit) X(Sign) X(SignUpdate) X(SignFinal) X(SignRecoverInit) X(SignRecover) X(VerifyInit) X(Verify) \
  X(VerifyUpdate) X(VerifyFinal) X(VerifyRecoverInit) X(VerifyRecover) X(DigestEncryptUpdate) X(DecryptDigestUpdate) \
  X(SignEncryptUpdate) X(DecryptVerifyUpdate) X(GenerateKey) X(GenerateKeyPair) X(WrapKey) X(UnwrapKey) X(DeriveKey) \
  X(SeedRandom) X(GenerateRandom) X(GetFunctionStatus) X(CancelFunction) X(WaitForSlotEvent)
// clang-format on

enum class Function {
#define HALLMARK_ENUMERATOR(name) k##name,
  HALLMARK_PKCS11_FUNCTIONS(HALLMARK_ENUMERATOR)
#undef HALLMARK_ENUMERATOR
};
inline constexpr size_t kFunctionCount = static_cast<size_t>(Function::kWaitForSlotEvent) + 1;

struct FunctionControl {
  // Rules.
  std::atomic<int64_t> skip;      // calls that pass before the first failure
  std::atomic<int64_t> failures;  // calls still to fail; negative: all
  std::atomic<uint64_t> failure;  // the CK_RV that they return
  std::atomic<int64_t> delay_us;
  std::atomic<bool> hangs;
  std::atomic<bool> fails_randomly;
  // Counters.
  std::atomic<uint64_t> calls;
  std::atomic<uint64_t> max_concurrent;  // within one process
};

struct ShimControl {
  static constexpr uint64_t kMagic = 0x48616c6c6d61726b;
  static constexpr size_t kMaxRandomValues = 32;

  std::atomic<uint64_t> magic;
  std::atomic<int64_t> owner;  // the test's process: nothing hangs for one that died
  FunctionControl functions[kFunctionCount];

  // Rules.
  std::atomic<uint64_t> random_permille;
  std::atomic<uint64_t> random_seed;
  std::atomic<uint64_t> random_draws;
  std::atomic<uint64_t> random_value_count;
  std::atomic<uint64_t> random_values[kMaxRandomValues];
  std::atomic<int64_t> corrupt_signatures;  // signatures still to corrupt; negative: all
  std::atomic<int64_t> session_limit;       // 0: none
  std::atomic<bool> session_limit_stated;
  std::atomic<bool> token_removed;
  // For the next call that passes through.
  std::atomic<bool> close_sessions;
  std::atomic<bool> log_out;
  std::atomic<bool> finalize;

  // Counters.
  std::atomic<int64_t> open_sessions;  // of the process that opened or closed one last
  std::atomic<uint64_t> logins;
  std::atomic<uint64_t> uses_of_dead_sessions;

  FunctionControl& of(Function function) { return functions[static_cast<size_t>(function)]; }
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

struct UnmapControl {
  void operator()(ShimControl* control) const { munmap(control, sizeof *control); }
};
using MappedControl = std::unique_ptr<ShimControl, UnmapControl>;

// Maps a file of at least the size of ShimControl; null when that fails.
inline MappedControl MapControl(const char* path) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat status = {};
  const bool fits = fstat(fd, &status) == 0 && status.st_size >= static_cast<off_t>(sizeof(ShimControl));
  void* const address =
      fits ? mmap(nullptr, sizeof(ShimControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  return MappedControl(address == MAP_FAILED ? nullptr : static_cast<ShimControl*>(address));
}

// Takes one of a number of times that a rule still has; a negative number never ends.
inline bool TakeOne(std::atomic<int64_t>& times) {
  int64_t left = times;
  while (left > 0 && !times.compare_exchange_weak(left, left - 1)) {
  }
  return left != 0;
}

}  // namespace hallmark::testing
