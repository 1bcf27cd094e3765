#include "store/sqlite/migrations.h"

#include <fmt/format.h>

#include <array>

#include "base/reason.h"
#include "store/sqlite/crls.h"

namespace hallmark::sqlite {
namespace {

// "Hllm": tells file(1) and us whose database it is.
constexpr int kApplicationId = 0x486c6c6d;

struct Migration {
  int version;  // of the schema after it; PRAGMA user_version
  const char* sql;
};

// A step that has been released is never changed; a change of the schema is a new step. Instants are Unix seconds.
constexpr std::array kMigrations = {
    Migration{1, R"sql(
CREATE TABLE authorities (
  id INTEGER PRIMARY KEY,
  authority TEXT NOT NULL UNIQUE,
  parent TEXT NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  profile TEXT NOT NULL,
  key_uri TEXT NOT NULL,
  certificate BLOB NOT NULL,
  created INTEGER NOT NULL
) STRICT;

-- An authority's revocations so far, and the last CRL number that was allotted.
CREATE TABLE counters (
  authority TEXT PRIMARY KEY,
  revocations INTEGER NOT NULL DEFAULT 0,
  crl_number INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
  leaf_index INTEGER PRIMARY KEY CHECK (leaf_index >= 0),
  time INTEGER NOT NULL,
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  entry TEXT NOT NULL
) STRICT;
CREATE TRIGGER ledger_keeps_its_leaves BEFORE DELETE ON ledger
BEGIN SELECT raise(ABORT, 'the ledger only grows'); END;
CREATE TRIGGER ledger_keeps_its_entries BEFORE UPDATE ON ledger
BEGIN SELECT raise(ABORT, 'the ledger only grows'); END;

-- The Merkle tree hash of all leaves, written with the last of them.
CREATE TABLE ledger_head (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;
INSERT INTO ledger_head VALUES (1, 0, X'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

-- What a check of health overwrites.
CREATE TABLE health (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  filler BLOB NOT NULL
) STRICT;
INSERT INTO health VALUES (1, x'');

-- A row begins as an intent, with a draft, and becomes a certificate, which contains the draft: one row for both, so
-- that the two UNIQUE constraints hold over everything that was ever intended.
CREATE TABLE certificates (
  id INTEGER PRIMARY KEY,
  caller TEXT NOT NULL,
  request_id TEXT NOT NULL,
  request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
  authority TEXT NOT NULL,
  profile TEXT NOT NULL,
  serial BLOB NOT NULL CHECK (length(serial) BETWEEN 1 AND 20),
  subject TEXT NOT NULL,
  spki BLOB NOT NULL CHECK (length(spki) = 32),
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  intended INTEGER NOT NULL,
  leaf_index INTEGER REFERENCES ledger,
  issued INTEGER,
  revoked INTEGER,
  revocation_reason INTEGER,
  revoked_by TEXT,
  draft BLOB,
  certificate BLOB,
  UNIQUE (caller, request_id),
  UNIQUE (authority, serial),
  CHECK ((draft IS NULL) = (certificate IS NOT NULL)),
  CHECK ((certificate IS NULL) = (leaf_index IS NULL) AND (certificate IS NULL) = (issued IS NULL)),
  CHECK ((revoked IS NULL) = (revocation_reason IS NULL) AND (revoked IS NULL) = (revoked_by IS NULL)),
  CHECK (revoked IS NULL OR certificate IS NOT NULL)
) STRICT;
CREATE INDEX certificates_intended ON certificates (id) WHERE certificate IS NULL;
CREATE UNIQUE INDEX certificates_by_leaf ON certificates (leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_by_authority ON certificates (authority, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_by_profile ON certificates (profile, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_by_caller ON certificates (caller, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_by_subject ON certificates (subject, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_by_spki ON certificates (spki, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX certificates_revoked ON certificates (leaf_index) WHERE revoked IS NOT NULL;
-- All that a CRL needs, in its order.
CREATE INDEX certificates_for_crl ON certificates (authority, serial, not_after, revoked, revocation_reason)
  WHERE revoked IS NOT NULL;
CREATE TRIGGER certificates_are_kept BEFORE DELETE ON certificates
BEGIN SELECT raise(ABORT, 'what was intended is kept'); END;
CREATE TRIGGER certificates_do_not_change BEFORE UPDATE OF certificate ON certificates WHEN OLD.certificate IS NOT NULL
BEGIN SELECT raise(ABORT, 'a recorded certificate does not change'); END;

CREATE TABLE crls (
  authority TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  this_update INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  revocation_count INTEGER NOT NULL,
  signed INTEGER NOT NULL DEFAULT 0 CHECK (signed IN (0, 1)),
  crl BLOB NOT NULL,
  PRIMARY KEY (authority, number)
) STRICT;
CREATE INDEX crls_signed ON crls (authority, number) WHERE signed = 1;
)sql"},
    // The life of an authority: made in steps, certified elsewhere, with several ways to its key, succeeded.
    Migration{2, R"sql(
CREATE TABLE authorities_2 (
  id INTEGER PRIMARY KEY,
  authority TEXT NOT NULL UNIQUE,
  parent TEXT NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
  profile TEXT NOT NULL,
  key_uris TEXT NOT NULL,              -- a JSON array, as are the three below
  signature_algorithm TEXT NOT NULL DEFAULT '',
  subject BLOB NOT NULL DEFAULT x'',
  certificate BLOB,
  created INTEGER NOT NULL,
  external_chain TEXT NOT NULL DEFAULT '[]',        -- certificates in hexadecimal
  earlier_certificates TEXT NOT NULL DEFAULT '[]',  -- likewise
  predecessor TEXT UNIQUE REFERENCES authorities_2 (authority),
  profiles TEXT NOT NULL DEFAULT '[]',
  caller TEXT,
  request_id TEXT,
  request_digest BLOB CHECK (length(request_digest) = 32),
  version INTEGER NOT NULL DEFAULT 1,
  UNIQUE (caller, request_id),
  CHECK ((certificate IS NULL) = (state = 5)),
  CHECK ((request_id IS NULL) = (request_digest IS NULL) AND (request_id IS NULL) = (caller IS NULL))
) STRICT;
INSERT INTO authorities_2 (id, authority, parent, state, profile, key_uris, certificate, created)
  SELECT id, authority, parent, state, profile, json_array(key_uri), certificate, created FROM authorities;
DROP TABLE authorities;
ALTER TABLE authorities_2 RENAME TO authorities;
CREATE TRIGGER authorities_are_kept BEFORE DELETE ON authorities
BEGIN SELECT raise(ABORT, 'an authority is kept'); END;
)sql"},
    // What a request was decided by, so that it can be decided again; and one key, one subject.
    Migration{3, R"sql(
ALTER TABLE certificates ADD COLUMN profile_version TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN csr BLOB;                -- NULL: none, or from before schema 3
ALTER TABLE certificates ADD COLUMN asked_lifetime INTEGER;  -- in seconds; NULL: none was asked for, or not kept
ALTER TABLE certificates ADD COLUMN caseless_name TEXT;      -- NULL: names are compared with their case
-- Devices that were made for Azure have a CN and nothing before it; one with an escape in it is no registration ID.
UPDATE certificates SET caseless_name = substr(subject, 4, instr(subject || ',', ',') - 4)
  WHERE profile IN ('device', 'device-dps') AND subject LIKE 'CN=%' AND instr(subject, char(92)) = 0;
CREATE INDEX certificates_by_key ON certificates (spki, subject);
CREATE INDEX certificates_by_caseless_name ON certificates (caseless_name COLLATE NOCASE)
  WHERE caseless_name IS NOT NULL;

-- Each text of policies/ that was ever in force; of one profile, the row with the highest leaf_index is. The roles have
-- no profile's name.
CREATE TABLE policies (
  profile TEXT NOT NULL,
  version TEXT NOT NULL CHECK (length(version) = 64),
  text TEXT NOT NULL,
  loaded INTEGER NOT NULL,
  leaf_index INTEGER NOT NULL REFERENCES ledger,
  PRIMARY KEY (profile, version)
) STRICT;
CREATE UNIQUE INDEX policies_by_leaf ON policies (profile, leaf_index);
CREATE TRIGGER policies_are_kept BEFORE DELETE ON policies
BEGIN SELECT raise(ABORT, 'a policy is kept'); END;
CREATE TRIGGER policies_do_not_change BEFORE UPDATE OF profile, version, text ON policies
BEGIN SELECT raise(ABORT, 'a policy does not change'); END;
)sql"},
    // The factory: who announces devices, production orders with their lines, and which line a certificate is of.
    Migration{4, R"sql(
CREATE TABLE manufacturers (
  manufacturer TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  certificates TEXT NOT NULL,  -- a JSON array of octets in hexadecimal, as is crls
  crls TEXT NOT NULL,
  suspended INTEGER NOT NULL CHECK (suspended IN (0, 1)),
  created INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

-- Until its first import is finished a lot has revision 0, and there is none of that name.
CREATE TABLE lots (
  id INTEGER PRIMARY KEY,
  lot TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 2),
  revision INTEGER NOT NULL DEFAULT 0,
  manufacturer TEXT NOT NULL DEFAULT '',
  product TEXT NOT NULL DEFAULT '',
  authority TEXT NOT NULL DEFAULT '',
  profile TEXT NOT NULL DEFAULT '',
  terms TEXT NOT NULL DEFAULT '',
  -- How many of its lines are in which state, kept with each change of a line.
  announced INTEGER NOT NULL DEFAULT 0 CHECK (announced >= 0),
  claimed INTEGER NOT NULL DEFAULT 0 CHECK (claimed >= 0),
  issued INTEGER NOT NULL DEFAULT 0 CHECK (issued >= 0),
  installed INTEGER NOT NULL DEFAULT 0 CHECK (installed >= 0),
  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked >= 0),
  withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn >= 0),
  reissued INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  closed INTEGER,
  CHECK ((closed IS NULL) = (state = 1))
) STRICT;
CREATE TRIGGER lots_stay_closed BEFORE UPDATE OF state ON lots WHEN OLD.state = 2 AND NEW.state <> 2
BEGIN SELECT raise(ABORT, 'a closed lot stays closed'); END;

-- Revisions that are in force or were; and, without a number, imports that are under way. Lines count once the revision
-- that brought them has a number.
CREATE TABLE lot_revisions (
  id INTEGER PRIMARY KEY,
  lot INTEGER NOT NULL REFERENCES lots,
  expires INTEGER,
  revision INTEGER,
  digest BLOB CHECK (length(digest) = 32),
  manifest TEXT,
  signature BLOB,
  signer TEXT,
  caller TEXT,
  imported INTEGER,
  added INTEGER NOT NULL DEFAULT 0,
  withdrawn INTEGER NOT NULL DEFAULT 0,
  leaf_index INTEGER REFERENCES ledger,
  UNIQUE (lot, revision),
  CHECK ((revision IS NULL) = (expires IS NOT NULL) AND (revision IS NULL) = (leaf_index IS NULL))
) STRICT;
CREATE UNIQUE INDEX lot_imports ON lot_revisions (lot) WHERE revision IS NULL;
CREATE TRIGGER lot_revisions_are_kept BEFORE DELETE ON lot_revisions WHEN OLD.revision IS NOT NULL
BEGIN SELECT raise(ABORT, 'a revision is kept'); END;
CREATE TABLE lot_withdrawals (
  revision INTEGER NOT NULL REFERENCES lot_revisions,
  serial TEXT NOT NULL,
  PRIMARY KEY (revision, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
  id INTEGER PRIMARY KEY,
  lot INTEGER NOT NULL REFERENCES lots,
  revision INTEGER NOT NULL REFERENCES lot_revisions,
  serial TEXT NOT NULL,
  registration_id TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6),
  spki BLOB CHECK (length(spki) = 32),
  endorsement_key BLOB CHECK (length(endorsement_key) = 32),
  hardware TEXT,
  station TEXT,
  claimed INTEGER,
  issued INTEGER,
  installed INTEGER,
  proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)),
  reissues INTEGER NOT NULL DEFAULT 0,
  reissue_of TEXT,
  certificate INTEGER REFERENCES certificates,
  UNIQUE (lot, serial)
) STRICT;
CREATE UNIQUE INDEX devices_by_registration_id ON devices (registration_id COLLATE NOCASE) WHERE state <> 6;
CREATE INDEX devices_by_revision ON devices (revision);
CREATE INDEX devices_unconfirmed ON devices (lot, issued) WHERE state = 3;
CREATE TRIGGER devices_are_kept BEFORE DELETE ON devices
WHEN (SELECT revision FROM lot_revisions WHERE id = OLD.revision) IS NOT NULL
BEGIN SELECT raise(ABORT, 'a line that was announced is kept'); END;

-- How many lines of a lot a caller has taken.
CREATE TABLE lot_callers (
  lot INTEGER NOT NULL REFERENCES lots,
  caller TEXT NOT NULL,
  taken INTEGER NOT NULL,
  PRIMARY KEY (lot, caller)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  lot TEXT NOT NULL,
  station TEXT NOT NULL,
  reason TEXT NOT NULL,
  serial TEXT NOT NULL,
  request_id TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (lot, station, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE suspensions (
  caller TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  suspended_by TEXT NOT NULL,
  suspended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of a device in a lot.
ALTER TABLE certificates ADD COLUMN lot TEXT;
ALTER TABLE certificates ADD COLUMN device_serial TEXT;
ALTER TABLE certificates ADD COLUMN registration_id TEXT;
ALTER TABLE certificates ADD COLUMN device INTEGER REFERENCES devices;
-- The certificate that it takes the place of, and whether that is revoked then.
ALTER TABLE certificates ADD COLUMN replaces INTEGER REFERENCES certificates;
ALTER TABLE certificates ADD COLUMN revoke_replaced INTEGER NOT NULL DEFAULT 0;
CREATE INDEX certificates_by_lot ON certificates (lot, leaf_index) WHERE leaf_index IS NOT NULL AND lot IS NOT NULL;
)sql"},
    // From when a key is not believed; and keys that were compromised, which nobody certifies any more.
    Migration{5, R"sql(
ALTER TABLE certificates ADD COLUMN invalidity_date INTEGER CHECK (invalidity_date IS NULL OR revoked IS NOT NULL);
-- Whose list its cRLDistributionPoints names, and the shard's count of changes with the last one of it.
ALTER TABLE certificates ADD COLUMN crl_shard INTEGER NOT NULL DEFAULT 0 CHECK (crl_shard >= 0);
ALTER TABLE certificates ADD COLUMN revocation_change INTEGER;
UPDATE certificates SET revocation_change = 0 WHERE revoked IS NOT NULL;
DROP INDEX certificates_for_crl;
CREATE INDEX certificates_for_crl
  ON certificates (authority, crl_shard, serial, not_after, revoked, revocation_reason, invalidity_date)
  WHERE revoked IS NOT NULL;
CREATE INDEX certificates_for_delta ON certificates (authority, crl_shard, revocation_change)
  WHERE revocation_change IS NOT NULL;
CREATE TABLE crl_shards (
  authority TEXT NOT NULL,
  shard INTEGER NOT NULL CHECK (shard >= 0),
  revocations INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (authority, shard)
) STRICT, WITHOUT ROWID;
INSERT INTO crl_shards SELECT authority, 0, revocations FROM counters;
ALTER TABLE crls ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crls ADD COLUMN base INTEGER;
DROP INDEX crls_signed;
CREATE INDEX crls_signed ON crls (authority, shard, base IS NOT NULL, number) WHERE signed = 1;
CREATE TABLE compromised_keys (
  spki BLOB PRIMARY KEY CHECK (length(spki) = 32),
  compromised INTEGER NOT NULL,
  authority TEXT NOT NULL,
  serial BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO compromised_keys
  SELECT spki, revoked, authority, serial FROM certificates WHERE revocation_reason IN (1, 2) ORDER BY revoked;
CREATE TRIGGER compromised_keys_are_kept BEFORE DELETE ON compromised_keys
BEGIN SELECT raise(ABORT, 'a compromised key stays one'); END;
CREATE TRIGGER revocations_are_for_ever BEFORE UPDATE OF revoked ON certificates
WHEN OLD.revoked IS NOT NULL AND OLD.revocation_reason <> 6 AND NEW.revoked IS NOT OLD.revoked
BEGIN SELECT raise(ABORT, 'a revocation stays'); END;
)sql"},
    // Revocations of many, and lists that were made elsewhere.
    Migration{7, R"sql(
CREATE INDEX certificates_by_device ON certificates (device_serial, leaf_index)
  WHERE leaf_index IS NOT NULL AND device_serial IS NOT NULL;
CREATE INDEX certificates_by_issued ON certificates (issued, leaf_index) WHERE leaf_index IS NOT NULL;
CREATE TABLE mass_revocations (
  id INTEGER PRIMARY KEY,
  revocation TEXT NOT NULL UNIQUE,
  caller TEXT NOT NULL,
  request_id TEXT NOT NULL,
  request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
  -- the filter; NULL selects all
  of_authority TEXT,
  of_profile TEXT,
  of_subject TEXT,
  of_caller TEXT,
  of_spki BLOB CHECK (length(of_spki) = 32),
  of_lot TEXT,
  of_device TEXT,
  of_revoked INTEGER,
  issued_from INTEGER,
  issued_before INTEGER,
  leaf_end INTEGER,
  reason INTEGER NOT NULL,
  invalidity_date INTEGER,
  created INTEGER NOT NULL,
  total INTEGER NOT NULL,
  seen INTEGER NOT NULL DEFAULT 0,
  changed INTEGER NOT NULL DEFAULT 0,
  position TEXT NOT NULL DEFAULT '',
  state INTEGER NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
  finished INTEGER,
  stopped_by TEXT NOT NULL DEFAULT '',
  UNIQUE (caller, request_id)
) STRICT;
CREATE INDEX mass_revocations_running ON mass_revocations (id) WHERE state = 1;
CREATE TABLE imported_crls (
  name TEXT PRIMARY KEY,
  issuer BLOB NOT NULL CHECK (length(issuer) = 32),
  issuer_name TEXT NOT NULL,
  number INTEGER NOT NULL,
  this_update INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  imported INTEGER NOT NULL,
  imported_by TEXT NOT NULL,
  crl BLOB NOT NULL
) STRICT;
)sql"},
    // Of a list that was replaced stays what it was, not its octets. Migrate defines the two functions.
    Migration{8, R"sql(
CREATE TABLE crls_8 (
  authority TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number > 0),
  this_update INTEGER NOT NULL,
  next_update INTEGER NOT NULL,
  revocation_count INTEGER NOT NULL,
  shard INTEGER NOT NULL DEFAULT 0,
  base INTEGER,
  signed INTEGER NOT NULL DEFAULT 0 CHECK (signed IN (0, 1)),
  tbs_sha256 BLOB NOT NULL CHECK (length(tbs_sha256) = 32),
  sha256 BLOB CHECK (length(sha256) = 32),  -- once it is signed
  crl BLOB,
  PRIMARY KEY (authority, number),
  CHECK ((sha256 IS NULL) = (signed = 0))
) STRICT;
INSERT INTO crls_8
  SELECT authority, number, this_update, next_update, revocation_count, shard, base, signed, digest_of_tbs(crl),
         CASE signed WHEN 1 THEN digest_of(crl) END, NULL
  FROM crls;
UPDATE crls_8 SET crl = (SELECT c.crl FROM crls c WHERE c.authority = crls_8.authority AND c.number = crls_8.number)
  WHERE (authority, number) IN
    (SELECT authority, max(number) FROM crls_8 GROUP BY authority, shard, base IS NOT NULL, signed);
DROP TABLE crls;
ALTER TABLE crls_8 RENAME TO crls;
CREATE INDEX crls_with_octets ON crls (authority, shard, base IS NOT NULL, signed, number) WHERE crl IS NOT NULL;
CREATE TRIGGER crls_are_kept BEFORE DELETE ON crls
BEGIN SELECT raise(ABORT, 'a CRL number is kept'); END;
CREATE TRIGGER crls_do_not_change BEFORE UPDATE OF authority, number, tbs_sha256, sha256 ON crls
WHEN NEW.authority <> OLD.authority OR NEW.number <> OLD.number OR NEW.tbs_sha256 <> OLD.tbs_sha256
  OR (OLD.sha256 IS NOT NULL AND NEW.sha256 IS NOT OLD.sha256)
BEGIN SELECT raise(ABORT, 'a CRL does not change'); END;
)sql"},
    // One index for complete lists and deltas, in the order of the changes: new ones go to its end. In that of the
    // serial numbers, each change wrote a page of its own once there were many.
    Migration{9, R"sql(
DROP INDEX certificates_for_crl;
DROP INDEX certificates_for_delta;
CREATE INDEX certificates_for_lists ON certificates
  (authority, crl_shard, revocation_change, serial, not_after, revoked, revocation_reason, invalidity_date)
  WHERE revocation_change IS NOT NULL;
)sql"},
    // It is the sum of the shards' counts.
    Migration{10, "ALTER TABLE counters DROP COLUMN revocations;"},
    // Publication: the targets, the outbox, and what stands in targets because of us.
    Migration{11, R"sql(
CREATE TABLE targets (
  target TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  description TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  chain INTEGER NOT NULL DEFAULT 0 CHECK (chain BETWEEN 0 AND 3),
  take_over INTEGER NOT NULL DEFAULT 0,
  published INTEGER
) STRICT;
-- Whose devices a target lets in.
CREATE TABLE target_authorities (
  authority TEXT NOT NULL,
  target TEXT NOT NULL REFERENCES targets,
  PRIMARY KEY (authority, target)
) STRICT, WITHOUT ROWID;
-- A number is never used again, so that nobody ends work that it does not know.
CREATE TABLE publication_work (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL REFERENCES targets,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
  key TEXT NOT NULL COLLATE NOCASE,
  queued INTEGER NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1,
  attempts INTEGER NOT NULL DEFAULT 0,
  next INTEGER NOT NULL,
  parked INTEGER NOT NULL DEFAULT 0 CHECK (parked IN (0, 1)),
  reason TEXT NOT NULL DEFAULT '',
  failure TEXT NOT NULL DEFAULT '',
  UNIQUE (target, kind, key)
) STRICT;
CREATE INDEX publication_work_due ON publication_work (target, parked, kind, next, id);
CREATE TABLE published (
  target TEXT NOT NULL REFERENCES targets,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
  key TEXT NOT NULL COLLATE NOCASE,
  content TEXT NOT NULL,
  collect INTEGER,
  PRIMARY KEY (target, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX published_to_collect ON published (target, kind, collect) WHERE collect IS NOT NULL;
)sql"},
    Migration{12, R"sql(
-- A revocation does not wait behind what is merely looked at again.
ALTER TABLE publication_work ADD COLUMN review INTEGER NOT NULL DEFAULT 0 CHECK (review IN (0, 1));
DROP INDEX publication_work_due;
CREATE INDEX publication_work_due ON publication_work (target, parked, kind, review, next, id);
CREATE INDEX publication_work_listed ON publication_work (target, queued, id);
ALTER TABLE targets ADD COLUMN published_version INTEGER NOT NULL DEFAULT 0;
UPDATE targets SET published_version = version WHERE published >= updated;
)sql"},
};

Status Corrupt(const std::string& what) { return Error(Code::kDataLoss, reason::kStoreCorrupt, what); }

Status CheckPages(Connection& connection) {
  ASSIGN_OR_RETURN(Rows rows, connection.Query("PRAGMA quick_check(1)"));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  const std::string verdict = found ? rows.Text(0) : "no verdict";
  if (verdict == "ok") return absl::OkStatus();
  return Corrupt(fmt::format("the database is damaged ({}); nothing was changed, restore it from a backup", verdict));
}

Status Apply(Connection& connection, const Migration& migration) {
  RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  Status status = connection.ExecuteScript(migration.sql);
  const std::string mark =
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT", kApplicationId, migration.version);
  if (status.ok()) status = connection.ExecuteScript(mark.c_str());
  if (!status.ok() && connection.in_transaction()) connection.Execute("ROLLBACK").IgnoreError();  // closing does it too
  return Annotate(status, fmt::format("cannot bring the database to schema {}", migration.version));
}

}  // namespace

Status CheckDatabase(Connection& connection) {
  ASSIGN_OR_RETURN(const int64_t application, connection.QueryInteger("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const int64_t version, connection.QueryInteger("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const int64_t objects, connection.QueryInteger("SELECT count(*) FROM sqlite_schema"));
  if (application == 0 && version == 0 && objects == 0) return absl::OkStatus();
  if (application != kApplicationId) {
    return Corrupt("the file is a database of another program; nothing was changed, configure another path");
  }
  constexpr int kNewest = kMigrations.back().version;
  if (version > kNewest) {
    return Error(Code::kFailedPrecondition, reason::kStoreNewerSchema,
                 fmt::format("the database has schema {}, this Hallmark knows schemas up to {}; nothing was changed, "
                             "start the newer Hallmark again or restore the backup made before it",
                             version, kNewest));
  }
  return CheckPages(connection);
}

Status Migrate(Connection& connection) {
  ASSIGN_OR_RETURN(const int64_t version, connection.QueryInteger("PRAGMA user_version"));
  RETURN_IF_ERROR(connection.DefineDigest("digest_of", Sha256));
  RETURN_IF_ERROR(connection.DefineDigest("digest_of_tbs", TbsSha256));
  for (const Migration& migration : kMigrations) {
    if (migration.version > version) RETURN_IF_ERROR(Apply(connection, migration));
  }
  return absl::OkStatus();
}

}  // namespace hallmark::sqlite
