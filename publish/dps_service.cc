#include "publish/dps_service.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_replace.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/bytes.h"
#include "base/reason.h"
#include "publish/dps_answer.h"
#include "publish/json_field.h"

namespace hallmark {
namespace {

constexpr char kFlatUntil[] = "2021-10-15";  // the last version with "certificate" at the top
constexpr char kPageSize[] = "100";
constexpr int kMostPages = 100;

std::string Replace(const std::string& text, const std::string& what, const std::string& with) {
  return absl::StrReplaceAll(text, {{what, with}});
}

// Names of Azure's go into paths as they are, so that one with anything else in it is none.
Status CheckSegment(const std::string& name) {
  static const std::regex kPlain("[A-Za-z0-9._:-]{1,256}");
  if (std::regex_match(name, kPlain) && name != "." && name != "..") return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kTargetRefused,
               fmt::format("\"{}\" is no name that the service takes", name));
}

Status Malformed(const std::string& what) {
  return Error(Code::kUnavailable, reason::kTargetUnavailable,
               what + ": the service's answer is not of the form that its contract has");
}

StatusOr<FoundCertificate> ReadFound(const nlohmann::json& json, const std::string& what) {
  if (!json.is_object() || !json.contains("properties") || !json["properties"].is_object()) return Malformed(what);
  const nlohmann::json& properties = json["properties"];
  try {
    return FoundCertificate{.name = json.value("name", ""),
                            .thumbprint = absl::AsciiStrToUpper(properties.value("thumbprint", "")),
                            .verified = properties.value("isVerified", false),
                            .etag = json.value("etag", "")};
  } catch (const nlohmann::json::exception&) {
    return Malformed(what);
  }
}

std::string Encoded(ByteView certificate) { return Base64(AsBytes(PemEncode("CERTIFICATE", certificate))); }

}  // namespace

nlohmann::json WithoutServerFields(nlohmann::json object) {
  for (const char* field : {"etag", "createdDateTimeUtc", "lastUpdatedDateTimeUtc", "registrationState"}) {
    object.erase(field);
  }
  return object;
}

DpsService::Call DpsService::Management(const char* method, const std::string& name, std::string what) const {
  const std::string slash = name.empty() ? "" : "/";
  return {
      .audience = Audience::kManagement,
      .host_url = parts_.azure.management,
      .method = method,
      .path = fmt::format("/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Devices/provisioningServices/{}/"
                          "certificates{}{}",
                          description_.subscription, description_.resource_group, description_.service, slash, name),
      .version = description_.management_version,
      .what = std::move(what)};
}

DpsService::Call DpsService::Service(const char* method, std::string path, std::string what) const {
  return {.audience = Audience::kService,
          .host_url = Replace(parts_.azure.service, "{service}", description_.service),
          .method = method,
          .path = std::move(path),
          .version = description_.service_version,
          .what = std::move(what)};
}

DpsService::Call DpsService::Hub(const char* method, const std::string& hub, const std::string& device,
                                 std::string what) const {
  return {.audience = Audience::kHub,
          .host_url = Replace(parts_.azure.hub, "{hub}", hub),
          .method = method,
          .path = "/devices/" + device,
          .version = description_.hub_version,
          .what = std::move(what)};
}

StatusOr<WebResponse> DpsService::Send(const Call& call, Time deadline) const {
  const Duration wait = parts_.budget.Take(parts_.clock.Now());
  if (wait > absl::ZeroDuration()) {
    return WithRetry(Error(Code::kUnavailable, reason::kTargetBudgetSpent,
                           fmt::format("{}: {} operations a minute are what the target's description allows", call.what,
                                       description_.operations)),
                     wait);
  }
  WebRequest request;
  request.method = call.method;
  request.url = fmt::format("{}{}?api-version={}", call.host_url, call.path, call.version);
  request.headers = call.headers;
  request.body = call.body;
  if (!call.body.empty()) request.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  if (!call.if_match.empty()) request.headers.emplace_back("If-Match", call.if_match);
  StatusOr<WebResponse> response = parts_.credential.Send(call.audience, std::move(request), deadline);
  if (!response.ok()) return Annotate(response.status(), call.what);
  RETURN_IF_ERROR(CheckAnswer(*response, call.what, parts_.clock.Now()));
  return response;
}

StatusOr<nlohmann::json> DpsService::SendForJson(const Call& call, Time deadline) const {
  ASSIGN_OR_RETURN(const WebResponse response, Send(call, deadline));
  nlohmann::json json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_discarded()) return Malformed(call.what);
  return json;
}

