// CRLs by shard and with deltas, judged by OpenSSL: each certificate is found in the list that it names, and nowhere
// else; a delta and its base say together what the next complete list says alone.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/reason.h"
#include "ca/crl.h"
#include "ca/crl_publisher.h"
#include "tests/command.h"
#include "tests/eventually.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using testing::Eventually;
using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;
using Reason = RevocationReason;

class CrlShardsTest : public ::testing::TestWithParam<SignatureAlgorithm> {
 protected:
  CrlShardsTest() : house_(GetParam()) {
    Write("root.pem", PemEncode("CERTIFICATE", house_.issuer("root").record().certificate));
    Write("issuer.pem", PemEncode("CERTIFICATE", house_.issuer("devices").record().certificate));
    Spread(4);
  }
  void Spread(int64_t shards) {
    house_.crl_shards = {{"devices", shards}};
    house_.crl_delta_lifetime = absl::Hours(6);
    house_.Reopen();
  }
  std::string Path(const std::string& name) const { return (house_.directory() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_THAT(WriteFile(house_.directory() / name, AsBytes(text)), IsOk());
  }
  Issued Device() {
    const std::string name = fmt::format("device-{}", ++devices_);
    return house_.Issue(house_.DeviceRequest("r-" + name, name)).value();
  }
  // Devices until each shard has one.
  std::map<int64_t, Issued> OneOfEach(size_t shards) {
    std::map<int64_t, Issued> devices;
    while (devices.size() < shards) {
      Issued device = Device();
      devices.emplace(device.record.crl_shard, std::move(device));
    }
    return devices;
  }
  void Revoke(const Issued& device, Reason reason) {
    ASSERT_THAT(house_.authority().Revoke(House::CallerOf("operator"), "devices", device.record.serial, reason),
                IsOk());
  }
  void Release(const Issued& device) {
    ASSERT_THAT(house_.authority().Release(House::CallerOf("operator"), "devices", device.record.serial), IsOk());
  }
  CrlRecord Generate(const CrlScope& scope) {
    house_.clock.now += absl::Seconds(1);
    return house_.authority().GenerateCrl(house_.issuer("devices"), absl::InfiniteFuture(), scope).value();
  }
  // What `openssl verify` says of a device with these lists.
  std::string Verify(const Issued& device, const std::vector<CrlRecord>& lists, const std::string& options = "") {
    Write("device.pem", PemEncode("CERTIFICATE", device.record.certificate));
    std::string pem;
    for (const CrlRecord& list : lists) pem += PemEncode("X509 CRL", list.crl);
    Write("lists.pem", pem);
    return RunCommand(fmt::format("openssl verify -crl_check -extended_crl {} -attime {} -CAfile {} -untrusted {} "
                                  "-CRLfile {} {}",
                                  options, absl::ToUnixSeconds(house_.clock.now), Path("root.pem"), Path("issuer.pem"),
                                  Path("lists.pem"), Path("device.pem")))
        .output;
  }
  std::string Text(const CrlRecord& list) {
    Write("list.pem", PemEncode("X509 CRL", list.crl));
    return RunCommand("openssl crl -noout -text -in " + Path("list.pem")).output;
  }

  House house_;
  int devices_ = 0;
};

TEST_P(CrlShardsTest, ACertificateIsInTheListThatItNames) {
  const std::map<int64_t, Issued> devices = OneOfEach(4);
  for (const auto& [shard, device] : devices) {
    Write("device.pem", PemEncode("CERTIFICATE", device.record.certificate));
    const std::string url = house_.issuer("devices").crl_url({shard, false});
    EXPECT_THAT(RunCommand("openssl x509 -noout -ext crlDistributionPoints -in " + Path("device.pem")).output,
                HasSubstr("URI:" + url + "\n"));
    Revoke(device, Reason::kSuperseded);
    const CrlRecord list = Generate({shard, false});
    EXPECT_THAT(Text(list), AllOf(HasSubstr("Issuing Distribution Point: critical"), HasSubstr("URI:" + url + "\n")));
    EXPECT_THAT(Verify(device, {list}), HasSubstr("certificate revoked"));
    // Another shard's list says nothing of it, revoked or not.
    const CrlRecord other = Generate({(shard + 1) % 4, false});
    EXPECT_THAT(Verify(device, {other}), AllOf(Not(HasSubstr(": OK")), Not(HasSubstr("certificate revoked"))));
  }
}

TEST_P(CrlShardsTest, ADeltaAddsToItsBaseWhatHasChangedSince) {
  const Issued before = Device();
  const int64_t shard = before.record.crl_shard;
  const auto of_the_shard = [&] {
    while (true) {
      Issued device = Device();
      if (device.record.crl_shard == shard) return device;
    }
  };
  const Issued held = of_the_shard();
  const Issued after = of_the_shard();
  const Issued good = of_the_shard();
  Revoke(before, Reason::kSuperseded);
  Revoke(held, Reason::kCertificateHold);
  const CrlRecord base = Generate({shard, false});
  EXPECT_THAT(Text(base), HasSubstr(house_.issuer("devices").crl_url({shard, true})));  // freshestCRL
  Revoke(after, Reason::kCessationOfOperation);
  Release(held);
  const CrlRecord delta = Generate({shard, true});
  EXPECT_EQ(delta.base, base.number);
  EXPECT_THAT(Text(delta), AllOf(HasSubstr("Delta CRL Indicator: critical"), HasSubstr("Remove From CRL"),
                                 HasSubstr("Cessation Of Operation"), Not(HasSubstr("Superseded"))));
  const std::string deltas = "-use_deltas";
  EXPECT_THAT(Verify(after, {base}), HasSubstr(": OK"));
  EXPECT_THAT(Verify(after, {base, delta}, deltas), HasSubstr("certificate revoked"));
  EXPECT_THAT(Verify(before, {base, delta}, deltas), HasSubstr("certificate revoked"));
  EXPECT_THAT(Verify(held, {base}), HasSubstr("certificate revoked"));
  EXPECT_THAT(Verify(held, {base, delta}, deltas), HasSubstr(": OK"));
  EXPECT_THAT(Verify(good, {base, delta}, deltas), HasSubstr(": OK"));
  // The next complete list says the same alone.
  const CrlRecord next = Generate({shard, false});
  EXPECT_GT(next.number, delta.number);
  for (const auto& [device, says] : std::vector<std::pair<const Issued*, const char*>>{
           {&before, "certificate revoked"}, {&after, "certificate revoked"}, {&held, ": OK"}, {&good, ": OK"}}) {
    EXPECT_THAT(Verify(*device, {next}), HasSubstr(says));
  }
}

TEST_P(CrlShardsTest, MoreShardsLeaveOldCertificatesWhereTheyAre) {
  const std::map<int64_t, Issued> old = OneOfEach(4);
  Spread(16);
  for (const auto& [shard, device] : old) Revoke(device, Reason::kSuperseded);
  EXPECT_EQ(house_.authority().ShardsOf("devices")->size(), 16u);
  for (const auto& [shard, device] : old)
    EXPECT_THAT(Verify(device, {Generate({shard, false})}), HasSubstr("certificate revoked"));
  Spread(1);
  EXPECT_EQ(house_.authority().ShardsOf("devices")->size(), 4u);  // those that have certificates
  EXPECT_EQ(Device().record.crl_shard, 0);
}

// A relying party that has both lists must not find a certificate of another shard missing on the old one.
TEST_P(CrlShardsTest, TheListOfBeforeThereWereShardsIsReplacedByOneThatSaysWhoseItIs) {
  Spread(1);
  const CrlRecord of_all = Generate({0, false});
  EXPECT_THAT(Text(of_all), Not(HasSubstr("Issuing Distribution Point")));
  Spread(4);
  std::map<int64_t, Issued> devices = OneOfEach(4);
  Revoke(devices.at(3), Reason::kSuperseded);
  CrlPublisher publisher(house_.authority());
  const auto latest = [&](int64_t shard) { return house_.store().LatestCrl("devices", {shard, false}); };
  ASSERT_TRUE(Eventually([&] { return latest(0)->number != of_all.number && latest(3).ok(); }));
  EXPECT_THAT(Text(*latest(0)), HasSubstr("Issuing Distribution Point"));
  EXPECT_THAT(Verify(devices.at(3), {*latest(0), *latest(3)}), HasSubstr("certificate revoked"));
  const uint64_t number = latest(0)->number;
  publisher.Notify();
  ASSERT_TRUE(Eventually([&] { return publisher.Check().ok(); }));
  EXPECT_EQ(latest(0)->number, number) << "once is enough";
}

TEST_P(CrlShardsTest, ThePublisherRenewsWhatIsUrgentAndPutsTheRestOnDeltas) {
  const Issued device = Device();
  const Issued urgent = Device();
  const auto latest = [&](const CrlScope& scope) { return house_.store().LatestCrl("devices", scope); };
  const CrlScope of_device{device.record.crl_shard, false};
  CrlPublisher publisher(house_.authority());
  ASSERT_TRUE(Eventually([&] { return publisher.Check().ok() && latest({of_device.shard, true}).ok(); }));
  const uint64_t complete = latest(of_device)->number;
  Revoke(device, Reason::kSuperseded);
  publisher.Notify();
  ASSERT_TRUE(Eventually([&] { return latest({of_device.shard, true})->revocation_count == 1; }));
  EXPECT_EQ(latest(of_device)->number, complete);
  Revoke(urgent, Reason::kKeyCompromise);
  publisher.Notify();
  EXPECT_TRUE(Eventually([&] { return latest({urgent.record.crl_shard, false})->revocation_count >= 1; }));
}

INSTANTIATE_TEST_SUITE_P(EachAlgorithm, CrlShardsTest,
                         ::testing::Values(SignatureAlgorithm::kEcdsaSha256, SignatureAlgorithm::kRsaPkcs1Sha256));

}  // namespace
}  // namespace hallmark
