// What a service should have of authorities in each state of their lives.
#include "publish/wanted_chain.h"

#include <gmock/gmock.h>

#include "base/reason.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::SizeIs;

constexpr Time kNoDeadline = absl::InfiniteFuture();

DpsDescription Describe(const std::string& group, const std::string& authority) {
  return {.service = "hallmark-dps",
          .id_scope = "0ne00000000",
          .subscription = "",
          .resource_group = "",
          .credential = "",
          .certificates = {{.authority = authority}},
          .groups = {{.group = group, .authority = authority}}};
}

std::vector<std::string> AuthoritiesOf(const std::vector<WantedCertificate>& certificates) {
  std::vector<std::string> authorities;
  for (const WantedCertificate& one : certificates) authorities.push_back(one.authority);
  return authorities;
}

class WantedChainTest : public ::testing::Test {
 protected:
  WantedChain Wanted(const std::vector<std::string>& let_in = {}) {
    const StatusOr<WantedChain> wanted = WantedOf(description_, let_in, house_.authority().OutOfUse().value(),
                                                  *house_.issuers().Current(), house_.clock.Now());
    EXPECT_THAT(wanted, IsOk());
    return wanted.ok() ? *wanted : WantedChain();
  }
  void MakePlant() {
    NewAuthority plant;
    plant.authority = "plant-b";
    plant.parent = "root";
    plant.profile = "issuing-authority";
    plant.subject = {{"O", "Test"}, {"CN", "Plant B"}};
    plant.request_id = "plant-b";
    plant.profiles = {"device-dps"};
    ASSERT_THAT(house_.lifecycle().Create(operator_, plant, kNoDeadline), IsOk());
  }
  void RollOver() {
    Rollover rollover;
    rollover.request_id = "roll";
    rollover.successor = "devices-2";
    ASSERT_THAT(house_.lifecycle().RollOver(operator_, "devices", rollover, kNoDeadline), IsOk());
  }
  void Revoke(const std::string& authority) {
    AuthorityRevocation revocation;
    revocation.request_id = "gone-" + authority;
    revocation.reason = RevocationReason::kCaCompromise;
    ASSERT_THAT(house_.lifecycle().Revoke(operator_, authority, revocation), IsOk());
  }

  House house_;
  DpsDescription description_ = Describe("line-devices", "devices");
  const Caller operator_ = House::CallerOf("operator");
};

TEST_F(WantedChainTest, WhoWasLetInIsDeniedOnceItIsRevokedWhateverIsDescribedNow) {
  MakePlant();
  EXPECT_THAT(Wanted({"plant-b"}).denied, IsEmpty());
  EXPECT_THAT(AuthoritiesOf(Wanted({"plant-b"}).known), ElementsAre("devices", "plant-b"));
  Revoke("plant-b");
  EXPECT_THAT(AuthoritiesOf(Wanted({"devices", "plant-b"}).denied), ElementsAre("plant-b"));
  EXPECT_THAT(AuthoritiesOf(Wanted({"plant-b"}).known), ElementsAre("devices"));
  EXPECT_THAT(Wanted().denied, IsEmpty()) << "it never came in here";
  EXPECT_THAT(AuthoritiesOf(Wanted({"plant-b", "long gone"}).denied), ElementsAre("plant-b"));
}

TEST_F(WantedChainTest, ARevokedAuthorityIsDeniedThoughAGroupIsDescribedForIt) {
  Revoke("devices");
  const WantedChain wanted = Wanted();
  EXPECT_THAT(AuthoritiesOf(wanted.denied), ElementsAre("devices"));
  ASSERT_THAT(wanted.groups, SizeIs(1));
  EXPECT_TRUE(wanted.groups[0].revoked);
  EXPECT_FALSE(wanted.groups[0].enabled);
  ASSERT_THAT(wanted.certificates, SizeIs(1));
  EXPECT_FALSE(wanted.certificates[0].counts);
}

TEST_F(WantedChainTest, AnExpiredAuthorityDoesNotCountAndNeedsNoDenial) {
  house_.clock.now = house_.issuer("devices").not_after() + absl::Hours(1);
  const WantedChain wanted = Wanted();
  EXPECT_THAT(wanted.denied, IsEmpty());
  ASSERT_THAT(wanted.certificates, SizeIs(1));
  EXPECT_FALSE(wanted.certificates[0].counts);
  EXPECT_TRUE(wanted.groups[0].revoked);
  EXPECT_THAT(wanted.certificates[0].provable, Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(Message(wanted.certificates[0].provable), HasSubstr("has expired"));
}

TEST_F(WantedChainTest, ADisabledPredecessorCountsAndItsPossessionIsProvable) {
  RollOver();
  ASSERT_THAT(house_.lifecycle().SetState(operator_, "devices-2", AuthorityState::kEnabled, false, 0), IsOk());
  ASSERT_EQ(house_.store().GetAuthority("devices")->state, AuthorityState::kDisabled);
  const WantedChain wanted = Wanted();
  EXPECT_THAT(AuthoritiesOf(wanted.certificates), ElementsAre("devices", "devices-2"));
  for (const WantedCertificate& one : wanted.certificates) {
    EXPECT_TRUE(one.counts) << one.authority;
    EXPECT_THAT(one.provable, IsOk()) << one.authority;
  }
  EXPECT_TRUE(wanted.groups[0].enabled);
}

}  // namespace
}  // namespace hallmark
