#include "grpc/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/reason.h"

namespace hallmark {
namespace {

Status Refuse(const std::string& what) {
  return FieldError(reason::kRequestInvalid, "filter",
                    what +
                        "; write terms such as profile = \"device\" AND revoked = true, of profile, subject, caller, "
                        "spki_sha256 and revoked");
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

Status Set(CertificateFilter& filter, const std::string& field, const std::string& value) {
  if (value.empty()) return Refuse(field + " has no value");
  if (field == "profile") {
    filter.profile = value;
  } else if (field == "subject") {
    filter.subject = value;
  } else if (field == "caller") {
    filter.caller = value;
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

StatusOr<CertificateFilter> ParseFilter(const std::string& text) {
  constexpr size_t kLimit = 2048;
  if (text.size() > kLimit) return Refuse(fmt::format("is longer than {} octets", kLimit));
  CertificateFilter filter;
  std::set<std::string> seen;
  Tokens tokens(text);
  while (!tokens.empty()) {
    if (!seen.empty()) {
      ASSIGN_OR_RETURN(const std::string conjunction, tokens.Next());
      if (conjunction != "AND") return Refuse(fmt::format("expected AND, found '{}'", conjunction));
    }
    ASSIGN_OR_RETURN(const std::string field, tokens.Next());
    ASSIGN_OR_RETURN(const std::string equals, tokens.Next());
    if (equals != "=") return Refuse(fmt::format("expected = after '{}'", field));
    ASSIGN_OR_RETURN(const std::string value, tokens.Next());
    if (!seen.insert(field).second) return Refuse(fmt::format("'{}' stands twice", field));
    RETURN_IF_ERROR(Set(filter, field, value));
  }
  return filter;
}

}  // namespace hallmark
