// Issuing, until each request has its answer or patience ends: the loop around Client and Batch.
#pragma once

#include <functional>

#include "base/clock.h"
#include "tools/hallmark/batch.h"
#include "tools/hallmark/client.h"

namespace hallmark::cli {

// Sends what `batch` holds, a single request by the unary call and several over streams, waits and tries again as
// Batch says, and hands each answer to `on_answer`. `on_wait` hears why nothing is sent for a while.
// Returns OK when each request has its answer, be it a refusal; else the error that no further attempt can cure, or the
// last one of the attempts when the batch expired. What had no answer may have been issued all the same: asking again
// with the same request_id tells.
Status IssueAll(Client& client, Batch& batch, size_t in_flight, const Clock& clock, const Client::OnAnswer& on_answer,
                const std::function<void(const Status&)>& on_wait);

// The same for one request, with a minute's patience.
StatusOr<v1::Certificate> IssueOne(Client& client, const v1::IssueCertificateRequest& request, const Clock& clock);

}  // namespace hallmark::cli
