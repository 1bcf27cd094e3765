// What ParseFilter accepts means the same when FilterText writes it anew.
#include "grpc/filter.h"

#include "tests/fuzz/property.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<CertificateFilter> filter = ParseFilter(ToString({data, size}));
  if (!Accepted(filter)) return 0;
  const std::string text = FilterText(*filter);
  Require(filter->authority.empty(), "no filter sets the authority, which the parent does");
  Require(!filter->leaf_end.has_value() && !filter->newest_first, "nor what has no field");
  if (text.size() > 2048) return 0;  // longer than a filter may be, by its quotes
  const StatusOr<CertificateFilter> again = ParseFilter(text);
  Require(again.ok() && FilterText(*again) == text, "what is written is read again");
  return 0;
}

}  // namespace hallmark::fuzz
