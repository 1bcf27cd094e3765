// Client's calls about lots.
#include "tools/hallmark/client_connection.h"

namespace hallmark::cli {
namespace {

constexpr Duration kImportTimeout = absl::Hours(1);
constexpr Duration kReconcileTimeout = absl::Minutes(5);

}  // namespace

StatusOr<v1::ConfirmInstallationResponse> Client::ConfirmInstallation(const v1::ConfirmInstallationRequest& request) {
  return connection_->Call(connection_->issuance, &v1::Issuance::Stub::ConfirmInstallation, request,
                           connection_->Deadline());
}

StatusOr<v1::ImportLotResponse::Result> Client::ImportLot(
    const std::function<StatusOr<std::optional<v1::ImportLotRequest>>()>& next,
    const std::function<void(const v1::ImportLotResponse::Progress&)>& on_progress) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(connection_->clock.Now() + kImportTimeout));
  const auto stream = connection_->lots->ImportLot(&context);
  bool sending = true;
  while (sending) {
    StatusOr<std::optional<v1::ImportLotRequest>> message = next();
    if (!message.ok()) {
      context.TryCancel();
      stream->Finish();
      return message.status();
    }
    // A service that has heard enough tells why when the stream is finished.
    sending = message->has_value() && stream->Write(**message);
  }
  stream->WritesDone();
  std::optional<v1::ImportLotResponse::Result> result;
  v1::ImportLotResponse response;
  while (stream->Read(&response)) {
    if (response.has_progress()) on_progress(response.progress());
    if (response.has_result()) result = response.result();
  }
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), connection_->endpoint));
  if (result.has_value()) return *std::move(result);
  return absl::InternalError("the service ended the import without a result; look the lot up");
}

StatusOr<v1::Lot> Client::GetLot(const std::string& lot) {
  v1::GetLotRequest request;
  request.set_name(lot);
  return connection_->Call(connection_->lots, &v1::Lots::Stub::GetLot, request, connection_->Deadline());
}

StatusOr<v1::ListLotsResponse> Client::ListLots(const v1::ListLotsRequest& request) {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::ListLots, request, connection_->Deadline());
}

StatusOr<v1::Lot> Client::CloseLot(const std::string& lot) {
  v1::CloseLotRequest request;
  request.set_name(lot);
  return connection_->Call(connection_->lots, &v1::Lots::Stub::CloseLot, request, connection_->Deadline());
}

StatusOr<v1::Reconciliation> Client::ReconcileLot(const v1::ReconcileLotRequest& request) {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::ReconcileLot, request,
                           connection_->clock.Now() + kReconcileTimeout);
}

StatusOr<v1::Device> Client::GetDevice(const std::string& device) {
  v1::GetDeviceRequest request;
  request.set_name(device);
  return connection_->Call(connection_->lots, &v1::Lots::Stub::GetDevice, request, connection_->Deadline());
}

StatusOr<v1::ListDevicesResponse> Client::ListDevices(const v1::ListDevicesRequest& request) {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::ListDevices, request, connection_->Deadline());
}

StatusOr<v1::Manufacturer> Client::CreateManufacturer(const v1::CreateManufacturerRequest& request) {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::CreateManufacturer, request, connection_->Deadline());
}

StatusOr<v1::Manufacturer> Client::UpdateManufacturer(const v1::UpdateManufacturerRequest& request) {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::UpdateManufacturer, request, connection_->Deadline());
}

StatusOr<v1::Manufacturer> Client::GetManufacturer(const std::string& manufacturer) {
  v1::GetManufacturerRequest request;
  request.set_name(manufacturer);
  return connection_->Call(connection_->lots, &v1::Lots::Stub::GetManufacturer, request, connection_->Deadline());
}

StatusOr<v1::ListManufacturersResponse> Client::ListManufacturers() {
  return connection_->Call(connection_->lots, &v1::Lots::Stub::ListManufacturers, v1::ListManufacturersRequest(),
                           connection_->Deadline());
}

}  // namespace hallmark::cli
