#include "ca/path.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/extensions.h"
#include "ca/names.h"

namespace hallmark {
namespace {

constexpr size_t kMaxDepth = 8;

std::string NameText(ByteView name) {
  const StatusOr<Subject> subject = ReadName(name);
  return subject.ok() ? "'" + ToRfc4514(*subject) + "'" : fmt::format("#{}", Hex(name));
}

Status Refuse(const std::string& what) { return FieldError(reason::kChainInvalid, "certificates", what); }

// The keyIdentifier of an authorityKeyIdentifier (RFC 5280 4.2.1.1), if it has one.
std::optional<ByteView> AuthorityKeyIdentifierOf(const CertificateParts& parts) {
  const Extension* extension = FindExtension(parts.extensions, oid::kAuthorityKeyIdentifier);
  if (extension == nullptr) return std::nullopt;
  const StatusOr<ByteView> content = der::ReadWhole(extension->value, der::kSequence);
  if (!content.ok()) return std::nullopt;
  return der::Reader(*content).OptionalContent(der::ContextPrimitive(0)).value_or(std::nullopt);
}

std::optional<ByteView> SubjectKeyIdentifierOf(const CertificateParts& parts) {
  const Extension* extension = FindExtension(parts.extensions, oid::kSubjectKeyIdentifier);
  if (extension == nullptr) return std::nullopt;
  const StatusOr<ByteView> identifier = ReadSubjectKeyIdentifier(extension->value);
  return identifier.ok() ? std::optional(*identifier) : std::nullopt;
}

bool IsSelfIssued(const CertificateParts& parts) { return Equal(parts.issuer, parts.subject); }

// Whether names, and key identifiers as far as there are any, say that `issuer` certified `subject`.
bool MayHaveIssued(const CertificateParts& issuer, const CertificateParts& subject) {
  if (!Equal(issuer.subject, subject.issuer)) return false;
  const std::optional<ByteView> wanted = AuthorityKeyIdentifierOf(subject);
  const std::optional<ByteView> found = SubjectKeyIdentifierOf(issuer);
  return !wanted.has_value() || !found.has_value() || Equal(*wanted, *found);
}

// One certificate of the path, and the violations found so far.
struct Examined {
  const std::vector<CertificateParts>& path;
  size_t place;
  std::vector<FieldViolation>& violations;

