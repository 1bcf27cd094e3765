#include "hsm/token_examination.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/edit_distance.h"
#include "hsm/key.h"
#include "hsm/token.h"

namespace hallmark {
namespace {

constexpr Duration kClockTolerance = absl::Minutes(1);
constexpr unsigned long kLowMemory = 16384;  // octets; some tens of key pairs

bool Fits(const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; }

bool Matches(const TokenInformation& token, const KeyUri& uri) {
  return Fits(uri.serial, token.serial) && Fits(uri.manufacturer, token.manufacturer) && Fits(uri.model, token.model);
}

std::string Describe(const TokenInformation& token) {
  return fmt::format("'{}', {} {}, serial {}", token.label, token.manufacturer, token.model, token.serial);
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Examined NoToken(const std::string& finding, const std::string& advice) {
  return {"token", Judgement::kBad, finding, advice};
}

// No token of that label: what is there instead.
Examined NotFound(const std::vector<SlotInformation>& slots, const KeyUri& uri) {
  std::vector<std::string> labels;
  size_t empty = 0;
  size_t uninitialized = 0;
  for (const SlotInformation& slot : slots) {
    if (!slot.token.has_value()) {
      ++empty;
    } else if (!slot.token->initialized) {
      ++uninitialized;
    } else {
      labels.push_back(slot.token->label);
    }
  }
  if (slots.empty()) {
    return NoToken("the module has no slot",
                   "Connect the HSM or its reader, start its daemon, and look at the module's own configuration.");
  }
  if (labels.empty() && uninitialized > 0) {
    return NoToken(
        fmt::format("no token '{}': the module has {} tokens and none is initialised", uri.token, uninitialized),
        "If it should be there, the module reads another configuration than the one it was made with (SoftHSM: "
        "SOFTHSM2_CONF). Otherwise initialise it with the vendor's tool (SoftHSM: softhsm2-util --init-token).");
  }
  if (labels.empty()) {
    return NoToken(fmt::format("no token '{}': {} slots, all empty", uri.token, empty),
                   "Connect the token, or assign its partition to this client.");
  }
  return NoToken(
      fmt::format("no token '{}'{}; there are: {}", uri.token, DidYouMean(uri.token, labels), JoinNames(labels)),
      "Correct the label in the token's URI, connect the token, or correct what the module reads (SoftHSM: "
      "SOFTHSM2_CONF).");
}

// The time of "YYYYMMDDhhmmss..", to which absl::ParseTime needs separators.
std::optional<Time> ParseTokenTime(const std::string& text) {
  constexpr size_t kDigits = 14;
  if (text.size() < kDigits) return std::nullopt;
  const std::string separated =
      fmt::format("{}-{}-{} {}:{}:{}", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2), text.substr(8, 2),
                  text.substr(10, 2), text.substr(12, 2));
  Time time;
  if (!absl::ParseTime("%Y-%m-%d %H:%M:%S", separated, absl::UTCTimeZone(), &time, nullptr)) return std::nullopt;
  return time;
}

// What keeps a service from logging in, or a person from having done so.
struct FlagMeaning {
  bool applies;
  Judgement verdict;
  const char* finding;
  const char* advice;
};

std::vector<FlagMeaning> Meanings(const TokenInformation& token) {
  const bool needs_pin = token.login_required;
  return {
      {token.error_state, Judgement::kBad, "its self-test failed (CKF_ERROR_STATE, FIPS 140): it does nothing any more",
       "Take it out of service, restart it, and call the vendor when the test fails again."},
      {needs_pin && token.user_pin_locked, Judgement::kBad, "its user PIN is locked after too many wrong ones",
       "The security officer has to set a new PIN (C_InitPIN), e.g. with: pkcs11-tool --init-pin --login --login-type "
       "so"},
      {needs_pin && !token.user_pin_locked && token.user_pin_final_try, Judgement::kBad,
       "one more wrong PIN locks it, so the PIN was not tried",
       "Hallmark will not spend the last try. Log in by hand with the right PIN, e.g. with: p11tool --login"},
      {needs_pin && !token.user_pin_initialized, Judgement::kBad, "it has no user PIN yet",
       "The security officer has to set one, e.g. with: pkcs11-tool --init-pin --login --login-type so"},
      {needs_pin && token.user_pin_to_be_changed, Judgement::kBad,
       "its user PIN is the one it was delivered with and must be changed first",
       "Change it with the vendor's tool, or with: pkcs11-tool --change-pin --login"},
      {needs_pin && token.protected_authentication_path, Judgement::kBad,
       "its PIN is typed at the token itself (CKF_PROTECTED_AUTHENTICATION_PATH), which no service can",
       "Set the token up for a PIN or a password from the host."},
      {needs_pin && token.user_pin_count_low && !token.user_pin_final_try, Judgement::kWarning,
       "a wrong PIN was tried since the last login", "Find out who tried; a successful login resets the count."},
      {!needs_pin, Judgement::kWarning, "it asks for no login: whoever reaches the module may use its keys",
       "Set a user PIN, and let only the service's user reach the module."},
      {token.write_protected, Judgement::kWarning, "it is write-protected: it signs, but makes no keys",
       "Take the protection away before you found an authority."},
      {token.so_pin_locked, Judgement::kWarning, "the security officer's PIN is locked",
       "A locked user PIN could not be set anew any more. Plan to replace the token."},
  };
}

bool IsLow(const TokenInformation& token) {
  if (!token.free_private_memory.has_value()) return false;
  const unsigned long tenth = token.total_private_memory.value_or(0) / 10;
  return *token.free_private_memory < std::max(kLowMemory, tenth) && token.total_private_memory.value_or(1) > 0;
}

// The key types that a signing mechanism serves, and with which mechanism a key of them is generated.
struct Served {
  KeyType type;
  const char* signing;
  const char* generating;
  unsigned long bits;
};
constexpr Served kServed[] = {
    {KeyType::kEcP256, "CKM_ECDSA", "CKM_EC_KEY_PAIR_GEN", 256},
    {KeyType::kEcP384, "CKM_ECDSA", "CKM_EC_KEY_PAIR_GEN", 384},
    {KeyType::kRsa2048, "CKM_RSA_PKCS", "CKM_RSA_PKCS_KEY_PAIR_GEN", 2048},
    {KeyType::kRsa3072, "CKM_RSA_PKCS", "CKM_RSA_PKCS_KEY_PAIR_GEN", 3072},
    {KeyType::kRsa4096, "CKM_RSA_PKCS", "CKM_RSA_PKCS_KEY_PAIR_GEN", 4096},
};

bool Has(const std::vector<MechanismInformation>& mechanisms, const char* name, unsigned long bits, bool signs) {
  return std::any_of(mechanisms.begin(), mechanisms.end(), [&](const MechanismInformation& mechanism) {
    // A token that states no sizes states 0.
    const bool fits = mechanism.max_key_bits == 0 || (mechanism.min_key_bits <= bits && bits <= mechanism.max_key_bits);
    return mechanism.name == name && mechanism.present && fits &&
           (signs ? mechanism.signs : mechanism.generates_key_pairs);
  });
}

}  // namespace

std::string JoinNames(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined.empty() ? "none" : joined;
}

std::string DidYouMean(const std::string& wanted, const std::vector<std::string>& names) {
  const size_t limit = std::max<size_t>(2, wanted.size() / 4);
  std::string nearest;
  size_t least = limit + 1;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(Lower(wanted), Lower(name));
    if (distance >= least || distance >= wanted.size()) continue;
    least = distance;
    nearest = name;
  }
  return nearest.empty() ? "" : fmt::format(", did you mean '{}'?", nearest);
}

