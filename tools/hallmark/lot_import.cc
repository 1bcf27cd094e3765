// hallmark lot import.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr size_t kChunk = 48 * 1024;  // octets; the service takes messages of 64 KiB

struct Options {
  std::string manifest;
  std::string signature;
  std::string lines;
  bool validate_only = false;
};

// The files, one after the other, as messages.
class Upload {
 public:
  explicit Upload(const Options& options) : options_(options) {}

  Status Open() {
    RETURN_IF_ERROR(Add(options_.manifest, &v1::ImportLotRequest::mutable_manifest));
    if (!options_.signature.empty()) RETURN_IF_ERROR(Add(options_.signature, &v1::ImportLotRequest::mutable_signature));
    if (!options_.lines.empty()) RETURN_IF_ERROR(Add(options_.lines, &v1::ImportLotRequest::mutable_lines));
    return absl::OkStatus();
  }

  StatusOr<std::optional<v1::ImportLotRequest>> Next() {
    v1::ImportLotRequest message;
    if (!begun_) {
      begun_ = true;
      message.mutable_header()->set_validate_only(options_.validate_only);
      return std::optional(std::move(message));
    }
    for (; at_ < files_.size(); ++at_) {
      File& file = files_[at_];
      std::string& chunk = *(message.*file.part)();
      chunk.resize(kChunk);
      file.in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
      chunk.resize(static_cast<size_t>(file.in.gcount()));
      if (!chunk.empty()) return std::optional(std::move(message));
      if (file.in.bad()) return Unreadable(file.path);
    }
    return std::optional<v1::ImportLotRequest>();
  }

 private:
  using Part = std::string* (v1::ImportLotRequest::*)();
  struct File {
    std::string path;
    std::ifstream in;
    Part part;
  };

  static Status Unreadable(const std::string& path) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("cannot read {}", path));
  }
  Status Add(const std::string& path, Part part) {
    File file{path, std::ifstream(path, std::ios::binary), part};
    if (!file.in || std::filesystem::is_directory(path)) return Unreadable(path);
    files_.push_back(std::move(file));
    return absl::OkStatus();
  }

  const Options& options_;
  std::vector<File> files_;
  size_t at_ = 0;
  bool begun_ = false;
};

std::string StepText(const v1::ImportLotResponse::Progress& step) {
  if (step.step() == "asking") return "asking the services whether they would let its devices in";
  return fmt::format("{}: {} of {} lines", Printable(step.step()), step.lines(), step.total_lines());
}

void Print(Session& session, const v1::ImportLotResponse::Result& result) {
  if (session.json()) return session.PrintJson(result);
  PrintLot(session, result.lot());
  session.err << fmt::format("signed by {}\n", result.signer_subject());
  if (result.already_imported()) {
    session.err << "this very manifest was imported before; nothing was changed\n";
  } else if (result.validate_only()) {
    session.err << fmt::format(
        "the manifest is good: {} devices to add, {} to withdraw; nothing was changed: "
        "--validate-only\n",
        result.added(), result.withdrawn());
  } else {
    session.err << fmt::format("{} devices added, {} withdrawn\n", result.added(), result.withdrawn());
  }
  for (const v1::LotAdmission& admission : result.admissions()) {
    session.err << Telling(admission) << "\n";
    if (!admission.admitted()) {
      session.err << fmt::format("Before the first device is made, look again: hallmark publish dps check --lot {}\n",
                                 result.lot().name().substr(sizeof "lots/" - 1));
    }
  }
}

StatusOr<ExitCode> Import(Session& session, const Options& options) {
  Upload upload(options);
  RETURN_IF_ERROR(upload.Open());
  ASSIGN_OR_RETURN(Client client, session.Connect());
  const bool progress = session.environment.err_is_terminal;
  ASSIGN_OR_RETURN(const v1::ImportLotResponse::Result result,
                   client.ImportLot([&] { return upload.Next(); },
                                    [&](const v1::ImportLotResponse::Progress& step) {
                                      if (progress) session.err << "\r\x1b[K" << StepText(step) << std::flush;
                                    }));
  if (progress) session.err << "\r\x1b[K";
  Print(session, result);
  return kDone;
}

}  // namespace

void AddLotImport(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = AddCommand(
      group, "import",
      "Import a lot's manifest, which its manufacturer has signed, or a revision that amends it.\n\n"
      "All of it, or nothing. Importing the same manifest again is safe and changes nothing. The manifest is CMS\n"
      "SignedData with the manifest within, as `hallmark manifest sign` and `openssl cms -sign -nodetach` make it, or "
      "the\n"
      "manifest itself with --signature. See docs/manifest.md.",
      "  hallmark lot import lot-a-17.cms\n"
      "  hallmark lot import lot-a-17.json --signature lot-a-17.p7s --lines devices.csv\n"
      "  hallmark lot import lot-a-17.cms --validate-only");
  command->add_option("manifest", options->manifest, "The manifest")->required()->type_name("FILE");
  command->add_option("--signature", options->signature, "Its detached signature (CMS, DER or PEM)")->type_name("FILE");
  command->add_option("--lines", options->lines, "The file of device lines that it names")->type_name("FILE");
  command->add_flag("--validate-only", options->validate_only, "Check everything; import nothing");
  command->callback([&session, options] { session.Finish(Import(session, *options)); });
}

}  // namespace hallmark::cli
