#include "store/sqlite/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "store/sqlite/certificates.h"
#include "store/sqlite/page_token.h"

namespace hallmark::sqlite {
namespace {

constexpr size_t kHalfToken = 8;  // octets of the position, and of the filter's hash

void AppendInteger(Bytes& to, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) to.push_back(static_cast<uint8_t>(value >> shift));
}

// What tells one filter from another: each field with its length before it.
Bytes FilterHash(const CertificateFilter& filter) {
  Bytes input;
  for (const std::string& field : {filter.authority, filter.profile, filter.subject, filter.caller,
                                   filter.spki.has_value() ? Hex(*filter.spki) : std::string()}) {
    AppendInteger(input, field.size());
    Append(input, AsBytes(field));
  }
  input.push_back(filter.revoked.has_value() ? *filter.revoked : 2);
  if (!filter.lot.empty()) Append(input, AsBytes("lot " + filter.lot));  // as before there were lots, otherwise
  if (filter.newest_first) input.push_back(1);                           // as before there was a choice, otherwise
  if (!filter.device_serial.empty()) Append(input, AsBytes("device " + filter.device_serial));
  for (const std::optional<Time>& bound : {filter.issued_from, filter.issued_before}) {
    if (filter.issued_from.has_value() || filter.issued_before.has_value()) {
      AppendInteger(input, bound.has_value() ? static_cast<uint64_t>(Seconds(*bound)) : 0);
    }
  }
  if (filter.leaf_end.has_value()) AppendInteger(input, *filter.leaf_end);
  const Digest digest = Sha256(input);
  return Bytes(digest.begin(), digest.begin() + kHalfToken);
}

// A token is the leaf index of the page's last certificate, and the filter's hash.
std::string MakeToken(uint64_t last, const CertificateFilter& filter) {
  Bytes token;
  AppendInteger(token, last);
  Append(token, FilterHash(filter));
  return Hex(token);
}

// The leaf index beyond which the page starts.
StatusOr<int64_t> ParseToken(const std::string& token, const CertificateFilter& filter) {
  if (token.empty()) return filter.newest_first ? std::numeric_limits<int64_t>::max() : -1;
  const StatusOr<Bytes> octets = FromHex(token);
  if (!octets.ok() || octets->size() != 2 * kHalfToken || (*octets)[0] > 0x7f) {
    return NoPageToken();
  }
  if (!Equal(ByteView(*octets).subspan(kHalfToken), FilterHash(filter))) {
    return PageTokenOfAnotherFilter();
  }
  int64_t last = 0;
  for (size_t i = 0; i < kHalfToken; ++i) last = last << 8 | (*octets)[i];
  return last;
}

// The index of the field that selects best: SQLite has no statistics to choose by.
const char* IndexFor(const CertificateFilter& filter) {
  if (filter.spki.has_value()) return "certificates_by_spki";
  if (!filter.subject.empty()) return "certificates_by_subject";
  if (!filter.device_serial.empty()) return "certificates_by_device";
  if (!filter.lot.empty()) return "certificates_by_lot";
  if (filter.revoked == true) return "certificates_revoked";
  if (!filter.caller.empty()) return "certificates_by_caller";
  if (!filter.profile.empty()) return "certificates_by_profile";
  if (!filter.authority.empty()) return "certificates_by_authority";
  return "certificates_by_leaf";
}

// A SELECT and what is bound in it.
struct Selection {
  std::string sql;
  std::vector<Value> values;
};

// The filter's fields as further conditions. `filter` must outlive the selection.
void AppendConditions(Selection& selection, const CertificateFilter& filter) {
  const auto compare = [&selection](const char* condition, Value value) {
    selection.values.push_back(value);
    selection.sql += fmt::format(" AND {} ?{}", condition, selection.values.size());
  };
  if (!filter.authority.empty()) compare("authority =", filter.authority);
  if (!filter.profile.empty()) compare("profile =", filter.profile);
  if (!filter.subject.empty()) compare("subject =", filter.subject);
  if (!filter.caller.empty()) compare("caller =", filter.caller);
  if (!filter.lot.empty()) compare("lot =", filter.lot);
  if (!filter.device_serial.empty()) compare("device_serial =", filter.device_serial);
  if (filter.spki.has_value()) compare("spki =", ByteView(*filter.spki));
  if (filter.issued_from.has_value()) compare("issued >=", Seconds(*filter.issued_from));
  if (filter.issued_before.has_value()) compare("issued <", Seconds(*filter.issued_before));
  if (filter.leaf_end.has_value()) compare("leaf_index <", static_cast<int64_t>(*filter.leaf_end));
  if (filter.revoked.has_value())
    selection.sql += *filter.revoked ? " AND revoked IS NOT NULL" : " AND revoked IS NULL";
}

Selection SelectPage(const CertificateFilter& filter, int64_t last, int64_t limit) {
  Selection selection{fmt::format("SELECT {} FROM certificates INDEXED BY {} WHERE leaf_index {} ?1",
                                  CertificateColumns(), IndexFor(filter), filter.newest_first ? "<" : ">"),
                      {last}};
  AppendConditions(selection, filter);
  selection.values.push_back(limit);
  selection.sql +=
      fmt::format(" ORDER BY leaf_index{} LIMIT ?{}", filter.newest_first ? " DESC" : "", selection.values.size());
  return selection;
}

// The leaf index beyond which all that was issued from `time` on stands: a first page need not read what is before.
StatusOr<int64_t> LastBefore(Connection& connection, Time time) {
  return connection.QueryInteger(
      "SELECT ifnull(min(leaf_index), 9223372036854775807) - 1 FROM certificates INDEXED BY certificates_by_issued "
      "WHERE leaf_index IS NOT NULL AND issued >= ?1",
      {Seconds(time)});
}

}  // namespace

