// What the steps of one issuance cost, each beside what OpenSSL's object layer takes for the same: the figures of
// docs/decisions/0003-own-csr-reader.md, 0004-composed-certificates.md and 0011-key-quality.md.
#include <benchmark/benchmark.h>

#include "ca/key_quality.h"
#include "ca/lint.h"
#include "tests/house.h"

namespace hallmark {
namespace {

using testing::CsrBuilder;
using testing::House;

House& TheHouse() {
  static auto& house = *new House();
  return house;
}

Bytes ExampleCsr() { return CsrBuilder(House::DeviceKey()).Build(); }

void ReadCsr_Ours(benchmark::State& state) {
  const Bytes csr = ExampleCsr();
  for (auto _ : state) benchmark::DoNotOptimize(ReadCsr(csr).ok());
}
BENCHMARK(ReadCsr_Ours);

void ReadCsr_OpenSsl(benchmark::State& state) {
  const Bytes csr = ExampleCsr();
  for (auto _ : state) {
    const uint8_t* in = csr.data();
    const ssl::CertificateRequest request(d2i_X509_REQ(nullptr, &in, static_cast<long>(csr.size())));
    benchmark::DoNotOptimize(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())));
  }
}
BENCHMARK(ReadCsr_OpenSsl);

struct Parts {
  Parts() : csr(ReadCsr(ExampleCsr()).value()), plan(Decide(profile, csr.facts, TheHouse().clock.now, {}).value()) {}
  std::shared_ptr<const Profile> profile = TheHouse().profiles().at("device-dps");
  Csr csr;
  Plan plan;
  Bytes serial = Bytes(16, 0x41);
};

void Decide_Profile(benchmark::State& state) {
  const Parts parts;
  for (auto _ : state) benchmark::DoNotOptimize(Decide(parts.profile, parts.csr.facts, TheHouse().clock.now, {}).ok());
}
BENCHMARK(Decide_Profile);

void Compose_Ours(benchmark::State& state) {
  const Parts parts;
  const CertificateTemplate& certificates = *TheHouse().issuer("devices").FindTemplate("device-dps");
  for (auto _ : state)
    benchmark::DoNotOptimize(certificates.Compose(parts.plan, parts.csr.key, parts.serial).value().Unsigned());
}
BENCHMARK(Compose_Ours);

// The same certificate built from OpenSSL's objects, as most CAs build it.
void Compose_OpenSsl(benchmark::State& state) {
  const Parts parts;
  const Bytes issuer_der = TheHouse().issuer("devices").record().certificate;
  const uint8_t* in = issuer_der.data();
  const ssl::Certificate issuer(d2i_X509(nullptr, &in, static_cast<long>(issuer_der.size())));
  const uint8_t* key_in = parts.csr.key.spki().data();
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &key_in, static_cast<long>(parts.csr.key.spki().size())));
  const std::vector<std::pair<int, const char*>> extensions = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"},
      {NID_crl_distribution_points, "URI:http://ca.example/crl/devices.crl"},
      {NID_info_access, "caIssuers;URI:http://ca.example/aia/devices.cer"}};
  for (auto _ : state) {
    const ssl::Certificate certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    const ssl::Bignum serial(BN_bin2bn(parts.serial.data(), static_cast<int>(parts.serial.size()), nullptr));
    BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get()));
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               AsBytes("device-1").data(), 8, -1, 0);
    X509_set_pubkey(certificate.get(), key.get());
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.get(), certificate.get(), nullptr, nullptr, 0);
    for (const auto& [nid, value] : extensions) {
      const ssl::Owner<X509_EXTENSION, X509_EXTENSION_free> extension(
          X509V3_EXT_conf_nid(nullptr, &context, nid, value));
      X509_add_ext(certificate.get(), extension.get(), -1);
    }
    benchmark::DoNotOptimize(ssl::ToDer(i2d_re_X509_tbs, certificate.get()).ok());
  }
}
BENCHMARK(Compose_OpenSsl);

void Lint(benchmark::State& state) {
  const Parts parts;
  const Issuer& issuer = TheHouse().issuer("devices");
  const Bytes draft =
      issuer.FindTemplate("device-dps")->Compose(parts.plan, parts.csr.key, parts.serial).value().Unsigned();
  for (auto _ : state) benchmark::DoNotOptimize(LintCertificate(draft, issuer.lint()).empty());
}
BENCHMARK(Lint);

void Verify_OwnSignature(benchmark::State& state) {
  const Issuer& issuer = TheHouse().issuer("devices");
  const Bytes tbs(600, 0x30);
  const Bytes signature = issuer.key().signer().Sign(tbs, absl::InfiniteFuture()).value();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        issuer.key().public_key().Verify(SchemeOf(issuer.key().signer().algorithm()), tbs, signature));
}
BENCHMARK(Verify_OwnSignature);

void CheckQuality(benchmark::State& state, const ssl::EvpKey& key) {
  const PublicKey public_key = PublicKey::FromSpki(ssl::ToDer(i2d_PUBKEY, key.get()).value()).value();
  const BlockedKeys& blocked = BlockedKeys::Shipped();
  for (auto _ : state) benchmark::DoNotOptimize(CheckKeyQuality(public_key, blocked).ok());
}
void CheckQuality_Ec(benchmark::State& state) { CheckQuality(state, ssl::EvpKey(EVP_EC_gen("P-256"))); }
BENCHMARK(CheckQuality_Ec);
void CheckQuality_Rsa(benchmark::State& state) {
  CheckQuality(state, ssl::EvpKey(EVP_RSA_gen(static_cast<unsigned>(state.range(0)))));
}
BENCHMARK(CheckQuality_Rsa)->Arg(2048)->Arg(3072)->Arg(4096);

void Verify_Rsa2048(benchmark::State& state) {
  const testing::SoftwareSigner signer(SignatureAlgorithm::kRsaPkcs1Sha256);
  const PublicKey public_key = PublicKey::FromSpki(signer.public_key()).value();
  const Bytes tbs(600, 0x30);
  const Bytes signature = signer.Sign(tbs, absl::InfiniteFuture()).value();
  for (auto _ : state)
    benchmark::DoNotOptimize(public_key.Verify(SchemeOf(SignatureAlgorithm::kRsaPkcs1Sha256), tbs, signature));
}
BENCHMARK(Verify_Rsa2048);

}  // namespace
}  // namespace hallmark

BENCHMARK_MAIN();
