// What a station has asked for and been answered: one row a request, durable before anything leaves the machine and
// before anything is written out, so that a power cut, a kill or a dead network costs nothing and doubles nothing.
//
//   queued -> sent -> answered -> delivered -> confirmed        exported: in a bundle, waiting for its answers
//                  -> refused                                   `sent` may be asked again: it is the same request id
//
// A SQLite file, of one caller. One process at a time may send from it, which Claim makes sure of; others may read it,
// ask for a retry and record confirmations meanwhile. Errors as Database has them. One thread at a time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/status.h"
#include "hallmark/v1/issuance.pb.h"
#include "tools/hallmark/station/database.h"

namespace hallmark::cli::station {

struct Entry {
  int64_t id = 0;
  std::string name;    // of its files in OUT, without an extension
  std::string source;  // where the CSR was found
  v1::IssueCertificateRequest request;
  std::string state;
  v1::Certificate certificate;  // once answered
  std::string error;            // once refused: JSON as FailureJson has it
  Time queued;
};

// A CSR that was found, or what was wrong with it.
struct Found {
  std::string name;
  std::string source;
  v1::IssueCertificateRequest request;
  Status problem;      // not OK: there is nothing to send
  std::string digest;  // of the file, if there is a problem: the same file is the same problem
};

// The answer to one request.
struct Answer {
  int64_t id = 0;
  std::optional<v1::Certificate> certificate;
  std::string error;  // JSON, if refused
};

struct Counts {
  std::map<std::string, int64_t> by_state;
  std::map<std::string, int64_t> refusals;  // by reason
  std::optional<Time> oldest_waiting;
  int64_t waiting() const;  // queued or sent
};

class Spool {
 public:
  // The spool that an option names: a file, a directory for "spool.db", or, empty, beside the context.
  static std::filesystem::path PathOf(const std::string& option, const std::filesystem::path& context);

  // kUnavailable (STORE_UNAVAILABLE) when another process sends from it; kFailedPrecondition (CONFIGURATION_INVALID)
  // when it is another caller's.
  static StatusOr<Spool> Claim(const std::filesystem::path& path, const std::string& caller);
  // Without the right to send. kNotFound (FILE_UNREADABLE) when there is none.
  static StatusOr<Spool> Open(const std::filesystem::path& path, Database::Access access);

  // Adds what is new, in one transaction, and says what became of each.
  enum class Added { kQueued, kRefused, kKnown, kKnownRefused, kNameTaken };
  StatusOr<std::vector<Added>> Add(const std::vector<Found>& found, Time now);

  // Whatever was sent without being answered is to be sent again.
  Status Requeue();
  // The next to send, at most `limit`, which count as sent from then on.
  StatusOr<std::vector<Entry>> TakeQueued(size_t limit, Time now);
  // One transaction. Whoever is answered already stays as it was.
  Status Record(const std::vector<Answer>& answers, Time now);
  // Answered or refused, and OUT does not have it yet.
  StatusOr<std::vector<Entry>> Undelivered(size_t limit);
  Status MarkDelivered(const std::vector<int64_t>& ids, Time now);

  // All of a state, in the order in which they came; an empty state is any.
  StatusOr<std::vector<Entry>> List(const std::string& state, size_t limit);
  // The latest of that name; by its request id. kNotFound (REQUEST_INVALID) when there is none.
  StatusOr<Entry> Find(const std::string& name);
  StatusOr<std::optional<Entry>> FindRequest(const std::string& request_id);
  StatusOr<Counts> Count();

  // Asks for a refused one again, under another request id, or for one in a bundle over the network after all, under
  // the same. kFailedPrecondition (REQUEST_INVALID) if it is neither or there is nothing to send.
  Status Retry(const Entry& entry, Time now);
  Status MarkConfirmed(int64_t id, Time now);
  // What waits becomes part of a bundle, which has been written.
  Status MarkExported(const std::vector<int64_t>& ids, const std::string& bundle, Time now);
  // What a bundle asked for.
  StatusOr<std::vector<Entry>> OfBundle(const std::string& bundle);

 private:
  Spool(Database database, std::unique_ptr<FileDescriptor> lock)
      : database_(std::move(database)), lock_(std::move(lock)) {}
  Status Migrate();
  Status BelongTo(const std::string& caller);
  StatusOr<Added> AddOne(const Found& found, Time now);
  StatusOr<std::vector<Entry>> Select(const std::string& rest, const std::vector<Value>& values);

  Database database_;
  std::unique_ptr<FileDescriptor> lock_;  // held while it lives; null without the right to send
};

}  // namespace hallmark::cli::station
