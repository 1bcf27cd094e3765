// Every return value at every place where it may come up, and every way to lose a session, a login, a module or a
// token: what heals, at what cost, and with what error it fails if it does not.
#include <fmt/format.h>

#include <atomic>

#include "base/reason.h"
#include "tests/command.h"
#include "tests/shimmed_token.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Fails;
using ::hallmark::testing::Function;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kPin;
using ::hallmark::testing::kSoPin;
using ::hallmark::testing::PinOf;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::ShimmedToken;
using ::hallmark::testing::SoftHsmEnvironment;
using ::hallmark::testing::TemporaryDirectory;
using ::testing::AnyOf;
using ::testing::HasSubstr;

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(std::make_unique<SoftHsmEnvironment>().release());

// --- The table of return values.

constexpr ReturnValue kUserAlreadyLoggedIn = 0x100;
constexpr ReturnValue kUserNotLoggedIn = 0x101;

// What is to become of a call that fails once, or for ever, with a value of a remedy.
struct Course {
  bool heals;              // if it fails only once
  uint64_t tries;          // if it fails for ever, each with one call of the failing function
  uint64_t reinitialized;  // then
  Code code;               // when it does not heal
  const char* reason;
};

Course CourseOf(Remedy remedy) {
  const auto gives_up = [](Code code, const char* reason) { return Course{false, 1, 0, code, reason}; };
  const auto tries = [](uint64_t tries, uint64_t reinitialized) {
    return Course{true, tries, reinitialized, Code::kUnavailable, reason::kHsmUnavailable};
  };
  switch (remedy) {
    case Remedy::kRefuse: return gives_up(Code::kFailedPrecondition, reason::kHsmRefused);
    case Remedy::kRefusePin: return gives_up(Code::kFailedPrecondition, reason::kHsmPinIncorrect);
    case Remedy::kWait:
    case Remedy::kShareSessions: return gives_up(Code::kUnavailable, reason::kHsmUnavailable);
    case Remedy::kFindKey:
    case Remedy::kLogIn:
    case Remedy::kReplaceSession: return tries(2, 0);
    case Remedy::kOpenSession:
    case Remedy::kFindToken:
    case Remedy::kReinitialize: return tries(3, 1);
  }
  return gives_up(Code::kInternal, "");
}

// Every value that has a name, and one of a vendor's.
std::vector<ReturnValue> Values() {
  std::vector<ReturnValue> values = {0x80000001};
  for (ReturnValue value = 1; value <= 0x200; ++value) {
    if (!CkrName(value).starts_with("CKR_0x")) values.push_back(value);
  }
  return values;
}

class RemedyTest : public ShimmedToken, public ::testing::WithParamInterface<Function> {
 protected:
  // The values that have another meaning there.
  static bool IsSpecial(Function function, ReturnValue value) {
    return (function == Function::kLogin && value == kUserAlreadyLoggedIn) ||
           (function == Function::kGetSessionInfo && value == kUserNotLoggedIn);
  }
  // A signature by a client that has a session already, or the first use of a token. Each calls the function once.
  static Status Use(const Client& client, const KeyUri& key) {
    return client.signer != nullptr ? Sign(client) : ReadKeyAttributes(*client.token, key).status();
  }
  Client MakeUser(Function function) const {
    const bool is_warm = function == Function::kSignInit || function == Function::kSign;
    return is_warm ? MakeClient() : Client{MakeToken(), nullptr};
  }
};

TEST_P(RemedyTest, ValueThatComesOnceHealsOrIsGivenAsItIs) {
  for (const ReturnValue value : Values()) {
    if (IsSpecial(GetParam(), value)) continue;
    SCOPED_TRACE(CkrName(value));
    const Course course = CourseOf(RemedyFor(value));
    const Client client = MakeUser(GetParam());
    shim_.Fail(GetParam(), value, 1);
    const Status status = Use(client, key_);
    if (course.heals) {
      EXPECT_THAT(status, IsOk());
      EXPECT_THAT(client.token->health().status, IsOk());
    } else {
      EXPECT_THAT(status, Fails(course.code, course.reason));
      EXPECT_THAT(Message(status), HasSubstr(CkrName(value)));
    }
    EXPECT_EQ(client.token->health().reinitializations, module_->incarnation() - 1);
    EXPECT_EQ(module_->incarnation(), 1u);  // nothing of it asks for the last resort
    EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(client.token->health().open));
  }
}

