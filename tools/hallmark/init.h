// hallmark init: makes a working instance.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddInit(CLI::App& app, Session& session);

}  // namespace hallmark::cli