StatusOr<Page<CertificateRecord>> ListCertificates(Connection& connection, const CertificateFilter& filter,
                                                   int page_size, const std::string& page_token) {
  RETURN_IF_ERROR(CheckPageSize(page_size));
  ASSIGN_OR_RETURN(int64_t last, ParseToken(page_token, filter));
  if (filter.issued_from.has_value() && page_token.empty() && !filter.newest_first) {
    ASSIGN_OR_RETURN(last, LastBefore(connection, *filter.issued_from));
  }
  const Selection selection = SelectPage(filter, last, int64_t{page_size} + 1);
  ASSIGN_OR_RETURN(Rows rows, connection.Query(selection.sql, selection.values));
  return ReadPage(rows, page_size, ReadCertificate,
                  [&](const CertificateRecord& last_one) { return MakeToken(last_one.leaf_index, filter); });
}

StatusOr<std::vector<CertificateCount>> CountCertificates(Connection& connection, const CertificateFilter& filter,
                                                          Time now) {
  Selection selection{
      fmt::format("SELECT authority, profile, ifnull(lot, ''), revocation_reason, not_after < ?1, count(*), "
                  "count(registration_id) FROM certificates INDEXED BY {} WHERE leaf_index IS NOT NULL",
                  IndexFor(filter)),
      {Seconds(now)}};
  AppendConditions(selection, filter);
  selection.sql += " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5";
  ASSIGN_OR_RETURN(Rows rows, connection.Query(selection.sql, selection.values));
  return ReadAll(rows, [](const Rows& row) {
    CertificateCount count{.authority = row.Text(0),
                           .profile = row.Text(1),
                           .lot = row.Text(2),
                           .reason = std::nullopt,
                           .expired = row.Integer(4) != 0,
                           .certificates = row.Integer(5),
                           .registration_ids = row.Integer(6)};
    if (!row.IsNull(3)) count.reason = static_cast<RevocationReason>(row.Integer(3));
    return count;
  });
}

}  // namespace hallmark::sqlite
