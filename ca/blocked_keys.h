// Public keys that are never certified because somebody else has the private key: published in a standard or a test
// suite, leaked, or reported as compromised.
//
// A list is a text file with one key a line: the SHA-256 of its SubjectPublicKeyInfo in hexadecimal, as
//   openssl pkey -pubin -in key.pem -outform DER | openssl dgst -sha256
// prints it. Empty lines, and whatever follows a #, are for people.
#pragma once

#include <filesystem>
#include <vector>

#include "base/bytes.h"

namespace hallmark {

inline constexpr size_t kBlockedKeysLimit = size_t{64} << 20;  // octets of a file: about a million keys

// Immutable, hence thread-safe. 32 octets a key.
class BlockedKeys {
 public:
  // The keys that ship: policies/blocked-keys.txt, as the build embedded it. Lives for ever.
  static const BlockedKeys& Shipped();

  // Reads an instance's own list, to which those that ship are added. The errors of ReadFile (FILE_UNREADABLE), and
  // kInvalidArgument (CONFIGURATION_INVALID) with file and line for a line that is no SHA-256.
  static StatusOr<BlockedKeys> Load(const std::filesystem::path& file);

  // Reads a list's text and adds nothing; `file` is for errors.
  static StatusOr<BlockedKeys> Parse(const std::string& file, std::string_view text);

  bool Contains(const Digest& spki) const;
  size_t size() const { return keys_.size(); }

 private:
  explicit BlockedKeys(std::vector<Digest> keys);
  std::vector<Digest> keys_;  // sorted, each once
};

}  // namespace hallmark
