// The parts of the HSM room that need no HSM: URIs, PINs, return values and the signature journal.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/file.h"
#include "base/reason.h"
#include "hsm/key_uri.h"
#include "hsm/pin.h"
#include "hsm/return_value.h"
#include "hsm/signature_journal.h"
#include "hsm/signer.h"
#include "tests/command.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::SoftwareSigner;
using ::hallmark::testing::TemporaryDirectory;
using ::hallmark::testing::Verifies;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr SignatureAlgorithm kAlgorithms[] = {SignatureAlgorithm::kEcdsaSha256,    SignatureAlgorithm::kEcdsaSha384,
                                              SignatureAlgorithm::kRsaPkcs1Sha256, SignatureAlgorithm::kRsaPkcs1Sha384,
                                              SignatureAlgorithm::kRsaPssSha256,   SignatureAlgorithm::kRsaPssSha384};

Secret MakeSecret(const char* text) { return Secret(std::string(text)); }

bool SignsAndVerifies(const Signer& signer, const std::string& tbs) {
  const StatusOr<Bytes> signature = signer.Sign(AsBytes(tbs), absl::InfiniteFuture());
  EXPECT_THAT(signature, IsOk());
  return signature.ok() && Verifies(signer, AsBytes(tbs), *signature);
}

// --- Values: URIs, PINs, return values.

TEST(KeyUriTest, ReadsAndPrintsWhatIsAllowed) {
  const struct {
    const char* text;
    const char* printed;
  } kCases[] = {
      {"pkcs11:token=ca", "pkcs11:token=ca"},
      {"pkcs11:token=My%20CA;object=devices", "pkcs11:token=My%20CA;object=devices"},
      {"pkcs11:object=devices;token=ca;id=%01%ff;type=private",
       "pkcs11:token=ca;id=%01%FF;object=devices;type=private"},
      {"pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=5f3c;token=ca",
       "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=5f3c;token=ca"},
      {"pkcs11:token=ca?pin-source=file:/etc/pin&module-path=/usr/lib/x.so",
       "pkcs11:token=ca?pin-source=file%3A%2Fetc%2Fpin&module-path=%2Fusr%2Flib%2Fx.so"},
      {"pkcs11:token=ca?module-name=softhsm2", "pkcs11:token=ca?module-name=softhsm2"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text);
    const StatusOr<KeyUri> uri = KeyUri::Parse(c.text);
    ASSERT_THAT(uri, IsOk());
    EXPECT_EQ(uri->ToString(), c.printed);
    const StatusOr<KeyUri> again = KeyUri::Parse(uri->ToString());
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(*again, *uri);
  }
  const KeyUri uri = KeyUri::Parse("pkcs11:token=ca;serial=7;object=k;id=%00%10;type=public?pin-source=/p").value();
  EXPECT_EQ(uri.token, "ca");
  EXPECT_EQ(uri.serial, "7");
  EXPECT_EQ(uri.object, "k");
  EXPECT_EQ(uri.id, (Bytes{0x00, 0x10}));
  EXPECT_EQ(uri.type, "public");
  EXPECT_EQ(uri.pin_source, "/p");
}

TEST(KeyUriTest, RefusesTheRestAndNeverRepeatsAPin) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"", "does not begin with"},
      {"token=ca", "does not begin with"},
      {"pkcs11:", "names no token"},
      {"pkcs11:token=", "names no token"},
      {"pkcs11:object=devices", "names no token"},
      {"pkcs11:token", "has no value"},
      {"pkcs11:token=ca;", "ends in a separator"},
      {"pkcs11:token=ca;;object=x", "has no value"},
      {"pkcs11:token=a;token=b", "\"token\" is given twice"},
      {"pkcs11:token=ca;colour=red", "\"colour\" is unknown"},
      {"pkcs11:token=ca;slot-id=3", "\"slot-id\" is unknown or not supported"},
      {"pkcs11:token=ca;library-version=1.2", "not supported"},
      {"pkcs11:token=ca?x-vendor=1", "\"x-vendor\" is unknown"},
      {"pkcs11:token=ca;type=teapot", "none that the attribute may have"},
      {"pkcs11:token=a%zz", "encoding"},
      {"pkcs11:token=my ca", "white space"},
      {"pkcs11:token=abcdefghijklmnopqrstuvwxyz0123456789", "too long"},
      {"pkcs11:token=ca?pin-value=31337", "pin-value is refused"},
      {"pkcs11:token=ca;pin-value=31337", "pin-value is refused"},
      {"pkcs11:token=ca&pin-value=31337", "pin-value is refused"},
      {"pkcs11:token=ca?PIN-VALUE=31337", "pin-value is refused"},
      {"pin-value=31337", "does not begin with"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text);
    const StatusOr<KeyUri> uri = KeyUri::Parse(c.text);
    ASSERT_THAT(uri, Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
    EXPECT_THAT(Message(uri.status()), AllOf(HasSubstr(c.message), Not(HasSubstr("31337"))));
  }
}

