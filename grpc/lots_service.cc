#include <fmt/format.h>

#include <atomic>
#include <filesystem>

#include "base/log.h"
#include "base/reason.h"
#include "ca/report.h"
#include "grpc/convert_lot.h"
#include "grpc/convert_publication.h"
#include "grpc/filter.h"
#include "grpc/lot_upload.h"
#include "grpc/services.h"
#include "hallmark/v1/lots.grpc.pb.h"

namespace hallmark {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kImportsAtOnce = 2;
constexpr Duration kProgressPeriod = absl::Milliseconds(200);
constexpr Duration kAdmissionLimit = absl::Seconds(20);  // for provisioning services to say whom they let in

class LotsService final : public v1::Lots::Service {
 public:
  LotsService(const Calls& calls, Publications& publications, LotOptions options)
      : calls_(calls), publications_(publications), options_(std::move(options)) {}

  grpc::Status ImportLot(grpc::ServerContext* context, ImportStream* stream) override {
    return ToGrpcStatus(calls_.Observe("ImportLot", [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller caller, calls_.Identify(*context));
      RETURN_IF_ERROR(CheckMayImport(calls_.authority(), caller));
      SilenceWatch silence(*context);
      return Import(caller, *stream, silence);
    }));
  }

  grpc::Status GetLot(grpc::ServerContext* context, const v1::GetLotRequest* message, v1::Lot* response) override {
    return calls_.Run("GetLot", *context, response, [&](const Caller& caller) -> StatusOr<v1::Lot> {
      ASSIGN_OR_RETURN(const std::string lot, ParseLotName(message->name(), "name"));
      RETURN_IF_ERROR(Authorize(caller, permission::kGetLot, lot));
      ASSIGN_OR_RETURN(const LotRecord record, store().GetLot(lot));
      return Show(record);
    });
  }

  grpc::Status ListLots(grpc::ServerContext* context, const v1::ListLotsRequest* message,
                        v1::ListLotsResponse* response) override {
    return calls_.Run("ListLots", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListLotsResponse> {
      RETURN_IF_ERROR(Authorize(caller, permission::kListLots, ""));
      ASSIGN_OR_RETURN(const LotFilter filter, ParseLotFilter(message->filter()));
      ASSIGN_OR_RETURN(const Page<LotRecord> page,
                       store().ListLots(filter, PageSize(message->page_size()), message->page_token()));
      v1::ListLotsResponse lots;
      for (const LotRecord& record : page.items) {
        ASSIGN_OR_RETURN(*lots.add_lots(), Show(record));
      }
      lots.set_next_page_token(page.next_page_token);
      return lots;
    });
  }

  grpc::Status CloseLot(grpc::ServerContext* context, const v1::CloseLotRequest* message, v1::Lot* response) override {
    return calls_.Run("CloseLot", *context, response, [&](const Caller& caller) -> StatusOr<v1::Lot> {
      ASSIGN_OR_RETURN(const std::string lot, ParseLotName(message->name(), "name"));
      ASSIGN_OR_RETURN(const LotRecord record, hallmark::CloseLot(calls_.authority(), caller, lot));
      return Show(record);
    });
  }

  grpc::Status ReconcileLot(grpc::ServerContext* context, const v1::ReconcileLotRequest* message,
                            v1::Reconciliation* response) override {
    return calls_.Run("ReconcileLot", *context, response, [&](const Caller& caller) -> StatusOr<v1::Reconciliation> {
      ASSIGN_OR_RETURN(const std::string lot, ParseLotName(message->name(), "name"));
      RETURN_IF_ERROR(Authorize(caller, permission::kReconcileLot, lot));
      ASSIGN_OR_RETURN(const Reconciliation reconciliation, Reconcile(calls_.authority(), lot));
      v1::Reconciliation shown = ToProto(reconciliation);
      AddAttempts(reconciliation.attempts, *shown.mutable_lot());
      if (!message->signed_report()) return shown;
      ASSIGN_OR_RETURN(const Bytes report,
                       SignReport(calls_.authority(), caller, caller.authority,
                                  {.kind = "Lot report", .about = lot, .content = ToJson(reconciliation, caller.uri)},
                                  permission::kReconcileLot, Calls::Deadline(*context)));
      shown.set_signed_report(ToString(report));
      return shown;
    });
  }

