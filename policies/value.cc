#include "policies/value.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/reason.h"
#include "policies/forms.h"

namespace hallmark {
namespace {

Status Wrong(const std::string& what) { return Error(Code::kInvalidArgument, reason::kConfigurationInvalid, what); }

// What stands between a placeholder's braces.
StatusOr<ValuePart> ParsePlaceholder(const std::string& inside, const std::string& realm) {
  static const RE2 kDeviceField("[a-z][a-z0-9_]{0,63}");
  if (inside == "realm") return ValuePart{Source::kFixed, realm};
  const size_t dot = inside.find('.');
  const std::string source = inside.substr(0, dot);
  const std::string name = dot == inside.npos ? "" : inside.substr(dot + 1);
  if (source == "csr" && (IsAttributeName(name) || (IsObjectIdentifier(name) && AttributeNameOf(name).empty()))) {
    return ValuePart{Source::kCsr, name};
  }
  if (source == "caller" && (name == "uri" || name == "realm" || name == "role" || name == "name")) {
    return ValuePart{Source::kCaller, name};
  }
  if (source == "device" && RE2::FullMatch(name, kDeviceField)) return ValuePart{Source::kDevice, name};
  return Wrong(
      fmt::format("'{{{}}}' is no source; known: {{realm}}, {{csr.TYPE}} with an attribute's type (CN, "
                  "serialNumber, O, OU, C, L, ST, DC or another one's OID), {{caller.uri}}, {{caller.realm}}, "
                  "{{caller.role}}, {{caller.name}}, {{device.FIELD}}; a brace itself is written {{{{",
                  inside));
}

void AppendPart(std::vector<ValuePart>& value, ValuePart part) {
  if (part.source != Source::kFixed || value.empty() || value.back().source != Source::kFixed) {
    value.push_back(std::move(part));
  } else {
    value.back().name += part.name;
  }
}

std::string Placeholder(const ValuePart& part) {
  const char* source = part.source == Source::kCsr ? "csr" : part.source == Source::kCaller ? "caller" : "device";
  return fmt::format("{{{}.{}}}", source, part.name);
}

// Of the CSR's subject, the caller or the device: a text, or why there is none.
FilledValue FromCsr(const std::string& type, const Facts& facts) {
  FilledValue filled;
  const auto is_it = [&](const Attribute& attribute) { return attribute.type == type; };
  const auto count = std::count_if(facts.subject.begin(), facts.subject.end(), is_it);
  if (count == 1) {
    filled.text = std::find_if(facts.subject.begin(), facts.subject.end(), is_it)->value;
    return filled;
  }
  filled.ambiguous = count > 1;
  filled.missing = {"csr.subject." + type,
                    count == 0
                        ? "is missing in the CSR, and the profile makes a value of it"
                        : fmt::format("stands {} times in the CSR, and the profile makes a value of one", count)};
  return filled;
}

FilledValue FromCaller(const std::string& name, const Caller& caller) {
  FilledValue filled;
  if (caller.uri.empty()) {
    filled.missing = {"caller", fmt::format("the profile takes {{caller.{}}} from who asks, and nobody does", name)};
  } else {
    filled.text = name == "uri"     ? caller.uri
                  : name == "realm" ? caller.realm
                  : name == "role"  ? caller.role
                                    : caller.name;
  }
  return filled;
}

FilledValue FromDevice(const std::string& name, const Facts& facts) {
  FilledValue filled;
  if (!facts.device.has_value()) {
    filled.missing = {"device", fmt::format("the profile takes {{device.{}}} from the device's record, and this device "
                                            "has none; announce it first, or use another profile",
                                            name)};
  } else if (const auto field = facts.device->find(name); field != facts.device->end()) {
    filled.text = field->second;
  } else {
    filled.missing = {"device." + name, "is missing in the device's record, and the profile makes a value of it"};
  }
  return filled;
}

FilledValue FromPart(const ValuePart& part, const Facts& facts) {
  switch (part.source) {
    case Source::kCsr: return FromCsr(part.name, facts);
    case Source::kCaller: return FromCaller(part.name, facts.caller);
    case Source::kDevice: return FromDevice(part.name, facts);
    case Source::kFixed: break;
  }
  FilledValue fixed;
  fixed.text = part.name;
  return fixed;
}

}  // namespace

StatusOr<std::vector<ValuePart>> ParseValue(const std::string& text, const std::string& realm) {
  std::vector<ValuePart> value;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '{') {
      const size_t end = std::min(text.find('{', at), text.size());
      AppendPart(value, {Source::kFixed, text.substr(at, end - at)});
      at = end;
    } else if (text.compare(at, 2, "{{") == 0) {
      AppendPart(value, {Source::kFixed, "{"});
      at += 2;
    } else {
      const size_t end = text.find('}', at);
      if (end == text.npos) return Wrong("a placeholder is not closed; write }, or {{ for a brace");
      ASSIGN_OR_RETURN(ValuePart part, ParsePlaceholder(text.substr(at + 1, end - at - 1), realm));
      AppendPart(value, std::move(part));
      at = end + 1;
    }
  }
  if (value.empty() || (IsFixed(value) && value.front().name.empty())) return Wrong("is empty");
  return value;
}

std::string ValueText(const std::vector<ValuePart>& value) {
  std::string text;
  for (const ValuePart& part : value) {
    if (part.source != Source::kFixed) {
      text += Placeholder(part);
      continue;
    }
    for (char c : part.name) text += c == '{' ? "{{" : std::string(1, c);
  }
  return text;
}

bool IsFixed(const std::vector<ValuePart>& value) { return value.size() == 1 && value[0].source == Source::kFixed; }

bool TakesFromCsr(const std::vector<ValuePart>& value, const std::string& type) {
  return std::any_of(value.begin(), value.end(),
                     [&](const ValuePart& part) { return part.source == Source::kCsr && part.name == type; });
}

FilledValue Fill(const std::vector<ValuePart>& value, const Facts& facts) {
  FilledValue filled;
  for (const ValuePart& part : value) {
    FilledValue next = FromPart(part, facts);
    if (next.missing.has_value()) return next;
    filled.text += next.text;
  }
  return filled;
}

}  // namespace hallmark