  const CertificateParts& parts() const { return path[place]; }
  bool is_root() const { return place + 1 == path.size(); }
  const CertificateParts& issuer() const { return is_root() ? parts() : path[place + 1]; }
  void Require(bool holds, const char* field, const std::string& description) {
    if (!holds) violations.push_back({fmt::format("certificates[{}].{}", place, field), description});
  }
};

void CheckConstraints(Examined& c) {
  const Extension* extension = FindExtension(c.parts().extensions, oid::kBasicConstraints);
  const StatusOr<BasicConstraintsValue> value =
      extension == nullptr ? absl::NotFoundError("") : ReadBasicConstraints(extension->value);
  c.Require(value.ok() && value->ca && extension->critical, "basic_constraints",
            "must be critical with CA:TRUE (RFC 5280 4.2.1.9); without it, it is an end entity's certificate");
  if (!value.ok()) return;
  // The certificates below it that certify, this path's first one included.
  const auto below = static_cast<int64_t>(c.place);
  c.Require(value->path_length.value_or(kNoPathLength) >= below, "path_length",
            fmt::format("pathLenConstraint {} allows fewer than the {} authorities below it (RFC 5280 4.2.1.9)",
                        value->path_length.value_or(kNoPathLength), below));
}

// Of those above, a keyUsage counts if there is one (RFC 5280 6.1.4 n): many a root has none.
void CheckUsage(Examined& c) {
  const Extension* extension = FindExtension(c.parts().extensions, oid::kKeyUsage);
  if (extension == nullptr && c.place > 0) return;
  const std::vector<KeyUsage> usages =
      extension == nullptr ? std::vector<KeyUsage>() : ReadKeyUsage(extension->value).value_or(std::vector<KeyUsage>());
  const auto has = [&usages](KeyUsage usage) { return std::find(usages.begin(), usages.end(), usage) != usages.end(); };
  c.Require(has(KeyUsage::kKeyCertSign), "key_usage", "has no keyCertSign: it may certify nothing (RFC 5280 4.2.1.3)");
  c.Require(c.place > 0 || has(KeyUsage::kCrlSign), "key_usage",
            "has no cRLSign: it may sign no CRL (RFC 5280 4.2.1.3)");
}

// Critical extensions that Hallmark obeys; name constraints and policies would bind what the authority issues, and
// nothing here would keep to them.
void CheckExtensions(Examined& c) {
  constexpr std::array<const char*, 5> kObeyed = {oid::kBasicConstraints, oid::kKeyUsage, oid::kSubjectAltName,
                                                  oid::kExtendedKeyUsage, "2.5.29.32"};
  for (const Extension& extension : c.parts().extensions) {
    c.Require(!extension.critical || std::any_of(kObeyed.begin(), kObeyed.end(),
                                                 [&](const char* known) { return extension.oid == known; }),
              "extensions", fmt::format("{} is critical and Hallmark does not obey it (RFC 5280 4.2)", extension.oid));
  }
}

void CheckIdentifiers(Examined& c) {
  const std::optional<ByteView> own = SubjectKeyIdentifierOf(c.parts());
  c.Require(own.has_value(), "subject_key_identifier",
            "is missing, and is how relying parties find the key (RFC 5280 4.2.1.2)");
  if (c.is_root()) return;
  const std::optional<ByteView> above = SubjectKeyIdentifierOf(c.issuer());
  const std::optional<ByteView> named = AuthorityKeyIdentifierOf(c.parts());
  c.Require(named.has_value(), "authority_key_identifier", "is missing or names no key (RFC 5280 4.2.1.1)");
  c.Require(!named.has_value() || !above.has_value() || Equal(*named, *above), "authority_key_identifier",
            "is not the subjectKeyIdentifier of the certificate above it");
}

void CheckValidity(Examined& c, Time now) {
  const CertificateParts& parts = c.parts();
  c.Require(now >= parts.not_before, "validity", "begins on " + Rfc3339(parts.not_before) + ", which is to come");
  c.Require(now <= parts.not_after, "validity", "ended on " + Rfc3339(parts.not_after));
  c.Require(parts.not_before >= c.issuer().not_before && parts.not_after <= c.issuer().not_after, "validity",
            fmt::format("{} to {} is not within {} to {} of the certificate above it", Rfc3339(parts.not_before),
                        Rfc3339(parts.not_after), Rfc3339(c.issuer().not_before), Rfc3339(c.issuer().not_after)));
}

void CheckSignature(Examined& c) {
  const CertificateParts& parts = c.parts();
  const std::optional<SignatureScheme> scheme = FindScheme(parts.algorithm);
  c.Require(scheme.has_value() && Equal(parts.algorithm, parts.inner_algorithm), "signature_algorithm",
            "is not ECDSA, RSA PKCS#1 or RSA-PSS with SHA-256, SHA-384 or SHA-512, the same inside and outside");
  const StatusOr<PublicKey> own = PublicKey::FromSpki(parts.spki);
  if (!own.ok())
    c.Require(false, "public_key",
              Fields(own.status()).empty() ? "cannot be read" : Fields(own.status())[0].description);
  const StatusOr<PublicKey> issuer = PublicKey::FromSpki(c.issuer().spki);
  if (!issuer.ok() || !scheme.has_value()) return;  // said of the issuer, or above
  c.Require(issuer->Verify(*scheme, parts.tbs, parts.signature), "signature",
            c.is_root() ? "does not verify under its own key" : "does not verify under the key of the one above it");
}

void CheckOwn(Examined& c, const PathExpectation& expected) {
  const CertificateParts& parts = c.parts();
  c.Require(Equal(parts.spki, expected.spki), "public_key",
            "is not the authority's; have its own CSR certified: hallmark authority csr");
  const StatusOr<Subject> found = ReadName(parts.subject);
  const StatusOr<Subject> wanted = ReadName(expected.subject);
  const bool same = Equal(parts.subject, expected.subject) ||
                    (!expected.exact_subject && found.ok() && wanted.ok() && *found == *wanted);
  c.Require(same, "subject",
            fmt::format("{} is not {}, which was asked for{}", NameText(parts.subject), NameText(expected.subject),
                        expected.exact_subject ? ", octet for octet" : ""));
  const std::optional<ByteView> identifier = SubjectKeyIdentifierOf(parts);
  c.Require(expected.key_identifier.empty() || !identifier.has_value() || Equal(*identifier, expected.key_identifier),
            "subject_key_identifier", "is another than in the certificate before it, which what it issued names");
  const Extension* constraints = FindExtension(parts.extensions, oid::kBasicConstraints);
  const StatusOr<BasicConstraintsValue> value =
      constraints == nullptr ? absl::NotFoundError("") : ReadBasicConstraints(constraints->value);
  c.Require(
      !value.ok() || value->path_length.value_or(kNoPathLength) >= expected.path_length, "path_length",
      fmt::format("pathLenConstraint is less than {}, which the authority's profile needs", expected.path_length));
  c.Require(c.path.size() > 1, "issuer", "is its own subject; a root of ours is created, not activated");
}

using TrustStore = ssl::Owner<X509_STORE, X509_STORE_free>;
using StoreContext = ssl::Owner<X509_STORE_CTX, X509_STORE_CTX_free>;
using CertificateStack =
    ssl::Owner<STACK_OF(X509), [](STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, X509_free); }>;

StatusOr<ssl::Certificate> Parse(ByteView der) {
  const uint8_t* position = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  if (certificate == nullptr) return Refuse("cannot be read by OpenSSL: " + ssl::DrainErrors());
  return certificate;
}

// OpenSSL's own path validation at the given time, as relying parties run it.
Status SecondOpinion(const std::vector<Bytes>& path, Time now) {
  const TrustStore trusted(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  const CertificateStack between(sk_X509_new_null());
  ASSIGN_OR_RETURN(const ssl::Certificate own, Parse(path.front()));
  ASSIGN_OR_RETURN(const ssl::Certificate root, Parse(path.back()));
  if (trusted == nullptr || context == nullptr || between == nullptr ||
      X509_STORE_add_cert(trusted.get(), root.get()) != 1) {
    return Error(Code::kInternal, reason::kInternal, "OpenSSL could not take a chain: " + ssl::DrainErrors());
  }
  for (size_t i = 1; i + 1 < path.size(); ++i) {
    ASSIGN_OR_RETURN(ssl::Certificate certificate, Parse(path[i]));
    if (sk_X509_push(between.get(), certificate.get()) == 0) return absl::ResourceExhaustedError("out of memory");
    static_cast<void>(certificate.release());  // the stack owns it now
  }
  if (X509_STORE_CTX_init(context.get(), trusted.get(), own.get(), between.get()) != 1) {
    return Error(Code::kInternal, reason::kInternal, "OpenSSL could not take a chain: " + ssl::DrainErrors());
  }
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_CHECK_SS_SIGNATURE);
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  const int verified = X509_verify_cert(context.get());
  const std::string drained = verified == 1 ? "" : ssl::DrainErrors();
  if (verified == 1) return absl::OkStatus();
  const int place = X509_STORE_CTX_get_error_depth(context.get());
  return FieldError(
      reason::kChainInvalid, fmt::format("certificates[{}]", place),
      fmt::format("is refused by OpenSSL: {}", X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
}

// What of `known` is above `below`: a chain's part from the certificate that may have issued it.
std::vector<Bytes> KnownAbove(const CertificateParts& below, const std::vector<std::vector<Bytes>>& known) {
  for (const std::vector<Bytes>& chain : known) {
    const StatusOr<CertificateParts> parts = ReadCertificate(chain.front());
    if (parts.ok() && MayHaveIssued(*parts, below)) return chain;
  }
  return {};
}

}  // namespace

StatusOr<std::vector<Bytes>> OrderPath(const std::vector<Bytes>& certificates, ByteView spki,
                                       const std::vector<std::vector<Bytes>>& known) {
  std::vector<std::pair<const Bytes*, CertificateParts>> left;
  for (const Bytes& certificate : certificates) {
    StatusOr<CertificateParts> parts = ReadCertificate(certificate);
    if (!parts.ok()) return Refuse(fmt::format("hold what is no certificate: {}", Message(parts.status())));
    left.emplace_back(&certificate, std::move(*parts));
  }
  auto next = std::find_if(left.begin(), left.end(), [&](const auto& each) { return Equal(each.second.spki, spki); });
  if (next == left.end()) return Refuse("are none for the authority's key; have its own CSR certified");
  std::vector<Bytes> path;
  while (true) {
    const CertificateParts current = next->second;
    path.push_back(*next->first);
    left.erase(next);
    if (IsSelfIssued(current)) break;
    next =
        std::find_if(left.begin(), left.end(), [&](const auto& each) { return MayHaveIssued(each.second, current); });
    // By its name alone, so that CheckPath can say what does not fit.
    if (next == left.end()) {
      next = std::find_if(left.begin(), left.end(),
                          [&](const auto& each) { return Equal(each.second.subject, current.issuer); });
    }
    if (next != left.end()) continue;
    const std::vector<Bytes> above = KnownAbove(current, known);
    if (above.empty()) {
      return Refuse(fmt::format("end at {}; add the certificate of its issuer {}, and so on up to the root",
                                NameText(current.subject), NameText(current.issuer)));
    }
    path.insert(path.end(), above.begin(), above.end());
    break;
  }
  if (!left.empty()) {
    return Refuse(
        fmt::format("hold {}, which is not above the authority; leave it out", NameText(left.front().second.subject)));
  }
  if (path.size() > kMaxDepth) return Refuse(fmt::format("are more than {} up to the root", kMaxDepth));
  return path;
}

Status CheckPath(const std::vector<Bytes>& path, const PathExpectation& expected) {
  std::vector<CertificateParts> all;
  for (const Bytes& certificate : path) {
    ASSIGN_OR_RETURN(CertificateParts parts, ReadCertificate(certificate));
    all.push_back(std::move(parts));
  }
  std::vector<FieldViolation> violations;
  for (size_t place = 0; place < all.size(); ++place) {
    Examined c{all, place, violations};
    if (place == 0) CheckOwn(c, expected);
    c.Require(Equal(c.parts().issuer, c.issuer().subject), "issuer",
              "is not octet for octet the subject of the certificate above it (RFC 5280 6.1.3)");
    CheckConstraints(c);
    CheckUsage(c);
    CheckExtensions(c);
    CheckIdentifiers(c);
    CheckValidity(c, expected.now);
    CheckSignature(c);
  }
  if (!violations.empty()) return FieldErrors(reason::kChainInvalid, violations);
  return SecondOpinion(path, expected.now);
}

}  // namespace hallmark
