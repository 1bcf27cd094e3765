// What doctor --hsm judges without an HSM: the words for each return value, and what a token says of itself that no
// token here can be made to say.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <regex>
#include <set>

#include "base/file.h"
#include "hsm/explanation.h"
#include "hsm/key_examination.h"
#include "hsm/token_examination.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// --- Explanations.

// The CKR_ names of the system's pkcs11.h with their values.
std::map<std::string, ReturnValue> NamesOfTheHeader() {
  const std::string header = ReadFile(PKCS11_HEADER).value();
  static const std::regex kDefinition("#define (CKR_[A-Z0-9_]+)\\s+\\((0x[0-9a-f]+|[0-9]+)UL\\)");
  std::map<std::string, ReturnValue> names;
  for (std::sregex_iterator match(header.begin(), header.end(), kDefinition), end; match != end; ++match) {
    names[(*match)[1]] = std::stoul((*match)[2], nullptr, 0);
  }
  return names;
}

TEST(ExplanationTest, EveryReturnValueOfTheHeaderHasItsOwn) {
  const std::map<std::string, ReturnValue> names = NamesOfTheHeader();
  ASSERT_GT(names.size(), 90u);
  const Explanation of_no_standard = Explain(0x7fffffff);
  std::set<std::string> meanings = {of_no_standard.meaning};
  std::set<std::string> next_steps = {of_no_standard.next_step};
  for (const auto& [name, value] : names) {
    SCOPED_TRACE(name);
    EXPECT_EQ(CkrName(value), name);
    const Explanation explanation = Explain(value);
    EXPECT_GT(explanation.meaning.size(), 10u);
    EXPECT_GT(explanation.next_step.size(), 5u);
    EXPECT_FALSE(explanation.meaning.ends_with('.') || explanation.next_step.ends_with('.'));
    EXPECT_TRUE(meanings.insert(explanation.meaning).second) << explanation.meaning;
    EXPECT_TRUE(next_steps.insert(explanation.next_step).second) << explanation.next_step;
    const std::string message = Message(CkrError("sign", value));
    EXPECT_THAT(message, AllOf(HasSubstr(name), HasSubstr(explanation.meaning), HasSubstr(explanation.next_step)));
  }
}

TEST(ExplanationTest, VendorsValuesAreToldAsSuch) {
  EXPECT_THAT(Explain(0x80000384).meaning, AllOf(HasSubstr("vendor"), HasSubstr("0x384")));
  EXPECT_THAT(Explain(0x7fffffff).meaning, Not(HasSubstr("vendor's own")));
  EXPECT_THAT(Message(CkrError("sign", 0x80000384)), HasSubstr("CKR_0x80000384 (this is a value of the vendor's own"));
}

// --- What a token says of itself.

const Time kNow = absl::FromUnixSeconds(1795514400);  // 2026-11-24T10:00:00Z

SlotInformation HealthySlot() {
  SlotInformation slot;
  slot.hardware = true;
  slot.token = TokenInformation();
  slot.token->label = "ca";
  slot.token->serial = "1";
  slot.token->initialized = slot.token->login_required = slot.token->user_pin_initialized = true;
  return slot;
}

