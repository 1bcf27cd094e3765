// Private to store/sqlite.
#pragma once

#include <utility>

#include "store/sqlite/sqlite.h"

namespace hallmark::sqlite {

// A read transaction: several statements that see the same rows. For a connection that only reads.
class Snapshot {
 public:
  static StatusOr<Snapshot> Begin(Connection& connection) {
    RETURN_IF_ERROR(connection.Execute("BEGIN"));
    return Snapshot(connection);
  }
  Snapshot(Snapshot&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  ~Snapshot() {
    if (connection_ != nullptr) connection_->Execute("ROLLBACK").IgnoreError();  // nothing was written
  }

 private:
  explicit Snapshot(Connection& connection) : connection_(&connection) {}
  Connection* connection_;  // borrowed
};

}  // namespace hallmark::sqlite
