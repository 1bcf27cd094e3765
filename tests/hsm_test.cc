// The HSM room on a real SoftHSM2 through p11-kit; what it makes is judged by OpenSSL, pkcs11-tool and p11tool.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <thread>

#include "base/file.h"
#include "base/reason.h"
#include "hsm/key.h"
#include "hsm/module.h"
#include "hsm/pkcs11_signer.h"
#include "hsm/token.h"
#include "tests/command.h"
#include "tests/pkcs11_server.h"
#include "tests/softhsm.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::hallmark::testing::CommandResult;
using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kPin;
using ::hallmark::testing::kSoftHsm;
using ::hallmark::testing::kSoPin;
using ::hallmark::testing::MakeSecret;
using ::hallmark::testing::PinOf;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::SoftHsmEnvironment;
using ::hallmark::testing::SoftwareSigner;
using ::hallmark::testing::TemporaryDirectory;
using ::hallmark::testing::Verifies;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr size_t kSessions = 4;

// The output of a shell command, after checking that it succeeded.
std::string Shell(const std::string& command) {
  const CommandResult result = RunCommand(command);
  EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
  return result.output;
}

std::vector<SignatureAlgorithm> AlgorithmsFor(KeyType type) {
  if (type == KeyType::kEcP256 || type == KeyType::kEcP384) {
    return {SignatureAlgorithm::kEcdsaSha256, SignatureAlgorithm::kEcdsaSha384};
  }
  return {SignatureAlgorithm::kRsaPkcs1Sha256, SignatureAlgorithm::kRsaPkcs1Sha384, SignatureAlgorithm::kRsaPssSha256,
          SignatureAlgorithm::kRsaPssSha384};
}

bool SignsAndVerifies(const Signer& signer, const std::string& tbs) {
  const StatusOr<Bytes> signature = signer.Sign(AsBytes(tbs), absl::InfiniteFuture());
  EXPECT_THAT(signature, IsOk());
  return signature.ok() && Verifies(signer, AsBytes(tbs), *signature);
}

// --- SoftHSM.

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(std::make_unique<SoftHsmEnvironment>().release());

// A token of the test's own, named after it.
class HsmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StatusOr<std::shared_ptr<Module>> module = Module::Load(kSoftHsm);
    ASSERT_THAT(module, IsOk());
    module_ = *module;
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    label_ = Hex(Sha256(AsBytes(std::string(info->test_suite_name()) + info->name()))).substr(0, 16);
    ASSERT_THAT(InitializeToken(*module_, label_, MakeSecret(kSoPin), MakeSecret(kPin)), IsOk());
    token_ = MakeToken(kPin);
  }

  std::shared_ptr<Token> MakeToken(const char* pin, size_t sessions = kSessions) const {
    return std::make_shared<Token>(module_, TokenUri(), PinOf(pin), TokenOptions{.sessions = sessions});
  }
  KeyUri TokenUri() const { return KeyUri::Parse("pkcs11:token=" + label_).value(); }
  std::unique_ptr<Signer> MakeSigner() const {
    const KeyUri uri = GenerateKey(*token_, KeyType::kEcP256, "signer").value();
    return OpenSigner(token_, uri, {.algorithm = SignatureAlgorithm::kEcdsaSha256}).value();
  }
  SlotInformation Slot() const {
    const std::vector<SlotInformation> slots = module_->ListSlots().value();
    return *std::find_if(slots.begin(), slots.end(),
                         [this](const SlotInformation& slot) { return slot.token && slot.token->label == label_; });
  }
  std::string Pkcs11Tool(const std::string& arguments) const {
    return Shell(
        fmt::format("pkcs11-tool --module {} --token-label {} --login --pin {} {}", kSoftHsm, label_, kPin, arguments));
  }

  const TemporaryDirectory directory_;
  std::shared_ptr<Module> module_;
  std::string label_;
  std::shared_ptr<Token> token_;
};

