// The connections that read. Private to store/sqlite.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "store/sqlite/sqlite.h"

namespace hallmark::sqlite {

// Lends its connections, each to one thread at a time; who finds none waits. Thread-safe.
class Readers {
 public:
  explicit Readers(std::vector<Connection> connections) : connections_(std::move(connections)) {
    for (Connection& connection : connections_) idle_.push_back(&connection);
  }
  Readers(const Readers&) = delete;  // idle_ points into connections_
  Readers& operator=(const Readers&) = delete;

  // Returns read(connection), run on this thread.
  template <class Read>
  auto Run(const Read& read) {
    const Loan loan(*this);
    return read(*loan.connection);
  }

 private:
  struct Loan {
    explicit Loan(Readers& readers) : readers(readers) {
      std::unique_lock lock(readers.mutex_);
      readers.returned_.wait(lock, [&readers] { return !readers.idle_.empty(); });
      connection = readers.idle_.back();
      readers.idle_.pop_back();
    }
    Loan(const Loan&) = delete;  // would be returned twice
    ~Loan() {
      {
        const std::lock_guard lock(readers.mutex_);
        readers.idle_.push_back(connection);
      }
      readers.returned_.notify_one();
    }
    Readers& readers;
    Connection* connection;
  };

  std::vector<Connection> connections_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Connection*> idle_;  // guarded by mutex_
};

}  // namespace hallmark::sqlite
