// A token that is away, stuck, slow or crowded: who is refused at once, who waits, and that it signs again by itself.
#include <fmt/format.h>

#include <atomic>
#include <future>

#include "base/reason.h"
#include "tests/pkcs11_server.h"
#include "tests/shimmed_token.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Fails;
using ::hallmark::testing::Function;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kSoftHsm;
using ::hallmark::testing::PinOf;
using ::hallmark::testing::Pkcs11Server;
using ::hallmark::testing::ShimmedToken;
using ::hallmark::testing::SoftHsmEnvironment;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(std::make_unique<SoftHsmEnvironment>().release());

constexpr ReturnValue kGeneralError = 0x05;
constexpr ReturnValue kFunctionFailed = 0x06;
constexpr ReturnValue kDeviceError = 0x30;
constexpr ReturnValue kKeyHandleInvalid = 0x60;
constexpr ReturnValue kObjectHandleInvalid = 0x82;
constexpr ReturnValue kOperationActive = 0x90;
constexpr ReturnValue kSessionClosed = 0xb0;
constexpr ReturnValue kSessionCount = 0xb1;
constexpr ReturnValue kSessionHandleInvalid = 0xb3;
constexpr ReturnValue kTokenNotPresent = 0xe0;
constexpr ReturnValue kUserNotLoggedIn = 0x101;
constexpr ReturnValue kNotInitialized = 0x190;
constexpr ReturnValue kKeyFunctionNotPermitted = 0x68;

// To sign again takes 1.2 s and what the HSM needs; a slow machine may take longer.
constexpr std::chrono::seconds kSoonEnough(20);

