// A PKCS#11 module that forwards every call to a real one and, as tests tell it through tests/pkcs11_shim.h, injects
// faults into any of them. It locks nothing while it forwards.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <cstdlib>
#include <shared_mutex>
#include <type_traits>

#include "tests/pkcs11_shim/faults.h"
#include "tests/pkcs11_shim/sessions.h"

namespace hallmark::testing {
namespace {

// The library is never unloaded (it is linked so), since a call may still hang in it; its state lives as long.
struct State {
  std::atomic<CK_FUNCTION_LIST*> module = nullptr;
  std::atomic<ShimControl*> control = nullptr;
  ShimControl without_rules = {};
  Sessions sessions;
  std::shared_mutex calls;  // held by each call of the module, alone by what happens behind the caller's back
};
State& state = *std::make_unique<State>().release();

CK_FUNCTION_LIST& Module() { return *state.module.load(); }
ShimControl& Control() { return *state.control.load(); }

void PublishOpenSessions() { Control().open_sessions = static_cast<int64_t>(state.sessions.Open().size()); }

// --- What happens to every call.

// Does what the test asked for behind the caller's back, while no call is in the module: SoftHSM crashes when a session
// is closed that another thread is using.
void ActBehindTheBack() {
  ShimControl& control = Control();
  if (!control.log_out && !control.close_sessions && !control.finalize) return PublishOpenSessions();
  const std::lock_guard lock(state.calls);
  if (control.log_out.exchange(false)) {
    for (const CK_SESSION_HANDLE session : state.sessions.Open()) Module().C_Logout(session);
  }
  if (control.close_sessions.exchange(false)) {
    for (const CK_SESSION_HANDLE session : state.sessions.Open()) Module().C_CloseSession(session);
    state.sessions.LoseAll();
  }
  if (control.finalize.exchange(false)) {
    Module().C_Finalize(nullptr);
    state.sessions.LoseAll();
  }
  PublishOpenSessions();
}

constexpr bool TakesSlot(Function function) {
  return function == Function::kGetTokenInfo || function == Function::kGetMechanismList ||
         function == Function::kGetMechanismInfo || function == Function::kInitToken ||
         function == Function::kOpenSession || function == Function::kCloseAllSessions;
}

constexpr bool TakesSession(Function function) {
  return !TakesSlot(function) && function != Function::kInitialize && function != Function::kFinalize &&
         function != Function::kGetInfo && function != Function::kGetFunctionList &&
         function != Function::kGetSlotList && function != Function::kGetSlotInfo &&
         function != Function::kWaitForSlotEvent;
}

CK_RV FailureOf(Function function) {
  if (const CK_RV rv = ChooseFailure(Control(), function); rv != CKR_OK) return rv;
  if (!Control().token_removed) return CKR_OK;
  if (TakesSlot(function)) return CKR_TOKEN_NOT_PRESENT;
  return TakesSession(function) ? CKR_DEVICE_REMOVED : CKR_OK;
}

// Makes a call, or fails it as the rules say. Each failure that tells the caller of a lost session is remembered.
template <class Call>
CK_RV Pass(Function function, CK_SESSION_HANDLE session, const Call& call) {
  const Visit visit(Control(), function);
  WaitAsTold(Control(), function);
  if (function != Function::kInitialize) ActBehindTheBack();
  if (TakesSession(function)) {
    const bool closes = function == Function::kCloseSession;
    const bool usable = closes ? state.sessions.IsKnown(session) : state.sessions.IsUsable(session);
    if (!usable) ++Control().uses_of_dead_sessions;
  }
  const CK_RV failure = FailureOf(function);
  std::shared_lock lock(state.calls);
  const CK_RV rv = failure == CKR_OK ? call() : failure;
  lock.unlock();
  if (TakesSession(function) && (rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED)) {
    state.sessions.ReportLost(session, failure == CKR_OK);
    PublishOpenSessions();
  }
  return rv;
}

// The first argument, which is the session in functions that take one.
template <class First, class... Rest>
CK_SESSION_HANDLE SessionOf(First first, Rest...) {
  if constexpr (std::is_same_v<First, CK_SESSION_HANDLE>) return first;
  return CK_INVALID_HANDLE;
}

// An entry of our function list that only passes on.
template <Function function, auto member>
struct Forward;
template <Function function, class... Arguments, CK_RV (*CK_FUNCTION_LIST::*member)(Arguments...)>
struct Forward<function, member> {
  static CK_RV Call(Arguments... arguments) {
    return Pass(function, SessionOf(arguments...), [&] { return (Module().*member)(arguments...); });
  }
};
#define FORWARD(name) Forward<Function::k##name, &CK_FUNCTION_LIST::C_##name>::Call

// --- Functions of which more can be asked.

CK_RV Initialize(void* arguments) {
  const CK_RV rv = FORWARD(Initialize)(arguments);
  if (rv == CKR_OK) state.sessions.Clear();
  return rv;
}

CK_RV Finalize(void* reserved) {
  const CK_RV rv = FORWARD(Finalize)(reserved);
  if (rv == CKR_OK) state.sessions.Clear();
  PublishOpenSessions();
  return rv;
}

CK_RV GetSlotList(CK_BBOOL token_present, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (token_present == CK_FALSE || !Control().token_removed) return FORWARD(GetSlotList)(token_present, slots, count);
  return Pass(Function::kGetSlotList, CK_INVALID_HANDLE, [count] {
    *count = 0;
    return CKR_OK;
  });
}

CK_RV GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  const CK_RV rv = FORWARD(GetSlotInfo)(slot, info);
  if (rv == CKR_OK && Control().token_removed) info->flags &= ~CK_FLAGS{CKF_TOKEN_PRESENT};
  return rv;
}

CK_RV GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const CK_RV rv = FORWARD(GetTokenInfo)(slot, info);
  const int64_t limit = Control().session_limit;
  if (rv == CKR_OK && limit > 0 && Control().session_limit_stated) {
    info->ulMaxSessionCount = static_cast<CK_ULONG>(limit);
    info->ulMaxRwSessionCount = static_cast<CK_ULONG>(limit);
  }
  return rv;
}

