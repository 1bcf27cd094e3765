// One Azure IoT Hub Device Provisioning Service as its REST interfaces have it: CA certificates in the control plane
// (api-version 2017-11-15 and later), enrollment groups, enrollments and registrations in the data plane (2021-10-01),
// and the identities of the IoT hubs that it assigns to.
//
// Each method is one call, or as many as there are pages; none waits or is repeated by itself.
// Errors: CheckAnswer's, Credential's, and kUnavailable (TARGET_BUDGET_SPENT) with the delay after which
// an operation may be sent again. An ETag goes back as it came. Thread-safe.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "publish/credential.h"
#include "publish/description.h"
#include "publish/operation_budget.h"

namespace hallmark {

struct FoundCertificate {
  std::string name;
  std::string thumbprint;  // SHA-1, upper-case hexadecimal
  bool verified = false;
  std::string etag;
};

struct VerificationCode {
  std::string code;
  std::string etag;  // that it is bound to
};

// What of a bulk operation failed; the others are done.
struct BulkFailure {
  std::string registration_id;
  std::string code;
  std::string message;
};

// An enrollment or a group without the fields that the service writes itself, and takes from nobody.
nlohmann::json WithoutServerFields(nlohmann::json object);

class DpsService {
 public:
  // All of these outlive it.
  struct Parts {
    Credential& credential;
    const AzureConfig& azure;
    OperationBudget& budget;
    const Clock& clock;
  };
  static constexpr size_t kBulkLimit = 10;
  static constexpr size_t kMostCertificates = 25;
  static constexpr size_t kMostGroups = 100;

  DpsService(Parts parts, const DpsDescription& description) : parts_(parts), description_(description) {}

  StatusOr<std::vector<FoundCertificate>> ListCertificates(Time deadline) const;
  StatusOr<FoundCertificate> GetCertificate(const std::string& name, Time deadline) const;
  // `etag`: of what is replaced; empty: there is none of that name. `verified`: without proof.
  StatusOr<FoundCertificate> PutCertificate(const std::string& name, ByteView certificate, bool verified,
                                            const std::string& etag, Time deadline) const;
  StatusOr<VerificationCode> GenerateVerificationCode(const FoundCertificate& certificate, Time deadline) const;
  StatusOr<FoundCertificate> Verify(const std::string& name, const std::string& etag, ByteView proof,
                                    Time deadline) const;
  Status DeleteCertificate(const FoundCertificate& certificate, Time deadline) const;

  StatusOr<std::vector<nlohmann::json>> ListGroups(Time deadline) const;
  // `etag`: empty: there is none of that id.
  StatusOr<nlohmann::json> PutGroup(const nlohmann::json& group, const std::string& etag, Time deadline) const;

  StatusOr<std::optional<nlohmann::json>> FindEnrollment(const std::string& registration_id, Time deadline) const;
  StatusOr<nlohmann::json> PutEnrollment(const nlohmann::json& enrollment, const std::string& etag,
                                         Time deadline) const;
  Status DeleteEnrollment(const std::string& registration_id, const std::string& etag, Time deadline) const;
  // "create" of at most kBulkLimit.
  StatusOr<std::vector<BulkFailure>> CreateEnrollments(const std::vector<nlohmann::json>& enrollments,
                                                       Time deadline) const;
  // One page from `continuation` on, which is set to the next one's, empty at the end.
  StatusOr<std::vector<nlohmann::json>> QueryEnrollments(std::string& continuation, Time deadline) const;

  StatusOr<std::optional<nlohmann::json>> FindRegistration(const std::string& registration_id, Time deadline) const;

  StatusOr<std::optional<nlohmann::json>> FindHubDevice(const std::string& hub, const std::string& device,
                                                        Time deadline) const;
  Status PutHubDevice(const std::string& hub, const nlohmann::json& device, const std::string& etag,
                      Time deadline) const;

 private:
  struct Call {
    Audience audience;
    std::string host_url;  // without a path
    const char* method;
    std::string path;
    std::string version;
    std::string what;  // for errors
    std::string body = "";
    std::string if_match = "";
    std::vector<std::pair<std::string, std::string>> headers = {};
  };
  StatusOr<WebResponse> Send(const Call& call, Time deadline) const;
  StatusOr<nlohmann::json> SendForJson(const Call& call, Time deadline) const;
  StatusOr<std::optional<nlohmann::json>> Find(const Call& call, Time deadline) const;
  Call Management(const char* method, const std::string& name, std::string what) const;
  Call Service(const char* method, std::string path, std::string what) const;
  Call Hub(const char* method, const std::string& hub, const std::string& device, std::string what) const;
  StatusOr<std::vector<nlohmann::json>> Query(const char* collection, std::string& continuation, Time deadline) const;

  const Parts parts_;
  const DpsDescription description_;
};

}  // namespace hallmark