TEST_P(RemedyTest, ValueThatStaysEndsInItsStatusAfterEachRemedyOnce) {
  for (const ReturnValue value : Values()) {
    if (IsSpecial(GetParam(), value)) continue;
    SCOPED_TRACE(CkrName(value));
    const Course course = CourseOf(RemedyFor(value));
    const Client client = MakeUser(GetParam());
    const uint64_t calls = shim_.Calls(GetParam());
    const uint64_t incarnation = module_->incarnation();
    shim_.Fail(GetParam(), value, -1);
    EXPECT_THAT(Use(client, key_), Fails(course.code, course.reason));
    EXPECT_EQ(shim_.Calls(GetParam()) - calls, course.tries);
    EXPECT_EQ(module_->incarnation() - incarnation, course.reinitialized);
    EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(client.token->health().open));
    shim_.Clear();
  }
}

std::string NameOf(const ::testing::TestParamInfo<Function>& info) {
  switch (info.param) {
    case Function::kOpenSession: return "OpenSession";
    case Function::kLogin: return "Login";
    case Function::kGetSessionInfo: return "GetSessionInfo";
    case Function::kFindObjectsInit: return "FindObjectsInit";
    case Function::kSignInit: return "SignInit";
    default: return "Sign";
  }
}

INSTANTIATE_TEST_SUITE_P(At, RemedyTest,
                         ::testing::Values(Function::kOpenSession, Function::kLogin, Function::kGetSessionInfo,
                                           Function::kFindObjectsInit, Function::kSignInit, Function::kSign),
                         NameOf);

class HealingTest : public ShimmedToken {};

TEST_F(HealingTest, ValuesThatMeanSomethingElseInTheirPlace) {
  {
    const Client client = {MakeToken(), nullptr};
    shim_.Fail(Function::kLogin, kUserAlreadyLoggedIn, 1);  // another application's login, which is gone by then
    EXPECT_THAT(ReadKeyAttributes(*client.token, key_), IsOk());
  }
  const Client client = {MakeToken(), nullptr};
  shim_.Fail(Function::kGetSessionInfo, kUserNotLoggedIn, 1);
  EXPECT_THAT(ReadKeyAttributes(*client.token, key_), IsOk());
}

// --- Losses.

TEST_F(HealingTest, LossBehindTheBackHealsInEveryCall) {
  const struct {
    const char* name;
    std::function<void()> lose;
    uint64_t reinitializations;  // for each loss
  } kCases[] = {{"sessions closed", [this] { shim_.CloseSessionsBehindTheBack(); }, 0},
                {"user logged out", [this] { shim_.LogOutBehindTheBack(); }, 0},
                {"module finalised", [this] { FinalizeBehindTheBack(); }, 1}};
  constexpr uint64_t kRounds = 20;
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const Client client = MakeClient();
    const Health before = client.token->health();
    for (uint64_t round = 0; round < kRounds; ++round) {
      EXPECT_THAT(Sign(client), IsOk());
      c.lose();
    }
    EXPECT_THAT(Sign(client), IsOk());
    const Health health = client.token->health();
    EXPECT_THAT(health.status, IsOk());
    EXPECT_EQ(health.logins - before.logins, kRounds);
    EXPECT_EQ(health.reinitializations - before.reinitializations, kRounds * c.reinitializations);
    EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(health.open));
  }
}

