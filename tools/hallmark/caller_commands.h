// hallmark caller suspend|resume|list: who is kept out although its certificate is good.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddCaller(CLI::App& app, Session& session);

}  // namespace hallmark::cli
