// Between the messages of lots and the house's values. No rule lives here.
#pragma once

#include <optional>
#include <string>

#include "ca/reconciliation.h"
#include "hallmark/v1/lots.pb.h"

namespace hallmark {

// Resource names; kInvalidArgument (REQUEST_INVALID) names `field`.
StatusOr<std::string> ParseLotName(const std::string& name, const std::string& field);
struct DeviceName {
  std::string lot;
  std::string serial;
};
StatusOr<DeviceName> ParseDeviceName(const std::string& name);
StatusOr<std::string> ParseManufacturerName(const std::string& name, const std::string& field);
std::optional<DeviceState> ParseDeviceState(const std::string& name);  // "ISSUED"...

v1::Lot ToProto(const LotRecord& lot, const LotTerms& terms);
v1::Device ToProto(const DeviceRecord& device);
v1::Manufacturer ToProto(const ManufacturerRecord& manufacturer);
v1::Reconciliation ToProto(const Reconciliation& reconciliation);
ManufacturerRecord FromProto(const v1::Manufacturer& manufacturer);  // without its name, instant and version

}  // namespace hallmark
