// Files as Hallmark reads and writes them: read with a limit, written whole or not at all.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/secret.h"
#include "base/status.h"

namespace hallmark {

// Returns the file's content. kNotFound when it does not exist, kInvalidArgument past `limit` octets, otherwise
// kFailedPrecondition; reason FILE_UNREADABLE, and the message names the file.
StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t limit = size_t{16} << 20);

// Returns the first line of a file that holds a secret, e.g. a PIN. kFailedPrecondition when anybody but the owner's
// group may read it (mode & 007).
StatusOr<Secret> ReadSecretFile(const std::filesystem::path& path);

// The same, with everything that is in the file, e.g. a private key in PEM.
StatusOr<Secret> ReadSecretText(const std::filesystem::path& path);

// Writes a file beside `path`, flushes it to the disk and renames it, so that readers see the old content or the new.
Status WriteFile(const std::filesystem::path& path, ByteView content, unsigned mode = 0644);

}  // namespace hallmark
