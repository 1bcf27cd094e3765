#include "hsm/examination.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reason.h"
#include "hsm/cryptoki.h"

namespace hallmark {
namespace {

// A read-only session. While it is open a login lasts, whatever becomes of other sessions, so that the PIN is not
// needed again.
class Session {
 public:
  static StatusOr<std::unique_ptr<Session>> Open(const Module& module, unsigned long slot) {
    CK_SESSION_HANDLE session = 0;
    ASSIGN_OR_RETURN(const Module::Use use, module.Enter());
    const CK_RV rv = module.functions().C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
    if (rv != CKR_OK) return CkrError("open a session", rv);
    return std::make_unique<Session>(module, session);
  }
  Session(const Module& module, CK_SESSION_HANDLE session) : module_(module), session_(session) {}
  Session(const Session&) = delete;  // two owners would close it twice
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (const StatusOr<Module::Use> use = module_.Enter(); use.ok()) module_.functions().C_CloseSession(session_);
  }

  // Whether a user is logged in already.
  StatusOr<bool> IsLoggedIn() const {
    CK_SESSION_INFO info = {};
    ASSIGN_OR_RETURN(const Module::Use use, module_.Enter());
    if (const CK_RV rv = module_.functions().C_GetSessionInfo(session_, &info); rv != CKR_OK) {
      return CkrError("look at a session", rv);
    }
    return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
  }

 private:
  const Module& module_;
  const CK_SESSION_HANDLE session_;
};

// Where the PIN comes from, for people.
std::string Describe(const PinSources& pin) {
  if (!pin.pin_source.empty()) return pin.pin_source;
  if (!pin.credentials_directory.empty()) return (pin.credentials_directory / pin.credential).string();
  return pin.environment_variable;
}

// What is odd about a PIN that may be why it is refused; never the PIN, and empty when nothing is.
std::string Oddity(const Secret& pin) {
  const std::string_view text = pin.Reveal();
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  if (text.starts_with("\xef\xbb\xbf")) return "it begins with a byte order mark, which an editor put there";
  if (is_blank(text.front()) || is_blank(text.back())) return "it begins or ends with a blank";
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' && c < 0x7f; });
  return plain ? "" : "it holds characters outside of printable ASCII";
}

class Examiner {
 public:
  Examiner(HsmToExamine hsm, const Clock& clock) : hsm_(std::move(hsm)), clock_(clock) {}

  ExaminedHsm Run() {
    made_.module_name = hsm_.module;
    if (!LoadModule() || !ListSlots()) return std::move(made_);
    if (hsm_.token.empty()) {
      DescribeTokens();
      return std::move(made_);
    }
    if (!ChooseTheToken() || !JudgeTheToken() || !LogIn()) return std::move(made_);
    ExamineTheKeys();
    return std::move(made_);
  }

 private:
  void Add(Examined finding) { made_.findings.push_back(std::move(finding)); }
  void Good(const std::string& part, const std::string& finding) { Add({part, Judgement::kGood, finding, ""}); }
  // Records a failure; false, so that what needs the part is left out.
  bool Bad(const std::string& part, const std::string& finding, const std::string& advice) {
    Add({part, Judgement::kBad, finding, advice});
    return false;
  }

  bool LoadModule() {
    hsm_.progress("module " + hsm_.module);
    for (Examined& finding : ExamineModuleEnvironment(hsm_.module, hsm_.environment)) Add(std::move(finding));
    StatusOr<std::shared_ptr<Module>> module = Module::Load(hsm_.module);
    if (!module.ok()) {
      Add(ExplainLoadFailure(hsm_.module, module.status()));
      return false;
    }
    module_ = std::move(*module);
    const StatusOr<ModuleInformation> information = module_->Describe();
    if (!information.ok()) {
      return Bad("module", Message(information.status()),
                 "The module was loaded but does not answer; see the vendor's log.");
    }
    made_.module = *information;
    Good("module", fmt::format("{} {} (Cryptoki {}), {}", information->description, information->version,
                               information->cryptoki_version, hsm_.module));
    return true;
  }

