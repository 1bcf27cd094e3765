// A ceremony that is read names its files and its keys so that its plan and its steps can be made from it.
#include "tools/hallmark/ceremony/ceremony.h"

#include "tests/fuzz/property.h"
#include "tools/hallmark/ceremony/drafts.h"
#include "tools/hallmark/ceremony/plan.h"

namespace hallmark::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<ceremony::Ceremony> read = ceremony::ParseCeremony("fuzzed.yaml", ToString({data, size}));
  if (!Accepted(read)) return 0;
  Require(!read->title.empty() && !read->participants.empty() && !read->transcript.empty(), "the basics are there");
  Require(read->certificate.has_value() != read->crl.has_value(), "it is about certificates or about a list");
  for (const ceremony::Step& step : ceremony::StepsOf(*read)) {
    Require(read->outputs.contains(step.output), "each step has its output");
    Require(step.signatory == ceremony::Signatory::kNewKey ? read->key.has_value() : read->signing_key.has_value(),
            "each step has its key");
  }
  const StatusOr<ceremony::Material> material = ceremony::Examine(*read, {});
  if (!material.ok()) Require(!material.status().message().empty(), "a refusal says why");
  return 0;
}

}  // namespace hallmark::fuzz
