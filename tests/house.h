// A whole certificate authority for tests: root, devices and access, founded as `hallmark init` founds them, over a
// real SQLite store, with software keys and a clock that the test turns. It starts an hour ago, so that outside judges,
// which look at the real clock, find its certificates and lists valid.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/log.h"
#include "base/reason.h"
#include "ca/authority.h"
#include "ca/hierarchy.h"
#include "ca/lifecycle.h"
#include "policies/policies.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/csr_builder.h"
#include "tests/faulty_store.h"
#include "tests/places.h"
#include "tests/software_signer.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

class TestClock : public Clock {
 public:
  Time Now() const override { return now; }
  Time now = TruncateToSecond(absl::Now()) - absl::Hours(1);
};

// Counts what is signed, and fails when told to.
class CountingSigner : public Signer {
 public:
  CountingSigner(SignatureAlgorithm algorithm, ssl::EvpKey key, std::atomic<int>& count, Status& failure)
      : signer_(algorithm, std::move(key)), count_(count), failure_(failure) {}
  ByteView public_key() const override { return signer_.public_key(); }
  SignatureAlgorithm algorithm() const override { return signer_.algorithm(); }
  StatusOr<Bytes> Sign(ByteView tbs, Time deadline) const override {
    RETURN_IF_ERROR(failure_);
    ++count_;
    return signer_.Sign(tbs, deadline);
  }

 private:
  SoftwareSigner signer_;
  std::atomic<int>& count_;
  Status& failure_;
};

class House {
 public:
  struct WithLots {};  // devices need one, as shipped
  explicit House(WithLots) : House(SignatureAlgorithm::kEcdsaSha256, true) {}
  explicit House(SignatureAlgorithm algorithm = SignatureAlgorithm::kEcdsaSha256) : House(algorithm, false) {}

  // As after a restart of the service.
  void Reopen() {
    lifecycle_.reset();
    authority_.reset();
    issuers_.reset();
    store_.reset();
    store_ = std::make_unique<FaultyStore>(OpenSqliteStore({.path = directory_ / "hallmark.db"}).value(), store_fault);
    issuers_ = std::make_unique<Issuers>(*store_, clock, policies_, "http://ca.example",
                                         [this](const AuthorityRecord& record) { return OpenKey(record); });
    authority_ =
        std::make_unique<CertificateAuthority>(CertificateAuthority::Parts{.store = *store_,
                                                                           .clock = clock,
                                                                           .policies = policies_,
                                                                           .issuers = *issuers_,
                                                                           .crl_lifetime = absl::Hours(24 * 7),
                                                                           .crl_shards = crl_shards,
                                                                           .crl_delta_lifetime = crl_delta_lifetime});
    lifecycle_ = std::make_unique<Lifecycle>(*authority_, MakeTokens());
    LoadAll();
  }

  CertificateAuthority& authority() { return *authority_; }
  Lifecycle& lifecycle() { return *lifecycle_; }
  Issuers& issuers() { return *issuers_; }
  Store& store() { return *store_; }
  const Issuer& issuer(const std::string& name) const { return *issuers_->Current()->issuers.at(name); }
  const ProfileMap& profiles() const { return shipped_->profiles; }
  Policies& policies() { return policies_; }
  const TemporaryDirectory& directory() const { return directory_; }
  // The key of the device of that CN; each has its own.
  static const SoftwareSigner& DeviceKey(const std::string& device = "device-1") {
    return DeviceKeyOf(EncodeName({{"CN", device}}));
  }

  static Caller CallerOf(const std::string& role, const std::string& name = "one") {
    return ParseCallerUri("hallmark://test/" + role + "/" + name).value();
  }
  Request DeviceRequest(const std::string& request_id, const std::string& device = "device-1") const {
    CsrBuilder csr(DeviceKey(device));
    csr.subject = EncodeName({{"CN", device}});
    return {.request_id = request_id,
            .authority = "devices",
            .profile = "device-dps",
            .csr = csr.Build(),
            .lifetime = std::nullopt};
  }
  StatusOr<Issued> Issue(const Request& request, const std::string& role = "station") {
    return authority_->Issue(CallerOf(role), request, absl::InfiniteFuture());
  }
  // A caller's credential, e.g. of station "line-1".
  Issued Credential(const std::string& role, const std::string& name) {
    CsrBuilder csr(DeviceKey(name));
    csr.subject = EncodeName({{"CN", name}});
    const Bytes names = EncodeGeneralNames({{GeneralName::Kind::kUri, "hallmark://test/" + role + "/" + name}}).value();
    csr.attributes = RequestExtensions({SubjectAltName(names, false)});
    return Issue({.request_id = "credential:" + role + ":" + name,
                  .authority = "access",
                  .profile = role,
                  .csr = csr.Build(),
                  .lifetime = std::nullopt},
                 "operator")
        .value();
  }

