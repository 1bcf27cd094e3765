#include "tools/hallmark/possession.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/names.h"
#include "publish/possession.h"
#include "tools/hallmark/credential.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/failure.h"
#include "tools/hallmark/issue_all.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

StatusOr<ssl::Certificate> Decode(ByteView der) {
  const uint8_t* at = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate != nullptr) return certificate;
  return Error(Code::kInternal, reason::kLintFailed, "OpenSSL cannot read a certificate: " + ssl::DrainErrors());
}

}  // namespace

Status CheckCode(const std::string& code) {
  const bool hexadecimal = std::all_of(code.begin(), code.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (hexadecimal && (code.size() == kAzureCode || code.size() == kAwsCode)) return absl::OkStatus();
  const std::string shown = Printable(code.size() <= kAwsCode ? code : code.substr(0, kAwsCode) + "...");
  return UsageError(
      fmt::format("--code '{}' has {} characters{}; Azure's codes are {} hexadecimal digits, those of AWS IoT Core {}. "
                  "Copy the whole "
                  "code, without blanks around it; nothing was asked for",
                  shown, code.size(), hexadecimal ? "" : ", not all of them hexadecimal digits", kAzureCode, kAwsCode));
}

StatusOr<std::string> FaultOfPossession(ByteView certificate, ByteView issuer, ByteView spki, const std::string& code,
                                        Time now) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  ASSIGN_OR_RETURN(const CertificateParts above, ReadCertificate(issuer));
  ASSIGN_OR_RETURN(const Subject subject, ReadName(parts.subject));
  if (subject != Subject{{"CN", code}}) return fmt::format("its subject is {}, not CN={}", ToRfc4514(subject), code);
  if (!Equal(parts.spki, spki)) return std::string("it certifies another key than the one that was sent");
  if (!Equal(parts.issuer, above.subject)) return std::string("it names another issuer than the authority");
  if (parts.not_after < now) return fmt::format("it expired on {}", Rfc3339(parts.not_after));
  ASSIGN_OR_RETURN(const ssl::Certificate signed_one, Decode(certificate));
  ASSIGN_OR_RETURN(const ssl::Certificate signer, Decode(issuer));
  if (X509_verify(signed_one.get(), X509_get0_pubkey(signer.get())) == 1) return std::string();
  ssl::DrainErrors();
  return std::string("its signature does not verify under the authority's key");
}

StatusOr<Bytes> ProvePossession(Client& client, const Clock& clock, const std::string& authority,
                                const std::string& code) {
  RETURN_IF_ERROR(CheckCode(code));
  ASSIGN_OR_RETURN(const v1::Authority issuer, client.GetAuthority(authority));
  ASSIGN_OR_RETURN(const ssl::EvpKey key, GenerateSoftwareKey());
  ASSIGN_OR_RETURN(const Bytes spki, ssl::ToDer(i2d_PUBKEY, key.get()));
  ASSIGN_OR_RETURN(const Bytes csr, MakeCsr(key.get(), code, {}));
  v1::IssueCertificateRequest request;
  request.set_request_id(DefaultRequestId(authority, kPossessionProfile, csr));
  request.set_parent(authority);
  request.set_profile(kPossessionProfile);
  request.set_csr(ToString(csr));
  ASSIGN_OR_RETURN(const v1::Certificate answer, IssueOne(client, request, clock));
  const Bytes certificate = ToBytes(AsBytes(answer.certificate()));
  ASSIGN_OR_RETURN(const std::string fault,
                   FaultOfPossession(certificate, AsBytes(issuer.certificate()), spki, code, clock.Now()));
  if (fault.empty()) return certificate;
  return Error(Code::kInternal, reason::kLintFailed,
               fmt::format("the service's answer, {}, is no proof of possession: {}; nothing was written",
                           Printable(answer.name()), fault));
}

}  // namespace hallmark::cli
