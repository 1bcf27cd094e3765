// OCSP of a real service with a real token, judged by OpenSSL and GnuTLS, and met by clients that mean no good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ca/ocsp.h"
#include "tests/ocsp_question.h"
#include "tests/service.h"

namespace hallmark {
namespace {

using ::testing::AnyOf;
using testing::CertIdOf;
using testing::CertIdUnder;
using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::OcspPath;
using testing::OcspQuestion;
using testing::RunCommand;
using testing::Service;
using testing::Succeed;

// One service for all tests of this program, with three devices and what a relying party has.
class OcspServiceTest : public ::testing::Test {
 protected:
  static Service& TheService() {
    static Service& service = *[] {
      static Service made;
      const std::string at = Directory(made);
      made.MakeCsrs(at, "device", 3);
      Succeed(
          fmt::format("{0}/hallmark --context {1}/contexts/station.yaml certificate issue --out {2} {2}/device-1.csr "
                      "{2}/device-2.csr {2}/device-3.csr",
                      testing::kPrograms, made.ca().string(), at));
      for (const char* name : {"devices", "root"}) {
        Succeed(fmt::format("curl -sf {0}/aia/{1}.cer | openssl x509 -inform DER -out {2}/{1}.pem", made.base_url(),
                            name, at));
      }
      Succeed(fmt::format("cat {0}/devices.pem {0}/root.pem > {0}/trusted.pem", at));
      return &made;
    }();
    return service;
  }
  static std::string Directory(const Service& service) { return (service.directory() / "relying").string(); }
  static std::string At() { return Directory(TheService()); }
  static std::string Url() { return TheService().base_url() + "/ocsp"; }

  // openssl ocsp about a certificate of `devices`.
  static CommandResult Openssl(const std::string& which, const std::string& options = "-no_nonce") {
    return RunCommand(fmt::format("openssl ocsp -issuer {0}/devices.pem {1} {2} -CAfile {0}/trusted.pem -url {3}", At(),
                                  options, which, Url()));
  }
  static CommandResult Ocsptool(const std::string& device, const std::string& options) {
    return RunCommand(
        fmt::format("ocsptool --ask={0} --load-issuer {1}/devices.pem --load-cert {1}/{2}.pem "
                    "--load-trust {1}/trusted.pem {3}",
                    Url(), At(), device, options));
  }
  static std::string CertOf(const std::string& device) { return fmt::format("-cert {}/{}.pem", At(), device); }
  static void Revoke(const std::string& device) {
    Succeed(
        fmt::format("{}/hallmark --context {}/contexts/operator.yaml certificate revoke --reason keyCompromise --yes "
                    "--no-wait {}/{}.pem",
                    testing::kPrograms, TheService().ca().string(), At(), device));
  }

  static Bytes IssuerCertificate() {
    return PemDecode("CERTIFICATE", ReadFile(At() + "/devices.pem").value()).value().at(0);
  }
  static Bytes IdOf(const std::string& device) {
    const Bytes certificate = PemDecode("CERTIFICATE", ReadFile(At() + "/" + device + ".pem").value()).value().at(0);
    return CertIdUnder(IssuerCertificate(), ReadCertificate(certificate).value().serial);
  }

