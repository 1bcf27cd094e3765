// hallmark ceremony verify|witness.
#include <fmt/format.h>

#include "base/file.h"
#include "base/reason.h"
#include "hsm/memory_signer.h"
#include "tools/hallmark/ceremony/verification.h"
#include "tools/hallmark/ceremony_commands.h"
#include "tools/hallmark/table.h"
#include "tools/instance.h"

namespace hallmark::cli {
namespace {

using ceremony::Json;

struct Options {
  std::string file;
  std::string trust;
  std::string outputs;
  std::string previous;
  std::string name;
  std::string certificate;
  std::string key;
  std::string signature;
};

StatusOr<std::vector<Bytes>> ReadCertificates(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, ceremony::kTranscriptLimit));
  StatusOr<std::vector<Bytes>> certificates = PemDecode("CERTIFICATE", text);
  if (!certificates.ok()) return Annotate(certificates.status(), file);
  return certificates;
}

StatusOr<ceremony::Transcript> ReadTranscriptFile(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file, ceremony::kTranscriptLimit));
  StatusOr<ceremony::Transcript> transcript = ceremony::ReadTranscript(text);
  if (!transcript.ok()) return Annotate(transcript.status(), file);
  return transcript;
}

StatusOr<ExitCode> Verify(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const ceremony::Transcript transcript, ReadTranscriptFile(options.file));
  ceremony::VerifyOptions verify{
      .trust = {}, .outputs = options.outputs, .previous = "", .tool_version = HALLMARK_VERSION};
  if (!options.trust.empty()) {
    ASSIGN_OR_RETURN(verify.trust, ReadCertificates(options.trust));
  }
  if (!options.previous.empty()) {
    ASSIGN_OR_RETURN(verify.previous, ReadFile(options.previous, ceremony::kTranscriptLimit));
  }
  bool verified = true;
  Json checks = Json::array();
  std::vector<std::vector<Cell>> rows;
  for (const ceremony::Check& check : ceremony::VerifyTranscript(transcript, verify)) {
    const bool good = check.status.ok();
    const std::string detail = Printable(good ? check.detail : Message(check.status));
    verified = verified && good;
    checks.push_back({{"what", check.what}, {"good", good}, {"detail", detail}});
    rows.push_back({Printable(check.what), {good ? "good" : "WRONG", good ? Color::kGreen : Color::kRed}, detail});
  }
  if (session.json()) {
    session.PrintJson({{"checks", checks}, {"verified", verified}});
  } else {
    session.out << RenderTable({"CHECKED", "VERDICT", "DETAIL"}, rows, session.colored());
    if (verified && options.trust.empty()) {
      session.out << "The transcript agrees with itself. That its keys are the right ones, only --trust can tell.\n";
    }
  }
  if (verified) return kDone;
  return Error(Code::kFailedPrecondition, reason::kTranscriptInvalid,
               fmt::format("{} is not proven: see what is wrong above", options.file));
}

// The signature of a participant over a transcript: made here with a key in a file, or elsewhere, e.g. on a smart card.
Status Witness(const Options& options, ByteView certificate, ceremony::Transcript& transcript) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  ASSIGN_OR_RETURN(const PublicKey key, PublicKey::FromSpki(parts.spki));
  const SignatureAlgorithm algorithm = DefaultAlgorithm(key.type());
  if (!options.signature.empty()) {
    ASSIGN_OR_RETURN(const std::string signature, ReadFile(options.signature, ceremony::kTranscriptLimit));
    transcript.signatures.push_back({options.name, ToBytes(certificate), algorithm, ToBytes(AsBytes(signature))});
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string pem, ReadFile(options.key));
  ASSIGN_OR_RETURN(std::unique_ptr<Signer> signer, ReadMemorySigner(Secret(std::move(pem)), algorithm));
  if (!Equal(signer->public_key(), key.spki())) {
    return Error(Code::kInvalidArgument, reason::kRequestInvalid,
                 fmt::format("the key in {} is not that of {}", options.key, options.certificate));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<const SigningKey> signing_key, SigningKey::Create(std::move(signer)));
  return ceremony::SignTranscript(*signing_key, options.name, certificate, transcript);
}

StatusOr<ExitCode> AddWitness(Session& session, const Options& options) {
  if (options.key.empty() == options.signature.empty()) return UsageError("give either --key or --signature");
  ASSIGN_OR_RETURN(ceremony::Transcript transcript, ReadTranscriptFile(options.file));
  ASSIGN_OR_RETURN(const std::vector<Bytes> certificates, ReadCertificates(options.certificate));
  RETURN_IF_ERROR(Witness(options, certificates.front(), transcript));
  const ceremony::VerifyOptions verify{.trust = {}, .outputs = "", .previous = "", .tool_version = HALLMARK_VERSION};
  for (const ceremony::Check& check : ceremony::VerifyTranscript(transcript, verify)) {
    // Others may have to sign after this one.
    if (check.what == "signatures" && Message(check.status).ends_with("is missing")) continue;
    if (!check.status.ok()) {
      return Annotate(check.status, fmt::format("did not add a signature to {}: {}", options.file, check.what));
    }
  }
  ASSIGN_OR_RETURN(const std::string text, ceremony::WriteTranscript(transcript));
  RETURN_IF_ERROR(WriteFile(options.file, AsBytes(text)));
  if (session.json()) {
    session.PrintJson(Json{{"signed_by", options.name}, {"transcript", options.file}});
  } else {
    session.out << fmt::format("{} carries the signature of {} now\n", options.file, Printable(options.name));
  }
  return kDone;
}

}  // namespace

void AddCeremonyVerify(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* verify = AddCommand(
      group, "verify", "Check a transcript: everything is made again and compared, every signature is verified",
      "  hallmark ceremony verify root.transcript.json --trust root.pem --outputs .");
  verify->add_option("transcript", options->file, "The transcript")->required()->type_name("FILE");
  verify->add_option("--trust", options->trust, "Certificates, PEM, that you know to be right: the keys must be theirs")
      ->type_name("FILE");
  verify->add_option("--outputs", options->outputs, "The directory of the files that the ceremony wrote")
      ->type_name("DIR");
  verify->add_option("--previous", options->previous, "The transcript before it")->type_name("FILE");
  verify->callback([&session, options] { session.Finish(Verify(session, *options)); });
}

void AddCeremonyWitness(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* witness =
      AddCommand(group, "witness", "Add a participant's signature to a transcript, which is verified first",
                 "  hallmark ceremony witness root.transcript.json --name \"Bob\" --certificate bob.pem --key bob.key");
  witness->add_option("transcript", options->file, "The transcript")->required()->type_name("FILE");
  witness->add_option("--name", options->name, "The participant, as the ceremony names him or her")->required();
  witness->add_option("--certificate", options->certificate, "PEM")->required()->type_name("FILE");
  witness->add_option("--key", options->key, "The private key, PEM")->type_name("FILE");
  witness
      ->add_option("--signature", options->signature,
                   "A signature that was made elsewhere, e.g. on a smart card; docs/ceremonies.md says of what")
      ->type_name("FILE");
  witness->callback([&session, options] { session.Finish(AddWitness(session, *options)); });
}

}  // namespace hallmark::cli
