// Lint on certificates that others made: every root that this machine trusts. What lint calls an error, OpenSSL has to
// see as well.
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/file.h"
#include "base/openssl.h"
#include "ca/lint.h"

namespace hallmark {
namespace {

// Of Debian's package ca-certificates, which tools/packages installs, and whatever the machine's owner added.
constexpr char kRoots[] = "/etc/ssl/certs/ca-certificates.crt";

const std::vector<Bytes>& Roots() {
  static const auto& roots = *new std::vector<Bytes>(PemDecode("CERTIFICATE", ReadFile(kRoots).value()).value());
  return roots;
}

ssl::Certificate Read(const Bytes& der) {
  const uint8_t* in = der.data();
  return ssl::Certificate(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
}

std::string SubjectOf(X509* certificate) {
  std::string text(256, '\0');
  return X509_NAME_oneline(X509_get_subject_name(certificate), text.data(), static_cast<int>(text.size()));
}

bool IsPositive(const ASN1_INTEGER* serial) {
  const ssl::Bignum number(ASN1_INTEGER_to_BN(serial, nullptr));
  return !BN_is_zero(number.get()) && !BN_is_negative(number.get()) && BN_num_bytes(number.get()) <= 20;
}

bool HasSoundKey(X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  BIGNUM* exponent = nullptr;
  if (EVP_PKEY_get_bn_param(key, "e", &exponent) != 1) return EVP_PKEY_get_bits(key) >= 224;
  const ssl::Bignum owned(exponent);
  return EVP_PKEY_get_bits(key) >= 2048 && BN_get_word(exponent) > 65536;
}

bool HasRightTimes(X509* certificate) {
  for (const ASN1_TIME* time : {X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)}) {
    std::tm broken_down = {};
    if (ASN1_TIME_to_tm(time, &broken_down) != 1) return false;
    if ((ASN1_STRING_type(time) == V_ASN1_UTCTIME) != (broken_down.tm_year < 150)) return false;
  }
  return true;
}

// keyUsage as OpenSSL writes it anew, octet for octet.
bool HasCanonicalKeyUsage(X509* certificate) {
  const int index = X509_get_ext_by_NID(certificate, NID_key_usage, -1);
  if (index < 0) return false;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
  const std::unique_ptr<ASN1_BIT_STRING, decltype(&ASN1_BIT_STRING_free)> usage(
      static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(certificate, NID_key_usage, nullptr, nullptr)),
      ASN1_BIT_STRING_free);
  // Clearing a bit that has no name makes OpenSSL forget how many bits there were.
  if (usage == nullptr || ASN1_BIT_STRING_set_bit(usage.get(), 15, 0) != 1) return false;
  const StatusOr<Bytes> again = ssl::ToDer(i2d_ASN1_BIT_STRING, usage.get());
  return again.ok() && Equal(*again, {ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))});
}

// What is wrong in roots of our day, and how OpenSSL sees whether it is right.
const std::map<std::string, std::function<bool(X509*)>>& Errors() {
  static const auto& errors = *new std::map<std::string, std::function<bool(X509*)>>{
      {"rfc5280_4_1_2_2_serial_number", [](X509* root) { return IsPositive(X509_get0_serialNumber(root)); }},
      {"rfc5280_4_1_2_5_time_form", HasRightTimes},
      {"rfc5280_4_2_1_2_subject_key_identifier", [](X509* root) { return X509_get0_subject_key_id(root) != nullptr; }},
      {"rfc5280_4_2_1_3_key_usage", HasCanonicalKeyUsage},
      {"hallmark_sound_public_key", HasSoundKey},
  };
  return errors;
}

TEST(LintWorldTest, WhatIsAnErrorOpensslSeesAsWellAndTheReverse) {
  ASSERT_GT(Roots().size(), 100u);
  for (const Bytes& root : Roots()) {
    const ssl::Certificate certificate = Read(root);
    ASSERT_NE(certificate, nullptr);
    SCOPED_TRACE(SubjectOf(certificate.get()));
    std::set<std::string> found;
    for (const Finding& finding : LintAnyCertificate(root, root, DetectStandards(root))) {
      if (finding.severity != Severity::kError) continue;
      found.insert(finding.rule);
      EXPECT_TRUE(Errors().contains(finding.rule)) << finding.rule << ": " << finding.message;
    }
    for (const auto& [rule, is_right] : Errors()) {
      EXPECT_EQ(found.contains(rule), !is_right(certificate.get())) << rule;
    }
  }
}

TEST(LintWorldTest, FindsTheSha1OfOldRootsAndOnlyWarns) {
  for (const Bytes& root : Roots()) {
    const ssl::Certificate certificate = Read(root);
    SCOPED_TRACE(SubjectOf(certificate.get()));
    int digest = NID_undef;
    ASSERT_EQ(X509_get_signature_info(certificate.get(), &digest, nullptr, nullptr, nullptr), 1);
    bool warned = false;
    for (const Finding& finding : LintAnyCertificate(root, {}, {})) {
      warned |= finding.rule == "hallmark_sound_self_signature" && finding.severity == Severity::kWarning;
    }
    EXPECT_EQ(warned, digest == NID_sha1 || digest == NID_md5);
  }
}

}  // namespace
}  // namespace hallmark
