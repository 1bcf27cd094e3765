// Content codings (RFC 9110 8.4 and 12.5.3): whether a client takes gzip, and the octets in it.
#pragma once

#include <string>

#include "base/bytes.h"

namespace hallmark {

// Whether to answer an Accept-Encoding with gzip: it takes it, and does not like better what is not encoded. An empty
// value, as a missing one, asks for no encoding; a part that is not well-formed counts as not there.
bool PrefersGzip(std::string_view accept_encoding);

// The octets as one member of gzip (RFC 1952), the same ones each time. kInternal: there is no memory for it.
StatusOr<std::string> Gzip(ByteView octets);

}  // namespace hallmark
