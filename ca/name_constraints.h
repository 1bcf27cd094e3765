// The extension nameConstraints (RFC 5280 4.2.1.10) of a profile's CA certificates.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "policies/profile.h"

namespace hallmark {

// What is the same for every certificate is encoded once. Immutable, hence thread-safe.
class NameConstraintsTemplate {
 public:
  explicit NameConstraintsTemplate(const NameConstraints& constraints);

  // The complete Extension, critical; empty when nothing is constrained. kInvalidArgument (SUBJECT_NOT_ALLOWED) when
  // the subject lacks an attribute that a directory constraint is made of.
  StatusOr<Bytes> Encode(const Subject& subject) const;

 private:
  // A GeneralSubtree, or the attributes of the subject that it is made of.
  struct Part {
    Bytes encoded;
    std::vector<std::string> attributes;
  };
  static std::vector<Part> Prepare(const std::vector<Subtree>& subtrees);
  static StatusOr<Bytes> Join(const std::vector<Part>& parts, uint8_t tag, const Subject& subject);

  std::vector<Part> permitted_;
  std::vector<Part> excluded_;
};

}  // namespace hallmark
