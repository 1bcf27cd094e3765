// The import of a lot's manifest: read, verified, added, all or nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "factory/manifest.h"
#include "factory/manifest_signature.h"
#include "store/store.h"

namespace hallmark {

// What an importer brought, as files.
struct ImportFiles {
  std::filesystem::path directory;                 // for what is unpacked; the caller's, who empties it afterwards
  std::filesystem::path manifest;                  // JSON; without `signature`, CMS SignedData that has it within
  std::optional<std::filesystem::path> signature;  // detached
  std::optional<std::filesystem::path> lines;      // that the manifest names
};

struct ImportOptions {
  std::string caller;  // the importer's URI
  bool validate_only = false;
  // Asked once the terms are known, before anything is verified: whether this importer may, and whether authority and
  // profile are what a lot can have.
  std::function<Status(const LotTerms& terms)> check;
  // Told now and then. `step`: "checked", "verified", "added".
  std::function<void(const char* step, int64_t lines, int64_t total)> progress;
};

struct ImportResult {
  LotRecord lot;  // of validate_only of a first revision: as it would be
  int64_t added = 0;
  int64_t withdrawn = 0;
  bool already_imported = false;
  VerifiedSignature signature;
};

// kNotFound (MANUFACTURER_UNKNOWN); kAlreadyExists: LOT_CHANGED for a revision that is on record with other content, or
// that does not follow, DEVICE_ANNOUNCED; and what `check`, ReadManifest, ReadLines, VerifyManifest, CheckAmendment and
// the store say.
StatusOr<ImportResult> ImportLot(Store& store, const Clock& clock, const ImportFiles& files,
                                 const ImportOptions& options);

}  // namespace hallmark
