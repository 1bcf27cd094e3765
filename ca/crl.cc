#include "ca/crl.h"

#include <algorithm>

#include "ca/certificate.h"
#include "ca/der.h"

namespace hallmark {
namespace {

constexpr uint8_t kVersion2 = 1;

// Ascending serials, as Hallmark writes them, make a doubled one visible without remembering all.
bool Less(ByteView a, ByteView b) {
  return a.size() != b.size() ? a.size() < b.size()
                              : std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

// An entry of revokedCertificates; views.
struct Entry {
  ByteView serial;
  Time revoked;
  std::vector<Extension> extensions;
};

StatusOr<Entry> ReadEntry(der::Reader& list) {
  ASSIGN_OR_RETURN(const ByteView content, list.Content(der::kSequence));
  der::Reader fields(content);
  ASSIGN_OR_RETURN(const ByteView integer, fields.Content(der::kInteger));
  Entry entry;
  ASSIGN_OR_RETURN(entry.serial, der::UnsignedContent(integer));
  ASSIGN_OR_RETURN(const der::Element date, fields.Next());
  ASSIGN_OR_RETURN(entry.revoked, der::ReadTime(date));
  if (!fields.empty()) {
    ASSIGN_OR_RETURN(const der::Element extensions, fields.Next(der::kSequence));
    ASSIGN_OR_RETURN(entry.extensions, ReadExtensions(extensions.whole));
  }
  RETURN_IF_ERROR(fields.ExpectEnd());
  return entry;
}

StatusOr<RevocationReason> ReasonOf(const Entry& entry) {
  const Extension* extension = FindExtension(entry.extensions, oid::kReasonCode);
  if (extension == nullptr) return RevocationReason::kUnspecified;
  ASSIGN_OR_RETURN(const ByteView code, der::ReadWhole(extension->value, der::kEnumerated));
  if (code.size() != 1) return absl::InvalidArgumentError("a reasonCode has not one octet");
  return static_cast<RevocationReason>(code[0]);
}

bool EntriesWellFormed(ByteView content) {
  der::Reader list(content);
  ByteView last_serial;
  do {
    const StatusOr<Entry> entry = ReadEntry(list);
    if (!entry.ok() || !Less(last_serial, entry->serial)) return false;
    last_serial = entry->serial;
  } while (!list.empty());
  return true;
}

}  // namespace

void CrlEntries::Add(const RevokedCertificate& revoked) {
  // reasonCode unspecified is to be left out (RFC 5280 5.3.1), as are extensions without one.
  Bytes extensions;
  if (revoked.reason != RevocationReason::kUnspecified) Append(extensions, ReasonCode(revoked.reason));
  if (revoked.invalidity.has_value()) Append(extensions, InvalidityDate(*revoked.invalidity));
  if (!extensions.empty()) extensions = der::Tlv(der::kSequence, extensions);
  Append(der_, der::Sequence({der::Unsigned(revoked.serial), der::EncodeTime(revoked.revoked), extensions}));
}

Draft ComposeCrl(ByteView issuer, ByteView issuer_key_identifier, SignatureAlgorithm algorithm, const CrlRecord& record,
                 const CrlEntries& entries, const CrlUrls& urls) {
  // revokedCertificates is absent when nothing is revoked (RFC 5280 5.1.2.6).
  const Bytes revoked = entries.der().empty() ? Bytes() : der::Tlv(der::kSequence, entries.der());
  const std::string& point = urls.issuing_distribution_point;
  const Bytes extensions = der::Sequence({AuthorityKeyIdentifier(issuer_key_identifier), CrlNumber(record.number),
                                          record.base.has_value() ? DeltaCrlIndicator(*record.base) : Bytes(),
                                          point.empty() ? Bytes() : IssuingDistributionPoint(point),
                                          urls.freshest.empty() ? Bytes() : FreshestCrl(urls.freshest)});
  return Draft(der::Sequence({der::Unsigned(kVersion2), AlgorithmIdentifier(algorithm), issuer,
                              der::EncodeTime(record.this_update), der::EncodeTime(record.next_update), revoked,
                              der::Tlv(der::ContextConstructed(0), extensions)}),
               algorithm);
}

StatusOr<CrlParts> ReadCrl(ByteView der) {
  CrlParts parts;
  ASSIGN_OR_RETURN(const ByteView crl, der::ReadWhole(der, der::kSequence));
  der::Reader outer(crl);
  ASSIGN_OR_RETURN(const der::Element tbs, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView bits, outer.Content(der::kBitString));
  ASSIGN_OR_RETURN(parts.signature, der::BitStringOctets(bits));
  RETURN_IF_ERROR(outer.ExpectEnd());
  parts.tbs = tbs.whole;
  parts.algorithm = algorithm.whole;

  der::Reader inner(tbs.content);
  ASSIGN_OR_RETURN(const ByteView version, inner.Content(der::kInteger));
  if (version.size() != 1 || version[0] != kVersion2) return absl::InvalidArgumentError("the CRL is not of version 2");
  ASSIGN_OR_RETURN(const der::Element signature, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element issuer, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element this_update, inner.Next());
  ASSIGN_OR_RETURN(const der::Element next_update, inner.Next());
  ASSIGN_OR_RETURN(parts.this_update, der::ReadTime(this_update));
  ASSIGN_OR_RETURN(parts.next_update, der::ReadTime(next_update));
  ASSIGN_OR_RETURN(const std::optional<ByteView> revoked, inner.OptionalContent(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView extensions, inner.Content(der::ContextConstructed(0)));
  RETURN_IF_ERROR(inner.ExpectEnd());
  ASSIGN_OR_RETURN(parts.extensions, ReadExtensions(extensions));
  parts.inner_algorithm = signature.whole;
  parts.issuer = issuer.whole;
  if (revoked.has_value()) {
    parts.revoked_certificates = *revoked;
    parts.entries_well_formed = EntriesWellFormed(*revoked);
  }
  return parts;
}

StatusOr<uint64_t> CrlNumberOf(const CrlParts& parts) {
  const Extension* extension = FindExtension(parts.extensions, oid::kCrlNumber);
  if (extension == nullptr) return absl::InvalidArgumentError("it has no cRLNumber");
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(extension->value, der::kInteger));
  ASSIGN_OR_RETURN(const ByteView octets, der::UnsignedContent(content));
  uint64_t number = 0;
  if (octets.size() > sizeof number) return absl::InvalidArgumentError("its cRLNumber has over 64 bits");
  for (const uint8_t octet : octets) number = number << 8 | octet;
  return number;
}

StatusOr<ListedCrl> ReadListedCrl(ByteView der) {
  ASSIGN_OR_RETURN(const CrlParts parts, ReadCrl(der));
  if (!parts.entries_well_formed) return absl::InvalidArgumentError("its entries are malformed or out of order");
  ListedCrl list{.this_update = parts.this_update, .next_update = parts.next_update, .issuer = ToBytes(parts.issuer)};
  ASSIGN_OR_RETURN(list.number, CrlNumberOf(parts));
  der::Reader entries(parts.revoked_certificates);
  while (!entries.empty()) {
    ASSIGN_OR_RETURN(const Entry entry, ReadEntry(entries));
    ASSIGN_OR_RETURN(const RevocationReason reason, ReasonOf(entry));
    list.revoked.push_back({ToBytes(entry.serial), entry.revoked, reason});
  }
  return list;
}

}  // namespace hallmark
