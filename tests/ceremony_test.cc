// `hallmark ceremony` on real SoftHSM tokens, each in a directory of its own as on machines of their own; what it makes
// is judged by openssl, certtool and p11tool, and so is what it leaves alone.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/reason.h"
#include "ca/offline.h"
#include "hsm/memory_signer.h"
#include "policies/load.h"
#include "tests/command.h"
#include "tests/status_matchers.h"
#include "tests/temporary_directory.h"
#include "tools/hallmark/ceremony/rehearsal.h"
#include "tools/hallmark/ceremony/verification.h"

namespace hallmark::ceremony {
namespace {

namespace fs = std::filesystem;
using ::hallmark::testing::CommandResult;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::RunCommand;
using ::hallmark::testing::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPin[] = "never-shown";
constexpr char kSoftHsm[] = "/usr/lib/softhsm/libsofthsm2.so";

using Replacements = std::vector<std::pair<std::string, std::string>>;

std::string Replace(std::string text, const Replacements& replacements) {
  for (const auto& [from, to] : replacements) {
    EXPECT_NE(text.find(from), std::string::npos) << "the example has no '" << from << "'";
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

// A directory with ceremonies, and machines that each have one token, named like the machine.
class Vault {
 public:
  Vault() {
    for (const char* machine : {"offline-root", "online", "second-root"}) {
      fs::create_directory(Path(machine));
      Write(std::string(machine) + ".conf",
            fmt::format("directories.tokendir = {}\nlog.level = ERROR\n", Path(machine).string()));
      const CommandResult made = OnMachine(
          machine,
          fmt::format("softhsm2-util --init-token --free --label {} --pin {} --so-pin {}", machine, kPin, kPin));
      EXPECT_EQ(made.exit_code, 0) << made.output;
    }
  }

  fs::path Path(const std::string& name) const { return directory_ / name; }
  void Write(const std::string& name, const std::string& text) const {
    ASSERT_THAT(WriteFile(Path(name), AsBytes(text)), IsOk());
  }
  std::string Read(const std::string& name) const { return ReadFile(Path(name)).value_or(""); }

  CommandResult OnMachine(const std::string& machine, const std::string& command) const {
    return RunCommand(fmt::format("cd {} && export SOFTHSM2_CONF={} && {}", Path("").string(),
                                  Path(machine + ".conf").string(), command));
  }
  CommandResult Shell(const std::string& command) const {
    return RunCommand(fmt::format("cd {} && {}", Path("").string(), command));
  }
  static std::string Program() { return std::string(HALLMARK_BINARY_DIR) + "/hallmark ceremony"; }

  // Writes the example of a type, changed, as `name`.yaml.
  void WriteExample(const std::string& type, const std::string& name, const Replacements& replacements = {}) const {
    const CommandResult example = RunCommand(fmt::format("{} example {}", Program(), type));
    ASSERT_EQ(example.exit_code, 0) << example.output;
    Write(name + ".yaml", Replace(example.output, replacements));
  }

  // A run whose participants all give the code of the plan; --approve can be overridden.
  CommandResult Run(const std::string& machine, const std::string& name, const std::string& more = "",
                    const std::string& code = "") const {
    std::string approvals;
    const StatusOr<Prepared> prepared = Prepare(Path(name + ".yaml"));
    for (size_t i = 0; prepared.ok() && i < prepared->ceremony.participants.size(); ++i) {
      const Participant& participant = prepared->ceremony.participants[i];
      if (!participant.approve) continue;
      approvals += fmt::format(" --approve '{}={}'", participant.name, code.empty() ? prepared->code.code : code);
    }
    return OnMachine(machine,
                     fmt::format("HALLMARK_PIN={} {} run {}.yaml {} {}", kPin, Program(), name, approvals, more));
  }
  void MustRun(const std::string& machine, const std::string& name) const {
    const CommandResult run = Run(machine, name);
    ASSERT_EQ(run.exit_code, 0) << name << ": " << run.output;
  }
  CommandResult Verify(const std::string& transcript, const std::string& more = "") const {
    return Shell(fmt::format("{} verify {} {}", Program(), transcript, more));
  }

  // Every object on a machine's token, as p11tool lists them, and every file beside the ceremonies.
  std::string Objects(const std::string& machine) const {
    return OnMachine(machine, fmt::format("p11tool --provider {} --login --set-pin {} --list-all 'pkcs11:token={}' | "
                                          "grep -E 'URL|Object' | sort",
                                          kSoftHsm, kPin, machine))
        .output;
  }
  std::string Files() const { return Shell("sha256sum *").output; }

 private:
  const TemporaryDirectory directory_;
};

// All examples, in the order in which they make a hierarchy, and a second list of the root with an entry.
class Hierarchy : public Vault {
 public:
  Hierarchy() {
    WriteExample("root", "root");
    WriteExample("root", "second-root",
                 {{"offline-root", "second-root"},
                  {"example-root-g1", "second-root"},
                  {"Example Root G1", "Second Root"},
                  {": root.pem", ": second-root.pem"},
                  {"root.transcript", "second-root.transcript"}});
    for (const char* type : {"intermediate", "sign-intermediate", "cross-sign", "root-crl", "rotate-key"}) {
      WriteExample(type, type);
    }
    WriteExample(
        "root-crl", "root-crl-2",
        {{"number: 1\n", "number: 2\n"},
         {"# previous_crl", "previous_crl"},
         {"entries: []", "entries: [{certificate: devices.pem, date: 2026-01-01T00:00:00Z, reason: superseded}]"},
         {": root-1.crl\n  transcript", ": root-2.crl\n  transcript"},
         {"root-crl-1", "root-crl-2"}});
    MustRun("offline-root", "root");
    MustRun("online", "intermediate");
    MustRun("offline-root", "sign-intermediate");
    MustRun("second-root", "second-root");
    MustRun("second-root", "cross-sign");
    MustRun("offline-root", "root-crl");
    MustRun("offline-root", "root-crl-2");
    MustRun("offline-root", "rotate-key");
  }
};

class CeremonyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { vault_ = std::make_unique<Hierarchy>(); }
  static void TearDownTestSuite() { vault_.reset(); }

  static std::string Judge(const std::string& command) {
    const CommandResult result = vault_->Shell(command);
    EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.output;
    return result.output;
  }

  static std::unique_ptr<Hierarchy> vault_;
};
std::unique_ptr<Hierarchy> CeremonyTest::vault_;

// --- What is made.

TEST_F(CeremonyTest, MakesATwoTierHierarchyThatOutsideJudgesAccept) {
  for (const char* root : {"root.pem", "second-root.pem", "root-g2.pem"}) {
    EXPECT_THAT(Judge(fmt::format("openssl verify -x509_strict -check_ss_sig -CAfile {0} {0}", root)), HasSubstr("OK"));
  }
  EXPECT_THAT(Judge("openssl verify -x509_strict -CAfile root.pem devices.pem"), HasSubstr("OK"));
  EXPECT_THAT(Judge("openssl verify -x509_strict -CAfile second-root.pem devices-by-second-root.pem"), HasSubstr("OK"));
  EXPECT_THAT(Judge("certtool --verify --load-ca-certificate root.pem --infile devices.pem"), HasSubstr("Verified"));
  const std::string text = Judge("openssl x509 -in devices.pem -noout -text");
  EXPECT_THAT(text, HasSubstr("CA:TRUE, pathlen:0"));
  EXPECT_THAT(text, HasSubstr("URI:http://pki.example.com/crl/root.crl"));
  EXPECT_THAT(text, HasSubstr("Subject: O = Example Ltd, CN = Example Devices G1"));
  EXPECT_THAT(Judge("openssl req -in devices.csr -noout -verify"), HasSubstr("verify OK"));
  EXPECT_EQ(Judge("openssl req -in devices.csr -noout -pubkey"), Judge("openssl x509 -in devices.pem -noout -pubkey"));
  EXPECT_EQ(Judge("openssl x509 -in devices.pem -noout -pubkey"),
            Judge("openssl x509 -in devices-by-second-root.pem -noout -pubkey"));
}

TEST_F(CeremonyTest, LinksTheOldAndTheNewKeyOfARoot) {
  // Who trusts the old root comes to the new one over newWithOld, and the reverse (RFC 4210 4.4).
  EXPECT_THAT(Judge("openssl verify -x509_strict -partial_chain -trusted root.pem root-g2-by-g1.pem"), HasSubstr("OK"));
  EXPECT_THAT(Judge("openssl verify -x509_strict -CAfile root-g2.pem -untrusted root-g1-by-g2.pem devices.pem"),
              HasSubstr("OK"));
  EXPECT_EQ(Judge("openssl x509 -in root-g2.pem -noout -pubkey"),
            Judge("openssl x509 -in root-g2-by-g1.pem -noout -pubkey"));
  EXPECT_EQ(Judge("openssl x509 -in root.pem -noout -pubkey -subject -dates"),
            Judge("openssl x509 -in root-g1-by-g2.pem -noout -pubkey -subject -dates"));
}

TEST_F(CeremonyTest, SignsListsOfTheRoot) {
  EXPECT_THAT(Judge("openssl crl -in root-1.crl -inform DER -noout -CAfile root.pem"), HasSubstr("verify OK"));
  EXPECT_THAT(Judge("openssl crl -in root-1.crl -inform DER -noout -text"), HasSubstr("No Revoked Certificates"));
  EXPECT_THAT(Judge("openssl crl -in root-2.crl -inform DER -noout -crlnumber"), HasSubstr("crlNumber=0x02"));
  const CommandResult revoked = vault_->Shell(
      "openssl crl -in root-2.crl -inform DER -out root-2.tmp && openssl verify -crl_check -CRLfile root-2.tmp -CAfile "
      "root.pem devices.pem; rm root-2.tmp");
  EXPECT_THAT(revoked.output, HasSubstr("certificate revoked"));
}

TEST_F(CeremonyTest, KeysNeverLeaveTheirTokens) {
  const std::string keys =
      vault_
          ->OnMachine("offline-root", fmt::format("pkcs11-tool --module {} --token-label "
                                                  "offline-root --login --pin {} -O --type privkey",
                                                  kSoftHsm, kPin))
          .output;
  EXPECT_THAT(keys, HasSubstr("example-root-g1"));
  EXPECT_THAT(keys, HasSubstr("example-root-g2"));
  EXPECT_THAT(keys, HasSubstr("sensitive, always sensitive, never extractable, local"));
}

// --- Transcripts.

TEST_F(CeremonyTest, TranscriptsVerifyAgainstWhatIsTrusted) {
  const struct {
    const char* transcript;
    const char* trust;
  } cases[] = {{"root", "root.pem"},       {"devices-key", "devices.pem"},
               {"devices", "root.pem"},    {"cross-sign", "second-root.pem"},
               {"root-crl-1", "root.pem"}, {"root-crl-2", "root.pem"},
               {"rotate-key", "root.pem"}};
  for (const auto& c : cases) {
    const std::string transcript = std::string(c.transcript) + ".transcript.json";
    const CommandResult good = vault_->Verify(transcript, fmt::format("--outputs . --trust {}", c.trust));
    EXPECT_EQ(good.exit_code, 0) << transcript << good.output;
    EXPECT_THAT(good.output, HasSubstr("file ")) << transcript;
    const bool other = std::string(c.trust) != "second-root.pem";
    const CommandResult bad =
        vault_->Verify(transcript, fmt::format("--trust {}", other ? "second-root.pem" : "root.pem"));
    EXPECT_EQ(bad.exit_code, 3) << transcript << bad.output;
    EXPECT_THAT(bad.output, HasSubstr("neither the key of a certificate that you trust")) << transcript;
  }
  EXPECT_EQ(vault_->Verify("devices.transcript.json", "--previous root.transcript.json").exit_code, 0);
  EXPECT_EQ(vault_->Verify("devices.transcript.json", "--previous cross-sign.transcript.json").exit_code, 3);
}

TEST_F(CeremonyTest, OpensslAloneVerifiesTheSignatureOfATranscript) {
  // The commands of docs/ceremonies.md.
  const std::string octets =
      "jq -cS 'del(.signatures)' root.transcript.json > content && (printf 'Hallmark ceremony transcript v1\\0'; "
      "openssl "
      "dgst -sha256 -binary content) > octets && jq -r '.signatures[0].signature' root.transcript.json | base64 -d > "
      "signature && openssl x509 -in root.pem -noout -pubkey > key && ";
  const std::string verify = "openssl dgst -sha384 -verify key -signature signature octets";
  EXPECT_THAT(Judge(octets + verify), HasSubstr("Verified OK"));
  EXPECT_THAT(vault_->Shell("printf x >> octets; " + verify).output, HasSubstr("Verification failure"));
  EXPECT_EQ(Judge("jq -cS . root.transcript.json"), vault_->Read("root.transcript.json"));
  Judge("rm content octets signature key");
}

bool Proven(const std::string& text) {
  const StatusOr<Transcript> transcript = ReadTranscript(text);
  if (!transcript.ok()) return false;
  const VerifyOptions options{.trust = {}, .outputs = "", .previous = "", .tool_version = transcript->tool_version};
  const std::vector<Check> checks = VerifyTranscript(*transcript, options);
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.status.ok(); });
}

TEST_F(CeremonyTest, OneChangedOctetAnywhereInATranscriptIsFound) {
  for (const char* name : {"devices", "rotate-key"}) {
    std::string text = vault_->Read(std::string(name) + ".transcript.json");
    ASSERT_TRUE(Proven(text)) << name;
    constexpr size_t kStride = 31;  // no multiple of what repeats
    for (size_t i = 0; i < text.size(); i += kStride) {
      const char kept = text[i];
      text[i] = static_cast<char>(kept ^ 1);
      ASSERT_FALSE(Proven(text)) << name << " at " << i;
      text[i] = kept;
    }
    EXPECT_FALSE(Proven(text.substr(0, text.size() - 1))) << "without the last line feed";
    EXPECT_FALSE(Proven(text + "\n"));
    EXPECT_TRUE(Proven(text));
  }
}

// A change by somebody who keeps every hash in the document right, and what finds it besides the signatures.
struct Forgery {
  const char* name;
  std::function<void(Transcript&)> forge;
  const char* found_by;
};

TEST_F(CeremonyTest, AConsistentForgeryIsFound) {
  const Forgery forgeries[] = {
      {"ceremony",
       [](Transcript& t) {
         t.text = Replace(t.text, {{"Bob Baker", "Eve Evans"}});
       },
       "plan"},
      {"comment", [](Transcript& t) { t.text += "# x\n"; }, "plan"},
      {"plan", [](Transcript& t) { t.plan["title"] = "another"; }, "plan"},
      {"host", [](Transcript& t) { t.host = "elsewhere"; }, "signatures"},
      {"tool", [](Transcript& t) { t.tool_version = "9.9.9"; }, "signatures"},
      {"time", [](Transcript& t) { t.ended += absl::Seconds(1); }, "signatures"},
      {"moment", [](Transcript& t) { t.moment += absl::Seconds(1); }, "outputs"},
      {"approver", [](Transcript& t) { t.approvals[1].participant = "Eve Evans"; }, "approvals"},
      {"approval missing", [](Transcript& t) { t.approvals.pop_back(); }, "approvals"},
      {"method", [](Transcript& t) { t.approvals[0].method = "typed"; }, "signatures"},
      {"late approval", [](Transcript& t) { t.approvals[0].time += absl::Hours(1); }, "approvals"},
      {"module", [](Transcript& t) { t.hsm["module"]["version"] = "9.9"; }, "signatures"},
      {"attribute", [](Transcript& t) { t.keys[0].attributes.extractable = true; }, "keys"},
      {"key", [](Transcript& t) { t.keys[0].public_key.back() ^= 1; }, "keys"},
      {"other key", [](Transcript& t) { t.keys[0].name = "key"; }, "keys"},
      {"input", [](Transcript& t) { t.inputs["csr"].content += "\n"; }, "plan"},
      {"input missing", [](Transcript& t) { t.inputs.erase("csr"); }, "ceremony"},
      {"profile", [](Transcript& t) { t.inputs["profile"].content += "# x\n"; }, "plan"},
      {"output", [](Transcript& t) { t.outputs[0].der.back() ^= 1; }, "outputs"},
      {"output missing", [](Transcript& t) { t.outputs.clear(); }, "outputs"},
      {"output's file", [](Transcript& t) { t.outputs[0].file = "other.pem"; }, "outputs"},
      {"interrupted", [](Transcript& t) { t.failure = "x"; }, "result"},
      {"draft",
       [](Transcript& t) {
         t.drafts.push_back({"certificate", {1}});
       },
       "signatures"},
      {"previous", [](Transcript& t) { t.inputs[kPreviousTranscript].content[0] ^= 1; }, "plan"},
      {"signature", [](Transcript& t) { t.signatures[0].signature.back() ^= 1; }, "signatures"},
      {"no signature", [](Transcript& t) { t.signatures.clear(); }, "signatures"},
      {"signer", [](Transcript& t) { t.signatures[0].by = "Bob Baker"; }, "signatures"},
      {"algorithm", [](Transcript& t) { t.signatures[0].algorithm = SignatureAlgorithm::kEcdsaSha256; }, "signatures"},
  };
  for (const Forgery& forgery : forgeries) {
    StatusOr<Transcript> transcript = ReadTranscript(vault_->Read("devices.transcript.json"));
    ASSERT_THAT(transcript, IsOk());
    const VerifyOptions options{.trust = {}, .outputs = "", .previous = "", .tool_version = transcript->tool_version};
    forgery.forge(*transcript);
    const StatusOr<std::string> text = WriteTranscript(*transcript);
    ASSERT_THAT(text, IsOk()) << forgery.name;
    const StatusOr<Transcript> forged = ReadTranscript(*text);
    ASSERT_THAT(forged, IsOk()) << forgery.name << ": the forgery must be consistent to test anything";
    const std::vector<Check> checks = VerifyTranscript(*forged, options);
    EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [&](const Check& check) {
      return check.what == forgery.found_by && !check.status.ok();
    })) << forgery.name;
  }
}

