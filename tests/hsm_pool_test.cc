// What stands between callers and a token: the session pool and the circuit breaker, without an HSM.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/reason.h"
#include "hsm/circuit_breaker.h"
#include "hsm/session_pool.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// --- The session pool, over counted sessions.

constexpr ReturnValue kOk = 0x00;
constexpr ReturnValue kDeviceError = 0x30;
constexpr ReturnValue kSessionCount = 0xb1;

class CountedSessions {
 public:
  SessionPool::Functions Functions() {
    return {.open = [this](Instant, Session& session) { return Open(session); },
            .close = [this](const Session& session) { std::erase(open_, session.handle); }};
  }
  // From now on `open` gives these values first.
  void Fail(const std::vector<ReturnValue>& values) { failures_ = values; }
  void SetLimit(size_t limit) { limit_ = limit; }
  const std::vector<SessionHandle>& open() const { return open_; }

 private:
  StatusOr<ReturnValue> Open(Session& session) {
    if (!failures_.empty()) {
      const ReturnValue failure = failures_.front();
      failures_.erase(failures_.begin());
      return failure;
    }
    if (open_.size() >= limit_) return kSessionCount;
    open_.push_back(++last_);
    session = {.handle = last_, .incarnation = 1};
    return kOk;
  }

  SessionHandle last_ = 0;
  size_t limit_ = 100;
  std::vector<ReturnValue> failures_;
  std::vector<SessionHandle> open_;
};

MATCHER_P(Returns, value, "") { return arg.ok() && *arg == value; }

using OptionalLease = std::optional<SessionPool::Lease>;

// The handle of a session that the pool has at once, 0 for none.
SessionHandle TakeNow(SessionPool& pool, OptionalLease& lease) {
  const StatusOr<ReturnValue> rv = pool.Acquire(Instant(), lease);
  return rv.ok() && *rv == kOk ? lease->session()->handle : 0;
}

TEST(SessionPoolTest, ReusesSessionsAndNeverADiscardedOne) {
  CountedSessions sessions;
  {
    SessionPool pool(2, sessions.Functions());
    OptionalLease lease;
    EXPECT_EQ(TakeNow(pool, lease), 1u);
    lease.reset();
    EXPECT_EQ(TakeNow(pool, lease), 1u);
    lease->Discard(SessionPool::Loss::kThis);
    EXPECT_THAT(sessions.open(), IsEmpty());
    lease.reset();
    EXPECT_EQ(TakeNow(pool, lease), 2u);
    lease.reset();
    EXPECT_THAT(sessions.open(), ElementsAre(2));
  }
  EXPECT_THAT(sessions.open(), IsEmpty());
}

TEST(SessionPoolTest, LossOfAllDropsEverySessionOfBefore) {
  CountedSessions sessions;
  SessionPool pool(3, sessions.Functions());
  OptionalLease lost;
  OptionalLease leased;
  OptionalLease idle;
  EXPECT_EQ(TakeNow(pool, lost), 1u);
  EXPECT_EQ(TakeNow(pool, leased), 2u);
  EXPECT_EQ(TakeNow(pool, idle), 3u);
  idle.reset();
  lost->Discard(SessionPool::Loss::kAll);
  EXPECT_THAT(sessions.open(), ElementsAre(2));
  EXPECT_THAT(lost->Renew(Instant()), Returns(kOk));
  EXPECT_EQ(lost->session()->handle, 4u);
  leased.reset();
  EXPECT_THAT(sessions.open(), ElementsAre(4));
  pool.DiscardAll();
  lost.reset();
  EXPECT_THAT(sessions.open(), IsEmpty());
  EXPECT_EQ(pool.usage().open, 0u);
}

TEST(SessionPoolTest, FailureToOpenLeavesALeaseThatMayBeRenewed) {
  CountedSessions sessions;
  sessions.Fail({kDeviceError});
  SessionPool pool(1, sessions.Functions());
  OptionalLease lease;
  EXPECT_THAT(pool.Acquire(Instant(), lease), Returns(kDeviceError));
  EXPECT_FALSE(lease->session().has_value());
  OptionalLease other;
  EXPECT_EQ(TakeNow(pool, other), 0u);  // its place is taken
  EXPECT_THAT(lease->Renew(Instant()), Returns(kOk));
  EXPECT_EQ(lease->session()->handle, 1u);
}

TEST(SessionPoolTest, WaitsForASessionNoLongerThanTheDeadline) {
  CountedSessions sessions;
  SessionPool pool(1, sessions.Functions());
  OptionalLease lease;
  ASSERT_EQ(TakeNow(pool, lease), 1u);
  const Instant deadline = Now() + std::chrono::milliseconds(100);
  OptionalLease other;
  EXPECT_THAT(pool.Acquire(deadline, other), Fails(Code::kDeadlineExceeded, reason::kHsmUnavailable));
  EXPECT_GE(Now(), deadline);
  lease.reset();
  EXPECT_EQ(TakeNow(pool, other), 1u);
}

