// hallmark doctor --hsm on real modules: a healthy instance, and each way in which one is not.
#include "tests/doctor_hsm.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "hsm/examination.h"
#include "tests/pkcs11_server.h"
#include "tests/pkcs11_shim.h"
#include "tests/service.h"

namespace hallmark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::CommandResult;
using testing::Doctor;
using testing::Function;
using ::testing::HasSubstr;
using testing::Instance;
using ::testing::IsEmpty;
using testing::kPrograms;
using testing::kSoftHsm;
using testing::Pkcs11Server;
using testing::Pkcs11Shim;
using testing::Report;
using testing::RunCommand;

// --- A healthy instance.

TEST(DoctorHsmTest, FindsAHealthyInstanceHealthyAndChangesNothing) {
  const Instance instance;
  // SoftHSM itself writes into token.object that a login succeeded.
  const std::string list = "find $CA/token -type f ! -name token.object | sort | xargs sha256sum";
  const std::string objects = instance.Shell(list).output;
  const Report report = Doctor(instance, instance.Config());
  EXPECT_EQ(report.exit_code, 0) << report.document;
  EXPECT_THAT(report.PartsThatAre("warning"), IsEmpty());
  EXPECT_EQ(report.hsm()["login"], "logged_in");
  std::set<std::string> authorities;
  for (const json& key : report.hsm()["keys"]) {
    authorities.insert(key["authority"].get<std::string>());
    EXPECT_EQ(key["verdict"], "good");
    EXPECT_EQ(key["signatures"]["verified"], true);
  }
  EXPECT_EQ(authorities, (std::set<std::string>{"root", "devices", "access"}));
  EXPECT_EQ(instance.Shell(list).output, objects);
}

TEST(DoctorHsmTest, JournalsTheTestSignaturesUnderANameOfTheirOwnOrMakesNone) {
  const Instance instance;
  const auto lines = [&] { return instance.Shell("grep -c ' doctor:devices ' $CA/signatures.log").output; };
  const Report without = Doctor(instance, instance.Config() + " --no-signature");
  EXPECT_EQ(without.exit_code, 0);
  EXPECT_EQ(without.Of("signature devices"), "");
  EXPECT_EQ(lines(), "0\n");
  const Report with = Doctor(instance, instance.Config());
  EXPECT_EQ(lines(), "5\n");
  const Report unjournaled = [&] {
    instance.MustShell("sed -i 's#signature_journal: .*#signature_journal: /nowhere/log#' $CA/hallmark.yaml");
    return Doctor(instance, instance.Config());
  }();
  EXPECT_THAT(unjournaled.Of("journal"), HasSubstr("bad: cannot open the signature journal /nowhere/log"));
  EXPECT_EQ(unjournaled.Of("signature devices"), "");
}

TEST(DoctorHsmTest, WorksBesideTheRunningService) {
  const testing::Service service;
  const auto doctor =
      RunCommand(fmt::format("{}/hallmark doctor --hsm --config {}/hallmark.yaml", kPrograms, service.ca().string()));
  EXPECT_EQ(doctor.exit_code, 0) << doctor.output;
  EXPECT_THAT(doctor.output, AllOf(HasSubstr("in use by the running service"), HasSubstr("5 verified")));
  EXPECT_EQ(RunCommand(fmt::format("curl -sf {}/readyz", service.base_url())).exit_code, 0);
}

