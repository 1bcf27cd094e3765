// Who may call what. A caller is who its certificate says; its rights come from roles.yaml and from nowhere else; what
// is not granted is refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "policies/caller.h"

namespace hallmark {

// What a call touches. An empty authority or profile stands for all of them, and only a grant of "*" covers it.
struct Resource {
  std::string authority;
  std::string profile;
  std::string owner;  // URI of the caller who asked for the certificate at hand
  // The authorities that `authority` succeeds: a grant for one of them holds for it, too.
  std::vector<std::string> predecessors = {};
};

// The permissions that roles.yaml may grant. The names are those of the file.
namespace permission {
inline constexpr char kIssue[] = "certificates.issue";
inline constexpr char kGetCertificate[] = "certificates.get";
inline constexpr char kListCertificates[] = "certificates.list";
inline constexpr char kRevoke[] = "certificates.revoke";
inline constexpr char kGetAuthority[] = "authorities.get";
inline constexpr char kFetchCsr[] = "authorities.csr";
inline constexpr char kCreateAuthority[] = "authorities.create";  // also a successor
inline constexpr char kActivateAuthority[] = "authorities.activate";
inline constexpr char kUpdateAuthority[] = "authorities.update";  // state, keys
inline constexpr char kGetProfile[] = "profiles.get";
inline constexpr char kListProfiles[] = "profiles.list";
inline constexpr char kReplayProfile[] = "profiles.replay";
inline constexpr char kGetCrl[] = "crls.get";
inline constexpr char kGenerateCrl[] = "crls.generate";
}  // namespace permission

// One line of a role: these permissions, on these authorities and profiles ("*" is any), for the caller's own
// certificates only if `own`.
struct Grant {
  std::vector<std::string> permissions;
  std::vector<std::string> authorities;
  std::vector<std::string> profiles;
  bool own = false;
};

// The roles of an instance. Immutable, hence thread-safe.
class Access {
 public:
  explicit Access(std::map<std::string, std::vector<Grant>> roles) : roles_(std::move(roles)) {}

  // OK when a grant of the caller's role covers `permission` on `resource`. kPermissionDenied (PERMISSION_DENIED)
  // otherwise; the message names what is missing and nothing about what exists.
  Status Check(const Caller& caller, std::string_view permission, const Resource& resource) const;

  const std::map<std::string, std::vector<Grant>>& roles() const { return roles_; }

 private:
  std::map<std::string, std::vector<Grant>> roles_;
};

}  // namespace hallmark
