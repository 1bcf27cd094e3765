// The HSM is away: lists and OCSP responses that were signed go on being served until their windows end, nothing
// becomes untrue meanwhile, and both catch up by themselves once it is back.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "ca/crl_publisher.h"
#include "hallmark/v1/revocation.grpc.pb.h"
#include "http/ocsp_route.h"
#include "http/repository.h"
#include "tests/eventually.h"
#include "tests/house.h"
#include "tests/http_client.h"
#include "tests/ocsp_question.h"
#include "tests/served_instance.h"
#include "tests/service_client.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;
using testing::House;
using testing::IsOk;
using testing::OcspPath;
using testing::OcspQuestion;
using testing::ServedInstance;
using testing::Service;

// A clock that a test turns while other threads read it.
class SharedClock : public Clock {
 public:
  explicit SharedClock(Time now) : seconds_(absl::ToUnixSeconds(now)) {}
  Time Now() const override { return absl::FromUnixSeconds(seconds_); }
  void Advance(Duration by) { seconds_ += absl::ToInt64Seconds(by); }

 private:
  std::atomic<int64_t> seconds_;
};

// A key of the house's whose HSM is away when the test says so.
class SwitchedSigner : public Signer {
 public:
  SwitchedSigner(std::shared_ptr<const SigningKey> key, const std::atomic<bool>& away)
      : key_(std::move(key)), away_(away) {}
  ByteView public_key() const override { return key_->signer().public_key(); }
  SignatureAlgorithm algorithm() const override { return key_->signer().algorithm(); }
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override {
    if (away_) return Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away");
    return key_->signer().Sign(tbs, deadline);
  }

 private:
  const std::shared_ptr<const SigningKey> key_;
  const std::atomic<bool>& away_;
};

// The parts of hallmarkd that sign and serve, wired as it wires them, over the store of a house. Lists live for two
// hours, OCSP responses for one.
class ServedHouse {
 public:
  ServedHouse() {
    EXPECT_THAT(issuers_.Reload(), IsOk());
    authority_.SetObservers(
        {.issued = {},
         .revoked = [this](const CertificateRecord& record) { responder_.RevocationChanged(record); },
         .released = {},
         .crl_issued = {}});
    publisher_.emplace(authority_);
  }
  CertificateRecord Device(const std::string& name) {
    return authority_.Issue(House::CallerOf("station"), house_.DeviceRequest("r-" + name, name), absl::InfiniteFuture())
        .value()
        .record;
  }
  Status Revoke(const CertificateRecord& device) {
    return authority_.Revoke(House::CallerOf("operator"), "devices", device.serial, RevocationReason::kSuperseded)
        .status();
  }
  Status CheckLists() const { return publisher_->Check(); }
  // Has the publisher look now; by itself it looks every few seconds.
  void Look() { publisher_->Notify(); }

  HttpResponse Get(const std::string& path) {
    const HttpRequest request{.method = "GET", .path = path, .query = "", .if_none_match = "", .if_modified_since = ""};
    return OcspRoute::Has(path) ? ocsp_.Handle(request) : repository_.Handle(request);
  }
  OcspResponseParts Ask(const CertificateRecord& device) {
    const Bytes id = testing::CertIdUnder(house_.issuer("devices").record().certificate, device.serial);
    return ReadOcspResponse(AsBytes(*Get(OcspPath(OcspQuestion{.ids = {id}}.Build())).body)).value();
  }
  struct List {
    Time this_update;
    Time next_update;
    bool empty = true;
  };
  // As served; nullopt: there is none.
  std::optional<List> Crl() {
    const HttpResponse response = Get("/crl/devices.crl");
    if (response.status != 200) return std::nullopt;
    const CrlParts parts = ReadCrl(AsBytes(*response.body)).value();
    return List{parts.this_update, parts.next_update, parts.revoked_certificates.empty()};
  }
  bool ready() { return Get("/readyz").status == 200; }

  House house_;
  SharedClock clock_{house_.clock.now};
  std::atomic<bool> away_ = false;

