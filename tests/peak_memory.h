// How much memory something needs.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace hallmark::testing {

// `act` succeeds in a process of its own, which needs less than `mebibytes` for it: of this one's, the tests before
// would count.
template <class Act>
void ExpectLittleMemory(const Act& act, [[maybe_unused]] long mebibytes) {
  const pid_t child = fork();
  if (child == 0) _exit(act() ? 0 : 1);
  int status = 0;
  rusage usage = {};
  ASSERT_EQ(wait4(child, &status, 0, &usage), child);
  EXPECT_EQ(status, 0);
  const long peak = usage.ru_maxrss / 1024;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what was freed
  EXPECT_LT(peak, mebibytes);
#endif
  ::testing::Test::RecordProperty("peak_mib", static_cast<int>(peak));
}

// How far the peak of this process's resident memory rises above what it is now.
class PeakGrowth {
 public:
  PeakGrowth() {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak so far is forgotten
    before_ = Kibibytes("VmRSS:");
  }
  double mebibytes() const { return static_cast<double>(Kibibytes("VmHWM:") - before_) / 1024; }

 private:
  static long Kibibytes(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      long value = 0;
      if (word == name && status >> value) return value;
    }
    return 0;
  }
  long before_ = 0;
};

}  // namespace hallmark::testing
