// HTTP of hallmarkd: the server with its two rooms of routes, as the configuration wants it.
#pragma once

#include <memory>

#include "http/ocsp_route.h"
#include "http/repository.h"
#include "http/server.h"
#include "tools/config.h"

namespace hallmark {

// Raises the process's limit of open files as far as it may, and takes half of them for connections. `ocsp` and
// `repository` outlive the server. kNotFound, kFailedPrecondition (FILE_UNREADABLE) or kInvalidArgument: the files for
// TLS; else as HttpServer::Start.
StatusOr<std::unique_ptr<HttpServer>> StartHttp(const Config& config, Repository& repository, const OcspRoute& ocsp);

// Reads certificate and key for TLS anew, if there are to be any; with an error, which is logged, the old ones stay.
void ReloadHttpTls(const Config& config, HttpServer& server);

}  // namespace hallmark
