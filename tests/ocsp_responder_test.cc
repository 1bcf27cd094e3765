// The responder over a whole authority: what it answers, what it keeps, and how its own certificates come and go.
#include "ca/ocsp_responder.h"

#include <gtest/gtest.h>
#include <openssl/ocsp.h>

#include <thread>

#include "tests/house.h"
#include "tests/ocsp_question.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::CertIdOf;
using testing::CertIdUnder;
using testing::House;
using testing::IsOk;
using testing::OcspQuestion;

class OcspResponderTest : public ::testing::Test {
 protected:
  OcspResponderTest() : OcspResponderTest(SignatureAlgorithm::kEcdsaSha256) {}
  explicit OcspResponderTest(SignatureAlgorithm algorithm, OcspOptions options = {})
      : house_(algorithm), options_(options) {
    Open();
  }

  // As after a start of the service.
  void Open() {
    responder_.reset();
    signers_.emplace(house_.authority(), house_.MakeTokens(), "test");
    responder_.emplace(house_.authority(), *signers_, options_);
    Observers observers;
    observers.revoked = [this](const CertificateRecord& record) { responder_->RevocationChanged(record); };
    house_.authority().SetObservers(std::move(observers));
  }
  void Restart() {
    house_.Reopen();
    Open();
  }

  Bytes IssuerCertificate(const std::string& authority) const { return house_.issuer(authority).record().certificate; }
  Bytes IdOf(const CertificateRecord& record, OcspHash hash = OcspHash::kSha1) const {
    return CertIdUnder(IssuerCertificate(record.authority), record.serial, hash);
  }
  CertificateRecord Device(const std::string& name = "device-1") {
    return house_.Issue(house_.DeviceRequest("request-" + name, name)).value().record;
  }
  void Revoke(const CertificateRecord& record, RevocationReason reason = RevocationReason::kKeyCompromise) {
    ASSERT_THAT(house_.authority().Revoke(House::CallerOf("operator"), record.authority, record.serial, reason),
                IsOk());
  }

  struct Answered {
    OcspAnswer answer;
    OcspResponseParts parts;
    const SingleResponse& single() const { return parts.data.responses.at(0); }
  };
  Answered Ask(const OcspQuestion& question) { return AskOctets(question.Build()); }
  Answered AskOctets(const Bytes& request) {
    Answered answered{responder_->Answer(request), {}};
    answered.parts = ReadOcspResponse(AsBytes(*answered.answer.der)).value();
    EXPECT_EQ(answered.parts.status, answered.answer.status);
    return answered;
  }
  OcspStatus StatusFor(const OcspQuestion& question) { return Ask(question).answer.status; }
  std::vector<CertificateRecord> Signers(const std::string& authority) {
    CertificateFilter filter;
    filter.authority = authority;
    filter.profile = kResponderProfile;
    return house_.store().ListCertificates(filter, 100, "").value().items;
  }

  House house_;
  const OcspOptions options_;
  std::optional<OcspSigners> signers_;
  std::optional<OcspResponder> responder_;
};

// OpenSSL's verdict on a response: signed by who may, below the root.
void ExpectVerified(const OcspAnswer& answer, const std::vector<Bytes>& chain) {
  const uint8_t* in = AsBytes(*answer.der).data();
  const ssl::Owner<OCSP_RESPONSE, OCSP_RESPONSE_free> response(
      d2i_OCSP_RESPONSE(nullptr, &in, static_cast<long>(answer.der->size())));
  ASSERT_NE(response, nullptr);
  const ssl::Owner<OCSP_BASICRESP, OCSP_BASICRESP_free> basic(OCSP_response_get1_basic(response.get()));
  ASSERT_NE(basic, nullptr);
  const ssl::Owner<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const auto free_all = [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); };
  const std::unique_ptr<STACK_OF(X509), decltype(free_all)> untrusted(sk_X509_new_null(), free_all);
  for (const Bytes& der : chain) {
    const uint8_t* at = der.data();
    ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (&der == &chain.back()) {
      ASSERT_EQ(X509_STORE_add_cert(store.get(), certificate.get()), 1);
    } else {
      sk_X509_push(untrusted.get(), certificate.release());
    }
  }
  X509_STORE_set_flags(store.get(), X509_V_FLAG_NO_CHECK_TIME);
  EXPECT_EQ(OCSP_basic_verify(basic.get(), untrusted.get(), store.get(), 0), 1) << ssl::DrainErrors();
}

