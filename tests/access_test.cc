// Who callers are, and what roles.yaml lets them do.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/glob.h"
#include "base/reason.h"
#include "policies/load.h"
#include "tests/places.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;

const Time kNow = absl::FromUnixSeconds(1'790'000'000);

StatusOr<Access> Parse(const std::string& text) { return ParseAccess("roles.yaml", text, "factory.example"); }

Access ShippedAccess() {
  return LoadAccess(testing::SourceDirectory() + "/policies/roles.yaml", "factory.example").value();
}

TEST(CallerTest, ReadsUrisStrictly) {
  const StatusOr<Caller> caller = ParseCallerUri("hallmark://factory.example/station/line-1");
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->realm, "factory.example");
  EXPECT_EQ(caller->role, "station");
  EXPECT_EQ(caller->name, "line-1");
  for (const char* bad :
       {"", "hallmark://", "hallmark://r", "hallmark://r/station", "hallmark://r/station/", "hallmark:///station/a",
        "hallmark://r/station/a/b", "https://r/station/a", "hallmark://r/Station/a", "hallmark://r/station/a b",
        "hallmark://r/station/.a", "hallmark://r//a"}) {
    EXPECT_THAT(ParseCallerUri(bad), Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated)) << bad;
  }
}

// Every role of roles.yaml, and one that it does not know, against every permission.
TEST(AccessTest, GrantsWhatRolesYamlSaysAndNothingElse) {
  const Access access = ShippedAccess();
  const std::string me = "hallmark://r/x/me";
  struct Case {
    const char* permission;
    Resource resource;
    const char* allowed;  // roles
  };
  const std::vector<Case> cases = {
      {permission::kIssue, {"devices", "device-dps", me}, "station operator"},
      {permission::kIssue, {"access", "station", me}, "operator"},
      {permission::kIssue, {"access", "operator", me}, "operator"},
      {permission::kIssue, {"root", "device-dps", me}, "operator"},  // the root's pathLenConstraint forbids it
      {permission::kIssue, {"plant-b", "device-dps", me}, "operator"},
      {permission::kIssue, {"devices-2", "device-dps", me, {"devices"}}, "station operator"},
      {permission::kIssue, {"devices-3", "device-dps", me, {"devices-2", "devices"}}, "station operator"},
      {permission::kIssue, {"devices-2", "device-dps", me, {"access"}}, "operator"},
      {permission::kIssue, {"access", "device-dps", me}, "operator"},  // the profile itself forbids it
      {permission::kIssue, {"root", "manufacturer-ca", me}, "operator"},
      {permission::kIssue, {"devices", "verification", me}, "operator"},
      {permission::kIssue, {"devices", "ldevid", me}, "operator"},
      {permission::kIssue, {"root", "issuing-authority", me}, ""},
      {permission::kIssue, {"root", "root", me}, ""},
      {permission::kGetCertificate, {"devices", "device-dps", me}, "station operator auditor"},
      {permission::kGetCertificate, {"devices", "device-dps", "hallmark://r/x/other"}, "operator auditor"},
      {permission::kGetCertificate, {"devices", "", ""}, "operator auditor"},
      {permission::kListCertificates, {"devices", "", ""}, "operator auditor"},
      {permission::kListCertificates, {"", "", ""}, "operator auditor"},
      {permission::kRevoke, {"devices", "device-dps", me}, "operator"},
      {permission::kGetAuthority, {"devices", "", ""}, "station operator auditor"},
      {permission::kFetchCsr, {"devices", "", ""}, "operator"},
      {permission::kCreateAuthority, {"plant-b", "issuing-authority", ""}, "operator"},
      {permission::kCreateAuthority, {"root-2", "root", ""}, "operator"},
      {permission::kActivateAuthority, {"plant-b", "", ""}, "operator"},
      {permission::kUpdateAuthority, {"devices", "", ""}, "operator"},
      {permission::kGetCrl, {"devices", "", ""}, "station operator auditor"},
      {permission::kGenerateCrl, {"devices", "", ""}, "operator"},
      {"certificates.everything", {"devices", "", ""}, ""},
  };
  for (const Case& c : cases) {
    for (const char* role : {"station", "operator", "auditor", "device", ""}) {
      Caller caller;
      caller.uri = me;
      caller.role = role;
      const bool allowed = *role != '\0' && std::string(c.allowed).find(role) != std::string::npos;
      const Status status = access.Check(caller, c.permission, c.resource, kNow);
      if (allowed) {
        EXPECT_THAT(status, IsOk()) << role << " " << c.permission << " " << c.resource.profile;
      } else {
        EXPECT_THAT(status, Fails(Code::kPermissionDenied, reason::kPermissionDenied))
            << role << " " << c.permission << " " << c.resource.profile;
      }
    }
  }
}

