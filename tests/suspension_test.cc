// Whoever is put out is out at once: in the middle of a stream, on an idle one, on one that it does not read, and over
// a new connection with the old TLS session.
#include <gmock/gmock.h>
#include <grpc/grpc_security.h>

#include <thread>

#include "base/reason.h"
#include "hallmark/v1/stations.grpc.pb.h"
#include "tests/service_client.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Answer;
using testing::Decode;
using testing::DeviceRequest;
using testing::RunCommand;
using testing::Service;
using testing::Within;

using Stream = grpc::ClientReaderWriter<v1::IssueCertificateRequest, v1::IssueCertificatesResponse>;

Service& TheService() {
  static Service service;
  return service;
}

v1::IssueCertificateRequest RequestOf(const std::string& device) {
  return DeviceRequest(device, [&](testing::CsrBuilder& csr) { csr.subject = EncodeName({{"CN", device}}); });
}

// A station with a credential of an operator; its connections share their TLS sessions.
class Station {
 public:
  explicit Station(const std::string& name, const std::string& lifetime = "1d")
      : uri_("hallmark://test/station/" + name),
        base_((TheService().directory() / name).string()),
        sessions_(grpc_ssl_session_cache_create_lru(16)) {
    const auto made = RunCommand(
        fmt::format("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={1} -addext "
                    "subjectAltName=URI:{2} -keyout {0}.key -out {0}.csr",
                    base_, name, uri_));
    const auto issued = TheService().Hallmark(
        "operator", fmt::format("certificate issue --authority access --profile station --lifetime {} --out {} {}.csr",
                                lifetime, TheService().directory().path().string(), base_));
    if (made.exit_code != 0 || issued.exit_code != 0) throw std::runtime_error(made.output + issued.output);
    Connect();
  }
  Station(const Station&) = delete;  // it owns the cache
  Station& operator=(const Station&) = delete;
  ~Station() { grpc_ssl_session_cache_destroy(sessions_); }

  void Connect() {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = ReadFile(TheService().ca() / "tls/root.pem").value();
    tls.pem_cert_chain = ReadFile(base_ + "-chain.pem").value();
    tls.pem_private_key = ReadFile(base_ + ".key").value();
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const grpc_arg cache = grpc_ssl_session_cache_create_channel_arg(sessions_);
    arguments.SetPointerWithVtable(cache.key, cache.value.pointer.p, cache.value.pointer.vtable);
    channel_ = grpc::CreateCustomChannel(TheService().endpoint(), grpc::SslCredentials(tls), arguments);
  }