TEST_F(OcspResponderTest, WhatIsAskedForIsSignedAnewBeforeAnybodyWaits) {
  const CertificateRecord asked = Device("device-1");
  const CertificateRecord forgotten = Device("device-2");
  const auto ask = [&](const CertificateRecord& record) { return Ask({.ids = {IdOf(record)}}); };
  ask(forgotten);
  ask(asked);
  ask(asked);  // again, from what is kept
  const std::atomic<bool> stopping = false;
  const int signatures = house_.signatures;
  responder_->Renew(absl::Minutes(1), stopping);
  EXPECT_EQ(house_.signatures, signatures) << "it is not time yet";
  house_.clock.now += absl::Minutes(29) + absl::Seconds(30);
  responder_->Renew(absl::Minutes(1), stopping);
  EXPECT_EQ(house_.signatures, signatures + 1);
  const Time renewed = house_.clock.now;
  house_.clock.now += absl::Minutes(5);
  EXPECT_EQ(ask(asked).single().this_update, renewed);
  EXPECT_EQ(house_.signatures, signatures + 1) << "nobody waited for it";
  // An outage leaves what is kept.
  house_.clock.now += absl::Minutes(25);
  house_.signer_failure = absl::UnavailableError("away");
  responder_->Renew(absl::Minutes(1), stopping);
  house_.signer_failure = absl::OkStatus();
  EXPECT_EQ(ask(asked).answer.status, OcspStatus::kSuccessful);
}

TEST_F(OcspResponderTest, SaysGoodRevokedAndUnknown) {
  const CertificateRecord good = Device("device-1");
  const CertificateRecord bad = Device("device-2");
  Revoke(bad);
  for (const OcspHash hash : {OcspHash::kSha1, OcspHash::kSha256}) {
    const Answered of_good = Ask({.ids = {IdOf(good, hash)}});
    ASSERT_EQ(of_good.answer.status, OcspStatus::kSuccessful);
    EXPECT_EQ(of_good.single().status, CertStatus::kGood);
    EXPECT_EQ(of_good.single().cert_id, IdOf(good, hash));
    EXPECT_EQ(of_good.single().this_update, house_.clock.now);
    EXPECT_EQ(of_good.single().next_update, house_.clock.now + absl::Hours(1));
    ExpectVerified(of_good.answer, house_.issuer("devices").chain());
    const Answered of_bad = Ask({.ids = {IdOf(bad, hash)}});
    ASSERT_EQ(of_bad.answer.status, OcspStatus::kSuccessful);
    EXPECT_EQ(of_bad.single().status, CertStatus::kRevoked);
    EXPECT_EQ(of_bad.single().revoked, house_.clock.now);
    EXPECT_EQ(of_bad.single().reason, RevocationReason::kKeyCompromise);
    ExpectVerified(of_bad.answer, house_.issuer("devices").chain());
  }
  // What was never issued is never good; neither is the serial number of another authority's certificate.
  for (const Bytes& serial : {Bytes{0x42}, Bytes(16, 0x42), Bytes(20, 0x42), ToBytes(house_.issuer("root").serial())}) {
    const Answered unknown = Ask({.ids = {CertIdUnder(IssuerCertificate("devices"), serial)}});
    ASSERT_EQ(unknown.answer.status, OcspStatus::kSuccessful);
    EXPECT_EQ(unknown.single().status, CertStatus::kUnknown);
    EXPECT_FALSE(unknown.answer.reuse.has_value());
    EXPECT_LE(unknown.single().next_update, house_.clock.now + absl::Minutes(5));
  }
  EXPECT_EQ(responder_->cached(), 4u);
}

