// Content codings: what Accept-Encoding asks for, and gzip that others read.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "http/encoding.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

TEST(EncodingTest, GzipIsForThoseWhoPreferIt) {
  const struct {
    const char* accept;
    bool gzip;
  } cases[] = {
      {"", false},
      {"gzip", true},
      {"GZip", true},
      {"x-gzip", true},
      {"deflate, gzip, br", true},
      {"deflate,gzip;q=1.0,*;q=0.5", true},
      {"gzip;q=0", false},
      {"gzip;q=0.0, *", false},
      {"gzip;q=0.000", false},
      {"gzip;q=0.001", true},
      {"gzip ; Q=0.5", true},
      {"*", true},
      {"*;q=0", false},
      {"identity", false},
      {"identity, gzip", true},
      {"identity;q=1, gzip;q=0.5", false},
      {"identity;q=0.5, gzip", true},
      {"identity;q=0", false},
      {"identity;q=0, *", true},
      {"br", false},
      {"gzipped", false},
      {"gzip;q=2", false},
      {"gzip;q=1.001", false},
      {"gzip;q=0.1234", false},
      {"gzip;q=.5", false},
      {"gzip;q=", false},
      {"gzip;q", false},
      {"gzip;level=9", false},
      {"gzip;q=0.5;x", false},
      {";q=1", false},
      {", ,gzip,", true},
      {"gz ip", false},
  };
  for (const auto& c : cases) EXPECT_EQ(PrefersGzip(c.accept), c.gzip) << c.accept;
}

TEST(EncodingTest, GzipIsReadByGzip) {
  const testing::TemporaryDirectory directory;
  for (const std::string& octets : {std::string(), std::string("x"), std::string(1 << 20, 'x')}) {
    const StatusOr<std::string> encoded = Gzip(AsBytes(octets));
    ASSERT_THAT(encoded, testing::IsOk());
    EXPECT_EQ(*Gzip(AsBytes(octets)), *encoded);  // so that its entity tag is the same after a restart
    std::ofstream(directory / "file.gz", std::ios::binary) << *encoded;
    EXPECT_EQ(std::system(
                  ("gzip -tv " + (directory / "file.gz").string() + " && gzip -dkf " + (directory / "file.gz").string())
                      .c_str()),
              0);
    EXPECT_EQ(ReadFile(directory / "file").value(), octets);
  }
}

}  // namespace
}  // namespace hallmark