TEST(PinTest, TakesTheFirstSourceThatIsThere) {
  const TemporaryDirectory directory;
  const auto write = [&](const std::string& name, const std::string& content, unsigned mode) {
    EXPECT_THAT(WriteFile(directory / name, AsBytes(content), mode), IsOk());
    return (directory / name).string();
  };
  const std::string pin_file = write("pin", "from-file\n", 0600);
  const std::string open_file = write("open", "readable by all\n", 0644);
  const std::string empty_file = write("empty", "\n", 0600);
  write("credential", "from-credential", 0400);
  const struct {
    const char* name;
    std::string pin_source;
    std::string credential;
    const char* environment;
    const char* pin;      // nullptr: it fails
    const char* message;  // then
  } kCases[] = {
      {"a file URI", "file:" + pin_file, "credential", "from-environment", "from-file", ""},
      {"a file URI with an authority", "file://" + pin_file, "", "", "from-file", ""},
      {"a plain path", pin_file, "credential", "from-environment", "from-file", ""},
      {"a credential", "", "credential", "from-environment", "from-credential", ""},
      {"no such credential", "", "absent", "from-environment", "from-environment", ""},
      {"the environment only", "", "", "from-environment", "from-environment", ""},
      {"a file that is not there", "file:" + pin_file + "x", "credential", "from-environment", nullptr, "No such file"},
      {"a file for everybody", open_file, "credential", "from-environment", nullptr, "chmod o="},
      {"an empty file", empty_file, "credential", "from-environment", nullptr, "is empty"},
      {"a command", "|/bin/echo 1", "credential", "from-environment", nullptr, "neither file:/path nor"},
      {"a credential for everybody", "", "open", "from-environment", nullptr, "chmod o="},
      {"nothing", "", "absent", "", nullptr, "PIN_VARIABLE is not set"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const PinSources sources{c.pin_source, directory.path(), c.credential, "PIN_VARIABLE", MakeSecret(c.environment)};
    const StatusOr<Secret> pin = ReadPin(sources);
    if (c.pin != nullptr) {
      ASSERT_THAT(pin, IsOk());
      EXPECT_EQ(pin->Reveal(), c.pin);
    } else {
      EXPECT_FALSE(pin.ok());
      EXPECT_THAT(Message(pin.status()), HasSubstr(c.message));
    }
  }
}

TEST(ReturnValueTest, HasANameAndAMeaning) {
  const struct {
    ReturnValue value;
    const char* name;
    Remedy remedy;
    Code code;
    const char* reason;
  } kCases[] = {
      {0x02, "CKR_HOST_MEMORY", Remedy::kWait, Code::kUnavailable, reason::kHsmUnavailable},
      {0x03, "CKR_SLOT_ID_INVALID", Remedy::kFindToken, Code::kUnavailable, reason::kHsmUnavailable},
      {0x05, "CKR_GENERAL_ERROR", Remedy::kReplaceSession, Code::kUnavailable, reason::kHsmUnavailable},
      {0x06, "CKR_FUNCTION_FAILED", Remedy::kReplaceSession, Code::kUnavailable, reason::kHsmUnavailable},
      {0x30, "CKR_DEVICE_ERROR", Remedy::kReinitialize, Code::kUnavailable, reason::kHsmUnavailable},
      {0x32, "CKR_DEVICE_REMOVED", Remedy::kReinitialize, Code::kUnavailable, reason::kHsmUnavailable},
      {0x60, "CKR_KEY_HANDLE_INVALID", Remedy::kFindKey, Code::kUnavailable, reason::kHsmUnavailable},
      {0x68, "CKR_KEY_FUNCTION_NOT_PERMITTED", Remedy::kRefuse, Code::kFailedPrecondition, reason::kHsmRefused},
      {0x70, "CKR_MECHANISM_INVALID", Remedy::kRefuse, Code::kFailedPrecondition, reason::kHsmRefused},
      {0x82, "CKR_OBJECT_HANDLE_INVALID", Remedy::kFindKey, Code::kUnavailable, reason::kHsmUnavailable},
      {0x90, "CKR_OPERATION_ACTIVE", Remedy::kReplaceSession, Code::kUnavailable, reason::kHsmUnavailable},
      {0xa0, "CKR_PIN_INCORRECT", Remedy::kRefusePin, Code::kFailedPrecondition, reason::kHsmPinIncorrect},
      {0xa4, "CKR_PIN_LOCKED", Remedy::kRefusePin, Code::kFailedPrecondition, reason::kHsmPinIncorrect},
      {0xb0, "CKR_SESSION_CLOSED", Remedy::kOpenSession, Code::kUnavailable, reason::kHsmUnavailable},
      {0xb1, "CKR_SESSION_COUNT", Remedy::kShareSessions, Code::kUnavailable, reason::kHsmUnavailable},
      {0xb3, "CKR_SESSION_HANDLE_INVALID", Remedy::kOpenSession, Code::kUnavailable, reason::kHsmUnavailable},
      {0xe0, "CKR_TOKEN_NOT_PRESENT", Remedy::kFindToken, Code::kUnavailable, reason::kHsmUnavailable},
      {0xe1, "CKR_TOKEN_NOT_RECOGNIZED", Remedy::kFindToken, Code::kUnavailable, reason::kHsmUnavailable},
      {0x101, "CKR_USER_NOT_LOGGED_IN", Remedy::kLogIn, Code::kUnavailable, reason::kHsmUnavailable},
      {0x104, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", Remedy::kWait, Code::kUnavailable, reason::kHsmUnavailable},
      {0x190, "CKR_CRYPTOKI_NOT_INITIALIZED", Remedy::kReinitialize, Code::kUnavailable, reason::kHsmUnavailable},
      {0x200, "CKR_FUNCTION_REJECTED", Remedy::kRefuse, Code::kFailedPrecondition, reason::kHsmRefused},
      {0x80000001, "CKR_0x80000001", Remedy::kReinitialize, Code::kUnavailable, reason::kHsmUnavailable},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(CkrName(c.value), c.name);
    EXPECT_EQ(RemedyFor(c.value), c.remedy);
    const Status status = CkrError("sign", c.value);
    EXPECT_THAT(status, Fails(c.code, c.reason));
    EXPECT_THAT(Message(status), HasSubstr(c.name));
    EXPECT_EQ(RetryDelay(status).has_value(), c.code == Code::kUnavailable);
  }
}

// --- The signature journal.

class FixedClock : public Clock {
 public:
  Time Now() const override { return absl::FromUnixSeconds(1795514400); }
};

class JournalTest : public ::testing::Test {
 protected:
  StatusOr<std::shared_ptr<const Signer>> Journaled(const std::string& key = "devices") {
    ASSIGN_OR_RETURN(auto journal, SignatureJournal::Open(path_, clock_));
    return JournalSignatures(std::move(journal), key,
                             std::make_unique<SoftwareSigner>(SignatureAlgorithm::kEcdsaSha256));
  }
  const TemporaryDirectory directory_;
  const FixedClock clock_;
  std::filesystem::path path_ = directory_ / "journal";
};

TEST_F(JournalTest, HasALineForEachSignatureAndKeepsEarlierOnes) {
  const std::string line =
      "2026-11-24T10:00:00Z devices " + RunCommand("printf tbs | sha256sum | cut -d' ' -f1").output;
  for (int start = 1; start <= 3; ++start) {
    const StatusOr<std::shared_ptr<const Signer>> signer = Journaled();
    ASSERT_THAT(signer, IsOk());
    EXPECT_TRUE(SignsAndVerifies(**signer, "tbs"));
  }
  EXPECT_EQ(ReadFile(path_).value(), line + line + line);
}

TEST_F(JournalTest, NothingIsSignedWithoutALine) {
  path_ = "/dev/full";
  const StatusOr<std::shared_ptr<const Signer>> signer = Journaled();
  ASSERT_THAT(signer, IsOk());
  const StatusOr<Bytes> signature = (*signer)->Sign(AsBytes("tbs"), absl::InfiniteFuture());
  EXPECT_THAT(signature, Fails(Code::kUnavailable, reason::kHsmUnavailable));
  EXPECT_THAT(Message(signature.status()), HasSubstr("No space left on device"));
  path_ = directory_ / "absent/journal";
  EXPECT_THAT(Journaled(), Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
}

TEST_F(JournalTest, LineSurvivesTheDeathOfTheProcess) {
  StatusOr<std::shared_ptr<const Signer>> signer = Journaled();
  ASSERT_THAT(signer, IsOk());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    (*signer)->Sign(AsBytes("tbs"), absl::InfiniteFuture()).IgnoreError();
    kill(getpid(), SIGKILL);
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFSIGNALED(state));
  EXPECT_THAT(ReadFile(path_).value(), MatchesRegex("2026-11-24T10:00:00Z devices [0-9a-f]+\n"));
}

TEST_F(JournalTest, TornLineDoesNotSwallowTheNext) {
  ASSERT_THAT(WriteFile(path_, AsBytes("2026-11-24T09:59")), IsOk());
  const StatusOr<std::shared_ptr<const Signer>> signer = Journaled();
  ASSERT_THAT(signer, IsOk());
  EXPECT_TRUE(SignsAndVerifies(**signer, "tbs"));
  EXPECT_THAT(ReadFile(path_).value(), MatchesRegex("2026-11-24T09:59\n2026-11-24T10:00:00Z devices [0-9a-f]+\n"));
}

TEST_F(JournalTest, NameOfTheKeyCannotForgeALine) {
  for (const char* key : {"", "two words", "line\nbreak"}) {
    EXPECT_THAT(Journaled(key), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << key;
  }
}

TEST(SoftwareSignerTest, SignsWithEveryAlgorithm) {
  for (const SignatureAlgorithm algorithm : kAlgorithms) {
    EXPECT_TRUE(SignsAndVerifies(SoftwareSigner(algorithm), "tbs")) << static_cast<int>(algorithm);
  }
}

TEST(SignatureAlgorithmTest, EachHasANameAndFitsItsKeys) {
  const struct {
    SignatureAlgorithm algorithm;
    const char* name;
    bool ecdsa;
  } cases[] = {{SignatureAlgorithm::kEcdsaSha256, "ecdsa-sha256", true},
               {SignatureAlgorithm::kEcdsaSha384, "ecdsa-sha384", true},
               {SignatureAlgorithm::kRsaPkcs1Sha256, "rsa-pkcs1-sha256", false},
               {SignatureAlgorithm::kRsaPkcs1Sha384, "rsa-pkcs1-sha384", false},
               {SignatureAlgorithm::kRsaPssSha256, "rsa-pss-sha256", false},
               {SignatureAlgorithm::kRsaPssSha384, "rsa-pss-sha384", false}};
  for (const auto& c : cases) {
    EXPECT_STREQ(Name(c.algorithm), c.name);
    const auto parsed = ParseSignatureAlgorithm(c.name);
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(*parsed, c.algorithm);
    for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384})
      EXPECT_EQ(Fits(c.algorithm, type), c.ecdsa) << c.name;
    for (const KeyType type : {KeyType::kRsa2048, KeyType::kRsa3072, KeyType::kRsa4096})
      EXPECT_EQ(Fits(c.algorithm, type), !c.ecdsa) << c.name;
  }
  for (const char* name : {"", "ECDSA-SHA256", "rsa", "ecdsa-sha1"})
    EXPECT_THAT(ParseSignatureAlgorithm(name), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid)) << name;
  for (const KeyType type :
       {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048, KeyType::kRsa3072, KeyType::kRsa4096})
    EXPECT_TRUE(Fits(DefaultAlgorithm(type), type));
  EXPECT_EQ(DefaultAlgorithm(KeyType::kEcP384), SignatureAlgorithm::kEcdsaSha384);
}

}  // namespace
}  // namespace hallmark
