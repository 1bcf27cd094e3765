// The repository of what relying parties need (RFC 5280 4.2.1.13, 4.2.2.1; RFC 2585), and the service's own pages:
//
//   GET /aia/<authority>.cer  the authority's certificate, DER     GET /healthz  200 while the process is alive
//   GET /crl/<authority>.crl  its latest CRL, DER                  GET /readyz   200 when all required checks pass,
//   else 503
//                                                                  GET /metrics  for Prometheus
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "http/message.h"
#include "http/metrics.h"
#include "store/records.h"

namespace hallmark {

// One thing that should be well, by name. One that is not required is shown when it is not well, and the service is
// ready all the same: an HSM that is away stops issuance, which says so itself, but not the CRLs.
struct Check {
  std::string name;
  Status status;
  bool required = true;
};

// Where the repository's content comes from. Called by several threads at once; the latter two for authorities only
// that were known a moment ago, and one that was known stays so.
struct RepositoryContent {
  std::function<bool(const std::string& authority)> is_known;                             // has a certificate
  std::function<StatusOr<Bytes>(const std::string& authority)> certificate;               // DER
  std::function<StatusOr<CrlRecord>(const std::string& authority, const CrlScope&)> crl;  // the latest
  std::function<std::vector<Check>()> checks;
};

// Thread-safe. The checks and each CRL are asked for at most once a second, whatever clients do (a check of the
// database writes to it), and the last CRL stays in memory: it is served while the store is away, and nothing with a
// lower number is ever served after it. A CRL of more than a KiB is kept in gzip, too, for those who take it. What
// there is not yet or cannot be read is answered 503 with Retry-After, never with an empty 200.
class Repository {
 public:
  // `clock` and `metrics` outlive the repository.
  Repository(RepositoryContent content, const Clock& clock, Metrics& metrics);

  // The HttpHandler, and what it answers from memory alone.
  HttpResponse Handle(const HttpRequest& request);
  std::optional<HttpResponse> HandleAtOnce(const HttpRequest& request);

 private:
  // Something published, and what its response's header fields need.
  struct Publication {
    std::shared_ptr<const std::string> der;
    std::string content_type;
    std::string entity_tag;
    std::shared_ptr<const std::string> gzip;  // null: it is served as it is to everybody
    std::string gzip_tag;
    Time modified;
    Time next;  // when there may be another at the latest
  };
  struct LatestCrl {
    std::mutex mutex;
    Time asked = absl::InfinitePast();
    uint64_t number = 0;
    std::shared_ptr<const Publication> publication;  // null: none was ever read
  };

  // The authority in `path` when it is "<prefix>name<suffix>" and known; empty otherwise.
  std::string KnownIn(const std::string& path, const std::string& prefix, const std::string& suffix) const;
  HttpResponse ServeCertificate(const std::string& authority, const HttpRequest& request);
  // One of an authority's lists.
  struct List {
    std::string authority;
    CrlScope scope;
    auto operator<=>(const List&) const = default;
  };
  // /crl/NAME.crl, /crl/NAME/SHARD.crl or /crl/NAME/SHARD-delta.crl, of whatever name.
  static std::optional<List> ListIn(const std::string& path);
  HttpResponse ServeCrl(const List& list, const HttpRequest& request);
  HttpResponse ServeReadiness();
  HttpResponse AskReadiness() const;
  std::shared_ptr<const Publication> Refresh(const List& list, LatestCrl& latest);
  // Whether what was asked for then need not be asked for again.
  bool IsRecent(Time asked) const;
  static void Compress(Publication& publication);
  static Publication Publish(ByteView der, const std::string& content_type, Time modified, Time next);
  HttpResponse Serve(const Publication& publication, const HttpRequest& request) const;

  const RepositoryContent content_;
  const Clock& clock_;
  Metrics& metrics_;
  std::mutex crls_mutex_;
  std::map<List, LatestCrl> crls_;  // a place for each list that was asked for; stays where it is

  std::mutex readiness_mutex_;
  Time readiness_asked_ = absl::InfinitePast();
  HttpResponse readiness_;
};

}  // namespace hallmark
