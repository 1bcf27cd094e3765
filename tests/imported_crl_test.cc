// Lists of authorities whose keys are elsewhere: which are taken, where they are served, and what they end.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/reason.h"
#include "ca/crl.h"
#include "ca/freshness.h"
#include "tests/certificate_builder.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::CertificateBuilder;
using ::testing::ElementsAre;
using testing::Fails;
using testing::House;
using testing::IsOk;
using testing::SoftwareSigner;
using Reason = RevocationReason;

class ImportedCrlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    NewAuthority asked;
    asked.request_id = "create";
    asked.authority = "plant-c";
    asked.profile = "issuing-authority";
    asked.subject = {{"O", "Test"}, {"CN", "Plant C"}};
    asked.profiles = {"device-dps"};
    const AuthorityRecord awaiting = house_.lifecycle().Create(operator_, asked, absl::InfiniteFuture()).value();
    const Bytes csr = house_.lifecycle().FetchCsr(operator_, "plant-c", absl::InfiniteFuture()).value();
    CertificateBuilder own(root_key_, ReadCsr(csr).value().key.spki(), awaiting.subject, house_.clock.Now());
    own.serial[0] = 0x41;
    own.further = CrlDistributionPoints("http://pki.example/crl/safe-root.crl");
    serial_ = own.serial;
    Bytes chain = own.Build();
    Append(chain, CertificateBuilder::Root(root_key_, house_.clock.Now()).Build());
    ASSERT_THAT(house_.lifecycle().Activate(operator_, "plant-c", chain, false), IsOk());
  }

  // A list of the root's, or of what `key` says.
  struct Wish {
    uint64_t number = 1;
    Duration age = absl::Minutes(1);
    Duration lifetime = absl::Hours(24 * 90);
    std::vector<RevokedCertificate> revoked = {};
    std::optional<uint64_t> base = std::nullopt;
    CrlUrls urls = {};
  };
  Bytes List(const Wish& wish, const SoftwareSigner& key, const Bytes& issuer = CertificateBuilder::RootName()) {
    CrlRecord record;
    record.number = wish.number;
    record.this_update = house_.clock.Now() - wish.age;
    record.next_update = record.this_update + wish.lifetime;
    record.base = wish.base;
    CrlEntries entries;
    for (const RevokedCertificate& one : wish.revoked) entries.Add(one);
    Draft draft = ComposeCrl(issuer, CertificateBuilder::IdentifierOf(key.public_key()), key.algorithm(), record,
                             entries, wish.urls);
    const Bytes signature = key.Sign(draft.tbs(), absl::InfiniteFuture()).value();
    return der::Sequence({draft.tbs(), AlgorithmIdentifier(key.algorithm()), der::BitString(signature)});
  }
  Bytes List(const Wish& wish) { return List(wish, root_key_); }
  Bytes List() { return List(Wish()); }
  StatusOr<ImportedCrl> Import(ByteView crl, const std::string& name = "", bool validate_only = false) {
    return house_.lifecycle().ImportCrl(operator_, crl, name, validate_only);
  }
  AuthorityState State() { return house_.store().GetAuthority("plant-c")->state; }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
  const SoftwareSigner root_key_{SignatureAlgorithm::kEcdsaSha256};
  Bytes serial_;
};

TEST_F(ImportedCrlTest, IsServedWhereTheCertificatesBelowItSay) {
  EXPECT_TRUE(house_.issuers().Current()->elsewhere.contains("safe-root"));
  const Bytes first = List();
  const auto imported = Import(first);
  ASSERT_THAT(imported, IsOk());
  EXPECT_EQ(imported->record.name, "safe-root");
  EXPECT_EQ(imported->record.issuer_name, "CN=Root,O=Elsewhere");
  EXPECT_TRUE(imported->changed.empty());
  EXPECT_EQ(house_.store().GetImportedCrl("safe-root")->crl, first);
  ASSERT_THAT(Import(first), IsOk()) << "repeated";
  const Bytes second = List({.number = 2});
  ASSERT_THAT(Import(second, "safe-root"), IsOk());
  house_.Reopen();
  EXPECT_EQ(house_.store().GetImportedCrl("safe-root")->crl, second);
  EXPECT_THAT(Import(first), Fails(Code::kFailedPrecondition, reason::kCrlOlder));
  EXPECT_THAT(Import(List({.number = 2, .lifetime = absl::Hours(5)})),
              Fails(Code::kFailedPrecondition, reason::kCrlOlder))
      << "other content under the same number";
  EXPECT_THAT(Import(List({.number = 3, .age = absl::Hours(3)})), Fails(Code::kFailedPrecondition, reason::kCrlOlder))
      << "made before the one that is there";
  EXPECT_EQ(house_.store().GetImportedCrl("safe-root")->crl, second);
}

