// How a program that uses OpenSSL ends.
#pragma once

namespace hallmark::ssl {

// For main, before anything else of OpenSSL's: it is not taken down when the process exits (OPENSSL_init_crypto(3),
// OPENSSL_INIT_NO_ATEXIT). Threads of gRPC and libcurl may outlive main, and OPENSSL_cleanup frees what they still use.
void KeepUntilProcessEnds();

}  // namespace hallmark::ssl
