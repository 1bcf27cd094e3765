#include "hsm/key_uri.h"

#include <fmt/format.h>
#include <p11-kit/uri.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <new>
#include <set>
#include <span>

#include "base/openssl.h"
#include "base/reason.h"
#include "hsm/cryptoki.h"

namespace hallmark {
namespace {

using Uri = ssl::Owner<P11KitUri, p11_kit_uri_free>;
using CString = ssl::Owner<char, std::free>;

constexpr std::string_view kPathAttributes[] = {"token", "manufacturer", "model", "serial", "object", "id", "type"};
constexpr std::string_view kQueryAttributes[] = {"pin-source", "module-name", "module-path"};

struct TypeName {
  std::string_view name;
  CK_OBJECT_CLASS value;
};
constexpr TypeName kTypes[] = {{"private", CKO_PRIVATE_KEY},
                               {"public", CKO_PUBLIC_KEY},
                               {"cert", CKO_CERTIFICATE},
                               {"secret-key", CKO_SECRET_KEY},
                               {"data", CKO_DATA}};

Uri NewUri() {
  Uri uri(p11_kit_uri_new());
  if (uri == nullptr) throw std::bad_alloc();
  return uri;
}

// Also where a mistaken separator made it part of another attribute's value.
bool HoldsPin(const std::string& text) {
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find("pin-value") != lower.npos;
}

Status UriError(const std::string& text, const std::string& what) {
  // Whatever is wrong with a URI that holds a PIN, the PIN stays out of the message.
  const bool has_pin = HoldsPin(text);
  return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
               fmt::format("cannot use the PKCS#11 URI {}: {}; write it as RFC 7512 says, e.g. "
                           "pkcs11:token=ca;object=devices?pin-source=file:/etc/hallmark/pin",
                           has_pin ? "(not shown, it holds a PIN)" : "\"" + text + "\"", what));
}

// Names are checked here because p11-kit keeps the last of two equal attributes and takes any query attribute.
Status CheckNames(const std::string& text, std::string_view part, char separator,
                  std::span<const std::string_view> allowed, std::set<std::string_view>& seen) {
  while (!part.empty()) {
    const std::string_view attribute = part.substr(0, part.find(separator));
    const std::string_view name = attribute.substr(0, attribute.find('='));
    if (name.size() == attribute.size()) return UriError(text, "an attribute has no value");
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      return UriError(text, fmt::format("the attribute \"{}\" is unknown or not supported here", name));
    }
    if (!seen.insert(name).second) return UriError(text, fmt::format("\"{}\" is given twice", name));
    part.remove_prefix(attribute.size());
    if (part.empty()) break;
    part.remove_prefix(1);
    if (part.empty()) return UriError(text, "it ends in a separator");
  }
  return absl::OkStatus();
}

Status CheckSyntax(const std::string& text) {
  constexpr std::string_view kScheme = "pkcs11:";
  std::string_view rest = text;
  if (rest.substr(0, kScheme.size()) != kScheme) return UriError(text, "it does not begin with \"pkcs11:\"");
  if (HoldsPin(text)) {
    return UriError(text, "pin-value is refused, since a PIN in a URI reaches logs; name a file with pin-source");
  }
  rest.remove_prefix(kScheme.size());
  if (std::any_of(rest.begin(), rest.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; })) {
    return UriError(text, "white space and octets outside ASCII must be percent-encoded");
  }
  std::set<std::string_view> seen;
  const size_t query = rest.find('?');
  RETURN_IF_ERROR(CheckNames(text, rest.substr(0, query), ';', kPathAttributes, seen));
  if (query == rest.npos) return absl::OkStatus();
  return CheckNames(text, rest.substr(query + 1), '&', kQueryAttributes, seen);
}

Bytes GetAttribute(P11KitUri* uri, CK_ATTRIBUTE_TYPE type) {
  const CK_ATTRIBUTE* attribute = p11_kit_uri_get_attribute(uri, type);
  if (attribute == nullptr || attribute->pValue == nullptr) return {};
  const auto* value = static_cast<const uint8_t*>(attribute->pValue);
  return Bytes(value, value + attribute->ulValueLen);
}

