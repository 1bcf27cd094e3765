#include "publish/wanted_chain.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/reason.h"
#include "ca/certificate.h"
#include "ca/ocsp.h"
#include "publish/possession.h"

namespace hallmark {
namespace {

constexpr size_t kSlots = 2;  // primary and secondary

Status Provable(const Issuers::Snapshot& authorities, const std::string& authority, Time now) {
  const auto issuer = authorities.issuers.find(authority);
  if (issuer == authorities.issuers.end()) {
    return Error(
        Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
        fmt::format("the key of \"{}\" is not here; prove its possession where it is, in the service's portal, "
                    "or let the description say verified: claimed",
                    authority));
  }
  if (issuer->second->not_after() < now) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("\"{}\" has expired and certifies no proof of possession any more; activate a certificate "
                             "that is valid, or roll it over",
                             authority));
  }
  RETURN_IF_ERROR(issuer->second->CheckKey());
  if (issuer->second->FindTemplate(kPossessionProfile) != nullptr) return absl::OkStatus();
  return Error(Code::kFailedPrecondition, reason::kProfileUnknown,
               fmt::format("\"{}\" does not certify under the profile {}, by which possession is proven", authority,
                           kPossessionProfile));
}

WantedCertificate MakeWanted(const Issuers::Snapshot& authorities, const std::string& authority,
                             const Bytes& certificate, bool proof, Time now) {
  return {.authority = authority,
          .certificate = certificate,
          .thumbprint = ThumbprintOf(certificate),
          .fingerprint = FingerprintOf(certificate),
          .proof = proof,
          .provable = Provable(authorities, authority, now)};
}

// The certificates of an authority that have not expired, the older first.
StatusOr<std::vector<Bytes>> UnexpiredOf(const AuthorityRecord& record, Time now) {
  std::vector<Bytes> unexpired;
  std::vector<Bytes> all = record.earlier_certificates;
  if (!record.certificate.empty()) all.push_back(record.certificate);
  for (Bytes& one : all) {
    ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(one));
    if (now < parts.not_after) unexpired.push_back(std::move(one));
  }
  return unexpired;
}

// An authority and those that go on under its name, the oldest first.
std::vector<const AuthorityRecord*> LineOf(const std::vector<AuthorityRecord>& records, const std::string& authority) {
  std::vector<const AuthorityRecord*> line;
  const AuthorityRecord* record = FindRecord(records, authority);
  while (record != nullptr && line.size() < records.size()) {
    line.push_back(record);
    record = record->successor.empty() ? nullptr : FindRecord(records, record->successor);
  }
  return line;
}

struct Line {
  std::vector<WantedCertificate> certificates;
  bool counts = false;                    // whether devices below it may be let in
  std::vector<std::string> dropped = {};  // that count, too, but a group takes no more than two
};

Status Unknown(const std::string& authority) {
  return Error(
      Code::kNotFound, reason::kAuthorityUnknown,
      fmt::format("there is no authority \"{}\"; list the authorities and correct the description", authority));
}

StatusOr<Line> CountingOf(const Issuers::Snapshot& authorities, const std::set<std::string>& revoked,
                          const std::string& authority, bool proof, Time now) {
  Line line;
  const std::vector<const AuthorityRecord*> records = LineOf(authorities.records, authority);
  if (records.empty()) {
    const auto elsewhere = authorities.elsewhere.find(authority);
    if (elsewhere == authorities.elsewhere.end()) return Unknown(authority);
    line.certificates.push_back(MakeWanted(authorities, authority, elsewhere->second, proof, now));
    line.counts = true;
    return line;
  }
  const AuthorityRecord* newest = nullptr;
  for (const AuthorityRecord* record : records) {
    if (!record->certificate.empty()) newest = record;
    if (revoked.contains(record->authority)) continue;
    ASSIGN_OR_RETURN(const std::vector<Bytes> unexpired, UnexpiredOf(*record, now));
    for (const Bytes& one : unexpired)
      line.certificates.push_back(MakeWanted(authorities, record->authority, one, proof, now));
  }
  if (newest == nullptr) {
    return Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing,
                 fmt::format("authority \"{}\" has no certificate yet; activate it first", authority));
  }
  line.counts = !line.certificates.empty();
  if (!line.counts) {
    line.certificates.push_back(MakeWanted(authorities, newest->authority, newest->certificate, proof, now));
    line.certificates.back().counts = false;
  }
  while (line.certificates.size() > kSlots) {
    line.dropped.push_back(line.certificates.front().authority);
    line.certificates.erase(line.certificates.begin());
  }
  return line;
}

