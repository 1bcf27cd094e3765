// hallmark lint: holds any certificate or CRL to the rules that the service holds its drafts to.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddLint(CLI::App& app, Session& session);

}  // namespace hallmark::cli
