// Fields of JSON that somebody else wrote, which may be of any form.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace hallmark {

// The text in a field; empty: `object` is none, has no such field, or no text in it.
inline std::string TextAt(const nlohmann::json& object, const char* field) {
  if (!object.is_object()) return "";
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace hallmark