std::optional<size_t> ChooseToken(const std::vector<SlotInformation>& slots, const KeyUri& uri, Examined& finding) {
  std::vector<size_t> of_label;
  std::vector<size_t> matching;
  for (size_t i = 0; i < slots.size(); ++i) {
    const std::optional<TokenInformation>& token = slots[i].token;
    if (!token.has_value() || !token->initialized || token->label != uri.token) continue;
    of_label.push_back(i);
    if (Matches(*token, uri)) matching.push_back(i);
  }
  if (matching.size() == 1) return matching.front();
  if (of_label.empty()) {
    finding = NotFound(slots, uri);
    return std::nullopt;
  }
  std::vector<std::string> serials;
  for (const size_t i : of_label) serials.push_back("serial " + slots[i].token->serial);
  if (matching.empty()) {
    finding = NoToken(
        fmt::format("the token '{}' is there, but not as the URI says: it has {}", uri.token, JoinNames(serials)),
        "Correct serial, manufacturer or model in the token's URI; a replaced token has another serial.");
  } else {
    finding = NoToken(fmt::format("{} tokens have the label '{}': {}", matching.size(), uri.token, JoinNames(serials)),
                      "Add serial= to the token's URI, or give each token a label of its own.");
  }
  return std::nullopt;
}

std::vector<Examined> JudgeToken(const std::string& part, const SlotInformation& slot, Time now) {
  const TokenInformation& token = *slot.token;
  std::vector<Examined> findings;
  const auto add = [&](Judgement verdict, const std::string& what, const std::string& advice) {
    findings.push_back({part, verdict, Describe(token) + ": " + what, advice});
  };
  for (const FlagMeaning& meaning : Meanings(token)) {
    if (meaning.applies) add(meaning.verdict, meaning.finding, meaning.advice);
  }
  if (IsLow(token)) {
    add(Judgement::kWarning, fmt::format("{} octets are free for keys", *token.free_private_memory),
        "Remove objects that nobody needs before you generate more keys.");
  }
  if (!token.utc_time.empty()) {
    const std::optional<Time> time = ParseTokenTime(token.utc_time);
    if (!time.has_value() || absl::AbsDuration(*time - now) > kClockTolerance) {
      add(Judgement::kWarning,
          fmt::format("its clock says {}, this machine's {}", time ? Rfc3339(*time) : token.utc_time, Rfc3339(now)),
          "Set the wrong one; Hallmark uses this machine's, but the token's audit log has its own.");
    }
  }
  if (findings.empty()) {
    const std::string place = slot.hardware ? "in hardware" : "in software";
    findings.push_back({part, Judgement::kGood, fmt::format("{}, {}", Describe(token), place), ""});
  }
  return findings;
}