TEST_F(OcspResponderTest, AnswersOfTheRootAndOfTheAuthoritysOwnCertificate) {
  const Answered answered =
      Ask({.ids = {CertIdUnder(IssuerCertificate("root"), ToBytes(house_.issuer("devices").serial()))}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_EQ(answered.single().status, CertStatus::kGood);
  ExpectVerified(answered.answer, house_.issuer("root").chain());
}

TEST_F(OcspResponderTest, WhatIsIntendedOnlyIsUnknown) {
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  EXPECT_FALSE(house_.Issue(house_.DeviceRequest("r")).ok());
  house_.signer_failure = absl::OkStatus();
  const std::vector<Intent> open = house_.store().OpenIntents().value();
  ASSERT_EQ(open.size(), 1u);
  const Answered answered = Ask({.ids = {CertIdUnder(IssuerCertificate("devices"), open[0].serial)}});
  EXPECT_EQ(answered.single().status, CertStatus::kUnknown);
}

TEST_F(OcspResponderTest, RefusesWhatItCannotAnswerFor) {
  const CertificateRecord device = Device();
  const Bytes serial = der::Unsigned(device.serial);
  const Bytes root_id = CertIdUnder(IssuerCertificate("root"), Bytes{1});
  // The name of one of our authorities and the key of another.
  const Bytes devices_der = IssuerCertificate("devices");
  const Bytes root_der = IssuerCertificate("root");
  const CertificateParts devices = ReadCertificate(devices_der).value();
  const CertificateParts root = ReadCertificate(root_der).value();
  const Bytes mixed = CertIdOf(testing::kSha1Oid, HashOf(OcspHash::kSha1, devices.subject),
                               HashOf(OcspHash::kSha1, PublicKey::FromSpki(root.spki).value().key_octets()), serial);
  const struct {
    std::string name;
    OcspQuestion question;
    OcspStatus status;
  } cases[] = {
      {"another's issuer",
       {.ids = {CertIdOf(testing::kSha1Oid, Bytes(20, 1), Bytes(20, 2), serial)}},
       OcspStatus::kUnauthorized},
      {"a name and another's key", {.ids = {mixed}}, OcspStatus::kUnauthorized},
      {"an unknown hash",
       {.ids = {CertIdOf("2.16.840.1.101.3.4.2.3", Bytes(64, 1), Bytes(64, 2), serial)}},
       OcspStatus::kUnauthorized},
      {"two issuers of ours", {.ids = {IdOf(device), root_id}}, OcspStatus::kUnauthorized},
      {"ours and another's",
       {.ids = {IdOf(device), CertIdOf(testing::kSha1Oid, Bytes(20, 1), Bytes(20, 2), serial)}},
       OcspStatus::kUnauthorized},
      {"nothing", {}, OcspStatus::kMalformedRequest},
      {"a nonce of 33", {.ids = {IdOf(device)}, .nonce = Bytes(33, 1)}, OcspStatus::kMalformedRequest},
      {"a nonce of 0", {.ids = {IdOf(device)}, .nonce = Bytes()}, OcspStatus::kMalformedRequest},
  };
  const int before = house_.signatures;
  for (const auto& c : cases) {
    const Answered answered = Ask(c.question);
    EXPECT_EQ(answered.answer.status, c.status) << c.name;
    EXPECT_FALSE(answered.answer.reuse.has_value()) << c.name;
  }
  EXPECT_EQ(house_.signatures, before);  // none of it costs a signature, nor a key
  EXPECT_FALSE(house_.labels.contains("ocsp.devices"));
}

TEST_F(OcspResponderTest, SeveralCertificatesOfOneIssuerInOneAnswer) {
  const CertificateRecord good = Device("device-1");
  const CertificateRecord bad = Device("device-2");
  Revoke(bad);
  const Answered answered =
      Ask({.ids = {IdOf(good), IdOf(bad, OcspHash::kSha256), CertIdUnder(IssuerCertificate("devices"), Bytes{9})}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  ASSERT_EQ(answered.parts.data.responses.size(), 3u);
  EXPECT_EQ(answered.parts.data.responses[0].status, CertStatus::kGood);
  EXPECT_EQ(answered.parts.data.responses[1].status, CertStatus::kRevoked);
  EXPECT_EQ(answered.parts.data.responses[2].status, CertStatus::kUnknown);
  EXPECT_FALSE(answered.answer.reuse.has_value());
  EXPECT_EQ(responder_->cached(), 0u);
}

TEST_F(OcspResponderTest, ANonceComesBackInAResponseOfItsOwn) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  const int before = house_.signatures;
  for (int i = 1; i <= 3; ++i) {
    const Answered answered = Ask({.ids = {IdOf(device)}, .nonce = Bytes(32, static_cast<uint8_t>(i))});
    EXPECT_EQ(answered.parts.data.nonce, Bytes(32, static_cast<uint8_t>(i)));
    EXPECT_FALSE(answered.answer.reuse.has_value());
    EXPECT_EQ(house_.signatures, before + i);
  }
  EXPECT_EQ(responder_->cached(), 1u);
}

TEST_F(OcspResponderTest, AResponseIsSignedOnceAndAgainAfterHalfItsTime) {
  const CertificateRecord device = Device();
  const OcspQuestion question{.ids = {IdOf(device)}};
  const Answered first = Ask(question);
  ASSERT_TRUE(first.answer.reuse.has_value());
  EXPECT_EQ(first.answer.reuse->refresh, house_.clock.now + absl::Minutes(30));
  const int before = house_.signatures;
  house_.clock.now += absl::Minutes(30) - absl::Seconds(1);
  EXPECT_EQ(*Ask(question).answer.der, *first.answer.der);
  EXPECT_EQ(house_.signatures, before);
  house_.clock.now += absl::Seconds(1);
  const Answered second = Ask(question);
  EXPECT_NE(*second.answer.der, *first.answer.der);
  EXPECT_EQ(second.single().this_update, house_.clock.now);
  EXPECT_EQ(house_.signatures, before + 1);
}

TEST_F(OcspResponderTest, AnswersAtOnceWhatItKeepsForASecondAfterALookAtTheStore) {
  const CertificateRecord record = Device();
  const Bytes request = OcspQuestion{.ids = {IdOf(record)}}.Build();
  EXPECT_FALSE(responder_->AnswerAtOnce(request).has_value());  // it is to be signed
  const OcspAnswer signed_answer = responder_->Answer(request);
  const std::optional<OcspAnswer> kept = responder_->AnswerAtOnce(request);
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->der, signed_answer.der);
  EXPECT_EQ(kept->reuse->refresh, signed_answer.reuse->refresh);
  EXPECT_EQ(kept->reuse->digest, Sha256(AsBytes(*kept->der)));
  house_.clock.now += absl::Seconds(1);
  EXPECT_FALSE(responder_->AnswerAtOnce(request).has_value());  // the store is to be looked at
  EXPECT_EQ(responder_->Answer(request).der, signed_answer.der);
  EXPECT_TRUE(responder_->AnswerAtOnce(request).has_value());
  Revoke(Device("device-2"));  // the authority's count is another now
  EXPECT_FALSE(responder_->AnswerAtOnce(request).has_value());
  EXPECT_EQ(responder_->Answer(request).der, signed_answer.der);
  EXPECT_TRUE(responder_->AnswerAtOnce(request).has_value());
  Revoke(record);
  EXPECT_FALSE(responder_->AnswerAtOnce(request).has_value());
}

TEST_F(OcspResponderTest, AnswersAtOnceNothingThatItMustSign) {
  const CertificateRecord one = Device("device-1");
  const CertificateRecord two = Device("device-2");
  const OcspQuestion questions[] = {{.ids = {IdOf(one)}, .nonce = Bytes(32, 1)},
                                    {.ids = {IdOf(one), IdOf(two)}},
                                    {.ids = {CertIdUnder(IssuerCertificate("devices"), Bytes{0x42})}},
                                    {.ids = {CertIdOf(testing::kSha1Oid, Bytes(20, 1), Bytes(20, 2), Bytes{2, 1, 1})}}};
  for (const OcspQuestion& question : questions) {
    responder_->Answer(question.Build());
    EXPECT_FALSE(responder_->AnswerAtOnce(question.Build()).has_value());
  }
  const std::optional<OcspAnswer> malformed = responder_->AnswerAtOnce(Bytes{0x30});
  ASSERT_TRUE(malformed.has_value());
  EXPECT_EQ(malformed->status, OcspStatus::kMalformedRequest);
  // What is due for replacement is replaced by Answer.
  const Bytes request = OcspQuestion{.ids = {IdOf(one)}}.Build();
  responder_->Answer(request);
  house_.clock.now += absl::Minutes(30);
  responder_->Answer(OcspQuestion{.ids = {IdOf(two)}}.Build());  // the count is read anew
  EXPECT_FALSE(responder_->AnswerAtOnce(request).has_value());
}

TEST_F(OcspResponderTest, ARevocationIsSeenAtOnce) {
  const CertificateRecord device = Device("device-1");
  const CertificateRecord other = Device("device-2");
  EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kGood);
  EXPECT_EQ(Ask({.ids = {IdOf(device, OcspHash::kSha256)}}).single().status, CertStatus::kGood);
  EXPECT_EQ(Ask({.ids = {IdOf(other)}}).single().status, CertStatus::kGood);
  Revoke(device, RevocationReason::kUnspecified);
  EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kRevoked);
  EXPECT_EQ(Ask({.ids = {IdOf(device, OcspHash::kSha256)}}).single().status, CertStatus::kRevoked);
  const int before = house_.signatures;
  EXPECT_EQ(Ask({.ids = {IdOf(other)}}).single().status, CertStatus::kGood);
  EXPECT_EQ(house_.signatures, before);  // the others' responses stay
}

