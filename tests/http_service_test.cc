// HTTP of a real service as relying parties use it: over TLS with a certificate that changes, and in gzip.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/service.h"

namespace hallmark {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunCommand;
using testing::Service;
using testing::Succeed;

class HttpServiceTest : public ::testing::Test {
 protected:
  HttpServiceTest() : service_(Service::Stopped()) {}

  std::string At() const { return service_->directory().path().string(); }
  // Over TLS, where the server is to have the certificate of that name.
  CommandResult Curl(const std::string& trusted, const std::string& path) const {
    std::string url = service_->base_url() + path;
    url.replace(0, 4, "https");
    return RunCommand(fmt::format("curl -sf -o {0}/got --cacert {0}/{1}.pem {2}", At(), trusted, url));
  }
  void MakeTls(const std::string& name) const {
    Succeed(
        fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={1} -addext "
                    "subjectAltName=IP:127.0.0.1,DNS:localhost -keyout {0}/{1}.key -out {0}/{1}.pem 2>/dev/null",
                    At(), name));
  }
  // Puts a certificate and a key where the service reads them.
  void Install(const std::string& certificate, const std::string& key) const {
    Succeed(fmt::format("cp {0}/{1}.pem {2}/tls/http.pem && cp {0}/{3}.key {2}/tls/http.key", At(), certificate,
                        service_->ca().string(), key));
  }
  bool Logged(const std::string& event, size_t times) const {
    for (int i = 0; i < 600; ++i) {
      const std::string log = service_->Log();
      size_t count = 0;
      for (size_t at = log.find(event); at != log.npos; at = log.find(event, at + 1)) ++count;
      if (count >= times) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

  std::unique_ptr<Service> service_;
};

TEST_F(HttpServiceTest, TakesAnotherTlsCertificateOnSighup) {
  for (const char* name : {"one", "two"}) MakeTls(name);
  Install("one", "one");
  Succeed(fmt::format("printf 'http:\\n  tls: {{certificate: tls/http.pem, key: tls/http.key}}\\n' >> {}/hallmark.yaml",
                      service_->ca().string()));
  service_->Start();
  EXPECT_EQ(Curl("one", "/crl/root.crl").exit_code, 0);
  Succeed(fmt::format("curl -sf {}/crl/root.crl | cmp - {}/got", service_->base_url(), At()));  // and without TLS
  Install("two", "two");
  kill(service_->process(), SIGHUP);
  ASSERT_TRUE(Logged("http_tls_loaded", 1)) << service_->Log();
  EXPECT_EQ(Curl("two", "/crl/root.crl").exit_code, 0);
  EXPECT_NE(Curl("one", "/crl/root.crl").exit_code, 0);
  Install("one", "two");  // which do not belong together
  kill(service_->process(), SIGHUP);
  ASSERT_TRUE(Logged("http_tls_refused", 1)) << service_->Log();
  EXPECT_EQ(Curl("two", "/crl/root.crl").exit_code, 0);
  std::filesystem::remove(service_->ca() / "tls/http.key");
  kill(service_->process(), SIGHUP);
  ASSERT_TRUE(Logged("http_tls_refused", 2)) << service_->Log();
  EXPECT_EQ(Curl("two", "/crl/root.crl").exit_code, 0);
  EXPECT_EQ(service_->Stop(), 0);
  EXPECT_EQ(service_->StartAndFail(), 1);
  EXPECT_THAT(service_->Log(), HasSubstr("http.key"));
}

TEST_F(HttpServiceTest, ALongCrlIsOneAndTheSameInGzip) {
  service_->Start();
  service_->MakeCsrs(At(), "device", 40);
  Succeed(fmt::format("{0}/hallmark --context {1}/contexts/station.yaml certificate issue --out {2} {2}/*.csr",
                      testing::kPrograms, service_->ca().string(), At()));
  Succeed(
      fmt::format("{0}/hallmark --context {1}/contexts/operator.yaml certificate revoke --reason superseded --yes "
                  "$(ls {2}/device-*.pem | grep -v chain)",
                  testing::kPrograms, service_->ca().string(), At()));
  const std::string url = service_->base_url() + "/crl/devices.crl";
  Succeed(fmt::format("curl -sf {0}/aia/devices.cer | openssl x509 -inform DER > {1}/devices.pem", service_->base_url(),
                      At()));
  Succeed(
      fmt::format("curl -sf -D {0}/plain.head -o {0}/plain {1} && curl -sf --compressed -D {0}/gzip.head -o "
                  "{0}/gzip {1} && cmp {0}/plain {0}/gzip && test $(stat -c %s {0}/plain) -gt 1024",
                  At(), url));
  EXPECT_THAT(service_->ReadText("gzip.head"), HasSubstr("Content-Encoding: gzip"));
  EXPECT_THAT(service_->ReadText("plain.head"), Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(service_->ReadText("plain.head"), HasSubstr("Vary: Accept-Encoding"));
  EXPECT_THAT(Succeed(fmt::format("openssl crl -inform DER -in {0}/gzip -noout -CAfile {0}/devices.pem", At())).output,
              HasSubstr("verify OK"));
  // HEAD tells the length of what GET sends, of either.
  for (const char* accept : {"identity", "gzip"}) {
    const std::string length = Succeed(fmt::format("curl -sf -o {0}/raw -H 'Accept-Encoding: {1}' {2} && stat -c %s "
                                                   "{0}/raw | tr -d '\\n'",
                                                   At(), accept, url))
                                   .output;
    EXPECT_THAT(Succeed(fmt::format("curl -sfI -H 'Accept-Encoding: {}' {}", accept, url)).output,
                HasSubstr("Content-Length: " + length + "\r\n"))
        << accept;
  }
}

}  // namespace
}  // namespace hallmark
