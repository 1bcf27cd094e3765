// The head of a response as it is sent (RFC 9112 4): status line and fields.
#pragma once

#include <string>

#include "http/message.h"

namespace hallmark {

// How the response is sent.
struct HeadOptions {
  bool http_1_0 = false;
  bool keep_alive = true;
};

// Writes the head to `head`, in place of what it was.
void ComposeHead(const HttpResponse& response, const HeadOptions& options, std::string& head);

}  // namespace hallmark