// What a Token told its observer.
class Diary {
 public:
  std::function<void(const Health&)> Observer() {
    return [this](const Health& health) {
      const std::lock_guard lock(mutex_);
      codes_.push_back(health.status.code());
    };
  }
  std::vector<Code> codes() const {
    const std::lock_guard lock(mutex_);
    return codes_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Code> codes_;
};

// A call of Run that is inside the module, from the constructor until Return.
class StuckCall {
 public:
  explicit StuckCall(Token& token)
      : thread_([this, &token] {
          EXPECT_THAT(token.Run("wait", absl::InfiniteFuture(),
                                [this](SessionHandle) -> StatusOr<ReturnValue> {
                                  entered_.set_value();
                                  release_.get_future().wait();
                                  return 0;
                                }),
                      IsOk());
        }) {
    entered_.get_future().wait();
  }
  void Return() {
    release_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> entered_;
  std::promise<void> release_;
  std::thread thread_;
};

class OutageTest : public ShimmedToken {
 protected:
  // All calls that tell whether a caller got as far as the token.
  uint64_t Touches() const {
    uint64_t touches = 0;
    for (const Function function : {Function::kGetSlotList, Function::kOpenSession, Function::kGetSessionInfo,
                                    Function::kLogin, Function::kSignInit, Function::kSign}) {
      touches += shim_.Calls(function);
    }
    return touches;
  }
  void WaitForCalls(Function function, uint64_t calls) const {
    while (shim_.Calls(function) < calls) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

// --- Away.

TEST_F(OutageTest, RemovedTokenRefusesAtOnceAndSignsAgainWhenItIsBack) {
  Diary diary;
  const Client client = MakeClient({.sessions = 4, .observe = diary.Observer()});
  EXPECT_THAT(Sign(client), IsOk());
  shim_.RemoveToken();
  module_was_gone_ = true;
  const Status status = Sign(client);
  EXPECT_THAT(status, Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
  const Health away = client.token->health();
  EXPECT_EQ(away.status, status);
  EXPECT_EQ(away.busy, 0u);
  EXPECT_EQ(away.open, 0u);

  // However many call, one in every pause touches the token.
  const uint64_t before = Touches();
  const Instant start = Now();
  std::atomic<uint64_t> calls = 0;
  InThreads(4, [&](int) {
    while (Now() < start + std::chrono::seconds(1)) {
      EXPECT_THAT(Sign(client), Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
      ++calls;
    }
  });
  const uint64_t probes = static_cast<uint64_t>((Now() - start) / std::chrono::milliseconds(200)) + 1;
  constexpr uint64_t kMostOfAProbe = 12;
  EXPECT_LE(Touches() - before, probes * kMostOfAProbe);
  EXPECT_GT(calls, probes * kMostOfAProbe);

  shim_.ReturnToken();
  const Instant back = Now();
  EXPECT_TRUE(SignsSoon(client));
  EXPECT_LT(Now() - back, kSoonEnough);
  EXPECT_THAT(client.token->health().status, IsOk());
  EXPECT_THAT(diary.codes(), ElementsAre(Code::kUnavailable, Code::kOk));
  EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(client.token->health().open));
}

TEST_F(OutageTest, ProbeTriesEveryRemedyWithTheOnlySession) {
  const Client client = MakeClient({.sessions = 1});
  FinalizeBehindTheBack();
  shim_.Fail(Function::kInitialize, kDeviceError, 2);
  EXPECT_THAT(Sign(client), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_TRUE(SignsSoon(client));
  EXPECT_EQ(client.token->health().reinitializations, 3u);
}

TEST_F(OutageTest, WaitersAreWokenWhenTheTokenGoesAway) {
  const Client client = MakeClient({.sessions = 1});
  shim_.Fail(Function::kSign, kDeviceError, -1);
  shim_.Hang(Function::kSign);
  const uint64_t calls = shim_.Calls(Function::kSign);
  std::vector<Status> results(4);
  std::thread holder([&] { results[0] = Sign(client); });
  WaitForCalls(Function::kSign, calls + 1);
  std::vector<std::thread> waiters;
  for (int i = 1; i < 4; ++i) waiters.emplace_back([&, i] { results[i] = Sign(client); });
  shim_.Release();
  holder.join();
  for (std::thread& waiter : waiters) waiter.join();  // would last for ever
  EXPECT_THAT(results, Each(Fails(Code::kUnavailable, reason::kHsmUnavailable)));
}

TEST_F(OutageTest, TroubleWithAKeyIsNotTheTokens) {
  Diary diary;
  const Client client = MakeClient({.sessions = 1, .observe = diary.Observer()});
  KeyUri absent = key_;
  absent.id[0] ^= 1;
  for (int i = 0; i < 10; ++i) {
    shim_.Fail(Function::kSignInit, kKeyFunctionNotPermitted, 1);
    EXPECT_THAT(Sign(client), Fails(Code::kFailedPrecondition, reason::kHsmRefused));
    EXPECT_THAT(ReadKeyAttributes(*client.token, absent), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
    EXPECT_THAT(Sign(client), IsOk());
  }
  EXPECT_THAT(diary.codes(), ElementsAre());
  EXPECT_EQ(client.token->health().logins, 1u);
}

// --- Stuck.

TEST_F(OutageTest, OneStuckCallDoesNotHoldTheOthers) {
  const Client client = MakeClient({.sessions = 2, .stuck_limit = absl::Milliseconds(200)});
  EXPECT_THAT(Sign(client), IsOk());
  StuckCall stuck(*client.token);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  InThreads(4, [&](int) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(SignsSoon(client));
  });
  EXPECT_THAT(client.token->health().status, IsOk());
  stuck.Return();
}

TEST_F(OutageTest, StuckTokenRefusesCallersAndWaitersUntilItAnswers) {
  Diary diary;
  const Client client =
      MakeClient({.sessions = 2, .stuck_limit = absl::Milliseconds(200), .observe = diary.Observer()});
  EXPECT_THAT(Sign(client), IsOk());
  shim_.Hang(Function::kSign);
  std::vector<std::thread> stuck;
  const uint64_t calls = shim_.Calls(Function::kSign);
  for (int i = 0; i < 2; ++i) stuck.emplace_back([&] { EXPECT_THAT(Sign(client), IsOk()); });
  WaitForCalls(Function::kSign, calls + 2);
  InThreads(4, [&](int) {  // without a deadline, and with all sessions taken
    EXPECT_THAT(Sign(client), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  });
  EXPECT_THAT(client.token->health().status, Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_EQ(client.token->health().busy, 2u);
  for (int i = 0; i < 100; ++i) EXPECT_THAT(Sign(client), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_EQ(shim_.Calls(Function::kSign), calls + 2);
  shim_.Release();
  for (std::thread& thread : stuck) thread.join();
  EXPECT_TRUE(SignsSoon(client));
  EXPECT_EQ(diary.codes().front(), Code::kUnavailable);
  EXPECT_EQ(diary.codes().back(), Code::kOk);
}

TEST_F(OutageTest, ModuleIsNotReinitializedWhileACallIsInIt) {
  const Client client = MakeClient({.sessions = 2});
  StuckCall inside(*client.token);
  EXPECT_THAT(module_->Reinitialize(module_->incarnation(), Now() + std::chrono::milliseconds(50)),
              Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_THAT(Sign(client), IsOk());  // nobody is kept out after that
  inside.Return();
  EXPECT_EQ(module_->incarnation(), 1u);
  EXPECT_THAT(module_->Reinitialize(1, Instant::max()), IsOk());
  EXPECT_THAT(module_->Reinitialize(1, Instant::max()), IsOk());  // another thread that saw the first incarnation
  EXPECT_EQ(module_->incarnation(), 2u);
  EXPECT_THAT(Sign(client), IsOk());
}

// --- Crowded and slow.

TEST_F(OutageTest, BudgetIsTheLeastOfTheTokensAndTheConfigurations) {
  const struct {
    int stated;  // 0: the token states no limit
    size_t configured;
    size_t limit;
  } kCases[] = {{0, 0, 64}, {0, 5, 5}, {0, 100, 100}, {3, 0, 3}, {3, 5, 3}, {5, 3, 3}, {100, 0, 64}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(fmt::format("stated {}, configured {}", c.stated, c.configured));
    shim_.LimitSessions(c.stated, true);
    const std::shared_ptr<Token> token = MakeToken({.sessions = c.configured});
    EXPECT_THAT(token->LogIn(), IsOk());
    EXPECT_EQ(token->health().limit, c.limit);
  }
}

TEST_F(OutageTest, LimitThatTheTokenDoesNotStateIsLearnt) {
  shim_.LimitSessions(3);
  const Client client = MakeClient({.sessions = 16});
  ExpectConcurrentSignatures(client, 16, 3);
  const Health health = client.token->health();
  EXPECT_EQ(health.limit, 3u);
  EXPECT_THAT(health.status, IsOk());
}

class SlowTokenTest : public OutageTest, public ::testing::WithParamInterface<size_t> {};

TEST_P(SlowTokenTest, IsDrivenByAsManySessionsAsItMayHave) {
  const Client client = MakeClient({.sessions = GetParam()});
  ExpectConcurrentSignatures(client, 20, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Sessions, SlowTokenTest, ::testing::Values(1, 4, 16));

// --- All at once.

TEST_F(OutageTest, RandomFaultsUnderSixteenThreadsLeakNothing) {
  Client client = MakeClient({.sessions = 4});
  shim_.FailRandomly(20,
                     {kGeneralError, kFunctionFailed, kDeviceError, kKeyHandleInvalid, kObjectHandleInvalid,
                      kOperationActive, kSessionClosed, kSessionCount, kSessionHandleInvalid, kTokenNotPresent,
                      kUserNotLoggedIn, kNotInitialized, 0x80000001},
                     20260524);
  std::atomic<int> made = 0;
  const Instant start = Now();
  InThreads(16, [&](int thread) {
    for (int i = 0; Now() < start + std::chrono::seconds(3); ++i) {
      const Status status = Sign(client, fmt::format("{}.{}", thread, i));  // verifies
      EXPECT_THAT(status, AnyOf(IsOk(), Fails(Code::kUnavailable, reason::kHsmUnavailable)));
      made += status.ok();
    }
  });
  shim_.Clear();
  EXPECT_TRUE(SignsSoon(client));
  EXPECT_GT(made, 100);
  const Health health = client.token->health();
  EXPECT_EQ(health.busy, 0u);
  EXPECT_LE(health.open, 4u);
  EXPECT_EQ(shim_.OpenSessions(), static_cast<int64_t>(health.open));
  client.signer.reset();
  client.token.reset();
  EXPECT_EQ(shim_.OpenSessions(), 0);
}

TEST_F(OutageTest, P11KitServerThatDiesAndReturnsHealsEachTime) {
  Pkcs11Server server(kSoftHsm, TokenUri().ToString());
  ASSERT_EQ(setenv("P11_KIT_SERVER_ADDRESS", server.address().c_str(), 1), 0);
  const std::shared_ptr<Module> remote = Load(Pkcs11Server::kClient);
  ASSERT_NE(remote, nullptr);
  const Client client =
      MakeClient(std::make_shared<Token>(remote, TokenUri(), PinOf(testing::kPin), TokenOptions{.sessions = 4}));
  std::atomic<bool> ended = false;
  std::atomic<uint64_t> made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!ended) {
        const Status status = Sign(client);
        EXPECT_THAT(status, AnyOf(IsOk(), Fails(Code::kUnavailable, reason::kHsmUnavailable),
                                  Fails(Code::kUnavailable, reason::kHsmTokenNotFound)));
        if (status.ok()) ++made;
      }
    });
  }
  for (int death = 0; death < 5; ++death) {
    const uint64_t before = made;
    while (made == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    server.Kill();
    while (client.token->health().status.ok()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    server.Start();
    const Instant back = Now();
    const uint64_t after = made;
    while (made == after) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LT(Now() - back, kSoonEnough);
  }
  ended = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(client.token->health().reinitializations, 5u);
  EXPECT_EQ(client.token->health().limit, 1u);  // p11-kit's client serves one call after the other
}

}  // namespace
}  // namespace hallmark
