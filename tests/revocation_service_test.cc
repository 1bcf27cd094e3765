// What an operator revokes at a terminal, of a real service: many at once, over kill -9, an authority, and what they
// are told.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/service.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;

class RevocationServiceTest : public ::testing::Test {
 protected:
  RevocationServiceTest() {
    service_ = Service::Stopped();
    const auto changed = RunCommand(
        fmt::format("sed -i 's/^crl:$/crl:\\n  delta_lifetime: 6h\\n  shards: {{devices: 2}}/' {}/hallmark.yaml",
                    service_->ca().string()));
    if (changed.exit_code != 0) throw std::runtime_error(changed.output);
    service_->Start();
  }

  CommandResult Operator(const std::string& arguments) const { return service_->Hallmark("operator", arguments); }
  nlohmann::json Json(const std::string& arguments) const {
    const CommandResult result = Operator(arguments + " --output json 2>/dev/null");
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.output;
    return nlohmann::json::parse(result.output, nullptr, false);
  }
  std::string At() const { return (service_->directory() / "line").string(); }
  void Issue(int count, const std::string& prefix = "device") const {
    // One key signs them all: only its CSRs differ, which one key, one device would refuse; so a key each.
    service_->MakeCsrs(At(), prefix, count);
    const auto issued =
        service_->Hallmark("station", fmt::format("certificate issue {0}/{1}-*.csr --out {0}", At(), prefix));
    ASSERT_EQ(issued.exit_code, 0) << issued.output;
  }
  size_t Revoked() const {
    const nlohmann::json listed = Json("certificate list --profile device-dps --revoked --all");
    return listed.contains("certificates") ? listed["certificates"].size() : 0;
  }

  std::unique_ptr<Service> service_;
};

TEST_F(RevocationServiceTest, ManyAreShownRevokedAndReleased) {
  Issue(12);
  const std::string which = "revoke --station hallmark://test/station/line-1 --authority devices ";
  const auto shown = Operator(which + "--reason superseded --dry-run");
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_THAT(shown.output,
              AllOf(HasSubstr("device-dps"), HasSubstr("not revoked"), HasSubstr("... and 2 more"),
                    HasSubstr("CRLs of authorities/devices: +"), HasSubstr("12 would change; nothing was")));
  const auto unasked = Operator(which + "--reason superseded </dev/null");
  EXPECT_EQ(unasked.exit_code, 2);
  EXPECT_THAT(unasked.output, HasSubstr("--yes"));
  EXPECT_EQ(Revoked(), 0u);
  const auto held = Operator(which + "--reason certificateHold --yes");
  EXPECT_EQ(held.exit_code, 0);
  EXPECT_THAT(held.output, AllOf(HasSubstr("done"), HasSubstr("12 of 12 certificates, 12 changed")));
  EXPECT_EQ(Revoked(), 12u);
  EXPECT_EQ(Operator(which + "--reason removeFromCRL --yes").exit_code, 0);
  EXPECT_EQ(Revoked(), 0u);
  const nlohmann::json done = Json(which + "--reason superseded --issued-from 2026-01-01T00:00:00Z --yes");
  EXPECT_EQ(done["revocation"]["state"], "DONE");
  EXPECT_EQ(done["revocation"]["changed"], "12");
  EXPECT_EQ(done["preview"]["changes"], "12");
  EXPECT_THAT(Operator(which + "--reason superseded").output, HasSubstr("Nothing would change"));
  EXPECT_EQ(Json("revocation list")["revocations"].size(), 3u);
  // One by its key, given as a file.
  Issue(1, "other");
  const auto by_key = Operator(fmt::format("revoke --key {}/other-1.pem --reason keyCompromise --yes", At()));
  EXPECT_EQ(by_key.exit_code, 0) << by_key.output;
  EXPECT_EQ(Revoked(), 13u);
}

TEST_F(RevocationServiceTest, WhatTheServiceWasKilledInItGoesOnWith) {
  constexpr size_t kCount = 500;
  Issue(kCount);
  const nlohmann::json begun = Json("revoke --profile device-dps --reason superseded --yes --no-wait");
  const std::string name = begun["revocation"]["name"];
  service_->Kill();
  service_->Start();
  const nlohmann::json done = Json("revocation wait " + name);
  EXPECT_EQ(done["state"], "DONE");
  EXPECT_EQ(done["changed"], std::to_string(kCount));
  EXPECT_EQ(Revoked(), kCount);
}

