// What ParseFilter accepts means the same when it is written anew, with everything quoted.
#include "grpc/filter.h"

#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

std::string Quoted(const std::string& value) {
  std::string text = "\"";
  for (char c : value) text += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
  return text + "\"";
}

std::string Write(const CertificateFilter& filter) {
  std::string text;
  const auto add = [&text](const char* field, const std::string& value) {
    if (!value.empty()) text += (text.empty() ? "" : " AND ") + std::string(field) + "=" + Quoted(value);
  };
  add("profile", filter.profile);
  add("subject", filter.subject);
  add("caller", filter.caller);
  add("spki_sha256", filter.spki.has_value() ? Hex(*filter.spki) : "");
  add("revoked", !filter.revoked.has_value() ? "" : *filter.revoked ? "true" : "false");
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const StatusOr<CertificateFilter> filter = ParseFilter(ToString({data, size}));
  if (!Accepted(filter)) return 0;
  const std::string text = Write(*filter);
  Require(filter->authority.empty(), "no filter sets the authority, which the parent does");
  if (text.size() > 2048) return 0;  // longer than a filter may be, by its quotes
  const StatusOr<CertificateFilter> again = ParseFilter(text);
  Require(again.ok() && Write(*again) == text, "what is written is read again");
  return 0;
}

}  // namespace hallmark::fuzz