TEST(AccessTest, AGrantOnOneAuthorityDoesNotCoverACallOnAll) {
  const Access access =
      Parse("roles:\n  reader:\n    grants:\n      - {permissions: [certificates.list], authorities: [devices]}\n")
          .value();
  const Caller reader = ParseCallerUri("hallmark://r/reader/one").value();
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"devices", "device-dps", ""}, kNow), IsOk());
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"devices", "", ""}, kNow),
              IsOk());  // profiles: "*" by default
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"access", "", ""}, kNow),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(access.Check(reader, permission::kListCertificates, {"", "", ""}, kNow),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
}

std::string Grant(const std::string& field) {
  return "roles:\n  station:\n    grants:\n      - {permissions: [crls.get], " + field + "}\n";
}

TEST(AccessTest, RefusesARolesFileWithAnUnknownWord) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"roles:\n  station:\n    grants:\n      - permissions: [certificates.isue]\n",
       "'certificates.isue' is not a permission"},
      {"roles:\n  station:\n    grants:\n      - {permissions: [crls.get], profile: device}\n",
       "profile: unknown field"},
      {"roles:\n  station: {}\n", "roles.station.grants: is required"},
      {"role: {}\n", "roles: is required"},
      {Grant("authorities: []"), "authorities: is empty and grants nothing"},
      {Grant("authorities: [Devices]"), "'Devices' matches no name"},
      {Grant("profiles: ['']"), "'' matches no name"},
      {Grant("lots: []"), "lots: is empty"},
      {Grant("lots: [a b]"), "'a b' matches no name"},
      {Grant("rate: 600"), "rate: '600' is not a rate; write 1 to 1000000"},
      {Grant("rate: often"), "'often' is not a rate"},
      {"roles:\n  a:\n    callers: []\n    grants: []\n", "roles.a.callers: is empty"},
      {"roles:\n  a:\n    callers: ['hallmark://*']\n    grants: []\n", "'hallmark://*' matches no caller"},
      {"roles:\n  a:\n    callers: ['station/*']\n    grants: []\n", "'station/*' matches no caller"},
  };
  for (const auto& [text, message] : cases) {
    const StatusOr<Access> access = Parse(text);
    EXPECT_THAT(access, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << text;
    EXPECT_THAT(Message(access.status()), HasSubstr(message)) << text;
  }
}

TEST(AccessTest, AGlobStaysBetweenTwoSlashes) {
  struct Case {
    const char* glob;
    const char* text;
    bool matches;
  };
  for (const Case& c : std::vector<Case>{{"", "", true},
                                         {"", "a", false},
                                         {"a", "a", true},
                                         {"a", "ab", false},
                                         {"*", "", true},
                                         {"*", "abc", true},
                                         {"*", "a/b", false},
                                         {"a*", "a", true},
                                         {"a*c", "abbc", true},
                                         {"a*c", "abcb", false},
                                         {"a*b*c", "axbybzc", true},
                                         {"*ab", "aab", true},
                                         {"*/x/*", "a/x/b", true},
                                         {"*/x/*", "a/y/x/b", false},
                                         {"a**b", "ab", true},
                                         {"a/*", "a/", true},
                                         {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false}}) {
    EXPECT_EQ(MatchesGlob(c.glob, c.text), c.matches) << c.glob << " " << c.text;
  }
}

