#include "tests/profile_reading/names.h"

#include <arpa/inet.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace hallmark::testing {
namespace {

using GeneralNames = ssl::Owner<GENERAL_NAMES, GENERAL_NAMES_free>;

std::string TextOf(const ASN1_STRING* value) {
  return ToString({ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))});
}

std::string Dotted(const ASN1_OBJECT* object) {
  std::array<char, 512> text = {};
  OBJ_obj2txt(text.data(), text.size(), object, 1);
  return text.data();
}

// The names of RFC 4514 and X.520 that profiles use.
std::string TypeOf(const ASN1_OBJECT* object) {
  switch (OBJ_obj2nid(object)) {
    case NID_commonName: return "CN";
    case NID_serialNumber: return "serialNumber";
    case NID_organizationName: return "O";
    case NID_organizationalUnitName: return "OU";
    case NID_countryName: return "C";
    case NID_localityName: return "L";
    case NID_stateOrProvinceName: return "ST";
    case NID_domainComponent: return "DC";
    default: return Dotted(object);
  }
}

bool IsVisible(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// HardwareModuleName (RFC 4108 5): SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }.
std::string HardwareModuleName(const OTHERNAME* name) {
  const ASN1_TYPE* value = name->value;
  if (Dotted(name->type_id) != "1.3.6.1.5.5.7.8.4" || value->type != V_ASN1_SEQUENCE) return "";
  const uint8_t* in = ASN1_STRING_get0_data(value->value.sequence);
  const ssl::Owner<ASN1_SEQUENCE_ANY, [](auto* all) { sk_ASN1_TYPE_pop_free(all, ASN1_TYPE_free); }> fields(
      d2i_ASN1_SEQUENCE_ANY(nullptr, &in, ASN1_STRING_length(value->value.sequence)));
  if (sk_ASN1_TYPE_num(fields.get()) != 2) return "";
  const ASN1_TYPE* type = sk_ASN1_TYPE_value(fields.get(), 0);
  const ASN1_TYPE* serial = sk_ASN1_TYPE_value(fields.get(), 1);
  if (type->type != V_ASN1_OBJECT || serial->type != V_ASN1_OCTET_STRING) return "";
  const std::string text = TextOf(serial->value.octet_string);
  return IsVisible(text) ? Dotted(type->value.object) + ":" + text : "";
}

std::string AddressOf(const ASN1_OCTET_STRING* octets) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  const int size = ASN1_STRING_length(octets);
  if (size != 4 && size != 16) return "";
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text.data(), text.size());
  return text.data();
}

ReadName ReadGeneralName(const GENERAL_NAME* name) {
  const auto visible = [&](const char* type) {
    const std::string text = TextOf(name->d.ia5);
    return IsVisible(text) ? ReadName{type, text} : ReadName{"other", ""};
  };
  switch (name->type) {
    case GEN_EMAIL: return visible("email");
    case GEN_DNS: return visible("dns");
    case GEN_URI: return visible("uri");
    case GEN_IPADD: {
      const std::string text = AddressOf(name->d.ip);
      return text.empty() ? ReadName{"other", ""} : ReadName{"ip", text};
    }
    case GEN_OTHERNAME: {
      const std::string text = HardwareModuleName(name->d.otherName);
      return text.empty() ? ReadName{"other", ""} : ReadName{"hardwareModuleName", text};
    }
    default: return {"other", ""};
  }
}

size_t Characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string ValueIn(const YAML::Node& rule) { return rule["value"].as<std::string>(rule["fixed"].as<std::string>("")); }

// Whether a text that the request has may pass under the rule.
bool Matches(const YAML::Node& rule, const std::string& realm, const std::string& text) {
  std::string pattern = rule["pattern"].as<std::string>("");
  const std::string placeholder = "{realm}";
  for (size_t at = pattern.find(placeholder); at != pattern.npos; at = pattern.find(placeholder)) {
    pattern.replace(at, placeholder.size(), RE2::QuoteMeta(realm));
  }
  const auto type = rule["type"].as<std::string>();
  const size_t limit = type == "C" ? 2 : type == "DC" ? 63 : type == "ip" ? 45 : 64;
  if (Characters(text) > rule["max_length"].as<size_t>(limit)) return false;
  return !rule["pattern"] || RE2::FullMatch(text, pattern);
}

