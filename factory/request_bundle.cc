#include "factory/request_bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/reason.h"
#include "factory/manifest_json.h"
#include "factory/manifest_signature.h"
#include "factory/signed_data.h"

namespace hallmark {
namespace {

constexpr size_t kRequestLimit = size_t{1} << 20;
constexpr size_t kNameLimit = 64;
constexpr int kVersion = 1;
constexpr char kRequests[] = "station-requests";

Status Invalid(const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kBundleInvalid,
               fmt::format("the bundle {}; nothing of it was answered", what));
}

// What the readers of manifests say of it, said of a bundle.
Status OfBundle(const Status& status) {
  if (Reason(status) != reason::kManifestSignatureInvalid) return status;
  return Invalid(fmt::format("is not signed as it must be: {}", Message(status)));
}

StatusOr<Bytes> SignerOf(const std::filesystem::path& content_file, ByteView signature) {
  ASSIGN_OR_RETURN(const ssl::Cms cms, signed_data::Read(signature));
  CMS_set1_signers_certs(cms.get(), nullptr, 0);
  ssl::DrainErrors();
  STACK_OF(CMS_SignerInfo)* infos = CMS_get0_SignerInfos(cms.get());
  const int count = infos == nullptr ? 0 : sk_CMS_SignerInfo_num(infos);
  if (count != 1) return Invalid(fmt::format("has {} signers, not one", count));
  CMS_SignerInfo* info = sk_CMS_SignerInfo_value(infos, 0);
  X509* certificate = nullptr;
  CMS_SignerInfo_get0_algs(info, nullptr, &certificate, nullptr, nullptr);
  if (certificate == nullptr) return Invalid("has no certificate of its signer within");
  if (const std::string fault = signed_data::FaultOf(info); !fault.empty()) {
    return Invalid("is not signed as it must be: " + fault);
  }
  RETURN_IF_ERROR(signed_data::VerifyContent(cms.get(), nullptr, content_file));
  return ssl::ToDer(i2d_X509, certificate);
}

StatusOr<std::string> DigestOf(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("cannot read {}", file.string()));
  }
  SummedInput summed(in);
  std::array<char, 4096> block;
  while (summed.sgetn(block.data(), block.size()) > 0) continue;
  RETURN_IF_ERROR(summed.status());
  ASSIGN_OR_RETURN(const Digest digest, summed.Sha256());
  return Hex(digest);
}

std::string TextOf(const nlohmann::json& header, const char* field) {
  const auto found = header.find(field);
  return found != header.end() && found->is_string() ? found->get<std::string>() : "";
}

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kNameLimit && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == ':' || c == '-';
  });
}

}  // namespace

StatusOr<RequestBundle> RequestBundle::Open(const std::filesystem::path& signed_file,
                                            const std::filesystem::path& content_file) {
  const StatusOr<Bytes> signature = SplitSignedData(signed_file, content_file);
  if (!signature.ok()) return OfBundle(signature.status());
  RequestBundle bundle;
  StatusOr<Bytes> signer = SignerOf(content_file, *signature);
  ssl::DrainErrors();  // of what was tried on a broken structure
  if (!signer.ok()) return OfBundle(signer.status());
  bundle.signer_ = *std::move(signer);
  ASSIGN_OR_RETURN(bundle.sha256_, DigestOf(content_file));
  bundle.content_.open(content_file, std::ios::binary);
  RETURN_IF_ERROR(bundle.ReadHeader());
  return bundle;
}

Status RequestBundle::ReadHeader() {
  ASSIGN_OR_RETURN(const std::optional<std::string> line, Next());
  if (!line.has_value()) return Invalid("is empty");
  const nlohmann::json header = nlohmann::json::parse(*line, nullptr, false);
  if (!header.is_object() || TextOf(header, "hallmark") != kRequests) {
    return Fault(
        fmt::format("is not {{\"hallmark\":\"{}\",...}}; give what `hallmark station export` wrote", kRequests));
  }
  const auto version = header.find("version");
  if (version == header.end() || *version != kVersion) {
    return Fault(fmt::format("is of another version than {}", kVersion));
  }
  name_ = TextOf(header, "bundle");
  station_ = TextOf(header, "station");
  if (!IsName(name_)) return Fault("names no bundle, of 1 to 64 letters, digits and . _ : -");
  if (station_.empty()) return Fault("names no station");
  first_ = content_.tellg();
  return absl::OkStatus();
}

StatusOr<std::optional<std::string>> RequestBundle::Next() {
  ++line_;
  std::string line;
  char c = 0;
  while (content_.get(c) && c != '\n') {
    line += c;
    if (line.size() > kRequestLimit) return Fault(fmt::format("is longer than {} octets", kRequestLimit));
  }
  if (content_.bad()) return Fault("cannot be read");
  if (line.empty() && content_.eof()) return std::optional<std::string>();
  return std::optional(std::move(line));
}

Status RequestBundle::CheckAll(const std::function<Status(const std::string& request)>& check) {
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<std::string> request, Next());
    if (!request.has_value()) break;
    if (const Status status = check(*request); !status.ok()) return Fault(Message(status));
  }
  if (line_ == 2) return Invalid("asks for nothing");
  content_.clear();
  content_.seekg(first_);
  line_ = 1;
  return content_ ? absl::OkStatus() : Fault("cannot be read");
}

Status RequestBundle::Fault(const std::string& what) const {
  return Error(Code::kInvalidArgument, reason::kBundleInvalid, fmt::format("line {} of the bundle {}", line_, what));
}

}  // namespace hallmark