TEST_F(HealingTest, LossesBetweenTheCallsOfEightThreadsHealInEveryCall) {
  const Client client = MakeClient();
  const uint64_t logins = client.token->health().logins;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    InThreads(8, [&](int) { EXPECT_THAT(Sign(client), IsOk()); });
    if (round % 2 == 0) {
      shim_.CloseSessionsBehindTheBack();
    } else {
      shim_.LogOutBehindTheBack();
    }
    EXPECT_THAT(module_->ListSlots(), IsOk());  // nobody is in the module: SoftHSM dies when a session is closed in use
  }
  InThreads(8, [&](int) { EXPECT_THAT(Sign(client), IsOk()); });
  const Health health = client.token->health();
  EXPECT_EQ(health.logins - logins, kRounds);
  EXPECT_LE(health.open, 4u);
  EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(health.open));
}

TEST_F(HealingTest, OneLoginServesAllSessions) {
  const uint64_t logins = shim_.Calls(Function::kLogin);
  const Client client = MakeClient({.sessions = 4});
  ExpectConcurrentSignatures(client, 8, 4);
  EXPECT_EQ(client.token->health().logins, 1u);
  EXPECT_EQ(shim_.Calls(Function::kLogin) - logins, 1u);
}

TEST_F(HealingTest, TokenMadeAnewHasNoKeyAndIsNotAway) {
  const Client client = MakeClient();
  EXPECT_THAT(Sign(client), IsOk());
  ASSERT_EQ(RunCommand(fmt::format("softhsm2-util --delete-token --token {}", label_)).exit_code, 0);
  ASSERT_EQ(
      RunCommand(fmt::format("softhsm2-util --init-token --free --label {} --pin {} --so-pin {}", label_, kPin, kSoPin))
          .exit_code,
      0);
  FinalizeBehindTheBack();  // SoftHSM sees what other processes do to tokens when it is initialised
  EXPECT_THAT(Sign(client), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_THAT(client.token->health().status, IsOk());
  EXPECT_THAT(client.token->LogIn(), IsOk());
}

TEST_F(HealingTest, TokensOfOneModuleHealTogether) {
  const Client first = MakeClient();
  const Client second = MakeClient();
  EXPECT_THAT(Sign(first), IsOk());
  EXPECT_THAT(Sign(second), IsOk());
  FinalizeBehindTheBack();
  EXPECT_TRUE(SignsSoon(first));
  EXPECT_THAT(Sign(second), IsOk());
  EXPECT_EQ(module_->incarnation(), 2u);
}

TEST_F(HealingTest, ModuleThatAnswersAnotherTokenIsNotReinitialized) {
  const Client healthy = MakeClient();
  KeyUri absent = TokenUri();
  absent.token = "absent";
  Token token(module_, absent, PinOf(kPin), {.sessions = 1});
  std::atomic<bool> ended = false;
  std::atomic<bool> signing = false;
  std::thread load([&] {
    while (!ended) {
      EXPECT_THAT(Sign(healthy), IsOk());
      signing = true;
    }
  });
  while (!signing) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(token.LogIn(), Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ended = true;
  load.join();
  EXPECT_EQ(module_->incarnation(), 1u);
}

// --- The PIN.

TEST_F(HealingTest, WrongPinIsTriedOnceUntilTheFileHasAnother) {
  const TemporaryDirectory directory;
  const auto write = [&](const std::string& pin) {
    ASSERT_THAT(WriteFile(directory / "new", AsBytes(pin), 0600), IsOk());
    std::filesystem::rename(directory / "new", directory / "pin");
  };
  write("000000");
  const uint64_t attempts = shim_.Calls(Function::kLogin);
  const std::shared_ptr<Token> token = MakeToken({.sessions = 4}, [&] { return ReadSecretFile(directory / "pin"); });
  InThreads(8, [&](int) {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_THAT(token->LogIn(), Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
    }
  });
  EXPECT_THAT(token->health().status, Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
  EXPECT_EQ(shim_.Calls(Function::kLogin) - attempts, 1u);
  write("111111");
  while (shim_.Calls(Function::kLogin) - attempts == 1) {
    EXPECT_THAT(token->LogIn(), Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
  }
  EXPECT_EQ(shim_.Calls(Function::kLogin) - attempts, 2u);
  write(kPin);
  while (!token->LogIn().ok()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(shim_.Calls(Function::kLogin) - attempts, 3u);
  EXPECT_THAT(token->health().status, IsOk());
}

}  // namespace
}  // namespace hallmark
