// The difference between what a provisioning service should have of us and what it has, as steps in an order in which
// devices are never locked out: certificates first, then their proofs, then the groups that refer to them, those that
// keep devices out before those that let some in, and at last what nothing refers to any more. Pure: looks at nothing
// but its arguments.
//
// Of an enrollment group only what is ours is touched: its attestation, its provisioningStatus, and what the
// description says of it. Everything else goes back as it came.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "publish/dps_service.h"
#include "publish/wanted_chain.h"

namespace hallmark {

struct FoundChain {
  std::vector<FoundCertificate> certificates;
  std::vector<nlohmann::json> groups;
};

// What we wrote last, by its id there.
struct WrittenChain {
  std::set<std::string> certificates;            // names of certificates that we uploaded
  std::map<std::string, nlohmann::json> groups;  // our fields, as OwnFieldsOf has them
};

struct PlannedStep {
  enum class Kind { kUpload, kProve, kClaim, kBind, kRemove };
  Kind kind = Kind::kUpload;
  std::string id;                      // of the certificate or the group
  std::vector<std::string> details;    // for people
  bool denies = false;                 // it keeps devices out, and changes nothing else
  WantedCertificate certificate = {};  // of kUpload, kProve, kClaim
  FoundCertificate found = {};         // of kProve, kClaim, kRemove; of kUpload empty
  nlohmann::json group = nullptr;      // of kBind: what to send
  std::string etag = "";               // of kBind: empty for a new one
  nlohmann::json own = nullptr;        // of kBind: our fields in it
};

struct ChainPlan {
  std::vector<PlannedStep> steps;
  std::vector<std::string> conflicts;  // for people: what others set otherwise, and stays
  std::vector<std::string> obstacles;  // for people: while there is one, no step is done
  std::vector<std::string> warnings;
  std::map<std::string, nlohmann::json> settled = {};         // our fields of groups that are as they should be
  std::map<std::string, std::vector<std::string>> left = {};  // the conflicts, by the group's id
  std::set<std::string> verified = {};  // names of certificates that are to be proven, and are verified
  size_t certificates = 0;              // in the service, once it is done
  size_t groups = 0;
  size_t most_certificates = 0;  // that it takes; 0: it has no such limit
  size_t most_groups = 0;
};

// `take_over`: also what others have set otherwise.
ChainPlan PlanChain(const WantedChain& wanted, const FoundChain& found, const WrittenChain& written, bool take_over);

// Only what has to be done at once to keep devices of revoked authorities out: groups disabled, certificates taken out
// of groups that have another, and groups made that are disabled.
ChainPlan PlanDenials(const WantedChain& wanted, const FoundChain& found, const WrittenChain& written);

// `written`, as if all that we wrote still stood there as it does now: what others have changed of it since is no
// conflict then, and planned.
WrittenChain AsFound(const WrittenChain& written, const FoundChain& found);

// Of a group as the service has it, the fields that `described` (as OwnFieldsOf gives them) has, to be compared.
nlohmann::json OwnFieldsOf(const nlohmann::json& group, const nlohmann::json& described);

// The name under which an authority's certificate is uploaded.
std::string CertificateNameOf(const WantedCertificate& certificate);
// The id of the group that keeps a revoked authority's devices out.
std::string DenyingGroupOf(const WantedCertificate& certificate);

}  // namespace hallmark
