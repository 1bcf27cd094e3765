// Conditional requests (RFC 9110 13): whether the client has what it would be sent.
#pragma once

#include <string>

#include "http/message.h"

namespace hallmark {

// An entity tag of the octets, quoted.
std::string EntityTag(const std::string& octets);

// RFC 9110 13.2.2: If-Modified-Since counts only without If-None-Match. Entity tags are compared weakly; ours hold no
// comma.
bool IsUnmodified(const HttpRequest& request, const std::string& entity_tag, Time modified);

}  // namespace hallmark
