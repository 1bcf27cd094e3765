// The line of an issuance, and what relying parties make of its results.
#include <gtest/gtest.h>

#include <thread>

#include "base/file.h"
#include "base/reason.h"
#include "ca/chain.h"
#include "ca/crl.h"
#include "ca/crl_publisher.h"
#include "tests/command.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using ::testing::Not;
using testing::RunCommand;

// The files that outside judges read.
class Judges {
 public:
  explicit Judges(House& house) : house_(house) {
    Write("root.pem", PemEncode("CERTIFICATE", house.issuer("root").record().certificate));
    Write("issuer.pem", PemEncode("CERTIFICATE", house.issuer("devices").record().certificate));
  }
  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_THAT(WriteFile(house_.directory() / name, AsBytes(text)), IsOk());
    return Path(name);
  }
  std::string Path(const std::string& name) const { return (house_.directory() / name).string(); }
  std::string Certificate(const std::string& name, ByteView der) { return Write(name, PemEncode("CERTIFICATE", der)); }
  std::string Verify(const std::string& options, const std::string& file) const {
    return RunCommand("openssl verify -x509_strict -check_ss_sig -policy_check -purpose sslclient -CAfile " +
                      Path("root.pem") + " -untrusted " + Path("issuer.pem") + " " + options + " " + file)
        .output;
  }

 private:
  House& house_;
};

class IssuanceTest : public ::testing::TestWithParam<SignatureAlgorithm> {};

TEST_P(IssuanceTest, OpensslAndGnutlsAcceptTheChainAndReadTheSameBytes) {
  House house(GetParam());
  Judges judges(house);
  const StatusOr<Issued> issued = house.Issue(house.DeviceRequest("r1"));
  ASSERT_THAT(issued, IsOk());
  const Bytes& der = issued->record.certificate;
  const std::string file = judges.Certificate("device.pem", der);
  EXPECT_THAT(judges.Verify("", file), HasSubstr("device.pem: OK"));
  const std::string chain =
      judges.Write("chain.pem", PemEncode("CERTIFICATE", der) +
                                    PemEncode("CERTIFICATE", house.issuer("devices").record().certificate) +
                                    PemEncode("CERTIFICATE", house.issuer("root").record().certificate));
  const auto certtool =
      RunCommand("certtool --verify --load-ca-certificate " + judges.Path("root.pem") + " --infile " + chain);
  EXPECT_EQ(certtool.exit_code, 0) << certtool.output;

  // OpenSSL decodes and encodes it to the same octets, so it is DER to it too.
  const uint8_t* in = der.data();
  const ssl::Certificate certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  ASSERT_NE(certificate, nullptr);
  EXPECT_EQ(in, der.data() + der.size());
  EXPECT_EQ(ssl::ToDer(i2d_re_X509_tbs, certificate.get()).value(), ToBytes(ReadCertificate(der)->tbs));
}

TEST_P(IssuanceTest, TheDeviceCertificateSaysWhatItsProfileSays) {
  House house(GetParam());
  Judges judges(house);
  const Issued issued = house.Issue(house.DeviceRequest("r1", "Device:01.A-")).value();
  const std::string text = RunCommand("openssl x509 -noout -text -nameopt RFC2253 -in " +
                                      judges.Certificate("device.pem", issued.record.certificate))
                               .output;
  for (const char* expected :
       {"Version: 3", "Issuer: CN=Test Devices,O=Test", "Subject: CN=Device:01.A-",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n", "TLS Web Client Authentication\n",
        "URI:http://ca.example/crl/devices.crl", "CA Issuers - URI:http://ca.example/aia/devices.cer",
        "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier"}) {
    EXPECT_THAT(text, HasSubstr(expected));
  }
  EXPECT_THAT(text, Not(HasSubstr("Alternative Name")));
  const std::string root = RunCommand("openssl x509 -noout -text -in " + judges.Path("root.pem")).output;
  EXPECT_THAT(root, HasSubstr("CA:TRUE, pathlen:1"));
  EXPECT_THAT(root, HasSubstr("Certificate Sign, CRL Sign"));
  EXPECT_THAT(RunCommand("openssl x509 -noout -text -in " + judges.Path("issuer.pem")).output,
              HasSubstr("CA:TRUE, pathlen:0"));
}

