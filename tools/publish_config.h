// The section `publish` of hallmark.yaml.
#pragma once

#include <filesystem>

#include "base/yaml.h"
#include "publish/credential_config.h"

namespace hallmark {

// Returns publish.Finish(); relative paths are relative to `directory`.
Status ReadPublish(yaml::Mapping& publish, const std::filesystem::path& directory, PublishConfig& config);

}  // namespace hallmark
