#include "publish/dps_devices.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

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
constexpr char kEnabled[] = "enabled";
constexpr char kDisabled[] = "disabled";
// Of a group, what its devices get and an enrollment of their own would take from them; the last ones in some versions.
constexpr std::array<const char*, 10> kGiven = {"allocationPolicy",     "iotHubs",       "initialTwin",
                                                "reprovisionPolicy",    "capabilities",  "customAllocationDefinition",
                                                "credentialPolicyName", "namespaceName", "certificateAuthorityName",
                                                "certificatePolicyName"};
constexpr size_t kSuffix = 8;                      // digits of the thumbprint, as CertificateNameOf ends with
constexpr Duration kSkew = absl::Minutes(1);       // by which the service's clock may be behind ours
constexpr Duration kUnderWay = absl::Minutes(10);  // what it is told is done by then, or never

// Of all that it names: another one in any slot makes another enrollment.
std::string FingerprintOf(const DeviceAdmission& device) {
  std::string all;
  for (const Bytes& one : device.certificates) all += (all.empty() ? "" : " ") + hallmark::FingerprintOf(one);
  return all;
}

std::string TextIn(const json& object, const std::string& pointer) {
  const json::json_pointer at(pointer);
  return object.contains(at) && object[at].is_string() ? object[at].get<std::string>() : "";
}

std::string FoundFingerprint(const json& enrollment) {
  std::string all;
  for (const char* slot : kSlots) {
    const std::string one =
        TextIn(enrollment, fmt::format("/attestation/x509/clientCertificates/{}/info/sha256Thumbprint", slot));
    if (!one.empty()) all += (all.empty() ? "" : " ") + absl::AsciiStrToUpper(one);
  }
  return all;
}

std::string TypeOf(const json& enrollment) { return TextIn(enrollment, "/attestation/type"); }

std::string StatusIn(const json& enrollment) {
  const std::string status = TextAt(enrollment, "provisioningStatus");
  return status.empty() ? kEnabled : status;
}

// Whether it lets in, or keeps out, what `body` would.
bool AdmitsAs(const json& found, const json& body, const DeviceAdmission& device) {
  return StatusIn(found) == StatusIn(body) && TypeOf(found) == TypeOf(body) &&
         (TypeOf(body) != "x509" || FoundFingerprint(found) == FingerprintOf(device));
}

// Whether it gives its device all that `body` would; an empty field is as good as none, and the service may add more.
bool GivesAs(const json& found, const json& body) {
  const auto given = [](const json& enrollment, const char* field) {
    json value = enrollment.value(field, json());
    if (value.is_array()) std::sort(value.begin(), value.end());
    return value.empty() ? json() : value;
  };
  return std::all_of(kGiven.begin(), kGiven.end(), [&](const char* field) {
    return !body.contains(field) || given(found, field) == given(body, field);
  });
}

// Whether it came to be when we were about to make one; a note that was kept by an earlier version has no time.
bool WasMadeThen(const EnrollmentNote& note, const json& found) {
  if (note.written == absl::InfinitePast()) return true;
  const std::string text = TextAt(found, "createdDateTimeUtc");
  Time created;
  return (absl::ParseTime(absl::RFC3339_full, text, &created, nullptr) ||
          absl::ParseTime(absl::RFC3339_full, text + "Z", &created, nullptr)) &&
         created >= note.written - kSkew && created <= note.written + kUnderWay;
}

// Whether it is what we were about to make when we were cut off, and nothing that somebody had made before.
bool WasMadeByUs(const EnrollmentNote& note, const json& found) {
  if (!note.created || !WasMadeThen(note, found)) return false;
  if (!note.status.empty() && StatusIn(found) != note.status) return false;
  if (TypeOf(found) == "x509") return !note.fingerprint.empty() && FoundFingerprint(found) == note.fingerprint;
  return TypeOf(found) == "symmetricKey" && StatusIn(found) == kDisabled;
}

// Settles whose it is. What stands there without a note of ours from before is somebody else's, whatever it looks like.
void Settle(const std::optional<json>& found, EnrollmentNote& note) {
  if (!found.has_value()) {
    note.created = true;
  } else if (!note.sure) {
    note.created = WasMadeByUs(note, *found);
    note.theirs = note.created ? "" : StatusIn(*found);
  }
  note.sure = found.has_value();
}

bool IsBlocked(const std::optional<EnrollmentNote>& note) { return note.has_value() && note->state == State::kBlocked; }