TEST_P(IssuanceTest, ARevokedCertificateIsOnTheCrlAndItsNeighbourIsNot) {
  House house(GetParam());
  Judges judges(house);
  const Issued revoked = house.Issue(house.DeviceRequest("r1", "device-1")).value();
  const Issued neighbour = house.Issue(house.DeviceRequest("r2", "device-2")).value();
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "devices", revoked.record.serial,
                                       RevocationReason::kKeyCompromise),
              IsOk());
  house.clock.now += absl::Seconds(5);
  const StatusOr<CrlRecord> crl = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture());
  ASSERT_THAT(crl, IsOk());
  const std::string list = judges.Write("devices.crl", PemEncode("X509 CRL", crl->crl));
  const std::string with_crl = "-crl_check -CRLfile " + list;
  EXPECT_THAT(judges.Verify(with_crl, judges.Certificate("revoked.pem", revoked.record.certificate)),
              HasSubstr("certificate revoked"));
  EXPECT_THAT(judges.Verify(with_crl, judges.Certificate("neighbour.pem", neighbour.record.certificate)),
              HasSubstr("neighbour.pem: OK"));
  const std::string text =
      RunCommand("openssl crl -noout -text -crlnumber -CAfile " + judges.Path("issuer.pem") + " -in " + list).output;
  EXPECT_THAT(text, HasSubstr("verify OK"));
  EXPECT_THAT(text, HasSubstr("crlNumber=0x01"));
  EXPECT_THAT(text, HasSubstr("Key Compromise"));
  EXPECT_EQ(RunCommand("certtool --verify-crl --load-ca-certificate " + judges.Path("issuer.pem") + " --infile " + list)
                .exit_code,
            0);
}

INSTANTIATE_TEST_SUITE_P(EachAlgorithm, IssuanceTest,
                         ::testing::Values(SignatureAlgorithm::kEcdsaSha256, SignatureAlgorithm::kEcdsaSha384,
                                           SignatureAlgorithm::kRsaPkcs1Sha256, SignatureAlgorithm::kRsaPkcs1Sha384,
                                           SignatureAlgorithm::kRsaPssSha256, SignatureAlgorithm::kRsaPssSha384));

TEST(ExactlyOnceTest, ARetryGetsTheSameOctetsAndSignsNothing) {
  House house;
  const Request request = house.DeviceRequest("r1");
  const Issued first = house.Issue(request).value();
  const int signatures = house.signatures;
  house.clock.now += absl::Hours(1);
  EXPECT_EQ(house.Issue(request).value().record.certificate, first.record.certificate);
  house.Reopen();
  EXPECT_EQ(house.Issue(request).value().record.certificate, first.record.certificate);
  EXPECT_EQ(house.signatures, signatures);
}

TEST(ExactlyOnceTest, TheSameIdWithOtherContentIsRefused) {
  House house;
  Request request = house.DeviceRequest("r1");
  ASSERT_THAT(house.Issue(request), IsOk());
  const auto refused = Fails(Code::kAlreadyExists, reason::kRequestIdReused);
  EXPECT_THAT(house.Issue(house.DeviceRequest("r1", "device-2")), refused);
  request.lifetime = absl::Hours(1);
  EXPECT_THAT(house.Issue(request), refused);
  // Another caller's id is another id.
  EXPECT_THAT(house.Issue(house.DeviceRequest("r1", "device-3"), "operator"), IsOk());
}

