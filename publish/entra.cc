#include "publish/entra.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "publish/bearer_token.h"

namespace hallmark {
namespace {

// RFC 4648 section 5, without padding (RFC 7515 2).
std::string Base64Url(ByteView bytes) {
  std::string text = Base64(bytes);
  text.resize(std::min(text.find('='), text.size()));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string Encode(const nlohmann::json& object) {
  return Base64Url(AsBytes(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

Status Unfit(const std::filesystem::path& file, const std::string& what) {
  return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
               fmt::format("{} cannot prove an application to Entra ID: {}", file.string(), what));
}

struct ApplicationCertificate {
  Bytes der;
  Bytes spki;
};

StatusOr<ApplicationCertificate> ReadApplicationCertificate(const std::filesystem::path& file, Time now) {
  const StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return Error(Code::kFailedPrecondition, reason::kFileUnreadable, Message(text.status()));
  StatusOr<std::vector<Bytes>> blocks = PemDecode("CERTIFICATE", *text);
  if (!blocks.ok()) return Unfit(file, Message(blocks.status()));
  ApplicationCertificate certificate = {.der = std::move(blocks->front()), .spki = {}};
  const uint8_t* at = certificate.der.data();
  const ssl::Certificate x509(d2i_X509(nullptr, &at, static_cast<long>(certificate.der.size())));
  if (x509 == nullptr) return Unfit(file, "it is no certificate: " + ssl::DrainErrors());
  // -1 and 1: before and after; 0: it is no time.
  time_t seconds = absl::ToTimeT(now);
  if (X509_cmp_time(X509_get0_notAfter(x509.get()), &seconds) != 1) {
    return Unfit(file, "it has expired; make another one and upload it to the application");
  }
  ASSIGN_OR_RETURN(certificate.spki, ssl::ToDer(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(x509.get())));
  return certificate;
}

// RFC 7518 3.1.
StatusOr<std::string> JwsAlgorithm(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kRsaPssSha256: return std::string("PS256");
    case SignatureAlgorithm::kRsaPkcs1Sha256: return std::string("RS256");
    default: break;
  }
  return Error(Code::kFailedPrecondition, reason::kKeyUnsupported,
               fmt::format("an application's key that signs with {} is of no use to Entra ID; give it an RSA key and a "
                           "certificate for that",
                           Name(algorithm)));
}

// A key that cannot sign, be its token away or its PIN wrong, is the target's failure here; with the HSM's own reason
// it would be taken for one of an authority's key, or of the device that the call was for.
Status OfCredential(const Status& status) {
  const std::string reason = Reason(status);
  if (reason == reason::kFileUnreadable || reason == reason::kConfigurationInvalid) return status;
  Status missing = Error(status.code(), reason::kTargetCredentialMissing, Message(status));
  const std::optional<Duration> delay = RetryDelay(status);
  return delay.has_value() ? WithRetry(std::move(missing), *delay) : missing;
}

class EntraAuthorizer : public Authorizer {
 public:
  EntraAuthorizer(EntraOptions options, const WebClient& client, const Clock& clock)
      : options_(std::move(options)),
        client_(client),
        clock_(clock),
        token_(clock, [this](Time deadline) { return Fetch(deadline); }) {}

  StatusOr<Secret> Authorization(const std::string&, Time deadline) override { return token_.Get(deadline); }
  void Forget(const Secret& authorization) override { token_.Forget(authorization); }
  std::string Describe() const override {
    return fmt::format("the application {} of tenant {} with the certificate {}", options_.client_id, options_.tenant,
                       options_.certificate.string());
  }

 private:
  StatusOr<Secret> MakeAssertion(const std::string& audience, Time now, Time deadline) const {
    ASSIGN_OR_RETURN(const ApplicationCertificate certificate, ReadApplicationCertificate(options_.certificate, now));
    ASSIGN_OR_RETURN(const std::shared_ptr<const Signer> key, options_.open_key(certificate.spki));
    if (!Equal(key->public_key(), certificate.spki)) {
      return Unfit(options_.certificate, "the key is another one than the certificate's; give both of the same pair");
    }
    return MakeClientAssertion(audience, options_.client_id, certificate.der, *key, now, deadline);
  }

  StatusOr<BearerToken> Fetch(Time deadline) const {
    const Time now = clock_.Now();
    WebRequest request = {.method = "POST",
                          .url = fmt::format("{}/{}/oauth2/v2.0/token", options_.login, PercentEncode(options_.tenant)),
                          .headers = {{"Content-Type", "application/x-www-form-urlencoded"}}};
    ASSIGN_OR_RETURN(const std::string host, HostOf(request.url));
    const StatusOr<Secret> assertion = MakeAssertion(request.url, now, deadline);
    if (!assertion.ok()) return Annotate(OfCredential(assertion.status()), Describe());
    request.body =
        fmt::format("grant_type=client_credentials&client_id={}&scope={}&client_assertion_type={}&client_assertion={}",
                    PercentEncode(options_.client_id), PercentEncode(options_.scope),
                    PercentEncode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), assertion->Reveal());
    const StatusOr<WebResponse> response = client_.Send(request, deadline);
    OPENSSL_cleanse(request.body.data(), request.body.size());
    if (!response.ok()) return Annotate(response.status(), Describe());
    return JudgeTokenAnswer(*response, host,
                            fmt::format("check {}: that it is uploaded to the application, that tenant and client_id "
                                        "are right, and that the application has what it asks for",
                                        Describe()),
                            now);
  }

  const EntraOptions options_;
  const WebClient& client_;
  const Clock& clock_;
  TokenCache token_;  // last: it calls Fetch
};

}  // namespace

StatusOr<Secret> MakeClientAssertion(const std::string& audience, const std::string& client_id, ByteView certificate,
                                     const Signer& key, Time now, Time deadline) {
  constexpr Duration kLifetime = absl::Minutes(10);
  constexpr size_t kIdOctets = 16;
  ASSIGN_OR_RETURN(const std::string algorithm, JwsAlgorithm(key.algorithm()));
  ASSIGN_OR_RETURN(const Bytes id, RandomBytes(kIdOctets));
  const nlohmann::json header = {
      {"alg", algorithm}, {"typ", "JWT"}, {"x5t#S256", Base64Url(Sha256(certificate))}};  // RFC 7515 4.1.8
  const nlohmann::json claims = {{"aud", audience},
                                 {"iss", client_id},
                                 {"sub", client_id},
                                 {"jti", Hex(id)},
                                 {"nbf", absl::ToUnixSeconds(now)},
                                 {"exp", absl::ToUnixSeconds(now + kLifetime)}};
  const std::string signing_input = Encode(header) + "." + Encode(claims);
  ASSIGN_OR_RETURN(const Bytes signature, key.Sign(AsBytes(signing_input), deadline));
  return Secret(signing_input + "." + Base64Url(signature));
}

std::unique_ptr<Authorizer> MakeEntraAuthorizer(EntraOptions options, const WebClient& client, const Clock& clock) {
  return std::make_unique<EntraAuthorizer>(std::move(options), client, clock);
}

}  // namespace hallmark
