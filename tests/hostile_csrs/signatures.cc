// Signatures that prove nothing: other keys', over other octets, in other forms, of algorithms that are broken.
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "tests/hostile_csrs/hostile_csr.h"

namespace hallmark::testing {
namespace {

constexpr char kSignature[] = "csr.signature";

// r and s of the device's ECDSA signature, as magnitudes.
struct EcdsaParts {
  Bytes r;
  Bytes s;
};

Bytes Magnitude(const BIGNUM* number) {
  Bytes octets(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, octets.data());
  return octets;
}

EcdsaParts Split(ByteView signature) {
  const uint8_t* in = signature.data();
  const ssl::EcdsaSignature parsed(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(signature.size())));
  if (parsed == nullptr) throw std::runtime_error("cannot read a signature");
  return {Magnitude(ECDSA_SIG_get0_r(parsed.get())), Magnitude(ECDSA_SIG_get0_s(parsed.get()))};
}

// n + number, or n - number; n is the order of P-256's group.
Bytes AddedToOrder(ByteView number, bool negated) {
  const ssl::Bignum operand(BN_bin2bn(number.data(), static_cast<int>(number.size()), nullptr));
  const Bytes n = Octets("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  const ssl::Bignum sum(BN_bin2bn(n.data(), static_cast<int>(n.size()), nullptr));
  if ((negated ? BN_sub : BN_add)(sum.get(), sum.get(), operand.get()) != 1) throw std::runtime_error("out of memory");
  return Magnitude(sum.get());
}

// Filled up with zeros to 32 octets.
Bytes Fixed(ByteView number) { return Join({Bytes(32 - number.size()), number}); }

// The same number as an INTEGER with a zero before that it does not need.
Bytes WithZero(ByteView number) {
  const Bytes integer = der::Unsigned(number);
  return der::Tlv(der::kInteger, Join({Octets("00"), ByteView(integer).subspan(2)}));
}

std::vector<HostileCsr> EcdsaForms() {
  const CsrBuilder csr(DeviceKey());
  const Bytes good = csr.Sign(csr.Info());
  const auto [r, s] = Split(good);
  const Bytes rs = der::Unsigned(r);
  const Bytes ss = der::Unsigned(s);
  const Bytes zero = der::Unsigned(uint64_t{0});
  std::vector<HostileCsr> rows;
  const auto add = [&](const char* name, ByteView signature) {
    rows.push_back({name, csr.BuildWith(der::BitString(signature)), reason::kCsrSignatureInvalid, kSignature});
  };
  add("ECDSA: no octets", {});
  add("ECDSA: one zero", Octets("00"));
  add("ECDSA: r = 0", der::Sequence({zero, ss}));
  add("ECDSA: s = 0", der::Sequence({rs, zero}));
  add("ECDSA: r = s = 0", der::Sequence({zero, zero}));
  add("ECDSA: r = s = 1", Octets("3006020101020101"));
  add("ECDSA: r + n", der::Sequence({der::Unsigned(AddedToOrder(r, false)), ss}));
  add("ECDSA: s + n", der::Sequence({rs, der::Unsigned(AddedToOrder(s, false))}));
  add("ECDSA: s = n", der::Sequence({rs, der::Unsigned(AddedToOrder({}, false))}));
  add("ECDSA: r and s swapped", der::Sequence({ss, rs}));
  add("ECDSA: r with a zero before", der::Sequence({WithZero(r), ss}));
  add("ECDSA: s with a zero before", der::Sequence({rs, WithZero(s)}));
  add("ECDSA: r negative", der::Sequence({der::Tlv(der::kInteger, Join({Octets("ff"), r})), ss}));
  add("ECDSA: s of no octets", der::Sequence({rs, Octets("0200")}));
  add("ECDSA: r alone", der::Sequence({rs}));
  add("ECDSA: a third number", der::Sequence({rs, ss, zero}));
  add("ECDSA: something after s", der::Sequence({rs, ss, Octets("0500")}));
  add("ECDSA: a zero after it", Join({good, Octets("00")}));
  add("ECDSA: the signature twice", Join({good, good}));
  add("ECDSA: a length in long form", Join({Octets("3081"), ByteView(good).subspan(1)}));
  add("ECDSA: an indefinite length", Join({Octets("3080"), rs, ss, Octets("0000")}));
  add("ECDSA: a SET", der::Constructed(der::kSet, {rs, ss}));
  add("ECDSA: OCTET STRINGs", der::Sequence({der::Tlv(der::kOctetString, r), der::Tlv(der::kOctetString, s)}));
  add("ECDSA: r and s without DER (IEEE P1363)", Join({Fixed(r), Fixed(s)}));
  add("ECDSA: the last octet missing", ByteView(good).first(good.size() - 1));
  add("ECDSA: a BIT STRING more", der::BitString(good));
  rows.push_back({"ECDSA: n - s, as good as s",
                  csr.BuildWith(der::BitString(der::Sequence({rs, der::Unsigned(AddedToOrder(s, true))}))), "", ""});
  for (const char* unused : {"01", "07", "08", "ff"}) {
    rows.push_back({std::string("a signature with unused bits ") + unused,
                    csr.BuildWith(der::Tlv(der::kBitString, Join({Octets(unused), good}))), reason::kCsrMalformed,
                    "csr", "unused bits"});
  }
  return rows;
}

std::vector<HostileCsr> OfSomethingElse() {
  const CsrBuilder csr(DeviceKey());
  const Bytes info = csr.Info();
  const SoftwareSigner other(SignatureAlgorithm::kEcdsaSha256);
  std::vector<HostileCsr> rows;
  const auto add = [&](const char* name, ByteView signature) {
    rows.push_back({name, csr.BuildWith(der::BitString(signature)), reason::kCsrSignatureInvalid, kSignature});
  };
  Bytes changed = info;
  changed.back() ^= 1;
  CsrBuilder another(DeviceKey());
  another.subject = EncodeName({{"CN", "device-2"}});
  add("another key's signature", other.Sign(info, absl::InfiniteFuture()).value());
  add("a signature over nothing", csr.Sign({}));
  add("a signature over another request", csr.Sign(another.Info()));
  add("a signature over one bit less", csr.Sign(changed));
  add("a signature over the request without its header", csr.Sign(ByteView(info).subspan(3)));
  add("a signature over the request and its algorithm", csr.Sign(Join({info, csr.algorithm})));
  add("a signature over the digest of the request", csr.Sign(Sha256(info)));
  const auto with = [&](const char* name, const Change& change) {
    rows.push_back({name, SignedCsr(change), reason::kCsrSignatureInvalid, kSignature});
  };
  with("another's key", [&](CsrBuilder& c) { c.spki = ToBytes(other.public_key()); });
  with("a signature of SHA-256 as one of SHA-384",
       [](CsrBuilder& c) { c.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384)); });
  with("an EC key's signature as one of RSA",
       [](CsrBuilder& c) { c.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kRsaPkcs1Sha256)); });
  with("an EC key's signature as one of PSS",
       [](CsrBuilder& c) { c.algorithm = ToBytes(AlgorithmIdentifier(SignatureAlgorithm::kRsaPssSha256)); });
  rows.push_back({"signed by another, and a name that is malformed",
                  [&] {
                    CsrBuilder c(DeviceKey());
                    c.subject = der::Sequence({Rdn(NameAttribute(der::Oid("2.5.4.3"), der::kUtf8String, "\n"))});
                    return c.BuildWith(der::BitString(other.Sign(c.Info(), absl::InfiniteFuture()).value()));
                  }(),
                  reason::kCsrSignatureInvalid, kSignature});
  return rows;
}

