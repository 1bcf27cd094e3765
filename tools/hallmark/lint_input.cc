#include "tools/hallmark/lint_input.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>

#include "base/file.h"
#include "ca/der.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli {
namespace {

constexpr size_t kFileLimit = size_t{256} << 20;  // a CRL of some million entries

using Kind = LintInput::Kind;

// Neither object fits into the 127 octets of a short length, and no text goes on with an octet that is not ASCII.
bool IsDer(ByteView octets) { return octets.size() > 1 && octets[0] == der::kSequence && octets[1] >= 0x80; }

// The fourth field tells: of a CertificateList it is a Time, of a Certificate the validity (RFC 5280 4.1, 5.1).
Kind KindOf(ByteView der) {
  const StatusOr<ByteView> whole = der::Reader(der).Content(der::kSequence);
  const StatusOr<ByteView> tbs = whole.ok() ? der::Reader(*whole).Content(der::kSequence) : whole;
  if (!tbs.ok()) return Kind::kCertificate;
  der::Reader fields(*tbs);
  const bool readable = fields.OptionalContent(der::kInteger).ok() && fields.Content(der::kSequence).ok() &&
                        fields.Content(der::kSequence).ok();
  const bool time = fields.tag() == der::kUtcTime || fields.tag() == der::kGeneralizedTime;
  return readable && time ? Kind::kCrl : Kind::kCertificate;
}

std::optional<Kind> KindOfLabel(std::string_view label) {
  if (label == "CERTIFICATE" || label == "X509 CERTIFICATE") return Kind::kCertificate;
  if (label == "X509 CRL" || label == "CRL") return Kind::kCrl;
  return std::nullopt;
}

// Adds the certificates and CRLs among the PEM blocks of `text`.
Status AddBlocks(const std::string& source, std::string_view text, std::vector<LintInput>& inputs) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kDashes = "-----";
  for (size_t at = text.find(kBegin); at != text.npos; at = text.find(kBegin, at + 1)) {
    const size_t name = at + kBegin.size();
    const size_t dashes = text.find(kDashes, name);
    if (dashes == text.npos) break;
    const std::string_view label = text.substr(name, dashes - name);
    const std::optional<Kind> kind = KindOfLabel(label);
    if (!kind.has_value()) continue;
    const std::string end = fmt::format("-----END {}-----", label);
    const size_t stop = text.find(end, dashes);
    const size_t size = stop == text.npos ? text.npos : stop + end.size() - at;
    StatusOr<std::vector<Bytes>> block = PemDecode(label, text.substr(at, size));
    if (!block.ok()) return UsageError(fmt::format("cannot read {}: {}", source, Message(block.status())));
    inputs.push_back({source, *kind, std::move(block->front())});
  }
  return absl::OkStatus();
}

Status Add(const std::string& source, const std::string& text, std::vector<LintInput>& inputs) {
  std::vector<LintInput> found;
  if (IsDer(AsBytes(text))) {
    found.push_back({source, KindOf(AsBytes(text)), ToBytes(AsBytes(text))});
  } else {
    RETURN_IF_ERROR(AddBlocks(source, text, found));
  }
  if (found.empty()) {
    return UsageError(fmt::format("there is no certificate and no CRL in {}; PEM or DER was expected", source));
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (found.size() > 1) found[i].source = fmt::format("{}#{}", source, i + 1);
    inputs.push_back(std::move(found[i]));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::vector<LintInput>> ReadLintInputs(const std::vector<std::string>& arguments, std::istream& in) {
  std::vector<LintInput> inputs;
  for (const std::string& argument : arguments) {
    if (argument == "-") {
      RETURN_IF_ERROR(Add("standard input", std::string(std::istreambuf_iterator<char>(in), {}), inputs));
      continue;
    }
    ASSIGN_OR_RETURN(const std::string text, ReadFile(argument, kFileLimit));
    RETURN_IF_ERROR(Add(argument, text, inputs));
  }
  return inputs;
}

}  // namespace hallmark::cli
