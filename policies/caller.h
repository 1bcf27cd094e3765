// Who calls: what a caller's certificate says of it.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark {

// Who asks: the URI SAN of a certificate that our access authority issued, hallmark://<realm>/<role>/<name>.
struct Caller {
  std::string uri;
  std::string realm;
  std::string role;  // "station", "operator", "auditor"
  std::string name;
  std::string authority;  // which issued its certificate
  Bytes serial;           // of its certificate
};

// Reads a caller's URI. kUnauthenticated (CALLER_UNAUTHENTICATED) when it is not hallmark://realm/role/name with
// lower-case letters, digits, dots and dashes in each part.
StatusOr<Caller> ParseCallerUri(const std::string& uri);

}  // namespace hallmark
