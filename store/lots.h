// What the store keeps of the factory: who announces devices, production orders with their lines, and what was refused.
// Plain values, as in records.h; what an order's terms mean is factory/'s business.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace hallmark {

// Who announces devices. Its certificates are what signatures of its manifests end at.
struct ManufacturerRecord {
  std::string manufacturer;         // its name, [a-z][a-z0-9-]{0,62}
  std::string display_name;         // for people; may be empty
  std::vector<Bytes> certificates;  // DER: of signers, or of CAs that certify signers
  std::vector<Bytes> crls;          // DER, of those CAs, and of CAs below them
  bool suspended = false;           // announces nothing; its open lots go on
  Time created;
  uint64_t version = 1;  // grows with each update
};

// The numbers are on disk: do not change them.
enum class LotState { kOpen = 1, kClosed = 2 };
enum class DeviceState {
  kAnnounced = 1,
  kClaimed = 2,  // a certificate is intended and perhaps signed
  kIssued = 3,
  kInstalled = 4,  // the device was seen to have its certificate
  kRevoked = 5,
  kWithdrawn = 6,  // by an amendment, before it was claimed
};

// How many lines of a lot are in which state, and how often one got a further certificate.
struct LotCounts {
  int64_t announced = 0;
  int64_t claimed = 0;
  int64_t issued = 0;
  int64_t installed = 0;
  int64_t revoked = 0;
  int64_t withdrawn = 0;
  int64_t reissued = 0;  // reissues, not lines

  // Lines that have, had, or are about to have a certificate: what a lot's quantity bounds.
  int64_t taken() const { return claimed + issued + installed + revoked; }
  bool operator==(const LotCounts&) const = default;
};

struct LotRecord {
  std::string lot;  // its name, [a-z0-9][a-z0-9-]{0,62}
  LotState state = LotState::kOpen;
  int64_t revision = 1;  // of the manifest that is in force
  std::string manufacturer;
  std::string product;
  std::string authority;
  std::string profile;
  std::string terms;  // JSON, see factory/terms.h: of the revision in force
  LotCounts counts;
  Time created;
  std::optional<Time> closed;
};

// A lot counted anew, row by row, in one snapshot.
struct CountedLot {
  LotRecord lot;     // with the counts that are kept
  LotCounts counts;  // as counted
  int64_t certificates = 0;
  int64_t live = 0;  // of them: the current one of its line, and not revoked
};

// One line of a lot.
struct DeviceRecord {
  std::string lot;
  std::string serial;           // of the manufacturer, 1 to 64 octets of printable ASCII
  std::string registration_id;  // under which it will be known; unique, without the case of letters, over all lots
  DeviceState state = DeviceState::kAnnounced;
  std::optional<Digest> spki;             // SHA-256 of the SubjectPublicKeyInfo that was announced
  std::optional<Digest> endorsement_key;  // SHA-256 of its TPM's endorsement key's SubjectPublicKeyInfo
  std::string hardware;                   // a JSON object of names and texts; empty: none
  // Since it was claimed.
  std::string station;  // the caller's URI
  std::optional<Time> claimed;
  std::optional<Time> issued;
  std::optional<Time> installed;
  bool proven = false;     // the device itself confirmed, with its key
  int64_t reissues = 0;    // certificates beyond the first
  std::string reissue_of;  // why the last one was asked for
  std::string authority;   // with `certificate_serial`: its current certificate
  Bytes certificate_serial;
};

// A line as an import brings it.
struct DeviceLine {
  std::string serial;
  std::string registration_id;
  std::optional<Digest> spki;
  std::optional<Digest> endorsement_key;
  std::string hardware;
};

// One signed revision of a lot's manifest.
struct LotRevision {
  std::string lot;
  int64_t revision = 1;  // 1, 2, 3...
  Digest digest{};       // SHA-256 that stands for all of its content: the same digest is the same revision
  std::string manifest;  // its JSON without the lines
  Bytes signature;       // CMS SignedData, detached, DER
  std::string signer;    // SHA-256 of the signer's certificate, hexadecimal
  std::string caller;    // who imported it
  Time imported;
  int64_t added = 0;
  int64_t withdrawn = 0;
};

// What a lot becomes by a revision.
struct LotTermsRecord {
  std::string manufacturer;
  std::string product;
  std::string authority;
  std::string profile;
  std::string terms;
};

// A line as it shall be from now on, and what becomes of the certificate that it has.
struct Admitted {
  DeviceRecord device;  // kClaimed
  bool revoke_previous = false;
};

// A device's claim, judged and made in the transaction that records an intent (Store::Intend).
struct Claim {
  std::string lot;
  std::string serial;
  // Called with the lot, its line (nullopt: there is none), and how many lines of the lot the intent's caller has taken
  // so far, all as they are in the transaction. It must be quick and must not call the store.
  std::function<StatusOr<Admitted>(const LotRecord& lot, const std::optional<DeviceRecord>& device,
                                   int64_t taken_by_caller)>
      admit;
};

// What an intent has to do with a lot's line; kept with it.
struct ClaimedDevice {
  std::string lot;
  std::string serial;
  std::string registration_id;
  // The certificate that this one takes the place of: of a reissue.
  std::string replaced_authority;
  Bytes replaced_serial;
  bool revoke_replaced = false;
};

// Attempts of a station that its lot or the manifest did not cover, counted by reason.
struct AttemptRecord {
  std::string lot;      // empty: of a lot that there is not
  std::string station;  // the caller's URI
  std::string reason;   // of base/reason.h
  std::string serial;   // of the last one
  std::string request_id;
  Time first;
  Time last;
  int64_t count = 1;
};

// Select lots and lines; an empty field selects all.
struct LotFilter {
  std::string manufacturer;
  std::optional<LotState> state;
};
struct DeviceFilter {
  std::string lot;  // required
  std::optional<DeviceState> state;
};

}  // namespace hallmark
