// What HTTP serves of an instance, and whether it is ready.
#pragma once

#include <functional>

#include "ca/crl_publisher.h"
#include "ca/ocsp_signers.h"
#include "http/repository.h"
#include "tools/instance.h"

namespace hallmark {

// All outlive the content. `on_store`: told how the store is, whenever somebody asks whether the service is ready.
RepositoryContent MakeContent(Instance& instance, const CrlPublisher& publisher, const OcspSigners& signers,
                              std::function<void(const Status&)> on_store);

}  // namespace hallmark
