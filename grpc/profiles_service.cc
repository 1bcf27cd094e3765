#include "base/reason.h"
#include "ca/replay.h"
#include "grpc/services.h"
#include "hallmark/v1/profiles.grpc.pb.h"
#include "policies/load.h"

namespace hallmark {
namespace {

constexpr int kDefaultCount = 1000;
constexpr int kMostCount = 100'000;

StatusOr<std::string> ParseProfileName(const std::string& name) {
  constexpr std::string_view kPrefix = "profiles/";
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  const std::string_view rest = name.starts_with(kPrefix) ? std::string_view(name).substr(kPrefix.size()) : "";
  if (!rest.empty() && rest.find_first_not_of(kAllowed) == rest.npos) return std::string(rest);
  return FieldError(reason::kRequestInvalid, "name", "must be profiles/{profile}, e.g. profiles/device-dps");
}

v1::Profile ToProto(const Profile& profile) {
  v1::Profile message;
  message.set_name("profiles/" + profile.name);
  message.set_description(profile.description);
  message.set_version(profile.version);
  message.set_in_force(true);
  return message;
}

v1::ReplayProfileResponse::Outcome ToProto(Replayed::Outcome outcome) {
  switch (outcome) {
    case Replayed::Outcome::kIssued: return v1::ReplayProfileResponse::ISSUED;
    case Replayed::Outcome::kRefused: return v1::ReplayProfileResponse::REFUSED;
    case Replayed::Outcome::kNotReplayed: return v1::ReplayProfileResponse::NOT_REPLAYED;
  }
  return v1::ReplayProfileResponse::OUTCOME_UNSPECIFIED;
}

v1::ReplayProfileResponse ToProto(const Replayed& replayed) {
  v1::ReplayProfileResponse message;
  message.set_certificate(ToProto(replayed.record).name());
  message.set_subject(replayed.record.subject);
  message.set_before(v1::ReplayProfileResponse::ISSUED);
  message.set_after(ToProto(replayed.outcome));
  message.set_problem(replayed.problem);
  for (const Difference& difference : replayed.differences) {
    auto* added = message.add_differences();
    added->set_field(difference.field);
    added->set_before(difference.before);
    added->set_after(difference.after);
  }
  return message;
}

class ProfilesService final : public v1::Profiles::Service {
 public:
  explicit ProfilesService(const Calls& calls) : calls_(calls) {}

  grpc::Status ListProfiles(grpc::ServerContext* context, const v1::ListProfilesRequest*,
                            v1::ListProfilesResponse* response) override {
    return calls_.Run(
        "ListProfiles", *context, response, [&](const Caller& caller) -> StatusOr<v1::ListProfilesResponse> {
          const PolicyPointer policies = parts().policies.Current();
          RETURN_IF_ERROR(policies->access->Check(caller, permission::kListProfiles, {}, parts().clock.Now()));
          v1::ListProfilesResponse profiles;
          for (const auto& [name, profile] : policies->profiles) {
            v1::Profile& added = *profiles.add_profiles();
            added = ToProto(*profile);
            SetLoadTime(name, added);
          }
          return profiles;
        });
  }

  grpc::Status GetProfile(grpc::ServerContext* context, const v1::GetProfileRequest* message,
                          v1::Profile* response) override {
    return calls_.Run("GetProfile", *context, response, [&](const Caller& caller) -> StatusOr<v1::Profile> {
      ASSIGN_OR_RETURN(const std::string name, ParseProfileName(message->name()));
      const PolicyPointer policies = parts().policies.Current();
      RETURN_IF_ERROR(policies->access->Check(caller, permission::kGetProfile, {"", name, ""}, parts().clock.Now()));
      const auto current = policies->profiles.find(name);
      const bool in_force = current != policies->profiles.end() &&
                            (message->version().empty() || message->version() == current->second->version);
      if (in_force) {
        v1::Profile profile = ToProto(*current->second);
        profile.set_text(current->second->text);
        SetLoadTime(name, profile);
        return profile;
      }
      return Earlier(name, message->version());
    });
  }

  grpc::Status ReplayProfile(grpc::ServerContext* context, const v1::ReplayProfileRequest* message,
                             grpc::ServerWriter<v1::ReplayProfileResponse>* responses) override {
    return ToGrpcStatus(calls_.Observe("ReplayProfile", [&]() -> Status {
      ASSIGN_OR_RETURN(const Caller caller, calls_.Identify(*context));
      ASSIGN_OR_RETURN(const std::string name, ParseProfileName(message->name()));
      const int count = message->count() == 0 ? kDefaultCount : message->count();
      if (count < 1 || count > kMostCount)
        return FieldError(reason::kRequestInvalid, "count", "must be 1 to 100000; 0 is 1000");
      // First, so that who may not ask learns nothing of the text.
      RETURN_IF_ERROR(calls_.authority().Authorize(caller, permission::kReplayProfile, {"", name, ""}));
      StatusOr<Profile> changed = ParseProfile(name, name + ".yaml", message->text(), calls_.realm());
      RETURN_IF_ERROR(changed.status());
      return Replay(
          calls_.authority(), std::make_shared<const Profile>(*std::move(changed)), count,
          [&](const Replayed& replayed) { return !context->IsCancelled() && responses->Write(ToProto(replayed)); });
    }));
  }

 private:
  const CertificateAuthority::Parts& parts() const { return calls_.authority().parts(); }

  void SetLoadTime(const std::string& name, v1::Profile& profile) const {
    const StatusOr<PolicyRecord> record = parts().store.GetPolicy(name, profile.version());
    if (record.ok()) *profile.mutable_load_time() = ToTimestamp(record->loaded);
  }

  // A text that was in force once.
  StatusOr<v1::Profile> Earlier(const std::string& name, const std::string& version) const {
    if (version.empty()) {
      return Error(Code::kNotFound, reason::kProfileUnknown,
                   "there is no profile '" + name + "'; list them, or name a version that was in force once");
    }
    ASSIGN_OR_RETURN(const PolicyRecord record, parts().store.GetPolicy(name, version));
    v1::Profile profile;
    // A newer Hallmark may read an old text no more.
    const StatusOr<Profile> parsed = ParseProfile(name, name + ".yaml", record.text, calls_.realm());
    if (parsed.ok()) profile.set_description(parsed->description);
    profile.set_name("profiles/" + name);
    profile.set_version(version);
    profile.set_text(record.text);
    *profile.mutable_load_time() = ToTimestamp(record.loaded);
    return profile;
  }

  const Calls& calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeProfilesService(const Calls& calls) {
  return std::make_unique<ProfilesService>(calls);
}

}  // namespace hallmark
