// SignedData (RFC 5652 5.1) taken apart as it is read.
#include <fmt/format.h>

#include <fstream>

#include "base/reason.h"
#include "factory/cms_ber.h"
#include "factory/cms_pem.h"
#include "factory/manifest_signature.h"

namespace hallmark {
namespace {

using ber::End;
using ber::Header;
using ber::Malformed;
using ber::Reader;

// id-data, id-signedData
constexpr uint8_t kData[] = {0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01};
constexpr uint8_t kSignedData[] = {0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02};

Status Unreadable(const std::filesystem::path& file, const char* what) {
  return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("{} {}", what, file.string()));
}

Status ExpectType(Reader& reader, End end, ByteView type, const char* what) {
  ASSIGN_OR_RETURN(const Header header, reader.Expect(ber::kObjectIdentifier, end, what));
  Bytes octets;
  RETURN_IF_ERROR(reader.Copy(header, octets, 64));
  return Equal(octets, type) ? absl::OkStatus() : Malformed(fmt::format("it has another {}", what));
}

Status ExpectEnd(Reader& reader, End end) {
  ASSIGN_OR_RETURN(const bool ends, reader.AtEnd(end));
  return ends ? absl::OkStatus() : Malformed("it has an element too many");
}

// EncapsulatedContentInfo: without a content, false. `out` null: a content is an error.
StatusOr<bool> TakeContent(Reader& reader, End outer, std::ostream* out) {
  ASSIGN_OR_RETURN(const Header info, reader.Expect(ber::kSequence, outer, "content info"));
  const End end = reader.EndOf(info);
  RETURN_IF_ERROR(ExpectType(reader, end, kData, "content type"));
  ASSIGN_OR_RETURN(const bool ends, reader.AtEnd(end));
  if (ends) return false;
  if (out == nullptr) return Malformed("it has a content, beside which a file cannot be what it signs");
  ASSIGN_OR_RETURN(const Header tag, reader.Expect(ber::kExplicit0, end, "content"));
  const End tag_end = reader.EndOf(tag);
  ASSIGN_OR_RETURN(const Header content, reader.Next(tag_end));
  if ((content.tag & ~ber::kConstructed) != ber::kOctetString) return Malformed("its content is no OCTET STRING");
  RETURN_IF_ERROR(reader.WriteOctets(content, *out));
  RETURN_IF_ERROR(ExpectEnd(reader, tag_end));
  RETURN_IF_ERROR(ExpectEnd(reader, end));
  return true;
}

void Wrap(Bytes& contents, uint8_t tag, ByteView before = {}) {
  Bytes whole = ber::DefiniteHeader(tag, contents.size() + before.size());
  Append(whole, before);
  Append(whole, contents);
  contents = std::move(whole);
}

// Returns the SignedData without its content, which goes to `out`; null: there must be none.
StatusOr<Bytes> Split(std::streambuf& in, std::ostream* out) {
  Reader reader(in);
  ASSIGN_OR_RETURN(const Header info, reader.Expect(ber::kSequence, std::nullopt, "ContentInfo"));
  const End info_end = reader.EndOf(info);
  RETURN_IF_ERROR(ExpectType(reader, info_end, kSignedData, "ContentInfo type"));
  ASSIGN_OR_RETURN(const Header tag, reader.Expect(ber::kExplicit0, info_end, "SignedData"));
  const End tag_end = reader.EndOf(tag);
  ASSIGN_OR_RETURN(const Header data, reader.Expect(ber::kSequence, tag_end, "SignedData"));
  const End data_end = reader.EndOf(data);
  Bytes fields;
  for (const char* what : {"version", "digest algorithms"}) {
    ASSIGN_OR_RETURN(const Header field, reader.Expect(what[0] == 'v' ? 0x02 : 0x31, data_end, what));
    RETURN_IF_ERROR(reader.Copy(field, fields, kSignatureLimit));
  }
  ASSIGN_OR_RETURN(const bool has_content, TakeContent(reader, data_end, out));
  if (!has_content && out != nullptr) {
    return Malformed("it has no content; send the manifest beside a detached signature");
  }
  Bytes type(std::begin(kData), std::end(kData));
  Wrap(type, ber::kSequence);
  Append(fields, type);
  while (true) {
    ASSIGN_OR_RETURN(const bool ends, reader.AtEnd(data_end));
    if (ends) break;
    ASSIGN_OR_RETURN(const Header field, reader.Next(data_end));
    RETURN_IF_ERROR(reader.Copy(field, fields, kSignatureLimit));
  }
  RETURN_IF_ERROR(ExpectEnd(reader, tag_end));
  RETURN_IF_ERROR(ExpectEnd(reader, info_end));
  RETURN_IF_ERROR(reader.ExpectNothing());
  Wrap(fields, ber::kSequence);
  Wrap(fields, ber::kExplicit0);
  Wrap(fields, ber::kSequence, kSignedData);
  return fields;
}

StatusOr<Bytes> SplitAny(std::istream& in, std::ostream* out) {
  if (!IsPem(in)) return Split(*in.rdbuf(), out);
  PemInput pem(in);
  StatusOr<Bytes> split = Split(pem, out);
  RETURN_IF_ERROR(pem.status());
  return split;
}

}  // namespace

StatusOr<Bytes> SplitSignedData(const std::filesystem::path& signed_file, const std::filesystem::path& content_file) {
  std::ifstream in(signed_file, std::ios::binary);
  if (!in) return Unreadable(signed_file, "cannot read");
  std::ofstream out(content_file, std::ios::binary | std::ios::trunc);
  if (!out) return Unreadable(content_file, "cannot write");
  ASSIGN_OR_RETURN(Bytes signature, SplitAny(in, &out));
  if (!out.flush()) return Unreadable(content_file, "cannot write");
  return signature;
}

StatusOr<Bytes> ReadDetachedSignature(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Unreadable(file, "cannot read");
  return SplitAny(in, nullptr);
}

}  // namespace hallmark