TEST(SessionPoolTest, InterruptEndsTheWaitingWithItsStatus) {
  CountedSessions sessions;
  SessionPool pool(1, sessions.Functions());
  OptionalLease lease;
  ASSERT_EQ(TakeNow(pool, lease), 1u);
  std::thread waiter([&] {
    OptionalLease other;
    EXPECT_THAT(pool.Acquire(Instant::max(), other), Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
  });
  std::atomic<bool> ended = false;
  std::thread interrupter([&] {
    while (!ended) pool.Interrupt(Error(Code::kUnavailable, reason::kHsmTokenNotFound, "away"));
  });
  waiter.join();
  ended = true;
  interrupter.join();
}

TEST(SessionPoolTest, LearnsThatTheTokenAllowsFewerAndTriesAgain) {
  CountedSessions sessions;
  sessions.SetLimit(2);
  SessionPool pool(8, sessions.Functions(), absl::Milliseconds(1));
  OptionalLease first;
  OptionalLease second;
  OptionalLease third;
  ASSERT_EQ(TakeNow(pool, first), 1u);
  ASSERT_EQ(TakeNow(pool, second), 2u);
  EXPECT_EQ(pool.usage().limit, 8u);
  EXPECT_THAT(pool.Acquire(Now() + std::chrono::milliseconds(20), third),
              Fails(Code::kDeadlineExceeded, reason::kHsmUnavailable));
  EXPECT_EQ(pool.usage().limit, 2u);
  EXPECT_EQ(pool.usage().busy, 2u);
  first.reset();
  EXPECT_EQ(TakeNow(pool, third), 1u);  // shared
  sessions.SetLimit(100);
  EXPECT_THAT(pool.Acquire(Instant::max(), first), Returns(kOk));  // grown
  EXPECT_EQ(first->session()->handle, 3u);
  EXPECT_GE(pool.usage().limit, 3u);
}

TEST(SessionPoolTest, FailsWhenTheTokenAllowsNoneAtAll) {
  CountedSessions sessions;
  sessions.SetLimit(0);
  SessionPool pool(8, sessions.Functions());
  OptionalLease lease;
  EXPECT_THAT(pool.Acquire(Instant::max(), lease), Returns(kSessionCount));
}

// --- The circuit breaker, at instants of our own.

class CircuitBreakerTest : public ::testing::Test {
 protected:
  using Admission = CircuitBreaker::Admission;

  Instant At(int milliseconds) const { return start_ + std::chrono::milliseconds(milliseconds); }
  void Fail(int began, int now, Admission admission = Admission::kCall) {
    breaker_.Failed(admission, At(began), Error(Code::kUnavailable, reason::kHsmUnavailable, "away"), At(now));
  }
  bool Admits(int now, Admission admission) {
    const StatusOr<Admission> admitted = breaker_.Admit(At(now));
    return admitted.ok() && *admitted == admission;
  }
  bool Refuses(int now) { return !breaker_.Admit(At(now)).ok(); }

  const Instant start_ = Now();
  std::vector<Code> changes_;
  CircuitBreaker breaker_{absl::Seconds(10),
                          [this](const CircuitBreaker::State& state) { changes_.push_back(state.status.code()); }};
};

TEST_F(CircuitBreakerTest, RefusesAllButOneProbeAPauseThatGrows) {
  EXPECT_TRUE(Admits(0, Admission::kCall));
  Fail(0, 10);
  EXPECT_TRUE(Refuses(10));
  EXPECT_TRUE(Refuses(209));
  const int kPauses[] = {200, 400, 800, 1000, 1000};
  int now = 10;
  for (const int pause : kPauses) {
    SCOPED_TRACE(pause);
    EXPECT_TRUE(Refuses(now + pause - 1));
    now += pause;
    EXPECT_TRUE(Admits(now, Admission::kProbe));
    EXPECT_TRUE(Refuses(now));  // one at a time
    EXPECT_TRUE(Refuses(now + 5000));
    Fail(now, now, Admission::kProbe);
  }
  EXPECT_THAT(changes_, ElementsAre(Code::kUnavailable));
  EXPECT_TRUE(Admits(now + 1000, Admission::kProbe));
  breaker_.Answered(Admission::kProbe, At(now + 1001));
  EXPECT_TRUE(Admits(now + 1001, Admission::kCall));
  EXPECT_THAT(changes_, ElementsAre(Code::kUnavailable, Code::kOk));
  EXPECT_THAT(breaker_.state().status, IsOk());
}

TEST_F(CircuitBreakerTest, ProbeWithoutAVerdictMakesRoomForAnother) {
  Fail(0, 0);
  EXPECT_TRUE(Admits(200, Admission::kProbe));
  breaker_.Undecided(Admission::kProbe);
  EXPECT_TRUE(Admits(200, Admission::kProbe));
}

TEST_F(CircuitBreakerTest, FailureCountsOnlyIfNobodyWasAnsweredMeanwhile) {
  breaker_.Answered(Admission::kCall, At(5));
  Fail(4, 6);
  EXPECT_TRUE(Admits(6, Admission::kCall));
  Fail(6, 7);
  EXPECT_TRUE(Refuses(7));
  breaker_.Answered(Admission::kCall, At(8));  // of a call that was admitted before
  EXPECT_TRUE(Admits(8, Admission::kCall));
}

TEST_F(CircuitBreakerTest, StuckCallCountsOnlyIfNobodyIsAnsweredMeanwhile) {
  std::optional<CircuitBreaker::Stay> stuck;
  stuck.emplace(CircuitBreaker::Stay(breaker_, At(100)));
  EXPECT_TRUE(Admits(10'099, Admission::kCall));
  EXPECT_THAT(breaker_.Check(At(10'099)), IsOk());
  EXPECT_THAT(breaker_.Check(At(10'100)), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_TRUE(Admits(10'100, Admission::kProbe));  // who found it
  EXPECT_TRUE(Refuses(10'100));
  breaker_.Answered(Admission::kProbe, At(10'101));
  EXPECT_TRUE(Admits(60'000, Admission::kCall));  // the HSM answers others; that call is its own trouble
  const CircuitBreaker::Stay another(breaker_, At(60'000));
  EXPECT_TRUE(Admits(70'000, Admission::kProbe));
  stuck.reset();
  EXPECT_THAT(changes_, ElementsAre(Code::kUnavailable, Code::kOk, Code::kUnavailable));
}

}  // namespace
}  // namespace hallmark
