// Octets, and the few things that every room does with them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace hallmark {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;  // borrowed: lives no longer than what it was made from
using Digest = std::array<uint8_t, 32>;     // SHA-256

inline ByteView AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view AsText(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline std::string ToString(ByteView bytes) { return std::string(AsText(bytes)); }
inline Bytes ToBytes(ByteView bytes) { return Bytes(bytes.begin(), bytes.end()); }
inline void Append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
bool Equal(ByteView a, ByteView b);

Digest Sha256(ByteView bytes);

// Lower-case hexadecimal, two digits an octet; FromHex takes either case and refuses anything else.
std::string Hex(ByteView bytes);
StatusOr<Bytes> FromHex(std::string_view text);

// Base64 of RFC 4648 section 4, padded, without line breaks.
std::string Base64(ByteView bytes);

// Reads what Base64 writes, strictly: padded, nothing else between or after. kInvalidArgument (REQUEST_INVALID); the
// message has nothing of `text`.
StatusOr<Bytes> FromBase64(std::string_view text);

// Returns `size` octets of OpenSSL's CSPRNG. Fails (kInternal) rather than return weak octets.
StatusOr<Bytes> RandomBytes(size_t size);

// Textual encoding of RFC 7468: one block, 64 columns, a final line break.
std::string PemEncode(std::string_view label, ByteView der);

// Returns the DER of the blocks of `text`, in order, each labelled `label`. Strict (RFC 7468 section 3): nothing but
// white space may stand before, between or after the blocks. kInvalidArgument, reason REQUEST_INVALID, otherwise.
StatusOr<std::vector<Bytes>> PemDecode(std::string_view label, std::string_view text);

}  // namespace hallmark
