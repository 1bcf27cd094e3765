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

Status ReadEntry(der::Reader& list, ByteView& last_serial) {
  ASSIGN_OR_RETURN(const ByteView entry, list.Content(der::kSequence));
  der::Reader fields(entry);
  ASSIGN_OR_RETURN(const ByteView content, fields.Content(der::kInteger));
  ASSIGN_OR_RETURN(const ByteView serial, der::UnsignedContent(content));
  ASSIGN_OR_RETURN(const der::Element date, fields.Next());
  RETURN_IF_ERROR(der::ReadTime(date).status());
  if (!fields.empty()) {
    ASSIGN_OR_RETURN(const der::Element extensions, fields.Next(der::kSequence));
    RETURN_IF_ERROR(ReadExtensions(extensions.whole).status());
  }
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (!Less(last_serial, serial)) return absl::InvalidArgumentError("serial numbers do not ascend");
  last_serial = serial;
  return absl::OkStatus();
}

// One entry of a list that is well formed.
StatusOr<RevokedCertificate> ReadListed(der::Reader& list) {
  ASSIGN_OR_RETURN(const ByteView entry, list.Content(der::kSequence));
  der::Reader fields(entry);
  ASSIGN_OR_RETURN(const ByteView content, fields.Content(der::kInteger));
  ASSIGN_OR_RETURN(const ByteView serial, der::UnsignedContent(content));
  ASSIGN_OR_RETURN(const der::Element date, fields.Next());
  RevokedCertificate revoked;
  revoked.serial = ToBytes(serial);
  ASSIGN_OR_RETURN(revoked.revoked, der::ReadTime(date));
  if (fields.empty()) return revoked;
  ASSIGN_OR_RETURN(const der::Element whole, fields.Next(der::kSequence));
  ASSIGN_OR_RETURN(const std::vector<Extension> extensions, ReadExtensions(whole.whole));
  const Extension* reason = FindExtension(extensions, oid::kReasonCode);
  if (reason == nullptr) return revoked;
  ASSIGN_OR_RETURN(const ByteView code, der::ReadWhole(reason->value, der::kEnumerated));
  if (code.size() != 1) return absl::InvalidArgumentError("a reasonCode has not one octet");
  revoked.reason = static_cast<RevocationReason>(code[0]);
  return revoked;
}

bool EntriesWellFormed(ByteView content) {
  der::Reader list(content);
  ByteView last_serial;
  do {
    if (!ReadEntry(list, last_serial).ok()) return false;
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

StatusOr<ListedCrl> ReadListedCrl(ByteView der) {
  ASSIGN_OR_RETURN(const CrlParts parts, ReadCrl(der));
  if (!parts.entries_well_formed) return absl::InvalidArgumentError("its entries are malformed or out of order");
  const Extension* extension = FindExtension(parts.extensions, oid::kCrlNumber);
  if (extension == nullptr) return absl::InvalidArgumentError("it has no cRLNumber");
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(extension->value, der::kInteger));
  ASSIGN_OR_RETURN(const ByteView number, der::UnsignedContent(content));
  ListedCrl list{.this_update = parts.this_update, .next_update = parts.next_update, .issuer = ToBytes(parts.issuer)};
  if (number.size() > sizeof list.number) return absl::InvalidArgumentError("its cRLNumber has over 64 bits");
  for (const uint8_t octet : number) list.number = list.number << 8 | octet;
  der::Reader entries(parts.revoked_certificates);
  while (!entries.empty()) {
    ASSIGN_OR_RETURN(RevokedCertificate revoked, ReadListed(entries));
    list.revoked.push_back(std::move(revoked));
  }
  return list;
}

}  // namespace hallmark
