// The caller's URIs that are accepted are hallmark://realm/role/name, of the allowed characters and nothing else.
#include "policies/access.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string uri = ToString({data, size});
  const StatusOr<Caller> caller = ParseCallerUri(uri);
  if (!caller.ok()) {
    Require(caller.status().code() == Code::kUnauthenticated, "whoever is refused is not authenticated");
    return 0;
  }
  ++accepted_inputs;
  Require(caller->uri == uri && uri == "hallmark://" + caller->realm + "/" + caller->role + "/" + caller->name,
          "the URI is made of its parts");
  for (const std::string& part : {caller->realm, caller->role, caller->name}) {
    Require(!part.empty() && part[0] != '.' && part[0] != '-', "each part begins with a letter or a digit");
    for (char c : part)
      Require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-',
              "lower case, digits, dots, dashes");
  }
  return 0;
}

}  // namespace hallmark::fuzz