// Takes what one rule grants from the front of `granted`.
std::string TakeGranted(const NameRules& all, const YAML::Node& rule, std::multiset<ReadName>& asked,
                        const std::vector<ReadName>& granted, size_t& next) {
  const auto type = rule["type"].as<std::string>();
  const bool required = rule["required"].as<bool>(true);
  const std::string value = ValueIn(rule);
  if (!value.empty()) {
    const std::optional<std::string> text = Filled(value, all.realm, all.subject, all.circumstances);
    if (!text.has_value()) return required ? "there is no source for " + type : "";
    if (next == granted.size() || granted[next] != ReadName{type, *text} || !Matches(rule, all.realm, *text)) {
      return type + " is not the profile's";
    }
    if (const auto found = asked.find(granted[next]); found != asked.end()) asked.erase(found);
    ++next;
    return "";
  }
  size_t count = 0;
  const auto limit = rule["max_count"].as<size_t>(1);
  for (; next < granted.size() && count < limit && granted[next].type == type; ++count, ++next) {
    const auto found = asked.find(granted[next]);
    if (found == asked.end()) return type + " was not asked for: " + granted[next].text;
    if (!Matches(rule, all.realm, granted[next].text)) break;
    asked.erase(found);
  }
  return required && count == 0 ? type + " is missing" : "";
}

}  // namespace

std::vector<ReadName> SubjectOf(const X509_NAME* name) {
  std::vector<ReadName> subject;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    subject.push_back({TypeOf(X509_NAME_ENTRY_get_object(entry)), TextOf(X509_NAME_ENTRY_get_data(entry))});
  }
  return subject;
}

std::vector<ReadName> AltNamesOf(const STACK_OF(X509_EXTENSION) * extensions) {
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<ReadName> read;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    read.push_back(ReadGeneralName(sk_GENERAL_NAME_value(names.get(), i)));
  }
  return read;
}

std::optional<std::string> Filled(const std::string& value, const std::string& realm,
                                  const std::vector<ReadName>& subject, const Circumstances& circumstances,
                                  std::set<std::string>* used) {
  std::string text;
  for (size_t at = 0; at < value.size();) {
    if (value[at] != '{' || value.compare(at, 2, "{{") == 0) {
      text += value[at];
      at += value[at] == '{' ? 2 : 1;
      continue;
    }
    const size_t end = value.find('}', at);
    const std::string source = value.substr(at + 1, end - at - 1);
    at = end + 1;
    if (source == "realm") {
      text += realm;
    } else if (source.starts_with("csr.")) {
      const std::string type = source.substr(4);
      if (used != nullptr) used->insert(type);
      const auto is_it = [&](const ReadName& name) { return name.type == type; };
      if (std::count_if(subject.begin(), subject.end(), is_it) != 1) return std::nullopt;
      text += std::find_if(subject.begin(), subject.end(), is_it)->text;
    } else {
      const auto found = circumstances.sources.find(source);
      if (found == circumstances.sources.end()) return std::nullopt;
      text += found->second;
    }
  }
  return text;
}

std::set<std::string> SourcesIn(const YAML::Node& profile) {
  std::set<std::string> types;
  for (const char* field : {"subject", "subject_alt_names", "extensions"}) {
    for (const YAML::Node& rule : profile[field]) Filled(ValueIn(rule), "", {}, {}, &types);
  }
  return types;
}

std::string FaultOfNames(const NameRules& rules, const std::vector<ReadName>& asked,
                         const std::vector<ReadName>& granted, bool in_order,
                         const std::function<bool(const std::string& type)>& may_leave_out) {
  std::multiset<ReadName> left(asked.begin(), asked.end());
  std::vector<ReadName> names = granted;
  if (!in_order) {
    // Brought into the order of the rules, those of one type as they stand.
    const auto place = [&](const ReadName& name) {
      for (size_t i = 0; i < rules.rules.size(); ++i) {
        if (rules.rules[i]["type"].as<std::string>() == name.type) return i;
      }
      return rules.rules.size();
    };
    std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  }
  size_t next = 0;
  for (const YAML::Node& rule : rules.rules) {
    if (std::string fault = TakeGranted(rules, rule, left, names, next); !fault.empty()) return fault;
  }
  if (next != names.size()) return names[next].type + " is granted by no rule: " + names[next].text;
  for (const ReadName& name : left) {
    if (!may_leave_out(name.type)) return name.type + " was asked for and left out in silence: " + name.text;
  }
  return "";
}

}  // namespace hallmark::testing
