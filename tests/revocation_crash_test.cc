// kill -9 in the middle of revocations, holds, releases and the making of shards and deltas: what was answered stands,
// no CRL number is seen with two contents, what is served verifies and never goes back, and the lists come to say what
// the clients were answered.
#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <random>
#include <set>

#include "ca/crl.h"
#include "hallmark/v1/revocation.grpc.pb.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/http_client.h"
#include "tests/service_client.h"
#include "tests/signed_records.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::ConnectAs;
using testing::HttpClient;
using testing::IsOk;
using testing::RunCommand;
using testing::Service;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kKills = 20;  // a service with sanitizers takes long to start
#else
constexpr int kKills = 100;
#endif
constexpr int kClients = 4;
constexpr int kDevicesOfAClient = 150;
constexpr int64_t kShards = 3;

enum class Is { kGood, kHeld, kRevoked };

Is StateOf(const v1::Certificate& certificate) {
  if (!certificate.has_revocation_details()) return Is::kGood;
  return certificate.revocation_details().reason() == v1::CERTIFICATE_HOLD ? Is::kHeld : Is::kRevoked;
}

struct Device {
  std::string name;
  Bytes serial;
  Is is = Is::kGood;  // as was answered last
};

// Changes the state of its devices for as long as it is told to, through one kill after the other, and looks after each
// whether what it was answered still stands.
class Client {
 public:
  Client(const Service& service, int number) : service_(service), random_(20261128 + number) {
    const auto station = ConnectAs(service, "station");
    for (int i = 0; i < kDevicesOfAClient; ++i) {
      const std::string device = fmt::format("device-{}-{}", number, i);
      const testing::Answer issued = testing::Issue(station, testing::DeviceRequest(device, [&](auto& csr) {
                                                      csr.subject = EncodeName({{"CN", device}});
                                                    }));
      if (!issued.status.ok()) throw std::runtime_error(issued.status.error_message());
      devices_.push_back({issued.certificate.name(), FromHex(issued.certificate.serial()).value()});
    }
    Reconnect();
    thread_ = std::thread([this] { Work(); });
  }
  Client(const Client&) = delete;  // its thread knows its address
  Client& operator=(const Client&) = delete;
  ~Client() { Stop(); }

  // Gets an answer to what it has asked before it stops.
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  const std::vector<Device>& devices() const { return devices_; }
  int answered() const { return answered_; }
  int looked_at() const { return looked_at_; }

 private:
  void Work() {
    while (!stopping_) {
      Device& device = devices_[random_() % devices_.size()];
      if (device.is == Is::kRevoked) continue;
      const bool release = device.is == Is::kHeld && random_() % 4 != 0;
      const Is next = release ? Is::kGood : random_() % 10 == 0 ? Is::kRevoked : Is::kHeld;
      bool repeated = false;
      while (!Ask(device, next, repeated)) {
        repeated = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        Reconnect();
        ExpectNothingIsLost(device);
      }
      device.is = next;
      changed_.insert(&device);
      ++answered_;
    }
    Reconnect();
    ExpectNothingIsLost({});
    EXPECT_TRUE(changed_.empty());
  }

  // A channel that has failed waits before it tries again; a new one does not.
  void Reconnect() {
    const auto channel = ConnectAs(service_, "operator");
    revocation_ = v1::Revocation::NewStub(channel);
    issuance_ = v1::Issuance::NewStub(channel);
  }

  // False: there was no answer.
  bool Ask(const Device& device, Is next, bool repeated) {
    grpc::ClientContext context;
    v1::Certificate answer;
    grpc::Status status;
    if (next == Is::kGood) {
      v1::ReleaseCertificateRequest request;
      request.set_name(device.name);
      status = revocation_->ReleaseCertificate(&testing::Within(context), request, &answer);
      // The answer to the first time was lost.
      if (repeated && testing::Decode(status).reason == "NOT_ON_HOLD") return true;
    } else {
      v1::RevokeCertificateRequest request;
      request.set_name(device.name);
      request.set_reason(next == Is::kHeld    ? v1::CERTIFICATE_HOLD
                         : random_() % 2 == 0 ? v1::KEY_COMPROMISE
                                              : v1::SUPERSEDED);
      status = revocation_->RevokeCertificate(&testing::Within(context), request, &answer);
    }
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return false;
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(StateOf(answer), next);
    return true;
  }

  // All that has changed since it was looked last, but for what is being asked.
  void ExpectNothingIsLost(const Device& asked) {
    for (auto at = changed_.begin(); at != changed_.end();) {
      const Device& device = **at;
      if (device.name != asked.name) {
        grpc::ClientContext context;
        v1::GetCertificateRequest request;
        request.set_name(device.name);
        v1::Certificate found;
        const grpc::Status status = issuance_->GetCertificate(&testing::Within(context), request, &found);
        if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return;  // killed again
        EXPECT_TRUE(status.ok()) << status.error_message();
        EXPECT_EQ(StateOf(found), device.is) << device.name;
        ++looked_at_;
      }
      at = changed_.erase(at);
    }
  }

