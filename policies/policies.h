// The policies of a running instance, read whole and replaced whole.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "policies/access.h"
#include "policies/profile.h"

namespace hallmark {

// Profiles and roles as they stood on disk at one moment. Immutable but for what Access counts, hence thread-safe.
struct PolicySnapshot {
  ProfileMap profiles;
  std::shared_ptr<const Access> access;
  std::string roles;          // the text of the file
  std::string roles_version;  // its SHA-256, lower-case hexadecimal
};
using PolicyPointer = std::shared_ptr<const PolicySnapshot>;

// Where they stand, and the realm that they are for.
struct PolicyFiles {
  std::filesystem::path profiles;  // a directory
  std::filesystem::path roles;
  std::string realm;
};

// Reads all of them, or fails: kInvalidArgument (CONFIGURATION_INVALID) with file, line and field. `earlier`: what was
// in force until now; roles that have not changed stay with what they have counted for their rates.
StatusOr<PolicyPointer> ReadPolicies(const PolicyFiles& files, const PolicyPointer& earlier = nullptr);

// What is in force. Thread-safe. A call takes Current() once and works with that from start to end.
class Policies {
 public:
  explicit Policies(PolicyPointer current) : current_(std::move(current)) {}

  PolicyPointer Current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void Use(PolicyPointer next) {
    const std::lock_guard lock(mutex_);
    current_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  PolicyPointer current_;  // guarded by mutex_
};

}  // namespace hallmark
