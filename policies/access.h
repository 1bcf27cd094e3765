// Who may call what. A caller is who its certificate says; its rights come from roles.yaml and from nowhere else; what
// is not granted is refused.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "policies/caller.h"
#include "policies/rate.h"

namespace hallmark {

// What a call touches. An empty authority or profile stands for all of them, and only a grant of "*" covers it.
struct Resource {
  std::string authority;
  std::string profile;
  std::string owner;  // URI of the caller who asked for the certificate at hand
  // The authorities that `authority` succeeds: a grant for one of them holds for it, too.
  std::vector<std::string> predecessors = {};
  std::string lot = "";  // of the device at hand; empty: none
};

// The permissions that roles.yaml may grant. The names are those of the file.
namespace permission {
inline constexpr char kIssue[] = "certificates.issue";
inline constexpr char kGetCertificate[] = "certificates.get";
inline constexpr char kListCertificates[] = "certificates.list";
inline constexpr char kRevoke[] = "certificates.revoke";            // and hold
inline constexpr char kRevokeByKey[] = "certificates.revokeByKey";  // bring the word of whoever has the key
inline constexpr char kRelease[] = "certificates.release";
inline constexpr char kRevokeMany[] = "certificates.revokeMany";  // all that a filter selects, and release
inline constexpr char kGetAuthority[] = "authorities.get";
inline constexpr char kFetchCsr[] = "authorities.csr";
inline constexpr char kCreateAuthority[] = "authorities.create";  // also a successor
inline constexpr char kActivateAuthority[] = "authorities.activate";
inline constexpr char kUpdateAuthority[] = "authorities.update";  // state, keys
inline constexpr char kRevokeAuthority[] = "authorities.revoke";  // for ever, and what is below
inline constexpr char kGetProfile[] = "profiles.get";
inline constexpr char kListProfiles[] = "profiles.list";
inline constexpr char kReplayProfile[] = "profiles.replay";
inline constexpr char kGetCrl[] = "crls.get";
inline constexpr char kGenerateCrl[] = "crls.generate";
inline constexpr char kImportCrl[] = "crls.import";  // of an authority whose key is not here
inline constexpr char kImportLot[] = "lots.import";
inline constexpr char kGetLot[] = "lots.get";
inline constexpr char kListLots[] = "lots.list";
inline constexpr char kCloseLot[] = "lots.close";
inline constexpr char kReconcileLot[] = "lots.reconcile";
inline constexpr char kGetDevice[] = "devices.get";
inline constexpr char kListDevices[] = "devices.list";
inline constexpr char kConfirmDevice[] = "devices.confirm";
inline constexpr char kCreateManufacturer[] = "manufacturers.create";
inline constexpr char kUpdateManufacturer[] = "manufacturers.update";
inline constexpr char kGetManufacturer[] = "manufacturers.get";
inline constexpr char kListManufacturers[] = "manufacturers.list";
inline constexpr char kIssueBundle[] = "bundles.issue";  // carry what stations have signed
inline constexpr char kEnrollStation[] = "stations.enroll";
inline constexpr char kRenewStation[] = "stations.renew";
inline constexpr char kSuspendCaller[] = "callers.suspend";  // and resume
inline constexpr char kListSuspensions[] = "callers.list";
inline constexpr char kGetTarget[] = "targets.get";             // also what would be done, and what a device would meet
inline constexpr char kUpdateTarget[] = "targets.update";       // its description
inline constexpr char kPublishTarget[] = "targets.publish";     // and repair
inline constexpr char kExportBundle[] = "publications.export";  // what a person publishes by hand
}  // namespace permission

// One line of a role: these permissions, on these authorities, profiles and lots, for the caller's own certificates
// only if `own`, and not more often than `rate`. Names are globs, in which * stands for any characters but /; "*" alone
// is any and none.
struct Grant {
  std::vector<std::string> permissions;
  std::vector<std::string> authorities;
  std::vector<std::string> profiles;
  bool own = false;
  std::vector<std::string> lots = {};       // empty: any and none; otherwise a call without a lot is not covered
  std::optional<Rate> rate = std::nullopt;  // of each caller by itself
};

struct Role {
  std::vector<std::string> callers;  // globs of callers' URIs; empty: who has the role in its URI
  std::vector<Grant> grants;
};

// The roles of an instance. Thread-safe; what it counts for rates is all that changes.
class Access {
 public:
  explicit Access(std::map<std::string, Role> roles)
      : roles_(std::move(roles)), rates_(std::make_unique<RateLimits>()) {}

  // OK when a grant of one of the caller's roles covers `permission` on `resource`, which then counts for that grant's
  // rate; a grant without a rate goes first. kResourceExhausted (RATE_LIMITED), with the delay after which to ask
  // again, when all that cover it have been used up. kPermissionDenied (PERMISSION_DENIED) when there is none; the
  // message names what is missing and nothing about what exists.
  Status Check(const Caller& caller, std::string_view permission, const Resource& resource, Time now) const;

  // OK when a grant of one of the caller's roles has `permission` at all, on whatever; for a call that only knows later
  // what it touches, and then asks Check. kPermissionDenied (PERMISSION_DENIED).
  Status CheckAtAll(const Caller& caller, std::string_view permission) const;

  std::vector<std::string> RolesOf(const Caller& caller) const;

  const std::map<std::string, Role>& roles() const { return roles_; }

 private:
  std::map<std::string, Role> roles_;
  std::unique_ptr<RateLimits> rates_;
};

}  // namespace hallmark