  const std::string& uri() const { return uri_; }
  std::string certificate() const { return base_ + ".pem"; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // What the database has of it: intents and certificates.
  int Requests() const {
    return std::stoi(RunCommand(fmt::format("sqlite3 -readonly {}/hallmark.db \"SELECT count(*) FROM certificates "
                                            "WHERE caller = '{}'\"",
                                            TheService().ca().string(), uri_))
                         .output);
  }

 private:
  const std::string uri_;
  const std::string base_;
  grpc_ssl_session_cache* const sessions_;
  std::shared_ptr<grpc::Channel> channel_;
};

void Suspend(const Station& station) {
  v1::SuspendCallerRequest request;
  request.set_caller(station.uri());
  request.set_reason("a test");
  grpc::ClientContext context;
  v1::Suspension suspension;
  const auto stub = v1::Stations::NewStub(testing::ConnectAs(TheService(), "operator"));
  const grpc::Status status = stub->SuspendCaller(&Within(context), request, &suspension);
  ASSERT_TRUE(status.ok()) << status.error_message();
}
void Revoke(const Station& station) {
  const auto revoked = TheService().Hallmark(
      "operator",
      "certificate revoke --authority access --reason keyCompromise --yes --no-wait " + station.certificate());
  ASSERT_EQ(revoked.exit_code, 0) << revoked.output;
}

struct Act {
  const char* name;
  void (*act)(const Station&);
  const char* reason;
};
constexpr Act kActs[] = {{"suspended", Suspend, reason::kCallerSuspended}, {"revoked", Revoke, reason::kCallerRevoked}};

class PutOutTest : public ::testing::TestWithParam<Act> {};
INSTANTIATE_TEST_SUITE_P(Acts, PutOutTest, ::testing::ValuesIn(kActs),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(PutOutTest, InTheMiddleOfAStream) {
  constexpr int kRequests = 2000;
  Station station(std::string("middle-") + GetParam().name);
  const auto stub = v1::Issuance::NewStub(station.channel());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto stream = stub->IssueCertificates(&context);
  std::thread writer([&] {
    for (int i = 0; i < kRequests; ++i) {
      if (!stream->Write(RequestOf(fmt::format("{}-{}", GetParam().name, i)))) return;
    }
  });
  v1::IssueCertificatesResponse response;
  int issued = 0;
  while (issued < 200 && stream->Read(&response)) issued += response.has_certificate() ? 1 : 0;
  EXPECT_EQ(issued, 200);
  std::thread reader([&] {
    while (stream->Read(&response)) issued += response.has_certificate() ? 1 : 0;
  });
  GetParam().act(station);
  const int at_the_act = station.Requests();
  reader.join();
  writer.join();
  const Answer end = Decode(stream->Finish());
  EXPECT_EQ(end.status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << end.status.error_message();
  EXPECT_EQ(end.reason, GetParam().reason);
  EXPECT_EQ(station.Requests(), at_the_act);  // nothing was intended after it
  EXPECT_LT(at_the_act, kRequests);
  EXPECT_LE(issued, at_the_act);

  // With the old session over a new connection.
  station.Connect();
  grpc::ClientContext again;
  v1::Certificate certificate;
  const Answer refused = Decode(
      v1::Issuance::NewStub(station.channel())->IssueCertificate(&Within(again), RequestOf("again"), &certificate));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(refused.reason, GetParam().reason);
  const auto resumed = again.auth_context()->FindPropertyValues(GRPC_SSL_SESSION_REUSED_PROPERTY);
  RecordProperty("tls_session_resumed", resumed.empty() ? "?" : std::string(resumed[0].data(), resumed[0].size()));
  const Answer stream_again = Decode([&] {
    grpc::ClientContext third;
    return v1::Issuance::NewStub(station.channel())->IssueCertificates(&Within(third))->Finish();
  }());
  EXPECT_EQ(stream_again.reason, GetParam().reason);
}

TEST_P(PutOutTest, OnAStreamThatIsIdle) {
  const Station station(std::string("idle-") + GetParam().name);
  const auto stub = v1::Issuance::NewStub(station.channel());
  grpc::ClientContext context;
  const auto stream = stub->IssueCertificates(&Within(context));
  v1::IssueCertificatesResponse response;
  ASSERT_TRUE(stream->Write(RequestOf(std::string("idle-device-") + GetParam().name)));
  ASSERT_TRUE(stream->Read(&response));
  GetParam().act(station);
  const Time acted = absl::Now();
  EXPECT_FALSE(stream->Read(&response));
  RecordProperty("milliseconds", static_cast<int>(absl::ToInt64Milliseconds(absl::Now() - acted)));
  const Answer end = Decode(stream->Finish());
  EXPECT_EQ(end.status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << end.status.error_message();
  EXPECT_EQ(end.reason, GetParam().reason);
}

TEST_P(PutOutTest, OnAStreamThatItDoesNotRead) {
  const Station station(std::string("deaf-") + GetParam().name);
  const auto stub = v1::Issuance::NewStub(station.channel());
  grpc::ClientContext context;
  const auto stream = stub->IssueCertificates(&context);  // no deadline: only the service ends it
  std::atomic<int> written = 0;
  std::thread writer([&] {
    const v1::IssueCertificateRequest request = RequestOf(std::string("deaf-device-") + GetParam().name);
    while (stream->Write(request)) ++written;
  });
  // It writes until nothing more is taken from it.
  for (int before = -1; before != written;) {
    before = written;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  GetParam().act(station);
  writer.join();
  EXPECT_GT(written, 32);
  v1::IssueCertificatesResponse response;
  while (stream->Read(&response)) continue;
  EXPECT_FALSE(stream->Finish().ok());
}

TEST(ExpiryTest, EndsAnIdleStream) {
  const Station station("expiring", "4s");
  const auto stub = v1::Issuance::NewStub(station.channel());
  grpc::ClientContext context;
  const Answer end = Decode(stub->IssueCertificates(&Within(context))->Finish());
  EXPECT_EQ(end.reason, reason::kCallerExpired) << end.status.error_message();
}

}  // namespace
}  // namespace hallmark
