// A lot's terms: how they are kept, the registration ids and ranges that they give, and what an amendment may change.
#include "factory/terms.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/reason.h"

namespace hallmark {
namespace {

using ::testing::HasSubstr;

LotTerms Example() {
  LotTerms terms;
  terms.manufacturer = "acme";
  terms.product = "sensor-2";
  terms.lot = "a-17";
  terms.revision = 2;
  terms.profile = "device-dps";
  terms.authority = "devices";
  terms.stations = {{"line-1", std::nullopt, ""}, {"plant-2-*", 500, "600/min"}};
  terms.not_before = absl::FromUnixSeconds(1'790'000'000);
  terms.not_after = absl::FromUnixSeconds(1'800'000'000);
  terms.quantity = 1000;
  terms.serials = SerialRange{"SN", 1, 1000, 6};
  terms.registration_id = "{manufacturer}-{product}-{serial}";
  terms.reissue = {1, 20, false};
  terms.confirmation = {absl::Hours(36), true};
  terms.bootstrap = {"azure-dps", "global.azure-devices-provisioning.net", "0ne00000001"};
  return terms;
}

TEST(TermsTest, WhatIsWrittenIsReadAgain) {
  LotTerms bare = Example();
  bare.serials.reset();
  bare.confirmation = {};
  bare.bootstrap = {};
  bare.reissue = {};
  bare.stations.resize(1);
  for (const LotTerms& terms : {Example(), bare}) {
    const std::string json = ToJson(terms);
    const StatusOr<LotTerms> read = ParseTerms(json);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(ToJson(*read), json);
    EXPECT_EQ(read->manufacturer, "acme");
    EXPECT_EQ(read->not_after, terms.not_after);
    EXPECT_EQ(read->serials, terms.serials);
    EXPECT_EQ(read->stations.size(), terms.stations.size());
    EXPECT_EQ(read->reissue.revoke_previous, terms.reissue.revoke_previous);
    EXPECT_EQ(read->confirmation.within, terms.confirmation.within);
    EXPECT_EQ(read->confirmation.revoke_unconfirmed, terms.confirmation.revoke_unconfirmed);
    EXPECT_EQ(read->bootstrap.id_scope, terms.bootstrap.id_scope);
  }
  const StatusOr<LotTerms> read = ParseTerms(ToJson(Example()));
  EXPECT_EQ(read->stations[1].quantity, 500);
  EXPECT_EQ(read->stations[1].rate, "600/min");
}

TEST(TermsTest, WhatIsNotWrittenSoIsRefused) {
  const std::string good = ToJson(Example());
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"", ""},
      {good, ""},
      {good, "[]"},
      {good, " " + good},
      {"\"quantity\":1000", "\"quantity\":1000.0"},
      {"\"quantity\":1000", "\"quantity\":1000,\"more\":1"},
      {"\"quantity\":1000", "\"quantity\":1000,\"quantity\":1000"},
      {"\"lot\":\"a-17\",", ""},
      {"\"revision\":2", "\"revision\":0"},
      {"600/min", "600/year"},
      {"36h", "2160m"},
  };
  for (const auto& [from, to] : kCases) {
    SCOPED_TRACE(from + " -> " + to);
    std::string text = good;
    if (from.empty()) {
      text = to;
    } else {
      ASSERT_NE(text.find(from), text.npos);
      text.replace(text.find(from), from.size(), to);
    }
    const StatusOr<LotTerms> read = ParseTerms(text);
    EXPECT_EQ(read.status().code(), Code::kDataLoss);
    EXPECT_EQ(Reason(read.status()), reason::kStoreCorrupt);
  }
}

TEST(TermsTest, RegistrationIdsFollowTheForm) {
  LotTerms terms = Example();
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"{serial}", "SN7"},
      {"{lot}:{serial}-x", "a-17:SN7-x"},
      {"{manufacturer}.{product}.{serial}", "acme.sensor-2.SN7"},
      {"{serial}{serial}", "SN7SN7"},
  };
  for (const auto& [form, id] : kCases) {
    terms.registration_id = form;
    EXPECT_EQ(RegistrationId(terms, "SN7"), id);
  }
  terms.registration_id = "{serial}";
  EXPECT_EQ(RegistrationId(terms, "{lot}"), "{lot}") << "what stands in a serial number is no placeholder";
}

