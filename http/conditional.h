// Conditional requests (RFC 9110 13): whether the client has what it would be sent.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "http/message.h"

namespace hallmark {

// The entity tag of what has that digest, quoted.
std::string EntityTag(const Digest& digest);

// RFC 9110 13.2.2: If-Modified-Since counts only without If-None-Match. Entity tags are compared weakly; ours hold no
// comma.
bool IsUnmodified(const HttpRequest& request, const std::string& entity_tag, Time modified);

}  // namespace hallmark
