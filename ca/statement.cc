#include "ca/statement.h"

#include "base/reason.h"

namespace hallmark {
namespace {

bool BeginsWithLetter(std::string_view domain) {
  return !domain.empty() && ((domain[0] >= 'A' && domain[0] <= 'Z') || (domain[0] >= 'a' && domain[0] <= 'z'));
}

}  // namespace

Bytes StatementOctets(std::string_view domain, ByteView content) {
  Bytes octets = ToBytes(AsBytes(domain));
  octets.push_back(0);
  Append(octets, Sha256(content));
  return octets;
}

StatusOr<Bytes> SignStatement(std::string_view domain, ByteView content, const SigningKey& key, Time deadline) {
  if (!BeginsWithLetter(domain)) {
    return Error(Code::kInternal, reason::kInternal, "a statement's domain must begin with a letter; report this");
  }
  ASSIGN_OR_RETURN(Bytes signature, key.signer().Sign(StatementOctets(domain, content), deadline));
  if (VerifyStatement(domain, content, key.public_key(), key.signer().algorithm(), signature)) return signature;
  return Error(Code::kInternal, reason::kHsmSignatureInvalid,
               "the HSM returned a signature of a statement that its own public key does not verify; take the key out "
               "of service and examine the token");
}

bool VerifyStatement(std::string_view domain, ByteView content, const PublicKey& key, SignatureAlgorithm algorithm,
                     ByteView signature) {
  return key.Verify(SchemeOf(algorithm), StatementOctets(domain, content), signature);
}

}  // namespace hallmark
