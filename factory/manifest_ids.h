// Whether the registration ids of a manifest's lines are ones that its bootstrap takes, which is known only at its end.
#pragma once

#include <string>
#include <vector>

#include "factory/manifest_fields.h"
#include "factory/terms.h"
#include "store/lots.h"

namespace hallmark {

class RegistrationIds {
 public:
  // A line whose fields were good.
  void Add(const DeviceLine& line, const std::string& path);
  // Of a lot with a bootstrap, also the ids that its range gives.
  void Judge(const LotTerms& terms, Violations& violations) const;

 private:
  struct Suspect {
    std::string path;
    DeviceLine line;
  };
  // Few of each kind: those of a kind are all good or all at fault.
  static constexpr size_t kSuspectsLimit = 20;
  std::vector<Suspect> explicit_;  // ids that are given
  std::vector<Suspect> octets_;    // serial numbers with octets that no template mends
  std::vector<Suspect> last_;      // serial numbers with a last octet that a template may mend
  std::vector<Suspect> longest_;   // one
};

}  // namespace hallmark
