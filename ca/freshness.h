// How fresh what relying parties see is: each list, each OCSP responder, and what is under way.
#pragma once

#include <string>
#include <vector>

#include "ca/authority.h"
#include "ca/ocsp_signers.h"

namespace hallmark {

// Whether so little is left of a window that somebody should look: a quarter of it, half of what renews it in time.
bool EndsSoon(Time begin, Time end, Time now);

struct ListFreshness {
  std::string name;  // of the authority, or under which it is served
  bool imported = false;
  CrlScope scope = {};
  uint64_t number = 0;  // 0: there is none yet
  Time this_update = {};
  Time next_update = {};
  int64_t waiting = 0;  // changes that are durable and not on it
};

// The lists that there are to be of an authority. Reads the store.
StatusOr<std::vector<ListFreshness>> ListsOf(const CertificateAuthority& authority, const Issuer& issuer);
// What is wrong with a list or will be before long; empty: nothing. One that ends with its authority, at
// `authority_end`, is not renewed.
std::string WarningOf(const ListFreshness& list, Time authority_end, Time now);

struct Freshness {
  Time time;
  std::vector<ListFreshness> lists;
  std::vector<ResponderFreshness> responders;
  std::vector<MassRevocationRecord> running;
  std::vector<std::string> warnings;  // for people
  size_t cached_responses = 0;
};

// Reads the store; nothing of an authority that has expired, whose lists nobody believes any more. Thread-safe.
StatusOr<Freshness> LookAtFreshness(const CertificateAuthority& authority, const OcspSigners& signers);

}  // namespace hallmark
