// What the files of `hallmark authority` share.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

// create, activate, stage, enable, disable, rollover and keys, each into the group `hallmark authority`.
void AddAuthorityActs(CLI::App& group, Session& session);

}  // namespace hallmark::cli
