#include "publish/hub_identities.h"

#include <absl/strings/match.h>

#include <algorithm>

#include "base/reason.h"
#include "publish/dps_answer.h"
#include "publish/json_field.h"
#include "publish/wanted_chain.h"

namespace hallmark {
namespace {

using nlohmann::json;
using State = HubNote::State;

constexpr std::array<const char*, 4> kStates = {"uncertain", "disabled", "left", "nothing"};
constexpr std::array<const char*, 2> kThumbprints = {"primaryThumbprint", "secondaryThumbprint"};
constexpr size_t kSha256Digits = 64;  // of a thumbprint; otherwise it is SHA-1

constexpr Duration kRest = absl::Seconds(30);  // of a hub that is away

Status HubFailed(const Status& status) { return Error(Code::kAborted, reason::kTargetHubFailed, Message(status)); }

bool IsAway(const Status& status) { return ConcernsTarget(status) && Reason(status) != reason::kTargetBudgetSpent; }

// Whether we had disabled it, as far as we know.
bool IsOurs(const std::optional<HubNote>& note) {
  return note.has_value() && (note->state == State::kDisabled || note->state == State::kUncertain);
}

// Of an identity that is known by thumbprints: by those of these certificates, if it is by any other.
void KnowBy(const std::vector<Bytes>& certificates, json& identity) {
  if (!identity.contains("authentication") || TextAt(identity["authentication"], "type") != "selfSigned") return;
  json& thumbprints = identity["authentication"]["x509Thumbprint"];
  if (!thumbprints.is_object()) return;
  const auto is_good = [&](const std::string& one) {
    return std::any_of(certificates.begin(), certificates.end(), [&one](const Bytes& certificate) {
      return absl::EqualsIgnoreCase(one, ThumbprintOf(certificate)) ||
             absl::EqualsIgnoreCase(one, FingerprintOf(certificate));
    });
  };
  bool good = true;
  bool sha256 = false;
  for (const char* slot : kThumbprints) {
    const std::string one = TextAt(thumbprints, slot);
    good = good && (one.empty() || is_good(one));
    sha256 = sha256 || one.size() == kSha256Digits;
  }
  if (good) return;
  for (size_t i = 0; i < kThumbprints.size(); ++i) {
    thumbprints[kThumbprints[i]] = i >= certificates.size() ? json(nullptr)
                                   : sha256                 ? json(FingerprintOf(certificates[i]))
                                                            : json(ThumbprintOf(certificates[i]));
  }
}

void Enable(json& identity) {
  if (TextAt(identity, "status") != "disabled") return;
  identity["status"] = "enabled";
  identity["statusReason"] = "";
}

}  // namespace

std::string ToContent(const HubNote& note) {
  return json{{"hub", note.hub}, {"device", note.device}, {"state", kStates[static_cast<size_t>(note.state)]}}.dump();
}

StatusOr<HubNote> ReadHubNote(const std::string& content) {
  const json read = json::parse(content, nullptr, false);
  if (!read.is_object()) {
    return Error(Code::kDataLoss, reason::kStoreCorrupt, "a note of a hub in the database is no JSON object");
  }
  const std::string state = TextAt(read, "state");
  return HubNote{.hub = TextAt(read, "hub"),
                 .device = TextAt(read, "device"),
                 .state = state == "uncertain" ? State::kUncertain
                          : state == "left"    ? State::kLeft
                          : state == "nothing" ? State::kNothing
                                               : State::kDisabled};
}

StatusOr<std::optional<HubNote>> HubIdentities::NoteOf(const DeviceAdmission& device) const {
  ASSIGN_OR_RETURN(const auto record, store_.FindPublished(target_, PublishedKind::kHubDevice, device.registration_id));
  if (!record.has_value()) return std::optional<HubNote>();
  ASSIGN_OR_RETURN(HubNote note, ReadHubNote(record->content));
  return std::optional(std::move(note));
}

Status HubIdentities::Remember(const DeviceAdmission& device, const HubNote& note) const {
  return store_.PutPublished({{.target = target_,
                               .kind = PublishedKind::kHubDevice,
                               .key = device.registration_id,
                               .content = ToContent(note),
                               .collect = std::nullopt}},
                             clock_.Now());
}

Status HubIdentities::Forget(const DeviceAdmission& device) const {
  return store_.RemovePublished({{.target = target_,
                                  .kind = PublishedKind::kHubDevice,
                                  .key = device.registration_id,
                                  .content = "",
                                  .collect = std::nullopt}},
                                clock_.Now());
}

StatusOr<std::optional<HubNote>> HubIdentities::Find(const DeviceAdmission& device, Time deadline) const {
  const StatusOr<std::optional<json>> registration = service_.FindRegistration(device.registration_id, deadline);
  const std::string reason = Reason(registration.status());
  // A permission of its own, or a deadline that a hub has used up: devices can be kept out all the same.
  if (reason == reason::kTargetCredentialRefused || absl::IsDeadlineExceeded(registration.status())) {
    return HubFailed(registration.status());
  }
  RETURN_IF_ERROR(registration.status());
  if (!registration->has_value()) return std::optional<HubNote>();
  HubNote note{.hub = TextAt(**registration, "assignedHub"), .device = TextAt(**registration, "deviceId")};
  return note.hub.empty() || note.device.empty() ? std::optional<HubNote>() : std::optional(std::move(note));
}

bool HubIdentities::IsDescribed(const HubNote& note) const {
  return std::any_of(description_.hubs.begin(), description_.hubs.end(),
                     [&note](const std::string& one) { return absl::EqualsIgnoreCase(one, note.hub); });
}

StatusOr<std::optional<json>> HubIdentities::Read(const HubNote& note, Time deadline) const {
  const Time now = clock_.Now();
  {
    const std::lock_guard lock(mutex_);
    const auto away = away_.find(note.hub);
    if (away != away_.end() && now < away->second.until) return away->second.failure;
  }
  StatusOr<std::optional<json>> identity = service_.FindHubDevice(note.hub, note.device, deadline);
  if (!IsAway(identity.status())) return identity;
  const Status failure = HubFailed(identity.status());
  const std::lock_guard lock(mutex_);
  away_[note.hub] = {now + kRest, failure};
  return failure;
}

Status HubIdentities::Write(const HubNote& note, const json& identity, Time deadline) const {
  const Status status = service_.PutHubDevice(note.hub, identity, TextAt(identity, "etag"), deadline);
  return IsAway(status) ? HubFailed(status) : status;
}

Status HubIdentities::Disable(const DeviceAdmission& device, bool again, Time deadline) const {
  if (description_.hubs.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto before, NoteOf(device));
  const bool settled = before.has_value() && (before->state == State::kDisabled || before->state == State::kNothing);
  if (again && settled) return absl::OkStatus();
  // What we have disabled is enabled by us again, wherever the device was assigned to meanwhile.
  const auto note = [&](const HubNote& news) { return IsOurs(before) ? absl::OkStatus() : Remember(device, news); };
  ASSIGN_OR_RETURN(std::optional<HubNote> hub, Find(device, deadline));
  if (IsOurs(before) && before->state == State::kUncertain) hub = before;
  if (!hub.has_value()) return note({.state = State::kNothing});
  if (!IsDescribed(*hub) && !IsOurs(before)) {
    hub->state = State::kLeft;
    return note(*hub);
  }
  ASSIGN_OR_RETURN(std::optional<json> identity, Read(*hub, deadline));
  const bool disabled = identity.has_value() && TextAt(*identity, "status") == "disabled";
  if (!identity.has_value() || (disabled && !IsOurs(before))) return Remember(device, {.state = State::kNothing});
  hub->state = State::kUncertain;
  if (!disabled) {
    RETURN_IF_ERROR(Remember(device, *hub));
    (*identity)["status"] = "disabled";
    (*identity)["statusReason"] = "its certificate is revoked";
    RETURN_IF_ERROR(Write(*hub, *identity, deadline));
  }
  hub->state = State::kDisabled;
  return Remember(device, *hub);
}

Status HubIdentities::Pin(const DeviceAdmission& device, Time deadline) const {
  ASSIGN_OR_RETURN(const auto before, NoteOf(device));
  const bool disabled = IsOurs(before);
  if (description_.hubs.empty() && !disabled) return absl::OkStatus();
  std::optional<HubNote> hub = before;
  if (!disabled) {
    ASSIGN_OR_RETURN(hub, Find(device, deadline));
    if (!hub.has_value()) return Remember(device, {.state = State::kNothing});
    if (!IsDescribed(*hub)) {
      hub->state = State::kLeft;
      return Remember(device, *hub);
    }
  }
  ASSIGN_OR_RETURN(const std::optional<json> identity, Read(*hub, deadline));
  if (identity.has_value()) {
    json changed = *identity;
    if (disabled) Enable(changed);
    KnowBy(device.certificates, changed);
    if (changed != *identity) RETURN_IF_ERROR(Write(*hub, changed, deadline));
  }
  hub->state = State::kNothing;
  return Remember(device, *hub);
}

Status HubIdentities::Release(const DeviceAdmission& device, Time deadline) const {
  ASSIGN_OR_RETURN(const auto before, NoteOf(device));
  if (!before.has_value()) return absl::OkStatus();
  if (!IsOurs(before)) return Forget(device);
  if (!device.live) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::optional<json> identity, Read(*before, deadline));
  if (identity.has_value() && TextAt(*identity, "status") == "disabled") {
    Enable(*identity);
    RETURN_IF_ERROR(Write(*before, *identity, deadline));
  }
  return Forget(device);
}

}  // namespace hallmark