TEST_F(OcspResponderTest, ARevocationByAnotherProcessIsSeenWithinASecond) {
  const CertificateRecord device = Device("device-1");
  const CertificateRecord other = Device("device-2");
  EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kGood);
  EXPECT_EQ(Ask({.ids = {IdOf(other)}}).single().status, CertStatus::kGood);
  ASSERT_THAT(house_.store().Revoke("devices", device.serial,
                                    {house_.clock.now, RevocationReason::kSuperseded, "another"}, "{}"),
              IsOk());
  house_.clock.now += absl::Seconds(1);
  EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kRevoked);
  const int before = house_.signatures;
  EXPECT_EQ(Ask({.ids = {IdOf(other)}}).single().status, CertStatus::kGood);
  EXPECT_EQ(house_.signatures, before);
}

TEST_F(OcspResponderTest, WhatIsKeptOutlivesAnOutageUntilNextUpdate) {
  const CertificateRecord kept = Device("device-1");
  const CertificateRecord other = Device("device-2");
  const Answered first = Ask({.ids = {IdOf(kept)}});
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  EXPECT_EQ(StatusFor({.ids = {IdOf(other)}}), OcspStatus::kTryLater);
  EXPECT_EQ(StatusFor({.ids = {IdOf(kept)}, .nonce = Bytes(32, 1)}), OcspStatus::kTryLater);
  house_.clock.now += absl::Minutes(59);  // past half
  EXPECT_EQ(*Ask({.ids = {IdOf(kept)}}).answer.der, *first.answer.der);
  house_.clock.now += absl::Minutes(1);
  EXPECT_EQ(StatusFor({.ids = {IdOf(kept)}}), OcspStatus::kTryLater);
  house_.signer_failure = absl::OkStatus();
  EXPECT_EQ(Ask({.ids = {IdOf(kept)}}).single().status, CertStatus::kGood);
}

