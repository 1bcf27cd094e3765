// The acts on lots and manufacturers: who may, and what the ledger says of it. The work is factory/'s and the store's.
#pragma once

#include <functional>
#include <string>

#include "ca/authority.h"
#include "factory/import.h"

namespace hallmark {

// Whether the caller may do `permission` on a lot, known by its name alone: grants that name authorities or profiles do
// not cover that. kPermissionDenied.
Status AuthorizeOnLot(const CertificateAuthority& authority, const Caller& caller, const char* permission,
                      const std::string& lot);

// Whether the caller may import some lot: before it sends one. kPermissionDenied.
Status CheckMayImport(const CertificateAuthority& authority, const Caller& caller);
// Imports what is in `files`; see factory/import.h. kPermissionDenied: of this lot, authority or profile.
using ImportProgress = std::function<void(const char* step, int64_t lines, int64_t total)>;
StatusOr<ImportResult> ImportLot(const CertificateAuthority& authority, const Caller& caller, const ImportFiles& files,
                                 bool validate_only, const ImportProgress& progress);

StatusOr<LotRecord> CloseLot(const CertificateAuthority& authority, const Caller& caller, const std::string& lot);

// Registers or replaces; of an update, `version` 0 stands for the one that is on record. What CheckManufacturer
// (factory/manifest_signature.h) and the store say.
StatusOr<ManufacturerRecord> RegisterManufacturer(const CertificateAuthority& authority, const Caller& caller,
                                                  ManufacturerRecord record);
StatusOr<ManufacturerRecord> UpdateManufacturer(const CertificateAuthority& authority, const Caller& caller,
                                                ManufacturerRecord record);

}  // namespace hallmark
