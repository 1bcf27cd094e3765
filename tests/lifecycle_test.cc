// The life of an authority in one house: created in steps that survive a crash, enabled and disabled, rolled over, its
// key found elsewhere; and how another process and outside judges see it.
#include <gmock/gmock.h>

#include <thread>

#include "base/file.h"
#include "base/reason.h"
#include "tests/command.h"
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
using testing::RunCommand;

constexpr Time kNoDeadline = absl::InfiniteFuture();

NewAuthority PlantB() {
  NewAuthority asked;
  asked.request_id = "create:plant-b";
  asked.authority = "plant-b";
  asked.profile = "issuing-authority";
  asked.subject = {{"O", "Test"}, {"CN", "Plant B"}};
  asked.parent = "root";
  asked.profiles = {"device-dps"};
  return asked;
}

class LifecycleTest : public ::testing::Test {
 protected:
  StatusOr<AuthorityRecord> Create(const NewAuthority& asked) {
    return house_.lifecycle().Create(operator_, asked, kNoDeadline);
  }
  StatusOr<AuthorityRecord> RollOver(const std::string& authority, const std::string& successor) {
    Rollover rollover;
    rollover.request_id = "rollover:" + successor;
    rollover.successor = successor;
    return house_.lifecycle().RollOver(operator_, authority, rollover, kNoDeadline);
  }
  StatusOr<AuthorityRecord> SetState(const std::string& authority, AuthorityState state, bool keep = false) {
    return house_.lifecycle().SetState(operator_, authority, state, keep, 0);
  }
  StatusOr<Issued> IssueFrom(const std::string& authority, const std::string& device,
                             const std::string& role = "operator") {
    Request request = house_.DeviceRequest(device, device);
    request.authority = authority;
    return house_.Issue(request, role);
  }
  AuthorityState StateOf(const std::string& authority) { return house_.store().GetAuthority(authority)->state; }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (house_.directory() / name).string();
    EXPECT_THAT(WriteFile(path, AsBytes(text)), IsOk());
    return path;
  }
  // What openssl says of a device's certificate, with the CRLs of its issuer and of the root.
  std::string Verify(const Issued& issued) {
    const std::vector<Bytes>& chain = issued.issuer->chain();
    std::string crls;
    for (const std::string& name : {issued.record.authority, std::string("root")}) {
      const auto crl = house_.authority().GenerateCrl(house_.issuer(name), kNoDeadline);
      EXPECT_THAT(crl, IsOk());
      crls += PemEncode("X509 CRL", crl->crl);
    }
    return RunCommand("openssl verify -x509_strict -crl_check_all -CAfile " +
                      Write("root.pem", PemEncode("CERTIFICATE", chain.back())) + " -untrusted " +
                      Write("issuer.pem", PemEncode("CERTIFICATE", chain.front())) + " -CRLfile " +
                      Write("crls.pem", crls) + " " +
                      Write("device.pem", PemEncode("CERTIFICATE", issued.record.certificate)))
        .output;
  }

  House house_;
  const Caller operator_ = House::CallerOf("operator");
};

TEST_F(LifecycleTest, AnAuthorityIsStagedThenEnabledAndIssuesWhatOpensslVerifies) {
  const auto created = Create(PlantB());
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->state, AuthorityState::kStaged);
  EXPECT_EQ(created->parent, "root");
  EXPECT_EQ(created->signature_algorithm, "ecdsa-sha256");
  EXPECT_THAT(Verify(IssueFrom("plant-b", "staged").value()), HasSubstr("device.pem: OK"));
  EXPECT_EQ(SetState("plant-b", AuthorityState::kEnabled)->state, AuthorityState::kEnabled);
  EXPECT_THAT(Verify(IssueFrom("plant-b", "enabled").value()), HasSubstr("device.pem: OK"));
  EXPECT_THAT(IssueFrom("plant-b", "stations", "station"), Fails(Code::kPermissionDenied, reason::kPermissionDenied));
}