TEST_F(HsmTest, ModuleDescribesItselfItsTokensAndTheirMechanisms) {
  const StatusOr<ModuleInformation> information = module_->Describe();
  ASSERT_THAT(information, IsOk());
  EXPECT_EQ(information->manufacturer, "SoftHSM");
  EXPECT_EQ(information->cryptoki_version, "2.40");
  const SlotInformation slot = Slot();
  EXPECT_EQ(slot.token->model, "SoftHSM v2");
  EXPECT_TRUE(slot.token->initialized && slot.token->login_required && slot.token->user_pin_initialized);
  EXPECT_FALSE(slot.token->user_pin_count_low || slot.token->user_pin_locked);
  EXPECT_THAT(Shell(fmt::format("p11tool --provider {} --list-tokens", kSoftHsm)),
              AllOf(HasSubstr("Label: " + label_), HasSubstr("Serial: " + slot.token->serial)));
  const StatusOr<std::vector<MechanismInformation>> mechanisms = module_->ListMechanisms(slot.slot);
  ASSERT_THAT(mechanisms, IsOk());
  EXPECT_THAT(*mechanisms, SizeIs(5));
  for (const MechanismInformation& mechanism : *mechanisms) EXPECT_TRUE(mechanism.present) << mechanism.name;
}

TEST_F(HsmTest, ModuleIsLoadedByPathOrByItsNameInP11Kit) {
  const StatusOr<std::shared_ptr<Module>> named = Module::Load("softhsm2");
  ASSERT_THAT(named, IsOk());
  EXPECT_THAT((*named)->ListSlots().value(), SizeIs(module_->ListSlots()->size()));
  for (const char* wrong : {"/nowhere/libhsm.so", "/etc/passwd", "no-such-module"}) {
    const StatusOr<std::shared_ptr<Module>> module = Module::Load(wrong);
    EXPECT_THAT(module, Fails(Code::kFailedPrecondition, reason::kConfigurationInvalid));
    EXPECT_THAT(Message(module.status()), HasSubstr(wrong));
  }
}

