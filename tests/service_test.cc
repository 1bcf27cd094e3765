// The service as its callers meet it, over real mutual TLS: what it answers, what it refuses and how, and that it is
// unharmed after.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "ca/extensions.h"
#include "hallmark/v1/authorities.grpc.pb.h"
#include "hallmark/v1/revocation.grpc.pb.h"
#include "tests/service_client.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Answer;
using testing::CsrBuilder;
using testing::Decode;
using testing::DeviceRequest;
using ::testing::HasSubstr;
using testing::Issue;
using ::testing::Not;
using testing::RequestExtensions;
using testing::RunCommand;
using testing::Service;
using testing::Within;

// One service for all tests of this program.
Service& TheService() {
  static Service service;
  return service;
}

std::string Read(const std::filesystem::path& path) { return ReadFile(path).value(); }

std::shared_ptr<grpc::Channel> Connect(const std::string& certificate, const std::string& key) {
  return testing::Connect(TheService(), certificate, key);
}
std::shared_ptr<grpc::Channel> ConnectAs(const std::string& role) { return testing::ConnectAs(TheService(), role); }

uint64_t LedgerSize() {
  return std::stoull(
      RunCommand(fmt::format("sqlite3 {}/hallmark.db 'SELECT size FROM ledger_head'", TheService().ca().string()))
          .output);
}

TEST(ServiceTest, IssuesOverMutualTls) {
  const Answer answer = Issue(ConnectAs("station"), DeviceRequest("service-1"));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.certificate.name(), HasSubstr("authorities/devices/certificates/"));
  EXPECT_EQ(answer.certificate.subject(), "CN=device-1");
  EXPECT_EQ(answer.certificate.caller(), "hallmark://test/station/line-1");
  EXPECT_EQ(answer.certificate.chain_size(), 2);
  EXPECT_EQ(answer.certificate.sha256_fingerprint(), Hex(Sha256(AsBytes(answer.certificate.certificate()))));
}

struct BadRequestCase {
  const char* name;
  std::function<void(v1::IssueCertificateRequest&)> change;
  grpc::StatusCode code;
  const char* reason;
  const char* field;
  const char* role = "station";
};