TEST_F(LifecycleTest, ARootOfItsOwnCertifiesWhatItIsMadeFor) {
  NewAuthority root = PlantB();
  root.authority = root.parent = root.request_id = "root-b";
  root.profile = "root";
  root.subject = {{"CN", "Root B"}};
  root.profiles = {"issuing-authority"};
  root.state = AuthorityState::kEnabled;
  ASSERT_THAT(Create(root), IsOk());
  NewAuthority plant = PlantB();
  plant.parent = "root-b";
  ASSERT_THAT(Create(plant), IsOk());
  const auto issued = IssueFrom("plant-b", "device-dps");
  ASSERT_THAT(issued, IsOk());
  EXPECT_EQ(issued->issuer->chain().back(), house_.issuer("root-b").record().certificate);
}

TEST_F(LifecycleTest, WhatIsRefusedLeavesNothing) {
  struct Case {
    const char* name;
    std::function<void(NewAuthority&)> change;
    Code code;
    const char* reason;
    const char* field = "";
  };
  const std::vector<Case> cases = {
      {"no request id", [](auto& a) { a.request_id.clear(); }, Code::kInvalidArgument, reason::kRequestInvalid,
       "request_id"},
      {"a name with a capital", [](auto& a) { a.authority = "Plant"; }, Code::kInvalidArgument, reason::kRequestInvalid,
       "authority_id"},
      {"no name", [](auto& a) { a.authority.clear(); }, Code::kInvalidArgument, reason::kRequestInvalid,
       "authority_id"},
      {"a name of 64", [](auto& a) { a.authority = std::string(64, 'a'); }, Code::kInvalidArgument,
       reason::kRequestInvalid, "authority_id"},
      {"a name that is taken", [](auto& a) { a.authority = "devices"; }, Code::kAlreadyExists,
       reason::kAuthorityExists},
      {"no such parent", [](auto& a) { a.parent = "nobody"; }, Code::kNotFound, reason::kAuthorityUnknown},
      {"a parent that certifies no authorities", [](auto& a) { a.parent = "devices"; }, Code::kFailedPrecondition,
       reason::kProfileUnknown},
      {"no such profile", [](auto& a) { a.profile = "toaster"; }, Code::kInvalidArgument, reason::kProfileUnknown,
       "profile"},
      {"a device's profile", [](auto& a) { a.profile = "device-dps"; }, Code::kInvalidArgument, reason::kProfileUnknown,
       "profile"},
      {"a root's profile below a root", [](auto& a) { a.profile = "root"; }, Code::kInvalidArgument,
       reason::kProfileUnknown, "profile"},
      {"a device's profile, certified elsewhere",
       [](auto& a) {
         a.profile = "device-dps";
         a.parent.clear();
       },
       Code::kInvalidArgument, reason::kProfileUnknown, "profile"},
      {"an issued profile that is not there", [](auto& a) { a.profiles = {"toaster"}; }, Code::kInvalidArgument,
       reason::kProfileUnknown, "profiles"},
      {"a subject without CN",
       [](auto& a) {
         a.subject = {{"O", "Test"}};
       },
       Code::kInvalidArgument, reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"its issuer's subject",
       [](auto& a) {
         a.subject = {{"O", "Test"}, {"CN", "Test Root"}};
       },
       Code::kInvalidArgument, reason::kSubjectNotAllowed, "subject"},
      {"a key that the profile forbids", [](auto& a) { a.key.type = KeyType::kRsa2048; }, Code::kInvalidArgument,
       reason::kKeyNotAllowed, "csr.public_key"},
      {"an algorithm that does not fit", [](auto& a) { a.key.algorithm = SignatureAlgorithm::kRsaPssSha256; },
       Code::kInvalidArgument, reason::kRequestInvalid, "signature_algorithm"},
      {"longer than the profile", [](auto& a) { a.lifetime = absl::Hours(24 * 365 * 21); }, Code::kInvalidArgument,
       reason::kValidityNotAllowed, "lifetime"},
      {"DISABLED from the beginning", [](auto& a) { a.state = AuthorityState::kDisabled; }, Code::kInvalidArgument,
       reason::kRequestInvalid, "state"},
      {"a key that is not there", [](auto& a) { a.key.key_uris = {"pkcs11:token=test;object=nothing"}; },
       Code::kFailedPrecondition, reason::kHsmKeyNotFound},
      {"two keys as one",
       [](auto& a) {
         a.key.key_uris = {House::UriOf("root"), House::UriOf("devices")};
       },
       Code::kInvalidArgument, reason::kRequestInvalid, "key_uris"},
  };
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  for (const Case& c : cases) {
    NewAuthority asked = PlantB();
    c.change(asked);
    const auto created = Create(asked);
    EXPECT_THAT(created, Fails(c.code, c.reason)) << c.name;
    const auto fields = Fields(created.status());
    EXPECT_EQ(fields.empty() ? "" : fields[0].field, c.field) << c.name;
  }
  house_.labels.insert("plant-b");
  EXPECT_THAT(Create(PlantB()), Fails(Code::kAlreadyExists, reason::kHsmRefused)) << "somebody else's key";
  house_.labels.erase("plant-b");
  NewAuthority only_asked = PlantB();
  only_asked.validate_only = true;
  EXPECT_THAT(Create(only_asked), IsOk());
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves);
  EXPECT_EQ(house_.generated, 0);
  EXPECT_THAT(Create(PlantB()), IsOk());
}

