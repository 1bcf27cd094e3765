// The command line itself: its help, its completion, its context, its exit codes and what it says of failures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/reason.h"
#include "tests/cli_program.h"
#include "tests/command.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/client_connection.h"
#include "tools/hallmark/completion.h"
#include "tools/hallmark/context.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli {
namespace {

using ::hallmark::testing::CommandResult;
using ::hallmark::testing::Fails;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::Program;
using ::hallmark::testing::RpcError;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::TemporaryDirectory;
using ::hallmark::testing::Write;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The command lines of all commands, e.g. {"certificate", "issue"}; {} is `hallmark` itself.
void Collect(const CLI::App& app, const std::vector<std::string>& path,
             std::vector<std::vector<std::string>>& commands) {
  commands.push_back(path);
  for (const CLI::App* child : app.get_subcommands({})) {
    std::vector<std::string> deeper = path;
    deeper.push_back(child->get_name());
    Collect(*child, deeper, commands);
  }
}
std::vector<std::vector<std::string>> AllCommands() {
  std::vector<std::vector<std::string>> commands;
  Collect(Program().app(), {}, commands);
  return commands;
}
std::string Joined(const std::vector<std::string>& words) {
  std::string line = "hallmark";
  for (const std::string& word : words) line += " " + word;
  return line;
}

// --- Help, completion, exit codes.

TEST(Help, OfEveryCommandDescribesItAndHasAnExampleOfThatCommand) {
  const auto commands = AllCommands();
  EXPECT_THAT(commands, SizeIs(51));
  for (const auto& path : commands) {
    SCOPED_TRACE(Joined(path));
    Program program;
    std::vector<std::string> arguments = path;
    arguments.push_back("--help");
    EXPECT_EQ(program.Run(arguments), kDone);
    EXPECT_THAT(program.err(), IsEmpty());
    const size_t examples = program.out().find("EXAMPLES");
    ASSERT_NE(examples, std::string::npos) << program.out();
    EXPECT_THAT(program.out().substr(examples) + "\n", ::testing::ContainsRegex(Joined(path) + "[ \n]"));
  }
}

TEST(Help, DocumentsEachExitCode) {
  Program program;
  program.Run({"--help"});
  EXPECT_THAT(program.out(), HasSubstr("0 done   1 failed   2 usage   3 refused (in part)   4 unavailable (retry)   "
                                       "5 not found   6 permission"));
}

TEST(Help, OfIssueSaysThatTheSameCommandNeverMakesASecondCertificate) {
  Program program;
  program.Run({"certificate", "issue", "--help"});
  EXPECT_THAT(program.out(), HasSubstr("command can never make a second certificate"));
}

TEST(Version, IsPrinted) {
  Program program;
  EXPECT_EQ(program.Run({"--version"}), kDone);
  EXPECT_TRUE(std::regex_match(program.out(), std::regex("hallmark [0-9]+\\.[0-9]+\\.[0-9]+\n"))) << program.out();
}

TEST(CommandLine, ThatMakesNoSenseEndsWithExitCode2AndSaysWhy) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{}, "subcommand is required"},
      {{"certficate", "list"}, "'certficate' is not a command of hallmark; did you mean 'certificate'?"},
      {{"certificate", "isue"}, "'isue' is not a command of hallmark certificate; did you mean 'issue'?"},
      {{"certificate", "xyzzy"}, "'xyzzy' is not a command of hallmark certificate; see: hallmark certificate --help"},
      {{"certificate", "issue"}, "csrs is required"},
      {{"certificate", "issue", "a.csr", "--lifetime", "3 weeks"}, "is not a duration"},
      {{"certificate", "issue", "a.csr", "--in-flight", "0"}, "1 to 1024"},
      {{"certificate", "issue", "a.csr", "--validate-only", "--out", "x"}, "excludes"},
      {{"certificate", "list", "--all", "--limit", "3"}, "excludes"},
      {{"certificate", "list", "--limit", "many"}, "--limit"},
      {{"certificate", "show", "4a", "--chain"}, "requires --pem"},
      {{"certificate", "show", "4a", "--pem", "--output", "json"}, "exclude each other"},
      {{"certificate", "show", "not-hex"}, "neither a certificate's name"},
      {{"certificate", "revoke", "4a", "--yes"}, "say why: --reason"},
      {{"certificate", "revoke", "4a", "--signature", "x", "--reason", "1", "--yes"}, "leave --reason out"},
      {{"certificate", "hold", "4a"}, "add --yes to confirm"},
      {{"revoke", "--reason", "superseded"}, "say which"},
      {{"revoke", "--lot", "a-17"}, "say why: --reason"},
      {{"revoke", "--lot", "a-17", "--reason", "1", "--invalidity-date", "yesterday"}, "2026-11-28T10:00:00Z"},
      {{"revoke", "--lot", "a-17", "--reason", "1", "--invalidity-date", "2126-11-28T10:00:00Z"}, "in the future"},
      {{"authority", "revoke", "plant-b", "--reason", "1", "--below", "everything"}, "everything"},
      {{"certificate", "revoke", "4a", "--reason", "boredom", "--yes"}, "'boredom' is not a reason"},
      {{"certificate", "revoke", "4a", "--reason", "keyCompromise"}, "add --yes to confirm, nothing was changed"},
      {{"authority", "chain", "devices", "--format", "pkcs12"}, "pkcs12"},
      {{"authority", "list", "--output", "xml"}, "xml"},
      {{"completion", "tcsh"}, "tcsh"},
      {{"publish", "bundle"}, "directory is required"},
      {{"publish", "bundle", "x", "--code", "2EF1"}, "has 4 characters; Azure's codes are 48 hexadecimal digits"},
      {{"publish", "bundle", "x", "--code", ""}, "has 0 characters"},
      {{"publish", "bundle", "x", "--code", std::string(47, 'A') + "G"}, "not all of them hexadecimal digits"},
      {{"publish", "adr", "sign", "a.csr", "--lifetime", "soon"}, "is not a duration"},
      {{"authority", "list", "--frobnicate"}, "--frobnicate"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(Joined(test.arguments));
    Program program;
    EXPECT_EQ(program.Run(test.arguments), kUsage);
    EXPECT_THAT(program.out(), IsEmpty());
    if (program.session().json()) {
      EXPECT_THAT(program.err(), HasSubstr("\"reason\":\"COMMAND_LINE_INVALID\""));
      EXPECT_THAT(program.err(), HasSubstr(test.message));
    } else {
      EXPECT_THAT(program.err(), ::testing::StartsWith("hallmark: "));
      EXPECT_THAT(program.err(), HasSubstr(test.message));
      EXPECT_THAT(program.err(), HasSubstr("COMMAND_LINE_INVALID"));
    }
  }
}

