#include "tools/hallmark/credential.h"

#include "base/reason.h"

namespace hallmark {
namespace {

using ExtensionStack = ssl::Owner<STACK_OF(X509_EXTENSION), [](STACK_OF(X509_EXTENSION) * extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}>;
using CertificateExtension = ssl::Owner<X509_EXTENSION, X509_EXTENSION_free>;

Status Failed(const char* what) {
  return Error(Code::kInternal, reason::kInternal,
               std::string("OpenSSL could not ") + what + ": " + ssl::DrainErrors());
}

Status RequestNames(X509_REQ* request, const std::vector<GeneralName>& names) {
  std::string text;
  for (const GeneralName& name : names) {
    // OpenSSL's own spelling of the kinds (x509v3_config).
    const char* kind = name.kind == GeneralName::Kind::kDns   ? "DNS"
                       : name.kind == GeneralName::Kind::kUri ? "URI"
                       : name.kind == GeneralName::Kind::kIp  ? "IP"
                                                              : "email";
    text += (text.empty() ? "" : ",") + std::string(kind) + ":" + name.value;
  }
  CertificateExtension extension(X509V3_EXT_nconf_nid(nullptr, nullptr, NID_subject_alt_name, text.c_str()));
  const ExtensionStack extensions(sk_X509_EXTENSION_new_null());
  if (extension == nullptr || extensions == nullptr || sk_X509_EXTENSION_push(extensions.get(), extension.get()) == 0) {
    return Failed("encode the subject alternative names");
  }
  extension.release();  // the stack owns it now
  if (X509_REQ_add_extensions(request, extensions.get()) != 1) return Failed("add the subject alternative names");
  return absl::OkStatus();
}

}  // namespace

StatusOr<ssl::EvpKey> GenerateSoftwareKey() {
  ssl::EvpKey key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("generate a key");
  return key;
}

StatusOr<Secret> PrivateKeyPem(EVP_PKEY* key) {
  const ssl::Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("encode a private key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret(std::string(data, static_cast<size_t>(size)));
}

StatusOr<Bytes> MakeCsr(EVP_PKEY* key, const std::string& common_name, const std::vector<GeneralName>& names) {
  const ssl::CertificateRequest request(X509_REQ_new());
  if (request == nullptr) return Failed("make a CSR");
  X509_NAME* subject = X509_REQ_get_subject_name(request.get());  // belongs to the request
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, AsBytes(common_name).data(),
                                 static_cast<int>(common_name.size()), -1, 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1) {
    return Failed("make a CSR");
  }
  if (!names.empty()) RETURN_IF_ERROR(RequestNames(request.get(), names));
  if (X509_REQ_sign(request.get(), key, EVP_sha256()) <= 0) return Failed("sign a CSR");
  return ssl::ToDer(i2d_X509_REQ, request.get());
}

}  // namespace hallmark