TEST(JudgeTokenTest, EachFlagHasItsVerdictAndAdvice) {
  const struct {
    const char* name;
    std::function<void(TokenInformation&)> change;
    Judgement verdict;
    const char* words;
  } kCases[] = {
      {"healthy", [](TokenInformation&) {}, Judgement::kGood, "in hardware"},
      {"self-test", [](TokenInformation& t) { t.error_state = true; }, Judgement::kBad, "self-test failed"},
      {"locked", [](TokenInformation& t) { t.user_pin_locked = true; }, Judgement::kBad, "locked"},
      {"locked after the final try", [](TokenInformation& t) { t.user_pin_locked = t.user_pin_final_try = true; },
       Judgement::kBad, "locked after too many"},
      {"final try", [](TokenInformation& t) { t.user_pin_final_try = t.user_pin_count_low = true; }, Judgement::kBad,
       "was not tried"},
      {"no PIN yet", [](TokenInformation& t) { t.user_pin_initialized = false; }, Judgement::kBad, "no user PIN"},
      {"default PIN", [](TokenInformation& t) { t.user_pin_to_be_changed = true; }, Judgement::kBad, "must be changed"},
      {"PIN pad", [](TokenInformation& t) { t.protected_authentication_path = true; }, Judgement::kBad, "typed at"},
      {"a wrong PIN", [](TokenInformation& t) { t.user_pin_count_low = true; }, Judgement::kWarning, "was tried"},
      {"no login", [](TokenInformation& t) { t.login_required = false; }, Judgement::kWarning, "asks for no login"},
      {"no login and no PIN", [](TokenInformation& t) { t.login_required = t.user_pin_initialized = false; },
       Judgement::kWarning, "asks for no login"},
      {"write-protected", [](TokenInformation& t) { t.write_protected = true; }, Judgement::kWarning,
       "write-protected"},
      {"SO locked", [](TokenInformation& t) { t.so_pin_locked = true; }, Judgement::kWarning, "security officer"},
      {"full", [](TokenInformation& t) { t.free_private_memory = 1000, t.total_private_memory = 100000; },
       Judgement::kWarning, "1000 octets"},
      {"not full", [](TokenInformation& t) { t.free_private_memory = 50000, t.total_private_memory = 100000; },
       Judgement::kGood, "in hardware"},
      {"clock is right", [](TokenInformation& t) { t.utc_time = "2026112410003000"; }, Judgement::kGood, "in hardware"},
      {"clock is behind", [](TokenInformation& t) { t.utc_time = "2026112409580000"; }, Judgement::kWarning,
       "its clock says 2026-11-24T09:58:00Z, this machine's 2026-11-24T10:00:00Z"},
      {"clock is none", [](TokenInformation& t) { t.utc_time = "                "; }, Judgement::kWarning, "its clock"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    SlotInformation slot = HealthySlot();
    c.change(*slot.token);
    const std::vector<Examined> examined = JudgeToken("token", slot, kNow);
    ASSERT_EQ(examined.size(), 1u);
    EXPECT_EQ(examined[0].verdict, c.verdict);
    EXPECT_THAT(examined[0].finding, HasSubstr(c.words));
    EXPECT_EQ(examined[0].advice.empty(), c.verdict == Judgement::kGood);
  }
}

TEST(JudgeTokenTest, EverythingWrongIsTold) {
  SlotInformation slot = HealthySlot();
  slot.token->user_pin_locked = slot.token->write_protected = slot.token->so_pin_locked = true;
  EXPECT_EQ(JudgeToken("token", slot, kNow).size(), 3u);
}

TEST(JudgeSessionsTest, ComparesTheLimitsWithTheConfiguration) {
  const struct {
    std::optional<unsigned long> max;
    std::optional<unsigned long> max_rw;
    bool write_protected;
    size_t usable;
  } kCases[] = {{std::nullopt, std::nullopt, false, 8},
                {16, 8, false, 8},
                {4, std::nullopt, false, 4},
                {16, 2, false, 2},
                {16, 2, true, 8},
                {2, 16, true, 2}};
  for (const auto& c : kCases) {
    TokenInformation token = *HealthySlot().token;
    token.max_sessions = c.max;
    token.max_rw_sessions = c.max_rw;
    token.write_protected = c.write_protected;
    const Examined examined = JudgeSessions(token, 8);
    EXPECT_EQ(UsableSessions(token, 8), c.usable) << examined.finding;
    EXPECT_EQ(examined.verdict, c.usable == 8 ? Judgement::kGood : Judgement::kWarning) << examined.finding;
  }
}

std::vector<MechanismInformation> AllMechanisms() {
  return {{"CKM_EC_KEY_PAIR_GEN", true, 256, 521, false, true},
          {"CKM_ECDSA", true, 256, 521, true, false},
          {"CKM_RSA_PKCS_KEY_PAIR_GEN", true, 2048, 4096, false, true},
          {"CKM_RSA_PKCS", true, 2048, 4096, true, false},
          {"CKM_RSA_PKCS_PSS", true, 2048, 4096, true, false}};
}

TEST(JudgeMechanismsTest, SaysWhichKeyTypesAreServed) {
  const struct {
    const char* name;
    std::function<void(std::vector<MechanismInformation>&)> change;
    Judgement verdict;
    const char* words;
  } kCases[] = {
      {"all", [](auto&) {}, Judgement::kGood, "signs with EC P-256, EC P-384, RSA 2048, RSA 3072, RSA 4096"},
      {"no ECDSA", [](auto& m) { m[1].present = false; }, Judgement::kWarning,
       "EC P-256 cannot be used (no CKM_ECDSA)"},
      {"P-256 only", [](auto& m) { m[1].max_key_bits = 256; }, Judgement::kWarning, "EC P-384 cannot be used"},
      {"no limits stated", [](auto& m) { m[1].max_key_bits = m[1].min_key_bits = 0; }, Judgement::kGood, "EC P-384"},
      {"verifies only", [](auto& m) { m[3].signs = false; }, Judgement::kWarning, "RSA 2048 cannot be used"},
      {"small RSA", [](auto& m) { m[3].max_key_bits = 2048; }, Judgement::kWarning, "RSA 3072 cannot be used"},
      {"imports only", [](auto& m) { m[0].generates_key_pairs = false; }, Judgement::kWarning,
       "EC P-256 cannot be generated (no CKM_EC_KEY_PAIR_GEN)"},
      {"no PSS", [](auto& m) { m[4].present = false; }, Judgement::kWarning, "RSA-PSS cannot be used"},
      {"none", [](auto& m) { m.clear(); }, Judgement::kBad, "signs with none"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<MechanismInformation> mechanisms = AllMechanisms();
    c.change(mechanisms);
    const Examined examined = JudgeMechanisms("mechanisms", mechanisms);
    EXPECT_EQ(examined.verdict, c.verdict);
    EXPECT_THAT(examined.finding, HasSubstr(c.words));
  }
}

TEST(ChooseTokenTest, SaysWhatThereIsInstead) {
  const auto slot = [](const char* label, const char* serial, bool initialized = true) {
    SlotInformation made = HealthySlot();
    made.token->label = label;
    made.token->serial = serial;
    made.token->initialized = initialized;
    return made;
  };
  const SlotInformation empty;
  const struct {
    const char* uri;
    std::vector<SlotInformation> slots;
    std::optional<size_t> chosen;
    const char* words;
  } kCases[] = {
      {"pkcs11:token=ca", {empty, slot("other", "1"), slot("ca", "2")}, 2, ""},
      {"pkcs11:token=ca;serial=3", {slot("ca", "2"), slot("ca", "3")}, 1, ""},
      {"pkcs11:token=ca", {slot("ca", "2"), slot("ca", "3")}, std::nullopt, "2 tokens have the label 'ca': serial 2, "},
      {"pkcs11:token=ca;serial=4", {slot("ca", "2")}, std::nullopt, "not as the URI says: it has serial 2"},
      {"pkcs11:token=factory-ca", {slot("Factory-CA", "2")}, std::nullopt, "did you mean 'Factory-CA'?"},
      {"pkcs11:token=factory-ca", {slot("faktory-ca", "2")}, std::nullopt, "did you mean 'faktory-ca'?"},
      {"pkcs11:token=ca",
       {slot("zz", "2"), slot("devices", "3")},
       std::nullopt,
       "no token 'ca'; there are: zz, devices"},
      {"pkcs11:token=ca", {slot("ca", "2", false), empty}, std::nullopt, "1 tokens and none is initialised"},
      {"pkcs11:token=ca", {empty, empty}, std::nullopt, "2 slots, all empty"},
      {"pkcs11:token=ca", {}, std::nullopt, "no slot"},
  };
  for (const auto& c : kCases) {
    Examined examined;
    EXPECT_EQ(ChooseToken(c.slots, KeyUri::Parse(c.uri).value(), examined), c.chosen);
    EXPECT_THAT(examined.finding, HasSubstr(c.words));
    EXPECT_EQ(examined.advice.empty(), c.chosen.has_value());
  }
}

// --- Keys.

TEST(WeaknessesTest, AreThoseThatCheckSafeRefuses) {
  KeyAttributes safe;
  safe.on_token = safe.is_private = safe.sensitive = safe.always_sensitive = safe.never_extractable = safe.local =
      safe.sign = true;
  safe.extractable = false;
  EXPECT_THAT(CheckSafe(safe), testing::IsOk());
  EXPECT_THAT(Weaknesses(safe), IsEmpty());
  bool KeyAttributes::*const attributes[] = {&KeyAttributes::on_token,    &KeyAttributes::is_private,
                                             &KeyAttributes::sensitive,   &KeyAttributes::always_sensitive,
                                             &KeyAttributes::extractable, &KeyAttributes::never_extractable,
                                             &KeyAttributes::local,       &KeyAttributes::sign,
                                             &KeyAttributes::decrypt,     &KeyAttributes::unwrap,
                                             &KeyAttributes::derive};
  for (bool KeyAttributes::*const attribute : attributes) {
    KeyAttributes weak = safe;
    weak.*attribute = !(weak.*attribute);
    const std::vector<std::string> weaknesses = Weaknesses(weak);
    ASSERT_EQ(weaknesses.size(), 1u);
    const std::string name = weaknesses[0].substr(0, weaknesses[0].find(':'));
    EXPECT_THAT(Message(CheckSafe(weak)), HasSubstr(name));
  }
}

}  // namespace
}  // namespace hallmark
