#include "ca/chain.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr char kSignedData[] = "1.2.840.113549.1.7.2";

Status Malformed(const std::string& what) { return FieldError(reason::kChainInvalid, "certificates", what); }

StatusOr<std::vector<Bytes>> ReadSequences(ByteView octets) {
  der::Reader reader(octets);
  std::vector<Bytes> certificates;
  while (!reader.empty()) {
    ASSIGN_OR_RETURN(const der::Element certificate, reader.Next(der::kSequence));
    certificates.push_back(ToBytes(certificate.whole));
  }
  return certificates;
}

// ContentInfo of a SignedData (RFC 5652 3, 5.1), of which only the certificates matter.
StatusOr<std::vector<Bytes>> ReadCertsOnly(ByteView octets) {
  ASSIGN_OR_RETURN(const ByteView info, der::ReadWhole(octets, der::kSequence));
  der::Reader outer(info);
  RETURN_IF_ERROR(outer.Next(der::kOid).status());
  ASSIGN_OR_RETURN(const ByteView content, outer.Content(der::ContextConstructed(0)));
  ASSIGN_OR_RETURN(const ByteView signed_data, der::ReadWhole(content, der::kSequence));
  der::Reader fields(signed_data);
  RETURN_IF_ERROR(fields.Next(der::kInteger).status());
  RETURN_IF_ERROR(fields.Next(der::kSet).status());
  RETURN_IF_ERROR(fields.Next(der::kSequence).status());
  ASSIGN_OR_RETURN(const ByteView certificates, fields.Content(der::ContextConstructed(0)));
  return ReadSequences(certificates);
}

bool IsSignedData(ByteView octets) {
  const StatusOr<ByteView> info = der::ReadWhole(octets, der::kSequence);
  if (!info.ok()) return false;
  const StatusOr<der::Element> type = der::Reader(*info).Next(der::kOid);
  return type.ok() && Equal(type->whole, der::Oid(kSignedData));
}

StatusOr<std::vector<Bytes>> ReadAnyForm(ByteView octets) {
  if (IsSignedData(octets)) return ReadCertsOnly(octets);
  if (octets[0] == der::kSequence) return ReadSequences(octets);
  // RFC 7468 8: PKCS7 for what the older standard called so; CMS in section 9.
  for (const char* label : {"PKCS7", "CMS"}) {
    const StatusOr<std::vector<Bytes>> blocks = PemDecode(label, AsText(octets));
    if (blocks.ok() && blocks->size() == 1) return ReadCertsOnly(blocks->front());
  }
  StatusOr<std::vector<Bytes>> certificates = PemDecode("CERTIFICATE", AsText(octets));
  if (certificates.ok()) {
    for (const Bytes& certificate : *certificates)
      RETURN_IF_ERROR(der::ReadWhole(certificate, der::kSequence).status());
    return certificates;
  }
  return absl::InvalidArgumentError("they are neither DER, nor PKCS#7, nor PEM blocks CERTIFICATE with nothing around");
}

std::string Rfc4514Of(ByteView name) {
  const StatusOr<Subject> subject = ReadName(name);
  return subject.ok() ? ToRfc4514(*subject) : fmt::format("#{}", Hex(name));
}

StatusOr<nlohmann::ordered_json> Describe(const BundledCertificate& bundled) {
  const StatusOr<CertificateParts> parts = ReadCertificate(bundled.certificate);
  if (!parts.ok()) return Error(Code::kInternal, reason::kInternal, "a chain on record holds what is no certificate");
  std::array<uint8_t, SHA_DIGEST_LENGTH> sha1;
  SHA1(bundled.certificate.data(), bundled.certificate.size(), sha1.data());
  nlohmann::ordered_json json = {{"subject", Rfc4514Of(parts->subject)},
                                 {"issuer", Rfc4514Of(parts->issuer)},
                                 {"serial", Hex(parts->serial)},
                                 {"not_before", Rfc3339(parts->not_before)},
                                 {"not_after", Rfc3339(parts->not_after)},
                                 {"sha1_fingerprint", Hex(sha1)},
                                 {"sha256_fingerprint", Hex(Sha256(bundled.certificate))}};
  const Extension* extension = FindExtension(parts->extensions, oid::kSubjectKeyIdentifier);
  const StatusOr<ByteView> identifier =
      extension == nullptr ? absl::NotFoundError("") : ReadSubjectKeyIdentifier(extension->value);
  if (identifier.ok()) json["key_id"] = Hex(*identifier);
  if (!bundled.authority.empty()) {
    json["authority"] = "authorities/" + bundled.authority;
    json["crl_url"] = bundled.crl_url;
    json["aia_url"] = bundled.aia_url;
  }
  json["certificate"] = Base64(bundled.certificate);
  return json;
}

}  // namespace

Bytes EncodeCertsOnly(const std::vector<Bytes>& certificates) {
  Bytes all;
  for (const Bytes& certificate : certificates) Append(all, certificate);
  const Bytes no_content = der::Sequence({der::Oid("1.2.840.113549.1.7.1")});
  const Bytes empty_set = der::Tlv(der::kSet, {});
  // digestAlgorithms and signerInfos are empty: nothing is signed.
  const Bytes signed_data = der::Sequence(
      {der::Unsigned(uint64_t{1}), empty_set, no_content, der::Tlv(der::ContextConstructed(0), all), empty_set});
  return der::Sequence({der::Oid(kSignedData), der::Tlv(der::ContextConstructed(0), signed_data)});
}

StatusOr<std::vector<Bytes>> ReadChain(ByteView octets) {
  if (octets.empty()) return Malformed("are empty; send the authority's certificate and those above it, PEM or DER");
  if (octets.size() > kChainLimit) {
    return Malformed(fmt::format("have {} octets; the limit is {}", octets.size(), kChainLimit));
  }
  StatusOr<std::vector<Bytes>> certificates = ReadAnyForm(octets);
  if (!certificates.ok()) return Malformed("cannot be read: " + Message(certificates.status()));
  if (certificates->empty() || certificates->size() > kChainCertificates) {
    return Malformed(fmt::format("are {}; send 1 to {}", certificates->size(), kChainCertificates));
  }
  return certificates;
}

StatusOr<std::string> ChainBundle(const std::vector<BundledCertificate>& chain) {
  nlohmann::ordered_json certificates = nlohmann::ordered_json::array();
  for (const BundledCertificate& bundled : chain) {
    ASSIGN_OR_RETURN(nlohmann::ordered_json certificate, Describe(bundled));
    certificates.push_back(std::move(certificate));
  }
  const nlohmann::ordered_json document = {{"certificates", std::move(certificates)}};
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hallmark
