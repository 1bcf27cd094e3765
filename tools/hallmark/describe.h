// Certificates and authorities as people read them.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "hallmark/v1/resources.pb.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {

// "valid, 3649 days left", "expired 3 days ago", "not yet valid", "revoked on ... (keyCompromise)".
Cell ValidityOf(const v1::Certificate& certificate, Time now);

std::string DescribeCertificate(const v1::Certificate& certificate, Time now, bool colored);
// What its octets say; empty when the service did not tell.
std::string DescribeContent(const v1::Certificate& certificate, bool colored);
std::string CertificateTable(const std::vector<v1::Certificate>& certificates, Time now, bool colored);
std::string DescribeAuthority(const v1::Authority& authority, Time now, bool colored);
std::string AuthorityTable(const std::vector<v1::Authority>& authorities, bool colored);

}  // namespace hallmark::cli