TEST(AccessTest, RolesAreHadByNameOrByTheUriAndAddUp) {
  const StatusOr<Access> access = Parse(
      "roles:\n"
      "  station:\n    grants:\n      - {permissions: [crls.get]}\n"
      "  line-7:\n    callers: ['hallmark://{realm}/station/line-7-*', 'hallmark://{realm}/operator/ada']\n"
      "    grants:\n      - {permissions: [certificates.issue], authorities: [devices-*], profiles: ['device-*']}\n");
  ASSERT_THAT(access, IsOk());
  const Resource devices{"devices-eu", "device-dps", ""};
  struct Case {
    const char* uri;
    std::vector<std::string> roles;
    bool gets_crls;
    bool issues;
  };
  for (const Case& c : std::vector<Case>{
           {"hallmark://factory.example/station/line-7-a", {"line-7", "station"}, true, true},
           {"hallmark://factory.example/station/line-8", {"station"}, true, false},
           {"hallmark://factory.example/operator/ada", {"line-7"}, false, true},
           {"hallmark://factory.example/operator/bob", {}, false, false},
           {"hallmark://factory.example/line-7/x", {}, false, false},  // the name of a role that goes by callers
           {"hallmark://factoryxexample/station/line-7-a", {"station"}, true, false}}) {
    const Caller caller = ParseCallerUri(c.uri).value();
    EXPECT_EQ(access->RolesOf(caller), c.roles) << c.uri;
    EXPECT_EQ(access->Check(caller, permission::kGetCrl, {}, kNow).ok(), c.gets_crls) << c.uri;
    EXPECT_EQ(access->Check(caller, permission::kIssue, devices, kNow).ok(), c.issues) << c.uri;
    for (const Resource& other : {Resource{"access", "device-dps", ""}, Resource{"devices-eu", "station", ""},
                                  Resource{"", "device-dps", ""}, Resource{"devices-eu", "", ""}}) {
      EXPECT_THAT(access->Check(caller, permission::kIssue, other, kNow),
                  Fails(Code::kPermissionDenied, reason::kPermissionDenied));
    }
  }
}

TEST(AccessTest, AGrantWithLotsCoversNoCallWithoutOne) {
  const Access access =
      Parse(
          "roles:\n  station:\n    grants:\n      - {permissions: [certificates.issue], lots: ['A-*', B1]}\n"
          "  operator:\n    grants:\n      - {permissions: [certificates.issue], lots: ['*']}\n"
          "  auditor:\n    grants:\n      - {permissions: [certificates.issue]}\n")
          .value();
  struct Case {
    const char* lot;
    const char* allowed;  // roles
  };
  for (const Case& c : {Case{"", "auditor"}, Case{"A-1", "station operator auditor"}, Case{"A", "operator auditor"},
                        Case{"B1", "station operator auditor"}, Case{"B12", "operator auditor"}}) {
    for (const char* role : {"station", "operator", "auditor"}) {
      const Caller caller = ParseCallerUri(std::string("hallmark://factory.example/") + role + "/x").value();
      const Status status =
          access.Check(caller, permission::kIssue, {"devices", "device-dps", caller.uri, {}, c.lot}, kNow);
      EXPECT_EQ(status.ok(), std::string(c.allowed).find(role) != std::string::npos) << role << " " << c.lot;
    }
  }
}

