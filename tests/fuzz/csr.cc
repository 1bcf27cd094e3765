// What ReadCsr accepts OpenSSL accepts too, proof of possession included, and reads the same in it.
#include "ca/csr.h"

#include <openssl/err.h>

#include "base/openssl.h"
#include "tests/fuzz/accepted_csr.h"

namespace hallmark::fuzz {
namespace {

using Extensions =
    ssl::Owner<STACK_OF(X509_EXTENSION), [](auto* all) { sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free); }>;
using GeneralNames = ssl::Owner<GENERAL_NAMES, GENERAL_NAMES_free>;
using Constraints = ssl::Owner<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using Object = ssl::Owner<ASN1_OBJECT, ASN1_OBJECT_free>;

void CompareSubject(const Subject& subject, const X509_NAME* name) {
  Require(X509_NAME_entry_count(name) == static_cast<int>(subject.size()), "the subject has as many attributes");
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const Attribute& attribute = subject[static_cast<size_t>(i)];
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    const Object type(OBJ_txt2obj(attribute.type.c_str(), 0));
    Require(type != nullptr && OBJ_cmp(type.get(), X509_NAME_ENTRY_get_object(entry)) == 0,
            "an attribute has the same type");
    Require(AsText({ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))}) == attribute.value,
            "an attribute has the same value");
  }
}

void CompareExtensions(const Facts& facts, X509_REQ* request) {
  const Extensions extensions(X509_REQ_get_extensions(request));
  const Constraints constraints(
      static_cast<BASIC_CONSTRAINTS*>(X509V3_get_d2i(extensions.get(), NID_basic_constraints, nullptr, nullptr)));
  Require(facts.ca == (constraints != nullptr && constraints->ca != 0), "CA:TRUE is asked for in both");
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (const GeneralName& name : facts.subject_alt_names) {
    if (name.kind == GeneralName::Kind::kOther) return;  // which OpenSSL may refuse
  }
  Require(sk_GENERAL_NAME_num(names.get()) ==
              (facts.subject_alt_names.empty() ? -1 : static_cast<int>(facts.subject_alt_names.size())),
          "as many subject alternative names are asked for");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<Csr> csr = ReadCsr({data, size});
  Require(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
  if (!Accepted(csr)) return 0;
  const ssl::CertificateRequest request = OpensslRequest({data, size});
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  Require(key != nullptr && X509_REQ_verify(request.get(), key) == 1, "OpenSSL verifies the signature");
  Require(ssl::ToDer(i2d_PUBKEY, key).value() == ToBytes(csr->key.spki()), "the key is the same");
  CompareSubject(csr->facts.subject, X509_REQ_get_subject_name(request.get()));
  CompareExtensions(csr->facts, request.get());
  ERR_clear_error();
  return 0;
}

}  // namespace hallmark::fuzz
