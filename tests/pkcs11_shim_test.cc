// The PKCS#11 shim on a real SoftHSM2: it changes nothing that it was not told to, and each of its faults is what it
// says.
#include "tests/pkcs11_shim.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "base/file.h"
#include "hsm/cryptoki.h"
#include "hsm/key.h"
#include "hsm/pkcs11_signer.h"
#include "tests/command.h"
#include "tests/pkcs11_server.h"
#include "tests/softhsm.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::Function;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::kPin;
using testing::kSoPin;
using testing::MakeSecret;
using testing::Pkcs11Server;
using testing::Pkcs11Shim;
using testing::RunCommand;
using testing::TemporaryDirectory;
using testing::Verifies;

const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(std::make_unique<testing::SoftHsmEnvironment>().release());

// A token of the test's own with one key, and a session that is logged in, for plain calls of PKCS#11.
class Pkcs11ShimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    label_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    label_.resize(std::min<size_t>(label_.size(), 32));
    module_ = Module::Load(Pkcs11Shim::Path()).value();
    ASSERT_THAT(InitializeToken(*module_, label_, MakeSecret(kSoPin), MakeSecret(kPin)), IsOk());
    ASSERT_THAT(GenerateKey(*MakeToken(), KeyType::kEcP256, "key"), IsOk());
    OpenLoggedIn();
  }

  void OpenLoggedIn() {
    ASSERT_EQ(Open(session_), CKR_OK);
    std::string pin = kPin;
    ASSERT_EQ(functions().C_Login(session_, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size()), CKR_OK);
    const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class)};
    std::vector<CK_OBJECT_HANDLE> found;
    ASSERT_EQ(FindObjects(functions(), session_, wanted, found), CKR_OK);
    ASSERT_EQ(found.size(), 1u);
    key_ = found.front();
  }

  const CK_FUNCTION_LIST& functions() const { return module_->functions(); }
  KeyUri TokenUri() const { return KeyUri::Parse("pkcs11:token=" + label_).value(); }
  std::shared_ptr<Token> MakeToken() const {
    return std::make_shared<Token>(
        module_, TokenUri(), [] { return StatusOr<Secret>(MakeSecret(kPin)); }, TokenOptions{.sessions = 4});
  }
  CK_SLOT_ID Slot() const {
    const std::vector<SlotInformation> slots = module_->ListSlots().value();
    return std::find_if(slots.begin(), slots.end(),
                        [this](const SlotInformation& slot) { return slot.token && slot.token->label == label_; })
        ->slot;
  }
  CK_RV Open(CK_SESSION_HANDLE& session) const {
    return functions().C_OpenSession(Slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  }
  CK_RV Info(CK_SESSION_HANDLE session) const {
    CK_SESSION_INFO info = {};
    return functions().C_GetSessionInfo(session, &info);
  }
  CK_RV Sign() const {
    CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
    if (const CK_RV rv = functions().C_SignInit(session_, &mechanism, key_); rv != CKR_OK) return rv;
    CK_BYTE digest[32] = {};
    CK_BYTE signature[64];
    CK_ULONG size = sizeof signature;
    return functions().C_Sign(session_, digest, sizeof digest, signature, &size);
  }
  std::string Pkcs11Tool(const std::string& arguments) const {
    return RunCommand(fmt::format("pkcs11-tool --module {} --token-label {} --login --pin {} {}", Pkcs11Shim::Path(),
                                  label_, kPin, arguments))
        .output;
  }

  Pkcs11Shim shim_;
  std::string label_;
  std::shared_ptr<Module> module_;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

TEST_F(Pkcs11ShimTest, PassesOnWhatItIsNotToldToSpoil) {
  const std::shared_ptr<Token> token = MakeToken();
  for (const KeyType type : {KeyType::kEcP384, KeyType::kRsa2048}) {
    const KeyUri uri = GenerateKey(*token, type, KeyTypeName(type)).value();
    const SignatureAlgorithm algorithm =
        type == KeyType::kRsa2048 ? SignatureAlgorithm::kRsaPssSha256 : SignatureAlgorithm::kEcdsaSha384;
    const auto signer = OpenSigner(token, uri, {.algorithm = algorithm}).value();
    EXPECT_TRUE(Verifies(*signer, AsBytes("tbs"), signer->Sign(AsBytes("tbs"), absl::InfiniteFuture()).value()));
  }
  EXPECT_THAT(Pkcs11Tool("--test"), HasSubstr("No errors"));
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 0u);
}