 private:
  StatusOr<std::shared_ptr<const SigningKey>> Open(const AuthorityRecord& record) {
    ASSIGN_OR_RETURN(auto key, house_.OpenKey(record));
    return SigningKey::Create(std::make_shared<const SwitchedSigner>(std::move(key), away_));
  }
  Tokens MakeTokens() {
    Tokens tokens = house_.MakeTokens();
    tokens.open = [this](const AuthorityRecord& record) { return Open(record); };
    return tokens;
  }
  RepositoryContent MakeContent() {
    return {
        .is_known = [](const std::string& name) { return name == "devices"; },
        .certificate =
            [this](const std::string& name) { return StatusOr<Bytes>(house_.issuer(name).record().certificate); },
        .crl = [this](const std::string& name, const CrlScope& scope) { return house_.store().LatestCrl(name, scope); },
        .checks =
            [this] {
              return std::vector<Check>{{"crl", publisher_->Check()}};
            }};
  }

  Issuers issuers_{house_.store(), clock_, house_.policies(), "http://ca.example",
                   [this](const AuthorityRecord& record) { return Open(record); }};
  CertificateAuthority authority_{{.store = house_.store(),
                                   .clock = clock_,
                                   .policies = house_.policies(),
                                   .issuers = issuers_,
                                   .crl_lifetime = absl::Hours(2)}};
  Metrics metrics_;
  OcspSigners signers_{authority_, MakeTokens(), "test"};
  OcspResponder responder_{authority_, signers_, {.validity = absl::Hours(1)}};
  std::optional<CrlPublisher> publisher_;
  Repository repository_{MakeContent(), clock_, metrics_};
  const OcspRoute ocsp_{[this](ByteView request) { return responder_.Answer(request); },
                        [this](ByteView request) { return responder_.AnswerAtOnce(request); }, clock_, metrics_};
};

TEST(HsmAwayTest, WhatIsSignedIsServedToItsEndAndCatchesUp) {
  ServedHouse served;
  ASSERT_TRUE(Eventually([&] { return served.CheckLists().ok(); }));
  const CertificateRecord device = served.Device("device-1");
  const CertificateRecord other = served.Device("device-2");
  served.clock_.Advance(absl::Minutes(55));  // before the list is half-way to its end
  const auto list = served.Crl();
  ASSERT_EQ(served.Ask(device).data.responses.at(0).status, CertStatus::kGood);
  ASSERT_EQ(served.Ask(other).data.responses.at(0).status, CertStatus::kGood);
  const Time answered_until = served.clock_.Now() + absl::Hours(1);

  served.away_ = true;
  served.clock_.Advance(absl::Minutes(1));
  ASSERT_THAT(served.Revoke(other), IsOk());  // takes no signature
  for (; served.clock_.Now() < list->next_update; served.clock_.Advance(absl::Minutes(1))) {
    SCOPED_TRACE(Rfc3339(served.clock_.Now()));
    served.Look();
    const auto now = served.Crl();
    ASSERT_TRUE(now.has_value());
    EXPECT_EQ(now->this_update, list->this_update);
    // The answer of before, or none: never an expired one, and never that a revoked certificate is good.
    const OcspResponseParts about = served.Ask(device);
    if (served.clock_.Now() < answered_until) {
      ASSERT_EQ(about.status, OcspStatus::kSuccessful);
      EXPECT_EQ(about.data.responses.at(0).status, CertStatus::kGood);
      EXPECT_GT(about.data.responses.at(0).next_update, served.clock_.Now());
    } else {
      EXPECT_EQ(about.status, OcspStatus::kTryLater);
    }
    EXPECT_EQ(served.Ask(other).status, OcspStatus::kTryLater);
    // Red while everything is still valid: a quarter of the window is left.
    EXPECT_EQ(served.ready(), served.clock_.Now() < list->next_update - absl::Minutes(30));
  }
  EXPECT_GE(served.clock_.Now(), answered_until);  // both ends were seen
  EXPECT_FALSE(served.ready());

  served.away_ = false;
  served.clock_.Advance(absl::Minutes(1));
  // Nobody asks the publisher to look.
  EXPECT_TRUE(Eventually([&] {
    served.clock_.Advance(absl::Seconds(1));
    const auto now = served.Crl();
    return now.has_value() && now->next_update > served.clock_.Now() && !now->empty && served.ready();
  }));
  EXPECT_EQ(served.Ask(device).data.responses.at(0).status, CertStatus::kGood);
  EXPECT_EQ(served.Ask(other).data.responses.at(0).status, CertStatus::kRevoked);
}

