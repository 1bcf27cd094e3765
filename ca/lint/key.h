// The SubjectPublicKeyInfo as lint reads it.
#pragma once

#include "ca/lint/examined.h"

namespace hallmark::lint {

KeyView ReadKeyView(ByteView spki);

}  // namespace hallmark::lint