TEST(DoctorHsmTest, WorksBeforeThereIsAnInstance) {
  const Instance instance;
  const Report listing = Doctor(instance, fmt::format("--module {}", kSoftHsm));
  EXPECT_EQ(listing.exit_code, 0);
  EXPECT_EQ(listing.hsm()["login"], "not_tried");
  EXPECT_THAT(listing.Of("token hallmark"), HasSubstr("good"));
  const Report token = Doctor(instance, fmt::format("--module {} --token '{}'", kSoftHsm, instance.TokenUri()));
  EXPECT_EQ(token.exit_code, 0) << token.document;
  EXPECT_EQ(token.hsm()["keys"].size(), 3u);
  int tested = 0;
  for (const json& key : token.hsm()["keys"]) tested += key["signatures"].is_null() ? 0 : 1;
  EXPECT_EQ(tested, 1) << "one key of each type tells as much as all";
  const auto named =
      instance.Shell(fmt::format("{}/hallmark doctor --hsm --module softhsm2 --token 'pkcs11:token=hallmark' "
                                 "2>&1 >/dev/null",
                                 kPrograms));
  EXPECT_THAT(named.output, HasSubstr("  module softhsm2\n  slots\n  login\n"));
}

TEST(DoctorHsmTest, RefusesOptionsThatDoNotFit) {
  const Instance instance;
  for (const std::string options :
       {"--module m", "--no-signature", "--hsm --token pkcs11:token=ca", "--hsm --module m --config f"}) {
    EXPECT_EQ(instance.Shell(fmt::format("{}/hallmark doctor {}", kPrograms, options)).exit_code, 2) << options;
  }
}

TEST(DoctorHsmTest, IsPointedOutByDoctorWhenTheHsmIsBad) {
  const Instance instance;
  instance.MustShell("echo 000000 > $CA/secrets/pin");
  const auto doctor = instance.Shell(fmt::format("{}/hallmark doctor {}", kPrograms, instance.Config()));
  EXPECT_EQ(doctor.exit_code, 1);
  EXPECT_THAT(doctor.output, HasSubstr("hallmark doctor --hsm --config " + instance.ca()));
}

TEST(DoctorHsmTest, LeavesALoginOfTheApplicationAlone) {
  const Instance instance;
  ASSERT_EQ(setenv("SOFTHSM2_CONF", (instance.ca() + "/softhsm2.conf").c_str(), 1), 0);
  const auto module = Module::Load(kSoftHsm).value();
  Token token(
      module, KeyUri::Parse("pkcs11:token=hallmark").value(),
      [&]() -> StatusOr<Secret> { return Secret(instance.Pin()); }, TokenOptions{.sessions = 1});
  ASSERT_TRUE(token.LogIn().ok());
  HsmToExamine hsm;
  hsm.module = kSoftHsm;
  hsm.token = "pkcs11:token=hallmark";
  const ExaminedHsm examined = ExamineHsm(std::move(hsm), SystemClock());
  EXPECT_EQ(examined.login, LoginState::kWasLoggedIn);
  EXPECT_EQ(examined.keys.size(), 3u);
  EXPECT_EQ(ListKeys(token).value().size(), 3u);
}

// --- What can be wrong.

struct Wrong {
  const char* name;
  const char* command;  // breaks the instance
  const char* part;
  const char* verdict;
  std::vector<const char*> words;  // of finding and advice
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class WrongHsmTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongHsmTest, IsFoundAndExplained) {
  const Instance instance;
  instance.MustShell(GetParam().command);
  const Report report = Doctor(instance, instance.Config());
  const std::string part = report.Of(GetParam().part);
  EXPECT_THAT(part, HasSubstr(std::string(GetParam().verdict) + ": ")) << report.document.dump(1);
  for (const char* words : GetParam().words) EXPECT_THAT(part, HasSubstr(words));
  if (std::string_view(GetParam().verdict) == "bad") {
    EXPECT_EQ(report.exit_code, 1);
  } else {
    EXPECT_THAT(report.PartsThatAre("bad"), IsEmpty());
  }
}

