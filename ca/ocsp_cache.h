// Signed OCSP responses that are given again to whoever asks the same, as many as there is room for.
#pragma once

#include <compare>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "store/records.h"

namespace hallmark {

// A response about one certificate, without a nonce.
struct SignedResponse {
  std::shared_ptr<const std::string> der;  // OCSPResponse
  std::optional<Revocation> revocation;    // what it says: revoked, or good
  Time this_update;
  Time refresh;  // when there should be another
  Time next_update;
  Digest digest;  // SHA-256 of `der`
  // RevocationCount of the issuer when what it says was looked up, or later.
  uint64_t revocation_count = 0;
};

// Thread-safe. When it is full, what was asked for least recently goes.
class OcspCache {
 public:
  // The CertID is part of it, since the response repeats it: another hash algorithm makes another response.
  struct Key {
    std::string authority;
    Bytes serial;
    Bytes cert_id;
    auto operator<=>(const Key&) const = default;
  };

  explicit OcspCache(size_t limit) : limit_(limit) {}

  std::optional<SignedResponse> Find(const Key& key);
  // Grows with each Drop. To be read before the status is looked up: what was dropped meanwhile is not put back.
  uint64_t drops() const;
  void Put(const Key& key, SignedResponse response, uint64_t drops);
  // What was asked for since it was signed, and is to be replaced before `time`.
  std::vector<Key> Due(Time time) const;
  void Drop(const std::string& authority, ByteView serial);
  void DropAll(const std::string& authority);
  size_t size() const;

 private:
  struct Entry {
    SignedResponse response;
    std::list<Key>::iterator place;
    bool asked = false;  // for, since it was signed
  };
  using Entries = std::map<Key, Entry>;

  Entries::iterator Erase(Entries::iterator entry);

  const size_t limit_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  uint64_t drops_ = 0;
  Entries entries_;
  std::list<Key> places_;  // asked for most recently first
};

}  // namespace hallmark