const SoftwareSigner& RsaKey() {
  static const auto& key = *new SoftwareSigner(SignatureAlgorithm::kRsaPkcs1Sha256);
  return key;
}

// PKCS#1 padding around octets of one's own choice, in the place of a DigestInfo (RFC 8017 9.2).
Bytes PaddedAndSigned(ByteView content) {
  const ssl::EvpKeyContext context(EVP_PKEY_CTX_new(RsaKey().key(), nullptr));
  Bytes signature(256);
  size_t size = signature.size();
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, content.data(), content.size()) != 1) {
    throw std::runtime_error("cannot sign: " + ssl::DrainErrors());
  }
  return signature;
}

std::vector<HostileCsr> RsaForms() {
  const CsrBuilder csr(RsaKey());
  const Bytes info = csr.Info();
  const Bytes good = csr.Sign(info);
  const Bytes sha256 = der::Oid("2.16.840.1.101.3.4.2.1");
  const Digest digest = Sha256(info);
  const Bytes hash = der::Tlv(der::kOctetString, digest);
  std::vector<HostileCsr> rows;
  const auto add = [&](const char* name, ByteView signature) {
    rows.push_back({name, csr.BuildWith(der::BitString(signature)), reason::kCsrSignatureInvalid, kSignature});
  };
  add("RSA: no octets", {});
  add("RSA: zeros", Bytes(256));
  add("RSA: ones", Bytes(256, 0xff));
  add("RSA: a zero before it", Join({Octets("00"), good}));
  add("RSA: a zero after it", Join({good, Octets("00")}));
  add("RSA: the first octet missing", ByteView(good).subspan(1));
  add("RSA: a DigestInfo without NULL", PaddedAndSigned(der::Sequence({der::Sequence({sha256}), hash})));
  add("RSA: a DigestInfo and more",
      PaddedAndSigned(Join({der::Sequence({der::Sequence({sha256, Octets("0500")}), hash}), Octets("0500")})));
  add("RSA: a DigestInfo of SHA-1",
      PaddedAndSigned(der::Sequence({der::Sequence({der::Oid("1.3.14.3.2.26"), Octets("0500")}),
                                     der::Tlv(der::kOctetString, ByteView(digest).first(20))})));
  add("RSA: a digest without a DigestInfo", PaddedAndSigned(digest));
  add("RSA: PSS as PKCS#1", [&] {
    EVP_PKEY_up_ref(RsaKey().key());
    const SoftwareSigner pss(SignatureAlgorithm::kRsaPssSha256, ssl::EvpKey(RsaKey().key()));
    return pss.Sign(info, absl::InfiniteFuture()).value();
  }());
  return rows;
}

