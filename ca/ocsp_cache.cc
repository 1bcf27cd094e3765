#include "ca/ocsp_cache.h"

namespace hallmark {

std::optional<SignedResponse> OcspCache::Find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  places_.splice(places_.begin(), places_, found->second.place);
  found->second.asked = true;
  return found->second.response;
}

uint64_t OcspCache::drops() const {
  const std::lock_guard lock(mutex_);
  return drops_;
}

void OcspCache::Put(const Key& key, SignedResponse response, uint64_t drops) {
  const std::lock_guard lock(mutex_);
  if (drops != drops_ || limit_ == 0) return;
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    if (found->second.response.der != response.der) found->second.asked = false;
    found->second.response = std::move(response);
    return;
  }
  while (entries_.size() >= limit_) Erase(entries_.find(places_.back()));
  places_.push_front(key);
  entries_.emplace(key, Entry{std::move(response), places_.begin()});
}

std::vector<OcspCache::Key> OcspCache::Due(Time time) const {
  const std::lock_guard lock(mutex_);
  std::vector<Key> due;
  for (const auto& [key, entry] : entries_) {
    if (entry.asked && entry.response.refresh <= time) due.push_back(key);
  }
  return due;
}

void OcspCache::Drop(const std::string& authority, ByteView serial) {
  const std::lock_guard lock(mutex_);
  ++drops_;
  const Bytes octets = ToBytes(serial);
  auto entry = entries_.lower_bound({authority, octets, {}});
  while (entry != entries_.end() && entry->first.authority == authority && entry->first.serial == octets)
    entry = Erase(entry);
}

void OcspCache::DropAll(const std::string& authority) {
  const std::lock_guard lock(mutex_);
  ++drops_;
  auto entry = entries_.lower_bound({authority, {}, {}});
  while (entry != entries_.end() && entry->first.authority == authority) entry = Erase(entry);
}

size_t OcspCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

OcspCache::Entries::iterator OcspCache::Erase(Entries::iterator entry) {
  places_.erase(entry->second.place);
  return entries_.erase(entry);
}

}  // namespace hallmark