CK_RV OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  return Pass(Function::kOpenSession, CK_INVALID_HANDLE, [&]() -> CK_RV {
    if (!state.sessions.Reserve(static_cast<size_t>(Control().session_limit))) return CKR_SESSION_COUNT;
    const CK_RV rv = Module().C_OpenSession(slot, flags, application, notify, session);
    if (rv == CKR_OK) {
      state.sessions.Opened(*session, slot);
    } else {
      state.sessions.NotOpened();
    }
    PublishOpenSessions();
    return rv;
  });
}

CK_RV CloseSession(CK_SESSION_HANDLE session) {
  const CK_RV rv = FORWARD(CloseSession)(session);
  state.sessions.Close(session, rv == CKR_OK);
  PublishOpenSessions();
  return rv;
}

CK_RV CloseAllSessions(CK_SLOT_ID slot) {
  const CK_RV rv = FORWARD(CloseAllSessions)(slot);
  if (rv == CKR_OK) state.sessions.CloseSlot(slot);
  PublishOpenSessions();
  return rv;
}

CK_RV Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
  const CK_RV rv = FORWARD(Login)(session, user, pin, size);
  if (rv == CKR_OK) ++Control().logins;
  return rv;
}

// A failure that we give ends the operation as the module's own would (PKCS#11 v2.40 5.11): the module signs, and
// nobody gets it.
CK_RV Sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
  bool made = false;
  const CK_RV rv = Pass(Function::kSign, session, [&] {
    made = true;
    return Module().C_Sign(session, data, size, signature, signature_size);
  });
  if (!made) {
    CK_BYTE unseen[1024];
    CK_ULONG unseen_size = sizeof unseen;
    Module().C_Sign(session, data, size, unseen, &unseen_size);
  }
  if (rv == CKR_OK && signature != nullptr && TakeOne(Control().corrupt_signatures))
    signature[*signature_size / 2] ^= 1;
  return rv;
}

CK_FUNCTION_LIST MakeFunctions() {
#define FORWARD_AND_COMMA(name) FORWARD(name),
  CK_FUNCTION_LIST functions = {{2, 40}, HALLMARK_PKCS11_FUNCTIONS(FORWARD_AND_COMMA)};
#undef FORWARD_AND_COMMA
  functions.C_Initialize = Initialize;
  functions.C_Finalize = Finalize;
  functions.C_GetFunctionList = C_GetFunctionList;
  functions.C_GetSlotList = GetSlotList;
  functions.C_GetSlotInfo = GetSlotInfo;
  functions.C_GetTokenInfo = GetTokenInfo;
  functions.C_OpenSession = OpenSession;
  functions.C_CloseSession = CloseSession;
  functions.C_CloseAllSessions = CloseAllSessions;
  functions.C_Login = Login;
  functions.C_Sign = Sign;
  return functions;
}
#undef FORWARD

// --- Loading.

CK_RV LoadModule() {
  const char* path = std::getenv("HALLMARK_SHIM_MODULE");
  void* const library = dlopen(path == nullptr ? "/usr/lib/softhsm/libsofthsm2.so" : path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return CKR_LIBRARY_LOAD_FAILED;
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* module = nullptr;
  const CK_RV rv = get == nullptr ? CKR_LIBRARY_LOAD_FAILED : get(&module);
  if (rv == CKR_OK) state.module = module;
  return rv;
}

// A test that asked for faults must not run without them.
CK_RV OpenControl() {
  const char* path = std::getenv("HALLMARK_SHIM_CONTROL");
  if (path == nullptr) {
    state.control = &state.without_rules;
    return CKR_OK;
  }
  MappedControl control = MapControl(path);
  if (control == nullptr || control->magic != ShimControl::kMagic) return CKR_LIBRARY_LOAD_FAILED;
  state.control = control.release();  // mapped for good: a call that hangs looks at it
  return CKR_OK;
}

}  // namespace
}  // namespace hallmark::testing

// Reads the environment each time, so that each test of a program has rules of its own.
extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  using namespace hallmark::testing;  // NOLINT(google-build-using-namespace)
  static CK_FUNCTION_LIST functions = MakeFunctions();
  CK_RV rv = LoadModule();
  if (rv == CKR_OK) rv = OpenControl();
  if (rv == CKR_OK) *list = &functions;
  return rv;
}