TEST_F(LifecycleTest, OnlyAnOperatorActs) {
  ASSERT_THAT(Create(PlantB()), IsOk());
  for (const char* role : {"station", "auditor", "nobody"}) {
    const Caller caller = House::CallerOf(role);
    Lifecycle& lifecycle = house_.lifecycle();
    NewAuthority asked = PlantB();
    asked.authority = "plant-x";
    const Status denied[] = {lifecycle.Create(caller, asked, kNoDeadline).status(),
                             lifecycle.RollOver(caller, "plant-b", {}, kNoDeadline).status(),
                             lifecycle.RollOver(caller, "unknown", {}, kNoDeadline).status(),
                             lifecycle.FetchCsr(caller, "plant-b", kNoDeadline).status(),
                             lifecycle.Activate(caller, "plant-b", {}, false).status(),
                             lifecycle.SetState(caller, "plant-b", AuthorityState::kDisabled, false, 0).status(),
                             lifecycle.SetState(caller, "unknown", AuthorityState::kDisabled, false, 0).status(),
                             lifecycle.Update(caller, "plant-b", {.key_uris = {}, .profiles = {}}, 0).status()};
    for (const Status& status : denied) {
      EXPECT_THAT(status, Fails(Code::kPermissionDenied, reason::kPermissionDenied)) << role;
    }
  }
}

TEST_F(LifecycleTest, TheSameRequestFindsWhatItMadeAndAnotherIsRefused) {
  const auto created = Create(PlantB());
  ASSERT_THAT(created, IsOk());
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  house_.Reopen();
  EXPECT_EQ(Create(PlantB())->certificate, created->certificate);
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves);
  NewAuthority other_content = PlantB();
  other_content.key.type = KeyType::kEcP384;
  EXPECT_THAT(Create(other_content), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  NewAuthority other_name = PlantB();
  other_name.authority = "plant-c";
  EXPECT_THAT(Create(other_name), Fails(Code::kAlreadyExists, reason::kRequestIdReused));
  NewAuthority other_request = PlantB();
  other_request.request_id = "another";
  EXPECT_THAT(Create(other_request), Fails(Code::kAlreadyExists, reason::kAuthorityExists));
  EXPECT_THAT(house_.lifecycle().Create(House::CallerOf("operator", "two"), PlantB(), kNoDeadline),
              Fails(Code::kAlreadyExists, reason::kAuthorityExists));
  EXPECT_EQ(house_.generated, 1);
}

// A crash between any two steps of a creation: the process is gone, and the same request is sent to the next one.
struct Crash {
  const char* name;
  std::function<void(House&)> arrange;
};

std::vector<Crash> Crashes() {
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "the process was killed here");
  std::vector<Crash> crashes = {
      {"BeforeTheKeyIsGenerated", [=](House& h) { h.generate_failure = away; }},
      {"AfterTheKeyIsGenerated", [=](House& h) { h.lost_answer = away; }},
      {"BeforeTheCertificateIsSigned", [=](House& h) { h.signer_failure = away; }},
  };
  static constexpr const char* kNames[][2] = {{"RequestLost", "RequestKept"},
                                              {"KeyLost", "KeyKept"},
                                              {"IntentLost", "IntentKept"},
                                              {"CertificateLost", "CertificateKept"},
                                              {"ActivationLost", "ActivationKept"}};
  for (int after = 0; after < 5; ++after) {
    for (const bool kept : {false, true}) {
      crashes.push_back({kNames[after][kept ? 1 : 0], [=](House& h) { h.store_fault = {after, kept, 0}; }});
    }
  }
  return crashes;
}

