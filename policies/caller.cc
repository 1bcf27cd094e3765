#include "policies/caller.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark {
namespace {

constexpr std::string_view kScheme = "hallmark://";
constexpr size_t kUriLimit = 255;

bool IsName(std::string_view part) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  return !part.empty() && part.find_first_not_of(kAllowed) == part.npos && part.front() != '.' && part.front() != '-';
}

}  // namespace

StatusOr<Caller> ParseCallerUri(const std::string& uri) {
  const auto refuse = [&] {
    return Error(Code::kUnauthenticated, reason::kCallerUnauthenticated,
                 fmt::format("the client certificate's URI SAN is not {}<realm>/<role>/<name>; ask an operator for a "
                             "credential of the profile operator, station or auditor",
                             kScheme));
  };
  if (!uri.starts_with(kScheme) || uri.size() > kUriLimit) return refuse();
  const std::string_view rest = std::string_view(uri).substr(kScheme.size());
  const size_t first = rest.find('/');
  const size_t second = first == rest.npos ? rest.npos : rest.find('/', first + 1);
  if (second == rest.npos) return refuse();
  Caller caller;
  caller.uri = uri;
  caller.realm = rest.substr(0, first);
  caller.role = rest.substr(first + 1, second - first - 1);
  caller.name = rest.substr(second + 1);
  if (!IsName(caller.realm) || !IsName(caller.role) || !IsName(caller.name)) return refuse();
  return caller;
}

}  // namespace hallmark
