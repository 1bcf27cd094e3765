// A disk that fails on demand, below the real SQLite: the system's VFS with its writes and flushes passed through us.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

namespace hallmark::testing {

// While it lives, what is opened by SQLite goes through it. One at a time; open and close stores within its life.
class FaultyDisk {
 public:
  FaultyDisk() : system_(sqlite3_vfs_find(nullptr)), vfs_(*system_) {
    disk = this;
    vfs_.zName = "faulty-disk";
    vfs_.xOpen = Open;
    if (sqlite3_vfs_register(&vfs_, 1) != SQLITE_OK) throw std::runtime_error("cannot register a VFS");
  }
  FaultyDisk(const FaultyDisk&) = delete;  // SQLite holds our address
  ~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    disk = nullptr;
  }

  // From the n-th one from now on (1: the next), calls return `code`.
  void FailWrites(int n, int code) { Arm(writes_, n, code); }
  void FailFlushes(int n, int code) { Arm(flushes_, n, code); }
  void Heal() {
    writes_.code = SQLITE_OK;
    flushes_.code = SQLITE_OK;
  }

  int flushes() const { return flushes_.calls; }
  bool has_failed() const { return writes_.failures + flushes_.failures > 0; }

 private:
  struct Fault {
    std::atomic<int> calls = 0;
    std::atomic<int> failures = 0;
    std::atomic<int> first = 0;
    std::atomic<int> code = SQLITE_OK;
  };
  struct Methods : sqlite3_io_methods {
    const sqlite3_io_methods* system;
  };

  static void Arm(Fault& fault, int n, int code) {
    fault.first = fault.calls + n;
    fault.code = code;
  }
  static int Judge(Fault& fault) {
    const int call = ++fault.calls;
    if (fault.code == SQLITE_OK || call < fault.first) return SQLITE_OK;
    ++fault.failures;
    return fault.code;
  }

  static int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int code = disk->system_->xOpen(disk->system_, name, file, flags, out_flags);
    if (file->pMethods != nullptr) file->pMethods = disk->Through(file->pMethods);
    return code;
  }
  const sqlite3_io_methods* Through(const sqlite3_io_methods* system) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Methods>& methods = methods_[system];
    if (methods == nullptr) {
      methods = std::make_unique<Methods>(Methods{*system, system});
      methods->xWrite = Write;
      methods->xSync = Sync;
    }
    return methods.get();
  }
  static const sqlite3_io_methods& System(sqlite3_file* file) {
    return *static_cast<const Methods*>(file->pMethods)->system;
  }
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    const int code = Judge(disk->writes_);
    return code == SQLITE_OK ? System(file).xWrite(file, data, size, offset) : code;
  }
  static int Sync(sqlite3_file* file, int flags) {
    const int code = Judge(disk->flushes_);
    return code == SQLITE_OK ? System(file).xSync(file, flags) : code;
  }

  static inline FaultyDisk* disk = nullptr;  // SQLite's callbacks carry no pointer of ours

  sqlite3_vfs* system_;
  sqlite3_vfs vfs_;
  Fault writes_;
  Fault flushes_;
  std::mutex mutex_;
  std::map<const sqlite3_io_methods*, std::unique_ptr<Methods>> methods_;  // guarded by mutex_
};

}  // namespace hallmark::testing