TEST_F(OcspResponderTest, ARevocationDuringAnOutageHidesWhatWasGood) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  Revoke(device);
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);
  house_.signer_failure = absl::OkStatus();
  EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kRevoked);
}

// --- The responder's own certificate.

TEST_F(OcspResponderTest, ItsCertificateIsOfTheProfileAndBelowTheAuthority) {
  const CertificateRecord device = Device();
  const Answered answered = Ask({.ids = {IdOf(device)}});
  const std::vector<CertificateRecord> signers = Signers("devices");
  ASSERT_EQ(signers.size(), 1u);
  EXPECT_TRUE(Equal(answered.parts.certificate, signers[0].certificate));
  EXPECT_EQ(signers[0].caller, "hallmark://test/responder/ocsp");
  const CertificateParts parts = ReadCertificate(signers[0].certificate).value();
  EXPECT_EQ(answered.parts.data.responder_key_hash,
            HashOf(OcspHash::kSha1, PublicKey::FromSpki(parts.spki).value().key_octets()));
  EXPECT_NE(FindExtension(parts.extensions, "1.3.6.1.5.5.7.48.1.5"), nullptr);  // id-pkix-ocsp-nocheck
  EXPECT_TRUE(house_.labels.contains("ocsp.devices"));
}

TEST_F(OcspResponderTest, ARestartGoesOnWithTheSameCertificate) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  const int generated = house_.generated;
  Restart();
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kSuccessful);
  EXPECT_EQ(Signers("devices").size(), 1u);
  EXPECT_EQ(house_.generated, generated);
}