TEST(CommandLine, TakesGlobalOptionsBehindTheCommandToo) {
  const TemporaryDirectory directory;
  Program program;
  const std::string missing = directory / "none.yaml";
  EXPECT_EQ(program.Run({"authority", "list", "--context", missing, "--output", "json"}), kFailed);
  const auto error = nlohmann::json::parse(program.err());
  EXPECT_EQ(error["error"]["reason"], "CONFIGURATION_INVALID");
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(missing));
}

TEST(CommandLine, OfACommandThatChoosesItsExitCodeEndsWithIt) {
  Program program;
  CLI::App app;
  AddGlobalOptions(app, program.session());
  AddCommand(app, "seven", "Ends with 7", "  hallmark seven")->callback([] { throw CLI::RuntimeError(7); });
  EXPECT_EQ(cli::Run(app, program.session(), {"seven"}), 7);
  EXPECT_THAT(program.err(), IsEmpty());
}

TEST(CommandLine, ReportsOutputThatCannotBeWritten) {
  Program program;
  program.session().out.setstate(std::ios::badbit);
  EXPECT_EQ(program.Run({"completion", "bash"}), kFailed);
  EXPECT_THAT(program.err(), HasSubstr("could not write all of the output"));
}

TEST(Completion, ContainsEveryCommandAndOptionInEachShell) {
  Program program;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    SCOPED_TRACE(shell);
    const std::string script = CompletionScript(program.app(), shell);
    for (const auto& path : AllCommands()) EXPECT_THAT(script, HasSubstr(Joined(path)));
    for (const char* option : {"reason", "in-flight", "validate-only", "context", "no-wait"})
      EXPECT_THAT(script, HasSubstr(option));
  }
}

