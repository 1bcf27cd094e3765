// What the files of `hallmark profile` share.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

// Each adds a command to the group `hallmark profile`.
void AddProfileCheck(CLI::App& group, Session& session);
void AddProfileSchema(CLI::App& group, Session& session);
void AddProfileTry(CLI::App& group, Session& session);
void AddProfileReplay(CLI::App& group, Session& session);

}  // namespace hallmark::cli