TEST_F(OcspResponderTest, ItIsRenewedBeforeItExpiresAndKeepsItsKey) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  house_.clock.now += absl::Hours(24 * 4);
  const std::atomic<bool> stopping = false;
  signers_->Refresh(stopping);
  EXPECT_EQ(Signers("devices").size(), 1u);
  house_.clock.now += absl::Hours(24);
  signers_->Refresh(stopping);
  const std::vector<CertificateRecord> signers = Signers("devices");
  ASSERT_EQ(signers.size(), 2u);
  EXPECT_EQ(signers[0].spki, signers[1].spki);
  const Answered answered = Ask({.ids = {IdOf(device)}});
  EXPECT_TRUE(Equal(answered.parts.certificate, signers[1].certificate));
  EXPECT_EQ(Signers("access").size(), 0u);  // nobody asked about it
}

TEST_F(OcspResponderTest, ARenewalThatFailsLeavesWhatIsValid) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  house_.clock.now += absl::Hours(24 * 6);
  house_.open_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  const Answered answered = Ask({.ids = {IdOf(device)}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_EQ(Signers("devices").size(), 1u);
  house_.clock.now += absl::Hours(24) - absl::Minutes(10);
  const Answered last = Ask({.ids = {IdOf(device)}});
  ASSERT_EQ(last.answer.status, OcspStatus::kSuccessful);
  EXPECT_EQ(last.single().next_update, Signers("devices")[0].not_after);  // not beyond its signer
  house_.clock.now += absl::Minutes(10);
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);
  house_.open_failure = absl::OkStatus();
  house_.clock.now += absl::Seconds(5);
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kSuccessful);
}

TEST_F(OcspResponderTest, ARevokedResponderIsReplacedWithAnotherKey) {
  const CertificateRecord device = Device();
  Ask({.ids = {IdOf(device)}});
  const CertificateRecord first = Signers("devices").at(0);
  Revoke(first);
  EXPECT_EQ(responder_->cached(), 0u);
  const Answered answered = Ask({.ids = {IdOf(device)}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_FALSE(Equal(answered.parts.certificate, first.certificate));
  EXPECT_TRUE(house_.labels.contains("ocsp.devices.2"));
  const std::vector<CertificateRecord> signers = Signers("devices");
  ASSERT_EQ(signers.size(), 2u);
  EXPECT_NE(signers[0].spki, signers[1].spki);
  ExpectVerified(answered.answer, house_.issuer("devices").chain());
  Restart();
  EXPECT_TRUE(Equal(Ask({.ids = {IdOf(device)}}).parts.certificate, signers[1].certificate));
}

TEST_F(OcspResponderTest, WhatACrashLeftBehindIsFinished) {
  const CertificateRecord device = Device();
  house_.lost_answer = Error(Code::kUnavailable, reason::kHsmUnavailable, "gone after it generated");
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);
  house_.lost_answer = absl::OkStatus();
  Restart();
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);
  house_.signer_failure = absl::OkStatus();
  Restart();
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kSuccessful);
  EXPECT_EQ(house_.generated, 1);
  EXPECT_EQ(Signers("devices").size(), 1u);
  EXPECT_TRUE(house_.store().OpenIntents().value().empty());
}

// The responder's key is on a token that is there, the authority's on one that is away.
TEST_F(OcspResponderTest, AnOutageOfTheAuthoritysKeyLeavesOneOpenIntent) {
  const CertificateRecord device = Device();
  Tokens tokens = house_.MakeTokens();
  tokens.open = [this](const AuthorityRecord& record) {
    return SigningKey::Create(std::make_shared<testing::SoftwareSigner>(SignatureAlgorithm::kEcdsaSha256,
                                                                        house_.SoftwareKey(record.authority)));
  };
  responder_.reset();
  signers_.emplace(house_.authority(), std::move(tokens), "test");
  responder_.emplace(house_.authority(), *signers_, options_);
  house_.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);
    EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kTryLater);  // not tried again at once
    EXPECT_EQ(house_.store().OpenIntents().value().size(), 1u);
    house_.clock.now += absl::Seconds(5);
  }
  house_.signer_failure = absl::OkStatus();
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kSuccessful);
  EXPECT_EQ(Signers("devices").size(), 1u);
  EXPECT_TRUE(house_.store().OpenIntents().value().empty());
}

