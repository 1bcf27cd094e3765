// The plan of a ceremony: everything that will be generated, signed and written, as people approve it. It depends on
// the ceremony's file and on what that file names, on nothing else: the same plan has the same code on every machine.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/hallmark/ceremony/drafts.h"

namespace hallmark::ceremony {

using Json = nlohmann::json;

// Canonical form: keys sorted by octets, UTF-8, no white space, nothing escaped but what has to be (RFC 8259 7), a line
// feed at the end. kInternal (INTERNAL) for text that is not UTF-8.
StatusOr<std::string> Canonical(const Json& json);

StatusOr<Json> MakePlan(const Ceremony& ceremony, const Inputs& inputs, const Material& material);

// SHA-256 over the plan's canonical form, in hexadecimal; and its first 16 digits in groups of four, which people type.
struct PlanCode {
  std::string full;
  std::string code;
};
StatusOr<PlanCode> CodeOf(const Json& plan);

// What a certificate, CSR or list says, e.g. for a transcript. kInvalidArgument when it cannot be read.
StatusOr<Json> Summarize(Kind kind, ByteView der);

// Indented "name: value" lines.
std::string RenderText(const Json& json, int indent = 0);

}  // namespace hallmark::ceremony