// Whether a group names one of these certificates, be it by the name under which we upload it.
bool NamesOneOf(const json& group, const std::vector<Bytes>& certificates) {
  for (const char* slot : kSlots) {
    const std::string sha256 =
        TextIn(group, fmt::format("/attestation/x509/signingCertificates/{}/info/sha256Thumbprint", slot));
    const std::string name = TextIn(group, fmt::format("/attestation/x509/caReferences/{}", slot));
    for (const Bytes& one : certificates) {
      const std::string ending = "-" + ThumbprintOf(one).substr(0, kSuffix);
      if (absl::EqualsIgnoreCase(sha256, hallmark::FingerprintOf(one)) || absl::EndsWithIgnoreCase(name, ending)) {
        return true;
      }
    }
  }
  return false;
}

// Whether the description has the group for an authority, or for one whose successor it is.
bool IsDescribedFor(const DpsDescription& description, const std::vector<AuthorityRecord>& authorities,
                    const std::string& authority, const json& group) {
  std::string under = authority;
  for (size_t steps = 0; steps <= authorities.size() && !under.empty(); ++steps) {
    for (const DescribedGroup& one : description.groups) {
      if (one.authority == under && absl::EqualsIgnoreCase(one.group, TextAt(group, "enrollmentGroupId"))) return true;
    }
    const AuthorityRecord* record = FindRecord(authorities, under);
    under = record == nullptr ? "" : record->predecessor;
  }
  return false;
}

std::vector<Bytes> CertificatesOf(const AuthorityRecord& record) {
  std::vector<Bytes> all = record.earlier_certificates;
  if (!record.certificate.empty()) all.push_back(record.certificate);
  return all;
}

Status NotTried() {
  return Error(Code::kAborted, reason::kTargetNotTried, "another device's failure ended the attempt before");
}

// The failure of one of a bulk: its code is an HTTP status times 1000, and more.
Status FailureOf(const BulkFailure& failure) {
  const std::string message = fmt::format("adding the enrollment of {}: the service answered {}: {}",
                                          failure.registration_id, Clean(failure.code), Clean(failure.message));
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
              {"theirs", note.theirs},
              {"status", note.status},
              {"written", note.written == absl::InfinitePast() ? json() : json(absl::ToUnixSeconds(note.written))}}
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
                      .theirs = TextAt(read, "theirs"),
                      .status = TextAt(read, "status")};
  note.created = read.contains("created") && read["created"] == true;
  note.sure = read.contains("sure") && read["sure"] == true;
  if (read.contains("written") && read["written"].is_number_integer()) {
    note.written = absl::FromUnixSeconds(read["written"].get<int64_t>());
  }
  return note;
}

std::string DifferenceOf(const json& enrollment, const EnrollmentNote& note) {
  const std::string status = StatusIn(enrollment);
  const bool pinned = note.state == State::kPinned;
  if (pinned && (TypeOf(enrollment) != "x509" || FoundFingerprint(enrollment) != note.fingerprint)) {
    return "was given another attestation, or other certificates than the good ones, by somebody else";
  }
  if (status == (pinned && note.status != "disabled" ? "enabled" : "disabled")) return "";
  return status == "disabled" ? "was disabled by somebody else: its device is kept out"
                              : "was enabled by somebody else: its device is let in";
}

