#include "tools/hallmark/names.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "base/file.h"
#include "base/openssl.h"
#include "base/reason.h"
#include "tools/hallmark/failure.h"

namespace hallmark::cli {
namespace {

constexpr std::string_view kAuthorities = "authorities/";
constexpr std::string_view kCertificates = "/certificates/";
constexpr size_t kKeyFileLimit = size_t{64} << 10;

struct NamedReason {
  v1::RevocationReason reason;
  int number;  // RFC 5280 5.3.1
  const char* name;
};
constexpr std::array kReasons = {
    NamedReason{v1::UNSPECIFIED, 0, "unspecified"},
    NamedReason{v1::KEY_COMPROMISE, 1, "keyCompromise"},
    NamedReason{v1::CA_COMPROMISE, 2, "cACompromise"},
    NamedReason{v1::AFFILIATION_CHANGED, 3, "affiliationChanged"},
    NamedReason{v1::SUPERSEDED, 4, "superseded"},
    NamedReason{v1::CESSATION_OF_OPERATION, 5, "cessationOfOperation"},
    NamedReason{v1::CERTIFICATE_HOLD, 6, "certificateHold"},
    NamedReason{v1::REMOVE_FROM_CRL, 8, "removeFromCRL"},
    NamedReason{v1::PRIVILEGE_WITHDRAWN, 9, "privilegeWithdrawn"},
    NamedReason{v1::AA_COMPROMISE, 10, "aACompromise"},
};

std::string Folded(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (c != '_') folded += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

StatusOr<ssl::Certificate> ParseCertificate(ByteView der) {
  const uint8_t* position = der.data();
  ssl::Certificate certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  if (certificate == nullptr || position != der.data() + der.size()) {
    return Error(Code::kInvalidArgument, reason::kRequestInvalid,
                 fmt::format("not a certificate in DER: {}", ssl::DrainErrors()));
  }
  return certificate;
}

// The serial number that `text` writes, as the service's names have it; "" if it is none.
std::string ParseSerial(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string digits;
  for (const char c : text) {
    if (c != ':') digits += c;
  }
  if (digits.size() % 2 == 1) digits.insert(0, "0");
  const StatusOr<Bytes> octets = FromHex(digits);
  if (!octets.ok()) return "";
  const auto first = std::find_if(octets->begin(), octets->end(), [](uint8_t octet) { return octet != 0; });
  return Hex(ByteView(first, octets->end()));
}

StatusOr<Bytes> ReadCertificateFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path, size_t{1} << 20));
  if (content.find("-----BEGIN ") == content.npos) return ToBytes(AsBytes(content));
  const ssl::Bio bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
  if (bio == nullptr) return absl::InternalError("OpenSSL could not make a memory BIO");
  const ssl::Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return UsageError(fmt::format("{} holds no certificate in PEM: {}", path, ssl::DrainErrors()));
  }
  return ssl::ToDer(i2d_X509, certificate.get());
}

}  // namespace

std::string AuthorityName(const std::string& text) {
  return text.starts_with(kAuthorities) ? text : std::string(kAuthorities) + text;
}

std::string ShortAuthority(const std::string& name) {
  if (!name.starts_with(kAuthorities)) return name;
  return name.substr(kAuthorities.size(), name.find('/', kAuthorities.size()) - kAuthorities.size());
}

StatusOr<CertificateReference> ReadReference(const std::string& text, const std::string& authority) {
  if (text.starts_with(kAuthorities) && text.find(kCertificates) != text.npos) return CertificateReference{text, {}};
  const std::string prefix = AuthorityName(authority) + std::string(kCertificates);
  std::error_code error;
  if (!std::filesystem::exists(text, error)) {
    if (const std::string serial = ParseSerial(text); !serial.empty()) return CertificateReference{prefix + serial, {}};
    return UsageError(
        fmt::format("'{}' is neither a certificate's name (authorities/devices/certificates/4a01...), nor "
                    "its serial number in hexadecimal, nor a file",
                    text));
  }
  ASSIGN_OR_RETURN(Bytes der, ReadCertificateFile(text));
  const StatusOr<std::string> serial = SerialOf(der);
  if (!serial.ok()) return UsageError(fmt::format("{} holds no certificate: {}", text, Message(serial.status())));
  return CertificateReference{prefix + *serial, std::move(der)};
}

StatusOr<v1::RevocationReason> ParseReason(const std::string& text) {
  std::string known;
  for (const NamedReason& row : kReasons) {
    if (Folded(text) == Folded(row.name) || text == std::to_string(row.number)) return row.reason;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", row.name, row.number);
  }
  return UsageError(
      fmt::format("'{}' is not a reason to revoke a certificate (RFC 5280 5.3.1); there are {}", text, known));
}

const char* ReasonName(v1::RevocationReason reason) {
  for (const NamedReason& row : kReasons) {
    if (reason == row.reason) return row.name;
  }
  return "unknown reason";
}

StatusOr<Time> ParsePast(const std::string& option, const std::string& text, Time now) {
  Time time;
  std::string why;
  if (!absl::ParseTime(absl::RFC3339_sec, text, &time, &why) || time != TruncateToSecond(time)) {
    return UsageError(fmt::format("{} {}: write 2026-11-28T10:00:00Z", option, text));
  }
  if (time > now) return UsageError(option + " is in the future");
  return time;
}

