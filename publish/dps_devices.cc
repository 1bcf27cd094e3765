#include "publish/dps_devices.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "publish/dps_answer.h"
#include "publish/entries.h"
#include "publish/json_field.h"
#include "publish/wanted_chain.h"

namespace hallmark {
namespace {

using nlohmann::json;
using State = EnrollmentNote::State;

constexpr std::array<const char*, 2> kSlots = {"primary", "secondary"};
// Of a group, what its devices get and an enrollment of their own would take from them.
constexpr std::array<const char*, 6> kGiven = {"allocationPolicy",  "iotHubs",      "initialTwin",
                                               "reprovisionPolicy", "capabilities", "customAllocationDefinition"};

// Of all that it names: another one in any slot makes another enrollment.
std::string FingerprintOf(const DeviceAdmission& device) {
  std::string all;
  for (const Bytes& one : device.certificates) all += (all.empty() ? "" : " ") + hallmark::FingerprintOf(one);
  return all;
}

std::string FoundFingerprint(const json& enrollment) {
  std::string all;
  for (const char* slot : kSlots) {
    const json::json_pointer at(fmt::format("/attestation/x509/clientCertificates/{}/info/sha256Thumbprint", slot));
    if (!enrollment.contains(at) || !enrollment[at].is_string()) continue;
    all += (all.empty() ? "" : " ") + absl::AsciiStrToUpper(enrollment[at].get<std::string>());
  }
  return all;
}

std::string TypeOf(const json& enrollment) {
  const json::json_pointer at("/attestation/type");
  return enrollment.contains(at) && enrollment[at].is_string() ? enrollment[at].get<std::string>() : "";
}

// Whether it is what we would have written.
bool IsAsWritten(const json& found, const json& body, const DeviceAdmission& device) {
  return TextAt(found, "provisioningStatus") == TextAt(body, "provisioningStatus") && TypeOf(found) == TypeOf(body) &&
         (TypeOf(body) != "x509" || FoundFingerprint(found) == FingerprintOf(device));
}

std::string StatusIn(const json& enrollment) {
  const std::string status = TextAt(enrollment, "provisioningStatus");
  return status.empty() ? "enabled" : status;
}

// Whether it is what we were about to make when we were cut off.
bool WasToBeWritten(const EnrollmentNote& note, const json& found) {
  if (!note.created) return false;
  if (TypeOf(found) == "x509") return !note.fingerprint.empty() && FoundFingerprint(found) == note.fingerprint;
  return TypeOf(found) == "symmetricKey" && StatusIn(found) == "disabled";
}

Status NotTried() {
  return Error(Code::kAborted, reason::kTargetNotTried, "another device's failure ended the attempt before");
}

// The failure of one of a bulk: its code is an HTTP status times 1000, and more.
Status FailureOf(const BulkFailure& failure) {
  const std::string message = fmt::format("adding the enrollment of {}: the service answered {}: {}",
                                          failure.registration_id, failure.code, failure.message);
  if (failure.code.starts_with("409") || failure.code.starts_with("412")) {
    return Error(Code::kAborted, reason::kTargetConflict, message);
  }
  if (failure.code.starts_with("429")) return Error(Code::kUnavailable, reason::kTargetThrottled, message);
  if (failure.code.starts_with("5")) return Error(Code::kUnavailable, reason::kTargetUnavailable, message);
  return Error(Code::kFailedPrecondition, reason::kTargetRefused, message);
}

}  // namespace

std::string ToContent(const EnrollmentNote& note) {
  static constexpr std::array<const char*, 3> kStates = {"uncertain", "blocked", "pinned"};
  return json{{"state", kStates[static_cast<size_t>(note.state)]},
              {"fingerprint", note.fingerprint},
              {"created", note.created},
              {"sure", note.sure},
              {"theirs", note.theirs}}
      .dump();
}

StatusOr<EnrollmentNote> ReadNote(const std::string& content) {
  const json read = json::parse(content, nullptr, false);
  if (!read.is_object()) {
    return Error(Code::kDataLoss, reason::kStoreCorrupt, "a note of an enrollment in the database is no JSON object");
  }
  const std::string state = TextAt(read, "state");
  EnrollmentNote note{.state = state == "blocked"  ? State::kBlocked
                               : state == "pinned" ? State::kPinned
                                                   : State::kUncertain,
                      .fingerprint = TextAt(read, "fingerprint"),
                      .theirs = TextAt(read, "theirs")};
  note.created = read.contains("created") && read["created"] == true;
  note.sure = read.contains("sure") && read["sure"] == true;
  return note;
}

const DescribedGroup* GroupFor(const DpsDescription& description, const std::vector<AuthorityRecord>& authorities,
                               const std::string& authority) {
  std::string at = authority;
  for (size_t steps = 0; steps <= authorities.size() && !at.empty(); ++steps) {
    std::string under = at;  // and those whose successor it is
    while (!under.empty()) {
      for (const DescribedGroup& group : description.groups) {
        if (group.authority == under) return &group;
      }
      const AuthorityRecord* record = FindRecord(authorities, under);
      under = record == nullptr ? "" : record->predecessor;
    }
    const AuthorityRecord* record = FindRecord(authorities, at);
    at = record == nullptr || record->parent == at ? "" : record->parent;
  }
  return nullptr;
}

PublishedRecord DpsDevices::RecordOf(const DeviceAdmission& device, const EnrollmentNote& note) const {
  return {.target = target_,
          .kind = PublishedKind::kEnrollment,
          .key = device.registration_id,
          .content = ToContent(note),
          .collect = device.collect};
}

StatusOr<std::optional<EnrollmentNote>> DpsDevices::NoteOf(const DeviceAdmission& device) const {
  ASSIGN_OR_RETURN(const auto record,
                   store_.FindPublished(target_, PublishedKind::kEnrollment, device.registration_id));
  if (!record.has_value()) return std::optional<EnrollmentNote>();
  ASSIGN_OR_RETURN(EnrollmentNote note, ReadNote(record->content));
  return std::optional(std::move(note));
}

Status DpsDevices::Remember(const DeviceAdmission& device, const EnrollmentNote& note,
                            const std::string& ledger_entry) const {
  return store_.PutPublished({RecordOf(device, note)}, clock_.Now(), ledger_entry);
}

Status DpsDevices::Forget(const DeviceAdmission& device, const std::string& ledger_entry) const {
  return store_.RemovePublished({RecordOf(device, {})}, clock_.Now(), ledger_entry);
}

json DpsDevices::AttestationOf(const DeviceAdmission& device) const {
  json slots = json::object();
  for (size_t i = 0; i < device.certificates.size(); ++i) {
    slots[kSlots[i]] = {{"certificate", PemEncode("CERTIFICATE", device.certificates[i])}};
  }
  return {{"type", "x509"}, {"x509", {{"clientCertificates", std::move(slots)}}}};
}

json DpsDevices::BlockingEnrollment(const DeviceAdmission& device) const {
  json enrollment = {{"registrationId", device.registration_id}, {"provisioningStatus", "disabled"}};
  enrollment["attestation"] =
      description_.with_leaf ? AttestationOf(device) : json{{"type", "symmetricKey"}, {"symmetricKey", json::object()}};
  return enrollment;
}

StatusOr<json> DpsDevices::PinningEnrollment(const DeviceAdmission& device, Time deadline) const {
  json enrollment = {{"registrationId", device.registration_id},
                     {"provisioningStatus", "enabled"},
                     {"attestation", AttestationOf(device)}};
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> authorities, store_.ListAuthorities());
  const DescribedGroup* described = GroupFor(description_, authorities, device.authority);
  if (described == nullptr) return enrollment;
  ASSIGN_OR_RETURN(const std::vector<json> groups, service_.ListGroups(deadline));
  for (const json& group : groups) {
    if (!absl::EqualsIgnoreCase(TextAt(group, "enrollmentGroupId"), described->group)) continue;
    for (const char* field : kGiven) {
      if (group.contains(field) && !group[field].is_null()) enrollment[field] = group[field];
    }
    if (StatusIn(group) == "disabled") enrollment["provisioningStatus"] = "disabled";
  }
  return enrollment;
}