  struct Response {
    std::string status;  // HTTP's
    std::string headers;
    std::string body;
  };
  static Response Curl(const std::string& arguments) {
    const std::string body = At() + "/body";
    const std::string headers = At() + "/headers";
    std::filesystem::remove(body);
    const CommandResult result =
        RunCommand(fmt::format("curl -s -o {} -D {} -w '%{{http_code}}' {}", body, headers, arguments));
    return {result.output, ReadFile(headers).value_or(""), ReadFile(body).value_or("")};
  }
  static Response Post(const Bytes& request, const std::string& type = "application/ocsp-request") {
    EXPECT_TRUE(WriteFile(At() + "/request", request).ok());
    return Curl(fmt::format("-H 'Content-Type: {}' -H Expect: --data-binary @{}/request {}", type, At(), Url()));
  }
  static std::string PathOf(const Bytes& request) { return TheService().base_url() + OcspPath(request); }
  static OcspStatus StatusOf(const Response& response) {
    EXPECT_EQ(response.status, "200");
    EXPECT_THAT(response.headers, HasSubstr("Content-Type: application/ocsp-response"));
    return ReadOcspResponse(AsBytes(response.body)).value().status;
  }
};

TEST_F(OcspServiceTest, OpensslBelievesIt) {
  for (const char* options : {"-nonce", "-no_nonce", "-sha256 -nonce", "-sha256 -no_nonce"}) {
    const CommandResult good = Openssl(CertOf("device-1"), options);
    EXPECT_EQ(good.exit_code, 0) << options << "\n" << good.output;
    EXPECT_THAT(good.output, HasSubstr("Response verify OK")) << options;
    EXPECT_THAT(good.output, HasSubstr("device-1.pem: good")) << options;
    EXPECT_THAT(good.output, Not(HasSubstr("WARNING"))) << options;  // a nonce that was asked for came back
    const CommandResult unknown = Openssl("-serial 0x4242424242424242", options);
    EXPECT_THAT(unknown.output, HasSubstr("Response verify OK")) << options;
    EXPECT_THAT(unknown.output, HasSubstr("0x4242424242424242: unknown")) << options;
  }
  const CommandResult several =
      Openssl(fmt::format("{} {} -serial 7", CertOf("device-1"), CertOf("device-3")), "-nonce");
  EXPECT_THAT(several.output, HasSubstr("Response verify OK"));
  EXPECT_THAT(several.output, HasSubstr("device-3.pem: good"));
  EXPECT_THAT(several.output, HasSubstr("7: unknown"));
}

TEST_F(OcspServiceTest, TheCertificateSaysWhereToAsk) {
  const std::string url = Succeed(fmt::format("openssl x509 -in {}/device-1.pem -noout -ocsp_uri", At())).output;
  EXPECT_EQ(url, Url() + "\n");
  const CommandResult good =
      RunCommand(fmt::format("openssl ocsp -issuer {0}/devices.pem {1} -CAfile {0}/trusted.pem -url $(openssl x509 -in "
                             "{0}/device-1.pem -noout -ocsp_uri)",
                             At(), CertOf("device-1")));
  EXPECT_THAT(good.output, HasSubstr("Response verify OK"));
  EXPECT_THAT(good.output, HasSubstr("device-1.pem: good"));
  // Whose profile does not say so names none: authorities, and callers.
  for (const std::string& other :
       {At() + "/devices.pem", At() + "/root.pem", (TheService().ca() / "contexts/station.pem").string()}) {
    EXPECT_EQ(Succeed(fmt::format("openssl x509 -in {} -noout -ocsp_uri", other)).output, "") << other;
  }
}

TEST_F(OcspServiceTest, OpensslSeesARevocationAtOnce) {
  EXPECT_THAT(Openssl(CertOf("device-2")).output, HasSubstr("device-2.pem: good"));
  Revoke("device-2");
  for (const char* options : {"-nonce", "-no_nonce"}) {
    const CommandResult revoked = Openssl(CertOf("device-2"), options);
    EXPECT_THAT(revoked.output, HasSubstr("Response verify OK")) << options;
    EXPECT_THAT(revoked.output, HasSubstr("device-2.pem: revoked")) << options;
    EXPECT_THAT(revoked.output, HasSubstr("Reason: keyCompromise")) << options;
    EXPECT_THAT(revoked.output, HasSubstr("Revocation Time: ")) << options;
  }
  EXPECT_THAT(Openssl(CertOf("device-1")).output, HasSubstr("device-1.pem: good"));
}

TEST_F(OcspServiceTest, OpensslIsRefusedForAStrangersIssuer) {
  Succeed(
      fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stranger -keyout "
                  "{0}/stranger.key -out {0}/stranger.pem 2>/dev/null",
                  At()));
  const CommandResult refused =
      RunCommand(fmt::format("openssl ocsp -issuer {0}/stranger.pem -serial 1 -url {1}", At(), Url()));
  EXPECT_THAT(refused.output, HasSubstr("unauthorized (6)"));
  // The root answers for its own, with a responder of its own.
  const CommandResult root = RunCommand(fmt::format(
      "openssl ocsp -issuer {0}/root.pem -cert {0}/devices.pem -CAfile {0}/root.pem -url {1}", At(), Url()));
  EXPECT_THAT(root.output, HasSubstr("Response verify OK"));
  EXPECT_THAT(root.output, HasSubstr("devices.pem: good"));
}

TEST_F(OcspServiceTest, GnutlsBelievesIt) {
  for (const char* options : {"--nonce", ""}) {
    const CommandResult good = Ocsptool("device-3", options);
    EXPECT_EQ(good.exit_code, 0) << good.output;
    EXPECT_THAT(good.output, HasSubstr("Certificate Status: good")) << options;
    EXPECT_THAT(good.output, AnyOf(HasSubstr("Verification: Success"), HasSubstr("Verifying OCSP Response: Success")))
        << options;
  }
  Revoke("device-3");
  const CommandResult revoked = Ocsptool("device-3", "--nonce");
  EXPECT_THAT(revoked.output, HasSubstr("Certificate Status: revoked"));
}

TEST_F(OcspServiceTest, AGetIsCacheable) {
  const Bytes request = OcspQuestion{.ids = {IdOf("device-1")}}.Build();
  const Response first = Curl(PathOf(request));
  EXPECT_EQ(StatusOf(first), OcspStatus::kSuccessful);
  EXPECT_THAT(first.headers, HasSubstr("Cache-Control: public, max-age="));
  EXPECT_THAT(first.headers, HasSubstr("ETag: \""));
  EXPECT_THAT(first.headers, HasSubstr("Expires: "));
  EXPECT_EQ(Curl(PathOf(request)).body, first.body);
  EXPECT_EQ(Post(request).body, first.body);
  const size_t tag = first.headers.find("ETag: ") + 6;
  const std::string entity_tag = first.headers.substr(tag, first.headers.find('\r', tag) - tag);
  EXPECT_EQ(Curl(fmt::format("-H 'If-None-Match: {}' {}", entity_tag, PathOf(request))).status, "304");
  const Response head = Curl("-I " + PathOf(request));
  EXPECT_EQ(head.status, "200");
  EXPECT_THAT(head.headers, HasSubstr(fmt::format("Content-Length: {}", first.body.size())));
  // With a nonce it is nobody else's.
  const Response own = Curl(PathOf(OcspQuestion{.ids = {IdOf("device-1")}, .nonce = Bytes(32, 5)}.Build()));
  EXPECT_EQ(StatusOf(own), OcspStatus::kSuccessful);
  EXPECT_THAT(own.headers, HasSubstr("Cache-Control: no-store"));
}

TEST_F(OcspServiceTest, BadInputIsRefusedAsWhatItIs) {
  const Bytes id = IdOf("device-1");
  const Bytes serial = der::Unsigned(Bytes{1});
  const struct {
    std::string name;
    Bytes request;
    OcspStatus status;
  } cases[] = {
      {"nothing", {}, OcspStatus::kMalformedRequest},
      {"garbage", ToBytes(AsBytes("\xde\xad\xbe\xef")), OcspStatus::kMalformedRequest},
      {"64 KiB of it", Bytes(64 << 10, 0x30), OcspStatus::kMalformedRequest},
      {"an empty list", OcspQuestion{}.Build(), OcspStatus::kMalformedRequest},
      {"101 certificates", OcspQuestion{.ids = std::vector<Bytes>(101, id)}.Build(), OcspStatus::kMalformedRequest},
      {"a nonce of 33", OcspQuestion{.ids = {id}, .nonce = Bytes(33, 1)}.Build(), OcspStatus::kMalformedRequest},
      {"an unknown hash", OcspQuestion{.ids = {CertIdOf("1.2.3.4", Bytes(20, 1), Bytes(20, 2), serial)}}.Build(),
       OcspStatus::kUnauthorized},
      {"wrong issuer hashes",
       OcspQuestion{.ids = {CertIdOf(testing::kSha1Oid, Bytes(20, 1), Bytes(20, 2), serial)}}.Build(),
       OcspStatus::kUnauthorized},
      {"a hundred certificates", OcspQuestion{.ids = std::vector<Bytes>(100, id)}.Build(), OcspStatus::kSuccessful},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(StatusOf(Post(c.request)), c.status) << c.name;
    if (c.request.empty() || c.request.size() > 1024) continue;
    const Response got = Curl(PathOf(c.request));
    EXPECT_EQ(StatusOf(got), c.status) << c.name;
    EXPECT_THAT(got.headers, HasSubstr("Cache-Control: no-store")) << c.name;
  }
  EXPECT_EQ(Post(Bytes(1 << 20, 0x30)).status, "413");
  EXPECT_EQ(Post(OcspQuestion{.ids = {id}}.Build(), "text/plain").status, "415");
  EXPECT_EQ(Curl(Url()).status, "405");
  EXPECT_EQ(Curl("-X PUT -d x " + Url()).status, "405");
  EXPECT_EQ(Curl("-d x " + TheService().base_url() + "/crl/devices.crl").status, "405");
  std::string twice = PathOf(OcspQuestion{.ids = {id}, .nonce = Bytes(1, 1)}.Build()) + "%3D";
  for (size_t at = 0; (at = twice.find('%', at)) != std::string::npos; at += 3) twice.replace(at, 1, "%25");
  EXPECT_EQ(StatusOf(Curl(twice)), OcspStatus::kMalformedRequest);
  EXPECT_EQ(Openssl(CertOf("device-1")).exit_code, 0);  // unharmed
}

TEST_F(OcspServiceTest, ItIsMeasuredAndGoesOnAfterARestart) {
  EXPECT_EQ(Openssl(CertOf("device-1")).exit_code, 0);
  EXPECT_THAT(Curl(TheService().base_url() + "/metrics").body,
              HasSubstr("hallmark_ocsp_responses_total{status=\"successful\"}"));
  const std::string list = "certificate list --authority devices --profile ocsp-signer --output json";
  const CommandResult before = TheService().Hallmark("auditor", list);
  EXPECT_EQ(TheService().Stop(), 0);
  TheService().Start();
  const CommandResult good = Openssl(CertOf("device-1"), "-nonce");
  EXPECT_THAT(good.output, HasSubstr("Response verify OK"));
  EXPECT_THAT(good.output, HasSubstr("device-1.pem: good"));
  EXPECT_EQ(TheService().Hallmark("auditor", list).output, before.output);
}

}  // namespace
}  // namespace hallmark