TEST_F(HsmTest, InitializeTokenRefusesALabelThatExistsOrIsNone) {
  EXPECT_THAT(InitializeToken(*module_, label_, MakeSecret(kSoPin), MakeSecret(kPin)),
              Fails(Code::kAlreadyExists, reason::kHsmRefused));
  for (const char* label : {"", "abcdefghijklmnopqrstuvwxyz0123456789", "blank at its end "}) {
    EXPECT_THAT(InitializeToken(*module_, label, MakeSecret(kSoPin), MakeSecret(kPin)),
                Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  }
}

TEST_F(HsmTest, TokenIsFoundByLabelAndSerial) {
  EXPECT_THAT(token_->LogIn(), IsOk());
  KeyUri absent = TokenUri();
  absent.token = "absent";
  const Status not_found = Token(module_, absent, PinOf(kPin), TokenOptions{.sessions = kSessions}).LogIn();
  EXPECT_THAT(not_found, Fails(Code::kUnavailable, reason::kHsmTokenNotFound));
  EXPECT_EQ(RetryDelay(not_found), absl::Seconds(1));

  token_.reset();
  module_.reset();  // SoftHSM sees tokens of other processes only when it is initialised
  for (int i = 0; i < 2; ++i) {
    Shell(fmt::format("softhsm2-util --init-token --free --label twin --pin {} --so-pin {}", kPin, kSoPin));
  }
  module_ = Module::Load(kSoftHsm).value();
  label_ = "twin";
  EXPECT_THAT(MakeToken(kPin)->LogIn(), Fails(Code::kFailedPrecondition, reason::kHsmTokenNotFound));
  KeyUri one = TokenUri();
  one.serial = Slot().token->serial;
  EXPECT_THAT(Token(module_, one, PinOf(kPin), TokenOptions{.sessions = kSessions}).LogIn(), IsOk());
}

TEST_F(HsmTest, WrongPinIsTriedOnce) {
  const std::string log = (directory_ / "spy.log").string();
  ASSERT_EQ(setenv("PKCS11SPY", kSoftHsm, 1), 0);
  ASSERT_EQ(setenv("PKCS11SPY_OUTPUT", log.c_str(), 1), 0);
  const auto spy = Module::Load("pkcs11-spy.so");
  ASSERT_THAT(spy, IsOk());
  Token token(*spy, TokenUri(), PinOf("000000"), TokenOptions{.sessions = kSessions});
  for (int attempt = 0; attempt < 5; ++attempt) {
    EXPECT_THAT(token.LogIn(), Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
    EXPECT_THAT(ListKeys(token), Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
  }
  EXPECT_EQ(Shell(fmt::format("grep -c ': C_Login$' {}", log)), "1\n");
  EXPECT_TRUE(Slot().token->user_pin_count_low);
  EXPECT_THAT(token_->LogIn(), IsOk());
  EXPECT_FALSE(Slot().token->user_pin_count_low);
  EXPECT_THAT(token.LogIn(), Fails(Code::kFailedPrecondition, reason::kHsmPinIncorrect));
}

// --- Keys.

class KeyTest : public HsmTest, public ::testing::WithParamInterface<KeyType> {};

TEST_P(KeyTest, GeneratedKeySignsWithEveryAlgorithmOfItsTypeAndOpenSslVerifies) {
  const StatusOr<KeyUri> uri = GenerateKey(*token_, GetParam(), "devices");
  ASSERT_THAT(uri, IsOk());
  EXPECT_THAT(uri->ToString(), MatchesRegex("pkcs11:token=" + label_ + ";id=(%..)+;object=devices;type=private"));
  EXPECT_EQ(ReadKeyAttributes(*token_, *uri)->type, GetParam());
  const std::string tbs = "what is to be signed";
  const auto file = [this](const char* name) { return (directory_ / name).string(); };
  ASSERT_THAT(WriteFile(file("tbs"), AsBytes(tbs)), IsOk());
  for (const SignatureAlgorithm algorithm : AlgorithmsFor(GetParam())) {
    const StatusOr<std::unique_ptr<Pkcs11Signer>> signer = OpenSigner(token_, *uri, {.algorithm = algorithm});
    ASSERT_THAT(signer, IsOk());
    EXPECT_EQ((*signer)->algorithm(), algorithm);
    const StatusOr<Bytes> signature = (*signer)->Sign(AsBytes(tbs), absl::InfiniteFuture());
    ASSERT_THAT(signature, IsOk());
    EXPECT_TRUE(Verifies(**signer, AsBytes(tbs), *signature));
    EXPECT_FALSE(Verifies(**signer, AsBytes("something else"), *signature));
    ASSERT_THAT(WriteFile(file("signature"), *signature), IsOk());
    ASSERT_THAT(WriteFile(file("key.pem"), AsBytes(PemEncode("PUBLIC KEY", (*signer)->public_key()))), IsOk());
    const bool sha384 = SoftwareSigner::DigestOf(algorithm) == EVP_sha384();
    EXPECT_EQ(Shell(fmt::format(
                  "openssl dgst -{} {} -verify {} -signature {} {}", sha384 ? "sha384" : "sha256",
                  SoftwareSigner::IsPss(algorithm) ? "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest" : "",
                  file("key.pem"), file("signature"), file("tbs"))),
              "Verified OK\n");
  }
}

TEST_P(KeyTest, OtherToolsSeeAKeyThatOnlySignsAndNeverLeaves) {
  const StatusOr<KeyUri> uri = GenerateKey(*token_, GetParam(), "devices");
  ASSERT_THAT(uri, IsOk());
  const std::string key = Pkcs11Tool("--list-objects --type privkey");
  EXPECT_THAT(key, AllOf(HasSubstr("label:      devices"), HasSubstr("ID:         " + Hex(uri->id)),
                         HasSubstr("Usage:      sign\n"),
                         HasSubstr("Access:     sensitive, always sensitive, never extractable, local")));
  EXPECT_THAT(Shell(fmt::format("p11tool --provider {} --login --set-pin {} --list-privkeys 'pkcs11:token={}'",
                                kSoftHsm, kPin, label_)),
              AllOf(HasSubstr("CKA_PRIVATE; CKA_NEVER_EXTRACTABLE; CKA_SENSITIVE"), HasSubstr("Label: devices")));
  // The public key as another program reads it from the token.
  const std::string pem = (directory_ / "exported.pem").string();
  Shell(fmt::format("p11tool --provider {} --login --set-pin {} --export-pubkey '{}' --outfile {}", kSoftHsm, kPin,
                    uri->ToString(), pem));
  const StatusOr<std::string> exported = ReadFile(pem);
  ASSERT_THAT(exported, IsOk());
  EXPECT_THAT(*exported, HasSubstr(PemEncode("PUBLIC KEY", ReadPublicKey(*token_, *uri).value())));
}

INSTANTIATE_TEST_SUITE_P(All, KeyTest,
                         ::testing::Values(KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048, KeyType::kRsa3072,
                                           KeyType::kRsa4096),
                         [](const auto& info) {
                           std::string name = KeyTypeName(info.param);
                           std::erase_if(name, [](char c) { return c == ' ' || c == '-'; });
                           return name;
                         });

TEST_F(HsmTest, KeysAreListedAndDestroyed) {
  const KeyUri first = GenerateKey(*token_, KeyType::kEcP256, "first").value();
  const KeyUri second = GenerateKey(*token_, KeyType::kEcP384, "second").value();
  EXPECT_NE(first.id, second.id);
  EXPECT_THAT(GenerateKey(*token_, KeyType::kEcP256, "first"), Fails(Code::kAlreadyExists, reason::kHsmRefused));
  EXPECT_THAT(GenerateKey(*token_, KeyType::kEcP256, ""), Fails(Code::kInvalidArgument, reason::kRequestInvalid));
  std::vector<KeyUri> listed;
  const std::vector<KeyAttributes> keys = ListKeys(*token_).value();
  for (const KeyAttributes& key : keys) {
    EXPECT_THAT(CheckSafe(key), IsOk());
    listed.push_back(key.uri);
  }
  EXPECT_THAT(listed, UnorderedElementsAre(first, second));

  EXPECT_THAT(DestroyKey(*token_, first), IsOk());
  EXPECT_THAT(DestroyKey(*token_, first), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  const std::string objects = Pkcs11Tool("--list-objects");
  EXPECT_THAT(objects, AllOf(Not(HasSubstr(Hex(first.id))), HasSubstr(Hex(second.id))));
}

TEST_F(HsmTest, KeyIsNamedByIdOrLabelAndByNothingElse) {
  const KeyUri made = GenerateKey(*token_, KeyType::kEcP256, "devices").value();
  KeyUri by_label = TokenUri();
  by_label.object = "devices";
  EXPECT_EQ(ReadKeyAttributes(*token_, by_label)->uri, made);
  KeyUri by_id = TokenUri();
  by_id.id = made.id;
  EXPECT_EQ(ReadKeyAttributes(*token_, by_id)->uri, made);

  KeyUri absent = made;
  absent.id[0] ^= 1;
  EXPECT_THAT(OpenSigner(token_, absent, {.algorithm = SignatureAlgorithm::kEcdsaSha256}),
              Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  KeyUri elsewhere = made;
  elsewhere.token = "another";
  KeyUri is_public = made;
  is_public.type = "public";
  for (const KeyUri& wrong : {TokenUri(), elsewhere, is_public}) {
    EXPECT_THAT(ReadPublicKey(*token_, wrong), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
  }
  Pkcs11Tool("--keypairgen --key-type EC:secp256r1 --label devices --id 77");
  EXPECT_THAT(ReadKeyAttributes(*token_, by_label), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_EQ(ReadKeyAttributes(*token_, made)->uri, made);
}

TEST_F(HsmTest, UnsafeKeyIsRefused) {
  const std::string pem = (directory_ / "key.pem").string();
  Shell(fmt::format("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}", pem));
  Shell(fmt::format("softhsm2-util --import {} --token {} --label imported --id 0a --pin {}", pem, label_, kPin));
  Pkcs11Tool("--keypairgen --key-type EC:secp256r1 --label extractable --id 0b --extractable --usage-sign");
  Pkcs11Tool("--keypairgen --key-type rsa:2048 --label decrypts --id 0c --usage-sign --usage-decrypt");
  Pkcs11Tool("--keypairgen --key-type EC:secp256r1 --label derives --id 0d --usage-sign --usage-derive");
  const struct {
    const char* label;
    SignatureAlgorithm algorithm;
    const char* wrong;
  } kCases[] = {
      {"imported", SignatureAlgorithm::kEcdsaSha256, "CKA_LOCAL is false"},
      {"extractable", SignatureAlgorithm::kEcdsaSha256, "CKA_EXTRACTABLE is true"},
      {"decrypts", SignatureAlgorithm::kRsaPssSha256, "CKA_DECRYPT is true"},
      {"derives", SignatureAlgorithm::kEcdsaSha256, "CKA_DERIVE is true"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.label);
    KeyUri uri = TokenUri();
    uri.object = c.label;
    const StatusOr<std::unique_ptr<Pkcs11Signer>> signer = OpenSigner(token_, uri, {.algorithm = c.algorithm});
    ASSERT_THAT(signer, Fails(Code::kFailedPrecondition, reason::kHsmKeyUnsafe));
    EXPECT_THAT(Message(signer.status()), HasSubstr(c.wrong));
  }
}

TEST_F(HsmTest, KeyAndAlgorithmMustFit) {
  const KeyUri ec = GenerateKey(*token_, KeyType::kEcP256, "ec").value();
  const KeyUri rsa = GenerateKey(*token_, KeyType::kRsa2048, "rsa").value();
  for (const SignatureAlgorithm algorithm : AlgorithmsFor(KeyType::kRsa2048)) {
    EXPECT_THAT(OpenSigner(token_, ec, {.algorithm = algorithm}),
                Fails(Code::kFailedPrecondition, reason::kHsmRefused));
  }
  for (const SignatureAlgorithm algorithm : AlgorithmsFor(KeyType::kEcP256)) {
    EXPECT_THAT(OpenSigner(token_, rsa, {.algorithm = algorithm}),
                Fails(Code::kFailedPrecondition, reason::kHsmRefused));
  }
  Pkcs11Tool("--keypairgen --key-type EC:secp521r1 --label p521 --id 0e --usage-sign");
  KeyUri p521 = TokenUri();
  p521.object = "p521";
  EXPECT_FALSE(OpenSigner(token_, p521, {.algorithm = SignatureAlgorithm::kEcdsaSha384}).ok());
}

// --- Signing under trouble.

TEST_F(HsmTest, EightThreadsShareFourSessions) {
  const std::unique_ptr<Signer> signer = MakeSigner();
  std::atomic<int> verified = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) verified += SignsAndVerifies(*signer, fmt::format("{}.{}", thread, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(verified, 1600);
}

TEST_F(HsmTest, SignGivesUpAtItsDeadlineWhenAllSessionsAreBusy) {
  token_ = MakeToken(kPin, 1);
  const std::unique_ptr<Signer> signer = MakeSigner();
  std::promise<void> busy;
  std::promise<void> release;
  std::thread occupant([&] {
    EXPECT_THAT(token_->Run("wait", absl::InfiniteFuture(),
                            [&](SessionHandle) -> StatusOr<ReturnValue> {
                              busy.set_value();
                              release.get_future().wait();
                              return 0;
                            }),
                IsOk());
  });
  busy.get_future().wait();
  const StatusOr<Bytes> refused = signer->Sign(AsBytes("tbs"), absl::Now() + absl::Milliseconds(50));
  EXPECT_THAT(refused, Fails(Code::kDeadlineExceeded, reason::kHsmUnavailable));
  EXPECT_EQ(RetryDelay(refused.status()), absl::Seconds(1));
  release.set_value();
  occupant.join();
  EXPECT_TRUE(SignsAndVerifies(*signer, "tbs"));
}

// Functions of the module behind p11-kit's and the pool's back.
template <class Function>
Function* RawFunction(const char* name) {
  void* const library = dlopen(kSoftHsm, RTLD_NOW | RTLD_NOLOAD);
  return library == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(library, name));
}

TEST_F(HsmTest, SessionsThatWereClosedHeal) {
  auto* const close_all = RawFunction<unsigned long(unsigned long)>("C_CloseAllSessions");
  ASSERT_NE(close_all, nullptr);
  const std::unique_ptr<Signer> signer = MakeSigner();
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> threads;  // so that several sessions are in the pool
    for (size_t i = 0; i < 2 * kSessions; ++i) {
      threads.emplace_back([&] { EXPECT_TRUE(SignsAndVerifies(*signer, "tbs")); });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(close_all(Slot().slot), 0u);
  }
  EXPECT_TRUE(SignsAndVerifies(*signer, "tbs"));
}

TEST_F(HsmTest, LostLoginHeals) {
  auto* const log_out = RawFunction<unsigned long(unsigned long)>("C_Logout");
  ASSERT_NE(log_out, nullptr);
  const std::unique_ptr<Signer> signer = MakeSigner();
  const auto lose_login = [&] {
    ASSERT_THAT(token_->Run("log out", absl::InfiniteFuture(),
                            [&](SessionHandle session) -> StatusOr<ReturnValue> { return log_out(session); }),
                IsOk());
  };
  for (int round = 0; round < 10; ++round) {
    lose_login();
    EXPECT_TRUE(SignsAndVerifies(*signer, "tbs"));
  }
  lose_login();
  EXPECT_THAT(ListKeys(*token_).value(), SizeIs(1));
  lose_login();
  EXPECT_THAT(GenerateKey(*token_, KeyType::kEcP256, "another"), IsOk());
}

TEST_F(HsmTest, DestroyedKeyIsNotFoundAgain) {
  const KeyUri uri = GenerateKey(*token_, KeyType::kEcP256, "devices").value();
  const std::unique_ptr<Signer> signer =
      OpenSigner(token_, uri, {.algorithm = SignatureAlgorithm::kEcdsaSha256}).value();
  EXPECT_TRUE(SignsAndVerifies(*signer, "tbs"));
  ASSERT_THAT(DestroyKey(*token_, uri), IsOk());
  EXPECT_THAT(signer->Sign(AsBytes("tbs"), absl::InfiniteFuture()),
              Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
}

TEST_F(HsmTest, SignsThroughP11KitServer) {
  const KeyUri uri = GenerateKey(*token_, KeyType::kEcP256, "devices").value();
  const testing::Pkcs11Server server(kSoftHsm, TokenUri().ToString());
  ASSERT_EQ(setenv("P11_KIT_SERVER_ADDRESS", server.address().c_str(), 1), 0);
  const StatusOr<std::shared_ptr<Module>> client = Module::Load(testing::Pkcs11Server::kClient);
  ASSERT_THAT(client, IsOk());
  const auto token = std::make_shared<Token>(*client, TokenUri(), PinOf(kPin), TokenOptions{.sessions = kSessions});
  const StatusOr<std::unique_ptr<Pkcs11Signer>> signer =
      OpenSigner(token, uri, {.algorithm = SignatureAlgorithm::kEcdsaSha256});
  ASSERT_THAT(signer, IsOk());
  EXPECT_TRUE(SignsAndVerifies(**signer, "tbs"));
}

}  // namespace
}  // namespace hallmark
