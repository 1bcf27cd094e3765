// The commands of `hallmark repository`.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddRepository(CLI::App& app, Session& session);

}  // namespace hallmark::cli
