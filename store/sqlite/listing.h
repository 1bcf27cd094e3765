// Pages of certificates. Private to store/sqlite; the contract is store.h's.
#pragma once

#include <string>

#include "store/records.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

namespace hallmark::sqlite {

StatusOr<Page<CertificateRecord>> ListCertificates(Connection& connection, const CertificateFilter& filter,
                                                   int page_size, const std::string& page_token);

StatusOr<std::vector<CertificateCount>> CountCertificates(Connection& connection, const CertificateFilter& filter,
                                                          Time now);

}  // namespace hallmark::sqlite
