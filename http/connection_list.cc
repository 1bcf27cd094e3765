#include <chrono>
#include <vector>

#include "http/connection.h"

namespace hallmark {

ConnectionList::Position ConnectionList::Add(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(mutex_);
  return entries_.insert(entries_.end(), Entry{connection, connection.get()});
}

void ConnectionList::Remove(Position position) {
  const std::lock_guard lock(mutex_);
  if (position->closing) --closing_;
  entries_.erase(position);
  removed_.notify_all();
}

void ConnectionList::Touch(Position position) {
  const std::lock_guard lock(mutex_);
  entries_.splice(entries_.end(), entries_, position);
}

void ConnectionList::MakeRoom() {
  std::vector<std::shared_ptr<Connection>> seen;  // outlives the lock, under which no connection may die
  std::shared_ptr<Connection> victim;
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() - closing_ < max_) return;
    Entry* chosen = nullptr;
    for (Entry& entry : entries_) {
      const std::shared_ptr<Connection>& connection = seen.emplace_back(entry.connection.lock());
      if (entry.closing || connection == nullptr) continue;
      const bool waiting = connection->waiting();
      if (chosen != nullptr && !waiting) continue;
      chosen = &entry;
      victim = connection;
      if (waiting) break;
    }
    if (chosen == nullptr) return;
    chosen->closing = true;
    ++closing_;
  }
  victim->Close();
}

void ConnectionList::CloseOverdue() {
  std::vector<std::shared_ptr<Connection>> overdue;  // outlives the lock, as above
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    for (const Entry& entry : entries_) {
      if (entry.address->IsOverdue(now)) overdue.push_back(entry.connection.lock());
    }
  }
  for (const std::shared_ptr<Connection>& connection : overdue) {
    if (connection != nullptr) connection->Close();
  }
}

void ConnectionList::Stop(Duration limit) {
  stopping_ = true;
  std::vector<std::shared_ptr<Connection>> open;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) open.push_back(entry.connection.lock());
  }
  for (const std::shared_ptr<Connection>& connection : open) {
    if (connection != nullptr) connection->CloseIfWaiting();
  }
  open.clear();
  std::unique_lock lock(mutex_);
  removed_.wait_for(lock, absl::ToChronoMilliseconds(limit), [this] { return entries_.empty(); });
}

}  // namespace hallmark