TEST_F(RevocationServiceTest, AnAuthorityEndsWithWhatItIssued) {
  const auto created =
      Operator("authority create plant-b --parent root --subject 'O=Example, CN=Plant B' --issues device-dps --enable");
  ASSERT_EQ(created.exit_code, 0) << created.output;
  service_->MakeCsrs(At(), "b", 2);
  const auto issue = [&](const std::string& device) {
    return Operator(
        fmt::format("certificate issue {0}/{1}.csr --out {0} --authority plant-b --lifetime 1d", At(), device));
  };
  ASSERT_EQ(issue("b-1").exit_code, 0);
  const auto shown = Operator("authority revoke plant-b --reason cACompromise --below certificates --dry-run");
  EXPECT_THAT(shown.output, HasSubstr("authorities/plant-b has issued 1 certificates, 1 of them are not revoked"));
  const auto revoked = Operator("authority revoke plant-b --reason cACompromise --below certificates --yes");
  EXPECT_EQ(revoked.exit_code, 0) << revoked.output;
  EXPECT_THAT(revoked.output, HasSubstr("REVOKED"));
  const auto refused = issue("b-2");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.output, HasSubstr("AUTHORITY_NOT_ISSUING"));
  EXPECT_EQ(Revoked(), 1u);
  // A relying party sees it: the root's list has the authority.
  const auto crl = RunCommand(
      fmt::format("sleep 1; curl -sf {}/crl/root.crl | openssl crl -inform DER -noout -text", service_->base_url()));
  EXPECT_THAT(crl.output, HasSubstr("CA Compromise"));
}

TEST_F(RevocationServiceTest, StatusAndMetricsTellHowFreshItIs) {
  Issue(2);
  const auto status = Operator("status");
  EXPECT_EQ(status.exit_code, 0) << status.output;
  EXPECT_THAT(status.output, AllOf(HasSubstr("devices"), HasSubstr("delta"), Not(HasSubstr("warning"))));
  ASSERT_EQ(Operator("revoke --profile device-dps --reason superseded --yes").exit_code, 0);
  // Each revocation is shown by a delta or a complete list within a moment.
  std::string metrics;
  for (int i = 0; i < 100 && metrics.find("visible_seconds_count 2") == metrics.npos; ++i) {
    metrics = RunCommand(fmt::format("sleep 0.1; curl -sf {}/metrics", service_->base_url())).output;
  }
  EXPECT_THAT(metrics, HasSubstr("hallmark_revocation_visible_seconds_count 2\n"));
  EXPECT_THAT(metrics, HasSubstr("hallmark_crl_waiting{authority=\"devices\",kind=\"delta\",shard=\"1\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("hallmark_mass_revocations_running 0\n"));
  const nlohmann::json told = Json("status");
  EXPECT_TRUE(told.value("warnings", nlohmann::json::array()).empty());
  EXPECT_GE(told["lists"].size(), 6u);
}

TEST_F(RevocationServiceTest, WhoMayReadAnAuthoritysListsMayReadItsSuccessors) {
  EXPECT_EQ(service_->Stop(), 0);
  const auto changed =
      RunCommand(fmt::format("sed -i 's/permissions: \\[authorities.get, crls.get\\]$/&\\n        authorities: "
                             "[devices]/' {}/policies/roles.yaml",
                             service_->ca().string()));
  ASSERT_EQ(changed.exit_code, 0) << changed.output;
  service_->Start();
  const auto rolled = Operator("authority rollover devices");
  ASSERT_EQ(rolled.exit_code, 0) << rolled.output;
  const auto get = [&](const std::string& authority) { return service_->Hallmark("importer", "crl get " + authority); };
  CommandResult of_successor = get("devices-2");
  for (int i = 0; i < 100 && of_successor.exit_code == 5; ++i) {  // its first list is being made
    RunCommand("sleep 0.1");
    of_successor = get("devices-2");
  }
  EXPECT_EQ(of_successor.exit_code, 0) << of_successor.output;
  EXPECT_EQ(get("access").exit_code, 6);
}

TEST_F(RevocationServiceTest, AListThatIsNoneIsNotImported) {
  EXPECT_TRUE(WriteFile(service_->directory() / "none.crl", AsBytes("none")).ok());
  const auto refused = Operator(fmt::format("crl import {}/none.crl", service_->directory().path().string()));
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.output, HasSubstr("CRL_INVALID"));
}

}  // namespace
}  // namespace hallmark