TEST_F(Pkcs11ShimTest, OnlyPassesOnWithoutAControlFile) {
  shim_.Fail(Function::kLogin, CKR_PIN_LOCKED, -1);
  EXPECT_THAT(Pkcs11Tool("--list-objects"), HasSubstr("CKR_PIN_LOCKED"));
  const auto free =
      RunCommand(fmt::format("env -u HALLMARK_SHIM_CONTROL pkcs11-tool --module {} --token-label {} --login --pin {} "
                             "--list-objects --type privkey",
                             Pkcs11Shim::Path(), label_, kPin));
  EXPECT_THAT(free.output, HasSubstr("label:      key"));
}

TEST_F(Pkcs11ShimTest, DoesNotLoadWithAControlFileThatIsNone) {
  const auto refused = RunCommand(
      fmt::format("HALLMARK_SHIM_CONTROL=/etc/hostname pkcs11-tool --module {} --list-slots", Pkcs11Shim::Path()));
  EXPECT_NE(refused.exit_code, 0) << refused.output;
}

TEST_F(Pkcs11ShimTest, FailsTheChosenCalls) {
  shim_.Fail(Function::kSign, CKR_DEVICE_ERROR, 2, 1);
  const uint64_t before = shim_.Calls(Function::kSign);
  for (const CK_RV expected : {CKR_OK, CKR_DEVICE_ERROR, CKR_DEVICE_ERROR, CKR_OK}) EXPECT_EQ(Sign(), expected);
  EXPECT_EQ(shim_.Calls(Function::kSign), before + 4);

  shim_.Fail(Function::kSignInit, CKR_FUNCTION_FAILED, -1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Sign(), CKR_FUNCTION_FAILED);
  shim_.Clear();
  EXPECT_EQ(Sign(), CKR_OK);
}

TEST_F(Pkcs11ShimTest, FailsTheSameCallsForTheSameSeed) {
  const auto draw = [this] {
    shim_.FailRandomly(100, {CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY}, 7, {Function::kGetSessionInfo});
    std::vector<CK_RV> values;
    for (int i = 0; i < 1000; ++i) values.push_back(Info(session_));
    return values;
  };
  const std::vector<CK_RV> values = draw();
  EXPECT_EQ(draw(), values);
  EXPECT_EQ(Sign(), CKR_OK);
  const auto count = [&values](CK_RV value) { return std::count(values.begin(), values.end(), value); };
  EXPECT_GT(count(CKR_DEVICE_ERROR), 30);
  EXPECT_GT(count(CKR_DEVICE_MEMORY), 30);
  EXPECT_GT(count(CKR_OK), 850);
  EXPECT_EQ(count(CKR_OK) + count(CKR_DEVICE_ERROR) + count(CKR_DEVICE_MEMORY), 1000);
}

TEST_F(Pkcs11ShimTest, DelaysCalls) {
  shim_.Delay(Function::kSign, std::chrono::milliseconds(30));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
}

TEST_F(Pkcs11ShimTest, HoldsCallsUntilTheyAreReleasedAndCountsThem) {
  shim_.Hang(Function::kGetSessionInfo);
  const uint64_t before = shim_.Calls(Function::kGetSessionInfo);
  std::vector<std::future<CK_RV>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(std::async(std::launch::async, [this] { return Info(session_); }));
  while (shim_.Calls(Function::kGetSessionInfo) < before + 3) std::this_thread::yield();
  for (const auto& call : calls) EXPECT_EQ(call.wait_for(std::chrono::milliseconds(10)), std::future_status::timeout);
  EXPECT_EQ(Sign(), CKR_OK);  // the others go on
  shim_.Release();
  for (auto& call : calls) EXPECT_EQ(call.get(), CKR_OK);
  EXPECT_EQ(shim_.MaxConcurrent(Function::kGetSessionInfo), 3u);
  EXPECT_EQ(shim_.MaxConcurrent(Function::kSign), 1u);
}