StatusOr<std::optional<nlohmann::json>> DpsService::Find(const Call& call, Time deadline) const {
  StatusOr<nlohmann::json> found = SendForJson(call, deadline);
  if (absl::IsNotFound(found.status())) return std::optional<nlohmann::json>();
  RETURN_IF_ERROR(found.status());
  if (!found->is_object()) return Malformed(call.what);
  return std::optional(*std::move(found));
}

StatusOr<std::vector<FoundCertificate>> DpsService::ListCertificates(Time deadline) const {
  const Call call = Management("GET", "", "listing the CA certificates");
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  if (!json.is_object() || !json.contains("value") || !json["value"].is_array()) return Malformed(call.what);
  std::vector<FoundCertificate> certificates;
  for (const nlohmann::json& one : json["value"]) {
    ASSIGN_OR_RETURN(FoundCertificate found, ReadFound(one, call.what));
    certificates.push_back(std::move(found));
  }
  return certificates;
}

StatusOr<FoundCertificate> DpsService::GetCertificate(const std::string& name, Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(name));
  const Call call = Management("GET", name, "looking at the CA certificate " + name);
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  return ReadFound(json, call.what);
}

StatusOr<FoundCertificate> DpsService::PutCertificate(const std::string& name, ByteView certificate, bool verified,
                                                      const std::string& etag, Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(name));
  Call call = Management("PUT", name, "uploading the CA certificate " + name);
  nlohmann::json properties = {{"certificate", Encoded(certificate)}};
  if (description_.management_version.substr(0, sizeof kFlatUntil - 1) <= kFlatUntil) {
    call.body = properties.dump();
  } else {
    if (verified) properties["isVerified"] = true;
    call.body = nlohmann::json{{"properties", std::move(properties)}}.dump();
  }
  call.if_match = etag;
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  return ReadFound(json, call.what);
}

StatusOr<VerificationCode> DpsService::GenerateVerificationCode(const FoundCertificate& certificate,
                                                                Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(certificate.name));
  Call call = Management("POST", certificate.name + "/generateVerificationCode",
                         "asking for a verification code for " + certificate.name);
  call.if_match = certificate.etag;
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  ASSIGN_OR_RETURN(const FoundCertificate found, ReadFound(json, call.what));
  const nlohmann::json& code = json["properties"].value("verificationCode", nlohmann::json());
  static const std::regex kCode("[0-9A-Fa-f]{32,64}");
  if (!code.is_string() || !std::regex_match(code.get<std::string>(), kCode)) return Malformed(call.what);
  return VerificationCode{code.get<std::string>(), found.etag};
}

StatusOr<FoundCertificate> DpsService::Verify(const std::string& name, const std::string& etag, ByteView proof,
                                              Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(name));
  Call call = Management("POST", name + "/verify", "proving possession of the key of " + name);
  call.if_match = etag;
  call.body = nlohmann::json{{"certificate", Encoded(proof)}}.dump();
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  return ReadFound(json, call.what);
}

Status DpsService::DeleteCertificate(const FoundCertificate& certificate, Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(certificate.name));
  Call call = Management("DELETE", certificate.name, "removing the CA certificate " + certificate.name);
  call.if_match = certificate.etag;
  const Status removed = Send(call, deadline).status();
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

StatusOr<std::vector<nlohmann::json>> DpsService::Query(const char* collection, std::string& continuation,
                                                        Time deadline) const {
  Call call = Service("POST", fmt::format("/{}/query", collection), fmt::format("listing the {}", collection));
  call.body = R"({"query":"SELECT *"})";
  call.headers.emplace_back("x-ms-max-item-count", kPageSize);
  if (!continuation.empty()) call.headers.emplace_back("x-ms-continuation", continuation);
  ASSIGN_OR_RETURN(const WebResponse response, Send(call, deadline));
  const nlohmann::json json = nlohmann::json::parse(response.body, nullptr, false);
  if (!json.is_array()) return Malformed(call.what);
  const auto next = response.headers.find("x-ms-continuation");
  continuation = next == response.headers.end() ? "" : next->second;
  std::vector<nlohmann::json> items;
  for (const nlohmann::json& item : json) {
    if (!item.is_object()) return Malformed(call.what);
    items.push_back(item);
  }
  return items;
}

StatusOr<std::vector<nlohmann::json>> DpsService::ListGroups(Time deadline) const {
  std::vector<nlohmann::json> groups;
  std::string continuation;
  for (int page = 0; page < kMostPages; ++page) {
    ASSIGN_OR_RETURN(std::vector<nlohmann::json> some, Query("enrollmentGroups", continuation, deadline));
    groups.insert(groups.end(), some.begin(), some.end());
    if (continuation.empty()) return groups;
  }
  return Malformed("listing the enrollment groups");
}

