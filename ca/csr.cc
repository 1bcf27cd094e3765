#include "ca/csr.h"

#include <fmt/format.h>

#include "base/reason.h"
#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/key_quality.h"
#include "ca/names.h"

namespace hallmark {
namespace {

Status Malformed(const std::string& what) { return FieldError(reason::kCsrMalformed, "csr", what); }

// An error of the DER reader becomes CSR_MALFORMED; one that has a reason already keeps it.
Status AsMalformed(const Status& status) {
  return status.ok() || !Reason(status).empty() ? status : Malformed(Message(status));
}

StatusOr<Bytes> ToDer(ByteView octets) {
  if (octets.empty()) return Malformed("is empty; send the PKCS#10 request in DER or PEM");
  if (octets.size() > kCsrLimit) {
    return FieldError(reason::kCsrTooLarge, "csr",
                      fmt::format("has {} octets; the limit is {}", octets.size(), kCsrLimit));
  }
  if (octets[0] == der::kSequence) return ToBytes(octets);
  // Both labels are in use (RFC 7468 section 7).
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    const StatusOr<std::vector<Bytes>> blocks = PemDecode(label, AsText(octets));
    if (blocks.ok() && blocks->size() == 1) return blocks->front();
  }
  return Malformed("is neither DER nor exactly one PEM block CERTIFICATE REQUEST with nothing before or after it");
}

Status ReadRequestedExtension(const Extension& extension, Facts& facts) {
  if (extension.oid == oid::kSubjectAltName) {
    ASSIGN_OR_RETURN(facts.subject_alt_names, ReadGeneralNames(extension.value));
  } else if (extension.oid == oid::kBasicConstraints) {
    ASSIGN_OR_RETURN(const BasicConstraintsValue constraints, ReadBasicConstraints(extension.value));
    if (constraints.path_length.has_value() && !constraints.ca) {
      return absl::InvalidArgumentError("a pathLenConstraint without CA:TRUE (RFC 5280 4.2.1.9)");
    }
    facts.ca = constraints.ca;
  } else if (extension.oid == oid::kKeyUsage) {
    ASSIGN_OR_RETURN(facts.key_usage, ReadKeyUsage(extension.value));
  } else if (extension.oid == oid::kExtendedKeyUsage) {
    ASSIGN_OR_RETURN(facts.extended_key_usage, ReadExtendedKeyUsage(extension.value));
  } else if (extension.oid == oid::kSubjectKeyIdentifier) {
    // It is computed, whatever was asked; openssl req asks for one by default.
    return ReadSubjectKeyIdentifier(extension.value).status();
  } else {
    facts.other_extensions.push_back({extension.oid, extension.critical, ToBytes(extension.value)});
  }
  return absl::OkStatus();
}

// attributes [0] IMPLICIT SET OF Attribute: at most one extensionRequest (RFC 2985 5.4.2). Others, such as
// challengePassword, ask for nothing that a profile could grant and are refused.
Status ReadAttributes(ByteView content, Facts& facts) {
  der::Reader attributes(content);
  bool seen = false;
  while (!attributes.empty()) {
    ASSIGN_OR_RETURN(const ByteView attribute, attributes.Content(der::kSequence));
    der::Reader fields(attribute);
    ASSIGN_OR_RETURN(const ByteView type, fields.Content(der::kOid));
    ASSIGN_OR_RETURN(const std::string oid, der::OidText(type));
    ASSIGN_OR_RETURN(const ByteView values, fields.Content(der::kSet));
    RETURN_IF_ERROR(fields.ExpectEnd());
    if (oid != oid::kExtensionRequest || seen) {
      return absl::InvalidArgumentError(
          "attribute " + oid + (oid == oid::kExtensionRequest ? " stands twice" : " is not supported; leave it out"));
    }
    seen = true;
    ASSIGN_OR_RETURN(const std::vector<Extension> extensions, ReadExtensions(values));
    for (const Extension& extension : extensions) RETURN_IF_ERROR(ReadRequestedExtension(extension, facts));
  }
  return absl::OkStatus();
}

struct Parts {
  ByteView info;  // CertificationRequestInfo, what is signed
  ByteView subject;
  ByteView spki;
  ByteView attributes;
  ByteView algorithm;
  ByteView signature;
};

StatusOr<Parts> Split(ByteView der) {
  Parts parts;
  ASSIGN_OR_RETURN(const ByteView request, der::ReadWhole(der, der::kSequence));
  der::Reader outer(request);
  ASSIGN_OR_RETURN(const der::Element info, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView bits, outer.Content(der::kBitString));
  ASSIGN_OR_RETURN(parts.signature, der::BitStringOctets(bits));
  RETURN_IF_ERROR(outer.ExpectEnd());
  parts.info = info.whole;
  parts.algorithm = algorithm.whole;

  der::Reader inner(info.content);
  ASSIGN_OR_RETURN(const ByteView version, inner.Content(der::kInteger));
  if (version.size() != 1 || version[0] != 0) return absl::InvalidArgumentError("the version is not v1 (0)");
  ASSIGN_OR_RETURN(const der::Element subject, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element spki, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const std::optional<ByteView> attributes, inner.OptionalContent(der::ContextConstructed(0)));
  RETURN_IF_ERROR(inner.ExpectEnd());
  parts.subject = subject.whole;
  parts.spki = spki.whole;
  parts.attributes = attributes.value_or(ByteView());  // absent in requests of old programs
  return parts;
}

}  // namespace

StatusOr<Csr> ReadCsr(ByteView octets, const BlockedKeys& blocked) {
  ASSIGN_OR_RETURN(const Bytes der, ToDer(octets));
  const StatusOr<Parts> parts = Split(der);
  if (!parts.ok()) return AsMalformed(parts.status());
  const std::optional<SignatureScheme> scheme = FindScheme(parts->algorithm);
  if (!scheme.has_value()) {
    return FieldError(reason::kCsrAlgorithmUnsupported, "csr.signature_algorithm",
                      "is not ECDSA, RSA PKCS#1 or RSA-PSS with SHA-256, SHA-384 or SHA-512 and standard parameters");
  }
  ASSIGN_OR_RETURN(PublicKey key, PublicKey::FromSpki(parts->spki));
  // Possession first: what an unproven request says is not worth judging.
  if (!key.Verify(*scheme, parts->info, parts->signature)) {
    return FieldError(reason::kCsrSignatureInvalid, "csr.signature",
                      "is not made by the private key of the request's public key; make the CSR again");
  }
  RETURN_IF_ERROR(CheckKeyQuality(key, blocked));
  Facts facts;
  ASSIGN_OR_RETURN(facts.subject, ReadName(parts->subject));
  if (const Status status = ReadAttributes(parts->attributes, facts); !status.ok()) return AsMalformed(status);
  facts.key = key.type();
  return Csr{std::move(facts), std::move(key)};
}

}  // namespace hallmark
