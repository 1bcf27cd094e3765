// hallmark profile: what the profiles of certificates are, and whether a file is one.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddProfile(CLI::App& app, Session& session);

// Parts of it.
void AddProfileCheck(CLI::App& group, Session& session);
void AddProfileSchema(CLI::App& group, Session& session);

}  // namespace hallmark::cli
