// hallmark publish adr sign.
#include <fmt/format.h>

#include "base/file.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "tools/hallmark/adr_contract.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/issue_all.h"
#include "tools/hallmark/lot_commands.h"
#include "tools/hallmark/names.h"
#include "tools/hallmark/publish_commands.h"
#include "tools/hallmark/table.h"

namespace hallmark::cli {
namespace {

constexpr char kProfile[] = "adr-byor";
constexpr int64_t kJustNow = 60;  // s between a draft and what is issued after it
constexpr char kActivate[] =
    "https://management.azure.com/subscriptions/SUBSCRIPTION/resourceGroups/RESOURCE_GROUP/providers/"
    "Microsoft.DeviceRegistry/namespaces/NAMESPACE/credentials/default/policies/POLICY/activateBringYourOwnRoot"
    "?api-version=2026-03-01-preview";

struct Options {
  std::string csr;
  std::string authority = "root";
  std::string out;
  std::string lifetime;
};

// What was signed: the certificate with the chain up to the root, and when it is too old to be activated.
struct Signed {
  v1::Certificate certificate;
  std::string stem;
  std::string chain;  // PEM, leaf first
  Time activate_by;
};

Status Require(const std::vector<FieldViolation>& violations, const char* reason, const std::string& outcome) {
  if (violations.empty()) return absl::OkStatus();
  return Annotate(FieldErrors(reason, violations), fmt::format("Azure Device Registry would refuse this, {}", outcome));
}

StatusOr<Csr> ReadOne(Session& session, const std::string& path) {
  ASSIGN_OR_RETURN(std::vector<Csr> csrs, ReadCsrs({path}, session.in));
  if (csrs.size() == 1) return std::move(csrs.front());
  return UsageError(fmt::format("{} holds {} CSRs; name a file with the one that Azure shows", path, csrs.size()));
}

StatusOr<std::vector<Bytes>> FetchChain(Client& client, const std::string& authority) {
  ASSIGN_OR_RETURN(const v1::ExportChainResponse exported, client.ExportChain(authority, v1::ExportChainRequest::PEM));
  return PemDecode("CERTIFICATE", exported.chain());
}

StatusOr<v1::IssueCertificateRequest> RequestFor(const Options& options, const std::string& authority, ByteView csr) {
  v1::IssueCertificateRequest request;
  // Another lifetime is another request; the same command gets the same certificate.
  request.set_request_id(DefaultRequestId(authority, fmt::format("{}\n{}", kProfile, options.lifetime), csr));
  request.set_parent(authority);
  request.set_profile(kProfile);
  request.set_csr(ToString(csr));
  if (options.lifetime.empty()) return request;
  ASSIGN_OR_RETURN(const Duration lifetime, yaml::ParseDuration(options.lifetime));
  request.mutable_lifetime()->set_seconds(absl::ToInt64Seconds(lifetime));
  return request;
}

Status VerifySignature(ByteView certificate, ByteView signer) {
  const uint8_t* at = certificate.data();
  const ssl::Certificate below(d2i_X509(nullptr, &at, static_cast<long>(certificate.size())));
  at = signer.data();
  const ssl::Certificate above(d2i_X509(nullptr, &at, static_cast<long>(signer.size())));
  if (below != nullptr && above != nullptr && X509_verify(below.get(), X509_get0_pubkey(above.get())) == 1) {
    return absl::OkStatus();
  }
  return Error(Code::kInternal, reason::kLintFailed,
               "the certificate does not verify under the authority's key: " + ssl::DrainErrors());
}

// First as a draft, which nobody has signed: what breaks the contract is never issued.
StatusOr<v1::Certificate> Sign(Session& session, Client& client, v1::IssueCertificateRequest request, ByteView signer) {
  request.set_validate_only(true);
  ASSIGN_OR_RETURN(const v1::Certificate draft, IssueOne(client, request, session.clock));
  const ByteView csr = AsBytes(request.csr());
  RETURN_IF_ERROR(Require(CheckCertificate(AsBytes(draft.certificate()), csr, session.clock.Now()), reason::kLintFailed,
                          "and nothing was issued"));
  request.set_validate_only(false);
  ASSIGN_OR_RETURN(v1::Certificate certificate, IssueOne(client, request, session.clock));
  const bool issued_before = certificate.not_before().seconds() + kJustNow < draft.not_before().seconds();
  const std::string outcome =
      issued_before
          ? fmt::format(
                "and nothing was issued: it is {}, which the same request got on {} and which may be in use. "
                "Another --lifetime, or another CSR, gets another one",
                Printable(certificate.name()), When(certificate.issue_time()))
          : fmt::format("but it was issued; revoke it: hallmark certificate revoke {}", Printable(certificate.name()));
  RETURN_IF_ERROR(Require(CheckCertificate(AsBytes(certificate.certificate()), csr, session.clock.Now()),
                          reason::kLintFailed, outcome));
  RETURN_IF_ERROR(VerifySignature(AsBytes(certificate.certificate()), signer));
  return certificate;
}

std::string ActivateBody(const std::string& chain) {
  return nlohmann::json{{"certificateChain", chain}}.dump(2) + "\n";
}

std::string NextStep(const std::string& chain_file, const std::string& body_file, Time activate_by) {
  return fmt::format(
      "next: az iot adr ns ca activate --name CA --ns NAMESPACE --resource-group RESOURCE_GROUP \\\n"
      "        --certificate-chain-file {}\n"
      "  or, of a policy with bring your own root: az rest --method post --body @{} \\\n        --url \"{}\"\n"
      "  before {}, while 365 days are left.\n",
      chain_file, body_file, kActivate, Rfc3339(activate_by));
}

StatusOr<ExitCode> Deliver(Session& session, const Options& options, const Signed& made) {
  const std::filesystem::path directory = options.out;
  std::string chain_file = "CHAIN.pem";
  std::string body_file = "BODY.json";
  if (!options.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);  // an error is WriteFile's, too
    chain_file = (directory / (made.stem + "-chain.pem")).string();
    body_file = (directory / (made.stem + "-activate.json")).string();
    RETURN_IF_ERROR(WriteFile(chain_file, AsBytes(made.chain)));
    RETURN_IF_ERROR(WriteFile(body_file, AsBytes(ActivateBody(made.chain))));
  }
  if (session.json()) {
    nlohmann::json document = {{"certificate", made.certificate.name()},
                               {"certificateChain", made.chain},
                               {"activate_by", Rfc3339(made.activate_by)}};
    if (!options.out.empty()) document["files"] = {chain_file, body_file};
    session.PrintJson(document);
    return kDone;
  }
  session.out << (options.out.empty() ? made.chain : fmt::format("{}\n{}\n", chain_file, body_file));
  (options.out.empty() ? session.err : session.out) << NextStep(chain_file, body_file, made.activate_by);
  return kDone;
}

StatusOr<ExitCode> RunSign(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const Csr csr, ReadOne(session, options.csr));
  RETURN_IF_ERROR(Require(CheckRequest(csr.content), reason::kCsrMalformed, "and nothing was issued"));
  const std::string authority = AuthorityName(options.authority);
  ASSIGN_OR_RETURN(const v1::IssueCertificateRequest request, RequestFor(options, authority, csr.content));
  const Duration validity =
      options.lifetime.empty() ? absl::InfiniteDuration() : absl::Seconds(request.lifetime().seconds());
  ASSIGN_OR_RETURN(Client client, session.Connect());
  ASSIGN_OR_RETURN(const std::vector<Bytes> chain, FetchChain(client, authority));
  RETURN_IF_ERROR(
      Require(CheckSigner(chain, session.clock.Now(), validity), reason::kChainInvalid, "and nothing was issued"));