  // The private key of an authority, for what is signed behind the service's back.
  ssl::EvpKey SoftwareKey(const std::string& name) const {
    // One key an authority and algorithm for the whole test program: RSA keys take long to generate.
    static auto& keys = *new std::map<std::pair<SignatureAlgorithm, std::string>, ssl::EvpKey>();
    static auto& mutex = *new std::mutex();
    const std::lock_guard lock(mutex);
    ssl::EvpKey& key = keys[{algorithm_, name}];
    if (key == nullptr) {
      constexpr size_t kRsaBits = 3072;
      const char* curve = algorithm_ == SignatureAlgorithm::kEcdsaSha384 ? "P-384" : "P-256";
      key.reset(SoftwareSigner::IsEcdsa(algorithm_) ? EVP_EC_gen(curve) : EVP_RSA_gen(kRsaBits));
    }
    EVP_PKEY_up_ref(key.get());
    return ssl::EvpKey(key.get());
  }

  static std::string UriOf(const std::string& label) { return "pkcs11:token=test;object=" + label; }
  StatusOr<std::shared_ptr<const SigningKey>> OpenKey(const AuthorityRecord& record) {
    RETURN_IF_ERROR(open_failure);
    const std::string& uri = record.key_uris.at(0);
    const std::string label = uri.substr(uri.rfind('=') + 1);
    if (labels.contains(label)) return KeyOf(label);
    return Error(Code::kFailedPrecondition, reason::kHsmKeyNotFound, "there is no key " + uri);
  }

  Tokens MakeTokens() {
    return {.generate = [this](const std::string&, KeyType, const std::string& label) -> StatusOr<std::string> {
              RETURN_IF_ERROR(generate_failure);
              if (!labels.insert(label).second)
                return Error(Code::kAlreadyExists, reason::kHsmRefused, "the label " + label + " is taken");
              ++generated;
              RETURN_IF_ERROR(lost_answer);
              return UriOf(label);
            },
            .find = [this](const std::string&, const std::string& label) -> StatusOr<std::optional<std::string>> {
              if (!labels.contains(label)) return std::optional<std::string>();
              return std::optional(UriOf(label));
            },
            .open = [this](const AuthorityRecord& record) { return OpenKey(record); }};
  }

  TestClock clock;
  std::atomic<int> signatures = 0;
  Status signer_failure;
  StoreFault store_fault;
  // Count from the next Reopen on.
  std::map<std::string, int64_t> crl_shards;
  Duration crl_delta_lifetime = absl::ZeroDuration();
  // The token: the labels on it, and what it answers instead of doing what it is asked.
  std::set<std::string> labels;
  int generated = 0;
  Status generate_failure;  // before it generates
  Status lost_answer;       // after it has generated
  Status open_failure;

 private:
  House(SignatureAlgorithm algorithm, bool with_lots) : algorithm_(algorithm), with_lots_(with_lots) {
    log::Quiet();
    Reopen();
    Found("root", "root", "Test Root", "");
    Found("devices", "issuing-authority", "Test Devices", "root");
    Found("access", "issuing-authority", "Test Access", "root");
  }

  std::shared_ptr<const SigningKey> KeyOf(const std::string& name) {
    return SigningKey::Create(
               std::make_unique<CountingSigner>(algorithm_, SoftwareKey(name), signatures, signer_failure))
        .value();
  }
  void LoadAll() {
    if (const Status status = issuers_->Reload(); !status.ok()) throw std::runtime_error(Message(status));
  }
  void Found(const std::string& name, const std::string& profile, const std::string& common_name,
             const std::string& parent) {
    const Founding founding{.authority = name,
                            .profile = profile,
                            .subject = {{"O", "Test"}, {"CN", common_name}},
                            .key_uri = UriOf(name),
                            .caller = "hallmark://test/operator/one"};
    labels.insert(name);
    const IssuerPointer issuer = parent.empty() ? nullptr : issuers_->Current()->issuers.at(parent);
    if (const auto founded = FoundAuthority(*store_, clock, shipped_->profiles, founding, *KeyOf(name), issuer.get(),
                                            absl::InfiniteFuture());
        !founded.ok()) {
      throw std::runtime_error(Message(founded.status()));
    }
    LoadAll();
  }

  const SignatureAlgorithm algorithm_;
  const bool with_lots_;
  const TemporaryDirectory directory_;
  // What ships, but that devices need no lot: most tests are about something else.
  static PolicyPointer WithoutLots(const PolicyPointer& policies, bool with_lots) {
    if (with_lots) return policies;
    auto changed = std::make_shared<PolicySnapshot>(*policies);
    for (auto& [name, profile] : changed->profiles) {
      auto other = std::make_shared<Profile>(*profile);
      other->admission = Profile::Admission::kNone;
      profile = std::move(other);
    }
    return changed;
  }

  const PolicyPointer shipped_ = WithoutLots(ReadPolicies({.profiles = SourceDirectory() + "/policies/profiles",
                                                           .roles = SourceDirectory() + "/policies/roles.yaml",
                                                           .realm = "test"})
                                                 .value(),
                                             with_lots_);
  Policies policies_{shipped_};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Issuers> issuers_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<Lifecycle> lifecycle_;
};

}  // namespace hallmark::testing
