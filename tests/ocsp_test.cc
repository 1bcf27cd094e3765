// OCSP requests and responses: what is read, what is refused, and what OpenSSL makes of ours.
#include "ca/ocsp.h"

#include <gtest/gtest.h>
#include <openssl/ocsp.h>

#include "base/openssl.h"
#include "base/reason.h"
#include "ca/der.h"
#include "tests/ocsp_question.h"
#include "tests/software_signer.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::CertIdOf;
using testing::Fails;
using testing::IsOk;
using testing::kSha1Oid;
using testing::kSha256Oid;
using testing::OcspQuestion;
using testing::SoftwareSigner;

using OpensslResponse = ssl::Owner<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using OpensslBasicResponse = ssl::Owner<OCSP_BASICRESP, OCSP_BASICRESP_free>;

Bytes H(const std::string& hex) { return FromHex(hex).value(); }
const Bytes k20 = Bytes(20, 0x11);
const Bytes k32 = Bytes(32, 0x22);
const Bytes kSerial = der::Unsigned(H("4a5b"));
const Bytes kId = CertIdOf(kSha1Oid, k20, k20, kSerial);
const Time kNow = absl::FromUnixSeconds(1795514400);  // 2026-11-24T10:00:00Z

Bytes CertIdWith(ByteView algorithm_content, ByteView serial = kSerial) {
  return der::Sequence({der::Tlv(der::kSequence, algorithm_content), der::Tlv(der::kOctetString, k20),
                        der::Tlv(der::kOctetString, k20), serial});
}
Bytes Extension(const char* oid, bool critical) { return EncodeExtension(oid, critical, der::Tlv(der::kNull, {})); }
Bytes Tagged(uint8_t number, const Bytes& content) { return der::Tlv(der::ContextConstructed(number), content); }
Bytes Signature(const Bytes& bits, const Bytes& certificates) {
  return Tagged(0, der::Sequence({AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256), bits, certificates}));
}

TEST(OcspRequestTest, ReadsWhatClientsSend) {
  const struct {
    std::string name;
    OcspQuestion question;
    size_t ids;
    size_t nonce;
  } cases[] = {
      {"one certificate", {.ids = {kId}}, 1, 0},
      {"SHA-256", {.ids = {CertIdOf(kSha256Oid, k32, k32, kSerial)}}, 1, 0},
      {"an unknown hash", {.ids = {CertIdOf("2.16.840.1.101.3.4.2.2", Bytes(48, 1), Bytes(48, 1), kSerial)}}, 1, 0},
      {"no parameters", {.ids = {CertIdWith(der::Oid(kSha1Oid))}}, 1, 0},
      {"a hundred", {.ids = std::vector<Bytes>(100, kId)}, 100, 0},
      {"a nonce of 1", {.ids = {kId}, .nonce = Bytes(1, 7)}, 1, 1},
      {"a nonce of 32", {.ids = {kId}, .nonce = Bytes(32, 7)}, 1, 32},
      {"an unknown extension", {.ids = {kId}, .more_extensions = Extension("1.2.3", false)}, 1, 0},
      {"a nonce beside another",
       {.ids = {kId}, .nonce = Bytes(16, 7), .more_extensions = Extension("1.2.3", false)},
       1,
       16},
      {"a requestorName",
       {.ids = {kId},
        .before_list = Tagged(1, H("8201"
                                   "61"))},
       1,
       0},
      {"an extension of one",
       {.ids = {kId}, .single_extensions = Tagged(0, der::Sequence({Extension("1.2.3", false)}))},
       1,
       0},
      {"a signature", {.ids = {kId}, .after_tbs = Signature(der::BitString(k20), {})}, 1, 0},
      {"a signature with certificates",
       {.ids = {kId}, .after_tbs = Signature(der::BitString(k20), Tagged(0, der::Sequence({der::Sequence({})})))},
       1,
       0},
  };
  for (const auto& c : cases) {
    const Bytes der = c.question.Build();
    const StatusOr<OcspRequest> request = ReadOcspRequest(der);
    ASSERT_THAT(request, IsOk()) << c.name;
    EXPECT_EQ(request->ids.size(), c.ids) << c.name;
    EXPECT_EQ(request->nonce.size(), c.nonce) << c.name;
    EXPECT_TRUE(Equal(request->ids[0].der, c.question.ids[0])) << c.name;
    EXPECT_TRUE(Equal(request->ids[0].serial, H("4a5b"))) << c.name;
  }
  const Bytes unknown = OcspQuestion{.ids = {CertIdWith(der::Oid("1.2.3"))}}.Build();
  EXPECT_FALSE(ReadOcspRequest(unknown)->ids[0].hash.has_value());
}

