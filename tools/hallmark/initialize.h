// Makes a working instance from nothing: what `hallmark init` does.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/status.h"

namespace hallmark {

struct InitializeOptions {
  std::filesystem::path directory;          // made; must not hold an instance yet
  std::string realm = "hallmark.internal";  // a host with a dot (RFC 5280 4.2.1.6)
  std::string organization = "Hallmark";    // O of the authorities
  std::string host = "localhost";           // by which stations and relying parties reach the service
  std::string listen = "127.0.0.1";
  int grpc_port = 9443;  // if taken, a free one is chosen
  int http_port = 9080;
  std::string key_type = "ec-p256";  // of the authorities
  std::string module = "/usr/lib/softhsm/libsofthsm2.so";
  std::function<void(const std::string&)> progress;  // told of each step
};

// The ports that were chosen.
struct Initialized {
  int grpc_port = 0;
  int http_port = 0;
};

// Makes the directory with: a SoftHSM2 token of its own, with random PINs in files of mode 0600; the authorities root,
// devices and access; the service's TLS certificate; one operator, one station and one auditor with their contexts;
// policies/ and hallmark.yaml, which is written last. kAlreadyExists: the directory holds an instance already.
StatusOr<Initialized> InitializeInstance(const InitializeOptions& options);

}  // namespace hallmark
