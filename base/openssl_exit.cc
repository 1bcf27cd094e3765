#include "base/openssl_exit.h"

#include <openssl/crypto.h>

namespace hallmark::ssl {

void KeepUntilProcessEnds() { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr); }

}  // namespace hallmark::ssl
