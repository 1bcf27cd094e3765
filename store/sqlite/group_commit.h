// Group commit: one thread writes, and every commit carries all that has gathered while the one before it reached the
// disk. Private to store/sqlite.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "store/sqlite/ledger_table.h"

namespace hallmark::sqlite {

// Owns the only connection that writes. Thread-safe.
class GroupCommit {
 public:
  // A mutation has a savepoint of its own, so that its failure leaves its neighbours alone. (Measured: 2 of 14 us. To
  // do without, each mutation would have to refuse before its first write.)
  using Mutation = std::function<Status(Transaction&)>;

  GroupCommit(Connection connection, MerkleFrontier ledger);
  ~GroupCommit();  // commits what is waiting

  // Runs `mutation` on the writing thread and returns after its commit is on the disk; what the mutation returns, if
  // the commit succeeds. kUnavailable: nothing has changed, and the next mutation may succeed. kDataLoss: the store
  // has stopped, for every mutation from now on, until it is opened again; after a failed flush the outcome is
  // unknown until then.
  Status Run(Mutation mutation);

 private:
  struct Waiting {
    Mutation mutation;
    Status status;  // the mutation's own, answered once the commit has succeeded
    std::promise<Status> answer;
  };
  // Shared with the thread that waits: it may return while the writing thread still leaves set_value.
  using Group = std::span<const std::shared_ptr<Waiting>>;

  void Loop(std::stop_token stop);
  void Commit(Group group);
  Status TryCommit(Group group, MerkleFrontier& ledger);
  Status RunMutations(Group group, Transaction& transaction);
  void Checkpoint();
  void NoteDamage(const Status& status);

  Connection connection_;
  MerkleFrontier ledger_;      // as committed
  Status stopped_;             // not OK: the answer to every mutation
  int frames_at_attempt_ = 0;  // length of the write-ahead log at the last checkpoint

  std::mutex mutex_;
  std::condition_variable_any gathered_;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // guarded by mutex_

  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace hallmark::sqlite