  grpc::Status GetDevice(grpc::ServerContext* context, const v1::GetDeviceRequest* message,
                         v1::Device* response) override {
    return calls_.Run("GetDevice", *context, response, [&](const Caller& caller) -> StatusOr<v1::Device> {
      ASSIGN_OR_RETURN(const DeviceName name, ParseDeviceName(message->name()));
      RETURN_IF_ERROR(Authorize(caller, permission::kGetDevice, name.lot));
      ASSIGN_OR_RETURN(const DeviceRecord device, store().GetDevice(name.lot, name.serial));
      return ToProto(device);
    });
  }

  grpc::Status ListDevices(grpc::ServerContext* context, const v1::ListDevicesRequest* message,
                           v1::ListDevicesResponse* response) override {
    return calls_.Run(
        "ListDevices", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListDevicesResponse> {
          ASSIGN_OR_RETURN(const std::string lot, ParseLotName(message->parent(), "parent"));
          RETURN_IF_ERROR(Authorize(caller, permission::kListDevices, lot));
          ASSIGN_OR_RETURN(const auto state, ParseDeviceFilter(message->filter()));
          ASSIGN_OR_RETURN(const Page<DeviceRecord> page,
                           store().ListDevices({lot, state}, PageSize(message->page_size()), message->page_token()));
          v1::ListDevicesResponse devices;
          for (const DeviceRecord& device : page.items) *devices.add_devices() = ToProto(device);
          devices.set_next_page_token(page.next_page_token);
          return devices;
        });
  }

  grpc::Status CreateManufacturer(grpc::ServerContext* context, const v1::CreateManufacturerRequest* message,
                                  v1::Manufacturer* response) override {
    return calls_.Run(
        "CreateManufacturer", *context, response, [&](const Caller& caller) -> StatusOr<v1::Manufacturer> {
          ASSIGN_OR_RETURN(const std::string name,
                           ParseManufacturerName("manufacturers/" + message->manufacturer_id(), "manufacturer_id"));
          ASSIGN_OR_RETURN(const ManufacturerRecord registered,
                           RegisterManufacturer(calls_.authority(), caller, Read(name, message->manufacturer())));
          return ToProto(registered);
        });
  }

  grpc::Status UpdateManufacturer(grpc::ServerContext* context, const v1::UpdateManufacturerRequest* message,
                                  v1::Manufacturer* response) override {
    return calls_.Run(
        "UpdateManufacturer", *context, response, [&](const Caller& caller) -> StatusOr<v1::Manufacturer> {
          ASSIGN_OR_RETURN(const std::string name,
                           ParseManufacturerName(message->manufacturer().name(), "manufacturer.name"));
          ManufacturerRecord record = Read(name, message->manufacturer());
          ASSIGN_OR_RETURN(record.version, ParseEtag(message->manufacturer().etag(), "manufacturer.etag"));
          ASSIGN_OR_RETURN(const ManufacturerRecord updated,
                           hallmark::UpdateManufacturer(calls_.authority(), caller, std::move(record)));
          return ToProto(updated);
        });
  }

  grpc::Status GetManufacturer(grpc::ServerContext* context, const v1::GetManufacturerRequest* message,
                               v1::Manufacturer* response) override {
    return calls_.Run("GetManufacturer", *context, response, [&](const Caller& caller) -> StatusOr<v1::Manufacturer> {
      ASSIGN_OR_RETURN(const std::string name, ParseManufacturerName(message->name(), "name"));
      RETURN_IF_ERROR(Authorize(caller, permission::kGetManufacturer, ""));
      return Find(name);
    });
  }

  grpc::Status ListManufacturers(grpc::ServerContext* context, const v1::ListManufacturersRequest*,
                                 v1::ListManufacturersResponse* response) override {
    return calls_.Run("ListManufacturers", *context, response,
                      [&](const Caller& caller) -> StatusOr<v1::ListManufacturersResponse> {
                        RETURN_IF_ERROR(Authorize(caller, permission::kListManufacturers, ""));
                        ASSIGN_OR_RETURN(const std::vector<ManufacturerRecord> records, store().ListManufacturers());
                        v1::ListManufacturersResponse manufacturers;
                        for (const ManufacturerRecord& record : records)
                          *manufacturers.add_manufacturers() = ToProto(record);
                        return manufacturers;
                      });
  }

 private:
  Store& store() const { return calls_.authority().parts().store; }
  static int PageSize(int asked) { return asked == 0 ? kDefaultPageSize : asked; }

