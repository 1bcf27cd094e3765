// A lot's manifest: JSON (docs/manifest.md, factory/manifest.schema.json), signed by the manufacturer. Its device lines
// stand in it, or in a file of CSV or JSON lines beside it that it names by digest; either way they are read as a
// stream in bounded memory.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "factory/terms.h"
#include "store/lots.h"

namespace hallmark {

inline constexpr size_t kLinesLimit = 5'000'000;
inline constexpr size_t kWithdrawalsLimit = 100'000;
inline constexpr size_t kManifestHeaderLimit = 256 * 1024;  // octets, without the lines

// The lines' file, as the manifest announces it.
struct LinesFile {
  enum class Format { kCsv, kJsonLines };
  Format format = Format::kCsv;
  Digest sha256{};
  int64_t count = 0;  // of lines
};

struct Manifest {
  LotTerms terms;
  std::optional<LinesFile> lines;  // absent: all lines are in the manifest
  std::string header;              // the manifest's JSON without `devices` and `withdraw`, canonical: sorted, compact
  Digest digest{};                 // SHA-256 of the manifest's octets: with LinesFile::sha256 in it, of all content
  int64_t devices = 0;             // lines in the manifest itself
  int64_t withdrawals = 0;
};

// Gets lines and withdrawals as they are read, in batches of at most 1,000 together. An error ends the reading and is
// returned. `registration_id` of a line is empty where the manifest gives none: it follows from the terms.
using LineSink = std::function<Status(std::vector<DeviceLine> lines, std::vector<std::string> withdrawn)>;

// Reads a manifest. First pass: with a null sink, everything is checked but duplicates; so that an import knows the
// terms, which may stand after the lines, before it adds a line. kInvalidArgument (MANIFEST_INVALID) with the fields at
// fault: "devices[17].serial"; MANIFEST_TOO_LARGE.
StatusOr<Manifest> ReadManifest(std::istream& in, const LineSink& sink = nullptr);

// Reads the file of lines, and checks count and digest at its end. "line 17: ...".
Status ReadLines(std::istream& in, const LinesFile& file, const LineSink& sink);

// The JSON Schema of manifests, which editors and factories use.
const std::string& ManifestSchema();

}  // namespace hallmark
