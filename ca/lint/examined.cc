#include "ca/lint/examined.h"

#include <fmt/format.h>

#include <algorithm>

#include "ca/lint/key.h"

namespace hallmark::lint {
namespace {

constexpr size_t kMostExtensions = 256;

// Reads as far as the structure goes; the Status says what is missing.
Status ReadExtensionList(ByteView octets, std::vector<ExtensionView>& extensions) {
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(octets, der::kSequence));
  der::Reader reader(content);
  while (!reader.empty()) {
    if (extensions.size() == kMostExtensions) return absl::InvalidArgumentError("more than 256 extensions");
    ASSIGN_OR_RETURN(const ByteView element, reader.Content(der::kSequence));
    der::Reader fields(element);
    ExtensionView extension;
    ASSIGN_OR_RETURN(const ByteView type, fields.Content(der::kOid));
    extension.oid = AsText(type);
    ASSIGN_OR_RETURN(const std::optional<ByteView> critical, fields.OptionalContent(der::kBoolean));
    extension.critical = critical.has_value() && critical->size() == 1 && (*critical)[0] != 0;
    ASSIGN_OR_RETURN(extension.value, fields.Content(der::kOctetString));
    RETURN_IF_ERROR(fields.ExpectEnd());
    extensions.push_back(extension);
  }
  return absl::OkStatus();
}

Status ReadTbs(ByteView content, Examined& c) {
  der::Reader inner(content);
  c.version = 1;
  ASSIGN_OR_RETURN(const std::optional<ByteView> version, inner.OptionalContent(der::ContextConstructed(0)));
  if (version.has_value()) {
    ASSIGN_OR_RETURN(const ByteView number, der::ReadWhole(*version, der::kInteger));
    c.version = number.size() == 1 && number[0] < 0x7f ? number[0] + 1 : 0;
  }
  ASSIGN_OR_RETURN(c.serial, inner.Content(der::kInteger));
  ASSIGN_OR_RETURN(const der::Element signature, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element issuer, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const ByteView validity, inner.Content(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element subject, inner.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element spki, inner.Next(der::kSequence));
  for (const uint8_t unique : {der::ContextPrimitive(1), der::ContextPrimitive(2)}) {
    ASSIGN_OR_RETURN(const std::optional<ByteView> identifier, inner.OptionalContent(unique));
    c.has_unique_identifiers |= identifier.has_value();
  }
  ASSIGN_OR_RETURN(const std::optional<ByteView> extensions, inner.OptionalContent(der::ContextConstructed(3)));
  RETURN_IF_ERROR(inner.ExpectEnd());
  c.inner_algorithm = signature.whole;
  c.issuer_octets = issuer.whole;
  c.subject_octets = subject.whole;
  c.spki = spki.whole;
  der::Reader times(validity);
  ASSIGN_OR_RETURN(c.not_before_element, times.Next());
  ASSIGN_OR_RETURN(c.not_after_element, times.Next());
  RETURN_IF_ERROR(times.ExpectEnd());
  c.has_extensions = extensions.has_value();
  return extensions.has_value() ? ReadExtensionList(*extensions, c.extensions) : absl::OkStatus();
}

Status ReadOuter(ByteView certificate, Examined& c) {
  if (certificate.size() > kLintLimit) return absl::InvalidArgumentError("it is larger than 64 KiB");
  ASSIGN_OR_RETURN(const ByteView content, der::ReadWhole(certificate, der::kSequence));
  der::Reader outer(content);
  ASSIGN_OR_RETURN(const der::Element tbs, outer.Next(der::kSequence));
  ASSIGN_OR_RETURN(const der::Element algorithm, outer.Next(der::kSequence));
  RETURN_IF_ERROR(outer.Content(der::kBitString).status());
  RETURN_IF_ERROR(outer.ExpectEnd());
  c.whole = certificate;
  c.algorithm = algorithm.whole;
  return ReadTbs(tbs.content, c);
}

void ReadBasicConstraints(Examined& c) {
  const ExtensionView* extension = c.Find(oids::kBasicConstraints);
  if (extension == nullptr) return;
  const StatusOr<ByteView> content = der::ReadWhole(extension->value, der::kSequence);
  if (!content.ok()) return;
  der::Reader reader(*content);
  const auto ca = reader.OptionalContent(der::kBoolean);
  if (ca.ok() && ca->has_value()) c.ca = (*ca)->size() == 1 && (**ca)[0] != 0;
  const auto length = reader.OptionalContent(der::kInteger);
  if (!length.ok() || !length->has_value()) return;
  const StatusOr<ByteView> magnitude = der::UnsignedContent(**length);
  if (magnitude.ok()) c.path_length = magnitude->size() == 1 ? (*magnitude)[0] : kNoPathLength;
}

void ReadUsages(Examined& c) {
  if (const ExtensionView* usage = c.Find(oids::kKeyUsage)) {
    const StatusOr<ByteView> content = der::ReadWhole(usage->value, der::kBitString);
    uint32_t bits = 0;
    for (size_t i = 1; content.ok() && i < content->size() && i < 5; ++i) {
      for (uint32_t bit = 0; bit < 8; ++bit) {
        if (((*content)[i] & (0x80u >> bit)) != 0) bits |= 1u << ((i - 1) * 8 + bit);
      }
    }
    if (content.ok()) c.key_usage = bits;
  }
  if (const ExtensionView* purposes = c.Find(oids::kExtendedKeyUsage)) {
    for (const der::Element& purpose : ReadElements(purposes->value).value_or(std::vector<der::Element>())) {
      if (purpose.tag == der::kOid) c.purposes.push_back(AsText(purpose.content));
    }
  }
  if (const ExtensionView* names = c.Find(oids::kSubjectAltName)) {
    c.alternative_names = ReadElements(names->value).value_or(std::vector<der::Element>());
  }
}

}  // namespace

const ExtensionView* FindView(const std::vector<ExtensionView>& extensions, std::string_view oid) {
  const auto found =
      std::find_if(extensions.begin(), extensions.end(), [&](const ExtensionView& e) { return e.oid == oid; });
  return found == extensions.end() ? nullptr : &*found;
}

bool HasTimeForm(const der::Element& element) {
  const StatusOr<Time> time = der::ReadTime(element);
  if (!time.ok()) return false;
  const bool utc = *time < absl::FromCivil(absl::CivilYear(2050), absl::UTCTimeZone());
  return (element.tag == der::kUtcTime) == utc;
}

std::optional<ByteView> KeyIdentifierAmong(const std::vector<der::Element>& fields) {
  for (const der::Element& field : fields) {
    if (field.tag == der::ContextPrimitive(0)) return field.content;
  }
  return std::nullopt;
}

const ExtensionView* Examined::Find(std::string_view oid) const { return FindView(extensions, oid); }

bool Examined::HasPurpose(std::string_view oid) const {
  return std::find(purposes.begin(), purposes.end(), oid) != purposes.end();
}

bool Examined::is_self_signed() const {
  const ExtensionView* authority = Find(oids::kAuthorityKeyIdentifier);
  const ExtensionView* subject = Find(oids::kSubjectKeyIdentifier);
  if (!is_self_issued() || authority == nullptr || subject == nullptr) return is_self_issued();
  const ByteView own = der::ReadWhole(subject->value, der::kOctetString).value_or(ByteView());
  const auto fields = ReadElements(authority->value).value_or(std::vector<der::Element>());
  const std::optional<ByteView> key_identifier = KeyIdentifierAmong(fields);
  return !key_identifier.has_value() || Equal(*key_identifier, own);
}

std::optional<Examined> Examine(ByteView certificate, Findings& findings) {
  Examined c;
  if (const Status status = ReadOuter(certificate, c); !status.ok()) {
    findings.Add(kDer, fmt::format("the certificate cannot be read: {}", Message(status)));
    return std::nullopt;
  }
  c.issuer = ReadNameView(c.issuer_octets);
  c.subject = ReadNameView(c.subject_octets);
  if (const auto time = der::ReadTime(c.not_before_element); time.ok()) c.not_before = *time;
  if (const auto time = der::ReadTime(c.not_after_element); time.ok()) c.not_after = *time;
  c.key = ReadKeyView(c.spki);
  ReadBasicConstraints(c);
  ReadUsages(c);
  return c;
}

StatusOr<std::vector<ExtensionView>> ReadExtensionViews(ByteView octets) {
  std::vector<ExtensionView> extensions;
  RETURN_IF_ERROR(ReadExtensionList(octets, extensions));
  return extensions;
}

NameView ReadNameView(ByteView name) {
  NameView view;
  const auto rdns = ReadElements(name);
  if (!rdns.has_value()) return view;
  for (size_t i = 0; i < rdns->size(); ++i) {
    der::Reader attributes((*rdns)[i].content);
    while (!attributes.empty()) {
      const StatusOr<ByteView> attribute = attributes.Content(der::kSequence);
      if (!attribute.ok()) return view;
      der::Reader fields(*attribute);
      const StatusOr<ByteView> type = fields.Content(der::kOid);
      const StatusOr<der::Element> value = fields.Next();
      if (!type.ok() || !value.ok()) return view;
      view.push_back({i, AsText(*type), value->tag, value->content});
    }
  }
  return view;
}

std::vector<std::string> ValuesOf(const NameView& name, std::string_view oid) {
  std::vector<std::string> values;
  for (const AttributeView& attribute : name) {
    if (attribute.oid == oid) values.push_back(ToString(attribute.value));
  }
  return values;
}

std::optional<std::vector<der::Element>> ReadElements(ByteView octets, uint8_t tag) {
  const StatusOr<ByteView> content = der::ReadWhole(octets, tag);
  if (!content.ok()) return std::nullopt;
  std::vector<der::Element> elements;
  for (der::Reader reader(*content); !reader.empty();) {
    const StatusOr<der::Element> element = reader.Next();
    if (!element.ok()) return std::nullopt;
    elements.push_back(*element);
  }
  return elements;
}

std::optional<std::string> HostOf(std::string_view uri) {
  const size_t scheme = uri.find("://");
  if (scheme == uri.npos) return std::nullopt;
  std::string_view authority = uri.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (const size_t at = authority.rfind('@'); at != authority.npos) authority.remove_prefix(at + 1);
  // An IPv6 address stands in brackets and has colons of its own.
  const size_t port = authority.starts_with('[') ? authority.find(':', authority.find(']')) : authority.find(':');
  std::string host(authority.substr(0, port));
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return host;
}

std::optional<HardwareModule> ReadHardwareModule(const der::Element& general_name) {
  if (general_name.tag != kOtherName) return std::nullopt;
  der::Reader other(general_name.content);
  const StatusOr<ByteView> type = other.Content(der::kOid);
  if (!type.ok() || AsText(*type) != oids::kHardwareModuleName) return std::nullopt;
  const StatusOr<ByteView> value = other.Content(der::ContextConstructed(0));
  if (!value.ok() || !other.ExpectEnd().ok()) return std::nullopt;
  const auto fields = ReadElements(*value);
  if (!fields.has_value() || fields->size() != 2 || (*fields)[0].tag != der::kOid ||
      (*fields)[1].tag != der::kOctetString) {
    return std::nullopt;
  }
  return HardwareModule{AsText((*fields)[0].content), (*fields)[1].content};
}

// The preferred name syntax (RFC 1034 3.5, RFC 1123 2.1).
bool IsDnsSyntax(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    const auto is_ldh = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), is_ldh)) return false;
    if (dot == name.npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::string Dotted(std::string_view oid) { return der::OidText(AsBytes(oid)).value_or("(malformed)"); }

}  // namespace hallmark::lint
