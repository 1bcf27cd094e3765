#include "ca/lots.h"

#include "factory/entries.h"

namespace hallmark {

Status AuthorizeOnLot(const CertificateAuthority& authority, const Caller& caller, const char* permission,
                      const std::string& lot) {
  Resource resource;
  resource.lot = lot;
  return authority.Authorize(caller, permission, resource);
}

Status CheckMayImport(const CertificateAuthority& authority, const Caller& caller) {
  return authority.parts().policies.Current()->access->CheckAtAll(caller, permission::kImportLot);
}

StatusOr<ImportResult> ImportLot(const CertificateAuthority& authority, const Caller& caller, const ImportFiles& files,
                                 bool validate_only, const ImportProgress& progress) {
  const CertificateAuthority::Parts& parts = authority.parts();
  const auto check = [&](const LotTerms& terms) -> Status {
    const Resource resource{terms.authority, terms.profile, "", parts.issuers.Predecessors(terms.authority), terms.lot};
    RETURN_IF_ERROR(authority.Authorize(caller, permission::kImportLot, resource));
    return authority.CheckTerms(terms);
  };
  return ImportLot(
      parts.store, parts.clock, files,
      {.caller = caller.uri, .request_id = "", .validate_only = validate_only, .check = check, .progress = progress});
}

StatusOr<LotRecord> CloseLot(const CertificateAuthority& authority, const Caller& caller, const std::string& lot) {
  RETURN_IF_ERROR(AuthorizeOnLot(authority, caller, permission::kCloseLot, lot));
  const Time now = TruncateToSecond(authority.parts().clock.Now());
  return authority.parts().store.CloseLot(lot, now, LotClosedEntry(lot, caller.uri, now));
}

StatusOr<ManufacturerRecord> RegisterManufacturer(const CertificateAuthority& authority, const Caller& caller,
                                                  ManufacturerRecord record) {
  RETURN_IF_ERROR(AuthorizeOnLot(authority, caller, permission::kCreateManufacturer, ""));
  record.created = TruncateToSecond(authority.parts().clock.Now());
  RETURN_IF_ERROR(CheckManufacturer(record, record.created));
  Store& store = authority.parts().store;
  RETURN_IF_ERROR(
      store.AddManufacturer(record, ManufacturerEntry("manufacturer_registered", record, caller.uri, record.created)));
  return store.GetManufacturer(record.manufacturer);
}

StatusOr<ManufacturerRecord> UpdateManufacturer(const CertificateAuthority& authority, const Caller& caller,
                                                ManufacturerRecord record) {
  RETURN_IF_ERROR(AuthorizeOnLot(authority, caller, permission::kUpdateManufacturer, ""));
  Store& store = authority.parts().store;
  ASSIGN_OR_RETURN(const ManufacturerRecord before, store.GetManufacturer(record.manufacturer));
  record.created = before.created;
  if (record.version == 0) record.version = before.version;
  const Time now = TruncateToSecond(authority.parts().clock.Now());
  RETURN_IF_ERROR(CheckManufacturer(record, now));
  RETURN_IF_ERROR(
      store.UpdateManufacturer(record, ManufacturerEntry("manufacturer_updated", record, caller.uri, now), now));
  return store.GetManufacturer(record.manufacturer);
}

}  // namespace hallmark
