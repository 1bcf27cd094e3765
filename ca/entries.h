// What the ledger says of each act: one JSON object an entry, with sorted keys and no white space, so that an auditor
// can recompute each leaf from it.
#pragma once

#include <string>

#include "store/records.h"

namespace hallmark {

std::string AuthorityCreatedEntry(const AuthorityRecord& authority, const std::string& caller);
std::string CertificateIssuedEntry(const Intent& intent, ByteView certificate, Time issued);
std::string CertificateRevokedEntry(const std::string& authority, ByteView serial, const Revocation& revocation);
std::string CrlIssuedEntry(const CrlRecord& crl, ByteView signed_crl);

std::string CsrRequestedEntry(const std::string& authority, ByteView tbs, const std::string& caller, Time time);

// RFC 5280 5.3.1's name of a reason, "keyCompromise"; and back, also from its number. kInvalidArgument otherwise.
const char* Name(RevocationReason reason);
StatusOr<RevocationReason> ParseRevocationReason(const std::string& name_or_number);

}  // namespace hallmark
