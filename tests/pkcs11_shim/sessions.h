// What the shim knows of the sessions of its process, so that it can close them, count them and tell when a dead one is
// used.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

namespace hallmark::testing {

// Thread-safe. Handles are CK_SESSION_HANDLE, slots CK_SLOT_ID.
class Sessions {
 public:
  // Reserves the place of a session that is about to be opened; false when `limit` (0: none) is reached.
  bool Reserve(size_t limit) {
    const std::lock_guard lock(mutex_);
    if (limit > 0 && CountOpen() + reserved_ >= limit) return false;
    ++reserved_;
    return true;
  }
  // Ends a reservation, with a session or without.
  void Opened(unsigned long handle, unsigned long slot) {
    const std::lock_guard lock(mutex_);
    --reserved_;
    sessions_[handle] = {.slot = slot};
  }
  void NotOpened() {
    const std::lock_guard lock(mutex_);
    --reserved_;
  }

  // False when the caller was told before that the session is lost, or has closed it.
  bool IsUsable(unsigned long handle) const {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(handle);
    return found != sessions_.end() && !found->second.reported_lost;
  }
  // Whether the caller may close it still: once, lost or not.
  bool IsKnown(unsigned long handle) const {
    const std::lock_guard lock(mutex_);
    return sessions_.contains(handle);
  }

  // The caller is told that a session is lost. `gone`: it is, in the module.
  void ReportLost(unsigned long handle, bool gone) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(handle);
    if (found == sessions_.end()) return;
    found->second.reported_lost = true;
    if (gone) found->second.open = false;
  }
  // The module has lost them, and the caller does not know.
  void LoseAll() {
    const std::lock_guard lock(mutex_);
    for (auto& [handle, session] : sessions_) session.open = false;
  }

  // The caller has closed it; `closed`: so has the module. What is still open in the module stays.
  void Close(unsigned long handle, bool closed) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(handle);
    if (found != sessions_.end() && (closed || !found->second.open)) sessions_.erase(found);
  }
  void CloseSlot(unsigned long slot) {
    const std::lock_guard lock(mutex_);
    std::erase_if(sessions_, [slot](const auto& session) { return session.second.slot == slot; });
  }
  void Clear() {
    const std::lock_guard lock(mutex_);
    sessions_.clear();
  }

  // Those that the module has open.
  std::vector<unsigned long> Open() const {
    const std::lock_guard lock(mutex_);
    std::vector<unsigned long> open;
    for (const auto& [handle, session] : sessions_) {
      if (session.open) open.push_back(handle);
    }
    return open;
  }

 private:
  struct Session {
    unsigned long slot = 0;
    bool open = true;            // in the module
    bool reported_lost = false;  // to the caller
  };

  size_t CountOpen() const {
    size_t count = 0;
    for (const auto& [handle, session] : sessions_) count += session.open ? 1 : 0;
    return count;
  }

  mutable std::mutex mutex_;
  std::map<unsigned long, Session> sessions_;
  size_t reserved_ = 0;
};

}  // namespace hallmark::testing