TEST_F(CeremonyTest, AChangedOutputFileIsFound) {
  const std::string pem = vault_->Read("devices.pem");
  vault_->Write("devices.pem", vault_->Read("devices-by-second-root.pem"));
  const CommandResult verified = vault_->Verify("devices.transcript.json", "--outputs .");
  vault_->Write("devices.pem", pem);
  EXPECT_EQ(verified.exit_code, 3);
  EXPECT_THAT(verified.output, HasSubstr("is not the file that the ceremony wrote"));
}

TEST_F(CeremonyTest, AParticipantSignsTheTranscriptWithAKeyOfHisOwn) {
  Judge(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout bob.key -out bob.pem -subj /CN=Bob "
      "2>/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout eve.key -out "
      "eve.pem "
      "-subj /CN=Eve 2>/dev/null");
  vault_->WriteExample("root", "witnessed",
                       {{"approve: true}  # certificate: bob.pem", "approve: true, certificate: bob.pem}  #"},
                        {"example-root-g1", "witnessed"},
                        {": root.pem", ": witnessed.pem"},
                        {"root.transcript", "witnessed.transcript"}});
  vault_->MustRun("offline-root", "witnessed");
  const CommandResult unsigned_yet = vault_->Verify("witnessed.transcript.json");
  EXPECT_EQ(unsigned_yet.exit_code, 3);
  EXPECT_THAT(unsigned_yet.output, HasSubstr("the signature of Bob Baker is missing"));

  const std::string witness = Vault::Program() + " witness witnessed.transcript.json --name 'Bob Baker' ";
  const std::string before = vault_->Read("witnessed.transcript.json");
  EXPECT_THAT(vault_->Shell(witness + "--certificate eve.pem --key eve.key").output,
              HasSubstr("a certificate that the ceremony does not name"));
  EXPECT_THAT(vault_->Shell(witness + "--certificate bob.pem --key eve.key").output,
              HasSubstr("is not that of bob.pem"));
  EXPECT_EQ(vault_->Read("witnessed.transcript.json"), before);

  // As on a smart card: the octets are signed by something else.
  Judge(
      "jq -cS 'del(.signatures)' witnessed.transcript.json > content && (printf 'Hallmark ceremony transcript v1\\0'; "
      "openssl dgst -sha256 -binary content) > octets && openssl dgst -sha256 -sign bob.key -out bob.sig octets");
  Judge(witness + "--certificate bob.pem --signature bob.sig");
  EXPECT_EQ(vault_->Verify("witnessed.transcript.json").exit_code, 0);
  vault_->Write("witnessed.transcript.json", before);
  Judge(witness + "--certificate bob.pem --key bob.key");
  EXPECT_EQ(vault_->Verify("witnessed.transcript.json", "--trust witnessed.pem").exit_code, 0);
}

