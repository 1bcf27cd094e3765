// hallmark manifest new|check|sign|show|schema: for who announces devices, without a service.
#pragma once

#include <filesystem>

#include "factory/manifest.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddManifest(CLI::App& app, Session& session);

// Each adds a command to the group `hallmark manifest`.
void AddManifestNew(CLI::App& group, Session& session);
void AddManifestSign(CLI::App& group, Session& session);

// Reads a manifest, JSON or SignedData with it within (whose signature is not verified), and its file of lines, if any
// is named; checks all that can be checked without a service, but whether lines stand twice.
StatusOr<Manifest> CheckManifest(const std::filesystem::path& file, const std::filesystem::path& lines);

}  // namespace hallmark::cli
