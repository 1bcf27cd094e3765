#include "ca/der.h"

#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::IsOk;
using ::testing::Not;

Bytes H(const char* hex) { return FromHex(hex).value(); }

TEST(DerTest, ReadsElementsAndRefusesOtherForms) {
  const Bytes octets = H("020105300004024142");
  der::Reader good(octets);
  EXPECT_EQ(ToBytes(good.Content(der::kInteger).value()), H("05"));
  EXPECT_EQ(good.tag(), der::kSequence);
  EXPECT_FALSE(good.OptionalContent(der::kSet).value().has_value());
  EXPECT_TRUE(good.OptionalContent(der::kSequence).value()->empty());
  EXPECT_EQ(ToBytes(good.Next().value().whole), H("04024142"));
  EXPECT_THAT(good.ExpectEnd(), IsOk());
  for (const char* bad : {"", "02", "0201", "020200", "0281", "028105", "02810105", "0282000105", "30800000", "1f0101",
                          "0285000000000105", "02ffffffffff"}) {
    const Bytes bytes = H(bad);
    EXPECT_THAT(der::Reader(bytes).Next(), Not(IsOk())) << bad;
  }
  const Bytes two = H("02010502");
  EXPECT_THAT(der::ReadWhole(two, der::kInteger), Not(IsOk()));
}

TEST(DerTest, LongLengthsRoundTrip) {
  for (size_t size : {0u, 1u, 127u, 128u, 255u, 256u, 65535u, 65536u}) {
    const Bytes element = der::Tlv(der::kOctetString, Bytes(size, 7));
    EXPECT_EQ(der::ReadWhole(element, der::kOctetString).value().size(), size);
  }
}

TEST(DerTest, IntegersAreUnsignedAndShortest) {
  EXPECT_EQ(der::Unsigned(uint64_t{0}), H("020100"));
  EXPECT_EQ(der::Unsigned(uint64_t{127}), H("02017f"));
  EXPECT_EQ(der::Unsigned(uint64_t{128}), H("02020080"));
  EXPECT_EQ(der::Unsigned(uint64_t{0x1234567890abcdef}), H("02081234567890abcdef"));
  EXPECT_EQ(der::Unsigned(H("0000ff")), H("020200ff"));
  for (const char* bad : {"", "ff", "80", "0001", "007f"})
    EXPECT_THAT(der::UnsignedContent(H(bad)), Not(IsOk())) << bad;
}

TEST(DerTest, ObjectIdentifiersRoundTrip) {
  for (const char* oid : {"0.9.2342", "1.2.840.113549.1.1.11", "2.5.29.15", "2.999.1", "1.3.6.1.4.1.4294967295"}) {
    const Bytes element = der::Oid(oid);
    EXPECT_EQ(der::OidText(der::ReadWhole(element, der::kOid).value()).value(), oid);
  }
  for (const char* bad : {"", "8000", "2a80", "2a8001", "ffffffffffffffffffff7f"})
    EXPECT_THAT(der::OidText(H(bad)), Not(IsOk())) << bad;
}

TEST(DerTest, NamedBitsHaveNoTrailingZeros) {
  EXPECT_EQ(der::NamedBitString(0), H("030100"));
  EXPECT_EQ(der::NamedBitString(0b1), H("03020780"));
  EXPECT_EQ(der::NamedBitString(0b1100000), H("03020106"));
  EXPECT_EQ(der::NamedBitString(0b100000000), H("0303070080"));
  for (uint32_t bits : {0u, 1u, 0b1100000u, 0x1ffu, 0x80000000u}) {
    const Bytes element = der::NamedBitString(bits);
    EXPECT_EQ(der::NamedBits(der::ReadWhole(element, der::kBitString).value()).value(), bits);
  }
  for (const char* bad : {"", "0080", "0701", "0880", "07", "0006", "000000000000"})
    EXPECT_THAT(der::NamedBits(H(bad)), Not(IsOk())) << bad;
}

TEST(DerTest, TimesChangeFormIn2050) {
  const auto at = [](int year, int month, int day, int second) {
    return absl::FromCivil(absl::CivilSecond(year, month, day, 23, 59, second), absl::UTCTimeZone());
  };
  EXPECT_EQ(der::EncodeTime(at(2049, 12, 31, 59)), der::Tlv(der::kUtcTime, AsBytes("491231235959Z")));
  EXPECT_EQ(der::EncodeTime(at(2049, 12, 31, 59) + absl::Seconds(1)),
            der::Tlv(der::kGeneralizedTime, AsBytes("20500101000000Z")));
  EXPECT_EQ(der::EncodeTime(at(2028, 2, 29, 0)), der::Tlv(der::kUtcTime, AsBytes("280229235900Z")));
  EXPECT_EQ(der::EncodeTime(at(9999, 12, 31, 59)), der::Tlv(der::kGeneralizedTime, AsBytes("99991231235959Z")));
  for (Time time :
       {at(1999, 1, 1, 0), at(2038, 1, 19, 0), at(2049, 12, 31, 59), at(2050, 1, 1, 0), at(9999, 12, 31, 59)}) {
    const Bytes element = der::EncodeTime(time);
    EXPECT_EQ(der::ReadTime(der::Reader(element).Next().value()).value(), time);
  }
  for (const char* bad : {"2602300000Z", "260230000000Z", "261301000000Z", "260101240000Z", "260101000060Z",
                          "260101000000", "260101000000+0100", "26010100000xZ", ""}) {
    const Bytes element = der::Tlv(der::kUtcTime, AsBytes(bad));
    EXPECT_THAT(der::ReadTime(der::Reader(element).Next().value()), Not(IsOk())) << bad;
  }
}

}  // namespace
}  // namespace hallmark