// AlgorithmIdentifiers (RFC 4055, RFC 5758) of what is broken, or of parameters that nobody needs.
std::vector<HostileCsr> Algorithms() {
  std::vector<HostileCsr> rows;
  const auto add = [&rows](const char* name, const SoftwareSigner& key, std::initializer_list<ByteView> algorithm) {
    CsrBuilder csr(key);
    csr.algorithm = der::Constructed(der::kSequence, algorithm);
    rows.push_back({name, csr.Build(), reason::kCsrAlgorithmUnsupported, "csr.signature_algorithm"});
  };
  const Bytes null = Octets("0500");
  const SoftwareSigner& ec = DeviceKey();
  const Bytes ecdsa = der::Oid("1.2.840.10045.4.3.2");
  add("ECDSA with SHA-1", ec, {der::Oid("1.2.840.10045.4.1")});
  add("ECDSA with SHA-224", ec, {der::Oid("1.2.840.10045.4.3.1")});
  add("ECDSA with SHA3-256", ec, {der::Oid("2.16.840.1.101.3.4.3.10")});
  add("ECDSA with NULL", ec, {ecdsa, null});
  add("ECDSA with a curve as parameters", ec, {ecdsa, der::Oid(kP256)});
  add("ECDSA with an OID that begins with zeros", ec, {Octets("06092a8648ce3d04038002")});
  add("the key's algorithm as the signature's", ec, {der::Oid("1.2.840.10045.2.1"), der::Oid(kP256)});
  add("Ed25519 with an EC key", ec, {der::Oid("1.3.101.112")});
  add("an algorithm of nothing", ec, {});
  add("an algorithm of NULL", ec, {null});
  const SoftwareSigner& rsa = RsaKey();
  const Bytes pkcs1 = der::Oid("1.2.840.113549.1.1.11");
  add("RSA with MD2", rsa, {der::Oid("1.2.840.113549.1.1.2"), null});
  add("RSA with MD5", rsa, {der::Oid("1.2.840.113549.1.1.4"), null});
  add("RSA with SHA-1", rsa, {der::Oid("1.2.840.113549.1.1.5"), null});
  add("RSA with SHA-224", rsa, {der::Oid("1.2.840.113549.1.1.14"), null});
  add("RSA with a NULL of one octet", rsa, {pkcs1, Octets("050100")});
  add("RSA with a NULL in long form", rsa, {pkcs1, Octets("058100")});
  add("RSA with an empty SEQUENCE", rsa, {pkcs1, Octets("3000")});
  add("RSA with two NULLs", rsa, {pkcs1, null, null});
  add("rsaEncryption as a signature", rsa, {der::Oid("1.2.840.113549.1.1.1"), null});
  return rows;
}

