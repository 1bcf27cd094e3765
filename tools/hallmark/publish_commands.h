// The commands of `hallmark publish`.
#pragma once

#include <string>

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddPublish(CLI::App& app, Session& session);

// Each adds commands to the group `hallmark publish`: bundle; adr sign; dps add...; status, enrollments, work, retry,
// reconcile.
void AddPublishBundle(CLI::App& group, Session& session);
void AddPublishAdr(CLI::App& group, Session& session);
void AddPublishDps(CLI::App& group, Session& session);
void AddPublishTargets(CLI::App& group, Session& session);
// The command check of `hallmark publish dps`.
void AddPublishCheck(CLI::App& group, Session& session);
// A sentence for people.
std::string Telling(const v1::LotAdmission& admission);
// The command status, of the group that people call `command`.
void AddTargetStatus(CLI::App& group, Session& session, const std::string& command);

// "contoso" and "targets/contoso" as "targets/contoso"; and back.
std::string TargetName(const std::string& text);
std::string ShortTarget(const std::string& name);

}  // namespace hallmark::cli
