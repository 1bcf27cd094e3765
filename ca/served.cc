#include "ca/served.h"

#include <fmt/format.h>

#include "base/reason.h"

namespace hallmark {
namespace {

StatusOr<CrlRecord> ImportedCrl(Store& store, const std::string& name, const CrlScope& scope) {
  if (scope != CrlScope()) return Error(Code::kNotFound, reason::kCrlUnknown, name + " has one list");
  ASSIGN_OR_RETURN(ImportedCrlRecord imported, store.GetImportedCrl(name));
  CrlRecord crl;
  crl.authority = name;
  crl.number = imported.number;
  crl.this_update = imported.this_update;
  crl.next_update = imported.next_update;
  crl.crl = std::move(imported.crl);
  return crl;
}

bool Has(const Issuers::Snapshot& known, const std::string& name) {
  return known.issuers.contains(name) || known.elsewhere.contains(name);
}

}  // namespace

bool IsElsewhere(const CertificateAuthority& authority, const std::string& name) {
  return authority.parts().issuers.Recent()->elsewhere.contains(name);
}

bool IsServed(const CertificateAuthority& authority, const std::string& name) {
  Issuers& issuers = authority.parts().issuers;
  return Has(*issuers.Current(), name) || Has(*issuers.Recent(), name);
}

StatusOr<Bytes> ServedCertificate(const CertificateAuthority& authority, const std::string& name) {
  const std::shared_ptr<const Issuers::Snapshot> known = authority.parts().issuers.Current();
  const auto elsewhere = known->elsewhere.find(name);
  if (elsewhere != known->elsewhere.end()) return elsewhere->second;
  const auto issuer = known->issuers.find(name);
  if (issuer != known->issuers.end()) return issuer->second->record().certificate;
  return Error(Code::kNotFound, reason::kAuthorityUnknown, fmt::format("there is no certificate of '{}'", name));
}

StatusOr<CrlRecord> ServedCrl(const CertificateAuthority& authority, const std::string& name, const CrlScope& scope) {
  Store& store = authority.parts().store;
  return IsElsewhere(authority, name) ? ImportedCrl(store, name, scope) : store.LatestCrl(name, scope);
}

}  // namespace hallmark