std::vector<Status> DpsDevices::Admit(const std::vector<DeviceAdmission>& devices, Time deadline) const {
  std::vector<Status> outcomes(devices.size(), NotTried());
  std::vector<std::optional<EnrollmentNote>> notes(devices.size());
  std::vector<size_t> at_once;
  std::vector<size_t> alone;
  for (size_t i = 0; i < devices.size(); ++i) {
    StatusOr<std::optional<EnrollmentNote>> note = NoteOf(devices[i]);
    if (!note.ok()) {
      outcomes[i] = note.status();
      continue;
    }
    notes[i] = *std::move(note);
    const bool fresh = !notes[i].has_value() || (!notes[i]->sure && notes[i]->created);
    (devices[i].kind == DeviceAdmission::Kind::kBlocked && !devices[i].alone && fresh ? at_once : alone).push_back(i);
  }
  bool stopped = false;
  for (size_t first = 0; first < at_once.size() && !stopped; first += DpsService::kBulkLimit) {
    const size_t end = std::min(first + DpsService::kBulkLimit, at_once.size());
    const std::vector<size_t> chosen(at_once.begin() + static_cast<ptrdiff_t>(first),
                                     at_once.begin() + static_cast<ptrdiff_t>(end));
    BlockAtOnce(devices, chosen, deadline, outcomes);
    for (const size_t i : chosen) stopped |= ConcernsTarget(outcomes[i]);
  }
  for (const size_t i : alone) {
    if (stopped) break;
    outcomes[i] = AdmitAlone(devices[i], notes[i], deadline);
    stopped = ConcernsTarget(outcomes[i]);
  }
  return outcomes;
}

