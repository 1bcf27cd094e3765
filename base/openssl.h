// One owning type for each OpenSSL handle that Hallmark uses. A handle is put into its owner in the expression that
// makes it, is passed on with .get(), and is never freed by hand. Moves; does not copy; pointer-sized.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace hallmark::ssl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
template <class T, auto Free>
using Owner = std::unique_ptr<T, Deleter<Free>>;

using Bignum = Owner<BIGNUM, BN_free>;
using BignumContext = Owner<BN_CTX, BN_CTX_free>;
using Bio = Owner<BIO, BIO_free_all>;
using EcdsaSignature = Owner<ECDSA_SIG, ECDSA_SIG_free>;
using EcGroup = Owner<EC_GROUP, EC_GROUP_free>;
using EcPoint = Owner<EC_POINT, EC_POINT_free>;
using EvpDigestContext = Owner<EVP_MD_CTX, EVP_MD_CTX_free>;
using EvpKey = Owner<EVP_PKEY, EVP_PKEY_free>;
using EvpKeyContext = Owner<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Cms = Owner<CMS_ContentInfo, CMS_ContentInfo_free>;
using Pkcs7 = Owner<PKCS7, PKCS7_free>;
using Certificate = Owner<X509, X509_free>;
using CertificateRequest = Owner<X509_REQ, X509_REQ_free>;
using Crl = Owner<X509_CRL, X509_CRL_free>;
using Name = Owner<X509_NAME, X509_NAME_free>;

// Returns the DER of `object` by its i2d function, e.g. ToDer(i2d_X509, certificate.get()). kInternal when OpenSSL
// cannot encode it.
template <class I2d, class T>
StatusOr<Bytes> ToDer(I2d i2d, T* object) {
  const int size = i2d(object, nullptr);
  if (size <= 0) return absl::InternalError("OpenSSL could not encode an object as DER");
  Bytes der(static_cast<size_t>(size));
  uint8_t* out = der.data();
  if (i2d(object, &out) != size) return absl::InternalError("OpenSSL encoded an object in two different lengths");
  return der;
}

// Drains this thread's OpenSSL error queue into one line, for a message or a log; "no detail" when it is empty. Never
// a test for failure: that is the return code's part.
std::string DrainErrors();

}  // namespace hallmark::ssl
