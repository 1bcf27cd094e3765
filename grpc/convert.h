// Between the contract's messages and the house's values. No rule lives here.
#pragma once

#include <grpcpp/support/status.h>

#include "ca/description.h"
#include "ca/lifecycle.h"
#include "google/rpc/status.pb.h"
#include "hallmark/v1/authorities.pb.h"
#include "hallmark/v1/issuance.pb.h"
#include "hallmark/v1/revocation.pb.h"

namespace hallmark {

// The type of a Status's payload and of an error's detail that is a Validation.
inline constexpr char kValidationType[] = "type.googleapis.com/hallmark.v1.Validation";

// The whole of a Status as google.rpc.Status: ErrorInfo of domain "hallmark", BadRequest, RetryInfo, Validation. At
// most 16 field violations and 1024 octets of message are shown, since gRPC carries them in headers of 8 KiB; what was
// left out is said.
google::rpc::Status ToRpcStatus(const Status& status);
grpc::Status ToGrpcStatus(const Status& status);

// Resource names (AIP-122). kInvalidArgument (REQUEST_INVALID) names `field`.
// `form`: what it should have been. Returns what stands behind the prefix, 1 to 63 of a-z 0-9 -.
StatusOr<std::string> ParseResourceName(std::string_view prefix, const std::string& name, const std::string& field,
                                        const char* form);
StatusOr<std::string> ParseAuthorityName(const std::string& name, const std::string& field);
struct CertificateName {
  std::string authority;
  Bytes serial;
};
StatusOr<CertificateName> ParseCertificateName(const std::string& name);

// Whole seconds; kInvalidArgument (REQUEST_INVALID), field "lifetime", otherwise.
StatusOr<Duration> FromProto(const google::protobuf::Duration& lifetime);
google::protobuf::Timestamp ToTimestamp(Time time);

StatusOr<Request> FromProto(const v1::IssueCertificateRequest& message);
StatusOr<RevocationReason> FromProto(v1::RevocationReason reason);
v1::RevocationReason ToProto(RevocationReason reason);

v1::Certificate ToProto(const CertificateRecord& record);
v1::Certificate ToProto(const Issued& issued);  // with its chain and its description
v1::Description ToProto(const Description& description);
v1::Validation ToProto(const std::vector<Comparison>& comparisons, const std::vector<Finding>& findings);
// The error with how it came about as a further detail: as much of it as an error may hold, what is refused first.
Status WithValidation(Status status, const v1::Validation& validation);
v1::Authority ToProto(const AuthorityRecord& record, const std::string& base_url);

StatusOr<NewAuthority> FromProto(const v1::CreateAuthorityRequest& message);
StatusOr<Rollover> FromProto(const v1::RolloverAuthorityRequest& message);
StatusOr<AuthorityChanges> FromProto(const v1::UpdateAuthorityRequest& message);
// The version of an etag; 0 of an empty one.
StatusOr<uint64_t> ParseEtag(const std::string& etag, const std::string& field);
v1::Crl ToProto(const CrlRecord& crl);

}  // namespace hallmark