void SetAttribute(P11KitUri* uri, CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (value.empty()) return;
  CK_ATTRIBUTE attribute = Attribute(type, value);
  if (p11_kit_uri_set_attribute(uri, &attribute) != P11_KIT_URI_OK) throw std::bad_alloc();
}

std::string OrEmpty(const char* text) { return text == nullptr ? "" : text; }

std::string TypeOf(P11KitUri* uri) {
  const Bytes value = GetAttribute(uri, CKA_CLASS);
  for (const TypeName& type : kTypes) {
    if (value.size() == sizeof type.value && std::memcmp(value.data(), &type.value, value.size()) == 0) {
      return std::string(type.name);
    }
  }
  return "";
}

}  // namespace

StatusOr<KeyUri> KeyUri::Parse(const std::string& text) {
  RETURN_IF_ERROR(CheckSyntax(text));
  const Uri uri = NewUri();
  if (const int result = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get()); result != P11_KIT_URI_OK) {
    return UriError(text, p11_kit_uri_message(result));
  }
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0) {
    return UriError(text, "a value is too long for its attribute, or is none that the attribute may have");
  }
  const CK_TOKEN_INFO& token = *p11_kit_uri_get_token_info(uri.get());
  KeyUri key;
  key.token = FromPadded(token.label);
  key.manufacturer = FromPadded(token.manufacturerID);
  key.model = FromPadded(token.model);
  key.serial = FromPadded(token.serialNumber);
  key.object = hallmark::ToString(GetAttribute(uri.get(), CKA_LABEL));
  key.id = GetAttribute(uri.get(), CKA_ID);
  key.type = TypeOf(uri.get());
  key.module_name = OrEmpty(p11_kit_uri_get_module_name(uri.get()));
  key.module_path = OrEmpty(p11_kit_uri_get_module_path(uri.get()));
  key.pin_source = OrEmpty(p11_kit_uri_get_pin_source(uri.get()));
  if (key.token.empty()) return UriError(text, "it names no token");
  return key;
}

std::string KeyUri::ToString() const {
  const Uri uri = NewUri();
  CK_TOKEN_INFO& info = *p11_kit_uri_get_token_info(uri.get());
  ToPadded(token, info.label);
  if (!manufacturer.empty()) ToPadded(manufacturer, info.manufacturerID);
  if (!model.empty()) ToPadded(model, info.model);
  if (!serial.empty()) ToPadded(serial, info.serialNumber);
  SetAttribute(uri.get(), CKA_LABEL, AsBytes(object));
  SetAttribute(uri.get(), CKA_ID, id);
  for (const TypeName& known : kTypes) {
    if (type != known.name) continue;
    SetAttribute(uri.get(), CKA_CLASS, {reinterpret_cast<const uint8_t*>(&known.value), sizeof known.value});
  }
  if (!module_name.empty()) p11_kit_uri_set_module_name(uri.get(), module_name.c_str());
  if (!module_path.empty()) p11_kit_uri_set_module_path(uri.get(), module_path.c_str());
  if (!pin_source.empty()) p11_kit_uri_set_pin_source(uri.get(), pin_source.c_str());
  char* formatted = nullptr;
  const int result = p11_kit_uri_format(uri.get(), P11_KIT_URI_FOR_ANY, &formatted);
  const CString text(formatted);
  if (result != P11_KIT_URI_OK) throw std::bad_alloc();
  return text.get();
}

bool MeanTheSameToken(const KeyUri& a, const KeyUri& b) {
  const auto agree = [](const std::string& x, const std::string& y) { return x.empty() || y.empty() || x == y; };
  return a.token == b.token && agree(a.serial, b.serial) && agree(a.manufacturer, b.manufacturer) &&
         agree(a.model, b.model);
}

}  // namespace hallmark