  Status Authorize(const Caller& caller, const char* permission, const std::string& lot) const {
    return AuthorizeOnLot(calls_.authority(), caller, permission, lot);
  }

  static ManufacturerRecord Read(const std::string& name, const v1::Manufacturer& message) {
    ManufacturerRecord record = FromProto(message);
    record.manufacturer = name;
    return record;
  }

  StatusOr<v1::Manufacturer> Find(const std::string& name) const {
    ASSIGN_OR_RETURN(const ManufacturerRecord record, store().GetManufacturer(name));
    return ToProto(record);
  }

  void AddAttempts(const std::vector<AttemptRecord>& attempts, v1::Lot& lot) const {
    int64_t total = 0;
    for (const AttemptRecord& attempt : attempts) total += attempt.count;
    lot.set_refused_attempts(total);
    lot.set_alert(total >= options_.alert_after);
  }

  StatusOr<v1::Lot> Show(const LotRecord& record) const {
    ASSIGN_OR_RETURN(const TermsPointer known, calls_.authority().TermsOf(record));
    ASSIGN_OR_RETURN(const std::vector<AttemptRecord> attempts, store().ListAttempts(record.lot));
    v1::Lot lot = ToProto(record, known->terms);
    AddAttempts(attempts, lot);
    return lot;
  }

  Status Import(const Caller& caller, ImportStream& stream, SilenceWatch& silence) {
    const UploadTurn turn(imports_);
    RETURN_IF_ERROR(turn.Check(kImportsAtOnce));
    ASSIGN_OR_RETURN(const LotUpload upload, LotUpload::Receive(options_.upload_directory, stream, silence));
    Time told;
    const auto progress = [&](const char* step, int64_t lines, int64_t total) {
      if (lines != total && absl::Now() - told < kProgressPeriod) return;
      told = absl::Now();
      v1::ImportLotResponse message;
      message.mutable_progress()->set_step(step);
      message.mutable_progress()->set_lines(lines);
      message.mutable_progress()->set_total_lines(total);
      stream.Write(message);
      silence.Heard();
    };
    const bool validate_only = upload.header().validate_only();
    ASSIGN_OR_RETURN(const ImportResult result,
                     hallmark::ImportLot(calls_.authority(), caller, upload.files(), validate_only, progress));
    progress("asking", 0, 0);
    return Answer(result, validate_only, stream);
  }

  Status Answer(const ImportResult& result, bool validate_only, ImportStream& stream) const {
    v1::ImportLotResponse message;
    v1::ImportLotResponse::Result& shown = *message.mutable_result();
    ASSIGN_OR_RETURN(*shown.mutable_lot(), Show(result.lot));
    shown.set_added(result.added);
    shown.set_withdrawn(result.withdrawn);
    shown.set_already_imported(result.already_imported);
    shown.set_validate_only(validate_only);
    shown.set_signer_sha256(result.signature.sha256);
    shown.set_signer_subject(result.signature.subject);
    AddAdmissions(result.lot, shown);
    stream.Write(message);
    return absl::OkStatus();
  }

  // What is imported stays so, whatever the services that its devices are sent to say.
  void AddAdmissions(const LotRecord& lot, v1::ImportLotResponse::Result& shown) const {
    const StatusOr<TermsPointer> known = calls_.authority().TermsOf(lot);
    if (!known.ok()) return;
    const StatusOr<std::vector<LotAdmission>> admissions =
        publications_.CheckLot((*known)->terms, calls_.authority().parts().clock.Now() + kAdmissionLimit);
    if (!admissions.ok()) return log::Warning("lot_admission_unknown", log::Describe(admissions.status()));
    for (const LotAdmission& admission : *admissions) {
      *shown.add_admissions() = ToProto(admission);
      if (admission.verdict.admitted) continue;
      log::Warning("lot_not_admitted", {{"lot", lot.lot},
                                        {"target", admission.target},
                                        {"id_scope", admission.id_scope},
                                        {"advice", admission.verdict.advice},
                                        {"failure", Message(admission.looked)}});
    }
  }

  const Calls& calls_;
  Publications& publications_;
  const LotOptions options_;
  std::atomic<int> imports_ = 0;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLotsService(const Calls& calls, Publications& publications, LotOptions options) {
  return std::make_unique<LotsService>(calls, publications, std::move(options));
}

}  // namespace hallmark
