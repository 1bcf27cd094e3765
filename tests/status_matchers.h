// Matchers that make tests of Status read as sentences: EXPECT_THAT(result, Fails(Code::kNotFound, reason::kX)).
#pragma once

#include <gmock/gmock.h>

#include "base/status.h"

namespace hallmark::testing {

inline const Status& AsStatus(const Status& status) { return status; }
template <class T>
const Status& AsStatus(const StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const Status& status = AsStatus(arg);
  if (!status.ok())
    *result_listener << absl::StatusCodeToString(status.code()) << " " << Reason(status) << ": " << Message(status);
  return status.ok();
}

MATCHER_P2(Fails, code, reason,
           "fails with " + std::string(absl::StatusCodeToString(code)) + " " + std::string(reason)) {
  const Status& status = AsStatus(arg);
  *result_listener << absl::StatusCodeToString(status.code()) << " " << Reason(status) << ": " << Message(status);
  return status.code() == code && Reason(status) == std::string(reason) && !Message(status).empty();
}

}  // namespace hallmark::testing
