#include "tools/hallmark/station/answer.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <ctime>

#include "base/openssl.h"
#include "base/reason.h"

namespace hallmark::cli::station {
namespace {

using Stack = ssl::Owner<STACK_OF(X509), [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }>;
using Store = ssl::Owner<X509_STORE, X509_STORE_free>;
using StoreContext = ssl::Owner<X509_STORE_CTX, X509_STORE_CTX_free>;

ssl::Certificate ReadDer(const std::string& der) {
  const auto* data = reinterpret_cast<const uint8_t*>(der.data());
  ssl::Certificate certificate(d2i_X509(nullptr, &data, static_cast<long>(der.size())));
  const bool whole = data == reinterpret_cast<const uint8_t*>(der.data()) + der.size();
  return whole ? std::move(certificate) : nullptr;
}

Status ChainError(const std::string& what) {
  ERR_clear_error();
  return Error(Code::kInvalidArgument, reason::kChainInvalid, what);
}

StatusOr<Store> RootStore(const std::string& roots) {
  ASSIGN_OR_RETURN(const std::vector<Bytes> ders, PemDecode("CERTIFICATE", roots));
  Store store(X509_STORE_new());
  for (const Bytes& der : ders) {
    const ssl::Certificate root = ReadDer(ToString(der));
    if (root == nullptr || store == nullptr || X509_STORE_add_cert(store.get(), root.get()) != 1) {
      return ChainError("the roots hold what is no certificate");
    }
  }
  return store;
}

}  // namespace

Status CheckKey(const v1::IssueCertificateRequest& request, const v1::Certificate& certificate) {
  const auto* data = reinterpret_cast<const uint8_t*>(request.csr().data());
  const ssl::CertificateRequest csr(d2i_X509_REQ(nullptr, &data, static_cast<long>(request.csr().size())));
  const ssl::Certificate issued = ReadDer(certificate.certificate());
  const bool same = csr != nullptr && issued != nullptr && X509_REQ_get0_pubkey(csr.get()) != nullptr &&
                    X509_get0_pubkey(issued.get()) != nullptr &&
                    EVP_PKEY_eq(X509_REQ_get0_pubkey(csr.get()), X509_get0_pubkey(issued.get())) == 1;
  ERR_clear_error();
  if (same) return absl::OkStatus();
  return Error(
      Code::kInternal, reason::kInternal,
      "the certificate in the answer is not for the key of the CSR; it was not delivered. Tell the operator of "
      "the service");
}

Status CheckChain(const v1::Certificate& certificate, const std::string& roots) {
  ASSIGN_OR_RETURN(const Store store, RootStore(roots));
  const ssl::Certificate issued = ReadDer(certificate.certificate());
  const Stack chain(sk_X509_new_null());
  if (issued == nullptr || chain == nullptr) return ChainError("the answer holds what is no certificate");
  for (const std::string& der : certificate.chain()) {
    ssl::Certificate above = ReadDer(der);
    if (above == nullptr) return ChainError("the chain in the answer holds what is no certificate");
    if (sk_X509_push(chain.get(), above.get()) > 0) above.release();  // the stack owns it now
  }
  std::tm start = {};
  const StoreContext context(X509_STORE_CTX_new());
  if (context == nullptr || ASN1_TIME_to_tm(X509_get0_notBefore(issued.get()), &start) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), issued.get(), chain.get()) != 1) {
    return ChainError("OpenSSL could not begin to verify a chain");
  }
  X509_STORE_CTX_set_time(context.get(), 0, timegm(&start));
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  return ChainError(fmt::format("the certificate in the answer does not lead to a root of the context: {}",
                                X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
}

}  // namespace hallmark::cli::station
