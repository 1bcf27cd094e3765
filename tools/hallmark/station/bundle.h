// Requests that travel without a network, and the answers to them (docs/station-integration.md).
//
// Requests: CMS SignedData (RFC 5652) in DER by the station's credential, its certificate within, over JSON lines: a
// header, then IssueCertificateRequests. Answers: JSON lines, a header, then IssueCertificatesResponses.
#pragma once

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "tools/hallmark/context.h"
#include "tools/hallmark/station/spool.h"

namespace hallmark::cli::station {

// The JSON lines of a bundle.
StatusOr<std::string> WriteRequests(const std::string& bundle, const std::string& station, Time created,
                                    const std::vector<Entry>& entries);

// kFailedPrecondition (CONFIGURATION_INVALID) when the context's key or certificate cannot sign.
StatusOr<Bytes> SignBundle(const std::string& content, const Context& context);

// Reads answers and calls `on_answer` for each as it comes; its first error ends the reading. Returns the bundle's
// name. kInvalidArgument (BUNDLE_INVALID) with the line at fault; what stood before it has been handed over.
StatusOr<std::string> ReadAnswers(std::istream& in,
                                  const std::function<Status(const v1::IssueCertificatesResponse&)>& on_answer);

}  // namespace hallmark::cli::station
