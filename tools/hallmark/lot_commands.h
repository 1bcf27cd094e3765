// The commands of `hallmark lot`.
#pragma once

#include "tools/hallmark/session.h"

namespace hallmark::cli {

void AddLotImport(CLI::App& group, Session& session);

// "a-17" and "lots/a-17" as "lots/a-17".
std::string LotName(const std::string& text);
void PrintLot(Session& session, const v1::Lot& lot);
std::string When(const google::protobuf::Timestamp& time);  // RFC 3339

}  // namespace hallmark::cli