TEST(ExactlyOnceTest, ConcurrentDuplicatesGetOneCertificate) {
  House house;
  const Request request = house.DeviceRequest("r1");
  constexpr int kThreads = 16;
  std::vector<Bytes> answers(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { answers[static_cast<size_t>(i)] = house.Issue(request).value().record.certificate; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Bytes& answer : answers) EXPECT_EQ(answer, answers[0]);
  CertificateFilter filter;
  filter.authority = "devices";
  EXPECT_EQ(house.store().ListCertificates(filter, 100, "").value().items.size(), 1u);
}

TEST(RecoveryTest, AnIntentThatWasNotSignedIsFinishedOnceTheHsmIsBack) {
  House house;
  const Request request = house.DeviceRequest("r1");
  house.signer_failure = WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable, "away"), absl::Seconds(1));
  const StatusOr<Issued> failed = house.Issue(request);
  EXPECT_THAT(failed, Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_TRUE(RetryDelay(failed.status()).has_value());
  ASSERT_EQ(house.store().OpenIntents().value().size(), 1u);
  const Bytes serial = house.store().OpenIntents().value()[0].serial;

  house.signer_failure = absl::OkStatus();
  house.Reopen();
  EXPECT_EQ(house.authority().Recover(absl::InfiniteFuture(), absl::InfiniteFuture()).value(), 1u);
  EXPECT_TRUE(house.store().OpenIntents().value().empty());
  EXPECT_EQ(house.Issue(request).value().record.serial, serial);
}

TEST(RefusalTest, NothingIsWrittenOrSignedForARefusedRequest) {
  House house;
  const int signatures = house.signatures;
  const uint64_t leaves = house.store().GetLedgerHead().value().size;
  struct Case {
    const char* name;
    std::function<void(Request&)> change;
    Code code;
    const char* reason;
    const char* role = "station";
  };
  const std::vector<Case> cases = {
      {"no request id", [](Request& r) { r.request_id.clear(); }, Code::kInvalidArgument, reason::kRequestInvalid},
      {"a request id of 65", [](Request& r) { r.request_id = std::string(65, 'a'); }, Code::kInvalidArgument,
       reason::kRequestInvalid},
      {"a request id with a line break", [](Request& r) { r.request_id = "a\nb"; }, Code::kInvalidArgument,
       reason::kRequestInvalid},
      {"an unknown authority", [](Request& r) { r.authority = "nobody"; }, Code::kPermissionDenied,
       reason::kPermissionDenied},
      {"an unknown profile", [](Request& r) { r.profile = "toaster"; }, Code::kPermissionDenied,
       reason::kPermissionDenied},
      {"an unknown profile, by an operator", [](Request& r) { r.profile = "toaster"; }, Code::kPermissionDenied,
       reason::kPermissionDenied, "operator"},
      {"a profile of another role", [](Request& r) { r.profile = "station"; }, Code::kPermissionDenied,
       reason::kPermissionDenied},
      {"a root from an issuing authority", [](Request& r) { r.profile = "root"; }, Code::kPermissionDenied,
       reason::kPermissionDenied, "operator"},
      {"a device under the root", [](Request& r) { r.authority = "root"; }, Code::kPermissionDenied,
       reason::kPermissionDenied},
      {"a device under access, by an operator", [](Request& r) { r.authority = "access"; }, Code::kNotFound,
       reason::kProfileUnknown, "operator"},
      {"an auditor", [](Request&) {}, Code::kPermissionDenied, reason::kPermissionDenied, "auditor"},
      {"a role that nobody has", [](Request&) {}, Code::kPermissionDenied, reason::kPermissionDenied, "stranger"},
      {"an empty CSR", [](Request& r) { r.csr.clear(); }, Code::kInvalidArgument, reason::kCsrMalformed},
      {"a CSR of 1 MiB", [](Request& r) { r.csr = Bytes(1 << 20, 0x30); }, Code::kInvalidArgument,
       reason::kCsrTooLarge},
      {"a life beyond the profile's", [](Request& r) { r.lifetime = absl::Hours(24 * 365 * 11); },
       Code::kInvalidArgument, reason::kValidityNotAllowed},
      {"validate_only of a bad one",
       [](Request& r) {
         r.validate_only = true;
         r.csr.back() ^= 1;
       },
       Code::kInvalidArgument, reason::kCsrSignatureInvalid},
  };
  for (const Case& c : cases) {
    Request request = house.DeviceRequest("r1");
    c.change(request);
    EXPECT_THAT(house.Issue(request, c.role), Fails(c.code, c.reason)) << c.name;
  }
  EXPECT_EQ(house.signatures, signatures);
  EXPECT_EQ(house.store().GetLedgerHead().value().size, leaves);
  EXPECT_TRUE(house.store().OpenIntents().value().empty());
  EXPECT_THAT(house.Issue(house.DeviceRequest("r1")), IsOk());
}

