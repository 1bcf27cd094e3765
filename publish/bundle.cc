#include "publish/bundle.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/names.h"
#include "ca/report.h"
#include "publish/bundle_steps.h"

namespace hallmark {
namespace {

constexpr char kManifestKind[] = "Bundle manifest";
constexpr size_t kNameLimit = 63;

StatusOr<std::string> Sha1(ByteView octets) {
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(octets.data(), octets.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    return Error(Code::kInternal, reason::kInternal, "OpenSSL cannot compute a SHA-1: " + ssl::DrainErrors());
  }
  return absl::AsciiStrToUpper(Hex({digest.data(), size}));
}

// Of a certificate of no authority of this instance: its CN, of the characters that names of ours have.
std::string NameOf(const Subject& subject) {
  std::string name;
  for (const unsigned char c : ValueOf(subject, "CN")) {
    if (absl::ascii_isalnum(c)) {
      name += absl::ascii_tolower(c);
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "authority" : name.substr(0, kNameLimit);
}

std::string NameOf(const Issuers::Snapshot& known, const Bytes& certificate, const Subject& subject) {
  for (const AuthorityRecord& record : known.records) {
    if (record.certificate == certificate) return record.authority;
  }
  for (const auto& [name, elsewhere] : known.elsewhere) {
    if (elsewhere == certificate) return name;
  }
  return NameOf(subject);
}

StatusOr<BundleCertificate> Read(const Issuers::Snapshot& known, const Bytes& certificate) {
  ASSIGN_OR_RETURN(const CertificateParts parts, ReadCertificate(certificate));
  ASSIGN_OR_RETURN(const Subject subject, ReadName(parts.subject));
  ASSIGN_OR_RETURN(const Subject issuer, ReadName(parts.issuer));
  BundleCertificate read;
  read.name = NameOf(known, certificate, subject);
  read.pem = PemEncode("CERTIFICATE", certificate);
  read.subject = ToRfc4514(subject);
  read.issuer = ToRfc4514(issuer);
  const auto first = std::find_if(parts.serial.begin(), parts.serial.end(), [](uint8_t octet) { return octet != 0; });
  read.serial = Hex(ByteView(first, parts.serial.end()));
  ASSIGN_OR_RETURN(read.sha1, Sha1(certificate));
  read.sha256 = Hex(Sha256(certificate));
  read.not_before = parts.not_before;
  read.not_after = parts.not_after;
  return read;
}

// Two certificates that would have one name are told apart by their place in the chain.
StatusOr<std::vector<BundleCertificate>> ReadAll(const Issuers::Snapshot& known, const std::vector<Bytes>& chain) {
  std::vector<BundleCertificate> read;
  for (const Bytes& certificate : chain) {
    ASSIGN_OR_RETURN(BundleCertificate next, Read(known, certificate));
    const bool taken =
        std::any_of(read.begin(), read.end(), [&](const auto& other) { return other.name == next.name; });
    if (taken) next.name += fmt::format("-{}", read.size() + 1);
    read.push_back(std::move(next));
  }
  return read;
}

std::string Joined(std::vector<BundleCertificate>::const_iterator from,
                   std::vector<BundleCertificate>::const_iterator to) {
  std::string pem;
  for (; from != to; ++from) pem += from->pem;
  return pem;
}

std::string ManifestText(const BundleTexts& texts, const Bundle& files, const Caller& caller, Time now) {
  nlohmann::json certificates = nlohmann::json::array();
  for (const BundleCertificate& certificate : texts.chain) {
    certificates.push_back({{"file", certificate.name + ".cer"},
                            {"subject", certificate.subject},
                            {"issuer", certificate.issuer},
                            {"serial", certificate.serial},
                            {"sha1_thumbprint", certificate.sha1},
                            {"sha256", certificate.sha256},
                            {"not_before", Rfc3339(certificate.not_before)},
                            {"not_after", Rfc3339(certificate.not_after)}});
  }
  nlohmann::json digests = nlohmann::json::object();
  for (const auto& [name, content] : files) digests[name] = Hex(Sha256(AsBytes(content)));
  const nlohmann::json manifest = {{"what", kBundleKind},
                                   {"format", 1},
                                   {"realm", texts.realm},
                                   {"authority", "authorities/" + texts.authority},
                                   {"made", Rfc3339(now)},
                                   {"made_by", caller.uri},
                                   {"certificates", std::move(certificates)},
                                   {"files", std::move(digests)}};
  return manifest.dump(2) + "\n";
}

std::string SumsText(const Bundle& files) {
  std::string text;
  for (const auto& [name, content] : files) text += fmt::format("{}  {}\n", Hex(Sha256(AsBytes(content))), name);
  return text;
}

void AddCertificates(const BundleTexts& texts, const std::vector<Bytes>& chain, Bundle& files) {
  const auto root = std::prev(texts.chain.end());
  files["root.pem"] = root->pem;
  files["chain.pem"] = Joined(texts.chain.begin(), texts.chain.end());
  if (texts.chain.size() > 1) files["intermediates.pem"] = Joined(texts.chain.begin(), root);
  for (size_t i = 0; i < chain.size(); ++i) files[texts.chain[i].name + ".cer"] = ToString(chain[i]);
}

struct Unsigned {
  BundleTexts texts;
  Bundle files;
};

StatusOr<Unsigned> MakeFiles(const CertificateAuthority& authority, const Caller& caller, const std::string& name) {
  const CertificateAuthority::Parts& parts = authority.parts();
  RETURN_IF_ERROR(
      authority.Authorize(caller, permission::kExportBundle, {name, "", "", parts.issuers.Predecessors(name)}));
  ASSIGN_OR_RETURN(const IssuerPointer issuer, authority.FindIssuer(name));
  RETURN_IF_ERROR(authority.CheckValid(*issuer));
  ASSIGN_OR_RETURN(const IssuerPointer signer, authority.FindIssuer(caller.authority));

  const Bytes& root = signer->chain().back();
  Unsigned made{.texts = {name, caller.realm, {}, "root.pem", Hex(Sha256(root))}, .files = {}};
  auto& [texts, files] = made;
  ASSIGN_OR_RETURN(texts.chain, ReadAll(*parts.issuers.Current(), issuer->chain()));
  texts.chain.front().name = name;
  AddCertificates(texts, issuer->chain(), files);
  if (root != issuer->chain().back()) {
    texts.signer_root = "signer-root.pem";
    files[texts.signer_root] = PemEncode("CERTIFICATE", root);
  }
  files["STEPS.md"] = StepsText(texts);
  files["publish.sh"] = PublishScript(texts);
  return made;
}

}  // namespace

StatusOr<Bundle> MakeUnsignedBundle(const CertificateAuthority& authority, const Caller& caller,
                                    const std::string& name) {
  ASSIGN_OR_RETURN(Unsigned made, MakeFiles(authority, caller, name));
  return std::move(made.files);
}

StatusOr<Bundle> MakeBundle(const CertificateAuthority& authority, const Caller& caller, const std::string& name,
                            Time deadline) {
  ASSIGN_OR_RETURN(Unsigned made, MakeFiles(authority, caller, name));
  Bundle files = std::move(made.files);
  const std::string manifest = ManifestText(made.texts, files, caller, authority.parts().clock.Now());
  ASSIGN_OR_RETURN(const Bytes signature,
                   SignReport(authority, caller, caller.authority,
                              {.kind = kManifestKind, .about = name, .content = manifest, .detached = true},
                              permission::kExportBundle, deadline));
  files[kBundleManifest] = manifest;
  files["manifest.p7s"] = ToString(signature);
  std::string sums = SumsText(files);
  files[kBundleSums] = std::move(sums);
  return files;
}

}  // namespace hallmark
