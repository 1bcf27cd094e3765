// The DER around everything (X.690): lengths, tags and what stands where.
#include <random>

#include "ca/csr.h"
#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

// The good CSR with another identifier and length before its content.
Bytes WithHeader(const char* hex) {
  const Bytes good = SignedCsr();
  return Join({Octets(hex), ByteView(good).subspan(good[1] < 0x80 ? 2 : 2 + (good[1] & 0x7f))});
}

Bytes RandomOctets(unsigned seed, size_t size) {
  std::mt19937 random(seed);
  Bytes octets(size);
  for (uint8_t& octet : octets) octet = static_cast<uint8_t>(random());
  return octets;
}

Bytes Nested(uint8_t tag, size_t depth) {
  Bytes nested;
  for (size_t i = 0; i < depth; ++i) nested = der::Tlv(tag, nested);
  return nested;
}

std::vector<HostileCsr> Wholes() {
  const std::string malformed = reason::kCsrMalformed;
  const Bytes good = SignedCsr();
  const auto prefix = [&](size_t size) { return Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)); };
  Bytes random_sequence = RandomOctets(2, 256);
  random_sequence[0] = der::kSequence;
  return {
      {"nothing", {}, malformed, "csr", "is empty"},
      {"one octet", prefix(1), malformed, "csr", "ends after its identifier"},
      {"an empty SEQUENCE", Octets("3000"), malformed, "csr", "found the end"},
      {"all zero", Bytes(64), malformed, "csr", "neither DER nor"},
      {"all ones", Bytes(64, 0xff), malformed, "csr", "neither DER nor"},
      {"random octets", RandomOctets(1, 256), malformed, "csr", "neither DER nor"},
      {"a SEQUENCE of random octets", random_sequence, malformed, "csr", "not DER"},
      {"one octet over the limit", Bytes(kCsrLimit + 1, 0x30), reason::kCsrTooLarge, "csr"},
      {"a mebibyte", Bytes(1 << 20, 0x30), reason::kCsrTooLarge, "csr"},
      {"the last octet missing", prefix(good.size() - 1), malformed, "csr", "beyond the end"},
      {"the second half missing", prefix(good.size() / 2), malformed, "csr", "beyond the end"},
      {"a zero after it", Join({good, Octets("00")}), malformed, "csr", "1 octets too many"},
      {"a line break after it", Join({good, Text("\n")}), malformed, "csr", "1 octets too many"},
      {"a second CSR after it", Join({good, good}), malformed, "csr", "octets too many"},
      {"a line break before it", Join({Text("\n"), good}), malformed, "csr", "neither DER nor"},
      {"another SEQUENCE around it", der::Sequence({good}), malformed, "csr", "found the end"},
      {"an OCTET STRING around it", der::Tlv(der::kOctetString, good), malformed, "csr", "neither DER nor"},
      {"a public key instead", ToBytes(DeviceKey().public_key()), malformed, "csr", "expected tag 0x30"},
  };
}

std::vector<HostileCsr> Headers() {
  const std::string malformed = reason::kCsrMalformed;
  const std::string shortest = "not in its shortest form";
  const std::string beyond = "beyond the end";
  const Bytes good = SignedCsr();
  const uint8_t length = good[2];  // after 81, since it is 128 to 255
  return {
      {"a length with a zero before", WithHeader(("308200" + Hex({&length, 1})).c_str()), malformed, "csr", shortest},
      {"a short length in long form",
       Octets("308105"
              "0203010203"),
       malformed, "csr", shortest},
      {"an indefinite length", Join({WithHeader("3080"), Octets("0000")}), malformed, "csr", "indefinite"},
      {"a length of 2^31", WithHeader("308480000000"), malformed, "csr", beyond},
      {"a length of 2^32 - 1", WithHeader("3084ffffffff"), malformed, "csr", beyond},
      {"a length of 2^32", WithHeader("30850100000000"), malformed, "csr", beyond},
      {"a length of 2^64 - 1", WithHeader("3088ffffffffffffffff"), malformed, "csr", beyond},
      {"a length of 126 octets", WithHeader("30fe"), malformed, "csr", beyond},
      {"the reserved length ff", WithHeader("30ff"), malformed, "csr", beyond},
      {"a primitive SEQUENCE", WithHeader("108180"), malformed, "csr", "neither DER nor"},
      {"a SET instead", WithHeader("318180"), malformed, "csr", "neither DER nor"},
      {"a tag of two octets", WithHeader("3f108180"), malformed, "csr", "neither DER nor"},
      {"an application's tag", WithHeader("708180"), malformed, "csr", "neither DER nor"},
  };
}