TEST(RefusalTest, AValidityBeyondTheIssuersIsAnErrorNotATruncation) {
  House house;
  house.clock.now += absl::Hours(24 * 365 * 6);  // the issuing authority has 9 of its 15 years left
  EXPECT_THAT(house.Issue(house.DeviceRequest("r1")), Fails(Code::kInvalidArgument, reason::kValidityNotAllowed));
  Request shorter = house.DeviceRequest("r1");
  shorter.lifetime = absl::Hours(24 * 365);
  EXPECT_THAT(house.Issue(shorter), IsOk());
}

TEST(RefusalTest, ARevokedAuthorityIssuesNothingMoreAtOnce) {
  House house;
  const Request answered = house.DeviceRequest("r1");
  const Issued before = house.Issue(answered).value();
  const Bytes serial = ToBytes(house.issuer("devices").serial());
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "root", serial, RevocationReason::kCaCompromise),
              IsOk());
  EXPECT_THAT(house.Issue(house.DeviceRequest("r2")), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  house.Reopen();
  EXPECT_THAT(house.Issue(house.DeviceRequest("r2")), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_EQ(house.Issue(answered).value().record.certificate, before.record.certificate);  // signs nothing
  EXPECT_THAT(house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()),
              IsOk());  // its CRL goes on
}

TEST(ValidateOnlyTest, ShowsTheDraftAndLeavesNoTrace) {
  House house;
  const int signatures = house.signatures;
  Request request = house.DeviceRequest("r1");
  request.validate_only = true;
  const Issued shown = house.Issue(request).value();
  EXPECT_TRUE(ReadCertificate(shown.record.certificate).value().signature.empty());
  EXPECT_EQ(house.signatures, signatures);
  EXPECT_THAT(house.store().GetCertificate("devices", shown.record.serial),
              Fails(Code::kNotFound, reason::kCertificateUnknown));
  request.validate_only = false;
  EXPECT_THAT(house.Issue(request), IsOk());
}

TEST(SealTest, AWrongSignatureOfTheHsmIsNeverReleased) {
  class Liar : public Signer {
   public:
    ByteView public_key() const override { return signer_.public_key(); }
    SignatureAlgorithm algorithm() const override { return signer_.algorithm(); }
    StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override {
      Bytes other = ToBytes(tbs);
      other.back() ^= 1;
      return signer_.Sign(other, deadline);
    }
    testing::SoftwareSigner signer_{SignatureAlgorithm::kEcdsaSha256};
  };
  const auto key = SigningKey::Create(std::make_unique<Liar>()).value();
  const Bytes tbs = der::Sequence({der::Unsigned(uint64_t{1})});
  EXPECT_THAT(Seal(Draft(tbs, SignatureAlgorithm::kEcdsaSha256), *key, absl::InfiniteFuture()),
              Fails(Code::kInternal, reason::kHsmSignatureInvalid));
}