const json* GroupOf(const std::vector<json>& groups, const DpsDescription& description,
                    const std::vector<AuthorityRecord>& authorities, const std::string& authority) {
  const auto find = [&groups](const auto& matches) -> const json* {
    const auto found = std::find_if(groups.begin(), groups.end(), matches);
    return found == groups.end() ? nullptr : &*found;
  };
  const auto by_certificates = [&find](const std::vector<Bytes>& certificates) {
    return find([&certificates](const json& group) { return NamesOneOf(group, certificates); });
  };
  std::string at = authority;
  for (size_t steps = 0; steps <= authorities.size(); ++steps) {
    const AuthorityRecord* record = FindRecord(authorities, at);
    if (record == nullptr) return nullptr;
    if (const json* group = by_certificates(CertificatesOf(*record)); group != nullptr) return group;
    const auto is_described = [&](const json& one) { return IsDescribedFor(description, authorities, at, one); };
    if (const json* group = find(is_described); group != nullptr) return group;
    if (record->parent == at) return nullptr;
    if (record->parent.empty()) {
      for (const Bytes& above : record->external_chain) {
        if (const json* group = by_certificates({above}); group != nullptr) return group;
      }
      return nullptr;
    }
    at = record->parent;
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
  json enrollment = {{"registrationId", device.registration_id}, {"provisioningStatus", kDisabled}};
  enrollment["attestation"] =
      description_.with_leaf ? AttestationOf(device) : json{{"type", "symmetricKey"}, {"symmetricKey", json::object()}};
  return enrollment;
}

StatusOr<json> DpsDevices::PinningEnrollment(const DeviceAdmission& device, Time deadline) const {
  ASSIGN_OR_RETURN(const std::vector<AuthorityRecord> authorities, store_.ListAuthorities());
  ASSIGN_OR_RETURN(const std::vector<json> groups, service_.ListGroups(deadline));
  const json* group = GroupOf(groups, description_, authorities, device.authority);
  const bool enabled = group != nullptr && StatusIn(*group) == kEnabled;
  json enrollment = {{"registrationId", device.registration_id},
                     {"provisioningStatus", enabled ? kEnabled : kDisabled},
                     {"attestation", AttestationOf(device)}};
  if (group == nullptr) return enrollment;
  for (const char* field : kGiven) {
    if (group->contains(field) && !(*group)[field].is_null()) enrollment[field] = (*group)[field];
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
    const bool blocked = devices[i].kind == DeviceAdmission::Kind::kBlocked;
    if (blocked && !IsBlocked(notes[i])) {
      if (Status reopened = hubs_.Reopen(devices[i]); !reopened.ok()) {
        outcomes[i] = std::move(reopened);
        continue;
      }
    }
    (blocked && !devices[i].alone && !notes[i].has_value() ? at_once : alone).push_back(i);
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
    before.push_back(RecordOf(
        devices[i],
        {.fingerprint = FingerprintOf(devices[i]), .created = true, .status = kDisabled, .written = clock_.Now()}));
  }
  StatusOr<std::vector<BulkFailure>> failures = std::vector<BulkFailure>();
  if (Status status = store_.PutPublished(before, clock_.Now()); !status.ok()) {
    failures = std::move(status);
  } else {
    failures = service_.CreateEnrollments(bodies, deadline);
  }
  std::vector<PublishedRecord> blocked;
  std::vector<PublishedRecord> undone;
  std::vector<std::string> names;
  for (size_t k = 0; k < chosen.size(); ++k) {
    const size_t i = chosen[k];
    outcomes[i] = failures.status();
    if (failures.ok()) {
      for (const BulkFailure& failure : *failures) {
        if (absl::EqualsIgnoreCase(failure.registration_id, devices[i].registration_id))
          outcomes[i] = FailureOf(failure);
      }
    }
    // Otherwise it may be there: by this very call, too, of which the transport may have lost an answer. Whose it is
    // says the note.
    if (IsUndone(outcomes[i])) undone.push_back(before[k]);
    if (!outcomes[i].ok()) continue;
    blocked.push_back(RecordOf(devices[i], {.state = State::kBlocked,
                                            .fingerprint = FingerprintOf(devices[i]),
                                            .created = true,
                                            .sure = true,
                                            .status = kDisabled}));
    names.push_back(devices[i].registration_id);
  }
  const Time now = clock_.Now();
  if (!undone.empty()) store_.RemovePublished(undone, now).IgnoreError();
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
      const bool again = IsBlocked(note);
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
  ASSIGN_OR_RETURN(const std::optional<json> found, service_.FindEnrollment(device.registration_id, deadline));
  Settle(found, note);
  note.fingerprint = FingerprintOf(device);
  note.status = kDisabled;
  if (!found.has_value() || StatusIn(*found) != kDisabled) {
    note.state = State::kUncertain;
    note.written = clock_.Now();
    RETURN_IF_ERROR(Remember(device, note, ""));
    json changed = found.has_value() ? WithoutServerFields(*found) : BlockingEnrollment(device);
    changed["provisioningStatus"] = kDisabled;
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
  Settle(found, note);
  // Somebody else's lets in or keeps out as he said, whatever the groups do.
  if (!note.created) pinning["provisioningStatus"] = note.theirs == kEnabled ? kEnabled : kDisabled;
  note.fingerprint = FingerprintOf(device);
  note.status = StatusIn(pinning);
  if (!found.has_value() || !AdmitsAs(*found, pinning, device) || (note.created && !GivesAs(*found, pinning))) {
    note.state = State::kUncertain;
    note.written = clock_.Now();
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
  const bool ours = note.created && found.has_value() && (note.sure || WasMadeByUs(note, *found));
  if (ours) {
    RETURN_IF_ERROR(service_.DeleteEnrollment(device.registration_id, TextAt(*found, "etag"), deadline));
  } else if (found.has_value() && !note.created && note.theirs == kEnabled && StatusIn(*found) == kDisabled) {
    json changed = WithoutServerFields(*found);
    changed["provisioningStatus"] = kEnabled;
    RETURN_IF_ERROR(service_.PutEnrollment(changed, TextAt(*found, "etag"), deadline).status());
  }
  return Forget(device, DevicesEntry("device_unblocked", target_, {device.registration_id}, clock_.Now()));
}

}  // namespace hallmark