class CrashedCreationTest : public ::testing::TestWithParam<Crash> {};

TEST_P(CrashedCreationTest, IsFinishedByTheSameRequest) {
  House house;
  const Caller caller = House::CallerOf("operator");
  const int signatures = house.signatures;
  GetParam().arrange(house);
  ASSERT_FALSE(house.lifecycle().Create(caller, PlantB(), kNoDeadline).ok());
  house.generate_failure = house.lost_answer = house.signer_failure = absl::OkStatus();
  house.store_fault = {};
  house.Reopen();
  ASSERT_THAT(house.authority().Recover(absl::InfiniteFuture(), kNoDeadline), IsOk()) << "the service starts";
  EXPECT_THAT(house.Issue(house.DeviceRequest("meanwhile")), IsOk());

  const auto created = house.lifecycle().Create(caller, PlantB(), kNoDeadline);
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->state, AuthorityState::kStaged);
  EXPECT_EQ(house.generated, 1) << "no key is left that no record names";
  EXPECT_THAT(created->key_uris, ElementsAre(House::UriOf("plant-b")));
  EXPECT_LE(house.signatures - signatures, 3);  // the device's, and at most two of one draft
  CertificateFilter made;
  made.subject = "CN=Plant B,O=Test";
  const auto certificates = house.store().ListCertificates(made, 10, "");
  ASSERT_EQ(certificates->items.size(), 1u);
  EXPECT_EQ(certificates->items[0].certificate, created->certificate);
  EXPECT_THAT(house.store().OpenIntents().value(), IsEmpty());
  Request request = house.DeviceRequest("device-dps");
  request.authority = "plant-b";
  EXPECT_THAT(house.Issue(request, "operator"), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Each, CrashedCreationTest, ::testing::ValuesIn(Crashes()),
                         [](const auto& crash) { return crash.param.name; });

TEST_F(LifecycleTest, ACrashedRootIsFinishedAndDoesNotKeepTheServiceFromStarting) {
  NewAuthority root = PlantB();
  root.authority = root.parent = "root-b";
  root.profile = "root";
  root.profiles = {};
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  ASSERT_THAT(Create(root), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  house_.signer_failure = absl::OkStatus();
  house_.Reopen();
  EXPECT_EQ(house_.authority().Recover(absl::InfiniteFuture(), kNoDeadline).value(), 0u);
  EXPECT_THAT(Create(root), IsOk());
  EXPECT_EQ(house_.generated, 1);
}

TEST_F(LifecycleTest, OfManyWhoCreateOneNameAtOnceOneSucceeds) {
  constexpr int kThreads = 8;
  for (const bool same_request : {false, true}) {
    std::vector<StatusOr<AuthorityRecord>> results(kThreads, absl::UnknownError(""));
    NewAuthority asked = PlantB();
    if (same_request) asked.authority = asked.request_id = "plant-c";
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i, asked]() mutable {
          if (!same_request) asked.request_id = std::to_string(i);
          results[i] = Create(asked);
        });
      }
    }
    int succeeded = 0;
    for (const auto& result : results) {
      if (result.ok()) {
        ++succeeded;
        EXPECT_EQ(result->certificate, house_.store().GetAuthority(asked.authority)->certificate);
      } else {
        EXPECT_FALSE(same_request);
        EXPECT_THAT(result, Fails(Code::kAlreadyExists, reason::kAuthorityExists));
      }
    }
    EXPECT_EQ(succeeded, same_request ? kThreads : 1);
    EXPECT_EQ(house_.generated, same_request ? 2 : 1);
  }
}