TEST(OcspRequestTest, RefusesWhatIsNone) {
  OcspQuestion version{.ids = {kId}, .before_list = Tagged(0, H("020100"))};
  const Bytes good = OcspQuestion{.ids = {kId}}.Build();
  Bytes longer = good;
  longer.push_back(0);
  Bytes too_long_requestor = Tagged(1, Tagged(4, der::Tlv(der::kOctetString, Bytes(kOcspRequestLimit, 0))));
  const struct {
    std::string name;
    Bytes der;
  } cases[] = {
      {"nothing", {}},
      {"garbage", H("deadbeef")},
      {"a text", ToBytes(AsBytes("GET / HTTP/1.1"))},
      {"cut off", Bytes(good.begin(), good.end() - 1)},
      {"an octet too many", longer},
      {"an indefinite length", H("30800000")},
      {"an empty SEQUENCE", H("3000")},
      {"an empty list", OcspQuestion{}.Build()},
      {"101 certificates", OcspQuestion{.ids = std::vector<Bytes>(101, kId)}.Build()},
      {"version v1, said", version.Build()},
      {"version 2", OcspQuestion{.ids = {kId}, .before_list = Tagged(0, H("020101"))}.Build()},
      {"more than 64 KiB", OcspQuestion{.ids = {kId}, .before_list = too_long_requestor}.Build()},
      {"an empty nonce", OcspQuestion{.ids = {kId}, .nonce = Bytes()}.Build()},
      {"a nonce of 33", OcspQuestion{.ids = {kId}, .nonce = Bytes(33, 7)}.Build()},
      {"two nonces",
       OcspQuestion{
           .ids = {kId}, .nonce = Bytes(8, 7), .more_extensions = EncodeExtension(oid::kOcspNonce, false, H("040107"))}
           .Build()},
      {"a nonce that is no OCTET STRING",
       OcspQuestion{.ids = {kId}, .more_extensions = EncodeExtension(oid::kOcspNonce, false, Bytes(8, 7))}.Build()},
      {"no extension in Extensions",
       der::Sequence({der::Sequence({der::Sequence({der::Sequence({kId})}), Tagged(2, H("3000"))})})},
      {"an unknown critical extension",
       OcspQuestion{.ids = {kId}, .more_extensions = Extension("1.2.3", true)}.Build()},
      {"an unknown critical extension of one",
       OcspQuestion{.ids = {kId}, .single_extensions = Tagged(0, der::Sequence({Extension("1.2.3", true)}))}.Build()},
      {"a short hash", OcspQuestion{.ids = {CertIdOf(kSha1Oid, Bytes(19, 1), k20, kSerial)}}.Build()},
      {"a SHA-1 of 32 octets", OcspQuestion{.ids = {CertIdOf(kSha1Oid, k32, k32, kSerial)}}.Build()},
      {"parameters that are none", OcspQuestion{.ids = {CertIdWith([] {
                                                  Bytes content = der::Oid(kSha1Oid);
                                                  Append(content, H("020100"));
                                                  return content;
                                                }())}}
                                       .Build()},
      {"a serial number with a zero too many",
       OcspQuestion{.ids = {CertIdOf(kSha1Oid, k20, k20, H("02020001"))}}.Build()},
      {"an empty serial number", OcspQuestion{.ids = {CertIdOf(kSha1Oid, k20, k20, H("0200"))}}.Build()},
      {"a signature without a BIT STRING", OcspQuestion{.ids = {kId}, .after_tbs = Signature(H("0500"), {})}.Build()},
      {"a signature twice",
       OcspQuestion{
           .ids = {kId},
           .after_tbs =
               [] {
                 Bytes two = Signature(der::BitString(k20), {});
                 Append(two, Signature(der::BitString(k20), {}));
                 return two;
               }()}
           .Build()},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ReadOcspRequest(c.der), Fails(Code::kInvalidArgument, reason::kRequestInvalid)) << c.name;
  }
}