Examined JudgeSessions(const TokenInformation& token, size_t sessions) {
  const auto text = [](const std::optional<unsigned long>& limit) {
    return limit.has_value() ? std::to_string(*limit) : "no stated limit";
  };
  const std::string configured =
      sessions == 0 ? fmt::format("as many as it states, at most {},", kMostSessions) : std::to_string(sessions);
  const std::string limits = fmt::format("{} configured; the token allows {} and read-write {}", configured,
                                         text(token.max_sessions), text(token.max_rw_sessions));
  const size_t usable = UsableSessions(token, sessions);
  if (sessions == 0 || usable == sessions) return {"sessions", Judgement::kGood, limits, ""};
  return {"sessions", Judgement::kWarning, fmt::format("{}: {} signatures at a time", limits, usable),
          "Lower hsm.sessions to it, and think of other programs that need sessions; or raise the token's limit."};
}

Examined JudgeMechanisms(const std::string& part, const std::vector<MechanismInformation>& mechanisms) {
  std::vector<std::string> served;
  std::vector<std::string> missing;
  for (const Served& type : kServed) {
    if (!Has(mechanisms, type.signing, type.bits, true)) {
      missing.push_back(fmt::format("{} cannot be used (no {})", KeyTypeName(type.type), type.signing));
      continue;
    }
    served.push_back(KeyTypeName(type.type));
    if (Has(mechanisms, type.generating, type.bits, false)) continue;
    missing.push_back(fmt::format("{} cannot be generated (no {})", KeyTypeName(type.type), type.generating));
  }
  constexpr unsigned long kRsaBits = 3072;
  if (!Has(mechanisms, "CKM_RSA_PKCS_PSS", kRsaBits, true)) {
    missing.push_back("RSA-PSS cannot be used (no CKM_RSA_PKCS_PSS)");
  }
  const std::string finding = "signs with " + JoinNames(served);
  if (missing.empty()) return {part, Judgement::kGood, finding, ""};
  return {part, served.empty() ? Judgement::kBad : Judgement::kWarning,
          fmt::format("{}; {}", finding, JoinNames(missing)),
          "Choose key types that the token serves; a policy of the token (FIPS mode) may have switched others off."};
}

}  // namespace hallmark