TEST(TermsTest, RegistrationIdsFitWhatTheBootstrapTakes) {
  LotTerms dps = Example();
  LotTerms free = Example();
  free.bootstrap = {};
  const struct {
    std::string id;
    bool for_dps;
    bool for_none;
  } kCases[] = {
      {"SN-1", true, true},
      {"a.b_c:d-", true, true},
      {"a.", false, true},
      {"a_", false, true},
      {"a:", false, true},
      {"a+b", false, true},
      {"", false, false},
      {"a b", false, false},
      {"a/b", false, false},
      {std::string(64, 'a'), true, true},
      {std::string(65, 'a'), false, true},
      {std::string(128, 'a'), false, true},
      {std::string(129, 'a'), false, false},
      {std::string(64, 'a') + "/", false, false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(CheckRegistrationId(dps, c.id).ok(), c.for_dps) << c.id;
    EXPECT_EQ(CheckRegistrationId(free, c.id).ok(), c.for_none) << c.id;
  }
}

std::string Serial(const SerialRange& range, int64_t number) {
  return range.prefix + fmt::format("{:0{}}", number, range.width);
}

TEST(TermsTest, ARangeContainsWhatItWritesAndNothingElse) {
  const SerialRange range{"SN", 8, 1012, 3};
  for (const char* serial : {"SN008", "SN010", "SN999", "SN1000", "SN1012"})
    EXPECT_TRUE(range.Contains(serial)) << serial;
  for (const char* serial : {"", "SN", "SN007", "SN8", "SN08", "SN0008", "SN1013", "SN01000", "SN-10", "SN+10", "sn010",
                             "SN 10", "SN010 ", "XSN010", "SN99999999999999999999", "SN0x1"}) {
    EXPECT_FALSE(range.Contains(serial)) << serial;
  }
  EXPECT_TRUE((SerialRange{"", 0, 0, 0}.Contains("0")));
  EXPECT_FALSE((SerialRange{"", 0, 5, 0}.Contains("00")));
  EXPECT_TRUE((SerialRange{"A", 0, 5, 18}.Contains("A000000000000000003")));
}

TEST(TermsTest, RangesOverlapWhenTheyWriteTheSameSerialNumber) {
  std::vector<SerialRange> ranges;
  for (const char* prefix : {"", "S", "S1", "S0", "S10", "1", "10", "T"}) {
    for (const auto& [first, last] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {5, 12}, {95, 120}, {1000, 1030}}) {
      for (const int64_t width : {0, 1, 2, 3, 4}) ranges.push_back({prefix, first, last, width});
    }
  }
  std::vector<std::set<std::string>> written;
  for (const SerialRange& range : ranges) {
    auto& serials = written.emplace_back();
    for (int64_t n = range.first; n <= range.last; ++n) serials.insert(Serial(range, n));
    for (const std::string& serial : serials) ASSERT_TRUE(range.Contains(serial)) << serial;
  }
  int overlaps = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    for (size_t j = 0; j < ranges.size(); ++j) {
      const bool meet = std::any_of(written[i].begin(), written[i].end(),
                                    [&](const std::string& serial) { return written[j].contains(serial); });
      overlaps += meet ? 1 : 0;
      ASSERT_EQ(ranges[i].Overlaps(ranges[j]), meet)
          << fmt::format("{}{}..{}/{} and {}{}..{}/{}", ranges[i].prefix, ranges[i].first, ranges[i].last,
                         ranges[i].width, ranges[j].prefix, ranges[j].first, ranges[j].last, ranges[j].width);
    }
  }
  EXPECT_GT(overlaps, 500);
}

TEST(TermsTest, AnAmendmentChangesOnlyWhatItMay) {
  const struct {
    const char* field;  // empty: it may
    std::function<void(LotTerms&)> change;
  } kCases[] = {
      {"", [](LotTerms&) {}},
      {"", [](LotTerms& t) { t.quantity = 5; }},
      {"", [](LotTerms& t) { t.stations.clear(); }},
      {"", [](LotTerms& t) { t.not_after += absl::Hours(24); }},
      {"", [](LotTerms& t) { t.reissue.total = 100; }},
      {"", [](LotTerms& t) { t.serials->last = 2000; }},
      {"", [](LotTerms& t) { t.serials->first = 0; }},
      {"lot", [](LotTerms& t) { t.lot = "a-18"; }},
      {"manufacturer", [](LotTerms& t) { t.manufacturer = "other"; }},
      {"product", [](LotTerms& t) { t.product = "other"; }},
      {"profile", [](LotTerms& t) { t.profile = "other"; }},
      {"authority", [](LotTerms& t) { t.authority = "other"; }},
      {"registration_id", [](LotTerms& t) { t.registration_id = "{serial}"; }},
      {"bootstrap", [](LotTerms& t) { t.bootstrap = {}; }},
      {"bootstrap", [](LotTerms& t) { t.bootstrap.id_scope = "0ne00000002"; }},
      {"serials", [](LotTerms& t) { t.serials->last = 999; }},
      {"serials", [](LotTerms& t) { t.serials->first = 2; }},
      {"serials", [](LotTerms& t) { t.serials->prefix = "S"; }},
      {"serials", [](LotTerms& t) { t.serials->width = 5; }},
      {"serials", [](LotTerms& t) { t.serials.reset(); }},
  };
  for (const auto& c : kCases) {
    LotTerms after = Example();
    c.change(after);
    const Status status = CheckAmendment(Example(), after);
    if (std::string(c.field).empty()) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(status.code(), Code::kFailedPrecondition);
      EXPECT_EQ(Reason(status), reason::kLotChanged);
      EXPECT_THAT(Message(status), HasSubstr(c.field));
    }
  }
}

TEST(TermsTest, SerialNumbers) {
  for (const std::string& good : {std::string("1"), std::string("SN-1.2:3_4#+(x)"), std::string(64, 'a')}) {
    EXPECT_TRUE(IsSerialNumber(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"), std::string("a\\b"),
        std::string("a\"b"), std::string("ä"), std::string("a\n"), std::string("a\0", 2), std::string("a\x7f")}) {
    EXPECT_FALSE(IsSerialNumber(bad)) << bad;
  }
}

}  // namespace
}  // namespace hallmark