TEST(RefusalTest, ARevokedRootStopsAllBelowItAndItsCallers) {
  House house;
  const Issued station = house.Credential("station", "line-1");
  ASSERT_THAT(house.authority().Identify(station.record.certificate, "test"), IsOk());
  const Bytes access = ToBytes(house.issuer("access").serial());
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "root", access, RevocationReason::kCaCompromise),
              IsOk());
  EXPECT_THAT(house.authority().Identify(station.record.certificate, "test"),
              Fails(Code::kUnauthenticated, reason::kCallerRevoked));
  EXPECT_THAT(house.Issue(house.DeviceRequest("r1")), IsOk());
  const Bytes root = ToBytes(house.issuer("root").serial());
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "root", root, RevocationReason::kCaCompromise),
              IsOk());
  EXPECT_THAT(house.Issue(house.DeviceRequest("r2")), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST(RecoveryTest, AnIntentThatNobodyWouldIntendTodayIsNotSigned) {
  House house;
  Request request = house.DeviceRequest("r1");
  request.lifetime = absl::Hours(1);
  house.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  ASSERT_THAT(house.Issue(request), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  const Request second = house.DeviceRequest("r2", "device-2");
  ASSERT_THAT(house.Issue(second), Fails(Code::kUnavailable, reason::kHsmUnavailable));
  house.signer_failure = absl::OkStatus();
  const int signatures = house.signatures;
  house.clock.now += absl::Hours(2);
  // The first has expired unsigned: neither a retry nor the recovery signs it.
  EXPECT_THAT(house.Issue(request), Fails(Code::kFailedPrecondition, reason::kValidityNotAllowed));
  // Under a revoked authority nothing is signed at all.
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "root", house.issuer("devices").serial(),
                                       RevocationReason::kCaCompromise),
              IsOk());
  house.Reopen();
  EXPECT_EQ(house.authority().Recover(absl::InfiniteFuture(), absl::InfiniteFuture()).value(), 0u);
  EXPECT_THAT(house.Issue(second), Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
  EXPECT_EQ(house.signatures, signatures);
}

TEST(RevocationTest, IsIdempotentAndKeepsTheFirstReason) {
  House house;
  const Issued issued = house.Issue(house.DeviceRequest("r1")).value();
  const Caller operator_ = House::CallerOf("operator");
  const auto first =
      house.authority().Revoke(operator_, "devices", issued.record.serial, RevocationReason::kKeyCompromise).value();
  house.clock.now += absl::Hours(1);
  const auto second =
      house.authority().Revoke(operator_, "devices", issued.record.serial, RevocationReason::kSuperseded).value();
  EXPECT_EQ(second.revocation->reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(second.revocation->revoked, first.revocation->revoked);
  EXPECT_EQ(house.store().RevocationCount("devices").value(), 1u);
}

TEST(RevocationTest, RefusesWhoMayNotAndWhatIsNotThere) {
  House house;
  const Issued issued = house.Issue(house.DeviceRequest("r1")).value();
  const auto revoke = [&](const char* role, const char* authority, ByteView serial, RevocationReason reason) {
    return house.authority().Revoke(House::CallerOf(role), authority, serial, reason);
  };
  const Bytes& serial = issued.record.serial;
  EXPECT_THAT(revoke("station", "devices", serial, RevocationReason::kUnspecified),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(revoke("auditor", "devices", serial, RevocationReason::kUnspecified),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_THAT(revoke("operator", "access", serial, RevocationReason::kUnspecified),
              Fails(Code::kNotFound, reason::kCertificateUnknown));
  EXPECT_THAT(revoke("operator", "nobody", serial, RevocationReason::kUnspecified),
              Fails(Code::kNotFound, reason::kAuthorityUnknown));
  EXPECT_THAT(revoke("operator", "devices", serial, RevocationReason::kRemoveFromCrl),
              Fails(Code::kInvalidArgument, reason::kRequestInvalid));
}

TEST(CrlTest, NumbersGrowOverRestartsAndTheUnrevokedListIsWithoutEntries) {
  House house;
  const CrlRecord first = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value();
  house.Reopen();
  const CrlRecord second = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value();
  EXPECT_GT(second.number, first.number);
  EXPECT_TRUE(ReadCrl(second.crl).value().revoked_certificates.empty());
  EXPECT_EQ(house.store().LatestCrl("devices").value().crl, second.crl);
}

TEST(CrlTest, AnExpiredCertificateStaysForOneListMore) {
  House house;
  Request request = house.DeviceRequest("r1");
  request.lifetime = absl::Hours(1);
  const Issued issued = house.Issue(request).value();
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "devices", issued.record.serial,
                                       RevocationReason::kUnspecified),
              IsOk());
  const auto listed = [&] {
    return !ReadCrl(house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value().crl)
                .value()
                .revoked_certificates.empty();
  };
  house.clock.now += absl::Hours(2);
  EXPECT_TRUE(listed());
  house.clock.now += absl::Hours(24 * 8);
  EXPECT_FALSE(listed());
}

TEST(CrlTest, AnEntryThatExpiredWhileNoListWasMadeIsOnTheNextOne) {
  House house;
  Request request = house.DeviceRequest("r1");
  request.lifetime = absl::Hours(24);
  const Issued issued = house.Issue(request).value();
  ASSERT_THAT(house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()), IsOk());
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "devices", issued.record.serial,
                                       RevocationReason::kUnspecified),
              IsOk());
  house.clock.now += absl::Hours(24 * 30);  // the service was down, for longer than a list lives
  const CrlRecord crl = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value();
  EXPECT_FALSE(ReadCrl(crl.crl).value().revoked_certificates.empty());
}

