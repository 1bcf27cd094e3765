#include "publish/possession.h"

#include <fmt/format.h>

#include "ca/one_time_signer.h"

namespace hallmark {
namespace {

constexpr char kRole[] = "publisher";
constexpr size_t kIdDigits = 32;

}  // namespace

Caller Publisher(const std::string& realm, const std::string& authority) {
  Caller caller;
  caller.uri = fmt::format("hallmark://{}/{}/publication", realm, kRole);
  caller.realm = realm;
  caller.role = kRole;
  caller.name = "publication";
  caller.authority = authority;
  return caller;
}

StatusOr<Bytes> MakePossessionRequest(const std::string& code, Time deadline) {
  ASSIGN_OR_RETURN(const std::shared_ptr<OneTimeSigner> signer, OneTimeSigner::Generate());
  return MakeCsr(signer, {{"CN", code}}, deadline);
}

StatusOr<Bytes> CertifyPossession(const CertificateAuthority& authority, const std::string& realm,
                                  const std::string& issuer, ByteView csr, Time deadline) {
  Request request;
  request.request_id = "possession:" + Hex(Sha256(csr)).substr(0, kIdDigits);
  request.authority = issuer;
  request.profile = kPossessionProfile;
  request.csr = ToBytes(csr);
  ASSIGN_OR_RETURN(const Issued issued, authority.Issue(Publisher(realm), request, deadline));
  return issued.record.certificate;
}

}  // namespace hallmark
