// Certificate revocation lists (RFC 5280 5): composed as drafts, and read back from DER.
#pragma once

#include <functional>

#include "ca/draft.h"
#include "ca/extensions.h"
#include "store/records.h"

namespace hallmark {

// Collects the entries of one list in their DER, in the order in which they are added.
class CrlEntries {
 public:
  void Add(const RevokedCertificate& revoked);
  ByteView der() const { return der_; }

 private:
  Bytes der_;
};

// What a list says of where it and its like are; empty: nothing.
struct CrlUrls {
  std::string issuing_distribution_point = "";  // RFC 5280 5.2.5: it lists those certificates only that name this URL
  std::string freshest = "";                    // RFC 5280 5.2.6: where its deltas are
};

// Composes a CRL of version 2 with cRLNumber and authorityKeyIdentifier, a delta when `record` has a base. `issuer` is
// the issuer's Name.
Draft ComposeCrl(ByteView issuer, ByteView issuer_key_identifier, SignatureAlgorithm algorithm, const CrlRecord& record,
                 const CrlEntries& entries, const CrlUrls& urls = {});

// A list taken apart; views into its octets.
struct CrlParts {
  ByteView tbs;
  ByteView algorithm;
  ByteView inner_algorithm;
  ByteView signature;
  ByteView issuer;
  Time this_update;
  Time next_update;
  ByteView revoked_certificates;    // the content; empty when absent
  bool entries_well_formed = true;  // strictly ascending serials, readable times and extensions
  std::vector<Extension> extensions;
};
StatusOr<CrlParts> ReadCrl(ByteView der);
// cRLNumber (RFC 5280 5.2.3). kInvalidArgument: it has none, or one of over 64 bits.
StatusOr<uint64_t> CrlNumberOf(const CrlParts& parts);

// What a list of anybody's says, without views.
struct ListedCrl {
  uint64_t number = 0;  // cRLNumber
  Time this_update;
  Time next_update;
  Bytes issuer;                                  // Name
  std::vector<RevokedCertificate> revoked = {};  // in its order
};
// kInvalidArgument: no CRL of version 2 with a cRLNumber of at most 64 bits.
StatusOr<ListedCrl> ReadListedCrl(ByteView der);

}  // namespace hallmark
