#include "tools/hallmark/manifest_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/reason.h"
#include "factory/manifest_signature.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string file;
  std::string lines;
};

StatusOr<std::ifstream> Open(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (in && !std::filesystem::is_directory(file)) return in;
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable, "cannot read " + file.string());
}

// A file that ends with its owner.
class TemporaryFile {
 public:
  TemporaryFile() : path_((std::filesystem::temp_directory_path() / "hallmark-XXXXXX").string()) {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Status CheckLines(const Manifest& manifest, const std::filesystem::path& file) {
  if (!manifest.lines.has_value()) return UsageError("--lines is given, but the manifest names no file of lines");
  ASSIGN_OR_RETURN(std::ifstream in, Open(file));
  const LotTerms& terms = manifest.terms;
  const auto judge = [&terms](const std::vector<DeviceLine>& lines, const std::vector<std::string>& withdrawn) {
    if (terms.revision == 1 && !withdrawn.empty()) {
      return FieldError(reason::kManifestInvalid, "lines", "withdraws devices, which revision 1 has no place for");
    }
    for (const DeviceLine& line : lines) {
      const std::string id = line.registration_id.empty() ? RegistrationId(terms, line.serial) : line.registration_id;
      RETURN_IF_ERROR(Annotate(CheckRegistrationId(terms, id), "lines: " + line.serial));
    }
    return absl::OkStatus();
  };
  return Annotate(ReadLines(in, *manifest.lines, judge), file.string());
}

StatusOr<Manifest> ReadEither(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(std::ifstream in, Open(file));
  const int first = in.peek();
  if (first != '-' && first != 0x30) return ReadManifest(in);
  const TemporaryFile content;
  RETURN_IF_ERROR(SplitSignedData(file, content.path()).status());
  ASSIGN_OR_RETURN(std::ifstream split, Open(content.path()));
  return ReadManifest(split);
}

int64_t Announced(const Manifest& manifest) {
  if (manifest.terms.serials.has_value()) return manifest.terms.serials->last - manifest.terms.serials->first + 1;
  return manifest.devices + (manifest.lines.has_value() ? manifest.lines->count : 0);
}

json Summary(const Manifest& manifest) {
  return {{"valid", true},
          {"terms", json::parse(ToJson(manifest.terms))},
          {"announced", Announced(manifest)},
          {"withdrawn", manifest.withdrawals},
          {"sha256", Hex(manifest.digest)}};
}

std::string Stations(const LotTerms& terms) {
  std::string text;
  for (const LotStation& station : terms.stations) text += (text.empty() ? "" : ", ") + station.station;
  return text;
}

void PrintTable(const Session& session, const Manifest& manifest) {
  const LotTerms& terms = manifest.terms;
  session.out << RenderFields(
      {{"Lot", fmt::format("{} revision {}", terms.lot, terms.revision)},
       {"Manufacturer", terms.manufacturer},
       {"Product", terms.product},
       {"Profile", terms.profile},
       {"Authority", terms.authority},
       {"Stations", Stations(terms)},
       {"Window", Rfc3339(terms.not_before) + " to " + Rfc3339(terms.not_after)},
       {"Quantity", fmt::format("{} of {} announced", terms.quantity, Announced(manifest))},
       {"Withdrawn", manifest.withdrawals == 0 ? "" : std::to_string(manifest.withdrawals)},
       {"Registration id", terms.registration_id},
       {"Bootstrap",
        terms.bootstrap.type.empty() ? std::string() : terms.bootstrap.type + " " + terms.bootstrap.id_scope},
       {"SHA-256", Hex(manifest.digest)}},
      session.colored());
}

StatusOr<ExitCode> Check(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Manifest manifest, CheckManifest(options.file, options.lines));
  if (session.json()) {
    session.PrintJson(Summary(manifest));
    return kDone;
  }
  PrintTable(session, manifest);
  if (manifest.lines.has_value() && options.lines.empty()) {
    session.out << "The file of lines was not checked; name it with --lines.\n";
  }
  return kDone;
}

StatusOr<ExitCode> Show(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Manifest manifest, ReadEither(options.file));
  session.PrintJson(json::parse(manifest.header));
  return kDone;
}

}  // namespace

StatusOr<Manifest> CheckManifest(const std::filesystem::path& file, const std::filesystem::path& lines) {
  StatusOr<Manifest> manifest = ReadEither(file);
  if (!manifest.ok()) return Annotate(manifest.status(), file.string());
  if (!lines.empty()) RETURN_IF_ERROR(CheckLines(*manifest, lines));
  return manifest;
}

void AddManifest(CLI::App& app, Session& session) {
  CLI::App* group = app.add_subcommand("manifest", "Announce a lot of devices: make, check and sign its manifest");
  group->require_subcommand(1);
  AddManifestNew(*group, session);
  const auto options = std::make_shared<Options>();
  CLI::App* check = AddCommand(*group, "check", "Say whether a file is a manifest, or each field that is at fault",
                               "  hallmark manifest check a-17.json\n"
                               "  hallmark manifest check a-17.json --lines a-17.csv\n"
                               "  hallmark manifest check a-17.cms --output json");
  check->add_option("file", options->file, "The manifest: JSON, or CMS SignedData with it within")->required();
  check->add_option("--lines", options->lines, "The file of lines that it names")->type_name("FILE");
  check->callback([&session, options] { session.Finish(Check(session, *options)); });
  AddManifestSign(*group, session);
  CLI::App* show = AddCommand(*group, "show", "Print a manifest, signed or not, as JSON without its lines",
                              "  hallmark manifest show a-17.cms");
  show->add_option("file", options->file, "The manifest: JSON, or CMS SignedData with it within")->required();
  show->callback([&session, options] { session.Finish(Show(session, *options)); });
  CLI::App* schema =
      AddCommand(*group, "schema", "Print the JSON Schema of manifests, by which editors help to write them",
                 "  hallmark manifest schema >manifest.schema.json");
  schema->callback([&session] {
    session.out << ManifestSchema();
    session.Finish(kDone);
  });
}

}  // namespace hallmark::cli
