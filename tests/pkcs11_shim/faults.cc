#include "tests/pkcs11_shim/faults.h"

#include <signal.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace hallmark::testing {
namespace {

std::atomic<uint64_t> running[kFunctionCount];

std::atomic<uint64_t>& Running(Function function) { return running[static_cast<size_t>(function)]; }

// SplitMix64, so that a seed gives the same draws whichever process makes them.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

unsigned long DrawFailure(ShimControl& control) {
  const uint64_t permille = control.random_permille;
  const uint64_t count = control.random_value_count;
  if (permille == 0 || count == 0) return 0;
  const uint64_t draw = Mix(control.random_seed + control.random_draws.fetch_add(1));
  if (draw % 1000 >= permille) return 0;
  return control.random_values[draw / 1000 % count];
}

}  // namespace

Visit::Visit(ShimControl& control, Function function) : function_(function) {
  FunctionControl& rules = control.of(function);
  ++rules.calls;
  const uint64_t now = ++Running(function);
  uint64_t max = rules.max_concurrent;
  while (max < now && !rules.max_concurrent.compare_exchange_weak(max, now)) {
  }
}

Visit::~Visit() { --Running(function_); }

void WaitAsTold(ShimControl& control, Function function) {
  const FunctionControl& rules = control.of(function);
  if (const int64_t delay = rules.delay_us; delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
  while (rules.hangs && (kill(static_cast<pid_t>(control.owner), 0) == 0 || errno != ESRCH)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

unsigned long ChooseFailure(ShimControl& control, Function function) {
  FunctionControl& rules = control.of(function);
  if (rules.failures != 0 && !TakeOne(rules.skip) && TakeOne(rules.failures)) return rules.failure;
  return rules.fails_randomly ? DrawFailure(control) : 0;
}

}  // namespace hallmark::testing
