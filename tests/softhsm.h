// A SoftHSM2 for the tests of one program.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/secret.h"
#include "hsm/login.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

inline constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr char kPin[] = "314159";
inline constexpr char kSoPin[] = "271828";

inline Secret MakeSecret(const char* text) { return Secret(std::string(text)); }

inline PinSource PinOf(const char* pin) {
  return [pin] { return MakeSecret(pin); };
}

// One token directory for the whole program, since SoftHSM reads its configuration once. To be given to
// ::testing::AddGlobalTestEnvironment.
class SoftHsmEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    std::filesystem::create_directory(directory_ / "tokens");
    const std::string configuration =
        fmt::format("directories.tokendir = {}\nlog.level = ERROR\n", (directory_ / "tokens").string());
    ASSERT_THAT(WriteFile(directory_ / "softhsm2.conf", AsBytes(configuration)), IsOk());
    ASSERT_EQ(setenv("SOFTHSM2_CONF", (directory_ / "softhsm2.conf").c_str(), 1), 0);
  }

 private:
  const TemporaryDirectory directory_;
};

}  // namespace hallmark::testing
