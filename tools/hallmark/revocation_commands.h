// hallmark revoke, revocation, crl and status; and hallmark authority revoke.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddRevokeMany(CLI::App& app, Session& session);
void AddRevocation(CLI::App& app, Session& session);
void AddCrl(CLI::App& app, Session& session);
void AddStatus(CLI::App& app, Session& session);
void AddAuthorityRevocation(CLI::App& group, Session& session);

// Asks on standard error and reads a line. kCancelled when the answer is not y; kInvalidArgument (COMMAND_LINE_INVALID)
// where there is no terminal to ask on. With `yes` it asks nothing.
Status Ask(Session& session, bool yes, const std::string& question);
// Shows how far a revocation of many is until it is done or stopped, or has looked at all that there was when it began.
StatusOr<v1::MassRevocation> Follow(Session& session, Client& client, v1::MassRevocation revocation);
std::string DescribeMassRevocation(const v1::MassRevocation& revocation, bool colored);

}  // namespace hallmark::cli