TEST(Completion, WorksInBash) {
  const TemporaryDirectory directory;
  Program program;
  Write(directory / "completion.bash", CompletionScript(program.app(), "bash"));
  const struct {
    std::string line;  // the words, the last one being completed
    std::string completions;
  } cases[] = {
      {"hallmark ''", "certificate authority revoke revocation status crl publish completion"},
      {"hallmark cert", "certificate"},
      {"hallmark certificate ''", "issue show list revoke hold release"},
      {"hallmark --output json certificate re", "revoke release"},
      {"hallmark certificate list --output ''", "table json"},
      {"hallmark authority chain devices --format p", "pem pkcs7"},
      {"hallmark authority chain --fo", "--format"},
      {"hallmark authority chain devices --format d", "der"},
      {"hallmark authority ''", "list show chain csr create rollover activate stage enable disable keys revoke"},
      {"hallmark authority keys ''", "add remove"},
      {"hallmark authority create --key-type ec", "ec-p256 ec-p384"},
      {"hallmark authority enable --keep", "--keep-predecessor"},
      {"hallmark certificate revoke --ye", "--yes"},
      {"hallmark certificate revoke --conte", "--context"},
      {"hallmark publish ''", "bundle adr dps status work enrollments retry reconcile"},
      {"hallmark publish adr s", "sign"},
      {"hallmark publish bundle azure --co", "--code --context"},
      {"hallmark completion ''", "bash zsh fish"},
      {"hallmark certificate issue ''", ""},  // files
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.line);
    Write(directory / "run", "source " + (directory / "completion.bash").string() + "\nCOMP_WORDS=(" + test.line +
                                 ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_hallmark\necho -n \"${COMPREPLY[*]}\"\n");
    const CommandResult result = RunCommand("bash " + (directory / "run").string());
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.output, test.completions);
  }
}

// --- Context.

class ContextTest : public ::testing::Test {
 protected:
  ContextTest() {
    std::filesystem::create_directories(directory_ / "home/.config/hallmark");
    std::filesystem::create_directories(directory_ / "work");
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(directory_ / "work");
  }
  ~ContextTest() override { std::filesystem::current_path(before_); }
  std::string At(const std::string& name) const { return directory_ / name; }

  TemporaryDirectory directory_;
  std::filesystem::path before_;
};

TEST_F(ContextTest, ComesFromTheFirstPlaceThatHasOne) {
  const std::string home = At("home");
  EXPECT_THAT(FindContext({"", "", home}), Fails(Code::kNotFound, reason::kConfigurationInvalid));
  Write(At("home/.config/hallmark/context.yaml"), "");
  EXPECT_EQ(*FindContext({"", "", home}), At("home/.config/hallmark/context.yaml"));
  EXPECT_THAT(FindContext({"", "", ""}), Fails(Code::kNotFound, reason::kConfigurationInvalid));
  Write(At("work/context.yaml"), "");
  EXPECT_EQ(*FindContext({"", "", home}), "context.yaml");
  Write(At("variable.yaml"), "");
  EXPECT_EQ(*FindContext({"", At("variable.yaml"), home}), At("variable.yaml"));
  Write(At("option.yaml"), "");
  EXPECT_EQ(*FindContext({At("option.yaml"), At("variable.yaml"), home}), At("option.yaml"));
}

TEST_F(ContextTest, ThatWasNamedAndIsMissingIsAnErrorThatSaysWhoNamedIt) {
  Write(At("work/context.yaml"), "");
  const auto option = FindContext({"a.yaml", "", ""});
  EXPECT_THAT(option, Fails(Code::kNotFound, reason::kConfigurationInvalid));
  EXPECT_THAT(Message(option.status()), HasSubstr("a.yaml, which --context names"));
  const auto variable = FindContext({"", "b.yaml", ""});
  EXPECT_THAT(Message(variable.status()), HasSubstr("b.yaml, which $HALLMARK_CONTEXT names"));
}

