// Policies that are replaced under a certificate authority: what is on record, and whom it concerns.
#include <gmock/gmock.h>

#include "policies/load.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::CsrBuilder;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;

class PolicyLoadingTest : public ::testing::Test {
 protected:
  // The policies in force with another text of the devices' profile.
  PolicyPointer WithProfile(const std::string& text) const {
    auto next = std::make_shared<PolicySnapshot>(*house_.policies().Current());
    Profile profile = ParseProfile("device-dps", "device-dps.yaml", text, "test").value();
    profile.admission = Profile::Admission::kNone;  // as the House has it
    next->profiles["device-dps"] = std::make_shared<const Profile>(std::move(profile));
    return next;
  }
  PolicyPointer Changed(const std::string& comment) const {
    return WithProfile(house_.policies().Current()->profiles.at("device-dps")->text + "# " + comment + "\n");
  }
  std::vector<std::string> NamesOf(const std::vector<PolicyRecord>& records) const {
    std::vector<std::string> names;
    for (const PolicyRecord& record : records) names.push_back(record.profile);
    return names;
  }

  mutable House house_;
};

TEST_F(PolicyLoadingTest, WhatIsLoadedIsOnRecordBeforeItIsInForce) {
  const auto first = house_.authority().PutInForce(house_.policies().Current());
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->size(), house_.policies().Current()->profiles.size() + 1) << "each profile, and the roles";
  EXPECT_THAT(house_.authority().PutInForce(house_.policies().Current()).value(), ::testing::IsEmpty());

  const PolicyPointer next = Changed("a change");
  const auto news = house_.authority().PutInForce(next);
  ASSERT_THAT(news, IsOk());
  EXPECT_THAT(NamesOf(*news), ::testing::ElementsAre("device-dps"));
  const std::string version = next->profiles.at("device-dps")->version;
  const auto kept = house_.store().GetPolicy("device-dps", version);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->text, next->profiles.at("device-dps")->text);
  EXPECT_THAT(kept->ledger_entry, AllOf(HasSubstr("profile_loaded"), HasSubstr(version)));
  const auto issued = house_.Issue(house_.DeviceRequest("r1"));
  ASSERT_THAT(issued, IsOk());
  EXPECT_EQ(issued->record.profile_version, version);
}

TEST_F(PolicyLoadingTest, WhatCannotBeRecordedIsNotPutInForce) {
  const PolicyPointer before = house_.policies().Current();
  house_.store_fault = {.after = 0};
  EXPECT_THAT(house_.authority().PutInForce(Changed("never")), Fails(Code::kUnavailable, reason::kStoreUnavailable));
  EXPECT_EQ(house_.policies().Current(), before);
  house_.store_fault = {};
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("r1")), IsOk());
}

TEST_F(PolicyLoadingTest, ACallThatBeganBeforeEndsWithWhatItBeganWith) {
  const PolicyPointer before = house_.policies().Current();
  const PolicyPointer next = WithProfile(R"(
description: Of nobody
keys: [ec-p256]
authorities: [access]
subject: [{type: CN, pattern: ".+"}]
validity: {lifetime: 1y}
key_usage: [digitalSignature]
)");
  ASSERT_THAT(house_.authority().PutInForce(next), IsOk());
  const auto old = house_.issuers().Find("devices", before);
  ASSERT_THAT(old, IsOk());
  EXPECT_NE((*old)->FindTemplate("device-dps"), nullptr);
  EXPECT_TRUE((*old)->CheckKey().ok());
  const auto now = house_.issuers().Find("devices", next);
  ASSERT_THAT(now, IsOk());
  EXPECT_EQ((*now)->FindTemplate("device-dps"), nullptr);
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("r1")), Fails(Code::kNotFound, reason::kProfileUnknown));
  EXPECT_EQ(house_.issuers().Current()->policies, next) << "old policies do not come back";
}

TEST_F(PolicyLoadingTest, AKeyIsOneDevicesAlsoForWhoOnlyAsks) {
  std::string text = house_.profiles().at("device-dps")->text;
  if (text.find("\nstandards:") == text.npos) text += "standards: [azure-dps]\n";
  ASSERT_THAT(house_.authority().PutInForce(WithProfile(text)), IsOk());
  const auto first = house_.Issue(house_.DeviceRequest("r1", "device-1"));
  ASSERT_THAT(first, IsOk());
  CsrBuilder csr(House::DeviceKey("device-1"));
  csr.subject = EncodeName({{"CN", "device-2"}});
  Request request = house_.DeviceRequest("r2");
  request.csr = csr.Build();
  Request other_case = house_.DeviceRequest("r3", "DEVICE-1");
  const int signatures = house_.signatures;
  for (const bool validate_only : {true, false}) {
    request.validate_only = validate_only;
    const auto refused = house_.Issue(request);
    ASSERT_THAT(refused, Fails(Code::kFailedPrecondition, reason::kKeyCertifiedForAnother));
    EXPECT_THAT(Message(refused.status()),
                AllOf(HasSubstr("CN=device-1"), HasSubstr("CN=device-2"),
                      HasSubstr("authorities/devices/certificates/" + Hex(first->record.serial))));
    // Azure takes both for one device.
    other_case.validate_only = validate_only;
    EXPECT_THAT(house_.Issue(other_case), Fails(Code::kFailedPrecondition, reason::kSubjectDiffersByCase));
  }
  EXPECT_EQ(house_.signatures, signatures);
  EXPECT_THAT(house_.store().OpenIntents().value(), ::testing::IsEmpty());
  EXPECT_THAT(house_.Issue(house_.DeviceRequest("r4", "device-1")), IsOk()) << "a renewal";
}

}  // namespace
}  // namespace hallmark