TEST(CrlTest, EndsWithItsAuthority) {
  House house;
  house.clock.now = house.issuer("devices").not_after() - absl::Hours(1);
  const CrlRecord last = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value();
  EXPECT_EQ(last.next_update, house.issuer("devices").not_after());
  house.clock.now += absl::Hours(2);
  EXPECT_THAT(house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()),
              Fails(Code::kFailedPrecondition, reason::kAuthorityNotIssuing));
}

TEST(CrlPublisherTest, ReplacesAListFromTheFuture) {
  House house;
  house.clock.now += absl::Hours(24 * 365);
  const uint64_t number = house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()).value().number;
  house.clock.now -= absl::Hours(24 * 365);
  const CrlPublisher publisher(house.authority());
  for (int i = 0; i < 1000 && house.store().LatestCrl("devices").value().number == number; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LE(house.store().LatestCrl("devices").value().this_update, house.clock.now);
}

TEST(CrlPublisherTest, MakesAListAtStartAndAtOnceAfterARevocation) {
  House house;
  CrlPublisher publisher(house.authority());
  house.authority().SetObservers(
      {.issued = nullptr, .revoked = [&](const CertificateRecord&) { publisher.Notify(); }, .crl_issued = nullptr});
  const auto wait_for = [&](const std::function<bool()>& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  };
  ASSERT_TRUE(wait_for([&] { return publisher.Check().ok(); }));
  const Issued issued = house.Issue(house.DeviceRequest("r1")).value();
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "devices", issued.record.serial,
                                       RevocationReason::kUnspecified),
              IsOk());
  EXPECT_TRUE(wait_for([&] { return house.store().LatestCrl("devices").value().revocation_count == 1; }));
}

TEST(IdentifyTest, TakesOnlyCredentialsOfOurOwnThatAreStillGood) {
  House house;
  const Issued station = house.Credential("station", "line-1");
  const StatusOr<Caller> caller = house.authority().Identify(station.record.certificate, "test");
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->uri, "hallmark://test/station/line-1");
  EXPECT_EQ(caller->role, "station");

  const auto identify = [&](ByteView certificate) { return house.authority().Identify(certificate, "test"); };
  EXPECT_THAT(house.authority().Identify(station.record.certificate, "other"),
              Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated));
  EXPECT_THAT(identify(house.Issue(house.DeviceRequest("r1")).value().record.certificate),
              Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated));
  EXPECT_THAT(identify(Bytes{0x30, 0x00}), Fails(Code::kUnauthenticated, reason::kCallerUnauthenticated));
  Bytes forged = station.record.certificate;
  forged.back() ^= 1;
  EXPECT_THAT(identify(forged), Fails(Code::kUnauthenticated, reason::kCallerUnknown));
  House other;  // another database with the same keys: a forger who holds our key is still not on record
  EXPECT_THAT(other.authority().Identify(station.record.certificate, "test"),
              Fails(Code::kUnauthenticated, reason::kCallerUnknown));

  house.clock.now += absl::Hours(24 * 91);
  EXPECT_THAT(identify(station.record.certificate), Fails(Code::kUnauthenticated, reason::kCallerExpired));
  house.clock.now -= absl::Hours(24 * 91);
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "access", station.record.serial,
                                       RevocationReason::kKeyCompromise),
              IsOk());
  EXPECT_THAT(identify(station.record.certificate), Fails(Code::kUnauthenticated, reason::kCallerRevoked));
}

