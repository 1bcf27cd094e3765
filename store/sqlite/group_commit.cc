#include "store/sqlite/group_commit.h"

#include <algorithm>
#include <vector>

#include "base/log.h"

namespace hallmark::sqlite {
namespace {

constexpr size_t kLargestGroup = 512;
constexpr int kCheckpointFrames = 4096;  // 16 MiB: a checkpoint then stalls the writer for some 10 ms

// The transaction is lost, not one mutation refused: the store's own answers never have these codes.
bool EndsTransaction(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDataLoss;
}

}  // namespace

GroupCommit::GroupCommit(Connection connection, MerkleFrontier ledger)
    : connection_(std::move(connection)),
      ledger_(std::move(ledger)),
      thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

GroupCommit::~GroupCommit() {
  thread_.request_stop();
  thread_.join();
}

Status GroupCommit::Run(Mutation mutation) {
  const auto waiting = std::make_shared<Waiting>();
  waiting->mutation = std::move(mutation);
  std::future<Status> answer = waiting->answer.get_future();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(waiting);
  }
  gathered_.notify_one();
  return answer.get();
}

void GroupCommit::Loop(std::stop_token stop) {
  std::vector<std::shared_ptr<Waiting>> group;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!gathered_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      const auto end = waiting_.begin() + static_cast<ptrdiff_t>(std::min(waiting_.size(), kLargestGroup));
      group.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
    }
    Commit(group);
    for (const auto& waiting : group) waiting->answer.set_value(std::move(waiting->status));
    group.clear();
    Checkpoint();
  }
}

// Leaves in each mutation of the group its answer.
void GroupCommit::Commit(Group group) {
  MerkleFrontier ledger = ledger_;
  const Status status = stopped_.ok() ? TryCommit(group, ledger) : stopped_;
  if (status.ok()) {
    ledger_ = std::move(ledger);
  } else {
    NoteDamage(status);
    for (const auto& waiting : group) waiting->status = status;
  }
}

Status GroupCommit::TryCommit(Group group, MerkleFrontier& ledger) {
  Transaction transaction{connection_, ledger};
  Status status = connection_.Execute("BEGIN IMMEDIATE");
  if (status.ok()) status = RunMutations(group, transaction);
  if (status.ok() && ledger.size() != ledger_.size()) status = WriteHead(transaction);
  if (status.ok()) status = connection_.Execute("COMMIT");
  // ROLLBACK ends the transaction whatever it returns; SQLite may have done so itself.
  if (!status.ok() && connection_.in_transaction()) connection_.Execute("ROLLBACK").IgnoreError();
  return status;
}

// Not OK: the transaction must be rolled back.
Status GroupCommit::RunMutations(Group group, Transaction& transaction) {
  for (const auto& waiting : group) {
    const MerkleFrontier before = transaction.ledger;
    RETURN_IF_ERROR(connection_.Execute("SAVEPOINT mutation"));
    waiting->status = waiting->mutation(transaction);
    if (EndsTransaction(waiting->status)) return waiting->status;
    if (!waiting->status.ok()) {
      RETURN_IF_ERROR(connection_.Execute("ROLLBACK TO mutation"));
      transaction.ledger = before;
    }
    RETURN_IF_ERROR(connection_.Execute("RELEASE mutation"));
  }
  return absl::OkStatus();
}

void GroupCommit::Checkpoint() {
  const int frames = connection_.wal_frames();
  if (frames < frames_at_attempt_) frames_at_attempt_ = 0;  // the log has started again from its beginning
  if (!stopped_.ok() || frames - frames_at_attempt_ < kCheckpointFrames) return;
  frames_at_attempt_ = frames;  // a reader may keep it from being complete: then not again with every commit
  const Status status = connection_.Checkpoint();
  if (status.ok()) return;
  log::Warning("store_checkpoint_failed", log::Describe(status));
  NoteDamage(status);
}

void GroupCommit::NoteDamage(const Status& status) {
  if (status.code() != Code::kDataLoss || !stopped_.ok()) return;
  stopped_ = status;
  log::Error("store_stopped", log::Describe(status));
}

}  // namespace hallmark::sqlite