TEST(ServiceTest, BadInputGetsAClearStatusAndLeavesNothing) {
  const auto csr = [](const std::function<void(CsrBuilder&)>& change) {
    return [change](v1::IssueCertificateRequest& r) {
      CsrBuilder builder(testing::DeviceKeyOf({}));
      change(builder);
      r.set_csr(ToString(builder.Build()));
    };
  };
  const auto pem = [](const std::string& before, const std::string& after) {
    return [=](v1::IssueCertificateRequest& r) {
      r.set_csr(before + PemEncode("CERTIFICATE REQUEST", AsBytes(r.csr())) + after);
    };
  };
  const Bytes names = EncodeGeneralNames({{GeneralName::Kind::kDns, "a.example"}}).value();
  const auto kBad = grpc::StatusCode::INVALID_ARGUMENT;
  const std::vector<BadRequestCase> cases = {
      {"nothing at all", [](auto& r) { r.Clear(); }, kBad, reason::kRequestInvalid, "parent"},
      {"no request id", [](auto& r) { r.clear_request_id(); }, kBad, reason::kRequestInvalid, "request_id"},
      {"a parent that is none", [](auto& r) { r.set_parent("devices"); }, kBad, reason::kRequestInvalid, "parent"},
      {"no profile", [](auto& r) { r.clear_profile(); }, kBad, reason::kRequestInvalid, "profile"},
      {"an empty CSR", [](auto& r) { r.clear_csr(); }, kBad, reason::kCsrMalformed, "csr"},
      {"a CSR over the limit", [](auto& r) { r.set_csr(std::string(8193, '0')); }, kBad, reason::kCsrTooLarge, "csr"},
      {"a CSR that is not DER", [](auto& r) { r.set_csr("certify me"); }, kBad, reason::kCsrMalformed, "csr"},
      {"PEM with rubbish before", pem("rubbish\n", ""), kBad, reason::kCsrMalformed, "csr"},
      {"PEM with rubbish after", pem("", "rubbish\n"), kBad, reason::kCsrMalformed, "csr"},
      {"a wrong signature", [](auto& r) { r.mutable_csr()->back() ^= 1; }, kBad, reason::kCsrSignatureInvalid,
       "csr.signature"},
      {"an empty subject", csr([](CsrBuilder& c) { c.subject = der::Sequence({}); }), kBad, reason::kSubjectNotAllowed,
       "csr.subject.CN"},
      {"a subject that the profile forbids", csr([](CsrBuilder& c) {
         c.subject = EncodeName({{"CN", "ends in a dot."}});
       }),
       kBad, reason::kSubjectNotAllowed, "csr.subject.CN"},
      {"a SAN that is not granted",
       csr([&](CsrBuilder& c) { c.attributes = RequestExtensions({SubjectAltName(names, false)}); }), kBad,
       reason::kExtensionNotAllowed, "csr.subject_alt_name.dns"},
      {"CA:TRUE", csr([](CsrBuilder& c) { c.attributes = RequestExtensions({BasicConstraints(true, std::nullopt)}); }),
       kBad, reason::kExtensionNotAllowed, "csr.basic_constraints"},
      {"a validity beyond the profile's and the issuer's",
       [](auto& r) { r.mutable_lifetime()->set_seconds(int64_t{20} * 365 * 86400); }, kBad, reason::kValidityNotAllowed,
       "lifetime"},
      {"a lifetime of 2^63 - 1", [](auto& r) { r.mutable_lifetime()->set_seconds(INT64_MAX); }, kBad,
       reason::kValidityNotAllowed, "lifetime"},
      {"a fraction of a second", [](auto& r) { r.mutable_lifetime()->set_nanos(1); }, kBad, reason::kRequestInvalid,
       "lifetime"},
      {"an unknown authority", [](auto& r) { r.set_parent("authorities/nobody"); }, grpc::StatusCode::PERMISSION_DENIED,
       reason::kPermissionDenied, nullptr},
      {"a device under the root", [](auto& r) { r.set_parent("authorities/root"); },
       grpc::StatusCode::PERMISSION_DENIED, reason::kPermissionDenied, nullptr},
      {"a device under access, by an operator", [](auto& r) { r.set_parent("authorities/access"); },
       grpc::StatusCode::NOT_FOUND, reason::kProfileUnknown, nullptr, "operator"},
      {"a profile of 60 kB", [](auto& r) { r.set_profile(std::string(60000, '\x01')); }, kBad, reason::kRequestInvalid,
       "profile"},
      {"a parent of 60 kB", [](auto& r) { r.set_parent("authorities/" + std::string(60000, 'a')); }, kBad,
       reason::kRequestInvalid, "parent"},
      {"an unknown profile", [](auto& r) { r.set_profile("toaster"); }, grpc::StatusCode::PERMISSION_DENIED,
       reason::kPermissionDenied, nullptr},
      {"an operator's profile asked by a station", [](auto& r) { r.set_profile("operator"); },
       grpc::StatusCode::PERMISSION_DENIED, reason::kPermissionDenied, nullptr},
      {"an auditor", [](auto&) {}, grpc::StatusCode::PERMISSION_DENIED, reason::kPermissionDenied, nullptr, "auditor"},
  };
  const uint64_t leaves = LedgerSize();
  for (const BadRequestCase& c : cases) {
    v1::IssueCertificateRequest request = DeviceRequest("bad");
    c.change(request);
    const Answer answer = Issue(ConnectAs(c.role), request);
    EXPECT_EQ(answer.status.error_code(), c.code) << c.name << ": " << answer.status.error_message();
    EXPECT_EQ(answer.reason, c.reason) << c.name << ": " << answer.status.error_message();
    EXPECT_FALSE(answer.status.error_message().empty()) << c.name;
    if (c.field != nullptr) {
      EXPECT_THAT(answer.fields, ::testing::Contains(c.field)) << c.name;
    }
  }
  EXPECT_EQ(LedgerSize(), leaves);
  EXPECT_TRUE(Issue(ConnectAs("station"), DeviceRequest("bad")).status.ok());  // the id was never used up
}

TEST(ServiceTest, ARequestIdWithOtherContentIsRefused) {
  ASSERT_TRUE(Issue(ConnectAs("station"), DeviceRequest("reused")).status.ok());
  const Answer answer = Issue(ConnectAs("station"), DeviceRequest("reused", [](CsrBuilder& c) {
                                c.subject = EncodeName({{"CN", "other"}});
                              }));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(answer.reason, reason::kRequestIdReused);
}