std::set<std::string> Descend(const std::vector<AuthorityRecord>& authorities, std::set<std::string> reached) {
  for (bool grown = true; grown;) {
    grown = false;
    for (const AuthorityRecord& one : authorities) {
      if (!reached.contains(one.parent) && !reached.contains(one.predecessor)) continue;
      grown |= reached.insert(one.authority).second;
    }
  }
  return reached;
}

}  // namespace

std::string FingerprintOf(ByteView certificate) { return absl::AsciiStrToUpper(Hex(Sha256(certificate))); }

std::string ThumbprintOf(ByteView certificate) {
  return absl::AsciiStrToUpper(Hex(HashOf(OcspHash::kSha1, certificate)));
}

std::vector<std::string> AuthoritiesBelow(const DpsDescription& description,
                                          const std::vector<AuthorityRecord>& authorities) {
  std::set<std::string> reached;
  for (const DescribedGroup& group : description.groups) reached.insert(group.authority);
  reached = Descend(authorities, std::move(reached));
  return {reached.begin(), reached.end()};
}

StatusOr<WantedChain> WantedOf(const DpsDescription& description, const std::vector<std::string>& let_in,
                               const std::set<std::string>& revoked, const Issuers::Snapshot& authorities, Time now) {
  WantedChain wanted;
  std::map<std::string, bool> proofs;
  for (const DescribedCertificate& described : description.certificates) {
    proofs[described.authority] = described.proof;
    ASSIGN_OR_RETURN(const Line line, CountingOf(authorities, revoked, described.authority, described.proof, now));
    wanted.certificates.insert(wanted.certificates.end(), line.certificates.begin(), line.certificates.end());
  }
  for (const DescribedGroup& described : description.groups) {
    // Of an authority elsewhere we would not know whose devices they are.
    if (FindRecord(authorities.records, described.authority) == nullptr) return Unknown(described.authority);
    ASSIGN_OR_RETURN(Line line,
                     CountingOf(authorities, revoked, described.authority, proofs[described.authority], now));
    for (const std::string& dropped : line.dropped) {
      wanted.warnings.push_back(
          fmt::format("enrollment group {} takes two certificates: devices below an older one of {} "
                      "are not let in any more",
                      described.group, dropped));
    }
    wanted.groups.push_back({.described = described,
                             .enabled = described.enabled && line.counts,
                             .revoked = !line.counts,
                             .certificates = std::move(line.certificates)});
  }
  std::set<std::string> reached(let_in.begin(), let_in.end());
  const std::vector<std::string> below = AuthoritiesBelow(description, authorities.records);
  reached.insert(below.begin(), below.end());
  for (const std::string& authority : reached) {
    const AuthorityRecord* record = FindRecord(authorities.records, authority);
    if (record == nullptr) continue;
    ASSIGN_OR_RETURN(const std::vector<Bytes> unexpired, UnexpiredOf(*record, now));
    std::vector<WantedCertificate>& all = revoked.contains(authority) ? wanted.denied : wanted.known;
    for (const Bytes& one : unexpired) all.push_back(MakeWanted(authorities, authority, one, true, now));
  }
  return wanted;
}

}  // namespace hallmark
