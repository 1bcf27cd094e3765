#include "hsm/signature_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/reason.h"
#include "hsm/return_value.h"

namespace hallmark {
namespace {

Status OpenError(const std::filesystem::path& path) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot open the signature journal {}: {}; without it nothing is signed", path.string(),
                           std::strerror(errno)));
}

// Whether the file ends within a line, which a full disk or a power cut leaves behind.
StatusOr<bool> EndsTorn(int fd, const std::filesystem::path& path) {
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size < 0) return OpenError(path);
  char last = '\n';
  if (size > 0 && pread(fd, &last, 1, size - 1) != 1) return OpenError(path);
  return last != '\n';
}

class JournaledSigner : public Signer {
 public:
  JournaledSigner(std::shared_ptr<SignatureJournal> journal, std::string key, std::shared_ptr<const Signer> signer)
      : journal_(std::move(journal)), key_(std::move(key)), signer_(std::move(signer)) {}

  ByteView public_key() const override { return signer_->public_key(); }
  SignatureAlgorithm algorithm() const override { return signer_->algorithm(); }
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override {
    RETURN_IF_ERROR(journal_->Append(key_, tbs));
    return signer_->Sign(tbs, deadline);
  }

 private:
  const std::shared_ptr<SignatureJournal> journal_;
  const std::string key_;
  const std::shared_ptr<const Signer> signer_;
};

}  // namespace

StatusOr<std::shared_ptr<SignatureJournal>> SignatureJournal::Open(const std::filesystem::path& path,
                                                                   const Clock& clock) {
  constexpr mode_t kMode = 0640;
  const int fd = open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
  if (fd < 0) return OpenError(path);
  std::shared_ptr<SignatureJournal> journal(new SignatureJournal(path, clock, fd, false));
  ASSIGN_OR_RETURN(journal->torn_, EndsTorn(fd, path));
  return journal;
}

SignatureJournal::~SignatureJournal() { close(fd_); }

Status SignatureJournal::Append(const std::string& key, ByteView tbs) {
  // A line after a torn one begins with a line break, so that only the torn one is lost.
  const std::string line = fmt::format("{}{} {} {}\n", torn_ ? "\n" : "", Rfc3339(clock_.Now()), key, Hex(Sha256(tbs)));
  ssize_t written = 0;
  do {
    written = write(fd_, line.data(), line.size());  // one call: O_APPEND keeps the lines of all writers apart
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) {
    torn_ = false;
    return absl::OkStatus();
  }
  const std::string what = written < 0 ? std::strerror(errno) : "only a part of the line was written";
  if (written > 0) torn_ = true;
  return WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable,
                         fmt::format("cannot sign: the signature journal {} takes no line: {}; free space on its disk",
                                     path_.string(), what)),
                   kHsmRetryDelay);
}

StatusOr<std::shared_ptr<const Signer>> JournalSignatures(std::shared_ptr<SignatureJournal> journal,
                                                          const std::string& key,
                                                          std::shared_ptr<const Signer> signer) {
  constexpr size_t kMaxSize = 128;
  const bool is_printable = std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (key.empty() || key.size() > kMaxSize || !is_printable) {
    return Error(
        Code::kInvalidArgument, reason::kConfigurationInvalid,
        fmt::format("cannot journal the signatures of a key under the name \"{}\": it must be 1 to {} printable "
                    "ASCII characters without blanks",
                    key, kMaxSize));
  }
  return std::make_shared<const JournaledSigner>(std::move(journal), key, std::move(signer));
}

}  // namespace hallmark
