// What the files of `hallmark authority` share.
#pragma once

#include "hallmark/v1/resources.pb.h"
#include "tools/hallmark/session.h"

namespace hallmark::cli {

// Each adds commands to the group `hallmark authority`: create and rollover; activate, stage, enable, disable and keys.
void AddAuthorityCreation(CLI::App& group, Session& session);
void AddAuthorityActs(CLI::App& group, Session& session);

void PrintAuthority(Session& session, const v1::Authority& authority);
// Tells on standard error what to do with an authority that has just become what it is.
void HintAtNext(Session& session, const v1::Authority& authority);

}  // namespace hallmark::cli
