// hallmark manifest sign.
#include <fmt/format.h>

#include "base/file.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "factory/manifest_signature.h"
#include "factory/manifest_signer.h"
#include "tools/hallmark/manifest_commands.h"

namespace hallmark::cli {
namespace {

struct Options {
  std::string file;
  std::string lines;
  std::string key;
  std::string certificate;
  std::string chain;
  std::string out;
  bool detached = false;
};

StatusOr<std::vector<Bytes>> ReadCertificates(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  StatusOr<std::vector<Bytes>> all = PemDecode("CERTIFICATE", text);
  if (all.ok() && !all->empty()) return all;
  return UsageError(fmt::format("{} holds no certificates in PEM", file));
}

StatusOr<ssl::EvpKey> ReadKey(const std::string& file) {
  const ssl::Bio in(BIO_new_file(file.c_str(), "rb"));
  ssl::EvpKey key(in == nullptr ? nullptr : PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  if (key != nullptr) return key;
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
               fmt::format("cannot read a private key in PEM from {}: {}", file, ssl::DrainErrors()));
}

StatusOr<signer::Certificates> ToStack(const std::vector<Bytes>& all) {
  signer::Certificates stack(sk_X509_new_null());
  for (const Bytes& der : all) {
    ssl::Certificate certificate = signer::ReadCertificate(der);
    if (certificate == nullptr || stack == nullptr) return UsageError("--chain holds what is no certificate");
    sk_X509_push(stack.get(), certificate.release());
  }
  return stack;
}

StatusOr<Bytes> Sign(const Options& options, const Bytes& certificate_der) {
  ASSIGN_OR_RETURN(const ssl::EvpKey key, ReadKey(options.key));
  std::vector<Bytes> chain_ders;
  if (!options.chain.empty()) {
    ASSIGN_OR_RETURN(chain_ders, ReadCertificates(options.chain));
  }
  ASSIGN_OR_RETURN(const signer::Certificates chain, ToStack(chain_ders));
  const ssl::Certificate certificate = signer::ReadCertificate(certificate_der);
  const ssl::Bio content(BIO_new_file(options.file.c_str(), "rb"));
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  if (certificate == nullptr || content == nullptr || out == nullptr) {
    return UsageError(fmt::format("cannot read {}: {}", options.certificate, ssl::DrainErrors()));
  }
  const unsigned flags = CMS_BINARY | CMS_PARTIAL | (options.detached ? CMS_DETACHED : 0u);
  const ssl::Cms cms(CMS_sign(nullptr, nullptr, chain.get(), nullptr, flags));
  if (cms == nullptr || CMS_add1_signer(cms.get(), certificate.get(), key.get(), EVP_sha256(), flags) == nullptr ||
      CMS_final(cms.get(), content.get(), nullptr, flags) != 1 || i2d_CMS_bio(out.get(), cms.get()) != 1) {
    return UsageError(
        fmt::format("cannot sign with {} and {}: {}", options.key, options.certificate, ssl::DrainErrors()));
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return ToBytes(AsBytes({data, static_cast<size_t>(size)}));
}

// That a service which has the signer registered would take what was written.
Status Prove(const Session& session, const Options& options, const Bytes& certificate) {
  const std::string content = options.detached ? options.file : options.out + ".content";
  const StatusOr<Bytes> signature =
      options.detached ? ReadDetachedSignature(options.out) : SplitSignedData(options.out, content);
  RETURN_IF_ERROR(signature.status());
  ManufacturerRecord manufacturer;
  manufacturer.certificates = {certificate};
  const Status verified = VerifyManifest(content, *signature, manufacturer, session.clock.Now()).status();
  std::error_code ignored;
  if (!options.detached) std::filesystem::remove(content, ignored);
  return verified;
}

StatusOr<ExitCode> SignManifest(Session& session, Options options) {
  if (options.out.empty()) {
    const std::filesystem::path file = options.file;
    options.out = std::filesystem::path(file).replace_extension(options.detached ? ".p7s" : ".cms").string();
  }
  if (options.out == options.file) return UsageError("--out is the manifest itself; name another file");
  ASSIGN_OR_RETURN(const Manifest manifest, CheckManifest(options.file, options.lines));
  ASSIGN_OR_RETURN(const std::vector<Bytes> certificates, ReadCertificates(options.certificate));
  ASSIGN_OR_RETURN(const Bytes signature, Sign(options, certificates[0]));
  RETURN_IF_ERROR(WriteFile(options.out, signature));
  if (const Status proven = Prove(session, options, certificates[0]); !proven.ok()) {
    std::error_code ignored;
    std::filesystem::remove(options.out, ignored);
    return proven;
  }
  if (session.json()) {
    session.PrintJson(
        nlohmann::json{{"file", options.out}, {"lot", manifest.terms.lot}, {"detached", options.detached}});
  } else {
    session.out << fmt::format("{}: lot {} revision {}, signed\n", options.out, manifest.terms.lot,
                               manifest.terms.revision);
  }
  return kDone;
}

}  // namespace

void AddManifestSign(CLI::App& group, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* sign =
      AddCommand(group, "sign", "Check a manifest and sign it: CMS SignedData in DER, with the manifest within",
                 "  hallmark manifest sign a-17.json --key acme.key --certificate acme.pem\n"
                 "  hallmark manifest sign a-17.json --key acme.key --certificate acme.pem --chain acme-ca.pem\n"
                 "  hallmark manifest sign a-17.json --key acme.key --certificate acme.pem --detached");
  sign->add_option("file", options->file, "The manifest, JSON")->required();
  sign->add_option("--lines", options->lines, "The file of lines that it names, to check it, too")->type_name("FILE");
  sign->add_option("--key", options->key, "The signer's private key, PEM")->required()->type_name("FILE");
  sign->add_option("--certificate", options->certificate, "The signer's certificate, PEM")
      ->required()
      ->type_name("FILE");
  sign->add_option("--chain", options->chain, "CAs between the signer and the registered certificate, PEM")
      ->type_name("FILE");
  sign->add_option("--out", options->out, "Where to write it; the manifest's name with .cms or .p7s if left out")
      ->type_name("FILE");
  sign->add_flag("--detached", options->detached, "Without the manifest within, which stays a file beside");
  sign->callback([&session, options] { session.Finish(SignManifest(session, *options)); });
}

}  // namespace hallmark::cli
