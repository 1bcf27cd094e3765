// SignatureJournal is the HSM side's own count of what the CA keys signed: one line a signature, written before it is
// made and independent of the database, so that auditors can compare it with the recorded intents.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "hsm/signer.h"

namespace hallmark {

// Thread-safe; several processes may append to one file. A line, once written, survives the death of the process, but
// not a power cut. Its three fields, joined by blanks: the time (RFC 3339), the key, SHA-256 of the TBS in hexadecimal.
class SignatureJournal {
 public:
  // Opens or creates (mode 0640) the file. kFailedPrecondition (FILE_UNREADABLE) when that fails. `clock` must outlive
  // the journal.
  static StatusOr<std::shared_ptr<SignatureJournal>> Open(const std::filesystem::path& path, const Clock& clock);

  SignatureJournal(const SignatureJournal&) = delete;  // two owners would close the file twice
  SignatureJournal& operator=(const SignatureJournal&) = delete;
  ~SignatureJournal();

  // kUnavailable (HSM_UNAVAILABLE, with a retry delay) when the line is not whole in the file, e.g. the disk is full.
  Status Append(const std::string& key, ByteView tbs);

 private:
  SignatureJournal(std::filesystem::path path, const Clock& clock, int fd, bool torn)
      : path_(std::move(path)), clock_(clock), fd_(fd), torn_(torn) {}

  const std::filesystem::path path_;
  const Clock& clock_;
  const int fd_;
  std::atomic<bool> torn_;  // the file ends within a line
};

// Returns a Signer that appends to `journal` before `signer` signs, and does not sign when it cannot. `key` names the
// key in the journal. kInvalidArgument (CONFIGURATION_INVALID) unless it is 1 to 128 printable octets without blanks.
StatusOr<std::shared_ptr<const Signer>> JournalSignatures(std::shared_ptr<SignatureJournal> journal,
                                                          const std::string& key, std::shared_ptr<const Signer> signer);

}  // namespace hallmark