  bool ListSlots() {
    hsm_.progress("slots");
    StatusOr<std::vector<SlotInformation>> slots = module_->ListSlots();
    if (!slots.ok()) {
      return Bad("slots", Message(slots.status()), "The module does not list its slots; see the vendor's log.");
    }
    size_t tokens = 0;
    for (SlotInformation& slot : *slots) {
      const bool is_initialized = slot.token.has_value() && slot.token->initialized;
      tokens += is_initialized ? 1 : 0;
      std::vector<MechanismInformation> mechanisms;
      if (is_initialized) {
        StatusOr<std::vector<MechanismInformation>> listed = module_->ListMechanisms(slot.slot);
        if (!listed.ok()) {
          return Bad("mechanisms", Message(listed.status()),
                     "The module does not describe its mechanisms; see the vendor's log.");
        }
        mechanisms = std::move(*listed);
      }
      made_.slots.push_back({std::move(slot), std::move(mechanisms)});
    }
    const std::string finding = fmt::format("{} slots, {} initialised tokens", made_.slots.size(), tokens);
    if (made_.slots.empty()) {
      return Bad("slots", finding,
                 "Connect the HSM or its reader, start its daemon, and look at the module's own configuration.");
    }
    Good("slots", finding);
    return true;
  }

  void DescribeTokens() {
    bool any = false;
    for (const ExaminedSlot& slot : made_.slots) {
      if (!slot.slot.token.has_value() || !slot.slot.token->initialized) continue;
      any = true;
      const std::string& label = slot.slot.token->label;
      for (Examined& finding : JudgeToken("token " + label, slot.slot, clock_.Now())) Add(std::move(finding));
      Add(JudgeMechanisms("mechanisms " + label, slot.mechanisms));
    }
    if (any) return;
    Bad("token", "no token is initialised",
        "Initialise one with the vendor's tool (SoftHSM: softhsm2-util --init-token), or correct what the module reads "
        "(SoftHSM: SOFTHSM2_CONF).");
  }

  bool ChooseTheToken() {
    const StatusOr<KeyUri> uri = KeyUri::Parse(hsm_.token);
    if (!uri.ok()) return Bad("token", Message(uri.status()), "Correct the token's URI (RFC 7512).");
    uri_ = *uri;
    std::vector<SlotInformation> slots;
    for (const ExaminedSlot& slot : made_.slots) slots.push_back(slot.slot);
    Examined finding;
    made_.token = ChooseToken(slots, uri_, finding);
    if (!made_.token.has_value()) Add(std::move(finding));
    return made_.token.has_value();
  }

  const ExaminedSlot& slot() const { return made_.slots[*made_.token]; }
  const TokenInformation& token() const { return *slot().slot.token; }

  bool JudgeTheToken() {
    bool usable = true;
    for (Examined& finding : JudgeToken("token", slot().slot, clock_.Now())) {
      usable = usable && finding.verdict != Judgement::kBad;
      Add(std::move(finding));
    }
    Add(JudgeMechanisms("mechanisms", slot().mechanisms));
    Add(JudgeSessions(token(), hsm_.sessions));
    return usable;
  }

  bool LogIn() {
    hsm_.progress("login");
    const StatusOr<bool> was_logged_in = OpenFirstSession();
    if (!was_logged_in.ok()) {
      return Bad("sessions", Message(was_logged_in.status()), "Not even one session could be opened and looked at.");
    }
    Secret pin;
    source_ = Describe(hsm_.pin);
    if (token().login_required && !*was_logged_in) {
      StatusOr<Secret> read = ReadPin(hsm_.pin);
      if (!read.ok()) return RefusePin(read.status());
      pin = std::move(*read);
      if (!JudgePin(pin)) return false;
    }
    const std::string oddity = pin.empty() ? "" : Oddity(pin);
    logged_in_ = std::make_shared<Token>(module_, uri_, KeepPin(std::move(pin)), TokenOptions{.sessions = 1});
    if (const Status status = logged_in_->LogIn(); !status.ok()) return RefuseLogin(status, oddity);
    made_.login = *was_logged_in            ? LoginState::kWasLoggedIn
                  : !token().login_required ? LoginState::kNotRequired
                                            : LoginState::kLoggedIn;
    Good("login", *was_logged_in            ? "this module was logged in already, so the PIN was not tried"
                  : !token().login_required ? "the token asks for none"
                                            : "the PIN is right");
    return true;
  }