TEST_F(Pkcs11ShimTest, CorruptsSignatures) {
  const std::shared_ptr<Token> token = MakeToken();
  KeyUri uri = TokenUri();
  uri.object = "key";
  const auto signer = OpenSigner(token, uri, {.algorithm = SignatureAlgorithm::kEcdsaSha256}).value();
  shim_.CorruptSignatures(2);
  for (const bool good : {false, false, true, true}) {
    EXPECT_EQ(Verifies(*signer, AsBytes("tbs"), signer->Sign(AsBytes("tbs"), absl::InfiniteFuture()).value()), good);
  }
}

TEST_F(Pkcs11ShimTest, LimitsSessionsAndSaysSoOnlyWhenAsked) {
  const auto stated = [this] {
    CK_TOKEN_INFO info = {};
    EXPECT_EQ(functions().C_GetTokenInfo(Slot(), &info), CKR_OK);
    EXPECT_EQ(info.ulMaxRwSessionCount, info.ulMaxSessionCount);
    return info.ulMaxSessionCount;
  };
  shim_.LimitSessions(3);
  EXPECT_EQ(stated(), CK_EFFECTIVELY_INFINITE);
  CK_SESSION_HANDLE sessions[3];
  EXPECT_EQ(Open(sessions[0]), CKR_OK);
  EXPECT_EQ(Open(sessions[1]), CKR_OK);
  EXPECT_EQ(shim_.OpenSessions(), 3);
  EXPECT_EQ(Open(sessions[2]), CKR_SESSION_COUNT);
  EXPECT_EQ(functions().C_CloseSession(sessions[0]), CKR_OK);
  EXPECT_EQ(Open(sessions[2]), CKR_OK);
  shim_.LimitSessions(3, true);
  EXPECT_EQ(stated(), 3u);
  shim_.Clear();
  EXPECT_EQ(Open(sessions[0]), CKR_OK);
  EXPECT_EQ(shim_.OpenSessions(), 4);
}

TEST_F(Pkcs11ShimTest, ClosesSessionsBehindTheBackAndSeesDeadOnesUsed) {
  CK_SESSION_HANDLE other = 0;
  ASSERT_EQ(Open(other), CKR_OK);
  shim_.CloseSessionsBehindTheBack();
  EXPECT_EQ(Info(session_), CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(Info(other), CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(shim_.OpenSessions(), 0);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 0u);  // nobody could know
  functions().C_CloseSession(session_);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 0u);
  EXPECT_EQ(Info(session_), CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(Info(other), CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 2u);
  OpenLoggedIn();
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 2u);
}

TEST_F(Pkcs11ShimTest, RemembersASessionThatItCalledLostItself) {
  shim_.Fail(Function::kSignInit, CKR_SESSION_CLOSED);
  EXPECT_EQ(Sign(), CKR_SESSION_CLOSED);
  EXPECT_EQ(shim_.OpenSessions(), 1);
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 2u);  // C_SignInit and C_Sign
  EXPECT_EQ(functions().C_CloseSession(session_), CKR_OK);
  EXPECT_EQ(shim_.OpenSessions(), 0);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 2u);
}

TEST_F(Pkcs11ShimTest, LogsOutBehindTheBack) {
  const uint64_t logins = shim_.Logins();
  shim_.LogOutBehindTheBack();
  EXPECT_NE(Sign(), CKR_OK);
  EXPECT_EQ(shim_.Logins(), logins);
  ASSERT_EQ(functions().C_CloseSession(session_), CKR_OK);
  OpenLoggedIn();
  EXPECT_EQ(shim_.Logins(), logins + 1);
  EXPECT_EQ(Sign(), CKR_OK);
}