std::vector<HostileCsr> PssParameters() {
  const Bytes null = Octets("0500");
  const auto hash = [&](const char* oid) { return der::Sequence({der::Oid(oid), null}); };
  const auto mask = [](ByteView of) { return der::Sequence({der::Oid("1.2.840.113549.1.1.8"), of}); };
  const auto tagged = [](uint8_t number, ByteView content) {
    return der::Tlv(der::ContextConstructed(number), content);
  };
  const Bytes sha1 = hash("1.3.14.3.2.26");
  const Bytes sha256 = hash("2.16.840.1.101.3.4.2.1");
  const Bytes sha512 = hash("2.16.840.1.101.3.4.2.3");
  const auto salt = [&](uint64_t octets) { return tagged(2, der::Unsigned(octets)); };
  std::vector<HostileCsr> rows;
  const auto add = [&](const char* name, std::initializer_list<ByteView> parameters) {
    CsrBuilder csr(RsaKey());
    csr.algorithm = der::Sequence({der::Oid("1.2.840.113549.1.1.10"), der::Constructed(der::kSequence, parameters)});
    rows.push_back({name, csr.Build(), reason::kCsrAlgorithmUnsupported, "csr.signature_algorithm"});
  };
  add("PSS with its defaults, which are SHA-1", {});
  add("PSS with SHA-1", {tagged(0, sha1), tagged(1, mask(sha1)), salt(20)});
  add("PSS with another digest for its mask", {tagged(0, sha256), tagged(1, mask(sha512)), salt(32)});
  add("PSS with the default mask", {tagged(0, sha256), salt(32)});
  add("PSS without a salt", {tagged(0, sha256), tagged(1, mask(sha256)), salt(0)});
  add("PSS with a salt of 20 octets", {tagged(0, sha256), tagged(1, mask(sha256)), salt(20)});
  add("PSS with a salt of 222 octets", {tagged(0, sha256), tagged(1, mask(sha256)), salt(222)});
  add("PSS with a salt of 2^32", {tagged(0, sha256), tagged(1, mask(sha256)), salt(uint64_t{1} << 32)});
  add("PSS with a negative salt", {tagged(0, sha256), tagged(1, mask(sha256)), tagged(2, Octets("0201e0"))});
  add("PSS with a trailer of 2",
      {tagged(0, sha256), tagged(1, mask(sha256)), salt(32), tagged(3, der::Unsigned(uint64_t{2}))});
  add("PSS with its default trailer spelt out",
      {tagged(0, sha256), tagged(1, mask(sha256)), salt(32), tagged(3, der::Unsigned(uint64_t{1}))});
  add("PSS with its parameters in another order", {salt(32), tagged(1, mask(sha256)), tagged(0, sha256)});
  add("PSS with a mask that is none", {tagged(0, sha256), tagged(1, sha256), salt(32)});
  add("PSS with more than its parameters", {tagged(0, sha256), tagged(1, mask(sha256)), salt(32), null});
  return rows;
}

}  // namespace

std::vector<HostileCsr> HostileSignatures() {
  std::vector<HostileCsr> rows = EcdsaForms();
  for (auto table : {OfSomethingElse, RsaForms, Algorithms, PssParameters}) {
    for (HostileCsr& row : table()) rows.push_back(std::move(row));
  }
  // Absent parameters are to be accepted (RFC 4055 5).
  CsrBuilder without_null(RsaKey());
  without_null.algorithm = der::Sequence({der::Oid("1.2.840.113549.1.1.11")});
  rows.push_back({"RSA with SHA-256 without NULL", without_null.Build(), "", ""});
  return rows;
}

}  // namespace hallmark::testing
