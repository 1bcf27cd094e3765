#include "tools/hallmark/station/intake.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/failure.h"
#include "tools/hallmark/station/archive.h"

namespace hallmark::cli::station {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCsrLimit = 8192;               // of IssueCertificateRequest.csr
constexpr size_t kFileLimit = size_t{16} << 10;  // the same in PEM, with room
constexpr size_t kNameLimit = 200;               // what makes the longest of its files, too, a name
constexpr size_t kAtOnce = 256;                  // requests in one transaction
constexpr Duration kRescan = absl::Seconds(30);  // for what inotify does not tell, e.g. of network folders
constexpr Duration kSettled = absl::Seconds(2);  // a file unchanged for so long is written

Status Problem(const char* reason, const std::string& what) { return Error(Code::kInvalidArgument, reason, what); }

// The DER in PEM, or the octets as they are.
std::string DerOf(const std::string& content) {
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    const StatusOr<std::vector<Bytes>> blocks = PemDecode(label, content);
    if (blocks.ok() && blocks->size() == 1) return ToString(blocks->front());
  }
  return content;
}

Status ProblemOf(const std::string& name, const std::string& content, const std::string& der) {
  if (content.empty()) return Problem(reason::kCsrMalformed, "the file is empty; a CSR was expected in it");
  if (content.find("PRIVATE KEY-----") != content.npos) {
    return Problem(reason::kRequestInvalid,
                   "the file holds a private key, which must not leave its owner; nothing was sent");
  }
  if (der.size() > kCsrLimit) {
    return Problem(reason::kCsrTooLarge, fmt::format("{} octets are more than the {} of a CSR", der.size(), kCsrLimit));
  }
  // It would overwrite the chain of the device without the ending.
  if (name.empty() || name.size() > kNameLimit || name.ends_with("-chain")) {
    return Problem(reason::kRequestInvalid, "the file's name is empty, too long or ends in -chain; rename it");
  }
  return absl::OkStatus();
}

Found MakeFound(const std::string& name, const std::string& source, const std::string& content, const Terms& terms,
                const Attributes& attributes) {
  Found found{name.substr(0, kNameLimit), source, {}, absl::OkStatus(), ""};
  const std::string der = DerOf(content);
  found.problem = ProblemOf(name, content, der);
  if (found.problem.ok()) {
    found.request = MakeRequest(terms, name, der, attributes);
  } else {
    found.digest = "problem:" + Hex(Sha256(AsBytes(source + "\n" + content)));
  }
  return found;
}

Found MakeProblem(const fs::path& path, const Status& problem) {
  const std::string digest = fmt::format("{}\n{}", path.string(), Message(problem));
  return {FileName(path.filename().string()).substr(0, kNameLimit),
          path.string(),
          {},
          problem,
          "problem:" + Hex(Sha256(AsBytes(digest)))};
}

Attributes AttributesOf(const List& list, const std::string& name) {
  const auto found = list.find(name);
  return found == list.end() ? Attributes() : found->second;
}

std::string StemOf(const fs::path& path) { return FileName((path.parent_path() / path.stem()).string()); }

}  // namespace

std::vector<Found> ReadFound(const fs::path& path, const Terms& terms, const List& list) {
  std::vector<Found> all;
  if (!IsArchive(path)) {
    const StatusOr<std::string> content = ReadFile(path, kFileLimit);
    if (content.status().code() == Code::kNotFound) return {};  // gone meanwhile
    if (!content.ok()) return {MakeProblem(path, content.status())};
    const std::string file = path.filename().string();
    return {MakeFound(FileName(path.stem().string()), path.string(), *content, terms, AttributesOf(list, file))};
  }
  const StatusOr<std::vector<Member>> members = ReadArchive(path);
  if (!members.ok()) return {MakeProblem(path, members.status())};
  for (const Member& member : *members) {
    all.push_back(MakeFound(StemOf(member.path), fmt::format("{}:{}", path.string(), member.path), member.content,
                            terms, AttributesOf(list, member.path)));
  }
  return all;
}

Intake::Intake(Settings settings, Spool& spool) : settings_(std::move(settings)), spool_(spool) {}

Status Intake::Begin(Time now) {
  for (const fs::path& input : settings_.inputs) {
    std::error_code error;
    if (fs::is_directory(input, error)) {
      // Before the first look, so that nothing falls between.
      if (settings_.watch) RETURN_IF_ERROR(watch_.Add(input));
    } else if (!fs::is_regular_file(input, error)) {
      return UsageError(fmt::format("{} is neither a folder nor a file", input.string()));
    }
  }
  rescan_ = now + kRescan;
  return Scan();
}

Status Intake::Scan() {
  std::vector<fs::path> files;
  for (const fs::path& input : settings_.inputs) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      files.push_back(input);
      continue;
    }
    for (fs::directory_iterator entry(input, error), end; !error && entry != end; entry.increment(error)) {
      if (IsCsrName(entry->path()) || IsArchive(entry->path())) files.push_back(entry->path());
    }
    if (!error) continue;
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("cannot read the folder {}: {}", input.string(), error.message()));
  }
  std::sort(files.begin(), files.end());
  files_.insert(files_.end(), files.begin(), files.end());
  return absl::OkStatus();
}

// Whether the file is there, changed since it was read, and whole.
bool Intake::Ripe(const fs::path& path, bool closed, Time now) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const Stamp stamp{fs::last_write_time(path, error), fs::file_size(path, error)};
  if (error) return false;
  const auto seen = seen_.find(path);
  if (seen != seen_.end() && seen->second == stamp) return false;
  struct stat status = {};
  if (settings_.watch && !closed && stat(path.c_str(), &status) == 0 &&
      now - absl::TimeFromTimespec(status.st_mtim) < kSettled) {
    rescan_ = std::min(rescan_, now + kSettled);
    return false;
  }
  seen_[path] = stamp;
  return true;
}

void Intake::Collect(Time now) {
  for (; !files_.empty() && found_.size() < kAtOnce; files_.pop_front()) {
    if (!Ripe(files_.front(), false, now)) continue;
    for (Found& found : ReadFound(files_.front(), settings_.terms, settings_.list)) found_.push_back(std::move(found));
  }
}

Status Intake::AddFound(Time now) {
  const size_t count = std::min(found_.size(), kAtOnce);
  const std::vector<Found> some(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(count));
  if (some.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<Spool::Added> added, spool_.Add(some, now));
  for (size_t i = 0; i < count; ++i) {
    switch (added[i]) {
      case Spool::Added::kQueued: ++tally_.queued; break;
      case Spool::Added::kRefused: ++tally_.problems; break;
      case Spool::Added::kKnown: ++tally_.known; break;
      case Spool::Added::kKnownRefused: ++tally_.known_refused; break;
      case Spool::Added::kNameTaken: tally_.taken[some[i].name] = some[i].source; break;
    }
  }
  found_.erase(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(count));
  return absl::OkStatus();
}

StatusOr<bool> Intake::Take(Time now) {
  if (settings_.watch) {
    Watch::Changes changes = watch_.Take();
    for (const fs::path& path : changes.files) {
      if ((!IsCsrName(path) && !IsArchive(path)) || !Ripe(path, true, now)) continue;
      for (Found& found : ReadFound(path, settings_.terms, settings_.list)) found_.push_back(std::move(found));
    }
    if (changes.missed || now >= rescan_) {
      rescan_ = now + kRescan;
      RETURN_IF_ERROR(Scan());
    }
  }
  Collect(now);
  RETURN_IF_ERROR(AddFound(now));
  return !files_.empty() || !found_.empty();
}

}  // namespace hallmark::cli::station
