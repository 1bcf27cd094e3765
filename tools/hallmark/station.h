// hallmark station: the program of a line whose network may be bad or none (docs/station-integration.md), and
// hallmark batch, which answers at the CA what such a line has signed.
#pragma once

#include <filesystem>

#include "tools/hallmark/session.h"
#include "tools/hallmark/station/spool.h"

namespace hallmark::cli {

void AddStation(CLI::App& app, Session& session);
void AddBatch(CLI::App& app, Session& session);

// Each adds its commands to the group `hallmark station`.
void AddStationRun(CLI::App& group, Session& session);
void AddStationStatus(CLI::App& group, Session& session);
void AddStationRetry(CLI::App& group, Session& session);
void AddStationConfirm(CLI::App& group, Session& session);
void AddStationExport(CLI::App& group, Session& session);
void AddStationImport(CLI::App& group, Session& session);
void AddStationCredentials(CLI::App& group, Session& session);

// Adds --spool.
void AddSpoolOption(CLI::App& command, std::string& spool);

// The spool of the context, for whoever does not send from it.
StatusOr<station::Spool> OpenSpool(const Session& session, const std::string& spool, station::Database::Access access);

}  // namespace hallmark::cli
