#include "http/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/http_date.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/text.h"
#include "ca/certificate.h"
#include "http/conditional.h"
#include "http/encoding.h"

namespace hallmark {
namespace {

constexpr Duration kAskAgain = absl::Seconds(1);  // between two looks at the store for one thing
// Two lists can be of one second. Last-Modified is withheld until that second's last is the one that we serve, so that
// If-Modified-Since never keeps a client on the first (RFC 9110 8.8.2.2).
constexpr Duration kSettled = absl::Seconds(2);  // kAskAgain and that second
constexpr Duration kMaxAge = absl::Hours(1);     // in caches, so that a revocation spreads in that time
constexpr int kRetryAfterSeconds = 5;
constexpr size_t kGzipFrom = 1024;  // octets; what is shorter goes in one packet anyway

HttpResponse NotFound() { return TextResponse(404, "there is nothing at this address\n"); }

HttpResponse Unavailable(const std::string& what) {
  HttpResponse response = TextResponse(503, fmt::format("{} cannot be read at present; try again\n", what));
  response.headers = {{"Retry-After", std::to_string(kRetryAfterSeconds)}, {"Cache-Control", "no-store"}};
  return response;
}

void LogUnreadable(const std::string& what, const std::string& authority, const Status& status) {
  log::Fields fields = log::Describe(status);
  fields["authority"] = authority;
  log::Warning(what, fields);
}

HttpResponse Uncached(HttpResponse response) {
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

Repository::Repository(RepositoryContent content, const Clock& clock, Metrics& metrics)
    : content_(std::move(content)), clock_(clock), metrics_(metrics) {}

std::string Repository::KnownIn(const std::string& path, const std::string& prefix, const std::string& suffix) const {
  const std::string name = Between(path, prefix, suffix);
  return !name.empty() && content_.is_known(name) ? name : "";
}

HttpResponse Repository::Handle(const HttpRequest& request) {
  std::string route = "unknown";
  HttpResponse response = NotFound();
  if (const std::optional<List> list = ListIn(request.path); list.has_value() && content_.is_known(list->authority)) {
    route = "crl";
    response = ServeCrl(*list, request);
  } else if (const std::string name = KnownIn(request.path, "/aia/", ".cer"); !name.empty()) {
    route = "aia";
    response = ServeCertificate(name, request);
  } else if (request.path == "/healthz") {
    route = "healthz";
    response = Uncached(TextResponse(200, "ok\n"));
  } else if (request.path == "/readyz") {
    route = "readyz";
    response = Uncached(ServeReadiness());
  } else if (request.path == "/metrics") {
    route = "metrics";
    response = Uncached(TextResponse(200, metrics_.Text()));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  }
  metrics_.CountHttpRequest(route, response.status);
  return response;
}

std::optional<HttpResponse> Repository::HandleAtOnce(const HttpRequest& request) {
  const std::optional<List> list = ListIn(request.path);
  if (!list.has_value()) return std::nullopt;
  LatestCrl* latest = nullptr;
  {
    const std::lock_guard lock(crls_mutex_);
    const auto found = crls_.find(*list);  // so its authority is known
    if (found == crls_.end()) return std::nullopt;
    latest = &found->second;
  }
  std::shared_ptr<const Publication> publication;
  {
    const std::unique_lock lock(latest->mutex, std::try_to_lock);  // the first is read with it held
    if (!lock.owns_lock() || !IsRecent(latest->asked)) return std::nullopt;
    publication = latest->publication;
  }
  if (publication == nullptr) return std::nullopt;
  HttpResponse response = Serve(*publication, request);
  metrics_.CountHttpRequest("crl", response.status);
  return response;
}

bool Repository::IsRecent(Time asked) const {
  const Time now = clock_.Now();
  return now >= asked && now < asked + kAskAgain;  // a clock that was set back counts as a second that has passed
}

HttpResponse Repository::ServeCertificate(const std::string& authority, const HttpRequest& request) {
  const StatusOr<Bytes> der = content_.certificate(authority);
  if (!der.ok()) {
    LogUnreadable("certificate_unreadable", authority, der.status());
    return Unavailable(fmt::format("the certificate of authority '{}'", authority));
  }
  const StatusOr<CertificateParts> parts = ReadCertificate(*der);
  if (!parts.ok()) {
    LogUnreadable("certificate_unreadable", authority, parts.status());
    return Unavailable(fmt::format("the certificate of authority '{}'", authority));
  }
  return Serve(Publish(*der, "application/pkix-cert", parts->not_before, parts->not_after), request);
}

std::optional<Repository::List> Repository::ListIn(const std::string& path) {
  const std::string inner = Between(path, "/crl/", ".crl");
  const size_t slash = std::min(inner.find('/'), inner.size());
  List list{inner.substr(0, slash), {}};
  if (list.authority.empty()) return std::nullopt;
  if (slash == inner.size()) return list;
  std::string_view rest = std::string_view(inner).substr(slash + 1);
  constexpr std::string_view kDelta = "-delta";
  list.scope.delta = rest.ends_with(kDelta);
  if (list.scope.delta) rest.remove_suffix(kDelta.size());
  const char* end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, list.scope.shard);
  // One path a list: no sign, no leading zero, and shard 0's complete list has a path of its own.
  const bool right = error == std::errc() && stop == end && std::to_string(list.scope.shard) == rest &&
                     list.scope.shard < kMostCrlShards && (list.scope.delta || list.scope.shard > 0);
  return right ? std::optional(std::move(list)) : std::nullopt;
}

HttpResponse Repository::ServeCrl(const List& list, const HttpRequest& request) {
  LatestCrl* latest = nullptr;  // within crls_, for as long as this lives
  {
    const std::lock_guard lock(crls_mutex_);
    latest = &crls_[list];
  }
  const std::shared_ptr<const Publication> publication = Refresh(list, *latest);
  // The complete list of shard 0 is everybody's, and will come; another may be one that there will never be.
  if (publication == nullptr && list.scope != CrlScope()) return NotFound();
  if (publication == nullptr) return Unavailable(fmt::format("the CRL of authority '{}'", list.authority));
  return Serve(*publication, request);
}

std::shared_ptr<const Repository::Publication> Repository::Refresh(const List& list, LatestCrl& latest) {
  std::unique_lock lock(latest.mutex);
  if (IsRecent(latest.asked)) return latest.publication;
  latest.asked = clock_.Now();
  const uint64_t served = latest.number;  // 0: none was ever read
  // Whoever comes while the store is read is served what there is; without anything yet, he waits for the lock.
  if (latest.publication != nullptr) lock.unlock();
  StatusOr<CrlRecord> record = content_.crl(list.authority, list.scope);
  if (record.ok() && record->crl.empty())
    record = Error(
        Code::kInternal, reason::kStoreCorrupt,
        fmt::format("cannot publish CRL {} of authority '{}': the store holds no octets of it; generate a new one",
                    record->number, list.authority));
  std::shared_ptr<const Publication> publication;
  if (record.ok() && record->number > served) {
    Publication fresh = Publish(record->crl, "application/pkix-crl", record->this_update, record->next_update);
    Compress(fresh);
    publication = std::make_shared<const Publication>(std::move(fresh));
  } else if (!record.ok() && (list.scope == CrlScope() || !absl::IsNotFound(record.status()))) {
    LogUnreadable("crl_unreadable", list.authority, record.status());
  }
  if (!lock.owns_lock()) lock.lock();
  if (publication != nullptr && record->number > latest.number) {
    latest.publication = publication;
    latest.number = record->number;
  }
  return latest.publication;
}

HttpResponse Repository::ServeReadiness() {
  const std::lock_guard lock(readiness_mutex_);
  if (!IsRecent(readiness_asked_)) {
    const Time now = clock_.Now();
    readiness_ = AskReadiness();
    readiness_asked_ = now;
  }
  return readiness_;
}

HttpResponse Repository::AskReadiness() const {
  nlohmann::ordered_json body = {{"ready", true}, {"checks", nlohmann::ordered_json::array()}};
  for (const Check& check : content_.checks()) {
    nlohmann::ordered_json entry = {{"name", check.name}, {"ok", check.status.ok()}, {"required", check.required}};
    if (!check.status.ok()) {
      entry.update(log::Describe(check.status));
      if (check.required) body["ready"] = false;
    }
    body["checks"].push_back(entry);
  }
  // Octets that are not UTF-8 are replaced, as in the log: this page must never throw.
  HttpResponse response = TextResponse(
      body["ready"] ? 200 : 503, body.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  response.content_type = "application/json";
  return response;
}

Repository::Publication Repository::Publish(ByteView der, const std::string& content_type, Time modified, Time next) {
  return {.der = std::make_shared<const std::string>(ToString(der)),
          .content_type = content_type,
          .entity_tag = EntityTag(Sha256(der)),
          .gzip = nullptr,
          .gzip_tag = "",
          .modified = modified,
          .next = next};
}

// Once for each list, however many are served it.
void Repository::Compress(Publication& publication) {
  if (publication.der->size() <= kGzipFrom) return;
  StatusOr<std::string> gzip = Gzip(AsBytes(*publication.der));
  if (!gzip.ok()) return log::Warning("gzip_failed", log::Describe(gzip.status()));
  if (gzip->size() >= publication.der->size()) return;
  publication.gzip_tag = EntityTag(Sha256(AsBytes(*gzip)));
  publication.gzip = std::make_shared<const std::string>(*std::move(gzip));
}

HttpResponse Repository::Serve(const Publication& publication, const HttpRequest& request) const {
  const Time now = clock_.Now();
  const int64_t max_age = absl::ToInt64Seconds(std::clamp(publication.next - now, absl::ZeroDuration(), kMaxAge));
  const bool encoded = publication.gzip != nullptr && PrefersGzip(request.accept_encoding);
  const std::string& entity_tag = encoded ? publication.gzip_tag : publication.entity_tag;
  HttpResponse response;
  response.headers = {{"ETag", entity_tag},
                      {"Expires", HttpDate(now + absl::Seconds(max_age))},
                      {"Cache-Control", fmt::format("public, max-age={}, must-revalidate, no-transform", max_age)}};
  if (publication.gzip != nullptr) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (now >= publication.modified + kSettled) {
    response.headers.emplace_back("Last-Modified", HttpDate(publication.modified));
  }
  // Whoever has the list has it, whichever way it was encoded for him.
  for (const std::string& tag : {entity_tag, encoded ? publication.entity_tag : publication.gzip_tag}) {
    if (tag.empty() || !IsUnmodified(request, tag, publication.modified)) continue;
    response.status = 304;
    response.headers.front().second = tag;
    return response;
  }
  response.content_type = publication.content_type;
  response.body = encoded ? publication.gzip : publication.der;
  if (encoded) response.headers.emplace_back("Content-Encoding", "gzip");
  return response;
}

}  // namespace hallmark