TEST(ServiceTest, AMessageOf1MiBIsRefusedBeforeItIsRead) {
  v1::IssueCertificateRequest request = DeviceRequest("large");
  request.set_csr(std::string(1 << 20, '0'));
  EXPECT_EQ(Issue(ConnectAs("station"), request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(ServiceTest, WithoutAClientCertificateOrWithAForeignOneNothingIsServed) {
  const auto& directory = TheService().directory().path();
  const std::string foreign = (directory / "foreign").string();
  ASSERT_EQ(RunCommand("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=foreign "
                       "-addext 'subjectAltName=URI:hallmark://test/operator/admin' -keyout " +
                       foreign + "-key.pem -out " + foreign + ".pem")
                .exit_code,
            0);
  ASSERT_TRUE(Issue(ConnectAs("station"), DeviceRequest("somebody-1")).status.ok());
  EXPECT_EQ(Issue(Connect("", ""), DeviceRequest("nobody")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Issue(Connect(foreign + ".pem", foreign + "-key.pem"), DeviceRequest("foreign")).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
  // The handshake refused both, and the service says so and lives.
  EXPECT_THAT(TheService().Log(), HasSubstr("peer did not return a certificate"));
  EXPECT_THAT(TheService().Log(), HasSubstr("certificate verify failed"));
  EXPECT_TRUE(Issue(ConnectAs("station"), DeviceRequest("somebody-2")).status.ok());
}

TEST(ServiceTest, ADevicesCertificateIsNoCallersThoughItsChainIsGood) {
  const auto& directory = TheService().directory().path();
  const std::string csrs = (directory / "impostor").string();
  TheService().MakeCsrs(csrs, "impostor", 1);
  ASSERT_EQ(
      TheService().Hallmark("station", "certificate issue --out " + csrs + " " + csrs + "/impostor-1.csr").exit_code,
      0);
  const Answer answer =
      Issue(Connect(csrs + "/impostor-1-chain.pem", csrs + "/impostor-1.key"), DeviceRequest("impostor"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(answer.reason, reason::kCallerUnauthenticated);
}

// A station's credential with a lifetime; returns the file's base name.
std::string MakeStation(const std::string& name, const std::string& lifetime) {
  const std::string base = (TheService().directory() / name).string();
  EXPECT_EQ(
      RunCommand(fmt::format("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={0} "
                             "-addext 'subjectAltName=URI:hallmark://test/station/{0}' -keyout {1}.key -out {1}.csr",
                             name, base))
          .exit_code,
      0);
  const auto issued = TheService().Hallmark(
      "operator", fmt::format("certificate issue --authority access --profile station --lifetime {} --out {} {}.csr",
                              lifetime, TheService().directory().path().string(), base));
  EXPECT_EQ(issued.exit_code, 0) << issued.output;
  return base;
}

TEST(ServiceTest, ARevokedCallerIsRefusedAtOnceOnItsOpenConnectionToo) {
  const std::string base = MakeStation("line-7", "1d");
  const auto channel = Connect(base + "-chain.pem", base + ".key");
  ASSERT_TRUE(Issue(channel, DeviceRequest("line-7-1")).status.ok());
  const auto stub = v1::Issuance::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->IssueCertificates(&Within(context));
  v1::IssueCertificatesResponse response;
  ASSERT_TRUE(stream->Write(DeviceRequest("line-7-2")));
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(response.has_certificate()) << response.error().message();

  ASSERT_EQ(TheService()
                .Hallmark("operator", "certificate revoke --authority access --reason keyCompromise --yes --no-wait " +
                                          base + ".pem")
                .exit_code,
            0);
  const Answer answer = Issue(channel, DeviceRequest("line-7-3"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(answer.reason, reason::kCallerRevoked);
  EXPECT_FALSE(stream->Read(&response));  // it ends by itself
  EXPECT_EQ(Decode(stream->Finish()).reason, reason::kCallerRevoked);
}

TEST(ServiceTest, AnExpiredCallerIsRefusedOnItsOpenConnectionToo) {
  const std::string base = MakeStation("line-8", "6s");
  const auto channel = Connect(base + "-chain.pem", base + ".key");
  ASSERT_TRUE(Issue(channel, DeviceRequest("line-8-1")).status.ok());
  std::this_thread::sleep_for(std::chrono::seconds(8));
  const Answer answer = Issue(channel, DeviceRequest("line-8-2"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(answer.reason, reason::kCallerExpired);
  // A new connection does not even come to be.
  EXPECT_EQ(Issue(Connect(base + "-chain.pem", base + ".key"), DeviceRequest("line-8-3")).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

// Streams that are opened and left alone, over several connections.
class IdleStreams {
 public:
  IdleStreams(const std::string& certificate, const std::string& key, int count) {
    constexpr int kEach = 100;  // within what one connection may have
    for (int i = 0; i < count; ++i) {
      if (i % kEach == 0) stubs_.push_back(v1::Issuance::NewStub(Connect(certificate, key)));
      contexts_.push_back(std::make_unique<grpc::ClientContext>());
      streams_.push_back(stubs_.back()->IssueCertificates(contexts_.back().get()));
    }
  }
  ~IdleStreams() {
    for (const auto& context : contexts_) context->TryCancel();
    for (const auto& stream : streams_) stream->Finish();
  }
  grpc::Status FinishFirst() {
    return std::exchange(streams_.front(), stubs_.front()->IssueCertificates(
                                               contexts_.emplace_back(std::make_unique<grpc::ClientContext>()).get()))
        ->Finish();
  }

 private:
  std::vector<std::unique_ptr<v1::Issuance::Stub>> stubs_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>>>
      streams_;
};

TEST(ServiceTest, AStreamOfWhoIsNoCallerEndsBeforeItsFirstMessage) {
  const std::string csrs = (TheService().directory() / "streamer").string();
  TheService().MakeCsrs(csrs, "streamer", 1);
  ASSERT_EQ(
      TheService().Hallmark("station", "certificate issue --out " + csrs + " " + csrs + "/streamer-1.csr").exit_code,
      0);
  IdleStreams streams(csrs + "/streamer-1-chain.pem", csrs + "/streamer-1.key", 300);
  EXPECT_EQ(streams.FinishFirst().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Issue(ConnectAs("station"), DeviceRequest("beside-strangers")).status.ok());
}

TEST(ServiceTest, IdleStreamsKeepNobodyOut) {
  const std::string base = (TheService().ca() / "contexts/station").string();
  const IdleStreams streams(base + ".pem", base + "-key.pem", 600);
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(Issue(ConnectAs("station"), DeviceRequest(fmt::format("beside-idle-{}", i))).status.ok()) << i;
}

TEST(ServiceTest, AClientThatStopsReadingStallsNobodyElse) {
  const auto deaf = v1::Issuance::NewStub(ConnectAs("station"));
  grpc::ClientContext context;
  const auto unread = deaf->IssueCertificates(&context);
  std::thread writer([&] {
    // Blocks once the service takes no more from it.
    for (int i = 0; i < 2000 && unread->Write(DeviceRequest(fmt::format("deaf-{}", i))); ++i) {
    }
  });
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const auto stub = v1::Issuance::NewStub(ConnectAs("station"));
  grpc::ClientContext other;
  const auto stream = stub->IssueCertificates(&Within(other));
  v1::IssueCertificatesResponse response;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream->Write(DeviceRequest(fmt::format("hearing-{}", i))));
    ASSERT_TRUE(stream->Read(&response)) << i;
    ASSERT_TRUE(response.has_certificate()) << response.error().message();
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  context.TryCancel();
  writer.join();
}

TEST(ServiceTest, AStationMayNotCallAnOperatorsMethods) {
  const auto channel = ConnectAs("station");
  const Answer issued = Issue(channel, DeviceRequest("theirs"));
  ASSERT_TRUE(issued.status.ok());
  const auto revocation = v1::Revocation::NewStub(channel);
  {
    grpc::ClientContext context;
    v1::RevokeCertificateRequest request;
    request.set_name(issued.certificate.name());
    request.set_reason(v1::KEY_COMPROMISE);
    v1::Certificate certificate;
    EXPECT_EQ(Decode(revocation->RevokeCertificate(&Within(context), request, &certificate)).reason,
              reason::kPermissionDenied);
  }
  {
    grpc::ClientContext context;
    v1::GenerateCrlRequest request;
    request.set_parent("authorities/devices");
    v1::Crl crl;
    EXPECT_EQ(Decode(revocation->GenerateCrl(&Within(context), request, &crl)).reason, reason::kPermissionDenied);
  }
}

TEST(ServiceTest, AnOperatorFetchesTheRequestOfAnAuthorityAndAStationDoesNot) {
  const std::string file = (TheService().directory() / "devices.csr").string();
  EXPECT_EQ(TheService().Hallmark("station", "authority csr devices --out " + file).exit_code, 6);
  EXPECT_FALSE(std::filesystem::exists(file));
  ASSERT_EQ(TheService().Hallmark("operator", "authority csr devices --out " + file).exit_code, 0);
  EXPECT_THAT(RunCommand("openssl req -verify -noout -in " + file).output, HasSubstr("verify OK"));
}

TEST(ServiceTest, RevokingWithoutAReasonOrWithAnUnknownOneIsRefused) {
  const auto stub = v1::Revocation::NewStub(ConnectAs("operator"));
  for (int reason : {0, 8, 9, 99, -1}) {
    grpc::ClientContext context;
    v1::RevokeCertificateRequest request;
    request.set_name("authorities/devices/certificates/00");
    request.set_reason(static_cast<v1::RevocationReason>(reason));
    v1::Certificate certificate;
    const Answer answer = Decode(stub->RevokeCertificate(&Within(context), request, &certificate));
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << reason;
  }
}

TEST(ServiceTest, FiltersAndPagesListsAndRefusesNonsense) {
  const auto stub = v1::Issuance::NewStub(ConnectAs("operator"));
  const auto list = [&](const std::string& filter, int size, const std::string& token) {
    grpc::ClientContext context;
    v1::ListCertificatesRequest request;
    request.set_filter(filter);
    request.set_page_size(size);
    request.set_page_token(token);
    v1::ListCertificatesResponse response;
    const grpc::Status status = stub->ListCertificates(&Within(context), request, &response);
    return std::pair(Decode(status), response);
  };
  ASSERT_TRUE(Issue(ConnectAs("station"), DeviceRequest("listed",
                                                        [](CsrBuilder& c) {
                                                          c.subject = EncodeName({{"O", "A, B"}, {"CN", "listed"}});
                                                        }))
                  .status.ok());
  EXPECT_EQ(list(R"(subject = "CN=listed,O=A\\, B" AND profile = device-dps)", 10, "").second.certificates_size(), 1);
  EXPECT_EQ(list("profile = \"root\" AND revoked = false", 10, "").second.certificates_size(), 1);
  const auto first = list("", 1, "");
  EXPECT_EQ(first.second.certificates_size(), 1);
  ASSERT_FALSE(first.second.next_page_token().empty());
  EXPECT_NE(list("", 1, first.second.next_page_token()).second.certificates(0).name(),
            first.second.certificates(0).name());
  for (const auto& [filter, size, token] :
       std::vector<std::tuple<const char*, int, const char*>>{{"profile", 1, ""},
                                                              {"profile =", 1, ""},
                                                              {"profile = a OR profile = b", 1, ""},
                                                              {"profile = a AND profile = b", 1, ""},
                                                              {"colour = red", 1, ""},
                                                              {"revoked = maybe", 1, ""},
                                                              {"subject = \"open", 1, ""},
                                                              {"spki_sha256 = abcd", 1, ""},
                                                              {"", -1, ""},
                                                              {"", 1001, ""},
                                                              {"", 1, "rubbish"}}) {
    EXPECT_EQ(list(filter, size, token).first.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << filter << size << token;
  }
}

// The octets of the first answer of a method.
std::string CallRaw(const std::string& method, const std::string& request) {
  return testing::CallRaw(ConnectAs("auditor"), method, request).first;
}

TEST(ServiceTest, HasHealthAndReflection) {
  EXPECT_EQ(CallRaw("/grpc.health.v1.Health/Check", ""), std::string("\x08\x01"));  // status: SERVING
  const std::string services =
      CallRaw("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", std::string("\x3a\x00", 2));
  for (const char* name : {"hallmark.v1.Issuance", "hallmark.v1.Authorities", "hallmark.v1.Profiles",
                           "hallmark.v1.Revocation", "grpc.health.v1.Health"}) {
    EXPECT_THAT(services, HasSubstr(name));
  }
}

TEST(ServiceTest, SpeaksTls13AndNothingOlder) {
  const std::string connect = "openssl s_client -connect " + TheService().endpoint() + " -CAfile " +
                              (TheService().ca() / "tls/root.pem").string() + " -alpn h2 ";
  EXPECT_THAT(RunCommand(connect + "-tls1_3 </dev/null").output, HasSubstr("TLSv1.3"));
  for (const char* version : {"-tls1_2", "-tls1_1", "-tls1"}) {
    EXPECT_THAT(RunCommand(connect + version + " </dev/null").output, HasSubstr("Cipher is (NONE)")) << version;
  }
}

TEST(ServiceTest, TheUrlsInACertificateWork) {
  const Answer answer = Issue(ConnectAs("station"), DeviceRequest("urls"));
  const std::string file = (TheService().directory() / "urls.pem").string();
  ASSERT_TRUE(WriteFile(file, AsBytes(PemEncode("CERTIFICATE", AsBytes(answer.certificate.certificate())))).ok());
  const auto urls = RunCommand("openssl x509 -noout -ext crlDistributionPoints,authorityInfoAccess -in " + file +
                               " | grep -o 'http:[^ ]*'");
  std::istringstream lines(urls.output);
  std::string crl_url;
  std::string ocsp_url;
  std::string aia_url;
  std::getline(lines, crl_url);
  std::getline(lines, ocsp_url);
  std::getline(lines, aia_url);
  EXPECT_EQ(ocsp_url, TheService().base_url() + "/ocsp");
  EXPECT_THAT(RunCommand("curl -sf " + crl_url + " | openssl crl -inform DER -noout -issuer").output,
              HasSubstr("Hallmark Devices"));
  EXPECT_THAT(RunCommand("curl -sf " + aia_url + " | openssl x509 -inform DER -noout -subject").output,
              HasSubstr("Hallmark Devices"));
  EXPECT_THAT(RunCommand("curl -sf " + TheService().base_url() + "/metrics").output,
              HasSubstr("hallmark_certificates_issued_total{authority=\"devices\",profile=\"device-dps\"}"));
}

TEST(ServiceTest, TheLogIsJsonAndHoldsNoPin) {
  const Answer logged = Issue(ConnectAs("station"), DeviceRequest("logged"));
  ASSERT_TRUE(logged.status.ok());
  EXPECT_FALSE(Issue(ConnectAs("station"), DeviceRequest("logged\n\x1b[31m{\"level\":\"forged\"}")).status.ok());
  EXPECT_FALSE(Issue(Connect("", ""), DeviceRequest("logged")).status.ok());
  ASSERT_EQ(
      TheService()
          .Hallmark("operator", "certificate revoke --reason superseded --yes --no-wait " + logged.certificate.name())
          .exit_code,
      0);
  const std::string pin = Read(TheService().ca() / "secrets/pin");
  std::istringstream log(TheService().Log());
  for (std::string line; std::getline(log, line);) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_THAT(TheService().Log(), HasSubstr("call_failed"));
  EXPECT_THAT(TheService().Log(), HasSubstr("certificate_revoked"));
  EXPECT_THAT(TheService().Log(), Not(HasSubstr("\"level\":\"forged\"")));
  EXPECT_THAT(TheService().Log(), Not(HasSubstr(pin)));
  const std::string process = "/proc/" + std::to_string(TheService().process());
  EXPECT_EQ(RunCommand("cat " + process + "/cmdline " + process + "/environ | grep -c " + pin).output, "0\n");
}

TEST(ServiceTest, Pkcs11ToolSeesKeysThatCannotLeaveTheToken) {
  const auto listed = RunCommand(
      fmt::format("SOFTHSM2_CONF={0}/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label "
                  "hallmark --login --pin $(cat {0}/secrets/pin) --list-objects --type privkey",
                  TheService().ca().string()));
  for (const char* name : {"root", "devices", "access"})
    EXPECT_THAT(listed.output, HasSubstr(std::string("label:      ") + name));
  EXPECT_THAT(listed.output, HasSubstr("sensitive, always sensitive, never extractable, local"));
  EXPECT_THAT(listed.output, Not(HasSubstr("Access:     none")));
}

}  // namespace
}  // namespace hallmark
