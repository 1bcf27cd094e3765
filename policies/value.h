// A value with placeholders: "{csr.serialNumber}", "hallmark://{realm}/station/{caller.name}"; "{{" is a brace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/profile.h"

namespace hallmark {

// Splits a value into its parts; "{realm}" becomes `realm`, and neighbouring texts one part. kInvalidArgument for a
// placeholder that is none, and for a value that is empty; the message names the sources there are.
StatusOr<std::vector<ValuePart>> ParseValue(const std::string& text, const std::string& realm);

// As a profile spells it.
std::string ValueText(const std::vector<ValuePart>& value);

// Whether it is the same for every certificate.
bool IsFixed(const std::vector<ValuePart>& value);
bool TakesFromCsr(const std::vector<ValuePart>& value, const std::string& type);

// What the parts make of facts, or which source has nothing.
struct FilledValue {
  std::string text;
  std::optional<FieldViolation> missing;
  bool ambiguous = false;  // `missing` for its being there several times
};
FilledValue Fill(const std::vector<ValuePart>& value, const Facts& facts);

}  // namespace hallmark
