// The commands of `hallmark publish`.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddPublish(CLI::App& app, Session& session);

// Each adds commands to the group `hallmark publish`: bundle; adr sign.
void AddPublishBundle(CLI::App& group, Session& session);
void AddPublishAdr(CLI::App& group, Session& session);

}  // namespace hallmark::cli