std::vector<HostileCsr> Versions() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, const char* version, const char* says) {
    rows.push_back(
        {name, SignedCsr([&](CsrBuilder& csr) { csr.version = Octets(version); }), reason::kCsrMalformed, "csr", says});
  };
  add("version 1", "020101", "version");
  add("version -1", "0201ff", "version");
  add("version 0 in two octets", "02020000", "version");
  add("version 2^64", "0209010000000000000000", "version");
  add("an empty version", "0200", "version");
  add("a BOOLEAN as version", "010100", "expected tag 0x02, found 0x01");
  add("an ENUMERATED as version", "0a0100", "expected tag 0x02, found 0x0a");
  add("a tagged version, as in a certificate", "a003020100", "expected tag 0x02, found 0xa0");
  add("no version", "", "expected tag 0x02, found 0x30");
  add("two versions", "020100020100", "expected tag 0x30, found 0x02");
  return rows;
}

std::vector<HostileCsr> Parts() {
  const std::string malformed = reason::kCsrMalformed;
  const CsrBuilder good(DeviceKey());
  const Bytes bits = der::BitString(good.Sign(good.Info()));
  const auto sequence = [](std::initializer_list<ByteView> parts) { return der::Sequence(parts); };
  const auto raw = [](const char* hex) {
    return SignedCsr([&](CsrBuilder& csr) {
      csr.attributes.reset();
      Append(csr.spki, Octets(hex));
    });
  };
  const auto without = [](Bytes CsrBuilder::*part) { return SignedCsr([&](CsrBuilder& csr) { csr.*part = {}; }); };
  return {
      {"no subject", without(&CsrBuilder::subject), malformed, "csr", "found 0xa0"},
      {"no public key", without(&CsrBuilder::spki), malformed, "csr", "expected tag 0x30, found 0xa0"},
      {"a SET as subject", CsrWithSubject(Octets("3100")), malformed, "csr", "expected tag 0x30, found 0x31"},
      {"attributes twice", raw("a000a000"), malformed, "csr", "2 octets too many"},
      {"attributes with tag [1]", raw("a100"), malformed, "csr", "2 octets too many"},
      {"primitive attributes", raw("8000"), malformed, "csr", "2 octets too many"},
      {"NULL after the attributes", raw("a0000500"), malformed, "csr", "2 octets too many"},
      {"end-of-contents after the attributes", raw("a0000000"), malformed, "csr", "2 octets too many"},
      {"attributes longer than what is around", raw("a005"), malformed, "csr", "beyond the end"},
      {"attributes of indefinite length", raw("a0800000"), malformed, "csr", "indefinite"},
      {"a subject of indefinite length", CsrWithSubject(Octets("30800000")), malformed, "csr", "indefinite"},
      {"a subject whose length has a zero before", CsrWithSubject(Octets("30820000")), malformed, "csr",
       "shortest form"},
      {"a subject of 2000 SEQUENCEs in each other", CsrWithSubject(Nested(der::kSequence, 1900)), malformed,
       "csr.subject", "expected tag 0x31"},
      {"an extension of 1900 SEQUENCEs in each other",
       CsrWithExtensions({AnyExtension("1.2.3.4", Nested(der::kSequence, 1900))}), reason::kExtensionNotAllowed,
       "csr.extensions.1.2.3.4"},
      {"attributes of 1900 SEQUENCEs in each other", CsrWithAttributes(Nested(der::kSequence, 1900)), malformed, "csr",
       "expected tag 0x06"},
      {"no signature algorithm", sequence({good.Info(), bits}), malformed, "csr", "expected tag 0x30, found 0x03"},
      {"a bare OID as signature algorithm", sequence({good.Info(), der::Oid("1.2.840.10045.4.3.2"), bits}), malformed,
       "csr", "expected tag 0x30, found 0x06"},
      {"no signature", sequence({good.Info(), good.algorithm}), malformed, "csr", "found the end"},
      {"an OCTET STRING as signature", good.BuildWith(der::Tlv(der::kOctetString, good.Sign(good.Info()))), malformed,
       "csr", "expected tag 0x03, found 0x04"},
      {"a signature in pieces", good.BuildWith(der::Constructed(0x23, {bits})), malformed, "csr", "found 0x23"},
      {"an empty BIT STRING as signature", good.BuildWith(Octets("0300")), malformed, "csr", "unused bits"},
      {"something after the signature", good.BuildWith(Join({bits, Octets("0500")})), malformed, "csr",
       "2 octets too many"},
      {"no attributes at all, as of old programs", SignedCsr([](CsrBuilder& csr) { csr.attributes.reset(); }), "", ""},
  };
}

}  // namespace

std::vector<HostileCsr> HostileEncodings() {
  std::vector<HostileCsr> rows = Wholes();
  for (auto table : {Headers, Versions, Parts}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hallmark::testing
