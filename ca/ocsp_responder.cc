#include "ca/ocsp_responder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/reason.h"
#include "ca/der.h"

namespace hallmark {
namespace {

constexpr Duration kAskAgain = absl::Seconds(1);  // between two looks at one authority's count of revocations
constexpr Duration kRetry = absl::Seconds(5);     // after a response could not be replaced
constexpr Duration kSignLimit = absl::Seconds(5);
constexpr std::chrono::milliseconds kPlaceLimit(100);
// What is not issued yet may be issued soon.
constexpr Duration kUnknownValidity = absl::Minutes(5);

// One of the places to sign at, held while this lives.
class Place {
 public:
  explicit Place(std::counting_semaphore<OcspResponder::kSigning>& places)
      : places_(places), held_(places.try_acquire_for(kPlaceLimit)) {}
  ~Place() {
    if (held_) places_.release();
  }
  Place(const Place&) = delete;  // it would be given back twice
  Place& operator=(const Place&) = delete;
  bool held() const { return held_; }

 private:
  std::counting_semaphore<OcspResponder::kSigning>& places_;
  const bool held_;
};

OcspAnswer Refuse(OcspStatus status) {
  return {status, std::make_shared<const std::string>(ToString(OcspErrorResponse(status))), std::nullopt};
}

OcspAnswer AnswerOf(const SignedResponse& response) {
  return {OcspStatus::kSuccessful, response.der,
          OcspAnswer::Reuse{response.this_update, response.refresh, response.next_update, response.digest}};
}

OcspStatus StatusOf(const Status& error) {
  const std::string why = Reason(error);
  if (why == reason::kAuthorityUnknown || why == reason::kAuthorityNotIssuing) return OcspStatus::kUnauthorized;
  switch (error.code()) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
    case Code::kResourceExhausted:
    case Code::kAborted: return OcspStatus::kTryLater;
    default: return OcspStatus::kInternalError;
  }
}

bool Same(const std::optional<Revocation>& a, const std::optional<Revocation>& b) {
  if (!a.has_value() || !b.has_value()) return a.has_value() == b.has_value();
  return a->revoked == b->revoked && a->reason == b->reason;
}

std::optional<Revocation> RevocationOf(const SingleResponse& response) {
  if (response.status != CertStatus::kRevoked) return std::nullopt;
  return Revocation{response.revoked, response.reason, ""};
}

}  // namespace

OcspResponder::OcspResponder(const CertificateAuthority& authority, OcspSigners& signers, OcspOptions options)
    : authority_(authority), signers_(signers), options_(options), cache_(options.cache_limit) {}

OcspAnswer OcspResponder::Answer(ByteView request) {
  const StatusOr<OcspRequest> read = ReadOcspRequest(request);
  if (!read.ok()) return Refuse(OcspStatus::kMalformedRequest);
  StatusOr<OcspAnswer> answer = AnswerRequest(*read);
  if (answer.ok()) return *std::move(answer);
  const OcspStatus status = StatusOf(answer.status());
  if (status != OcspStatus::kUnauthorized) LogFailure(answer.status());
  return Refuse(status);
}

std::optional<OcspAnswer> OcspResponder::AnswerAtOnce(ByteView request) {
  const StatusOr<OcspRequest> read = ReadOcspRequest(request);
  if (!read.ok()) return Refuse(OcspStatus::kMalformedRequest);
  if (read->ids.size() != 1 || !read->nonce.empty()) return std::nullopt;
  const IssuerPointer issuer = FindIssuer(*read, authority_.parts().issuers.Current());
  if (issuer == nullptr) return std::nullopt;
  const CertId& id = read->ids[0];
  const std::optional<SignedResponse> kept =
      cache_.Find({issuer->record().authority, ToBytes(id.serial), ToBytes(id.der)});
  const Time now = authority_.parts().clock.Now();
  if (!kept.has_value() || now < kept->this_update || now >= std::min(kept->refresh, kept->next_update)) {
    return std::nullopt;
  }
  const std::optional<Count> count = RecentCountOf(issuer->record().authority);
  if (!count.has_value() || count->count.value_or(kept->revocation_count) != kept->revocation_count)
    return std::nullopt;
  return AnswerOf(*kept);
}

// Anybody can cause many: one line a second tells as much.
void OcspResponder::LogFailure(const Status& status) {
  const Time now = authority_.parts().clock.Now();
  {
    const std::lock_guard lock(mutex_);
    if (now >= logged_ && now < logged_ + absl::Seconds(1)) return;
    logged_ = now;
  }
  log::Warning("ocsp_failed", log::Describe(status));
}

StatusOr<OcspAnswer> OcspResponder::AnswerRequest(const OcspRequest& request) {
  ASSIGN_OR_RETURN(const IssuerPointer issuer, FindIssuer(request));
  if (request.ids.size() == 1 && request.nonce.empty()) return AnswerOne(*issuer, request.ids[0]);
  std::vector<SingleResponse> responses;
  for (const CertId& id : request.ids) {
    ASSIGN_OR_RETURN(SingleResponse response, LookUp(issuer->record().authority, id));
    responses.push_back(std::move(response));
  }
  ASSIGN_OR_RETURN(OcspAnswer answer, Sign(*issuer, std::move(responses), request.nonce));
  answer.reuse.reset();
  return answer;
}

