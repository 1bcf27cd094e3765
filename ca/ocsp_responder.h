// The OCSP responder (RFC 6960, and RFC 5019 for requests without a nonce): whose certificate is asked about, what the
// store says of it, and the signed answer.
//
// A certificate that its authority never issued is unknown, never good; whoever asks about another issuer's is answered
// unauthorized, as he is when one request names several issuers, since no responder's key answers for two. A request
// without a nonce about one certificate gets a response that is signed once, kept in memory and given again: it costs
// no signature and outlives an outage of the HSM or the store until its nextUpdate. A revocation in this process drops
// it at once, one in another process within a second.
//
// Responses are not recorded in the ledger: they are made by a key that certifies nothing, out of what is recorded.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "ca/ocsp.h"
#include "ca/ocsp_cache.h"
#include "ca/ocsp_signers.h"

namespace hallmark {

struct OcspOptions {
  Duration validity = absl::Hours(1);  // nextUpdate - thisUpdate; another is made after half of it
  size_t cache_limit = 10'000;         // responses, of 1 to 2 KiB each
};

struct OcspAnswer {
  OcspStatus status = OcspStatus::kInternalError;
  std::shared_ptr<const std::string> der;  // OCSPResponse
  // Of one that others who ask the same may get, too.
  struct Reuse {
    Time this_update;
    Time refresh;  // when there will be another
    Time next_update;
    Digest digest;  // SHA-256 of `der`
  };
  std::optional<Reuse> reuse;
};

// Thread-safe. At most kSigning calls sign at a time; others wait for them briefly, and are answered tryLater then, so
// that a slow HSM does not hold every thread of the caller.
class OcspResponder {
 public:
  static constexpr int kSigning = 6;

  // `authority` and `signers` outlive the responder.
  OcspResponder(const CertificateAuthority& authority, OcspSigners& signers, OcspOptions options);

  // Answers an OCSPRequest of anybody's, whatever it is. What cannot be answered is an error of OCSPResponseStatus:
  // malformedRequest; unauthorized, of issuers that are not ours, have expired, or are several; tryLater while the HSM
  // or the store is away; internalError, which is logged.
  OcspAnswer Answer(ByteView request);
  // The same, as far as it takes neither the store nor the HSM nor waiting for anybody; nothing: it takes Answer.
  std::optional<OcspAnswer> AnswerAtOnce(ByteView request);

  // Signs anew what was asked for since it was signed and would be replaced within `ahead`, so that nobody waits for a
  // signature who asks what others ask; what nobody asks for any more lapses. For a regular watch.
  void Renew(Duration ahead, const std::atomic<bool>& stopping);

  // To be told of every revocation and of every release.
  void RevocationChanged(const CertificateRecord& changed);

  size_t cached() const { return cache_.size(); }

 private:
  // An issuer as CertIDs name it.
  struct Named {
    IssuerPointer issuer;
    std::map<OcspHash, std::pair<Bytes, Bytes>> hashes;  // of its name, and of its key
  };
  using NamedIssuers = std::vector<Named>;
  // When the authority's count of revocations was read.
  struct Count {
    Time asked = absl::InfinitePast();
    std::optional<uint64_t> count;  // nullopt: it could not be read
  };

  StatusOr<OcspAnswer> AnswerRequest(const OcspRequest& request);
  StatusOr<IssuerPointer> FindIssuer(const OcspRequest& request);
  // Whom all that is asked about names, among those that are known; null: nobody.
  IssuerPointer FindIssuer(const OcspRequest& request, const std::shared_ptr<const Issuers::Snapshot>& known);
  std::shared_ptr<const NamedIssuers> NamesOf(const std::shared_ptr<const Issuers::Snapshot>& known);
  StatusOr<OcspAnswer> AnswerOne(const Issuer& issuer, const CertId& id);
  // As it is now; `kept` is what was true until now, if there is something.
  StatusOr<OcspAnswer> SignOne(const Issuer& issuer, const CertId& id, std::optional<SignedResponse> kept,
                               uint64_t drops);
  void LogFailure(const Status& status);
  // Whether what a response says is still so; brings its count up to date.
  bool IsTrue(const OcspCache::Key& key, SignedResponse& response);
  std::optional<uint64_t> RevocationCountOf(const std::string& authority);
  // As it was read within the last second; nullopt: it was not.
  std::optional<Count> RecentCountOf(const std::string& authority);
  StatusOr<SingleResponse> LookUp(const std::string& authority, const CertId& id) const;
  StatusOr<OcspAnswer> Sign(const Issuer& issuer, std::vector<SingleResponse> responses, ByteView nonce);

  const CertificateAuthority& authority_;
  OcspSigners& signers_;
  const OcspOptions options_;
  OcspCache cache_;
  std::counting_semaphore<kSigning> places_{kSigning};

  std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<const Issuers::Snapshot> named_of_;
  std::shared_ptr<const NamedIssuers> named_;
  std::map<std::string, Count> counts_;
  Time logged_ = absl::InfinitePast();
};

}  // namespace hallmark
