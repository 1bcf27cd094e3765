#include "publish/bearer_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/reason.h"
#include "publish/retry_after.h"

namespace hallmark {
namespace {

constexpr Duration kLongest = absl::Hours(24);

Status Malformed(const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kTargetAnswerInvalid, "the answer to a request for a token " + what);
}

// b64token (RFC 6750 2.1).
bool IsToken(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
  constexpr size_t kLimit = 32768;
  return !text.empty() && text.size() <= kLimit && text.find_first_not_of(kAlphabet) == text.npos;
}

std::optional<int64_t> ReadSeconds(const nlohmann::json& answer, const char* name) {
  const auto value = answer.find(name);
  if (value == answer.end()) return std::nullopt;
  if (value->is_number_unsigned()) return static_cast<int64_t>(std::min<uint64_t>(value->get<uint64_t>(), INT64_MAX));
  if (!value->is_string()) return std::nullopt;
  const std::string& text = value->get_ref<const std::string&>();
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return seconds;
}

std::string ReadText(const nlohmann::json& answer, const char* name) {
  const auto value = answer.find(name);
  return value != answer.end() && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

StatusOr<BearerToken> ReadTokenAnswer(const std::string& body, Time now) {
  nlohmann::json answer = nlohmann::json::parse(body, nullptr, false);
  if (!answer.is_object()) return Malformed("is no JSON object");
  Secret token(ReadText(answer, "access_token"));
  if (!IsToken(token.Reveal())) return Malformed("has no access_token that can be sent");
  const std::string type = ReadText(answer, "token_type");
  if (!std::equal(type.begin(), type.end(), "bearer", "bearer" + 6, [](char a, char b) { return (a | 0x20) == b; })) {
    return Malformed("is of another token_type than Bearer");
  }
  const std::optional<int64_t> lifetime = ReadSeconds(answer, "expires_in");
  const std::optional<int64_t> end = ReadSeconds(answer, "expires_on");
  if (!lifetime.has_value() && !end.has_value()) return Malformed("has neither expires_in nor expires_on");
  const Time expires = lifetime.has_value() ? now + absl::Seconds(*lifetime) : absl::FromUnixSeconds(*end);
  return BearerToken{.authorization = Secret("Bearer " + std::string(token.Reveal())),
                     .expires = std::min(expires, now + kLongest)};
}

std::string ReadTokenRefusal(const std::string& body) {
  const nlohmann::json answer = nlohmann::json::parse(body, nullptr, false);
  if (!answer.is_object()) return "";
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
  constexpr size_t kLongestCode = 40;
  std::string told = ReadText(answer, "error");
  if (told.size() > kLongestCode || told.find_first_not_of(kLetters) != told.npos) told.clear();
  constexpr std::string_view kPrefix = "AADSTS";
  constexpr size_t kMostDigits = 9;
  const std::string description = ReadText(answer, "error_description");
  if (!description.starts_with(kPrefix)) return told;
  const size_t end = std::min(description.find_first_not_of("0123456789", kPrefix.size()), description.size());
  if (end == kPrefix.size() || end > kPrefix.size() + kMostDigits) return told;
  return told + (told.empty() ? "" : ", ") + description.substr(0, end);
}

StatusOr<BearerToken> JudgeTokenAnswer(const WebResponse& response, const std::string& host, const std::string& advice,
                                       Time now) {
  constexpr int kOk = 200;
  if (response.status == kOk) {
    StatusOr<BearerToken> token = ReadTokenAnswer(response.body, now);
    if (token.ok()) return token;
    return Error(Code::kFailedPrecondition, reason::kTargetAnswerInvalid,
                 fmt::format("{}: {}; correct the address", host, Message(token.status())));
  }
  const std::string told = ReadTokenRefusal(response.body);
  const std::string answer = fmt::format("HTTP {}{}{}", response.status, told.empty() ? "" : ", ", told);
  // 410: Azure's instance metadata is being updated, for a minute or so.
  const bool may_pass = response.status == 408 || response.status == 410 || response.status == 429 ||
                        response.status >= 500 || told.starts_with("temporarily_unavailable");
  if (!may_pass) {
    return Error(Code::kFailedPrecondition, reason::kTargetCredentialRefused,
                 fmt::format("{} gave no token ({}); {}", host, answer, advice));
  }
  const Status status = Error(Code::kUnavailable, reason::kTargetUnreachable,
                              fmt::format("{} has no token now ({}); it is asked again later", host, answer));
  const auto field = response.headers.find("retry-after");
  if (field == response.headers.end()) return status;
  const std::optional<Duration> delay = ParseRetryAfter(field->second, now);
  return delay.has_value() ? WithRetry(status, *delay) : status;
}

StatusOr<Secret> TokenCache::Get(Time deadline) {
  constexpr Duration kReserve = absl::Minutes(5);
  const std::unique_lock lock(mutex_, absl::ToChronoTime(deadline));
  if (!lock.owns_lock()) {
    return Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded,
                 "another request for the same token did not end before the deadline");
  }
  if (token_.authorization.empty() || clock_.Now() >= token_.expires - kReserve) {
    token_ = {};
    ASSIGN_OR_RETURN(token_, fetch_(deadline));
  }
  return token_.authorization.Copy();
}

void TokenCache::Forget(const Secret& authorization) {
  const std::lock_guard lock(mutex_);
  if (token_.authorization.Reveal() == authorization.Reveal()) token_ = {};
}

}  // namespace hallmark