  // Returns whether a user was logged in before.
  StatusOr<bool> OpenFirstSession() {
    ASSIGN_OR_RETURN(session_, Session::Open(*module_, slot().slot.slot));
    ASSIGN_OR_RETURN(const bool was_logged_in, session_->IsLoggedIn());
    if (token().max_sessions.value_or(2) < 2) session_.reset();  // the only one is needed for the rest
    return was_logged_in;
  }

  bool RefusePin(const Status& status) {
    return Bad(
        "pin", Message(status),
        "Name the PIN's file with pin-source in the token's URI, or put it into "
        "$CREDENTIALS_DIRECTORY/hallmark-pin or HALLMARK_PIN. A file must be its owner's and group's only: chmod "
        "o= FILE.");
  }

  // A PIN that the token cannot have is not tried, since that would cost one of the tries.
  bool JudgePin(const Secret& pin) {
    const TokenInformation& token = this->token();
    const bool too_long =
        token.max_pin_size >= token.min_pin_size && token.max_pin_size > 0 && pin.size() > token.max_pin_size;
    if (pin.size() < token.min_pin_size || too_long) {
      return Bad("pin",
                 fmt::format("the PIN from {} is too {}: the token's have {} to {} octets, so it was not tried",
                             source_, too_long ? "long" : "short", token.min_pin_size, token.max_pin_size),
                 "Put the PIN, and nothing else, on the first line of its file.");
    }
    Good("pin", "read from " + source_);
    return true;
  }

  bool RefuseLogin(const Status& status, const std::string& oddity) {
    made_.login = LoginState::kRefused;
    if (Reason(status) != reason::kHsmPinIncorrect) {
      return Bad("login", Message(status), "See the cause that the HSM gave; the PIN may be right.");
    }
    std::string finding = Message(status);
    if (!oddity.empty()) finding += fmt::format("; of the PIN from {}: {}", source_, oddity);
    const StatusOr<std::vector<SlotInformation>> slots = module_->ListSlots();
    for (const SlotInformation& now : slots.value_or(std::vector<SlotInformation>())) {
      if (now.slot != slot().slot.slot || !now.token.has_value()) continue;
      if (now.token->user_pin_locked) finding += "; the token is locked now";
      if (now.token->user_pin_final_try) finding += "; one try is left before the token locks";
    }
    return Bad(
        "login", finding,
        fmt::format("Correct the PIN in {}. Hallmark takes the first line of a file without its line break; when the "
                    "token was set up with a PIN that ends in one, set a new PIN. Every wrong try counts: do not "
                    "start the service before this is good.",
                    source_));
  }

  void ExamineTheKeys() {
    KeyExamination keys = ExamineKeys(logged_in_, {.wanted = std::move(hsm_.keys),
                                                   .must_fit = hsm_.all_must_fit,
                                                   .sign = hsm_.sign,
                                                   .journal = hsm_.journal,
                                                   .exceptions = hsm_.exceptions,
                                                   .sessions = UsableSessions(token(), hsm_.sessions),
                                                   .progress = hsm_.progress});
    made_.keys = std::move(keys.keys);
    made_.objects = std::move(keys.objects);
    for (Examined& finding : keys.findings) Add(std::move(finding));
  }

  HsmToExamine hsm_;
  const Clock& clock_;
  ExaminedHsm made_;
  std::shared_ptr<Module> module_;
  KeyUri uri_;
  std::string source_;  // of the PIN
  std::unique_ptr<Session> session_;
  std::shared_ptr<Token> logged_in_;
};

}  // namespace

ExaminedHsm ExamineHsm(HsmToExamine hsm, const Clock& clock) { return Examiner(std::move(hsm), clock).Run(); }

}  // namespace hallmark
