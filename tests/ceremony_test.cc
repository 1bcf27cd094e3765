// `hallmark ceremony` on real SoftHSM tokens, each in a directory of its own as on machines of their own; what it makes
// is judged by openssl, certtool and p11tool, and so is what it leaves alone.
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include "base/reason.h"
#include "ca/offline.h"
#include "hsm/memory_signer.h"
#include "policies/load.h"
#include "tests/ceremony_vault.h"
#include "tests/places.h"
#include "tools/hallmark/ceremony/transcript.h"

namespace hallmark::ceremony {
namespace {

namespace fs = std::filesystem;
using ::hallmark::testing::CeremonyTest;
using ::hallmark::testing::CommandResult;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kPin;
using ::hallmark::testing::kSoftHsm;
using ::hallmark::testing::Replacements;
using ::hallmark::testing::Vault;
using ::testing::HasSubstr;
using ::testing::Not;

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
      ParseProfile("root", "root.yaml", ReadFile(testing::SourceDirectory() + "/policies/profiles/root.yaml").value(),
                   "")
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
       {{"# algorithm: ecdsa-sha384;", "algorithm: rsa-pkcs1-sha256 #"}},
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
      {"an OCSP URL that the profile does not grant",
       "sign-intermediate",
       {{"  crl_url: http:", "  ocsp_url: http://pki.example.com/ocsp\n  crl_url: http:"}},
       3,
       reason::kRequestInvalid,
       "ocsp_url"},
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
               {"rsa-3072", "rsa-pkcs1-sha384", "-sha384"},
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

}  // namespace
}  // namespace hallmark::ceremony