TEST(OcspRequestTest, ASerialNumberThatNobodyHasIsEmpty) {
  for (const char* serial : {"0201ff", "0202ff7f",
                             "0215"
                             "017f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f"}) {
    const Bytes der = OcspQuestion{.ids = {CertIdOf(kSha1Oid, k20, k20, H(serial))}}.Build();
    const StatusOr<OcspRequest> request = ReadOcspRequest(der);
    ASSERT_THAT(request, IsOk()) << serial;
    EXPECT_TRUE(request->ids[0].serial.empty()) << serial;
  }
}

// --- Responses.

OcspResponseData SomeData() {
  const SingleResponse good{.cert_id = kId,
                            .status = CertStatus::kGood,
                            .revoked = {},
                            .this_update = kNow,
                            .next_update = kNow + absl::Hours(1)};
  SingleResponse revoked = good;
  revoked.status = CertStatus::kRevoked;
  revoked.revoked = kNow - absl::Hours(2);
  revoked.reason = RevocationReason::kKeyCompromise;
  SingleResponse unspecified = revoked;
  unspecified.reason = RevocationReason::kUnspecified;
  SingleResponse unknown = good;
  unknown.status = CertStatus::kUnknown;
  return {.responder_key_hash = k20,
          .produced_at = kNow,
          .responses = {good, revoked, unspecified, unknown},
          .nonce = Bytes(32, 9)};
}

Bytes Sealed(const OcspResponseData& data, ByteView certificate) {
  static const auto key =
      SigningKey::Create(std::make_shared<SoftwareSigner>(SignatureAlgorithm::kEcdsaSha256)).value();
  return SuccessfulOcspResponse(
      Seal(ComposeOcspResponse(data, SignatureAlgorithm::kEcdsaSha256, certificate), *key, absl::InfiniteFuture())
          .value());
}

TEST(OcspResponseTest, ReadsBackWhatWasComposed) {
  const OcspResponseData data = SomeData();
  const Bytes certificate = der::Sequence({H("0500")});
  const Bytes der = Sealed(data, certificate);
  const StatusOr<OcspResponseParts> parts = ReadOcspResponse(der);
  ASSERT_THAT(parts, IsOk());
  EXPECT_EQ(parts->status, OcspStatus::kSuccessful);
  EXPECT_TRUE(Equal(parts->certificate, certificate));
  EXPECT_TRUE(Equal(parts->algorithm, AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256)));
  EXPECT_EQ(parts->data.responder_key_hash, data.responder_key_hash);
  EXPECT_EQ(parts->data.produced_at, data.produced_at);
  EXPECT_EQ(parts->data.nonce, data.nonce);
  ASSERT_EQ(parts->data.responses.size(), data.responses.size());
  for (size_t i = 0; i < data.responses.size(); ++i) {
    const SingleResponse& read = parts->data.responses[i];
    EXPECT_EQ(read.cert_id, kId) << i;
    EXPECT_EQ(read.status, data.responses[i].status) << i;
    EXPECT_EQ(read.this_update, kNow) << i;
    EXPECT_EQ(read.next_update, kNow + absl::Hours(1)) << i;
    if (read.status != CertStatus::kRevoked) continue;
    EXPECT_EQ(read.revoked, data.responses[i].revoked) << i;
    EXPECT_EQ(read.reason, data.responses[i].reason) << i;
  }
}

