// Serial numbers (RFC 5280 4.1.2.2).
#pragma once

#include "base/bytes.h"

namespace hallmark {

// Draws the content octets of a serial number: 16 octets of the CSPRNG whose first two bits are 01, so that it is
// positive and always as long; 126 bits are random. Unique by the store's constraint, not by luck.
StatusOr<Bytes> NewSerial();

}  // namespace hallmark
