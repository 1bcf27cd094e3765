// Certificates and CRLs of who signs manifests, as OpenSSL reads them, and what is asked of each.
#pragma once

#include <openssl/cms.h>

#include <string>
#include <vector>

#include "base/openssl.h"
#include "base/status.h"
#include "store/lots.h"

namespace hallmark::signer {

using Certificates = ssl::Owner<STACK_OF(X509), [](STACK_OF(X509) * all) { sk_X509_pop_free(all, X509_free); }>;
using Crls = ssl::Owner<STACK_OF(X509_CRL), [](STACK_OF(X509_CRL) * all) { sk_X509_CRL_pop_free(all, X509_CRL_free); }>;

// nullptr: it is not DER, or has something after it.
ssl::Certificate ReadCertificate(ByteView der);
ssl::Crl ReadCrl(ByteView der);

// RFC 4514; escaped to ASCII where it has octets that are not seen.
std::string NameText(const X509_NAME* name);

// Why nobody may sign a manifest with this key, or certify who does; empty: one may.
std::string WeaknessOf(EVP_PKEY* key);
// Why this certificate is none of a signer's, a CA's or not, by its keyUsage and extendedKeyUsage; empty: it is.
std::string UsageFault(X509* certificate);
bool IsCa(X509* certificate);

// The path of RFC 5280 6.1 from `certificate` to one of the registered, with a CRL for each below it. kPermissionDenied
// (MANIFEST_SIGNATURE_INVALID).
Status VerifyPath(X509* certificate, const ManufacturerRecord& manufacturer, STACK_OF(X509) * intermediates,
                  STACK_OF(X509_CRL) * crls, Time now);

Status Refused(const std::string& why);

}  // namespace hallmark::signer