StatusOr<std::string> ReadKeyDigest(const std::string& text) {
  const std::string folded = Folded(text);
  if (folded.size() == 2 * Digest().size() && FromHex(folded).ok()) return folded;
  ASSIGN_OR_RETURN(const std::string content, ReadFile(text, kKeyFileLimit));
  const bool is_pem = content.find("-----BEGIN") != std::string::npos;
  Bytes der = ToBytes(AsBytes(content));
  if (is_pem) {
    for (const char* label : {"PUBLIC KEY", "CERTIFICATE"}) {
      const StatusOr<std::vector<Bytes>> blocks = PemDecode(label, content);
      if (blocks.ok() && !blocks->empty()) der = blocks->front();
    }
  }
  const uint8_t* position = der.data();
  ssl::EvpKey key(d2i_PUBKEY(nullptr, &position, static_cast<long>(der.size())));
  if (key != nullptr && position == der.data() + der.size()) return Hex(Sha256(der));
  const StatusOr<ssl::Certificate> certificate = ParseCertificate(der);
  ssl::DrainErrors();
  if (!certificate.ok()) {
    return UsageError(
        fmt::format("{} is neither a public key nor a certificate, PEM or DER, nor 64 hexadecimal digits", text));
  }
  ASSIGN_OR_RETURN(const Bytes spki, ssl::ToDer(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate->get())));
  return Hex(Sha256(spki));
}

StatusOr<std::string> NewRequestId() {
  std::array<uint8_t, 16> octets;
  if (RAND_bytes(octets.data(), octets.size()) == 1) return Hex(octets);
  return Error(Code::kInternal, reason::kInternal, "no random numbers: " + ssl::DrainErrors());
}

StatusOr<std::string> SerialOf(ByteView certificate) {
  ASSIGN_OR_RETURN(const ssl::Certificate parsed, ParseCertificate(certificate));
  const ssl::Bignum serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(parsed.get()), nullptr));
  if (serial == nullptr) return absl::InternalError("OpenSSL could not read a serial number");
  Bytes octets(static_cast<size_t>(BN_num_bytes(serial.get())));
  BN_bn2bin(serial.get(), octets.data());
  return Hex(octets);
}

std::string CommonName(ByteView certificate) {
  const StatusOr<ssl::Certificate> parsed = ParseCertificate(certificate);
  if (!parsed.ok()) return "";
  const X509_NAME* subject = X509_get_subject_name(parsed->get());
  int last = -1;
  for (int next = -1; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, next)) >= 0;) last = next;
  if (last < 0) return "";
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
  return ToString({ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))});
}

StatusOr<std::vector<v1::Attribute>> ParseSubject(const std::string& text) {
  std::vector<v1::Attribute> subject;
  std::string part;
  const auto take = [&]() -> Status {
    const size_t start = part.find_first_not_of(' ');
    const size_t equals = part.find('=');
    if (start == part.npos || equals == part.npos || equals <= start || equals + 1 == part.size()) {
      return UsageError(fmt::format(
          "'{}' is not a subject; write it like \"O=Example, CN=Plant B\", a comma in a value as \\,", text));
    }
    v1::Attribute& attribute = subject.emplace_back();
    attribute.set_type(part.substr(start, equals - start));
    attribute.set_value(part.substr(equals + 1));
    part.clear();
    return absl::OkStatus();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      RETURN_IF_ERROR(take());
    } else {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      part += text[i];
    }
  }
  RETURN_IF_ERROR(take());
  return subject;
}

StatusOr<std::string> ReadCertificates(const std::vector<std::string>& paths) {
  std::string all;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string content, ReadFile(path, size_t{1} << 20));
    if (content.find("-----BEGIN CERTIFICATE-----") == content.npos) {
      const bool pem = content.find("-----BEGIN ") != content.npos;
      if (pem && paths.size() > 1) return UsageError(fmt::format("{} holds no certificate in PEM or DER", path));
      all += content;
      continue;
    }
    const ssl::Bio bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    if (bio == nullptr) return absl::InternalError("OpenSSL could not make a memory BIO");
    while (true) {
      const ssl::Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
      if (certificate == nullptr) break;
      ASSIGN_OR_RETURN(const Bytes der, ssl::ToDer(i2d_X509, certificate.get()));
      all += AsText(der);
    }
    const std::string end = ssl::DrainErrors();
    if (BIO_pending(bio.get()) > 0 && content.rfind("-----BEGIN") > content.size() - BIO_pending(bio.get()))
      return UsageError(fmt::format("{} holds a certificate that cannot be read: {}", path, end));
  }
  return all;
}

std::string CertificatePem(const v1::Certificate& certificate) {
  return PemEncode("CERTIFICATE", AsBytes(certificate.certificate()));
}

std::string ChainPem(const v1::Certificate& certificate) {
  std::string pem = CertificatePem(certificate);
  for (const std::string& above : certificate.chain()) pem += PemEncode("CERTIFICATE", AsBytes(above));
  return pem;
}

StatusOr<bool> Lists(ByteView crl, const std::string& serial) {
  const uint8_t* position = crl.data();
  const ssl::Crl parsed(d2i_X509_CRL(nullptr, &position, static_cast<long>(crl.size())));
  if (parsed == nullptr) {
    return Error(Code::kInvalidArgument, reason::kRequestInvalid, fmt::format("not a CRL: {}", ssl::DrainErrors()));
  }
  ASSIGN_OR_RETURN(const Bytes octets, FromHex(serial));
  const ssl::Bignum number(BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr));
  const ssl::Owner<ASN1_INTEGER, ASN1_INTEGER_free> integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  if (number == nullptr || integer == nullptr) return absl::InternalError("OpenSSL could not make a serial number");
  X509_REVOKED* found = nullptr;  // belongs to the CRL
  // 1: revoked; 2: there, with the reason removeFromCRL.
  return X509_CRL_get0_by_serial(parsed.get(), &found, integer.get()) == 1;
}

}  // namespace hallmark::cli