std::string NameOf(const ::testing::TestParamInfo<Wrong>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Module, WrongHsmTest,
    ::testing::Values(
        Wrong{"NoConfiguration", "rm $CA/hallmark.yaml", "configuration", "bad", {"No such file", "hallmark init"}},
        Wrong{"NoFile",
              "sed -i 's/libsofthsm2/libnothing/' $CA/hallmark.yaml",
              "module",
              "bad",
              {"libnothing.so: cannot open shared object file: No such file", "There is no such file"}},
        Wrong{"NoLibrary",
              "sed -i 's#module: .*#module: /etc/passwd#' $CA/hallmark.yaml",
              "module",
              "bad",
              {"invalid ELF header", "not a shared library"}},
        Wrong{"NoModule",
              "sed -i \"s#module: .*#module: $(ldd $M | awk '/libcrypto/ {print $3}')#\" $CA/hallmark.yaml",
              "module",
              "bad",
              {"undefined symbol: C_GetFunctionList", "no PKCS#11 module"}},
        Wrong{"OtherArchitecture",
              "cp $M $CA/m.so && printf '\\026' | dd of=$CA/m.so bs=1 seek=18 conv=notrunc status=none && "
              "sed -i \"s#module: .*#module: $CA/m.so#\" $CA/hallmark.yaml",
              "module",
              "bad",
              {"it is for ELF machine 22, 64 bits, and Hallmark for", "this machine's architecture"}},
        Wrong{"OtherWordSize",
              "cp $M $CA/m.so && printf '\\001' | dd of=$CA/m.so bs=1 seek=4 conv=notrunc status=none && "
              "sed -i \"s#module: .*#module: $CA/m.so#\" $CA/hallmark.yaml",
              "module",
              "bad",
              {"wrong ELF class: ELFCLASS32", "32 bits", "this machine's architecture"}},
        Wrong{"ALibraryOfItIsMissing",
              "sed 's/libcrypto\\.so/libmissin.so/' $M > $CA/m.so && "
              "sed -i \"s#module: .*#module: $CA/m.so#\" $CA/hallmark.yaml",
              "module",
              "bad",
              {"libmissin.so.3: cannot open shared object file", "a library that it needs is not", "ldd"}},
        Wrong{"NameWithoutDirectory",
              "sed -i 's#module: .*#module: nosuch.so#' $CA/hallmark.yaml",
              "module",
              "bad",
              {"nosuch.so: cannot open shared object file", "give the whole path"}},
        Wrong{"UnknownToP11Kit",
              "sed -i 's#module: .*#module: softhsm3#' $CA/hallmark.yaml",
              "module",
              "bad",
              {"has no module of that name", "p11-kit has: ", "softhsm2", ".module file"}},
        Wrong{"NoSoftHsmConfiguration",
              "rm $CA/softhsm2.conf",
              "softhsm",
              "bad",
              {"No such file", "as SOFTHSM2_CONF says", "CKR_GENERAL_ERROR", "hsm.environment"}},
        Wrong{"NoSoftHsmConfigurationInTheModulesWords",
              "rm $CA/softhsm2.conf",
              "module",
              "bad",
              {"CKR_GENERAL_ERROR", "its own configuration"}},
        Wrong{"NoTokenDirectory", "rm -r $CA/token", "softhsm", "bad", {"is no directory", "directories.tokendir"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Token, WrongHsmTest,
    ::testing::Values(
        Wrong{"NoneInitialized", "rm -r $CA/token/*", "token", "bad", {"none is initialised", "SOFTHSM2_CONF"}},
        Wrong{"Misspelt",
              "sed -i 's/token=hallmark/token=Halmark/' $CA/hallmark.yaml",
              "token",
              "bad",
              {"no token 'Halmark', did you mean 'hallmark'?"}},
        Wrong{"OfAnotherName",
              "sed -i 's/token=hallmark/token=zz/' $CA/hallmark.yaml",
              "token",
              "bad",
              {"no token 'zz'; there are: hallmark"}},
        Wrong{"OfAnotherSerial",
              "sed -i 's/token=hallmark/token=hallmark;serial=0815/' $CA/hallmark.yaml",
              "token",
              "bad",
              {"not as the URI says: it has serial ", "a replaced token has another serial"}},
        Wrong{"Twins",
              "softhsm2-util --init-token --free --label hallmark --pin 1234 --so-pin 1234",
              "token",
              "bad",
              {"2 tokens have the label 'hallmark': serial ", "Add serial="}},
        Wrong{"WithAPinInItsUri",
              "sed -i 's/pin-source=.*/pin-value=4711/' $CA/hallmark.yaml",
              "token",
              "bad",
              {"pin-value is refused"}},
        Wrong{"WithoutAUserPin",
              "pkcs11-tool --module $M --slot-index 1 --init-token --label bare --so-pin 1234 && "
              "sed -i 's/token=hallmark/token=bare/' $CA/hallmark.yaml",
              "token",
              "bad",
              {"no user PIN yet", "--init-pin"}},
        Wrong{"WhoseLastLoginFailed",
              "! pkcs11-tool --module $M --token-label hallmark --login --pin 000000 -O",
              "token",
              "warning",
              {"a wrong PIN was tried"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Pin, WrongHsmTest,
    ::testing::Values(
        Wrong{"NoFile", "rm $CA/secrets/pin", "pin", "bad", {"No such file", "pin-source"}},
        Wrong{"ForEverybody", "chmod 644 $CA/secrets/pin", "pin", "bad", {"others may read it", "chmod o="}},
        Wrong{"Empty", "echo > $CA/secrets/pin", "pin", "bad", {"first line", "is empty"}},
        Wrong{"NoSource",
              "sed -i 's/?pin-source=.*//' $CA/hallmark.yaml",
              "pin",
              "bad",
              {"no pin-source", "HALLMARK_PIN is not set"}},
        Wrong{"TooShort", "echo 12 > $CA/secrets/pin", "pin", "bad", {"too short", "4 to 255", "not tried"}},
        Wrong{"WrongOne",
              "echo 000000 > $CA/secrets/pin",
              "login",
              "bad",
              {"CKR_PIN_INCORRECT (the PIN is wrong", "Every wrong try counts"}},
        Wrong{"WithABlank", "echo \" $PIN\" > $CA/secrets/pin", "login", "bad", {"begins or ends with a blank"}},
        Wrong{"WithAMark", "printf '\\357\\273\\277%s' $PIN > $CA/secrets/pin", "login", "bad", {"byte order mark"}},
        Wrong{"WithALineBreakOfDos", "printf '%s\\r\\n' $PIN > $CA/secrets/pin", "login", "good", {"the PIN is right"}},
        Wrong{"WithALineBreak", "printf '%s\\n' $PIN > $CA/secrets/pin", "login", "good", {"the PIN is right"}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Key, WrongHsmTest,
    ::testing::Values(
        Wrong{"Gone",
              "pkcs11 --delete-object --type privkey --label devices",
              "key of authority devices",
              "bad",
              {"0 private keys on the token match pkcs11:token=hallmark", "it has: ", "root"}},
        Wrong{"WithoutPublicKey",
              "pkcs11 --delete-object --type pubkey --label devices",
              "key devices",
              "bad",
              {"0 public keys with this id", "--write-object"}},
        Wrong{
            "AnotherOfTheSameName",
            "ID=$(pkcs11 -O --type privkey | awk '/label:/ {label = $2} /ID:/ && label == \"devices\" {print $2}') && "
            "pkcs11 --delete-object --type privkey --label devices && "
            "pkcs11 --delete-object --type pubkey --label devices && "
            "pkcs11 --keypairgen --key-type EC:secp256r1 --label devices --id $ID --usage-sign",
            "key devices",
            "bad",
            {"is another key than that of authority devices's certificate", "CKA_UNWRAP is true: it can bring"}},
        Wrong{
            "WithTheCertificateOfAnother",
            "ID=$(pkcs11 -O --type privkey | awk '/label:/ {label = $2} /ID:/ && label == \"devices\" {print $2}') && "
            "openssl x509 -in $CA/tls/root.pem -outform DER -out $CA/root.der && "
            "pkcs11 --write-object $CA/root.der --type cert --id $ID --label devices",
            "key devices",
            "warning",
            {"a certificate on the token has its CKA_ID but another public key"}},
        Wrong{"OfAnotherProgramAndExtractable",
              "pkcs11 --keypairgen --key-type EC:secp256r1 --label foreign --id 0b --extractable --usage-sign",
              "key foreign",
              "warning",
              {"CKA_EXTRACTABLE is true: it can be taken off the token"}},
        Wrong{"OfAnotherProgramAndImported",
              "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $CA/key.pem && "
              "softhsm2-util --import $CA/key.pem --token hallmark --label foreign --id 0b --pin $PIN",
              "key foreign",
              "warning",
              {"CKA_LOCAL is false: it was brought in from outside"}},
        Wrong{"OfAnUnsupportedType",
              "pkcs11 --keypairgen --key-type EC:secp521r1 --label foreign --id 0b --usage-sign",
              "key foreign",
              "warning",
              {"of no type that Hallmark signs with"}},
        Wrong{"NoDatabase", "rm $CA/hallmark.db*", "database", "warning", {"does not exist", "hallmark init"}},
        Wrong{"DatabaseOfANewerSchema", "sqlite3 $CA/hallmark.db 'PRAGMA user_version = 999'", "database", "bad", {}}),
    NameOf);

TEST(DoctorHsmTest, EveryKeyMustBeFitWhenNobodyKnowsWhoseItIs) {
  const Instance instance;
  instance.MustShell("pkcs11 --keypairgen --key-type EC:secp256r1 --label foreign --id 0b --extractable --usage-sign");
  const Report report = Doctor(instance, fmt::format("--module {} --token '{}'", kSoftHsm, instance.TokenUri()));
  EXPECT_THAT(report.Of("key foreign"), HasSubstr("bad: CKA_"));
  const Instance empty;
  empty.MustShell(
      "softhsm2-util --init-token --free --label empty --pin 123456 --so-pin 1234; echo 123456 > $CA/pin; "
      "chmod 600 $CA/pin");
  const Report none = Doctor(
      empty, fmt::format("--module {} --token 'pkcs11:token=empty?pin-source=file:{}/pin'", kSoftHsm, empty.ca()));
  EXPECT_THAT(none.Of("keys"), HasSubstr("bad: the token holds no private key"));
}

// --- Another user.

// As root may do everything, these run as another user.
TEST(DoctorHsmTest, SaysWhatItsUserMayNotReadAndWhichConfigurationOfP11KitIsHis) {
  const struct {
    const char* command;
    const char* part;
    std::vector<const char*> words;
  } kCases[] = {
      {"chmod 600 $CA/softhsm2.conf", "softhsm", {"softhsm2.conf: Permission denied", "user 65534"}},
      {"chmod 700 $CA/token", "softhsm", {"user 65534 may not read"}},
      {"chmod 755 $CA/token && chmod 700 $CA/token/*", "softhsm", {"user 65534 may not read and write: "}},
      {"cp $M $CA/m.so && chmod 600 $CA/m.so && sed -i \"s#module: .*#module: $CA/m.so#\" $CA/hallmark.yaml",
       "module",
       {"Permission denied", "Let user 65534 read"}},
      {"mkdir -p $CA/.config/pkcs11/modules && echo nonsense > $CA/.config/pkcs11/modules/bad.module && "
       "sed -i 's#module: .*#module: softhsm2#' $CA/hallmark.yaml",
       "module",
       {"bad.module: invalid field line: no colon", "malformed"}},
      {"mkdir -p $CA/.config/pkcs11/modules && "
       "printf 'module: /nowhere.so\\ncritical: yes\\n' > $CA/.config/pkcs11/modules/bad.module && "
       "sed -i 's#module: .*#module: softhsm2#' $CA/hallmark.yaml",
       "module",
       {"p11-kit cannot read its configuration", "marks as critical"}},
  };
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.command);
    const Instance instance;
    instance.MustShell(fmt::format("chmod 755 $CA/.. $CA && chmod 644 $CA/hallmark.yaml && {} && cp {}/hallmark $CA/",
                                   c.command, kPrograms));
    const CommandResult result = instance.Shell(
        fmt::format("cd / && HOME=$CA setpriv --reuid=65534 --regid=65534 --clear-groups $CA/hallmark doctor --hsm {} "
                    "--output json 2>/dev/null",
                    instance.Config()));
    const Report report{result.exit_code, json::parse(result.output, nullptr, false)};
    ASSERT_FALSE(report.document.is_discarded()) << result.output;
    EXPECT_EQ(report.exit_code, 1);
    EXPECT_THAT(report.Of(c.part), HasSubstr("bad: ")) << result.output;
    for (const char* words : c.words) EXPECT_THAT(report.Of(c.part), HasSubstr(words));
  }
}

// --- p11-kit server.

TEST(DoctorHsmTest, ExplainsAServerThatIsNotThere) {
  const Instance instance;
  instance.MustShell("sed -i 's#module: .*#module: p11-kit-client.so#' $CA/hallmark.yaml");
  const std::string socket = (instance.directory() / "socket").string();
  const auto doctor = [&](const std::string& address) {
    return Doctor(instance, instance.Config(), "XDG_RUNTIME_DIR= P11_KIT_SERVER_ADDRESS=" + address);
  };
  const Report absent = doctor("unix:path=" + socket);
  EXPECT_THAT(absent.Of("p11-kit server"),
              AllOf(HasSubstr("bad: cannot connect"), HasSubstr("The server does not run")));
  EXPECT_THAT(absent.Of("slots"), HasSubstr("bad: 0 slots"));
  EXPECT_THAT(doctor("").Of("p11-kit server"), HasSubstr("neither P11_KIT_SERVER_ADDRESS nor XDG_RUNTIME_DIR is set"));
  EXPECT_THAT(doctor("tcp:1234").Of("p11-kit server"), HasSubstr("unix:path="));
  {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    socket.copy(name.sun_path, sizeof name.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    close(fd);
  }
  EXPECT_THAT(doctor("unix:path=" + socket).Of("p11-kit server"), HasSubstr("nobody listens"));
}

TEST(DoctorHsmTest, ExaminesATokenThroughAServer) {
  const Instance instance;
  instance.MustShell("sed -i 's#module: .*#module: p11-kit-client.so#' $CA/hallmark.yaml");
  const Pkcs11Server server(kSoftHsm, "pkcs11:token=hallmark", {"SOFTHSM2_CONF=" + instance.ca() + "/softhsm2.conf"});
  const Report report = Doctor(instance, instance.Config(), "P11_KIT_SERVER_ADDRESS=" + server.address());
  EXPECT_EQ(report.exit_code, 0) << report.document;
  EXPECT_THAT(report.Of("p11-kit server"), HasSubstr("good: it answers"));
  EXPECT_THAT(report.Of("signature devices"), HasSubstr("good: 5 verified"));
}

// --- What SoftHSM never does.

TEST(DoctorHsmTest, ExplainsWhatAnHsmDoesOnABadDay) {
  const struct {
    const char* name;
    std::function<void(Pkcs11Shim&)> spoil;
    const char* part;
    std::vector<const char*> words;
    bool bad = true;
  } kCases[] = {
      {"does not start", [](auto& s) { s.Fail(Function::kInitialize, 0x30, -1); }, "module", {"CKR_DEVICE_ERROR"}},
      {"lists no slots", [](auto& s) { s.Fail(Function::kGetSlotList, 0x05, -1); }, "slots", {"CKR_GENERAL_ERROR"}},
      {"pulled out", [](auto& s) { s.RemoveToken(); }, "token", {"slots, all empty", "Connect the token"}},
      {"all sessions taken",
       [](auto& s) { s.Fail(Function::kOpenSession, 0xb1, -1); },
       "sessions",
       {"CKR_SESSION_COUNT", "other applications"}},
      {"locked", [](auto& s) { s.Fail(Function::kLogin, 0xa4, -1); }, "login", {"CKR_PIN_LOCKED", "security officer"}},
      {"expired", [](auto& s) { s.Fail(Function::kLogin, 0xa3, -1); }, "login", {"CKR_PIN_EXPIRED"}},
      {"another's login",
       [](auto& s) { s.Fail(Function::kLogin, 0x104, -1); },
       "login",
       {"CKR_USER_ANOTHER_ALREADY_LOGGED_IN", "the PIN may be right"}},
      {"no mechanism",
       [](auto& s) { s.Fail(Function::kGetMechanismInfo, 0x70, -1); },
       "mechanisms",
       {"signs with none", "EC P-256 cannot be used (no CKM_ECDSA)"}},
      {"mechanism forbidden",
       [](auto& s) { s.Fail(Function::kSignInit, 0x70, -1); },
       "signature devices",
       {"CKR_MECHANISM_INVALID", "FIPS mode"}},
      {"key may not sign",
       [](auto& s) { s.Fail(Function::kSignInit, 0x68, -1); },
       "signature devices",
       {"CKR_KEY_FUNCTION_NOT_PERMITTED"}},
      {"breaks", [](auto& s) { s.Fail(Function::kSign, 0x06, -1); }, "signature devices", {"CKR_FUNCTION_FAILED"}},
      {"vendor's own",
       [](auto& s) { s.Fail(Function::kSign, 0x80000384, -1); },
       "signature devices",
       {"CKR_0x80000384", "the vendor's manual"}},
      {"signs wrongly",
       [](auto& s) { s.CorruptSignatures(-1); },
       "signature devices",
       {"OpenSSL does not verify", "out of service"}},
      {"few sessions", [](auto& s) { s.LimitSessions(2, true); }, "sessions", {"2 signatures at a time"}, false},
      {"slow",
       [](auto& s) { s.Delay(Function::kSign, std::chrono::milliseconds(300)); },
       "signature devices",
       {"The token is slow", "hsm.sessions"},
       false},
  };
  const Instance instance;
  instance.MustShell(fmt::format("sed -i 's#module: .*#module: {}#' $CA/hallmark.yaml", Pkcs11Shim::Path()));
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Pkcs11Shim shim;
    c.spoil(shim);
    const Report report = Doctor(instance, instance.Config());
    const std::string part = report.Of(c.part);
    EXPECT_THAT(part, HasSubstr(c.bad ? "bad: " : "warning: ")) << report.document.dump(1);
    for (const char* words : c.words) EXPECT_THAT(part, HasSubstr(words));
    // Once, and again with the PIN that was right when the module had to be initialised again.
    EXPECT_LE(shim.Calls(Function::kLogin), shim.Calls(Function::kInitialize));
    EXPECT_EQ(shim.OpenSessions(), 0);
  }
}

TEST(DoctorHsmTest, TriesAPinOnceAtMostAndMakesNothing) {
  const struct {
    const char* command;
    uint64_t tries;
  } kCases[] = {{"true", 1}, {"echo 000000 > $CA/secrets/pin", 1}, {"echo 12 > $CA/secrets/pin", 0}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.command);
    const Instance instance;
    instance.MustShell(
        fmt::format("sed -i 's#module: .*#module: {}#' $CA/hallmark.yaml; {}", Pkcs11Shim::Path(), c.command));
    const Pkcs11Shim shim;
    Doctor(instance, instance.Config());
    EXPECT_EQ(shim.Calls(Function::kLogin), c.tries);
    for (const Function function :
         {Function::kInitToken, Function::kInitPIN, Function::kSetPIN, Function::kCreateObject, Function::kCopyObject,
          Function::kDestroyObject, Function::kSetAttributeValue, Function::kGenerateKeyPair, Function::kGenerateKey,
          Function::kUnwrapKey, Function::kDeriveKey, Function::kLogout}) {
      EXPECT_EQ(shim.Calls(function), 0u) << static_cast<int>(function);
    }
    EXPECT_EQ(shim.OpenSessions(), 0);
  }
}

}  // namespace
}  // namespace hallmark
