#include "grpc/convert_lot.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "base/reason.h"
#include "grpc/convert.h"

namespace hallmark {
namespace {

using google::protobuf::util::TimeUtil;

void SetTime(const std::optional<Time>& time, google::protobuf::Timestamp* (v1::Device::*field)(), v1::Device& to) {
  if (time.has_value()) *(to.*field)() = ToTimestamp(*time);
}

v1::Lot::Counts ToProto(const LotCounts& counts) {
  v1::Lot::Counts message;
  message.set_announced(counts.announced);
  message.set_claimed(counts.claimed);
  message.set_issued(counts.issued);
  message.set_installed(counts.installed);
  message.set_revoked(counts.revoked);
  message.set_withdrawn(counts.withdrawn);
  message.set_reissued(counts.reissued);
  return message;
}

void SetTerms(const LotTerms& terms, v1::Lot& message) {
  for (const LotStation& station : terms.stations) {
    auto* to = message.add_stations();
    to->set_station(station.station);
    to->set_quantity(station.quantity.value_or(0));
    to->set_rate(station.rate);
  }
  *message.mutable_not_before() = ToTimestamp(terms.not_before);
  *message.mutable_not_after() = ToTimestamp(terms.not_after);
  message.set_quantity(terms.quantity);
  if (terms.serials.has_value()) {
    auto* serials = message.mutable_serials();
    serials->set_prefix(terms.serials->prefix);
    serials->set_first(terms.serials->first);
    serials->set_last(terms.serials->last);
    serials->set_width(terms.serials->width);
  }
  message.mutable_bootstrap()->set_type(terms.bootstrap.type);
  message.mutable_bootstrap()->set_global_endpoint(terms.bootstrap.global_endpoint);
  message.mutable_bootstrap()->set_id_scope(terms.bootstrap.id_scope);
  message.set_reissues_per_device(terms.reissue.per_device);
  message.set_reissues(terms.reissue.total);
  message.set_reissue_revokes(terms.reissue.revoke_previous);
  if (terms.confirmation.within.has_value()) {
    *message.mutable_confirm_within() = TimeUtil::SecondsToDuration(absl::ToInt64Seconds(*terms.confirmation.within));
  }
  message.set_revoke_unconfirmed(terms.confirmation.revoke_unconfirmed);
}

}  // namespace

StatusOr<std::string> ParseLotName(const std::string& name, const std::string& field) {
  return ParseResourceName("lots/", name, field, "lots/{lot}, e.g. lots/a-17");
}

StatusOr<std::string> ParseManufacturerName(const std::string& name, const std::string& field) {
  return ParseResourceName("manufacturers/", name, field, "manufacturers/{manufacturer}, e.g. manufacturers/acme");
}

StatusOr<DeviceName> ParseDeviceName(const std::string& name) {
  constexpr std::string_view kMiddle = "/devices/";
  const size_t middle = name.find(kMiddle);
  if (middle != name.npos) {
    const StatusOr<std::string> lot = ParseLotName(name.substr(0, middle), "name");
    const std::string serial = name.substr(middle + kMiddle.size());
    if (lot.ok() && IsSerialNumber(serial)) return DeviceName{*lot, serial};
  }
  return FieldError(reason::kRequestInvalid, "name", "must be lots/{lot}/devices/{serial}");
}

std::optional<DeviceState> ParseDeviceState(const std::string& name) {
  v1::Device::State state = v1::Device::STATE_UNSPECIFIED;
  if (!v1::Device::State_Parse(name, &state) || state == v1::Device::STATE_UNSPECIFIED) return std::nullopt;
  return static_cast<DeviceState>(state);
}

v1::Lot ToProto(const LotRecord& lot, const LotTerms& terms) {
  v1::Lot message;
  message.set_name("lots/" + lot.lot);
  message.set_state(static_cast<v1::Lot::State>(lot.state));
  message.set_revision(lot.revision);
  message.set_manufacturer("manufacturers/" + lot.manufacturer);
  message.set_product(lot.product);
  message.set_authority("authorities/" + lot.authority);
  message.set_profile(lot.profile);
  SetTerms(terms, message);
  *message.mutable_counts() = ToProto(lot.counts);
  *message.mutable_create_time() = ToTimestamp(lot.created);
  if (lot.closed.has_value()) *message.mutable_close_time() = ToTimestamp(*lot.closed);
  return message;
}

v1::Device ToProto(const DeviceRecord& device) {
  v1::Device message;
  message.set_name(fmt::format("lots/{}/devices/{}", device.lot, device.serial));
  message.set_serial(device.serial);
  message.set_registration_id(device.registration_id);
  message.set_state(static_cast<v1::Device::State>(device.state));
  if (device.spki.has_value()) message.set_spki_sha256(Hex(*device.spki));
  if (device.endorsement_key.has_value()) message.set_endorsement_key_sha256(Hex(*device.endorsement_key));
  for (const auto& [name, value] : HardwareOf(device)) (*message.mutable_hardware())[name] = value;
  message.set_station(device.station);
  SetTime(device.claimed, &v1::Device::mutable_claim_time, message);
  SetTime(device.issued, &v1::Device::mutable_issue_time, message);
  SetTime(device.installed, &v1::Device::mutable_install_time, message);
  message.set_proven(device.proven);
  message.set_reissues(device.reissues);
  message.set_reissue_reason(device.reissue_of);
  if (!device.certificate_serial.empty()) {
    message.set_certificate(
        fmt::format("authorities/{}/certificates/{}", device.authority, Hex(device.certificate_serial)));
  }
  return message;
}

v1::Manufacturer ToProto(const ManufacturerRecord& manufacturer) {
  v1::Manufacturer message;
  message.set_name("manufacturers/" + manufacturer.manufacturer);
  message.set_display_name(manufacturer.display_name);
  for (const Bytes& certificate : manufacturer.certificates) message.add_certificates(ToString(certificate));
  for (const Bytes& crl : manufacturer.crls) message.add_crls(ToString(crl));
  message.set_suspended(manufacturer.suspended);
  *message.mutable_create_time() = ToTimestamp(manufacturer.created);
  message.set_etag(std::to_string(manufacturer.version));
  return message;
}

ManufacturerRecord FromProto(const v1::Manufacturer& manufacturer) {
  ManufacturerRecord record;
  record.display_name = manufacturer.display_name();
  for (const std::string& certificate : manufacturer.certificates())
    record.certificates.push_back(ToBytes(AsBytes(certificate)));
  for (const std::string& crl : manufacturer.crls()) record.crls.push_back(ToBytes(AsBytes(crl)));
  record.suspended = manufacturer.suspended();
  return record;
}

v1::Reconciliation ToProto(const Reconciliation& reconciliation) {
  v1::Reconciliation message;
  *message.mutable_lot() = ToProto(reconciliation.lot, reconciliation.terms);
  *message.mutable_create_time() = ToTimestamp(reconciliation.time);
  message.set_unclaimed(reconciliation.unclaimed);
  message.set_certificates(reconciliation.certificates);
  message.set_live_certificates(reconciliation.live);
  message.set_unconfirmed(reconciliation.unconfirmed);
  for (const AttemptRecord& attempt : reconciliation.attempts) {
    auto* to = message.add_attempts();
    to->set_station(attempt.station);
    to->set_reason(attempt.reason);
    to->set_count(attempt.count);
    *to->mutable_first_time() = ToTimestamp(attempt.first);
    *to->mutable_last_time() = ToTimestamp(attempt.last);
    to->set_last_serial(attempt.serial);
  }
  for (const std::string& contradiction : reconciliation.contradictions) message.add_contradictions(contradiction);
  return message;
}

}  // namespace hallmark