TEST_F(Pkcs11ShimTest, FinalizesBehindTheBack) {
  shim_.FinalizeBehindTheBack();
  EXPECT_EQ(Info(session_), CKR_CRYPTOKI_NOT_INITIALIZED);
  EXPECT_EQ(module_->ListSlots().status().code(), Code::kUnavailable);
  EXPECT_EQ(shim_.OpenSessions(), 0);
  module_.reset();
  module_ = Module::Load(Pkcs11Shim::Path()).value();
  OpenLoggedIn();
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_EQ(shim_.UsesOfDeadSessions(), 0u);
}

TEST_F(Pkcs11ShimTest, RemovesTheTokenAndReturnsItWithoutItsSessions) {
  const CK_SLOT_ID slot = Slot();
  const auto present = [this] {
    CK_ULONG count = 0;
    EXPECT_EQ(functions().C_GetSlotList(CK_TRUE, nullptr, &count), CKR_OK);
    return count;
  };
  const CK_ULONG before = present();
  shim_.RemoveToken();
  EXPECT_EQ(Sign(), CKR_DEVICE_REMOVED);
  EXPECT_EQ(Info(session_), CKR_DEVICE_REMOVED);
  EXPECT_EQ(present(), 0u);
  const std::vector<SlotInformation> slots = module_->ListSlots().value();
  for (const SlotInformation& empty : slots) EXPECT_FALSE(empty.token.has_value());
  CK_TOKEN_INFO info = {};
  EXPECT_EQ(functions().C_GetTokenInfo(slot, &info), CKR_TOKEN_NOT_PRESENT);
  CK_SESSION_HANDLE session = 0;
  EXPECT_EQ(functions().C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session), CKR_TOKEN_NOT_PRESENT);
  shim_.ReturnToken();
  EXPECT_EQ(present(), before);
  EXPECT_EQ(Info(session_), CKR_SESSION_HANDLE_INVALID);
  OpenLoggedIn();
  EXPECT_EQ(Sign(), CKR_OK);
}

TEST_F(Pkcs11ShimTest, SteersAServerOfTokensWhoseLossIsForGoodUntilTheClientStartsAgain) {
  signal(SIGPIPE, SIG_IGN);
  module_.reset();
  Pkcs11Server server(Pkcs11Shim::Path(), TokenUri().ToString());
  ASSERT_EQ(setenv("P11_KIT_SERVER_ADDRESS", server.address().c_str(), 1), 0);
  module_ = Module::Load(Pkcs11Server::kClient).value();
  OpenLoggedIn();
  EXPECT_EQ(Sign(), CKR_OK);
  shim_.Fail(Function::kSign, CKR_DEVICE_MEMORY);
  EXPECT_EQ(Sign(), CKR_DEVICE_MEMORY);
  EXPECT_EQ(Sign(), CKR_OK);

  server.Kill();
  EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  module_.reset();
  module_ = Module::Load(Pkcs11Server::kClient).value();
  EXPECT_TRUE(module_->ListSlots()->empty());
  server.Start();
  EXPECT_TRUE(module_->ListSlots()->empty());
  module_.reset();
  module_ = Module::Load(Pkcs11Server::kClient).value();
  OpenLoggedIn();
  EXPECT_EQ(Sign(), CKR_OK);
  server.Kill();
  server.Start();
  EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  EXPECT_EQ(Info(session_), CKR_DEVICE_ERROR);
}

TEST_F(Pkcs11ShimTest, SteersAnotherProcess) {
  const uint64_t before = shim_.Calls(Function::kFindObjects);
  EXPECT_THAT(Pkcs11Tool("--list-objects --type privkey"), HasSubstr("label:      key"));
  EXPECT_GT(shim_.Calls(Function::kFindObjects), before);
  shim_.Fail(Function::kOpenSession, CKR_DEVICE_MEMORY);
  EXPECT_THAT(Pkcs11Tool("--list-objects --type privkey"), HasSubstr("CKR_DEVICE_MEMORY"));
  EXPECT_THAT(Pkcs11Tool("--list-objects --type privkey"), HasSubstr("label:      key"));
}

}  // namespace
}  // namespace hallmark