TEST_F(ContextTest, ThatIsNowhereTellsHowToGetOne) {
  Program program;
  EXPECT_EQ(program.Run({"authority", "list"}), kFailed);
  EXPECT_THAT(program.err(), HasSubstr("hallmark init DIR"));
  EXPECT_THAT(program.err(), HasSubstr("contexts/operator.yaml"));
}

constexpr char kContext[] = "endpoint: ca.example.com:8443\ncertificate: me.pem\nkey: me.key\nroots: ../roots.pem\n";

TEST_F(ContextTest, ReadsFilesRelativeToItself) {
  std::filesystem::create_directories(directory_ / "contexts");
  Write(At("contexts/me.yaml"), kContext);
  Write(At("contexts/me.pem"), "certificate");
  Write(At("contexts/me.key"), "line 1\nline 2\n", 0600);
  Write(At("roots.pem"), "roots");
  const auto context = ReadContext("../contexts/me.yaml");
  ASSERT_THAT(context, IsOk());
  EXPECT_EQ(context->endpoint, "ca.example.com:8443");
  EXPECT_EQ(context->certificate, "certificate");
  EXPECT_EQ(context->key.Reveal(), "line 1\nline 2\n");
  EXPECT_EQ(context->roots, "roots");
}

TEST_F(ContextTest, RefusesAKeyThatOthersMayRead) {
  Write(At("me.yaml"), kContext);
  Write(At("me.pem"), "certificate");
  Write(At("me.key"), "secret-octets", 0604);
  Write(At("../roots.pem"), "roots");
  const auto context = ReadContext(At("me.yaml"));
  EXPECT_THAT(context, Fails(Code::kFailedPrecondition, reason::kFileUnreadable));
  EXPECT_THAT(Message(context.status()), HasSubstr("chmod o= " + At("me.key")));
  EXPECT_THAT(Message(context.status()), Not(HasSubstr("secret-octets")));
  std::filesystem::remove(At("../roots.pem"));
}

TEST_F(ContextTest, ThatIsWrongNamesTheFileAndTheField) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"certificate: a\nkey: b\nroots: c\n", "endpoint: is required"},
      {"endpoint: nohost\ncertificate: a\nkey: b\nroots: c\n", "'nohost' is not host:port"},
      {"endpoint: https://x:1\ncertificate: a\nkey: b\nroots: c\n", "is not host:port"},
      {"endpoint: x:1\ncertificate: a\nkey: b\nroots: c\ncolour: red\n", "colour: unknown field"},
      {"endpoint: x:1\ncertificate: a\nkey: b\nroots: c\n", "cannot open"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.text);
    Write(At("wrong.yaml"), test.text);
    const auto context = ReadContext(At("wrong.yaml"));
    EXPECT_FALSE(context.ok());
    EXPECT_EQ(ExitCodeOf(context.status()), kFailed);
    EXPECT_THAT(Message(context.status()), HasSubstr("wrong.yaml"));
    EXPECT_THAT(Message(context.status()), HasSubstr(test.message));
  }
}

// --- Failures.

TEST(Failure, HasTheExitCodeOfItsKind) {
  const struct {
    Status status;
    ExitCode exit_code;
  } cases[] = {
      {absl::OkStatus(), kDone},
      {Error(Code::kInternal, reason::kInternal, "x"), kFailed},
      {Error(Code::kNotFound, reason::kFileUnreadable, "x"), kFailed},
      {Error(Code::kInvalidArgument, reason::kConfigurationInvalid, "x"), kFailed},
      {UsageError("x"), kUsage},
      {Error(Code::kInvalidArgument, reason::kCsrMalformed, "x"), kRefused},
      {Error(Code::kAlreadyExists, reason::kRequestIdReused, "x"), kRefused},
      {Error(Code::kFailedPrecondition, reason::kAuthorityNotIssuing, "x"), kRefused},
      {Error(Code::kUnavailable, reason::kHsmUnavailable, "x"), kUnavailable},
      {Error(Code::kDeadlineExceeded, reason::kDeadlineExceeded, "x"), kUnavailable},
      {Error(Code::kNotFound, reason::kCertificateUnknown, "x"), kNotFound},
      {Error(Code::kPermissionDenied, reason::kPermissionDenied, "x"), kPermission},
      {Error(Code::kUnauthenticated, reason::kCallerRevoked, "x"), kPermission},
  };
  for (const auto& test : cases) EXPECT_EQ(ExitCodeOf(test.status), test.exit_code) << test.status;
}

