// hallmark ceremony plan|run|verify|witness|example: keys and certificates of authorities made away from the service,
// without a network.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddCeremony(CLI::App& app, Session& session);

// Parts of it.
void AddCeremonyVerify(CLI::App& group, Session& session);
void AddCeremonyWitness(CLI::App& group, Session& session);

}  // namespace hallmark::cli
