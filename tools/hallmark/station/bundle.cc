#include "tools/hallmark/station/bundle.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <openssl/err.h>

#include <nlohmann/json.hpp>

#include "base/openssl.h"
#include "base/reason.h"

namespace hallmark::cli::station {
namespace {

constexpr size_t kLineLimit = size_t{1} << 20;
constexpr int kVersion = 1;

using Stack = ssl::Owner<STACK_OF(X509), [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }>;

Status Fault(size_t line, const std::string& what) {
  return Error(Code::kInvalidArgument, reason::kBundleInvalid, fmt::format("line {} of the answers {}", line, what));
}

ssl::Bio Memory(std::string_view text) { return ssl::Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Reads a line without its end, at most kLineLimit octets of it. False at the end.
bool ReadLine(std::istream& in, std::string& line) {
  line.clear();
  for (char c = 0; line.size() <= kLineLimit && in.get(c);) {
    if (c == '\n') return true;
    line += c;
  }
  return !line.empty();
}

StatusOr<std::string> ReadHeader(const std::string& line) {
  const nlohmann::json header = nlohmann::json::parse(line, nullptr, false);
  if (!header.is_object() || !header.contains("hallmark") || header["hallmark"] != "station-answers") {
    return Fault(1, "is not {\"hallmark\":\"station-answers\",...}; give what `hallmark batch sign` wrote");
  }
  if (!header.contains("version") || header["version"] != kVersion) {
    return Fault(1, fmt::format("is of another version than {}; use the newer program", kVersion));
  }
  if (!header.contains("bundle") || !header["bundle"].is_string()) return Fault(1, "names no bundle");
  return header["bundle"].get<std::string>();
}

}  // namespace

StatusOr<std::string> WriteRequests(const std::string& bundle, const std::string& station, Time created,
                                    const std::vector<Entry>& entries) {
  const nlohmann::ordered_json header = {{"hallmark", "station-requests"},
                                         {"version", kVersion},
                                         {"bundle", bundle},
                                         {"station", station},
                                         {"created", Rfc3339(created)}};
  std::string text = header.dump() + "\n";
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  for (const Entry& entry : entries) {
    std::string line;
    if (!google::protobuf::util::MessageToJsonString(entry.request, &line, options).ok()) {
      return Error(
          Code::kInvalidArgument, reason::kRequestInvalid,
          fmt::format("the request of {} cannot be written as JSON; is its serial or reason UTF-8?", entry.name));
    }
    text += line + "\n";
  }
  return text;
}

StatusOr<Bytes> SignBundle(const std::string& content, const Context& context) {
  const ssl::Bio certificates = Memory(context.certificate);
  const ssl::Bio key_pem = Memory(context.key.Reveal());
  const ssl::Certificate own(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  const ssl::EvpKey key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
  const Stack chain(sk_X509_new_null());
  while (chain != nullptr) {
    ssl::Certificate above(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
    if (above == nullptr || sk_X509_push(chain.get(), above.get()) <= 0) break;
    above.release();  // the stack owns it now
  }
  ERR_clear_error();  // of the end of the file
  const ssl::Bio in = Memory(content);
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  constexpr unsigned kFlags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP;
  const ssl::Cms cms(CMS_sign(nullptr, nullptr, chain.get(), nullptr, kFlags));
  if (own == nullptr || key == nullptr || in == nullptr || out == nullptr || cms == nullptr ||
      CMS_add1_signer(cms.get(), own.get(), key.get(), EVP_sha256(), kFlags) == nullptr ||
      CMS_final(cms.get(), in.get(), nullptr, kFlags) != 1 || i2d_CMS_bio(out.get(), cms.get()) != 1) {
    return Error(Code::kFailedPrecondition, reason::kConfigurationInvalid,
                 fmt::format("cannot sign with the credential of {}: {}", context.file.string(), ssl::DrainErrors()));
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return ToBytes(AsBytes({data, static_cast<size_t>(size)}));
}

StatusOr<std::string> ReadAnswers(std::istream& in,
                                  const std::function<Status(const v1::IssueCertificatesResponse&)>& on_answer) {
  std::string line;
  if (!ReadLine(in, line)) return Fault(1, "is missing; the file is empty");
  ASSIGN_OR_RETURN(std::string bundle, ReadHeader(line));
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  for (size_t number = 2; ReadLine(in, line); ++number) {
    if (line.size() > kLineLimit) return Fault(number, fmt::format("is longer than {} octets", kLineLimit));
    v1::IssueCertificatesResponse answer;
    if (!google::protobuf::util::JsonStringToMessage(line, &answer, options).ok() || answer.request_id().empty() ||
        answer.result_case() == v1::IssueCertificatesResponse::RESULT_NOT_SET) {
      return Fault(number, "is no answer to a request");
    }
    RETURN_IF_ERROR(on_answer(answer));
  }
  return bundle;
}

}  // namespace hallmark::cli::station