void DpsDevices::BlockAtOnce(const std::vector<DeviceAdmission>& devices, const std::vector<size_t>& chosen,
                             Time deadline, std::vector<Status>& outcomes) const {
  std::vector<json> bodies;
  std::vector<PublishedRecord> before;
  for (const size_t i : chosen) {
    bodies.push_back(BlockingEnrollment(devices[i]));
    before.push_back(RecordOf(devices[i], {.fingerprint = FingerprintOf(devices[i]), .created = true}));
  }
  StatusOr<std::vector<BulkFailure>> failures = std::vector<BulkFailure>();
  if (Status status = store_.PutPublished(before, clock_.Now()); !status.ok()) {
    failures = std::move(status);
  } else {
    failures = service_.CreateEnrollments(bodies, deadline);
  }
  std::vector<PublishedRecord> blocked;
  std::vector<PublishedRecord> others;  // that are there already: whose, is to be seen
  std::vector<std::string> names;
  for (size_t k = 0; k < chosen.size(); ++k) {
    const size_t i = chosen[k];
    outcomes[i] = failures.status();
    if (!failures.ok()) continue;
    for (const BulkFailure& failure : *failures) {
      if (absl::EqualsIgnoreCase(failure.registration_id, devices[i].registration_id)) outcomes[i] = FailureOf(failure);
    }
    if (absl::IsAborted(outcomes[i])) others.push_back(before[k]);
    if (!outcomes[i].ok()) continue;
    blocked.push_back(
        RecordOf(devices[i],
                 {.state = State::kBlocked, .fingerprint = FingerprintOf(devices[i]), .created = true, .sure = true}));
    names.push_back(devices[i].registration_id);
  }
  const Time now = clock_.Now();
  if (!others.empty()) store_.RemovePublished(others, now).IgnoreError();
  if (blocked.empty()) return;
  const Status kept = store_.PutPublished(blocked, now, DevicesEntry("devices_blocked", target_, names, now));
  for (const size_t i : chosen) {
    if (!outcomes[i].ok()) continue;
    outcomes[i] = kept.ok() ? hubs_.Disable(devices[i], false, deadline) : kept;
  }
}

Status DpsDevices::AdmitAlone(const DeviceAdmission& device, std::optional<EnrollmentNote> note, Time deadline) const {
  switch (device.kind) {
    case DeviceAdmission::Kind::kBlocked: {
      const bool again = note.has_value() && note->state == State::kBlocked;
      if (!again) {
        RETURN_IF_ERROR(Block(device, note.value_or(EnrollmentNote{}), deadline));
      } else if (note->fingerprint != FingerprintOf(device)) {
        note->fingerprint = FingerprintOf(device);
        RETURN_IF_ERROR(Remember(device, *note, ""));  // it is disabled all the same; but for another time
      }
      return hubs_.Disable(device, again, deadline);
    }
    case DeviceAdmission::Kind::kPinned:
      RETURN_IF_ERROR(Pin(device, note.value_or(EnrollmentNote{}), deadline));
      return hubs_.Pin(device, deadline);
    case DeviceAdmission::Kind::kByGroup: break;
  }
  if (note.has_value()) RETURN_IF_ERROR(Unblock(device, *note, deadline));
  return hubs_.Release(device, deadline);
}