TEST(OcspResponseTest, OpensslReadsTheSameAndEncodesTheSame) {
  const Bytes der = Sealed(SomeData(), {});
  const uint8_t* in = der.data();
  const OpensslResponse response(d2i_OCSP_RESPONSE(nullptr, &in, static_cast<long>(der.size())));
  ASSERT_NE(response, nullptr) << ssl::DrainErrors();
  EXPECT_EQ(in, der.data() + der.size());
  EXPECT_EQ(OCSP_response_status(response.get()), OCSP_RESPONSE_STATUS_SUCCESSFUL);
  const OpensslBasicResponse basic(OCSP_response_get1_basic(response.get()));
  ASSERT_NE(basic, nullptr);
  // What OpenSSL encodes anew are our octets: they are the DER of the standard's types.
  const Bytes again = ssl::ToDer(i2d_OCSP_BASICRESP, basic.get()).value();
  EXPECT_EQ(SuccessfulOcspResponse(again), der);
  const struct {
    int status;
    int reason;
  } expected[] = {{V_OCSP_CERTSTATUS_GOOD, -1},
                  {V_OCSP_CERTSTATUS_REVOKED, OCSP_REVOKED_STATUS_KEYCOMPROMISE},
                  {V_OCSP_CERTSTATUS_REVOKED, -1},
                  {V_OCSP_CERTSTATUS_UNKNOWN, -1}};
  ASSERT_EQ(OCSP_resp_count(basic.get()), 4);
  for (int i = 0; i < 4; ++i) {
    int reason = -1;
    EXPECT_EQ(OCSP_single_get0_status(OCSP_resp_get0(basic.get(), i), &reason, nullptr, nullptr, nullptr),
              expected[i].status);
    EXPECT_EQ(reason, expected[i].reason);
  }
  const ASN1_OCTET_STRING* key_hash = nullptr;
  const X509_NAME* name = nullptr;
  EXPECT_EQ(OCSP_resp_get0_id(basic.get(), &key_hash, &name), 1);
  EXPECT_NE(key_hash, nullptr);
  EXPECT_EQ(name, nullptr);
}

TEST(OcspResponseTest, ErrorsAreTheStandardsOctets) {
  const struct {
    OcspStatus status;
    const char* hex;
    const char* name;
  } cases[] = {{OcspStatus::kMalformedRequest, "30030a0101", "malformedRequest"},
               {OcspStatus::kInternalError, "30030a0102", "internalError"},
               {OcspStatus::kTryLater, "30030a0103", "tryLater"},
               {OcspStatus::kUnauthorized, "30030a0106", "unauthorized"}};
  for (const auto& c : cases) {
    EXPECT_EQ(OcspErrorResponse(c.status), H(c.hex));
    EXPECT_EQ(ReadOcspResponse(H(c.hex))->status, c.status);
    EXPECT_STREQ(Name(c.status), c.name);
  }
  for (const char* bad : {"", "3000", "30030a0104", "30030a0107", "30030a0100", "30050a01010500"})
    EXPECT_FALSE(ReadOcspResponse(H(bad)).ok()) << bad;
}

// The signature covers ResponseData and nothing else; a draft is refused as a record, since it has what follows it.
TEST(OcspResponseTest, WhatFollowsTheSignatureIsPartOfTheDraft) {
  const Bytes certificate = der::Sequence({H("0500")});
  const Draft draft = ComposeOcspResponse(SomeData(), SignatureAlgorithm::kEcdsaSha256, certificate);
  const StatusOr<OcspResponseParts> parts = ReadOcspResponse(SuccessfulOcspResponse(draft.Unsigned()));
  ASSERT_THAT(parts, IsOk());
  EXPECT_TRUE(parts->signature.empty());
  EXPECT_FALSE(Draft::FromUnsigned(draft.Unsigned(), SignatureAlgorithm::kEcdsaSha256).ok());
}

}  // namespace
}  // namespace hallmark
