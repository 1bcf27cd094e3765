// hallmark station credential|enroll|renew: a station's own certificate.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

// Each adds its commands, to the group `hallmark station` and to `hallmark`.
void AddStationCredentials(CLI::App& group, Session& session);
void AddStation(CLI::App& app, Session& session);

}  // namespace hallmark::cli