  const Service& service_;
  std::mt19937 random_;
  std::vector<Device> devices_;
  std::set<const Device*> changed_;
  std::unique_ptr<v1::Revocation::Stub> revocation_;
  std::unique_ptr<v1::Issuance::Stub> issuance_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> answered_ = 0;
  std::atomic<int> looked_at_ = 0;
  std::thread thread_;
};

// A list's entries by serial number.
std::map<Bytes, RevocationReason> EntriesOf(X509_CRL* crl) {
  std::map<Bytes, RevocationReason> entries;
  const STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    const ASN1_INTEGER* serial = X509_REVOKED_get0_serialNumber(entry);
    const ssl::Owner<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason(
        static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
    entries[Bytes(serial->data, serial->data + serial->length)] =
        reason == nullptr ? RevocationReason::kUnspecified
                          : static_cast<RevocationReason>(ASN1_ENUMERATED_get(reason.get()));
  }
  return entries;
}

// A relying party that fetches all lists again and again, and keeps every one that it has ever seen.
class RelyingParty {
 public:
  explicit RelyingParty(const Service& service)
      : port_(static_cast<uint16_t>(std::stoi(service.base_url().substr(service.base_url().rfind(':') + 1)))) {
    const std::string der = HttpClient(port_).Get("/aia/devices.cer").body;
    const uint8_t* in = AsBytes(der).data();
    issuer_.reset(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    if (issuer_ == nullptr) throw std::runtime_error("no certificate of devices");
    thread_ = std::thread([this] {
      while (!stopping_) {
        Fetch();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  RelyingParty(const RelyingParty&) = delete;  // its thread knows its address
  RelyingParty& operator=(const RelyingParty&) = delete;
  ~RelyingParty() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  struct List {
    std::string der;
    std::optional<uint64_t> base;
    std::map<Bytes, RevocationReason> entries;
  };
  const std::map<uint64_t, List>& seen() const { return seen_; }

  // Not while its thread fetches.
  void Fetch() {
    HttpClient http(port_);
    if (!http.connected()) return;
    for (int64_t shard = 0; shard < kShards; ++shard) {
      const std::string complete =
          shard == 0 ? std::string("/crl/devices.crl") : fmt::format("/crl/devices/{}.crl", shard);
      for (const bool delta : {false, true}) {
        const auto got = http.Get(delta ? fmt::format("/crl/devices/{}-delta.crl", shard) : complete);
        if (got.status != 200) break;  // down, or not made yet
        Note({shard, delta}, got.body);
      }
    }
  }
  // What base and delta of all shards say together, as last served. nullopt: they do not fit.
  std::optional<std::map<Bytes, RevocationReason>> Revoked() const {
    std::map<Bytes, RevocationReason> revoked;
    for (int64_t shard = 0; shard < kShards; ++shard) {
      const auto complete = newest_.find({shard, false});
      const auto delta = newest_.find({shard, true});
      if (complete == newest_.end() || delta == newest_.end()) return std::nullopt;
      if (seen_.at(delta->second).base != complete->second) return std::nullopt;
      for (const auto& [serial, reason] : seen_.at(complete->second).entries) revoked[serial] = reason;
      for (const auto& [serial, reason] : seen_.at(delta->second).entries) {
        if (reason == RevocationReason::kRemoveFromCrl) {
          revoked.erase(serial);
        } else {
          revoked[serial] = reason;
        }
      }
    }
    return revoked;
  }

 private:
  void Note(const CrlScope& scope, const std::string& der) {
    uint64_t& newest = newest_[scope];
    const uint8_t* in = AsBytes(der).data();
    const ssl::Crl crl(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
    ASSERT_NE(crl, nullptr);
    const auto number_of = [&crl](int nid) -> std::optional<uint64_t> {
      const ssl::Owner<ASN1_INTEGER, ASN1_INTEGER_free> integer(
          static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl.get(), nid, nullptr, nullptr)));
      uint64_t value = 0;
      if (integer == nullptr || ASN1_INTEGER_get_uint64(&value, integer.get()) != 1) return std::nullopt;
      return value;
    };
    const uint64_t number = number_of(NID_crl_number).value_or(0);
    EXPECT_GE(number, newest) << "shard " << scope.shard << (scope.delta ? ", delta" : "") << " has gone back";
    const auto [known, is_new] = seen_.try_emplace(number, List{der, number_of(NID_delta_crl), {}});
    EXPECT_EQ(known->second.der, der) << "CRL number " << number << " has two contents";
    EXPECT_EQ(known->second.base.has_value(), scope.delta);
    if (is_new) {
      EXPECT_EQ(X509_CRL_verify(crl.get(), X509_get0_pubkey(issuer_.get())), 1) << "CRL number " << number;
      known->second.entries = EntriesOf(crl.get());
      if (!scope.delta && newest > 0) ExpectStays(seen_.at(newest), known->second);
    }
    newest = number;
  }
  // Who was revoked for ever, for whatever reason, is on the next complete list, too.
  static void ExpectStays(const List& before, const List& after) {
    for (const auto& [serial, reason] : before.entries) {
      if (reason == RevocationReason::kCertificateHold) continue;
      const auto found = after.entries.find(serial);
      EXPECT_TRUE(found != after.entries.end() && found->second != RevocationReason::kCertificateHold) << Hex(serial);
    }
  }

  const uint16_t port_;
  ssl::Certificate issuer_;
  std::map<uint64_t, List> seen_;
  std::map<CrlScope, uint64_t> newest_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

bool Agree(const std::map<Bytes, RevocationReason>& revoked, const std::vector<std::unique_ptr<Client>>& clients) {
  size_t expected = 0;
  for (const auto& client : clients) {
    for (const Device& device : client->devices()) {
      const auto found = revoked.find(device.serial);
      const Is is = found == revoked.end()                                ? Is::kGood
                    : found->second == RevocationReason::kCertificateHold ? Is::kHeld
                                                                          : Is::kRevoked;
      if (is != device.is) return false;
      expected += is == Is::kGood ? 0 : 1;
    }
  }
  return revoked.size() == expected;
}

// What the database has of each list of `devices` that was ever signed: its number and SHA-256; of many without octets.
std::map<uint64_t, std::string> Recorded(const Service& service) {
  std::istringstream rows(RunCommand(fmt::format("sqlite3 {}/hallmark.db \"SELECT number || ' ' || lower(hex(sha256)) "
                                                 "FROM crls WHERE authority = 'devices' AND signed = 1\"",
                                                 service.ca().string()))
                              .output);
  std::map<uint64_t, std::string> recorded;
  uint64_t number = 0;
  for (std::string digest; rows >> number >> digest;) recorded[number] = digest;
  return recorded;
}

std::unique_ptr<Service> ServiceWithDeltas() {
  auto service = Service::Stopped();
  const auto edited =
      RunCommand(fmt::format("sed -i 's/^crl:/&\\n  shards: {{devices: {}}}\\n  delta_lifetime: 1h/' "
                             "{}/hallmark.yaml",
                             kShards, service->ca().string()));
  if (edited.exit_code != 0) throw std::runtime_error(edited.output);
  service->Start();
  return service;
}

TEST(RevocationCrashTest, AHundredKillsLoseNoRevocationAndUseNoCrlNumberTwice) {
  const std::unique_ptr<Service> service = ServiceWithDeltas();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<Client>(*service, i));
  RelyingParty relying(*service);
  const auto answered = [&clients] {
    int sum = 0;
    for (const auto& client : clients) sum += client->answered();
    return sum;
  };
  std::mt19937 random(20261128);
  for (int kill = 0; kill < kKills; ++kill) {
    // Some answers further on, at an arbitrary instant.
    const int next = answered() + 5 + static_cast<int>(random() % 20);
    for (int i = 0; i < 20000 && answered() < next; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_GE(answered(), next) << "kill " << kill << ": " << service->Log().substr(0, 2000);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    service->Kill();
    service->Start();
  }
  int looked_at = 0;
  for (const auto& client : clients) {
    client->Stop();
    looked_at += client->looked_at();
  }
  relying.Stop();

  // The lists come to say what the clients were answered.
  bool agreed = false;
  for (const Time end = absl::Now() + absl::Seconds(30); !agreed && absl::Now() < end;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    relying.Fetch();
    const auto revoked = relying.Revoked();
    agreed = revoked.has_value() && Agree(*revoked, clients);
  }
  EXPECT_TRUE(agreed);
  EXPECT_EQ(service->Stop(), 0);

  const auto store = OpenSqliteStore({.path = service->ca() / "hallmark.db"});
  ASSERT_THAT(store, IsOk());
  const std::map<uint64_t, std::string> recorded = Recorded(*service);
  for (const auto& [number, list] : relying.seen()) {
    EXPECT_EQ(recorded.at(number), Hex(Sha256(AsBytes(list.der)))) << number;
  }
  testing::ExpectJournalAndRecordsAgree(*service, **store);
  std::cout << fmt::format("{} kills, {} answers, {} looked at after a kill, {} lists seen of {} recorded\n", kKills,
                           answered(), looked_at, relying.seen().size(), recorded.size());
}

}  // namespace
}  // namespace hallmark
