// hallmark doctor: looks at every part of an instance and says what to do about what is wrong.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddDoctor(CLI::App& app, Session& session);

}  // namespace hallmark::cli
