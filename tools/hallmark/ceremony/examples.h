// The examples of ceremonies that ship with Hallmark, as the build embedded tools/ceremonies/: together they make a
// hierarchy, and tests/ceremony_test runs them as they are.
#pragma once

#include <string_view>
#include <vector>

namespace hallmark::ceremony {

struct Example {
  std::string_view type;  // "root"...
  std::string_view text;
};
const std::vector<Example>& Examples();

}  // namespace hallmark::ceremony
