// The key types that Hallmark knows at all. A profile allows some of them to a subject; an HSM generates any.
#pragma once

namespace hallmark {

enum class KeyType { kEcP256, kEcP384, kRsa2048, kRsa3072, kRsa4096 };

inline bool IsEc(KeyType type) { return type == KeyType::kEcP256 || type == KeyType::kEcP384; }

}  // namespace hallmark