TEST(Failure, OfTheServiceIsReadWithItsDetails) {
  const Status status = FromRpc(RpcError());
  EXPECT_THAT(status, Fails(Code::kInvalidArgument, reason::kSubjectNotAllowed));
  EXPECT_EQ(Message(status), "the CSR is refused");
  ASSERT_THAT(Fields(status), SizeIs(1));
  EXPECT_EQ(Fields(status)[0].field, "csr.subject.CN");
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(2500));
  EXPECT_EQ(FailureText(status),
            "hallmark: the CSR is refused\n  csr.subject.CN: is longer than 64 characters\n  SUBJECT_NOT_ALLOWED\n");
  EXPECT_EQ(FailureJson(status), nlohmann::json::parse(R"({"code": "INVALID_ARGUMENT", "reason": "SUBJECT_NOT_ALLOWED",
      "message": "the CSR is refused", "retry_delay_ms": 2500,
      "fields": [{"field": "csr.subject.CN", "description": "is longer than 64 characters"}]})"));
}

TEST(Failure, OfTheServiceThatIsOddIsAnErrorAllTheSame) {
  google::rpc::Status rpc;
  EXPECT_EQ(FromRpc(rpc).code(), Code::kUnknown);  // OK is no error
  EXPECT_THAT(Message(FromRpc(rpc)), Not(IsEmpty()));
  rpc.set_code(4711);
  EXPECT_EQ(FromRpc(rpc).code(), Code::kUnknown);
  rpc.add_details()->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  rpc.mutable_details(0)->set_value("\xff\xff");
  EXPECT_THAT(Reason(FromRpc(rpc)), IsEmpty());
}

TEST(Failure, OfTheServiceCannotSteerTheTerminalOrForgeFields) {
  google::rpc::Status rpc = RpcError();
  rpc.set_message("bad\x1b[2J\nhallmark: all is well");
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field(
      "a\x1f"
      "b");
  violation->set_description(
      "c\x1e"
      "d");
  rpc.mutable_details(1)->PackFrom(bad_request);
  const Status status = FromRpc(rpc);
  EXPECT_EQ(Message(status), "bad\\x1b[2J\\x0ahallmark: all is well");
  ASSERT_THAT(Fields(status), SizeIs(1));
  EXPECT_EQ(Fields(status)[0].field, "a\\x1fb");
  EXPECT_EQ(Fields(status)[0].description, "c\\x1ed");
}

// Neither can what is no status of google.rpc, which is what becomes of one that is no UTF-8.
TEST(Failure, OfGrpcItselfCannotSteerTheTerminal) {
  for (const grpc::StatusCode code : {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::UNAVAILABLE}) {
    const Status status = FromGrpc(grpc::Status(code, "has the CN \xff\x1b]0;x\n", "\xff"), "localhost:7443");
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(Message(status), HasSubstr("localhost:7443"));
    EXPECT_THAT(Message(status), EndsWith(": has the CN \\xff\\x1b]0;x\\x0a"));
  }
}

TEST(Failure, SaysWhatToDoNext) {
  EXPECT_EQ(FailureText(Error(Code::kNotFound, reason::kAuthorityUnknown, "no authority 'x'")),
            "hallmark: no authority 'x'\n  AUTHORITY_UNKNOWN; list the authorities with: hallmark authority list\n");
  EXPECT_EQ(FailureText(Error(Code::kUnavailable, reason::kHsmUnavailable, "the HSM is away")),
            "hallmark: the HSM is away\n  HSM_UNAVAILABLE; run the same command again; that is safe\n");
}

}  // namespace
}  // namespace hallmark::cli
