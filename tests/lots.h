// Lots for tests that are about what becomes of them, not about how they are imported.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "factory/terms.h"
#include "store/store.h"

namespace hallmark::testing {

inline LotTerms ExampleTerms(const std::string& lot = "a-17") {
  LotTerms terms;
  terms.manufacturer = "acme";
  terms.product = "sensor-2";
  terms.lot = lot;
  terms.profile = "device-dps";
  terms.authority = "devices";
  terms.stations = {{.station = "one", .quantity = std::nullopt, .rate = ""}};
  terms.not_before = absl::FromUnixSeconds(0);
  terms.not_after = absl::FromUnixSeconds(4'000'000'000);
  terms.quantity = 100;
  terms.bootstrap = {"azure-dps", "global.azure-devices-provisioning.net", "0ne00000001"};
  return terms;
}

inline DeviceLine Line(const std::string& serial) {
  DeviceLine line;
  line.serial = serial;
  line.registration_id = serial;
  return line;
}

inline std::vector<DeviceLine> Lines(const std::string& prefix, int count) {
  std::vector<DeviceLine> lines;
  for (int i = 1; i <= count; ++i) lines.push_back(Line(fmt::format("{}{}", prefix, i)));
  return lines;
}

inline LotTermsRecord RecordOf(const LotTerms& terms) {
  return {.manufacturer = terms.manufacturer,
          .product = terms.product,
          .authority = terms.authority,
          .profile = terms.profile,
          .terms = ToJson(terms)};
}

inline LotRevision RevisionOf(const LotTerms& terms, Time now) {
  return {.lot = terms.lot,
          .revision = terms.revision,
          .digest = Sha256(AsBytes(ToJson(terms))),
          .manifest = ToJson(terms),
          .signature = {1},
          .signer = "signer",
          .caller = "hallmark://test/importer/one",
          .imported = now};
}

// As an import of a good manifest leaves the store.
inline StatusOr<LotRecord> TryToAddLot(Store& store, const LotTerms& terms, const std::vector<DeviceLine>& lines,
                                       const std::vector<std::string>& withdrawn, Time now) {
  ASSIGN_OR_RETURN(const int64_t import, store.StartImport(terms.lot, now));
  Status status = store.AddLines(import, lines, withdrawn, now);
  if (status.ok()) {
    StatusOr<LotRecord> lot = store.FinishImport(import, RevisionOf(terms, now), RecordOf(terms), "{}");
    if (lot.ok()) return lot;
    status = lot.status();
  }
  RETURN_IF_ERROR(store.AbandonImport(import));
  return status;
}

inline LotRecord AddLot(Store& store, const LotTerms& terms, const std::vector<DeviceLine>& lines, Time now) {
  const StatusOr<LotRecord> lot = TryToAddLot(store, terms, lines, {}, now);
  if (!lot.ok()) throw std::runtime_error(std::string(lot.status().message()));
  return *lot;
}

}  // namespace hallmark::testing
