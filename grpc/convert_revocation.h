// Between the Revocation service's messages and the house's values. No rule lives here.
#pragma once

#include <string>

#include "ca/freshness.h"
#include "ca/lifecycle.h"
#include "ca/mass_revocation.h"
#include "hallmark/v1/authorities.pb.h"
#include "hallmark/v1/revocation.pb.h"

namespace hallmark {

StatusOr<MassRevocation> FromProto(const v1::RevokeCertificatesRequest& message);
StatusOr<AuthorityRevocation> FromProto(const v1::RevokeAuthorityRequest& message);
StatusOr<std::string> ParseRevocationName(const std::string& name);  // "revocations/{revocation}"

v1::MassRevocation ToProto(const MassRevocationRecord& record);
v1::RevokeCertificatesResponse::Preview ToProto(const MassRevocationPreview& preview);
v1::ImportedCrl ToProto(const ImportedCrlRecord& record);
v1::RevocationStatus ToProto(const Freshness& freshness);
v1::RevokeAuthorityResponse ToProto(const RevokedAuthorities& revoked, const std::string& base_url);

}  // namespace hallmark
