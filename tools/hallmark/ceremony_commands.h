// hallmark ceremony plan|run|verify|witness|example: keys and certificates of authorities made away from the service,
// without a network.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddCeremony(CLI::App& app, Session& session);

}  // namespace hallmark::cli