TEST_F(ImportedCrlTest, WhatIsNoCompleteListOfSuchAnAuthorityIsRefused) {
  const SoftwareSigner other(SignatureAlgorithm::kEcdsaSha256);
  Bytes torn = List();
  torn.back() ^= 1;
  Bytes trailing = List();
  trailing.push_back(0);
  const std::vector<std::pair<const char*, Bytes>> cases = {
      {"nothing", {}},
      {"garbage", ToBytes(AsBytes("-----BEGIN X509 CRL-----"))},
      {"a certificate", CertificateBuilder::Root(root_key_, house_.clock.Now()).Build()},
      {"a wrong signature", torn},
      {"octets behind it", trailing},
      {"another's key", List(Wish(), other)},
      {"another's name", List(Wish(), root_key_, EncodeName({{"CN", "Somebody"}}))},
      {"of ours", house_.authority().GenerateCrl(house_.issuer("root"), absl::InfiniteFuture()).value().crl},
      {"a delta", List({.number = 5, .base = 4})},
      {"of some certificates", List({.urls = {.issuing_distribution_point = "http://pki.example/crl/safe-root.crl"}})},
      {"expired", List({.age = absl::Hours(2), .lifetime = absl::Hours(1)})},
      {"of the future", List({.age = -absl::Hours(1)})},
      {"number 0", List({.number = 0})},
      {"too large", Bytes(61 * 1024)},
  };
  for (const auto& [name, crl] : cases) {
    EXPECT_THAT(Import(crl), Fails(Code::kInvalidArgument, reason::kCrlInvalid)) << name;
  }
  EXPECT_THAT(Import(List(), "another-name"), Fails(Code::kInvalidArgument, reason::kCrlInvalid));
  EXPECT_THAT(house_.lifecycle().ImportCrl(House::CallerOf("station"), List(), "", false),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(Import(List(), "", true), IsOk());
  EXPECT_TRUE(house_.store().ListImportedCrls()->empty());
}

TEST_F(ImportedCrlTest, AnAuthorityOfOursThatItListsIssuesNoMore) {
  Request request = house_.DeviceRequest("r", "device");
  request.authority = "plant-c";
  request.lifetime = absl::Hours(24);
  ASSERT_THAT(house_.Issue(request, "operator"), IsOk());
  request.request_id = "r2";
  ASSERT_THAT(Import(List({.number = 2, .revoked = {{serial_, house_.clock.Now(), Reason::kCertificateHold}}})),
              IsOk());
  EXPECT_EQ(State(), AuthorityState::kDisabled);
  EXPECT_THAT(house_.Issue(request, "operator"), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  ASSERT_THAT(house_.lifecycle().SetState(operator_, "plant-c", AuthorityState::kEnabled, false, 0), IsOk());
  const auto imported = Import(List({.number = 3, .revoked = {{serial_, house_.clock.Now(), Reason::kCaCompromise}}}));
  ASSERT_THAT(imported, IsOk());
  ASSERT_EQ(imported->changed.size(), 1u);
  EXPECT_EQ(imported->changed[0].authority, "plant-c");
  EXPECT_EQ(State(), AuthorityState::kRevoked);
  EXPECT_THAT(house_.Issue(request, "operator"), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST_F(ImportedCrlTest, OneThatEndsSoonIsWarnedOf) {
  OcspSigners signers(house_.authority(), house_.MakeTokens(), "test");
  const auto warnings = [&] {
    std::vector<std::string> found;
    const Freshness freshness = LookAtFreshness(house_.authority(), signers).value();
    for (const std::string& warning : freshness.warnings) {
      if (warning.find("safe-root") != warning.npos) found.push_back(warning);
    }
    return found;
  };
  EXPECT_TRUE(warnings().empty());
  ASSERT_THAT(Import(List({.age = absl::ZeroDuration(), .lifetime = absl::Hours(4)})), IsOk());
  EXPECT_TRUE(warnings().empty());
  house_.clock.now += absl::Hours(3) + absl::Minutes(1);
  EXPECT_THAT(warnings(), ElementsAre(::testing::HasSubstr("ends on")));
  house_.clock.now += absl::Hours(1);
  EXPECT_THAT(warnings(), ElementsAre(::testing::HasSubstr("has expired")));
}

}  // namespace
}  // namespace hallmark
