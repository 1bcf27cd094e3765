// What the tests of the store share: example records, and the ledger's root computed as the RFC defines it.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <span>
#include <string>
#include <vector>

#include "store/ledger.h"
#include "store/store.h"

namespace hallmark::testing {

inline Time At(int64_t seconds) { return absl::FromUnixSeconds(1'790'000'000 + seconds); }

// The n-th device's intent; nothing in it is another one's.
inline Intent ExampleIntent(int n) {
  const Digest digest = Sha256(AsBytes(fmt::format("request {}", n)));
  const Digest random = Sha256(digest);
  return {.caller = "spiffe://factory.example/line/1",
          .request_id = fmt::format("request-{}", n),
          .request_digest = digest,
          .authority = "devices",
          .profile = "idevid",
          .profile_version = Hex(Sha256(AsBytes("idevid"))),
          .serial = Bytes(random.begin(), random.begin() + 16),
          .subject = fmt::format("CN=device-{},O=Example", n),
          .caseless_name = fmt::format("device-{}", n),
          .spki = Sha256(random),
          .not_before = At(0),
          .not_after = At(1000),
          .intended = At(n),
          .csr = ToBytes(AsBytes(fmt::format("request of device {}", n))),
          .lifetime = n % 3 == 0   ? std::nullopt
                      : n % 3 == 1 ? std::optional(absl::Seconds(n))
                                   : std::optional(absl::InfiniteDuration()),
          .draft = ToBytes(AsBytes(fmt::format("draft {}", n)))};
}

// SIGNED{} around a to-be-signed part that says `text`; a draft without a signature.
inline Bytes ExampleList(const std::string& text, const std::string& signature = "") {
  const auto element = [](uint8_t tag, ByteView content) {  // of less than 128 octets
    Bytes whole = {tag, static_cast<uint8_t>(content.size())};
    Append(whole, content);
    return whole;
  };
  constexpr uint8_t kSequence = 0x30;
  Bytes content = element(kSequence, element(0x0c, AsBytes(text)));
  Append(content, element(kSequence, {}));
  Append(content, element(0x03, AsBytes(std::string(1, '\0') + signature)));
  return element(kSequence, content);
}

inline Bytes ExampleCertificate(int n) { return ToBytes(AsBytes(fmt::format("certificate {}", n))); }
inline std::string ExampleEntry(int n) { return fmt::format(R"({{"issued":{}}})", n); }

// Intends and records the n-th certificate.
inline StatusOr<CertificateRecord> Issue(Store& store, const Intent& intent, int n) {
  ASSIGN_OR_RETURN(const Intended intended, store.Intend(intent));
  return store.Record(intended.intent, ExampleCertificate(n), At(n), ExampleEntry(n));
}
inline StatusOr<CertificateRecord> Issue(Store& store, int n) { return Issue(store, ExampleIntent(n), n); }

// MTH of RFC 9162 section 2.1.1, word for word.
inline Digest MerkleTreeHash(std::span<const std::string> entries) {
  if (entries.empty()) return Sha256({});
  if (entries.size() == 1) return Sha256(AsBytes(std::string(1, '\0') + entries[0]));
  const size_t k = std::bit_floor(entries.size() - 1);  // the largest power of two smaller than n
  Bytes node = {0x01};
  Append(node, MerkleTreeHash(entries.first(k)));
  Append(node, MerkleTreeHash(entries.subspan(k)));
  return Sha256(node);
}

// Whether the store's head is the tree of exactly its entries.
inline Status CheckLedger(Store& store) {
  ASSIGN_OR_RETURN(const LedgerHead head, store.GetLedgerHead());
  ASSIGN_OR_RETURN(const std::vector<LedgerEntry> listed, store.ListEntries(0, head.size + 1));
  std::vector<std::string> entries;
  for (const LedgerEntry& entry : listed) {
    if (entry.index != entries.size()) return absl::DataLossError("an index is missing");
    entries.push_back(entry.entry);
  }
  if (entries.size() != head.size) return absl::DataLossError("the head's size is wrong");
  if (MerkleTreeHash(entries) != head.root) return absl::DataLossError("the head's root is wrong");
  return absl::OkStatus();
}

}  // namespace hallmark::testing
