#include "ca/blocked_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/reason.h"
#include "policies/shipped.h"

namespace hallmark {
namespace {

// What stands on a line without comment and white space; empty: nothing.
std::string_view EntryOf(std::string_view line) {
  constexpr std::string_view kWhitespace = " \t\r";
  line = line.substr(0, line.find('#'));
  const size_t begin = line.find_first_not_of(kWhitespace);
  if (begin == line.npos) return {};
  return line.substr(begin, line.find_last_not_of(kWhitespace) + 1 - begin);
}

}  // namespace

BlockedKeys::BlockedKeys(std::vector<Digest> keys) : keys_(std::move(keys)) {
  std::sort(keys_.begin(), keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
}

const BlockedKeys& BlockedKeys::Shipped() {
  static const auto& shipped = *new BlockedKeys(Parse("blocked-keys.txt", ShippedBlockedKeys()).value());
  return shipped;
}

StatusOr<BlockedKeys> BlockedKeys::Load(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kBlockedKeysLimit));
  ASSIGN_OR_RETURN(BlockedKeys own, Parse(file.string(), text));
  const std::vector<Digest>& shipped = Shipped().keys_;
  own.keys_.insert(own.keys_.end(), shipped.begin(), shipped.end());
  return BlockedKeys(std::move(own.keys_));
}

StatusOr<BlockedKeys> BlockedKeys::Parse(const std::string& file, std::string_view text) {
  std::vector<Digest> keys;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view entry = EntryOf(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (entry.empty()) continue;
    const StatusOr<Bytes> octets = FromHex(entry);
    Digest digest;
    if (!octets.ok() || octets->size() != digest.size()) {
      return Error(Code::kInvalidArgument, reason::kConfigurationInvalid,
                   fmt::format("{}:{}: a blocked key is the SHA-256 of its SubjectPublicKeyInfo in 64 hexadecimal "
                               "digits, alone on its line; comments begin with #",
                               file, line));
    }
    std::copy(octets->begin(), octets->end(), digest.begin());
    keys.push_back(digest);
  }
  return BlockedKeys(std::move(keys));
}

bool BlockedKeys::Contains(const Digest& spki) const { return std::binary_search(keys_.begin(), keys_.end(), spki); }

}  // namespace hallmark
