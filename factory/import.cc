#include "factory/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/reason.h"
#include "factory/entries.h"

namespace hallmark {
namespace {

StatusOr<std::ifstream> Open(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (in) return in;
  return Error(Code::kInternal, reason::kFileUnreadable, "cannot read back " + file.string());
}

// The manifest apart from its signature.
struct Parts {
  std::filesystem::path content;
  Bytes signature;
};

StatusOr<Parts> TakeApart(const ImportFiles& files) {
  Parts parts{files.manifest, {}};
  if (files.signature.has_value()) {
    ASSIGN_OR_RETURN(parts.signature, ReadDetachedSignature(*files.signature));
    return parts;
  }
  parts.content = files.directory / "content";
  ASSIGN_OR_RETURN(parts.signature, SplitSignedData(files.manifest, parts.content));
  return parts;
}

LotTermsRecord TermsRecord(const LotTerms& terms) {
  return {.manufacturer = terms.manufacturer,
          .product = terms.product,
          .authority = terms.authority,
          .profile = terms.profile,
          .terms = ToJson(terms)};
}

// One import, step by step.
class Import {
 public:
  Import(Store& store, const Clock& clock, const ImportFiles& files, const ImportOptions& options)
      : store_(store), clock_(clock), files_(files), options_(options) {}

  StatusOr<ImportResult> Run() {
    ASSIGN_OR_RETURN(parts_, TakeApart(files_));
    {
      ASSIGN_OR_RETURN(std::ifstream in, Open(parts_.content));
      ASSIGN_OR_RETURN(manifest_, ReadManifest(in));
    }
    RETURN_IF_ERROR(options_.check(manifest_.terms));
    Tell("checked", manifest_.devices);
    ASSIGN_OR_RETURN(const ManufacturerRecord manufacturer, store_.GetManufacturer(manifest_.terms.manufacturer));
    ASSIGN_OR_RETURN(result_.signature, VerifyManifest(parts_.content, parts_.signature, manufacturer, clock_.Now()));
    Tell("verified", manifest_.devices);
    ASSIGN_OR_RETURN(const bool known, FindKnown());
    if (known) return std::move(result_);
    if (manifest_.lines.has_value() && !files_.lines.has_value()) {
      return FieldError(reason::kManifestInvalid, "lines", "the file of lines that the manifest names was not sent");
    }
    RETURN_IF_ERROR(options_.validate_only ? Rehearse() : Add());
    return std::move(result_);
  }

 private:
  const LotTerms& terms() const { return manifest_.terms; }

  // Whether this very revision is on record; an error if it may not follow what is.
  StatusOr<bool> FindKnown() {
    const StatusOr<LotRecord> lot = store_.GetLot(terms().lot);
    if (absl::IsNotFound(lot.status())) {
      if (terms().revision == 1) return false;
      return Error(Code::kFailedPrecondition, reason::kLotChanged,
                   fmt::format("lot \"{}\" has no revision yet; import revision 1 first, not {}", terms().lot,
                               terms().revision));
    }
    RETURN_IF_ERROR(lot.status());
    ASSIGN_OR_RETURN(const std::vector<LotRevision> revisions, store_.ListRevisions(terms().lot));
    for (const LotRevision& revision : revisions) {
      if (revision.digest != manifest_.digest) continue;
      result_.lot = *lot;
      result_.added = revision.added;
      result_.withdrawn = revision.withdrawn;
      result_.already_imported = true;
      return true;
    }
    if (terms().revision != lot->revision + 1) {
      return Error(
          Code::kAlreadyExists, reason::kLotChanged,
          fmt::format("lot \"{}\" is at revision {} with other content than this revision {}; an amendment is a "
                      "manifest of revision {}",
                      terms().lot, lot->revision, terms().revision, lot->revision + 1));
    }
    ASSIGN_OR_RETURN(const LotTerms before, ParseTerms(lot->terms));
    RETURN_IF_ERROR(CheckAmendment(before, terms()));
    return false;
  }