TEST_F(OcspResponderTest, ADisabledAuthorityGoesOnToAnswer) {
  const CertificateRecord device = Device();
  ASSERT_THAT(house_.lifecycle().SetState(House::CallerOf("operator"), "devices", AuthorityState::kDisabled, false, 0),
              IsOk());
  EXPECT_FALSE(house_.Issue(house_.DeviceRequest("another", "device-9")).ok());
  const Answered answered = Ask({.ids = {IdOf(device)}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_EQ(answered.single().status, CertStatus::kGood);
}

TEST_F(OcspResponderTest, TheServicesOwnCallerGetsNothingElse) {
  Request request = house_.DeviceRequest("r");
  EXPECT_EQ(house_.Issue(request, kResponderRole).status().code(), Code::kPermissionDenied);
}

TEST_F(OcspResponderTest, AtTheEndOfItsAuthorityItEndsToo) {
  const CertificateRecord device = Device();
  house_.clock.now = house_.issuer("devices").not_after() - absl::Hours(3);
  const Answered answered = Ask({.ids = {IdOf(device)}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_LE(Signers("devices").at(0).not_after, house_.issuer("devices").not_after());
  house_.clock.now = house_.issuer("devices").not_after() + absl::Seconds(1);
  EXPECT_EQ(StatusFor({.ids = {IdOf(device)}}), OcspStatus::kUnauthorized);
}

class SmallCacheTest : public OcspResponderTest {
 protected:
  SmallCacheTest() : OcspResponderTest(SignatureAlgorithm::kEcdsaSha256, {.cache_limit = 2}) {}
};

TEST_F(SmallCacheTest, WhatWasAskedForLeastRecentlyGoes) {
  const CertificateRecord a = Device("device-a");
  const CertificateRecord b = Device("device-b");
  const CertificateRecord c = Device("device-c");
  Ask({.ids = {IdOf(a)}});
  Ask({.ids = {IdOf(b)}});
  Ask({.ids = {IdOf(a)}});
  Ask({.ids = {IdOf(c)}});  // b goes
  EXPECT_EQ(responder_->cached(), 2u);
  const int before = house_.signatures;
  Ask({.ids = {IdOf(a)}});
  EXPECT_EQ(house_.signatures, before);
  Ask({.ids = {IdOf(b)}});
  EXPECT_EQ(house_.signatures, before + 1);
}

class RsaResponderTest : public OcspResponderTest {
 protected:
  RsaResponderTest() : OcspResponderTest(SignatureAlgorithm::kRsaPssSha256) {}
};

TEST_F(RsaResponderTest, SignsAsItsAuthorityDoes) {
  // An RSA house certifies devices with keys of their own kind, which matter here as serial numbers only.
  const Answered answered =
      Ask({.ids = {CertIdUnder(IssuerCertificate("root"), ToBytes(house_.issuer("devices").serial()))}});
  ASSERT_EQ(answered.answer.status, OcspStatus::kSuccessful);
  EXPECT_TRUE(Equal(answered.parts.algorithm, AlgorithmIdentifier(SignatureAlgorithm::kRsaPssSha256)));
  ExpectVerified(answered.answer, house_.issuer("root").chain());
}

TEST_F(OcspResponderTest, ManyAskAtOnceWhileCertificatesAreRevoked) {
  std::vector<CertificateRecord> devices;
  for (int i = 0; i < 8; ++i) devices.push_back(Device("device-" + std::to_string(i)));
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const Bytes id = IdOf(devices[static_cast<size_t>(i + t) % devices.size()]);
        const OcspAnswer answer = responder_->Answer(OcspQuestion{.ids = {id}}.Build());
        if (answer.status != OcspStatus::kSuccessful) ++failed;
      }
    });
  }
  for (const CertificateRecord& device : devices) {
    Revoke(device);
    EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kRevoked);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Signers("devices").size(), 1u);
  for (const CertificateRecord& device : devices)
    EXPECT_EQ(Ask({.ids = {IdOf(device)}}).single().status, CertStatus::kRevoked);
}

}  // namespace
}  // namespace hallmark