  Signed made;
  ASSIGN_OR_RETURN(made.certificate, Sign(session, client, request, chain.front()));
  made.chain = PemEncode("CERTIFICATE", AsBytes(made.certificate.certificate()));
  for (const Bytes& certificate : chain) made.chain += PemEncode("CERTIFICATE", certificate);
  made.stem = csr.stem.empty() ? "adr" : FileName(csr.stem);
  made.activate_by = absl::FromUnixSeconds(made.certificate.not_after().seconds()) - kAdrLeast;
  return Deliver(session, options, made);
}

}  // namespace

void AddPublishAdr(CLI::App& group, Session& session) {
  CLI::App* adr = AddCommand(group, "adr", "Azure Device Registry, whose issuing CA stands below a root of ours",
                             "  hallmark publish adr sign azure.csr --out adr");
  adr->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* sign = AddCommand(
      *adr, "sign",
      "Certify the CA that Azure Device Registry runs for a namespace (bring your own root): takes the CSR that Azure\n"
      "shows, checks all that Azure asks for before anything is signed, and writes the chain that activates it.\n\n"
      "The same command again is safe: it gets the same certificate.",
      "  az iot adr ns ca show --name CA --ns NAMESPACE --resource-group RESOURCE_GROUP \\\n"
      "    --query properties.issuer.certificateSigningRequest --output tsv > azure.csr\n"
      "  hallmark publish adr sign azure.csr --out adr\n"
      "  hallmark publish adr sign azure.csr --authority root-2 --lifetime 5y > chain.pem");
  sign->add_option("csr", options->csr, "The CSR, PEM or DER; - for standard input")->required()->type_name("FILE|-");
  sign->add_option("--authority", options->authority, "The root that certifies; its key must be EC")
      ->capture_default_str();
  sign->add_option("--out", options->out, "Write NAME-chain.pem and NAME-activate.json, named after the CSR's file")
      ->type_name("DIR");
  sign->add_option("--lifetime", options->lifetime, "E.g. 5y, more than 365d; the profile's own, 3y, if absent")
      ->check(IsDuration())
      ->type_name("DURATION");
  sign->callback([&session, options] { session.Finish(RunSign(session, *options)); });
}

}  // namespace hallmark::cli
