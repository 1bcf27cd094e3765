#include "grpc/filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "base/text.h"
#include "grpc/convert_lot.h"

namespace hallmark {
namespace {

Status Refuse(const std::string& what) {
  return FieldError(reason::kRequestInvalid, "filter",
                    what +
                        "; write terms such as profile = \"device\" AND revoked = true, of profile, subject, caller, "
                        "lot, device, spki_sha256, issued_from, issued_before and revoked");
}

class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) { SkipSpace(); }
  bool empty() const { return rest_.empty(); }

  // A word, "=", or the inside of quotes.
  StatusOr<std::string> Next() {
    if (rest_.empty()) return Refuse("ends too early");
    StatusOr<std::string> token = rest_[0] == '"' ? Quoted() : Plain();
    SkipSpace();
    return token;
  }

 private:
  void SkipSpace() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  std::string Plain() {
    const size_t end = rest_[0] == '=' ? 1 : std::min(rest_.find_first_of(" =\""), rest_.size());
    std::string token(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return token;
  }

  StatusOr<std::string> Quoted() {
    std::string token;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return token;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      token += rest_[i];
    }
    return Refuse("a quote is not closed");
  }

  std::string_view rest_;
};

Status Unknown(const std::string& field, const std::string& value, const char* known) {
  return FieldError(reason::kRequestInvalid, "filter",
                    fmt::format("'{} = {}' is not known; write {}", field, value, known));
}

StatusOr<Time> ParseInstant(const std::string& field, const std::string& value) {
  Time time;
  std::string why;
  if (absl::ParseTime(absl::RFC3339_sec, value, &time, &why) && time == TruncateToSecond(time)) return time;
  return Refuse(fmt::format("{} is not an instant such as \"2026-11-28T10:00:00Z\"", field));
}

Status Set(CertificateFilter& filter, const std::string& field, const std::string& value) {
  if (field == "profile") {
    filter.profile = value;
  } else if (field == "subject") {
    filter.subject = value;
  } else if (field == "caller") {
    filter.caller = value;
  } else if (field == "lot") {
    filter.lot = value;
  } else if (field == "device") {
    filter.device_serial = value;
  } else if (field == "issued_from") {
    ASSIGN_OR_RETURN(filter.issued_from, ParseInstant(field, value));
  } else if (field == "issued_before") {
    ASSIGN_OR_RETURN(filter.issued_before, ParseInstant(field, value));
  } else if (field == "spki_sha256") {
    const StatusOr<Bytes> digest = FromHex(value);
    if (!digest.ok() || digest->size() != Digest().size()) return Refuse("spki_sha256 is not 64 hexadecimal digits");
    filter.spki.emplace();
    std::copy(digest->begin(), digest->end(), filter.spki->begin());
  } else if (field == "revoked" && (value == "true" || value == "false")) {
    filter.revoked = value == "true";
  } else {
    return Refuse(fmt::format("'{} = {}' is not known", field, value));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::map<std::string, std::string>> ParseFilterTerms(const std::string& text) {
  constexpr size_t kLimit = 2048;
  if (text.size() > kLimit) return Refuse(fmt::format("is longer than {} octets", kLimit));
  std::map<std::string, std::string> terms;
  Tokens tokens(text);
  while (!tokens.empty()) {
    if (!terms.empty()) {
      ASSIGN_OR_RETURN(const std::string conjunction, tokens.Next());
      if (conjunction != "AND") return Refuse(fmt::format("expected AND, found '{}'", conjunction));
    }
    ASSIGN_OR_RETURN(const std::string field, tokens.Next());
    ASSIGN_OR_RETURN(const std::string equals, tokens.Next());
    if (equals != "=") return Refuse(fmt::format("expected = after '{}'", field));
    ASSIGN_OR_RETURN(const std::string value, tokens.Next());
    if (value.empty()) return Refuse(field + " has no value");
    if (!terms.emplace(field, value).second) return Refuse(fmt::format("'{}' stands twice", field));
  }
  return terms;
}

StatusOr<CertificateFilter> ParseFilter(const std::string& text) {
  ASSIGN_OR_RETURN(const auto terms, ParseFilterTerms(text));
  CertificateFilter filter;
  for (const auto& [field, value] : terms) RETURN_IF_ERROR(Set(filter, field, value));
  return filter;
}

std::string FilterText(const CertificateFilter& filter) {
  std::string text;
  const auto add = [&text](const char* field, const std::string& value) {
    if (!value.empty()) text += fmt::format("{}{} = {}", text.empty() ? "" : " AND ", field, InQuotes(value));
  };
  add("profile", filter.profile);
  add("subject", filter.subject);
  add("caller", filter.caller);
  add("lot", filter.lot);
  add("device", filter.device_serial);
  if (filter.spki.has_value()) add("spki_sha256", Hex(*filter.spki));
  if (filter.issued_from.has_value()) add("issued_from", Rfc3339(*filter.issued_from));
  if (filter.issued_before.has_value()) add("issued_before", Rfc3339(*filter.issued_before));
  if (filter.revoked.has_value()) add("revoked", *filter.revoked ? "true" : "false");
  return text;
}

StatusOr<LotFilter> ParseLotFilter(const std::string& text) {
  ASSIGN_OR_RETURN(const auto terms, ParseFilterTerms(text));
  LotFilter filter;
  for (const auto& [field, value] : terms) {
    if (field == "manufacturer") {
      filter.manufacturer = value;
    } else if (field == "state" && (value == "OPEN" || value == "CLOSED")) {
      filter.state = value == "OPEN" ? LotState::kOpen : LotState::kClosed;
    } else {
      return Unknown(field, value, "manufacturer = \"acme\" AND state = OPEN (or CLOSED)");
    }
  }
  return filter;
}

StatusOr<std::optional<DeviceState>> ParseDeviceFilter(const std::string& text) {
  ASSIGN_OR_RETURN(const auto terms, ParseFilterTerms(text));
  std::optional<DeviceState> state;
  for (const auto& [field, value] : terms) {
    state = field == "state" ? ParseDeviceState(value) : std::nullopt;
    if (!state.has_value()) {
      return Unknown(field, value, "state = ISSUED, or ANNOUNCED, CLAIMED, INSTALLED, REVOKED, WITHDRAWN");
    }
  }
  return state;
}

}  // namespace hallmark
