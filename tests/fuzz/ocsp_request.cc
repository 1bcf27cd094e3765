// ReadOcspRequest and OpenSSL agree on what ReadOcspRequest reads, and OpenSSL reads all of that.
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/openssl.h"
#include "ca/ocsp.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

bool IsInteger(const ASN1_INTEGER* integer, ByteView magnitude) {
  const ssl::Bignum number(ASN1_INTEGER_to_BN(integer, nullptr));
  Bytes octets(static_cast<size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), octets.data());
  const bool is_zero = magnitude.size() == 1 && magnitude[0] == 0;
  return !BN_is_negative(number.get()) && Equal(octets, is_zero ? ByteView() : magnitude);
}

void Compare(const CertId& id, OCSP_CERTID* other) {
  ASN1_OCTET_STRING* name_hash = nullptr;
  ASN1_OCTET_STRING* key_hash = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  Require(OCSP_id_get0_info(&name_hash, &algorithm, &key_hash, &serial, other) == 1, "a CertID has all its fields");
  const auto octets = [](const ASN1_OCTET_STRING* string) {
    return ByteView(ASN1_STRING_get0_data(string), static_cast<size_t>(ASN1_STRING_length(string)));
  };
  Require(Equal(octets(name_hash), id.issuer_name_hash), "issuerNameHash is the same");
  Require(Equal(octets(key_hash), id.issuer_key_hash), "issuerKeyHash is the same");
  const int nid = OBJ_obj2nid(algorithm);
  Require(id.hash.has_value() == (nid == NID_sha1 || nid == NID_sha256), "the hash algorithm is the same");
  Require(id.serial.empty() || IsInteger(serial, id.serial), "the serial number is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<OcspRequest> request = ReadOcspRequest({data, size});
  if (!Accepted(request)) return 0;
  Require(!request->ids.empty() && request->ids.size() <= kOcspMaxCertificates, "as many certificates as are allowed");
  Require(request->nonce.size() <= kOcspMaxNonce, "a nonce as long as is allowed");
  const uint8_t* in = data;
  const ssl::Owner<OCSP_REQUEST, OCSP_REQUEST_free> other(d2i_OCSP_REQUEST(nullptr, &in, static_cast<long>(size)));
  ERR_clear_error();
  // A requestorName and a signature are structures to us, and names, keys and certificates to OpenSSL.
  if (other == nullptr) return 0;
  Require(in == data + size, "OpenSSL reads as much");
  Require(static_cast<size_t>(OCSP_request_onereq_count(other.get())) == request->ids.size(),
          "as many certificates are asked for");
  for (size_t i = 0; i < request->ids.size(); ++i) {
    Compare(request->ids[i], OCSP_onereq_get0_id(OCSP_request_onereq_get0(other.get(), static_cast<int>(i))));
  }
  const int nonce = OCSP_REQUEST_get_ext_by_NID(other.get(), NID_id_pkix_OCSP_Nonce, -1);
  Require((nonce >= 0) == !request->nonce.empty(), "there is a nonce for both, or for neither");
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
