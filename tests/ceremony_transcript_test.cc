// The transcripts of ceremonies on real tokens: verified by Hallmark and by openssl alone, and forged.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ceremony_vault.h"
#include "tests/places.h"
#include "tools/hallmark/ceremony/verification.h"

namespace hallmark::ceremony {
namespace {

namespace fs = std::filesystem;
using ::hallmark::testing::CeremonyTest;
using ::hallmark::testing::CommandResult;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::Replace;
using ::hallmark::testing::Vault;
using ::testing::HasSubstr;

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

TEST(TranscriptTest, TranscriptsOfEarlierVersionsStillVerify) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(testing::SourceDirectory() + "/tests/fuzz/corpus/transcript")) {
    if (entry.path().filename().string().starts_with("odd-")) continue;
    EXPECT_TRUE(Proven(ReadFile(entry.path()).value())) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 3u);
}

}  // namespace
}  // namespace hallmark::ceremony