// --- Whose certificates are asked about.

StatusOr<IssuerPointer> OcspResponder::FindIssuer(const OcspRequest& request) {
  IssuerPointer issuer = FindIssuer(request, authority_.parts().issuers.Current());
  if (issuer == nullptr) issuer = FindIssuer(request, authority_.parts().issuers.Recent());
  if (issuer != nullptr) return issuer;
  return Error(Code::kNotFound, reason::kAuthorityUnknown,
               "the request is not for certificates of one issuer of this instance");
}

IssuerPointer OcspResponder::FindIssuer(const OcspRequest& request,
                                        const std::shared_ptr<const Issuers::Snapshot>& known) {
  const std::shared_ptr<const NamedIssuers> issuers = NamesOf(known);
  const auto find = [&issuers](const CertId& id) -> IssuerPointer {
    if (!id.hash.has_value()) return nullptr;
    for (const Named& named : *issuers) {
      const auto& [name, key] = named.hashes.at(*id.hash);
      if (Equal(name, id.issuer_name_hash) && Equal(key, id.issuer_key_hash)) return named.issuer;
    }
    return nullptr;
  };
  const IssuerPointer first = find(request.ids[0]);
  const bool same =
      std::all_of(request.ids.begin(), request.ids.end(), [&](const CertId& id) { return find(id) == first; });
  return same ? first : nullptr;
}

std::shared_ptr<const OcspResponder::NamedIssuers> OcspResponder::NamesOf(
    const std::shared_ptr<const Issuers::Snapshot>& known) {
  const std::lock_guard lock(mutex_);
  if (named_ != nullptr && named_of_ == known) return named_;
  auto named = std::make_shared<NamedIssuers>();
  for (const auto& [name, issuer] : known->issuers) {
    const StatusOr<CertificateParts> parts = ReadCertificate(issuer->record().certificate);
    if (!parts.ok()) continue;  // an Issuer has read it before
    const StatusOr<PublicKey> key = PublicKey::FromSpki(parts->spki);
    if (!key.ok()) continue;
    Named& entry = named->emplace_back();
    entry.issuer = issuer;
    for (const OcspHash hash : {OcspHash::kSha1, OcspHash::kSha256})
      entry.hashes[hash] = {HashOf(hash, issuer->name()), HashOf(hash, key->key_octets())};
  }
  named_of_ = known;
  named_ = std::move(named);
  return named_;
}

// --- What is known of them.

StatusOr<SingleResponse> OcspResponder::LookUp(const std::string& authority, const CertId& id) const {
  SingleResponse response;
  response.cert_id = ToBytes(id.der);
  if (id.serial.empty()) return response;
  const auto found = authority_.parts().store.FindRevocation({{authority, ToBytes(id.serial)}});
  if (absl::IsNotFound(found.status())) return response;  // never issued
  RETURN_IF_ERROR(found.status());
  response.status = found->has_value() ? CertStatus::kRevoked : CertStatus::kGood;
  if (found->has_value()) {
    response.revoked = (*found)->revoked;
    response.reason = (*found)->reason;
  }
  return response;
}

std::optional<OcspResponder::Count> OcspResponder::RecentCountOf(const std::string& authority) {
  const Time now = authority_.parts().clock.Now();
  const std::lock_guard lock(mutex_);
  const Count& known = counts_[authority];
  if (now < known.asked || now >= known.asked + kAskAgain) return std::nullopt;
  return known;
}

std::optional<uint64_t> OcspResponder::RevocationCountOf(const std::string& authority) {
  const std::optional<Count> known = RecentCountOf(authority);
  if (known.has_value()) return known->count;
  const Time now = authority_.parts().clock.Now();
  const StatusOr<uint64_t> count = authority_.parts().store.RevocationCount(authority);
  const Count read{now, count.ok() ? std::optional(*count) : std::nullopt};
  const std::lock_guard lock(mutex_);
  counts_[authority] = read;
  return read.count;
}

bool OcspResponder::IsTrue(const OcspCache::Key& key, SignedResponse& response) {
  const uint64_t drops = cache_.drops();
  const std::optional<uint64_t> count = RevocationCountOf(key.authority);
  // What was so when the store could be read is what is known.
  if (!count.has_value() || *count == response.revocation_count) return true;
  const auto found = authority_.parts().store.FindRevocation({{key.authority, key.serial}});
  if (!found.ok()) return !absl::IsNotFound(found.status());
  if (!Same(*found, response.revocation)) return false;
  response.revocation_count = *count;
  cache_.Put(key, response, drops);
  return true;
}

// --- One certificate, without a nonce.