// --- What is refused, and changes nothing.

struct Refusal {
  const char* name;
  std::string type;
  Replacements changes;  // of the example, whose outputs get names of their own
  int exit_code;
  std::string reason;
  std::string message;
};

// A CA certificate with a key of its own that has expired.
std::string ExpiredRoot() {
  const Profile profile =
      ParseProfile("root", "root.yaml",
                   ReadFile(std::string(HALLMARK_SOURCE_DIR) + "/policies/profiles/root.yaml").value(), "")
          .value();
  const auto key =
      SigningKey::Create(GenerateMemorySigner(KeyType::kEcP384, SignatureAlgorithm::kEcdsaSha384).value()).value();
  CertificateRequirements required{.profile = std::make_shared<const Profile>(profile),
                                   .facts = {},
                                   .now = absl::FromUnixSeconds(1'500'000'000),
                                   .not_before = std::nullopt,
                                   .serial = Bytes(16, 0x5a),
                                   .crl_url = "",
                                   .aia_url = ""};
  required.facts.subject = {{"CN", "Expired Root"}};
  required.facts.lifetime = absl::Hours(24);
  Draft draft = DraftRoot(required, key->public_key(), SignatureAlgorithm::kEcdsaSha384).value();
  return PemEncode("CERTIFICATE", Seal(std::move(draft), *key, absl::InfiniteFuture()).value());
}

std::string WithBadSignature(const std::string& csr) {
  Bytes der = PemDecode("CERTIFICATE REQUEST", csr).value().front();
  der.back() ^= 1;
  return PemEncode("CERTIFICATE REQUEST", der);
}

TEST_F(CeremonyTest, RefusalsChangeNothing) {
  vault_->Write("bad.csr", WithBadSignature(vault_->Read("devices.csr")));
  vault_->Write("expired.pem", ExpiredRoot());
  const Refusal refusals[] = {
      {"label taken", "root", {}, 3, reason::kHsmRefused, "already"},
      {"unknown field",
       "root",
       {{"  label:", "  labl:"}},
       1,
       reason::kConfigurationInvalid,
       "refused.yaml:14: key.label"},
      {"no approver",
       "root",
       {{", approve: true", ""}},
       1,
       reason::kConfigurationInvalid,
       "participants: at least one"},
      {"key that the profile forbids", "root", {{"ec-p384  #", "rsa-2048  #"}}, 3, reason::kKeyNotAllowed, "rsa-2048"},
      {"algorithm of another key",
       "root",
       {{"# algorithm: ecdsa-sha384;", "algorithm: rsa-sha256 #"}},
       1,
       reason::kConfigurationInvalid,
       "does not fit"},
      {"lifetime", "root", {{"lifetime: 25y", "lifetime: 31y"}}, 3, reason::kValidityNotAllowed, "lifetime"},
      {"profile of no root",
       "root",
       {{"profile: root", "profile: issuing-authority"}},
       3,
       reason::kRequestInvalid,
       "no profile of a root"},
      {"unknown profile", "root", {{"profile: root", "profile: nothing"}}, 3, reason::kProfileUnknown, "nothing"},
      {"token that is away", "root", {{"token=offline-root", "token=other"}}, 4, reason::kHsmTokenNotFound, "other"},
      {"PIN in the URI",
       "root",
       {{"token=offline-root", "token=offline-root?pin-value=1"}},
       1,
       reason::kConfigurationInvalid,
       "pin-value"},
      {"output's directory missing",
       "root",
       {{": refused.pem", ": nowhere/refused.pem"}},
       1,
       reason::kFileUnreadable,
       "nowhere"},
      {"key of another certificate",
       "sign-intermediate",
       {{": root.pem", ": second-root.pem"}},
       3,
       reason::kHsmKeyNotFound,
       "not the one in the issuer's certificate"},
      {"signing key missing",
       "sign-intermediate",
       {{"label: example-root-g1", "label: nothing"}},
       3,
       reason::kHsmKeyNotFound,
       "there is none"},
      {"no proof of possession",
       "sign-intermediate",
       {{": devices.csr", ": bad.csr"}},
       3,
       reason::kCsrSignatureInvalid,
       "bad.csr"},
      {"no CSR", "sign-intermediate", {{": devices.csr", ": root.pem"}}, 3, reason::kCsrMalformed, "root.pem"},
      {"path length",
       "sign-intermediate",
       {{": root.pem", ": devices.pem"}, {"lifetime: 15y", "lifetime: 10y"}},
       3,
       reason::kLintFailed,
       "rfc5280_4_2_1_9_path_length"},
      {"expired issuer",
       "sign-intermediate",
       {{": root.pem", ": expired.pem"}},
       3,
       reason::kRequestInvalid,
       "Expired Root is valid from 2017"},
      {"outlives its issuer",
       "sign-intermediate",
       {{"lifetime: 15y", "not_before: 2045-01-01T00:00:00Z\n  lifetime: 15y"}},
       3,
       reason::kValidityNotAllowed,
       "beyond its issuer"},
      {"not before its issuer",
       "sign-intermediate",
       {{"lifetime: 15y", "not_before: 2020-01-01T00:00:00Z\n  lifetime: 15y"}},
       3,
       reason::kRequestInvalid,
       "before its issuer"},
      {"no CRL URL",
       "sign-intermediate",
       {{"  crl_url: http://pki.example.com/crl/root.crl\n", ""}},
       3,
       reason::kRequestInvalid,
       "crl_url"},
      {"https",
       "sign-intermediate",
       {{"crl_url: http:", "crl_url: https:"}},
       1,
       reason::kConfigurationInvalid,
       "http://"},
      {"CRL number not greater",
       "root-crl",
       {{"# previous_crl", "previous_crl"}},
       3,
       reason::kRequestInvalid,
       "number 1 already"},
      {"previous list missing",
       "root-crl",
       {{"number: 1\n", "number: 2\n"}},
       1,
       reason::kConfigurationInvalid,
       "previous_crl is required"},
      {"revocation taken back",
       "root-crl",
       {{"number: 1\n", "number: 3\n"}, {"# previous_crl: root-1", "previous_crl: root-2"}},
       3,
       reason::kRequestInvalid,
       "a revocation is for ever"},
      {"previous list of another",
       "root-crl",
       {{"number: 1\n", "number: 3\n"},
        {"# previous_crl", "previous_crl"},
        {"issuer_certificate: root.pem", "issuer_certificate: root-g2.pem"}},
       3,
       reason::kRequestInvalid,
       "not a list of the issuer"},
      {"revocation in the future",
       "root-crl",
       {{"entries: []", "entries: [{serial: 4a01, date: 2040-01-01T00:00:00Z, reason: superseded}]"}},
       3,
       reason::kRequestInvalid,
       "in the future"},
      {"revocation of another's",
       "root-crl",
       {{"entries: []",
         "entries: [{certificate: devices-by-second-root.pem, date: 2026-01-01T00:00:00Z, reason: superseded}]"}},
       3,
       reason::kRequestInvalid,
       "was not issued by the issuer"},
      {"revocation on hold",
       "root-crl",
       {{"entries: []", "entries: [{serial: 4a01, date: 2026-01-01T00:00:00Z, reason: certificateHold}]"}},
       1,
       reason::kConfigurationInvalid,
       "entries[0].reason"},
      {"rotation of what is no root",
       "rotate-key",
       {{": root.pem", ": devices.pem"}},
       3,
       reason::kRequestInvalid,
       "is no root"},
      {"new key with a label that is taken", "rotate-key", {}, 3, reason::kHsmRefused, "example-root-g2"},
  };
  const std::string objects = vault_->Objects("offline-root");
  ASSERT_THAT(objects, HasSubstr("example-root-g1"));
  for (const Refusal& refusal : refusals) {
    const Replacements own_outputs =
        refusal.type == "rotate-key" ? Replacements{{": root-g2.pem", ": refused.pem"},
                                                    {"root-g2-by-g1", "refused-1"},
                                                    {"root-g1-by-g2", "refused-2"},
                                                    {"rotate-key.transcript", "refused.transcript"}}
        : refusal.type == "root"
            ? Replacements{{": root.pem", ": refused.pem"}, {"root.transcript", "refused.transcript"}}
        : refusal.type == "root-crl"
            ? Replacements{{"  crl: root-1.crl", "  crl: refused.crl"}, {"root-crl-1", "refused"}}
            : Replacements{{"  certificate: devices.pem", "  certificate: refused.pem"},
                           {"devices.transcript", "refused.transcript"}};
    Replacements changes = own_outputs;
    changes.insert(changes.end(), refusal.changes.begin(), refusal.changes.end());
    vault_->WriteExample(refusal.type, "refused", changes);
    const std::string files = vault_->Files();
    const CommandResult run = vault_->Run("offline-root", "refused", "--output json");
    EXPECT_EQ(run.exit_code, refusal.exit_code) << refusal.name << "\n" << run.output;
    EXPECT_THAT(run.output, HasSubstr("\"" + refusal.reason + "\"")) << refusal.name;
    EXPECT_THAT(run.output, HasSubstr(refusal.message)) << refusal.name;
    EXPECT_EQ(vault_->Files(), files) << refusal.name;
    EXPECT_EQ(vault_->Objects("offline-root"), objects) << refusal.name;
  }
}

TEST_F(CeremonyTest, NothingHappensWithoutEveryApproval) {
  vault_->WriteExample("root", "unapproved",
                       {{": root.pem", ": unapproved.pem"},
                        {"root.transcript", "unapproved.transcript"},
                        {"example-root-g1", "unapproved"}});
  const std::string code = Prepare(vault_->Path("unapproved.yaml")).value().code.code;
  const std::string objects = vault_->Objects("offline-root");
  const std::string files = vault_->Files();
  const std::string run = fmt::format("HALLMARK_PIN={} {} run unapproved.yaml < /dev/null", kPin, Vault::Program());
  const struct {
    const char* name;
    std::string approvals;
    const char* message;
  } cases[] = {
      {"nobody", "", "Alice Archer (ceremony administrator) has not approved"},
      {"one of two", fmt::format(" --approve 'Alice Archer={}'", code), "Bob Baker (witness) has not approved"},
      {"wrong code", fmt::format(" --approve 'Alice Archer={}' --approve 'Bob Baker=0000-0000-0000-0000'", code),
       "the code is"},
      {"a stranger", fmt::format(" --approve 'Alice Archer={0}' --approve 'Eve Evans={0}'", code), "is no NAME=CODE"}};
  for (const auto& c : cases) {
    const CommandResult refused = vault_->OnMachine("offline-root", run + c.approvals);
    EXPECT_EQ(refused.exit_code, 6) << c.name << refused.output;
    EXPECT_THAT(refused.output, HasSubstr(c.message)) << c.name;
  }
  EXPECT_EQ(vault_->Objects("offline-root"), objects);
  EXPECT_EQ(vault_->Files(), files);
}

TEST_F(CeremonyTest, OverwritesNothing) {
  for (const char* name : {"root", "rotate-key", "root-crl"}) {
    const std::string files = vault_->Files();
    const CommandResult again = vault_->Run("offline-root", name);
    EXPECT_EQ(again.exit_code, 3) << name;
    EXPECT_THAT(again.output, HasSubstr("overwrites nothing")) << name;
    EXPECT_EQ(vault_->Files(), files);
  }
}

// --- How it goes.

TEST_F(CeremonyTest, ADryRunNeedsNoTokenAndLeavesDraftsThatOpensslReads) {
  for (const char* type : {"root", "intermediate", "sign-intermediate", "cross-sign", "root-crl", "rotate-key"}) {
    const std::string objects = vault_->Objects("offline-root");
    fs::create_directory(vault_->Path("drafts"));
    const CommandResult dry = vault_->Shell(fmt::format(
        "SOFTHSM2_CONF=/nonexistent {} run {}.yaml --dry-run --keep-drafts drafts", Vault::Program(), type));
    EXPECT_EQ(dry.exit_code, 0) << type << dry.output;
    for (const auto& entry : fs::directory_iterator(vault_->Path("drafts"))) {
      const std::string file = entry.path().string();
      const char* kind = file.find("csr") != file.npos ? "req" : file.find("crl") != file.npos ? "crl" : "x509";
      Judge(fmt::format("openssl {} -in {} -noout -text", kind, file));
    }
    EXPECT_FALSE(fs::is_empty(vault_->Path("drafts"))) << type;
    const CommandResult verified =
        vault_->Shell("openssl verify -partial_chain -trusted root.pem drafts/certificate.draft.pem");
    EXPECT_THAT(verified.output, Not(HasSubstr(": OK"))) << type << ": a draft must verify nowhere";
    fs::remove_all(vault_->Path("drafts"));
    EXPECT_EQ(vault_->Objects("offline-root"), objects) << type;
  }
}

TEST_F(CeremonyTest, APlanHasTheSameCodeEverywhereAndNoOtherPlanHas) {
  const std::string code = Prepare(vault_->Path("sign-intermediate.yaml")).value().code.full;
  fs::create_directory(vault_->Path("elsewhere"));
  for (const char* file : {"sign-intermediate.yaml", "root.pem", "devices.csr", "root.transcript.json"}) {
    fs::copy_file(vault_->Path(file), vault_->Path("elsewhere") / file);
  }
  EXPECT_EQ(Prepare(vault_->Path("elsewhere/sign-intermediate.yaml")).value().code.full, code);
  vault_->Write("elsewhere/root.pem", vault_->Read("root.pem") + "\n");
  EXPECT_NE(Prepare(vault_->Path("elsewhere/sign-intermediate.yaml")).value().code.full, code);
  EXPECT_THAT(
      vault_->Shell(Vault::Program() + " plan sign-intermediate.yaml").output,
      HasSubstr(code.substr(0, 4) + "-" + code.substr(4, 4) + "-" + code.substr(8, 4) + "-" + code.substr(12, 4)));
  fs::remove_all(vault_->Path("elsewhere"));
}

TEST_F(CeremonyTest, AnInterruptedRunSaysWhatItLeftBehind) {
  const std::string too_long = std::string(250, 'x') + ".cer";  // a name that a file may have, but not a temporary one
  vault_->WriteExample("root", "interrupted",
                       {{": root.pem", ": " + too_long},
                        {"root.transcript", "interrupted.transcript"},
                        {"example-root-g1", "interrupted"}});
  const CommandResult run = vault_->Run("offline-root", "interrupted");
  EXPECT_EQ(run.exit_code, 1) << run.output;
  EXPECT_THAT(run.output, HasSubstr("object=interrupted;type=private was generated and stays on the token"));
  EXPECT_THAT(run.output, HasSubstr("interrupted.transcript.json.partial, keep it"));
  EXPECT_THAT(vault_->Objects("offline-root"), HasSubstr("object=interrupted;type=private"));
  EXPECT_FALSE(fs::exists(vault_->Path("interrupted.transcript.json")));

  const StatusOr<Transcript> partial = ReadTranscript(vault_->Read("interrupted.transcript.json.partial"));
  ASSERT_THAT(partial, IsOk());
  EXPECT_THAT(partial->failure, HasSubstr("File name too long"));
  EXPECT_EQ(partial->keys.at(0).attributes.uri.object, "interrupted");
  EXPECT_EQ(partial->drafts.size(), 1u);
  const CommandResult verified = vault_->Verify("interrupted.transcript.json.partial");
  EXPECT_EQ(verified.exit_code, 3);
  EXPECT_THAT(verified.output, HasSubstr("interrupted"));
  EXPECT_EQ(vault_->Run("offline-root", "interrupted").exit_code, 3) << "its record must be looked at first";
}

// A program at a terminal of its own, which is typed to when it asks.
class Terminal {
 public:
  explicit Terminal(const std::string& command) {
    child_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (child_ != 0) return;
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  ~Terminal() { close(terminal_); }
  Terminal(const Terminal&) = delete;  // two owners would close it twice
  Terminal& operator=(const Terminal&) = delete;

  // Waits until the program has written `prompt`, and types a line.
  void Answer(const std::string& prompt, const std::string& line) {
    while (seen_.find(prompt, answered_) == std::string::npos && Read()) continue;
    ASSERT_THAT(seen_.substr(answered_), HasSubstr(prompt));
    answered_ = seen_.size();
    ASSERT_EQ(write(terminal_, (line + "\n").data(), line.size() + 1), static_cast<ssize_t>(line.size() + 1));
  }
  int Wait() {
    while (Read()) continue;
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const std::string& seen() const { return seen_; }

 private:
  bool Read() {
    std::array<char, 4096> buffer;
    const ssize_t size = read(terminal_, buffer.data(), buffer.size());
    if (size > 0) seen_.append(buffer.data(), static_cast<size_t>(size));
    return size > 0;
  }

  int terminal_ = -1;
  pid_t child_ = -1;
  std::string seen_;
  size_t answered_ = 0;
};

TEST_F(CeremonyTest, PeopleTypeTheCodeAndThePinWhichIsNotShown) {
  vault_->WriteExample(
      "root", "typed",
      {{": root.pem", ": typed.pem"}, {"root.transcript", "typed.transcript"}, {"example-root-g1", "typed"}});
  const std::string code = Prepare(vault_->Path("typed.yaml")).value().code.code;
  Terminal terminal(fmt::format("cd {} && unset HALLMARK_PIN && SOFTHSM2_CONF={} exec {} run typed.yaml",
                                vault_->Path("").string(), vault_->Path("offline-root.conf").string(),
                                Vault::Program()));
  terminal.Answer("Alice Archer (ceremony administrator), type the code", code);
  terminal.Answer("Bob Baker (witness), type the code", code);
  terminal.Answer("PIN of the token \"offline-root\": ", kPin);
  EXPECT_EQ(terminal.Wait(), 0) << terminal.seen();
  EXPECT_THAT(terminal.seen(), Not(HasSubstr(kPin)));
  EXPECT_THAT(vault_->Read("typed.transcript.json"), HasSubstr(R"("method":"typed")"));
  EXPECT_THAT(vault_->Read("typed.transcript.json"), Not(HasSubstr(kPin)));
  EXPECT_EQ(vault_->Verify("typed.transcript.json", "--trust typed.pem").exit_code, 0);
}

TEST_F(CeremonyTest, EveryKindOfKeySignsWhatOpensslVerifies) {
  const struct {
    const char* type;
    const char* algorithm;
    const char* openssl;
  } cases[] = {{"ec-p256", "ecdsa-sha256", "-sha256"},
               {"ec-p384", "ecdsa-sha256", "-sha256"},
               {"rsa-3072", "rsa-sha384", "-sha384"},
               {"rsa-3072", "rsa-pss-sha256", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"}};
  for (const auto& c : cases) {
    const std::string name = fmt::format("{}-{}", c.type, c.algorithm);
    vault_->WriteExample("root", name,
                         {{": root.pem", fmt::format(": {}.pem", name)},
                          {"root.transcript", name + ".transcript"},
                          {"example-root-g1", name},
                          {"type: ec-p384  #", fmt::format("type: {}  #", c.type)},
                          {"# algorithm: ecdsa-sha384;", fmt::format("algorithm: {}  #", c.algorithm)}});
    vault_->MustRun("offline-root", name);
    EXPECT_THAT(Judge(fmt::format("openssl verify -x509_strict -check_ss_sig -CAfile {0}.pem {0}.pem", name)),
                HasSubstr("OK"));
    EXPECT_EQ(vault_->Verify(name + ".transcript.json", fmt::format("--trust {}.pem", name)).exit_code, 0) << name;
    EXPECT_THAT(
        Judge(fmt::format("jq -cS 'del(.signatures)' {0}.transcript.json > content && (printf 'Hallmark ceremony "
                          "transcript v1\\0'; openssl dgst -sha256 -binary content) > octets && jq -r "
                          "'.signatures[0].signature' {0}.transcript.json | base64 -d > sig && openssl x509 -in "
                          "{0}.pem -noout -pubkey > key && openssl dgst {1} -verify key -signature sig octets",
                          name, c.openssl)),
        HasSubstr("Verified OK"))
        << name;
  }
}

TEST_F(CeremonyTest, AnIntermediatesKeyIsRotatedWithACsr) {
  vault_->WriteExample(
      "intermediate", "rotate-intermediate",
      {{"ceremony: intermediate", "ceremony: rotate-key\ninputs: {certificate: devices.pem}"},
       {"  subject:\n    - {type: O, value: Example Ltd}\n    - {type: CN, value: Example Devices G1}\n", ""},
       {"example-devices-g1", "example-devices-g2"},
       {"devices.csr", "devices-g2.csr"},
       {"devices-key.transcript", "devices-g2.transcript"}});
  vault_->MustRun("online", "rotate-intermediate");
  EXPECT_THAT(Judge("openssl req -in devices-g2.csr -noout -verify -subject"),
              HasSubstr("subject=O = Example Ltd, CN = Example Devices G1"));
  EXPECT_NE(Judge("openssl req -in devices-g2.csr -noout -pubkey"),
            Judge("openssl req -in devices.csr -noout -pubkey"));
  EXPECT_EQ(vault_->Verify("devices-g2.transcript.json", "--outputs .").exit_code, 0);
}

TEST(TranscriptTest, TranscriptsOfEarlierVersionsStillVerify) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(std::string(HALLMARK_SOURCE_DIR) + "/tests/fuzz/corpus/transcript")) {
    if (entry.path().filename().string().starts_with("odd-")) continue;
    EXPECT_TRUE(Proven(ReadFile(entry.path()).value())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 3u);
}

}  // namespace
}  // namespace hallmark::ceremony
