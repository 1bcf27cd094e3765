// A lot's terms: kept as JSON and back, what an amendment may change, serial numbers and registration ids.
#include "factory/terms.h"

#include <gmock/gmock.h>

#include "base/reason.h"
#include "tests/lots.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::ExampleTerms;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

LotTerms Everything() {
  LotTerms terms = ExampleTerms();
  terms.revision = 3;
  terms.stations = {{"line-*", 5, "600/min"}, {"spare", std::nullopt, ""}};
  terms.serials = SerialRange{"SN", 1, 500, 6};
  terms.registration_id = "{manufacturer}-{product}-{serial}";
  terms.reissue = {2, 20, false};
  terms.confirmation = {absl::Hours(48), true};
  return terms;
}

TEST(LotTermsTest, AreKeptWhole) {
  for (const LotTerms& terms : {ExampleTerms(), Everything()}) {
    const auto back = ParseTerms(ToJson(terms));
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(ToJson(*back), ToJson(terms));
  }
  const LotTerms back = *ParseTerms(ToJson(Everything()));
  EXPECT_EQ(back.stations[0].quantity, 5);
  EXPECT_EQ(back.confirmation.within, absl::Hours(48));
  EXPECT_EQ(back.serials, Everything().serials);
  EXPECT_FALSE(back.reissue.revoke_previous);
}

TEST(LotTermsTest, OfADamagedDatabaseAreRefused) {
  std::string unknown = ToJson(ExampleTerms());
  unknown.insert(1, R"("surprise":1,)");
  for (const std::string& json :
       {std::string(), std::string("[]"), std::string("{}"), unknown, ToJson(ExampleTerms()).substr(0, 50)}) {
    EXPECT_THAT(ParseTerms(json), Fails(Code::kDataLoss, reason::kStoreCorrupt)) << json;
  }
}

TEST(LotTermsTest, ARegistrationIdFollowsItsTemplate) {
  LotTerms terms = ExampleTerms();
  EXPECT_EQ(RegistrationId(terms, "SN1"), "SN1");
  terms.registration_id = "{manufacturer}:{product}.{lot}-{serial}-{x}";
  // A value that looks like a placeholder stays as it is.
  EXPECT_EQ(RegistrationId(terms, "{lot}"), "acme:sensor-2.a-17-{lot}-{x}");
}

TEST(SerialRangeTest, HasOneSpellingOfEachNumber) {
  const SerialRange range{"SN", 7, 1000, 3};
  for (const char* serial : {"SN007", "SN010", "SN999", "SN1000"}) EXPECT_TRUE(range.Contains(serial)) << serial;
  for (const char* serial : {"SN7", "SN0007", "SN006", "SN1001", "SN01000", "sn007", "007", "SN", "SN+07", "SN-07",
                             "SN00x", "SN 07", "SN99999999999999999999999999"}) {
    EXPECT_FALSE(range.Contains(serial)) << serial;
  }
  const SerialRange bare{"", 0, 9, 0};
  EXPECT_TRUE(bare.Contains("0"));
  EXPECT_FALSE(bare.Contains("00"));
}

struct Change {
  const char* field;  // that the error names; empty: allowed
  void (*make)(LotTerms&);
};

TEST(AmendmentTest, ChangesOnlyWhatMayChange) {
  const Change changes[] = {
      {"manufacturer", [](LotTerms& terms) { terms.manufacturer = "other"; }},
      {"product", [](LotTerms& terms) { terms.product = "other"; }},
      {"profile", [](LotTerms& terms) { terms.profile = "other"; }},
      {"authority", [](LotTerms& terms) { terms.authority = "other"; }},
      {"registration_id", [](LotTerms& terms) { terms.registration_id = "x{serial}"; }},
      {"bootstrap", [](LotTerms& terms) { terms.bootstrap.id_scope = "0ne2"; }},
      {"serials", [](LotTerms& terms) { terms.serials->first = 2; }},
      {"serials", [](LotTerms& terms) { terms.serials->last = 499; }},
      {"serials", [](LotTerms& terms) { terms.serials->prefix = "SM"; }},
      {"serials", [](LotTerms& terms) { terms.serials->width = 7; }},
      {"serials", [](LotTerms& terms) { terms.serials.reset(); }},
      {"", [](LotTerms& terms) { terms.serials->last = 600; }},
      {"", [](LotTerms& terms) { terms.quantity = 7; }},
      {"", [](LotTerms& terms) { terms.stations.clear(); }},
      {"", [](LotTerms& terms) { terms.not_after += absl::Hours(1); }},
      {"", [](LotTerms& terms) { terms.reissue.total = 99; }},
      {"", [](LotTerms& terms) { terms.confirmation.within.reset(); }},
  };
  for (const Change& change : changes) {
    LotTerms after = Everything();
    change.make(after);
    const Status status = CheckAmendment(Everything(), after);
    if (*change.field == '\0') {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, Fails(Code::kFailedPrecondition, reason::kLotChanged));
      EXPECT_THAT(std::string(status.message()), HasSubstr(change.field));
    }
  }
}

TEST(SerialNumberTest, IsPrintableAndFitsInAResourceName) {
  for (const char* good :
       {"1", "SN-0001", "a.b_c:d+e", "{x}", "0123456789012345678901234567890123456789012345678901234567890123"}) {
    EXPECT_TRUE(IsSerialNumber(good)) << good;
  }
  for (const char* bad : {"", "a b", "a/b", "a\\b", "a\"b", "a\tb", "\x7f", "\xc3\xa4",
                          "01234567890123456789012345678901234567890123456789012345678901234"}) {
    EXPECT_FALSE(IsSerialNumber(bad)) << bad;
  }
}

}  // namespace
}  // namespace hallmark
