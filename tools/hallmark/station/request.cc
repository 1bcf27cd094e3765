#include "tools/hallmark/station/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/openssl.h"
#include "tools/hallmark/csr.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli::station {
namespace {

constexpr size_t kListLimit = size_t{64} << 20;
constexpr size_t kKeyLimit = size_t{64} << 10;

// Takes one record off the front of `text`. False when a quote is not closed, or something stands behind one.
bool TakeRecord(std::string_view& text, std::vector<std::string>& fields) {
  fields.assign(1, "");
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\n') return true;
    if (c == ',') {
      fields.emplace_back();
    } else if (c == '"' && fields.back().empty()) {
      size_t end = 0;
      while (end < text.size() && (text[end] != '"' || (end + 1 < text.size() && text[end + 1] == '"'))) {
        fields.back() += text[end];
        end += text[end] == '"' ? 2 : 1;
      }
      if (end >= text.size()) return false;
      text.remove_prefix(end + 1);
      if (!text.empty() && text.front() != ',' && text.front() != '\n' && text.front() != '\r') return false;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  return true;
}

StatusOr<std::string> ReadPublicKey(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kKeyLimit));
  StatusOr<std::vector<Bytes>> blocks = PemDecode("PUBLIC KEY", text);
  if (blocks.ok() && blocks->size() == 1) text = ToString(blocks->front());
  const auto* data = reinterpret_cast<const uint8_t*>(text.data());
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &data, static_cast<long>(text.size())));
  if (key != nullptr && data == reinterpret_cast<const uint8_t*>(text.data()) + text.size()) return text;
  ssl::DrainErrors();
  return UsageError(fmt::format("{} is not a public key (SubjectPublicKeyInfo) in PEM or DER", path.string()));
}

struct Columns {
  size_t file = std::string::npos;
  size_t serial = std::string::npos;
  size_t endorsement_key_file = std::string::npos;
  size_t reissue_reason = std::string::npos;
};

StatusOr<Columns> ReadHeader(const std::vector<std::string>& names) {
  Columns columns;
  for (size_t i = 0; i < names.size(); ++i) {
    size_t* column = names[i] == "file"                   ? &columns.file
                     : names[i] == "serial"               ? &columns.serial
                     : names[i] == "endorsement_key_file" ? &columns.endorsement_key_file
                     : names[i] == "reissue_reason"       ? &columns.reissue_reason
                                                          : nullptr;
    if (column == nullptr || *column != std::string::npos) {
      return UsageError(fmt::format("column '{}' is unknown or there twice", names[i]));
    }
    *column = i;
  }
  if (columns.file == std::string::npos) return UsageError("there is no column 'file'");
  return columns;
}

StatusOr<Attributes> ReadAttributes(const Columns& columns, const std::vector<std::string>& fields,
                                    const std::filesystem::path& directory) {
  const auto field = [&](size_t column) { return column < fields.size() ? fields[column] : std::string(); };
  Attributes attributes;
  attributes.serial = field(columns.serial);
  attributes.reissue_reason = field(columns.reissue_reason);
  if (const std::string file = field(columns.endorsement_key_file); !file.empty()) {
    ASSIGN_OR_RETURN(attributes.endorsement_key, ReadPublicKey(directory / file));
  }
  return attributes;
}

}  // namespace

StatusOr<List> ReadList(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path, kListLimit));
  std::string_view text = content;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a spreadsheet's byte order mark
  std::vector<std::string> fields;
  const auto fault = [&path, &fields](size_t record, const std::string& what) {
    return UsageError(fmt::format("{}, record {} ({}): {}", path.string(), record, fields[0], what));
  };
  if (!TakeRecord(text, fields)) return fault(1, "a quote is not closed, or something stands behind it");
  const StatusOr<Columns> columns = ReadHeader(fields);
  if (!columns.ok()) return fault(1, Message(columns.status()));
  const size_t width = fields.size();
  List list;
  for (size_t record = 2; !text.empty(); ++record) {
    if (!TakeRecord(text, fields)) return fault(record, "a quote is not closed, or something stands behind it");
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != width) return fault(record, fmt::format("has {} fields, not {}", fields.size(), width));
    StatusOr<Attributes> attributes = ReadAttributes(*columns, fields, path.parent_path());
    if (!attributes.ok()) return fault(record, Message(attributes.status()));
    const std::string file = std::filesystem::path(fields[columns->file]).lexically_normal().string();
    if (file.empty()) return fault(record, "names no file");
    if (!list.emplace(file, *std::move(attributes)).second) return fault(record, "the file is there twice");
  }
  return list;
}

std::string RequestIdOf(const v1::IssueCertificateRequest& request, int64_t attempt) {
  std::string asked = request.profile();
  if (!request.lot().empty() || !request.device_serial().empty() || !request.reissue_reason().empty() ||
      !request.endorsement_key().empty()) {
    asked += fmt::format("\n{}\n{}\n{}", request.lot(), request.device_serial(), request.reissue_reason());
  }
  if (!request.endorsement_key().empty()) asked += "\n" + Hex(Sha256(AsBytes(request.endorsement_key())));
  const std::string id = DefaultRequestId(request.parent(), asked, AsBytes(request.csr()));
  return attempt == 0 ? id : fmt::format("{}:{}", id, attempt);
}

v1::IssueCertificateRequest MakeRequest(const Terms& terms, const std::string& name, const std::string& csr,
                                        const Attributes& attributes) {
  v1::IssueCertificateRequest request;
  request.set_parent(terms.parent);
  request.set_profile(terms.profile);
  request.set_lot(terms.lot);
  request.set_csr(csr);
  request.set_device_serial(attributes.serial.empty() && terms.serial_from_name ? name : attributes.serial);
  request.set_endorsement_key(attributes.endorsement_key);
  request.set_reissue_reason(attributes.reissue_reason);
  request.set_request_id(RequestIdOf(request, 0));
  return request;
}

}  // namespace hallmark::cli::station