Status DpsDevices::Block(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const {
  const json body = BlockingEnrollment(device);
  ASSIGN_OR_RETURN(const std::optional<json> found, service_.FindEnrollment(device.registration_id, deadline));
  if (!found.has_value()) {
    note.created = true;
  } else if (!note.sure) {
    note.created = IsAsWritten(*found, body, device) || WasToBeWritten(note, *found);
    note.theirs = note.created ? "" : StatusIn(*found);
  }
  note.sure = found.has_value();
  note.fingerprint = FingerprintOf(device);
  if (!found.has_value() || StatusIn(*found) != "disabled") {
    note.state = State::kUncertain;
    RETURN_IF_ERROR(Remember(device, note, ""));
    json changed = found.has_value() ? WithoutServerFields(*found) : body;
    changed["provisioningStatus"] = "disabled";
    RETURN_IF_ERROR(
        service_.PutEnrollment(changed, found.has_value() ? TextAt(*found, "etag") : "", deadline).status());
  }
  note.sure = true;
  note.state = State::kBlocked;
  return Remember(device, note, DevicesEntry("devices_blocked", target_, {device.registration_id}, clock_.Now()));
}

Status DpsDevices::Pin(const DeviceAdmission& device, EnrollmentNote note, Time deadline) const {
  ASSIGN_OR_RETURN(const std::optional<json> found, service_.FindEnrollment(device.registration_id, deadline));
  ASSIGN_OR_RETURN(json pinning, PinningEnrollment(device, deadline));
  const bool news = note.state != State::kPinned || note.fingerprint != FingerprintOf(device);
  if (!found.has_value()) {
    note.created = true;
  } else if (!note.sure) {
    note.created = IsAsWritten(*found, pinning, device) || WasToBeWritten(note, *found);
    note.theirs = note.created ? "" : StatusIn(*found);
  }
  // Of somebody else's, whom he has disabled stays so.
  if (!note.created && note.theirs == "disabled") pinning["provisioningStatus"] = "disabled";
  note.sure = found.has_value();
  note.fingerprint = FingerprintOf(device);
  if (!found.has_value() || !IsAsWritten(*found, pinning, device)) {
    note.state = State::kUncertain;
    RETURN_IF_ERROR(Remember(device, note, ""));
    json body = pinning;
    if (found.has_value() && !note.created) {
      body = WithoutServerFields(*found);
      body["attestation"] = pinning["attestation"];
      body["provisioningStatus"] = pinning["provisioningStatus"];
    }
    RETURN_IF_ERROR(service_.PutEnrollment(body, found.has_value() ? TextAt(*found, "etag") : "", deadline).status());
  }
  note.sure = true;
  note.state = State::kPinned;
  const std::string entry = news ? DevicesEntry("device_pinned", target_, {device.registration_id}, clock_.Now()) : "";
  return Remember(device, note, entry);
}

Status DpsDevices::Unblock(const DeviceAdmission& device, const EnrollmentNote& note, Time deadline) const {
  ASSIGN_OR_RETURN(const std::optional<json> found, service_.FindEnrollment(device.registration_id, deadline));
  const bool ours = note.created && found.has_value() && (note.sure || WasToBeWritten(note, *found));
  if (ours) {
    RETURN_IF_ERROR(service_.DeleteEnrollment(device.registration_id, TextAt(*found, "etag"), deadline));
  } else if (found.has_value() && !note.created && note.theirs == "enabled" && StatusIn(*found) == "disabled") {
    json changed = WithoutServerFields(*found);
    changed["provisioningStatus"] = "enabled";
    RETURN_IF_ERROR(service_.PutEnrollment(changed, TextAt(*found, "etag"), deadline).status());
  }
  return Forget(device, DevicesEntry("device_unblocked", target_, {device.registration_id}, clock_.Now()));
}

}  // namespace hallmark