TEST(ReadTest, AStationSeesOnlyWhatItAskedFor) {
  House house;
  const Issued mine = house.Issue(house.DeviceRequest("r1")).value();
  const Issued others = house.Issue(house.DeviceRequest("r2", "device-2"), "operator").value();
  const Caller station = House::CallerOf("station");
  EXPECT_THAT(house.authority().Get(station, "devices", mine.record.serial), IsOk());
  const auto denied = Fails(Code::kPermissionDenied, reason::kPermissionDenied);
  EXPECT_THAT(house.authority().Get(station, "devices", others.record.serial), denied);
  EXPECT_THAT(house.authority().Get(station, "devices", Bytes(16, 1)), denied);  // nor that it is not there
  EXPECT_THAT(house.authority().Get(House::CallerOf("auditor"), "devices", Bytes(16, 1)),
              Fails(Code::kNotFound, reason::kCertificateUnknown));
  EXPECT_EQ(house.authority().List(station, {}, 100, "").value().items.size(), 1u);
  EXPECT_GT(house.authority().List(House::CallerOf("auditor"), {}, 100, "").value().items.size(), 2u);
}

TEST(LedgerTest, EveryActHasALeaf) {
  House house;
  const Issued issued = house.Issue(house.DeviceRequest("r1")).value();
  ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), "devices", issued.record.serial,
                                       RevocationReason::kSuperseded),
              IsOk());
  ASSERT_THAT(house.authority().GenerateCrl(house.issuer("devices"), absl::InfiniteFuture()), IsOk());
  std::string types;
  const std::vector<LedgerEntry> entries = house.store().ListEntries(0, 100).value();
  for (const LedgerEntry& entry : entries) types += nlohmann::json::parse(entry.entry)["type"].get<std::string>() + " ";
  EXPECT_EQ(
      types,
      "certificate_issued authority_created certificate_issued authority_created certificate_issued authority_created "
      "certificate_issued certificate_revoked crl_issued ");
  const auto entry = nlohmann::json::parse(entries.at(issued.record.leaf_index).entry);
  EXPECT_EQ(entry["sha256"], Hex(Sha256(issued.record.certificate)));
  EXPECT_EQ(entry["caller"], "hallmark://test/station/one");
}

TEST_P(IssuanceTest, OpensslVerifiesTheRequestOfAnAuthorityAndItsLeafCameFirst) {
  House house(GetParam());
  const uint64_t leaves = house.store().GetLedgerHead().value().size;
  EXPECT_THAT(house.lifecycle().FetchCsr(House::CallerOf("station"), "devices", absl::InfiniteFuture()),
              Fails(Code::kPermissionDenied, reason::kPermissionDenied));
  EXPECT_EQ(house.store().GetLedgerHead().value().size, leaves);
  const StatusOr<Bytes> csr =
      house.lifecycle().FetchCsr(House::CallerOf("operator"), "devices", absl::InfiniteFuture());
  ASSERT_THAT(csr, IsOk());
  Judges judges(house);
  const auto verified = RunCommand("openssl req -verify -noout -subject -in " +
                                   judges.Write("devices.csr", PemEncode("CERTIFICATE REQUEST", *csr)));
  EXPECT_THAT(verified.output, HasSubstr("verify OK"));
  EXPECT_THAT(verified.output, HasSubstr("CN = Test Devices"));
  EXPECT_EQ(house.store().GetLedgerHead().value().size, leaves + 1);
  // A signer that fails leaves the leaf and no request: intended before signed.
  house.signer_failure = Error(Code::kUnavailable, reason::kHsmUnavailable, "away");
  EXPECT_THAT(house.lifecycle().FetchCsr(House::CallerOf("operator"), "devices", absl::InfiniteFuture()),
              Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_EQ(house.store().GetLedgerHead().value().size, leaves + 2);
}

TEST(ChainTest, OpensslReadsTheCertsOnlyMessage) {
  House house;
  const std::string path = (house.directory() / "chain.p7b").string();
  ASSERT_THAT(WriteFile(path, EncodeCertsOnly(house.issuer("devices").chain())), IsOk());
  const auto printed = RunCommand("openssl pkcs7 -inform DER -print_certs -noout -in " + path);
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_THAT(printed.output, HasSubstr("subject=O = Test, CN = Test Devices"));
  EXPECT_THAT(printed.output, HasSubstr("subject=O = Test, CN = Test Root"));
  EXPECT_EQ(RunCommand("certtool --p7-info --inder --infile " + path).exit_code, 0);
}

}  // namespace
}  // namespace hallmark
