// What standards say of the texts that profiles and requests give, whatever a profile allows.
#pragma once

#include <string>

#include "policies/profile.h"

namespace hallmark {

// An object identifier in dotted decimal (X.660): at least three arcs, each below 10^10, at most 22 of them.
bool IsObjectIdentifier(const std::string& text);

// An absolute URI in ASCII (RFC 3986 3).
bool IsUri(const std::string& text);

// The types of attribute that have a name: "CN", "serialNumber"...; and the OID of each.
bool IsAttributeName(const std::string& type);
// The name of an attribute type given by its OID; empty if it has none.
std::string AttributeNameOf(const std::string& oid);

// The greatest number of characters that a value may have: of an attribute by X.520 (RFC 5280 appendix A.1), of a
// general name, whose kind `type` names, by its own standard.
size_t UpperBound(const std::string& type);

// Whether `value` can be an attribute of `type`, or a general name of the kind that `type` names; kInvalidArgument
// with what is wrong, to stand after a field's name.
Status CheckNameForm(const std::string& type, const std::string& value);

// Whether an attribute of `type` may stand as a string of this type (RFC 5280 4.1.2.4, appendix A.1); the same.
Status CheckStringType(const std::string& type, StringType string_type);

// Whether a text can be written in `encoding`; the same.
Status CheckEncoding(ExtensionRule::Encoding encoding, const std::string& text);

// The value of a subtree of name constraints (RFC 5280 4.2.1.10); the same.
Status CheckSubtree(Subtree::Kind kind, const std::string& value);

}  // namespace hallmark
