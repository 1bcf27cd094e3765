// Small calls of PKCS#11 (Cryptoki) that several files of this room make. Includes pkcs11.h: not for other rooms.
#pragma once

#include <p11-kit/p11-kit.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"

namespace hallmark {

// A text of fixed size, padded with blanks (PKCS#11 v2.40 2.2); all zero when p11-kit left it out.
template <size_t size>
std::string FromPadded(const unsigned char (&field)[size]) {
  if (field[0] == '\0') return "";
  return std::string(reinterpret_cast<const char*>(field), p11_kit_space_strlen(field, size));
}

// Cuts a text that is too long.
template <size_t size>
void ToPadded(const std::string& text, unsigned char (&field)[size]) {
  std::memset(field, ' ', size);
  std::memcpy(field, text.data(), std::min(size, text.size()));
}

inline CK_UTF8CHAR* Octets(const Secret& pin) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.Reveal().data()));  // Cryptoki lacks the const
}

// Attributes for templates; they borrow the value.
inline CK_ATTRIBUTE Attribute(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<uint8_t*>(value.data()), value.size()};
}
template <class T>
CK_ATTRIBUTE ValueAttribute(CK_ATTRIBUTE_TYPE type, const T& value) {
  return {type, const_cast<T*>(&value), sizeof value};
}

// Sets `found` to the objects that match a template.
CK_RV FindObjects(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, std::span<CK_ATTRIBUTE> wanted,
                  std::vector<CK_OBJECT_HANDLE>& found);

// Sets `value` to an attribute's value; CKR_ATTRIBUTE_TYPE_INVALID or CKR_ATTRIBUTE_SENSITIVE when there is none to
// see.
CK_RV ReadAttribute(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                    CK_ATTRIBUTE_TYPE type, Bytes& value);

}  // namespace hallmark