TEST(AccessTest, ReadsRatesAndNothingElse) {
  for (const auto& [text, count, period] :
       {std::tuple("1/s", 1, absl::Seconds(1)), std::tuple("600/min", 600, absl::Minutes(1)),
        std::tuple("7/h", 7, absl::Hours(1)), std::tuple("1000000/d", 1'000'000, absl::Hours(24))}) {
    const StatusOr<Rate> rate = ParseRate(text);
    ASSERT_THAT(rate, IsOk()) << text;
    EXPECT_EQ(rate->count, count);
    EXPECT_EQ(rate->period, period);
    EXPECT_GE(rate->interval * rate->count, period);
  }
  for (const char* bad : {"", "600", "/min", "0/min", "-1/min", "1000001/s", "600/m", "600/minute", "600 /min",
                          "6e2/min", "99999999999999999999/s"}) {
    EXPECT_THAT(ParseRate(bad), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << bad;
  }
}

TEST(AccessTest, ARateIsOfEachCallerAndComesBack) {
  const Access access =
      Parse("roles:\n  station:\n    grants:\n      - {permissions: [certificates.issue], rate: 3/min}\n").value();
  const Caller one = ParseCallerUri("hallmark://factory.example/station/one").value();
  const Caller two = ParseCallerUri("hallmark://factory.example/station/two").value();
  const auto check = [&](const Caller& caller, Duration after) {
    return access.Check(caller, permission::kIssue, {"devices", "device-dps", caller.uri}, kNow + after);
  };
  for (int i = 0; i < 3; ++i) EXPECT_THAT(check(one, absl::ZeroDuration()), IsOk());
  const Status limited = check(one, absl::ZeroDuration());
  EXPECT_THAT(limited, Fails(Code::kResourceExhausted, reason::kRateLimited));
  EXPECT_EQ(RetryDelay(limited), absl::Seconds(20));
  EXPECT_THAT(Message(limited), HasSubstr("at a rate of 3/min"));
  EXPECT_THAT(check(two, absl::ZeroDuration()), IsOk());
  // What was refused did not count, a clock that goes back gives nothing, and after the delay there is one again.
  EXPECT_THAT(check(one, absl::Hours(-1)), Fails(Code::kResourceExhausted, reason::kRateLimited));
  EXPECT_THAT(check(one, absl::Seconds(19)), Fails(Code::kResourceExhausted, reason::kRateLimited));
  EXPECT_THAT(check(one, absl::Seconds(20)), IsOk());
  EXPECT_THAT(check(one, absl::Seconds(20)), Fails(Code::kResourceExhausted, reason::kRateLimited));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(check(one, absl::Hours(1)), IsOk());
  EXPECT_THAT(check(one, absl::Hours(1)), Fails(Code::kResourceExhausted, reason::kRateLimited));
}

TEST(AccessTest, AGrantWithoutARateGoesFirstAndRatesAddUp) {
  const std::string limited = "      - {permissions: [crls.get], rate: 1/d}\n";
  const std::string head = "roles:\n  station:\n    grants:\n";
  const Caller caller = ParseCallerUri("hallmark://factory.example/station/one").value();
  const Access open = Parse(head + limited + "      - {permissions: [crls.get]}\n").value();
  for (int i = 0; i < 5; ++i) EXPECT_THAT(open.Check(caller, permission::kGetCrl, {}, kNow), IsOk());
  const Access twice = Parse(head + limited + limited).value();
  for (int i = 0; i < 2; ++i) EXPECT_THAT(twice.Check(caller, permission::kGetCrl, {}, kNow), IsOk());
  EXPECT_THAT(twice.Check(caller, permission::kGetCrl, {}, kNow),
              Fails(Code::kResourceExhausted, reason::kRateLimited));
  // A call that no grant covers is denied, not limited.
  EXPECT_THAT(twice.Check(caller, permission::kIssue, {}, kNow),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
}

// Property: in no stretch of time does a caller get more than the count and what the pace of that time adds.
TEST(AccessTest, ARateIsNeverExceededUnderEightThreads) {
  constexpr int kThreads = 8;
  constexpr int kSteps = 400;
  const Rate rate = ParseRate("50/s").value();
  RateLimits limits;
  std::atomic<int64_t> milliseconds{0};
  std::vector<std::vector<std::pair<Time, Time>>> granted(kThreads);  // the time before and after each
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kSteps; ++i) {
        const Time now = kNow + absl::Milliseconds(milliseconds.fetch_add(t == 0 ? 3 : 0));
        if (limits.Take("one", rate, now) != absl::ZeroDuration()) continue;
        granted[t].emplace_back(now, kNow + absl::Milliseconds(milliseconds.load()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::pair<Time, Time>> all;
  for (const auto& of_thread : granted) all.insert(all.end(), of_thread.begin(), of_thread.end());
  ASSERT_GE(all.size(), 50u);
  const Time end = kNow + absl::Milliseconds(milliseconds.load());
  const double allowed = 50 + absl::FDivDuration(end - kNow, rate.interval);
  EXPECT_LE(static_cast<double>(all.size()), allowed);
  // Each stretch from one grant's own time on: whatever began in it was granted in it, too.
  std::sort(all.begin(), all.end());
  for (size_t from = 0; from < all.size(); from += 7) {
    for (size_t to = from; to < all.size(); to += 11) {
      const auto inside = std::count_if(all.begin(), all.end(), [&](const auto& grant) {
        return grant.first >= all[from].first && grant.second <= all[to].second;
      });
      EXPECT_LE(static_cast<double>(inside), 50 + absl::FDivDuration(all[to].second - all[from].first, rate.interval));
    }
  }
}

TEST(AccessTest, CallersThatAreIdleAreForgottenAndLoseNothing) {
  const Rate rate = ParseRate("1/s").value();
  RateLimits limits;
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_EQ(limits.Take(std::to_string(i), rate, kNow + absl::Milliseconds(i)), absl::ZeroDuration());
  }
  EXPECT_GT(limits.Take("19999", rate, kNow + absl::Milliseconds(20'000)), absl::ZeroDuration());
}

}  // namespace
}  // namespace hallmark
