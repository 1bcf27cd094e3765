#include "publish/hub_identities.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

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

constexpr Duration kRest = absl::Seconds(30);  // of a hub that is away, unless it asks for another

Status HubFailed(const Status& status) { return Error(Code::kAborted, reason::kTargetHubFailed, Message(status)); }

bool IsAway(const Status& status) { return ConcernsTarget(status) && Reason(status) != reason::kTargetBudgetSpent; }

// Whether there is nothing left to do, as long as the service keeps the device out.
bool IsSettled(const std::optional<HubNote>& note) {
  return note.has_value() && (note->state == State::kDisabled || note->state == State::kNothing);
}

// Whether we had disabled it, as far as we know.
bool IsOurs(const std::optional<HubNote>& note) {
  return note.has_value() && (note->state == State::kDisabled || note->state == State::kUncertain);
}

// An identity that is known by thumbprints is by those of these certificates, if it was by any other. False: the hub
// may believe others still. Thumbprints for one that it knows by a CA would lock its device out when it is certified
// again.
bool KnowBy(const std::vector<Bytes>& certificates, json& identity) {
  if (!identity.contains("authentication")) return false;
  const std::string type = TextAt(identity["authentication"], "type");
  if (type == "sas" || type == "none") return true;
  if (type != "selfSigned" || !identity["authentication"].contains("x509Thumbprint")) return false;
  json& thumbprints = identity["authentication"]["x509Thumbprint"];
  if (!thumbprints.is_object()) return false;
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
  if (good) return true;
  for (size_t i = 0; i < kThumbprints.size(); ++i) {
    thumbprints[kThumbprints[i]] = i >= certificates.size() ? json(nullptr)
                                   : sha256                 ? json(FingerprintOf(certificates[i]))
                                                            : json(ThumbprintOf(certificates[i]));
  }
  return true;
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
  if (!note.hub.empty() && !note.device.empty()) return std::optional(std::move(note));
  static const std::set<std::string> kNowhere = {"unassigned", "failed", "disabled"};
  const std::string status = TextAt(**registration, "status");
  if (kNowhere.contains(status)) return std::optional<HubNote>();
  return Error(Code::kAborted, reason::kTargetHubFailed,
               fmt::format("the registration of {} is \"{}\" and names no hub yet; it is looked at again, and if it "
                           "stays so, see in the service why",
                           device.registration_id, status));
}

bool HubIdentities::IsDescribed(const HubNote& note) const {
  return std::any_of(description_.hubs.begin(), description_.hubs.end(),
                     [&note](const std::string& one) { return absl::EqualsIgnoreCase(one, note.hub); });
}

Status HubIdentities::Rest(const std::string& hub, const Status& failure) const {
  const bool throttled = Reason(failure) == reason::kTargetThrottled;
  const Duration rest = throttled ? RetryDelay(failure).value_or(kRest) : kRest;
  Status failed = HubFailed(failure);
  const std::lock_guard lock(mutex_);
  away_[hub] = {clock_.Now() + rest, failed};
  return throttled ? WithRetry(std::move(failed), rest) : failed;
}

StatusOr<std::optional<json>> HubIdentities::Read(const HubNote& note, Time deadline) const {
  {
    const Time now = clock_.Now();
    const std::lock_guard lock(mutex_);
    const auto away = away_.find(note.hub);
    if (away != away_.end() && now < away->second.until) {
      return WithRetry(away->second.failure, away->second.until - now);
    }
  }
  StatusOr<std::optional<json>> identity = service_.FindHubDevice(note.hub, note.device, deadline);
  if (IsAway(identity.status())) return Rest(note.hub, identity.status());
  return identity;
}

StatusOr<bool> HubIdentities::IsEnabled(const HubNote& note, Time deadline) const {
  ASSIGN_OR_RETURN(const std::optional<json> identity, Read(note, deadline));
  return identity.has_value() && TextAt(*identity, "status") != "disabled";
}

Status HubIdentities::Write(const HubNote& note, const json& identity, Time deadline) const {
  const Status status = service_.PutHubDevice(note.hub, identity, TextAt(identity, "etag"), deadline);
  return IsAway(status) ? Rest(note.hub, status) : status;
}

Status HubIdentities::Reopen(const DeviceAdmission& device) const {
  ASSIGN_OR_RETURN(auto note, NoteOf(device));
  if (!IsSettled(note)) return absl::OkStatus();
  if (note->state == State::kNothing) return Forget(device);
  note->state = State::kUncertain;
  return Remember(device, *note);
}

Status HubIdentities::Disable(const DeviceAdmission& device, bool again, Time deadline) const {
  if (description_.hubs.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto before, NoteOf(device));
  if (again && IsSettled(before)) return absl::OkStatus();
  const bool ours = IsOurs(before);
  ASSIGN_OR_RETURN(std::optional<HubNote> hub, Find(device, deadline));
  if (!hub.has_value() && ours) hub = before;  // the service has forgotten where it was
  if (!hub.has_value()) return Remember(device, {.state = State::kNothing});
  // A hub that we have named before is looked at, no other. Where the device was until it was assigned elsewhere it is
  // no more: the service removes it there.
  const bool described = IsDescribed(*hub);
  const bool noted = ours && absl::EqualsIgnoreCase(hub->hub, before->hub);
  hub->state = State::kLeft;
  if (!described && !noted) return Remember(device, *hub);
  ASSIGN_OR_RETURN(std::optional<json> identity, Read(*hub, deadline));
  const bool disabled = identity.has_value() && TextAt(*identity, "status") == "disabled";
  if (!identity.has_value() || (disabled && !noted)) return Remember(device, {.state = State::kNothing});
  if (!disabled) {
    if (!described) return Remember(device, *hub);
    hub->state = State::kUncertain;
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
  hub->state = State::kNothing;
  if (identity.has_value()) {
    json changed = *identity;
    if (disabled) Enable(changed);
    if (!KnowBy(device.certificates, changed)) hub->state = State::kLeft;
    if (changed != *identity) RETURN_IF_ERROR(Write(*hub, changed, deadline));
  }
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