StatusOr<OcspAnswer> OcspResponder::AnswerOne(const Issuer& issuer, const CertId& id) {
  const std::string& authority = issuer.record().authority;
  const OcspCache::Key key{authority, ToBytes(id.serial), ToBytes(id.der)};
  const Time now = authority_.parts().clock.Now();
  const uint64_t drops = cache_.drops();
  std::optional<SignedResponse> kept = cache_.Find(key);
  if (kept.has_value() && (now < kept->this_update || now >= kept->next_update || !IsTrue(key, *kept))) kept.reset();
  if (kept.has_value() && now < kept->refresh) return AnswerOf(*kept);
  return SignOne(issuer, id, std::move(kept), drops);
}

StatusOr<OcspAnswer> OcspResponder::SignOne(const Issuer& issuer, const CertId& id, std::optional<SignedResponse> kept,
                                            uint64_t drops) {
  const std::string& authority = issuer.record().authority;
  const OcspCache::Key key{authority, ToBytes(id.serial), ToBytes(id.der)};
  const Time now = authority_.parts().clock.Now();
  const std::optional<uint64_t> count = RevocationCountOf(authority);  // before the status, so that it is never ahead
  const StatusOr<SingleResponse> response = LookUp(authority, id);
  if (response.ok() && kept.has_value() && !Same(RevocationOf(*response), kept->revocation)) kept.reset();
  StatusOr<OcspAnswer> made = response.ok() ? Sign(issuer, {*response}, {}) : StatusOr<OcspAnswer>(response.status());
  if (!made.ok()) {
    if (!kept.has_value()) return made.status();
    LogFailure(made.status());
    kept->refresh = std::min(now + kRetry, kept->next_update);
    cache_.Put(key, *kept, drops);
    return AnswerOf(*kept);
  }
  if (response->status == CertStatus::kUnknown || !count.has_value()) {
    made->reuse.reset();
    return made;
  }
  cache_.Put(key,
             {made->der, RevocationOf(*response), made->reuse->this_update, made->reuse->refresh,
              made->reuse->next_update, made->reuse->digest, *count},
             drops);
  return made;
}

StatusOr<OcspAnswer> OcspResponder::Sign(const Issuer& issuer, std::vector<SingleResponse> responses, ByteView nonce) {
  const Place place(places_);
  if (!place.held()) {
    return WithRetry(Error(Code::kUnavailable, reason::kHsmUnavailable,
                           fmt::format("{} OCSP responses are being signed already; ask again", kSigning)),
                     absl::Seconds(1));
  }
  const Time deadline = authority_.parts().clock.Now() + kSignLimit;
  ASSIGN_OR_RETURN(const OcspSignerPointer signer, signers_.Find(issuer, deadline));
  const Time now = TruncateToSecond(authority_.parts().clock.Now());
  // Nobody believes a response beyond its signer's end.
  const Time next_update = std::min({now + options_.validity, signer->not_after, issuer.not_after()});
  for (SingleResponse& response : responses) {
    response.this_update = now;
    response.next_update =
        response.status == CertStatus::kUnknown ? std::min(next_update, now + kUnknownValidity) : next_update;
  }
  const OcspResponseData data{.responder_key_hash = signer->key_hash,
                              .produced_at = now,
                              .responses = std::move(responses),
                              .nonce = ToBytes(nonce)};
  ASSIGN_OR_RETURN(
      const Bytes basic,
      Seal(ComposeOcspResponse(data, signer->key->signer().algorithm(), signer->certificate), *signer->key, deadline));
  const Bytes der = SuccessfulOcspResponse(basic);
  return OcspAnswer{OcspStatus::kSuccessful, std::make_shared<const std::string>(ToString(der)),
                    OcspAnswer::Reuse{now, now + (next_update - now) / 2, next_update, Sha256(der)}};
}

void OcspResponder::Renew(Duration ahead, const std::atomic<bool>& stopping) {
  for (const OcspCache::Key& key : cache_.Due(authority_.parts().clock.Now() + ahead)) {
    if (stopping) return;
    // An OCSPRequest of this CertID alone.
    const Bytes octets = der::Sequence({der::Sequence({der::Sequence({der::Sequence({key.cert_id})})})});
    const StatusOr<OcspRequest> request = ReadOcspRequest(octets);
    if (!request.ok()) continue;
    const uint64_t drops = cache_.drops();
    const StatusOr<IssuerPointer> issuer = FindIssuer(*request);
    if (!issuer.ok()) continue;  // it has gone; so will what is kept of it
    const StatusOr<OcspAnswer> made = SignOne(**issuer, request->ids[0], std::nullopt, drops);
    if (made.ok()) continue;
    LogFailure(made.status());
    return;  // what is kept goes on, and the next watch tries again
  }
}

void OcspResponder::RevocationChanged(const CertificateRecord& changed) {
  signers_.Revoked(changed);
  if (changed.profile == kResponderProfile) {
    cache_.DropAll(changed.authority);  // nobody should believe what that responder signed
  } else {
    cache_.Drop(changed.authority, changed.serial);
  }
  const std::lock_guard lock(mutex_);
  counts_.erase(changed.authority);
}

}  // namespace hallmark
