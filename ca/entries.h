// What the ledger says of each act: one JSON object an entry, with sorted keys and no white space, so that an auditor
// can recompute each leaf from it.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace hallmark {

std::string AuthorityCreatedEntry(const AuthorityRecord& authority, const std::string& caller);
// One of the further acts of an authority's life: "authority_requested", "authority_keyed", "authority_activated",
// "authority_updated". `authorities`: as they are after it, the one that was asked for first.
std::string AuthorityEntry(const char* type, const std::vector<AuthorityRecord>& authorities, const std::string& caller,
                           Time time);
std::string CertificateIssuedEntry(const Intent& intent, ByteView certificate, Time issued);
std::string CertificateRevokedEntry(const std::string& authority, ByteView serial, const Revocation& revocation);
std::string CertificateReleasedEntry(const std::string& authority, ByteView serial, const Release& release);
std::string CrlIssuedEntry(const CrlRecord& crl, ByteView signed_crl);

// "profile_loaded" and "roles_loaded": in force from `time` on.
std::string ProfileLoadedEntry(const std::string& profile, const std::string& version, Time time);
std::string RolesLoadedEntry(const std::string& version, Time time);

std::string CsrRequestedEntry(const std::string& authority, ByteView tbs, const std::string& caller, Time time);

// `sha256`: of what the station has signed; `caller` carried it.
std::string BundleAcceptedEntry(const std::string& bundle, const std::string& station, const std::string& sha256,
                                const std::string& caller, Time time);

// "mass_revocation_started", "mass_revocation_stopped", "mass_revocation_done".
std::string MassRevocationEntryOf(const char* type, const MassRevocationRecord& revocation, const std::string& caller,
                                  Time time);
std::string CrlImportedEntry(const ImportedCrlRecord& crl);

std::string CallerSuspendedEntry(const SuspensionRecord& suspension);
std::string CallerResumedEntry(const std::string& suspended, const std::string& caller, Time time);

const char* Name(AuthorityState state);  // "STAGED"...

// RFC 5280 5.3.1's name of a reason, "keyCompromise"; and back, also from its number. kInvalidArgument otherwise.
const char* Name(RevocationReason reason);
StatusOr<RevocationReason> ParseRevocationReason(const std::string& name_or_number);

}  // namespace hallmark