// --- The same of a real service, whose token's server is killed and started again.

class Outside {
 public:
  explicit Outside(const Service& service)
      : port_(static_cast<uint16_t>(std::stoi(service.base_url().substr(service.base_url().rfind(':') + 1)))),
        station_(ConnectAs(service, "station")),
        operator_(ConnectAs(service, "operator")) {}

  v1::Certificate Device(const std::string& name) const {
    return testing::Issue(station_, testing::DeviceRequest(name,
                                                           [&](auto& csr) {
                                                             csr.subject = EncodeName({{"CN", name}});
                                                           }))
        .certificate;
  }
  bool Revoke(const v1::Certificate& device) const {
    grpc::ClientContext context;
    v1::RevokeCertificateRequest request;
    request.set_name(device.name());
    request.set_reason(v1::SUPERSEDED);
    v1::Certificate answer;
    return v1::Revocation::NewStub(operator_)->RevokeCertificate(&testing::Within(context), request, &answer).ok();
  }
  std::string Get(const std::string& path) const { return testing::HttpClient(port_).Get(path).body; }
  std::string RawAnswer(const v1::Certificate& device) const {
    const Bytes id = testing::CertIdUnder(AsBytes(device.chain(0)), FromHex(device.serial()).value());
    return Get(OcspPath(OcspQuestion{.ids = {id}}.Build()));
  }
  OcspResponseParts Ask(const v1::Certificate& device) const {
    const std::string answer = RawAnswer(device);
    return ReadOcspResponse(AsBytes(answer)).value();
  }

 private:
  const uint16_t port_;
  const std::shared_ptr<grpc::Channel> station_;
  const std::shared_ptr<grpc::Channel> operator_;
};

TEST(HsmAwayTest, ARealServiceWhoseTokensServerDiesServesOnAndCatchesUp) {
  ServedInstance instance("/usr/lib/softhsm/libsofthsm2.so");
  const Outside outside(instance.service());
  const v1::Certificate device = outside.Device("device-1");
  const v1::Certificate other = outside.Device("device-2");
  const std::string response = outside.RawAnswer(device);
  ASSERT_EQ(outside.Ask(device).data.responses.at(0).status, CertStatus::kGood);
  ASSERT_EQ(outside.Ask(other).data.responses.at(0).status, CertStatus::kGood);
  const std::string list = outside.Get("/crl/devices.crl");
  ASSERT_TRUE(ReadCrl(AsBytes(list)).value().revoked_certificates.empty());

  instance.server().Kill();
  ASSERT_TRUE(outside.Revoke(other));
  EXPECT_TRUE(Eventually([&] { return outside.Get("/readyz").find("\"ok\": false") != std::string::npos; }));
  EXPECT_THAT(outside.Get("/readyz"), HasSubstr("\"ready\": true"));
  EXPECT_EQ(outside.Get("/crl/devices.crl"), list);
  EXPECT_EQ(outside.RawAnswer(device), response);
  EXPECT_EQ(outside.Ask(other).status, OcspStatus::kTryLater);

  instance.server().Start();
  EXPECT_TRUE(Eventually([&] {
    const std::string now = outside.Get("/crl/devices.crl");
    return !ReadCrl(AsBytes(now)).value().revoked_certificates.empty();
  }));
  EXPECT_TRUE(Eventually([&] { return outside.Ask(other).status == OcspStatus::kSuccessful; }));
  EXPECT_EQ(outside.Ask(other).data.responses.at(0).status, CertStatus::kRevoked);
  EXPECT_EQ(outside.Ask(device).data.responses.at(0).status, CertStatus::kGood);
}

}  // namespace
}  // namespace hallmark