StatusOr<nlohmann::json> DpsService::PutGroup(const nlohmann::json& group, const std::string& etag,
                                              Time deadline) const {
  const std::string id = TextAt(group, "enrollmentGroupId");
  RETURN_IF_ERROR(CheckSegment(id));
  Call call = Service("PUT", "/enrollmentGroups/" + id, "setting the enrollment group " + id);
  call.body = group.dump();
  call.if_match = etag;
  return SendForJson(call, deadline);
}

StatusOr<std::optional<nlohmann::json>> DpsService::FindEnrollment(const std::string& registration_id,
                                                                   Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(registration_id));
  return Find(Service("GET", "/enrollments/" + registration_id, "looking for the enrollment of " + registration_id),
              deadline);
}

StatusOr<nlohmann::json> DpsService::PutEnrollment(const nlohmann::json& enrollment, const std::string& etag,
                                                   Time deadline) const {
  const std::string id = TextAt(enrollment, "registrationId");
  RETURN_IF_ERROR(CheckSegment(id));
  Call call = Service("PUT", "/enrollments/" + id, "setting the enrollment of " + id);
  call.body = enrollment.dump();
  call.if_match = etag;
  return SendForJson(call, deadline);
}

Status DpsService::DeleteEnrollment(const std::string& registration_id, const std::string& etag, Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(registration_id));
  Call call = Service("DELETE", "/enrollments/" + registration_id, "removing the enrollment of " + registration_id);
  call.if_match = etag;
  const Status removed = Send(call, deadline).status();
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

StatusOr<std::vector<BulkFailure>> DpsService::CreateEnrollments(const std::vector<nlohmann::json>& enrollments,
                                                                 Time deadline) const {
  Call call = Service("POST", "/enrollments", fmt::format("adding {} enrollments", enrollments.size()));
  call.body = nlohmann::json{{"mode", "create"}, {"enrollments", enrollments}}.dump();
  ASSIGN_OR_RETURN(const nlohmann::json json, SendForJson(call, deadline));
  if (!json.is_object()) return Malformed(call.what);
  const auto successful = json.find("isSuccessful");
  const auto errors = json.find("errors");
  if (successful == json.end() || !successful->is_boolean()) return Malformed(call.what);
  std::vector<BulkFailure> failures;
  if (errors != json.end() && errors->is_array()) {
    for (const nlohmann::json& one : *errors) {
      const nlohmann::json code = one.is_object() && one.contains("errorCode") ? one["errorCode"] : nlohmann::json();
      failures.push_back({.registration_id = TextAt(one, "registrationId"),
                          .code = code.is_string() ? code.get<std::string>() : code.dump(),
                          .message = TextAt(one, "errorStatus")});
    }
  }
  // What failed must be one of ours, or nobody knows which are done.
  const auto is_ours = [&enrollments](const BulkFailure& failure) {
    return std::any_of(enrollments.begin(), enrollments.end(), [&failure](const nlohmann::json& one) {
      return absl::EqualsIgnoreCase(TextAt(one, "registrationId"), failure.registration_id);
    });
  };
  if (failures.empty() != successful->get<bool>() || !std::all_of(failures.begin(), failures.end(), is_ours)) {
    return Malformed(call.what);
  }
  return failures;
}

StatusOr<std::vector<nlohmann::json>> DpsService::QueryEnrollments(std::string& continuation, Time deadline) const {
  return Query("enrollments", continuation, deadline);
}

StatusOr<std::optional<nlohmann::json>> DpsService::FindRegistration(const std::string& registration_id,
                                                                     Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(registration_id));
  return Find(Service("GET", "/registrations/" + registration_id, "looking for the registration of " + registration_id),
              deadline);
}

StatusOr<std::optional<nlohmann::json>> DpsService::FindHubDevice(const std::string& hub, const std::string& device,
                                                                  Time deadline) const {
  RETURN_IF_ERROR(CheckSegment(hub));
  RETURN_IF_ERROR(CheckSegment(device));
  return Find(Hub("GET", hub, device, fmt::format("looking for {} in {}", device, hub)), deadline);
}

Status DpsService::PutHubDevice(const std::string& hub, const nlohmann::json& device, const std::string& etag,
                                Time deadline) const {
  const std::string id = TextAt(device, "deviceId");
  RETURN_IF_ERROR(CheckSegment(id));
  Call call = Hub("PUT", hub, id, fmt::format("setting {} in {}", id, hub));
  call.body = device.dump();
  call.if_match = fmt::format("\"{}\"", etag);  // a hub wants quotes, unlike the provisioning service
  return Send(call, deadline).status();
}

}  // namespace hallmark