TEST_F(LifecycleTest, ADisabledAuthorityIssuesNothingSaysWhoDoesAndItsCrlGoesOn) {
  ASSERT_THAT(SetState("devices", AuthorityState::kDisabled), IsOk());
  EXPECT_THAT(IssueFrom("devices", "late"), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(house_.authority().GenerateCrl(house_.issuer("devices"), kNoDeadline), IsOk());
  const uint64_t leaves = house_.store().GetLedgerHead()->size;
  ASSERT_THAT(SetState("devices", AuthorityState::kDisabled), IsOk());
  EXPECT_EQ(house_.store().GetLedgerHead()->size, leaves) << "the same state again is no act";
  ASSERT_THAT(SetState("devices", AuthorityState::kEnabled), IsOk());
  EXPECT_THAT(IssueFrom("devices", "back"), IsOk());
  for (const AuthorityState state : {AuthorityState::kRevoked, AuthorityState::kAwaitingActivation, AuthorityState(0)})
    EXPECT_THAT(SetState("devices", state), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(SetState("nobody", AuthorityState::kEnabled), Fails(Code::kNotFound, reason::kAuthorityUnknown));
  const uint64_t old = house_.store().GetAuthority("devices")->version - 1;
  EXPECT_THAT(house_.lifecycle().SetState(operator_, "devices", AuthorityState::kStaged, false, old),
              Fails(Code::kAborted, reason::kAuthorityChanged));
}

TEST_F(LifecycleTest, ADisabledAuthorityShowsThatItHasItsKeyAndARevokedOneDoesNot) {
  const auto prove = [&](const std::string& request_id) {
    testing::CsrBuilder csr(House::DeviceKey("thrown away"));
    csr.subject = EncodeName({{"CN", std::string(48, 'A')}});
    return house_.Issue({.request_id = request_id,
                         .authority = "devices",
                         .profile = kPossessionProfile,
                         .csr = csr.Build(),
                         .lifetime = std::nullopt},
                        "operator");
  };
  ASSERT_THAT(SetState("devices", AuthorityState::kDisabled), IsOk());
  EXPECT_THAT(prove("disabled"), IsOk());
  EXPECT_THAT(IssueFrom("devices", "late"), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  AuthorityRevocation revocation;
  revocation.request_id = "gone";
  revocation.reason = RevocationReason::kCaCompromise;
  ASSERT_THAT(house_.lifecycle().Revoke(operator_, "devices", revocation), IsOk());
  EXPECT_THAT(prove("revoked"), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST_F(LifecycleTest, ARevokedOrExpiredAuthorityIsNotEnabled) {
  ASSERT_THAT(SetState("devices", AuthorityState::kDisabled), IsOk());
  const Bytes serial = ToBytes(house_.issuer("devices").serial());
  ASSERT_THAT(house_.authority().Revoke(operator_, "root", serial, RevocationReason::kCaCompromise), IsOk());
  EXPECT_THAT(SetState("devices", AuthorityState::kEnabled),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  ASSERT_THAT(SetState("access", AuthorityState::kDisabled), IsOk());
  house_.clock.now = house_.issuer("access").not_after() + absl::Hours(1);
  EXPECT_THAT(SetState("access", AuthorityState::kEnabled),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST_F(LifecycleTest, ARolloverServesBothAndMovesIssuanceInOneStep) {
  const Issued before = IssueFrom("devices", "before", "station").value();
  const auto successor = RollOver("devices", "devices-2");
  ASSERT_THAT(successor, IsOk());
  EXPECT_EQ(successor->state, AuthorityState::kStaged);
  EXPECT_EQ(successor->predecessor, "devices");
  EXPECT_EQ(house_.store().GetAuthority("devices")->successor, "devices-2");
  EXPECT_THAT(IssueFrom("devices", "still", "station"), IsOk());
  // Roles and profiles that name the one hold for the other.
  EXPECT_THAT(IssueFrom("devices-2", "first", "station"), IsOk());

  ASSERT_THAT(SetState("devices-2", AuthorityState::kEnabled), IsOk());
  EXPECT_EQ(StateOf("devices"), AuthorityState::kDisabled);
  const auto refused = IssueFrom("devices", "late", "station");
  ASSERT_THAT(refused, Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_THAT(Message(refused.status()), HasSubstr("'devices-2'"));

  const Issued after = IssueFrom("devices-2", "after", "station").value();
  EXPECT_TRUE(Equal(house_.issuer("devices").name(), house_.issuer("devices-2").name()));
  EXPECT_NE(ToBytes(house_.issuer("devices").key_identifier()), ToBytes(house_.issuer("devices-2").key_identifier()));
  EXPECT_THAT(Verify(before), HasSubstr("device.pem: OK"));
  EXPECT_THAT(Verify(after), HasSubstr("device.pem: OK"));
  // Each CRL is its own authority's: revoked under the old key is on the old key's list.
  ASSERT_THAT(house_.authority().Revoke(operator_, "devices", before.record.serial, RevocationReason::kSuperseded),
              IsOk());
  EXPECT_THAT(Verify(before), HasSubstr("certificate revoked"));
  EXPECT_THAT(Verify(after), HasSubstr("device.pem: OK"));
}

TEST_F(LifecycleTest, ARolloverMayKeepThePredecessorAndHappensOnce) {
  const auto first = RollOver("devices", "devices-2");
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(RollOver("devices", "devices-2")->certificate, first->certificate) << "the same request";
  EXPECT_THAT(RollOver("devices", "devices-b"), Fails(Code::kAlreadyExists, reason::kAuthorityExists));
  ASSERT_THAT(SetState("devices-2", AuthorityState::kEnabled, true), IsOk());
  EXPECT_EQ(StateOf("devices"), AuthorityState::kEnabled);
  ASSERT_THAT(RollOver("devices-2", "devices-3"), IsOk());
  ASSERT_THAT(SetState("devices-3", AuthorityState::kEnabled), IsOk());
  EXPECT_EQ(StateOf("devices-2"), AuthorityState::kDisabled);
  EXPECT_EQ(StateOf("devices"), AuthorityState::kEnabled);
  EXPECT_THAT(IssueFrom("devices-3", "third", "station"), IsOk());
}

TEST_F(LifecycleTest, ARootIsRolledOverAndItsSuccessorCertifiesTheNextOnes) {
  ASSERT_THAT(RollOver("root", "root-2"), IsOk());
  ASSERT_THAT(SetState("root-2", AuthorityState::kEnabled), IsOk());
  const Issued old_chain = IssueFrom("devices", "old", "station").value();
  EXPECT_THAT(Verify(old_chain), HasSubstr("device.pem: OK"));
  const auto successor = RollOver("devices", "devices-2");
  ASSERT_THAT(successor, IsOk());
  EXPECT_EQ(successor->parent, "root-2");
  const Issued new_chain = IssueFrom("devices-2", "new", "station").value();
  EXPECT_EQ(new_chain.issuer->chain().back(), house_.issuer("root-2").record().certificate);
}

TEST_F(LifecycleTest, AKeyIsFoundAtSeveralUrisIfItIsTheSame) {
  // The token knows the key under a second name.
  const std::string again = "pkcs11:token=second;object=devices";
  const auto update = [&](std::vector<std::string> uris, uint64_t version = 0) {
    return house_.lifecycle().Update(operator_, "devices", {.key_uris = std::move(uris), .profiles = {}}, version);
  };
  const std::string first = House::UriOf("devices");
  ASSERT_THAT(update({first, again}), IsOk());
  house_.Reopen();
  EXPECT_THAT(house_.store().GetAuthority("devices")->key_uris, ElementsAre(first, again));
  EXPECT_THAT(IssueFrom("devices", "one", "station"), IsOk());
  EXPECT_THAT(update({first, House::UriOf("access")}), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(update({first, "pkcs11:token=test;object=nothing"}),
              Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_THAT(update({}), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(update({first, first}), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  EXPECT_THAT(update({again}, 1), Fails(Code::kAborted, reason::kAuthorityChanged));
  EXPECT_EQ(update({again})->key_uris, std::vector<std::string>{again});
}

TEST_F(LifecycleTest, ProfilesAreAllowedAndTakenAwayWhileItRuns) {
  const auto allow = [&](std::vector<std::string> profiles) {
    return house_.lifecycle().Update(operator_, "access", {.key_uris = {}, .profiles = std::move(profiles)}, 0);
  };
  EXPECT_THAT(IssueFrom("access", "a"), Fails(Code::kNotFound, reason::kProfileUnknown));
  ASSERT_THAT(allow({"device-dps"}), IsOk());
  EXPECT_THAT(IssueFrom("access", "b"), IsOk());
  ASSERT_THAT(allow({}), IsOk());
  EXPECT_THAT(IssueFrom("access", "c"), Fails(Code::kNotFound, reason::kProfileUnknown));
  EXPECT_THAT(allow({"toaster"}), Fails(Code::kInvalidArgument, reason::kProfileUnknown));
}

TEST_F(LifecycleTest, AnAuthorityWhoseKeyIsAwayIsServedAndHealsWhenItIsBack) {
  const Status away = Error(Code::kUnavailable, reason::kHsmUnavailable, "the token is away");
  house_.signer_failure = away;
  const Request intended = house_.DeviceRequest("intended");
  EXPECT_THAT(house_.Issue(intended), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  house_.signer_failure = absl::OkStatus();
  house_.open_failure = away;
  house_.Reopen();
  EXPECT_EQ(house_.authority().Recover(absl::InfiniteFuture(), kNoDeadline).value(), 0u) << "the service starts";
  EXPECT_EQ(house_.issuer("devices").chain().size(), 2u);
  EXPECT_THAT(IssueFrom("devices", "away", "station"), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_THAT(house_.authority().GenerateCrl(house_.issuer("devices"), kNoDeadline),
              Fails(Code::kUnavailable, reason::kHsmUnavailable));
  house_.open_failure = absl::OkStatus();
  house_.clock.now += absl::Seconds(2);
  EXPECT_THAT(IssueFrom("devices", "away", "station"), IsOk());
  EXPECT_THAT(house_.Issue(intended), IsOk());
}

TEST_F(LifecycleTest, AnotherProcessOnTheSameDatabaseIsNoticed) {
  Issuers issuers(house_.store(), house_.clock, house_.policies(), "http://ca.example",
                  [this](const AuthorityRecord& record) { return house_.OpenKey(record); });
  ASSERT_THAT(issuers.Reload(), IsOk());
  const auto held = issuers.Find("devices");
  ASSERT_THAT(Create(PlantB()), IsOk());
  EXPECT_FALSE(issuers.Current()->issuers.contains("plant-b"));
  EXPECT_THAT(issuers.Find("plant-b"), IsOk()) << "on the first look";
  ASSERT_THAT(SetState("devices", AuthorityState::kDisabled), IsOk());
  EXPECT_EQ(issuers.Find("devices").value()->record().state, AuthorityState::kDisabled);
  EXPECT_EQ((*held)->record().state, AuthorityState::kEnabled) << "a snapshot does not change";
  EXPECT_EQ(issuers.Find("access").value(), issuers.Current()->issuers.at("access")) << "what stayed is kept";
  ASSERT_THAT(RollOver("access", "access-2"), IsOk());
  EXPECT_EQ(issuers.Find("access").value()->record().successor, "access-2");
  house_.clock.now += absl::Seconds(1);
  EXPECT_TRUE(issuers.Recent()->issuers.contains("access-2"));
}

TEST_F(LifecycleTest, IssuanceGoesOnWhileAuthoritiesComeAndGo) {
  constexpr int kDevices = 60;
  std::atomic<int> issued = 0;
  {
    std::vector<std::jthread> stations;
    for (int thread = 0; thread < 4; ++thread) {
      stations.emplace_back([&, thread] {
        for (int i = 0; i < kDevices; ++i) {
          if (IssueFrom("devices", "d" + std::to_string(thread * kDevices + i), "station").ok()) ++issued;
        }
      });
    }
    for (int i = 0; i < 10; ++i) {
      NewAuthority asked = PlantB();
      asked.authority = asked.request_id = "plant-" + std::to_string(i);
      EXPECT_THAT(Create(asked), IsOk());
      EXPECT_THAT(SetState(asked.authority, AuthorityState::kDisabled), IsOk());
    }
  }
  EXPECT_EQ(issued, 4 * kDevices);
  EXPECT_EQ(house_.issuers().Current()->issuers.size(), 13u);
}

}  // namespace
}  // namespace hallmark
