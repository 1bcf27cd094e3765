// Runs the tests of one program.
#include <gmock/gmock.h>

#include "base/openssl_exit.h"

int main(int argc, char** argv) {
  hallmark::ssl::KeepUntilProcessEnds();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