  // Reads all lines, wherever they stand.
  Status ReadAll(const LineSink& sink) {
    {
      ASSIGN_OR_RETURN(std::ifstream in, Open(parts_.content));
      RETURN_IF_ERROR(ReadManifest(in, sink).status());
    }
    if (!manifest_.lines.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::ifstream in, Open(*files_.lines));
    return ReadLines(in, *manifest_.lines, sink);
  }

  Status Rehearse() {
    RETURN_IF_ERROR(ReadAll([this](std::vector<DeviceLine> lines, std::vector<std::string> withdrawn) -> Status {
      RETURN_IF_ERROR(Complete(lines, withdrawn));
      Count(lines, withdrawn);
      return absl::OkStatus();
    }));
    const StatusOr<LotRecord> lot = store_.GetLot(terms().lot);
    if (lot.ok()) result_.lot = *lot;
    const LotTermsRecord record = TermsRecord(terms());
    result_.lot.lot = terms().lot;
    result_.lot.revision = terms().revision;
    result_.lot.manufacturer = record.manufacturer;
    result_.lot.product = record.product;
    result_.lot.authority = record.authority;
    result_.lot.profile = record.profile;
    result_.lot.terms = record.terms;
    return absl::OkStatus();
  }

  Status Add() {
    ASSIGN_OR_RETURN(const int64_t import, store_.StartImport(terms().lot, clock_.Now()));
    const Status status = AddAndFinish(import);
    // One that cannot be dropped now lapses.
    if (!status.ok()) store_.AbandonImport(import).IgnoreError();
    return status;
  }

  Status AddAndFinish(int64_t import) {
    RETURN_IF_ERROR(ReadAll([&](std::vector<DeviceLine> lines, std::vector<std::string> withdrawn) -> Status {
      RETURN_IF_ERROR(Complete(lines, withdrawn));
      RETURN_IF_ERROR(store_.AddLines(import, lines, withdrawn, clock_.Now()));
      Count(lines, withdrawn);
      return absl::OkStatus();
    }));
    const LotRevision revision{.lot = terms().lot,
                               .revision = terms().revision,
                               .digest = manifest_.digest,
                               .manifest = manifest_.header,
                               .signature = parts_.signature,
                               .signer = result_.signature.sha256,
                               .caller = options_.caller,
                               .imported = TruncateToSecond(clock_.Now())};
    ASSIGN_OR_RETURN(result_.lot, store_.FinishImport(import, revision, TermsRecord(terms()),
                                                      LotImportedEntry(revision, terms().manufacturer, result_.added)));
    return absl::OkStatus();
  }

  // What a file of lines cannot know: the registration ids that the terms give, and that a first revision withdraws
  // nothing.
  Status Complete(std::vector<DeviceLine>& lines, const std::vector<std::string>& withdrawn) const {
    for (DeviceLine& line : lines) {
      if (line.registration_id.empty()) line.registration_id = RegistrationId(terms(), line.serial);
      RETURN_IF_ERROR(CheckRegistrationId(terms(), line.registration_id));
    }
    if (withdrawn.empty() || terms().revision > 1) return absl::OkStatus();
    return FieldError(
        reason::kManifestInvalid, "withdraw",
        fmt::format("{} is withdrawn by the first revision, which announces all that there is", withdrawn.front()));
  }

  void Count(const std::vector<DeviceLine>& lines, const std::vector<std::string>& withdrawn) {
    result_.added += static_cast<int64_t>(lines.size());
    result_.withdrawn += static_cast<int64_t>(withdrawn.size());
    Tell("added", result_.added);
  }

  void Tell(const char* step, int64_t lines) const {
    if (!options_.progress) return;
    options_.progress(step, lines, manifest_.devices + (manifest_.lines.has_value() ? manifest_.lines->count : 0));
  }

  Store& store_;
  const Clock& clock_;
  const ImportFiles& files_;
  const ImportOptions& options_;
  Parts parts_;
  Manifest manifest_;
  ImportResult result_;
};

}  // namespace

StatusOr<ImportResult> ImportLot(Store& store, const Clock& clock, const ImportFiles& files,
                                 const ImportOptions& options) {
  return Import(store, clock, files, options).Run();
}

}  // namespace hallmark
