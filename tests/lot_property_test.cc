// Eight stations on bad days: random requests over a network that is cut, to a service that is killed, while lots are
// imported, amended and closed. Whatever happens: at most one live certificate a device, every answer on record, every
// retry the same octets, and a reconciliation that adds up.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "factory/terms.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/factory_floor.h"
#include "tests/signed_records.h"
#include "tests/status_matchers.h"
#include "tests/tcp_proxy.h"

namespace hallmark {
namespace {

using testing::Answer;
using testing::FactoryFloor;
using testing::IsOk;
using testing::Service;
using testing::TcpProxy;

constexpr int kStations = 8;
constexpr int kLinesALot = 150;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOperations = 4000;
#else
constexpr int kOperations = 20000;
#endif

// The lots that there are, as stations hear of them.
class Lots {
 public:
  void Add(const std::string& lot, std::vector<std::string> serials) {
    const std::lock_guard lock(mutex_);
    if (!serials_.contains(lot)) names_.push_back(lot);
    auto& known = serials_[lot];
    known.insert(known.end(), serials.begin(), serials.end());
  }
  // A device, mostly of one of the newest lots.
  std::pair<std::string, std::string> Pick(std::mt19937& random) const {
    const std::lock_guard lock(mutex_);
    const size_t recent = std::min<size_t>(names_.size(), 3);
    const size_t at = random() % 8 == 0 ? random() % names_.size() : names_.size() - 1 - random() % recent;
    const std::vector<std::string>& serials = serials_.at(names_[at]);
    return {names_[at], serials[random() % serials.size()]};
  }
  std::vector<std::string> names() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> names_;
  std::map<std::string, std::vector<std::string>> serials_;
};

// What one request came to, as its station remembers it on a disk that outlives the station.
struct Spooled {
  v1::IssueCertificateRequest request;
  std::string certificate;  // its resource name, once there is an answer
  std::string answer;       // the certificate and the device's bundle, octet by octet; empty: none yet
  std::string refusal;
};

class Station {
 public:
  Station(FactoryFloor& floor, const TcpProxy& proxy, const Lots& lots, std::atomic<int>& operations, int number)
      : name_(fmt::format("line-{}", number)),
        endpoint_(proxy.endpoint()),
        floor_(floor),
        lots_(lots),
        operations_(operations),
        random_(static_cast<unsigned>(20261128 + number)),
        channel_(floor.Station(name_, endpoint_)) {}

  void Work() {
    while (operations_ < kOperations) {
      ++operations_;
      Step();
    }
  }
  // Until each request has its answer, be it a refusal.
  bool Settle() {
    channel_ = floor_.Station(name_, endpoint_);
    for (const Time end = absl::Now() + absl::Minutes(2); absl::Now() < end;) {
      bool done = true;
      for (Spooled& spooled : spool_) {
        if (spooled.answer.empty() && spooled.refusal.empty()) {
          Send(spooled);
          done = false;
        }
      }
      if (done) return true;
    }
    return false;
  }
  const std::vector<Spooled>& spool() const { return spool_; }
  const std::vector<std::string>& faults() const { return faults_; }
  const std::string& why() const { return why_; }
  Duration longest() const { return longest_; }

 private:
  // A call that fails fast polls nothing, and without polling gRPC's handshakes do not go on.
  static void Patient(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    context.set_wait_for_ready(true);
  }

  void Step() {
    const unsigned dice = random_() % 100;
    if (dice < 12 && !spool_.empty()) {
      Send(spool_[random_() % spool_.size()]);  // a duplicate
    } else if (dice < 14) {
      channel_ = floor_.Station(name_, endpoint_);  // the station was killed and starts again with its spool
    } else if (dice < 20 && !spool_.empty()) {
      Confirm(spool_[random_() % spool_.size()]);
    } else if (dice < 24) {
      const auto [lot, serial] = lots_.Pick(random_);
      Ask(lot, "unannounced-" + serial, "");
    } else if (dice < 34) {
      const auto [lot, serial] = lots_.Pick(random_);
      Ask(lot, serial, "rework");
    } else {
      const auto [lot, serial] = lots_.Pick(random_);
      Ask(lot, serial, "");
    }
  }

  void Ask(const std::string& lot, const std::string& serial, const std::string& reissue) {
    Spooled spooled;
    spooled.request = FactoryFloor::Request(lot, serial, fmt::format("r-{}", spool_.size()));
    spooled.request.set_reissue_reason(reissue);
    spool_.push_back(std::move(spooled));
    Send(spool_.back());
  }

  void Send(Spooled& spooled) {
    const auto stub = v1::Issuance::NewStub(channel_);
    grpc::ClientContext context;
    Patient(context);
    v1::Certificate certificate;
    const Time begin = absl::Now();
    const grpc::Status status = stub->IssueCertificate(&context, spooled.request, &certificate);
    longest_ = std::max(longest_, absl::Now() - begin);
    const Answer answer = testing::Decode(status, certificate);
    if (answer.status.ok()) {
      const std::string octets = answer.certificate.certificate() + answer.certificate.device_bundle();
      if (!spooled.answer.empty() && spooled.answer != octets)
        faults_.push_back(spooled.request.request_id() + " was answered twice, differently");
      spooled.answer = octets;
      spooled.certificate = answer.certificate.name();
      spooled.refusal.clear();
    } else if (!answer.reason.empty() && !answer.retry_delay.has_value()) {
      if (!spooled.answer.empty())
        faults_.push_back(spooled.request.request_id() + " was answered, then refused: " + answer.reason);
      spooled.refusal = answer.reason;
    } else {
      why_ = fmt::format("{} {} {}", spooled.request.request_id(), answer.reason, answer.status.error_message());
      absl::SleepFor(absl::Milliseconds(20));  // away; it will ask again
    }
  }

  void Confirm(const Spooled& spooled) {
    if (spooled.answer.empty()) return;
    v1::ConfirmInstallationRequest request;
    request.set_name(spooled.certificate);
    grpc::ClientContext context;
    Patient(context);
    v1::ConfirmInstallationResponse response;
    v1::Issuance::NewStub(channel_)->ConfirmInstallation(&context, request, &response);
  }

  const std::string name_;
  const std::string endpoint_;
  FactoryFloor& floor_;
  const Lots& lots_;
  std::atomic<int>& operations_;
  std::mt19937 random_;
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<Spooled> spool_;
  std::vector<std::string> faults_;
  Duration longest_;
  std::string why_;  // nothing was answered, the last time
};

// The office: imports, amends and closes lots, and tries again until it has.
class Office {
 public:
  Office(FactoryFloor& floor, Service& service, Lots& lots) : floor_(floor), service_(service), lots_(lots) {}

  void ImportNext() {
    const std::string lot = fmt::format("lot-{}", ++count_);
    std::vector<std::string> serials;
    for (int i = 0; i < kLinesALot; ++i) serials.push_back(fmt::format("{}-d{}", lot, i));
    nlohmann::json manifest = FactoryFloor::Manifest(lot, serials);
    // Not all of them may be built, by a single station only so many; of every third lot the former certificates stay.
    manifest["quantity"] = kLinesALot - 10;
    manifest["stations"] = {nlohmann::json{{"station", "line-1"}, {"quantity", 15}}, "line-*"};
    manifest["reissue"] = {{"per_device", 2}, {"total", 40}, {"previous", count_ % 3 == 0 ? "keep" : "revoke"}};
    ImportAtLast(manifest);
    lots_.Add(lot, serials);
    manifests_[lot] = manifest;
  }

  void Amend(const std::string& lot) {
    nlohmann::json manifest = manifests_.at(lot);
    const int revision = manifest["revision"].get<int>() + 1;
    manifest["revision"] = revision;
    std::vector<std::string> serials;
    for (int i = 0; i < 10; ++i) serials.push_back(fmt::format("{}-a{}-{}", lot, revision, i));
    manifest["devices"] = nlohmann::json::array();
    for (const std::string& serial : serials) manifest["devices"].push_back({{"serial", serial}});
    manifest["withdraw"] = {fmt::format("{}-d{}", lot, revision)};
    const std::string refused = ImportAtLast(manifest);
    if (!refused.empty()) return;  // what it withdraws was claimed, or the lot closed
    lots_.Add(lot, serials);
    manifests_[lot] = manifest;
  }

  void Close(const std::string& lot) {
    AtLast([&] { return service_.Hallmark("operator", "lot close --yes " + lot); });
  }

 private:
  std::string ImportAtLast(const nlohmann::json& manifest) {
    const std::string file = floor_.Sign(manifest);
    return AtLast([&] { return service_.Hallmark("importer", "lot import --output json " + file); });
  }
  // Empty: done; else why it was refused.
  template <class Act>
  static std::string AtLast(const Act& act) {
    for (int i = 0; i < 100; ++i) {
      const auto result = act();
      if (result.exit_code == 0) return "";
      if (result.exit_code != 4) return result.output;  // 4: not now
      absl::SleepFor(absl::Milliseconds(100));
    }
    throw std::runtime_error("the service is away for too long");
  }

  FactoryFloor& floor_;
  Service& service_;
  Lots& lots_;
  int count_ = 0;
  std::map<std::string, nlohmann::json> manifests_;
};

void ExpectAtMostOneLiveCertificate(const std::vector<CertificateRecord>& certificates, Store& store) {
  std::map<std::string, int> live;
  for (const CertificateRecord& record : certificates) {
    if (!record.device.has_value() || record.revocation.has_value()) continue;
    const auto device = store.GetDevice(record.device->lot, record.device->serial);
    ASSERT_THAT(device, IsOk());
    // Of a lot that keeps the former ones only the current one counts.
    const bool keeps = ParseTerms(store.GetLot(record.device->lot)->terms)->reissue.revoke_previous == false;
    if (keeps && device->certificate_serial != record.serial) continue;
    ++live[record.device->lot + "/" + record.device->serial];
  }
  for (const auto& [device, count] : live) EXPECT_EQ(count, 1) << device;
}

TEST(LotPropertyTest, HoldsWhateverHappens) {
  const std::unique_ptr<Service> service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  TcpProxy proxy(std::stoi(service->endpoint().substr(service->endpoint().rfind(':') + 1)));
  Lots lots;
  Office office(floor, *service, lots);
  for (int i = 0; i < 3; ++i) office.ImportNext();

  std::atomic<int> operations = 0;
  std::vector<std::unique_ptr<Station>> stations;
  for (int i = 1; i <= kStations; ++i) stations.push_back(std::make_unique<Station>(floor, proxy, lots, operations, i));
  std::vector<std::jthread> threads;
  for (const auto& station : stations) threads.emplace_back([&] { station->Work(); });

  std::mt19937 random(28);
  int kills = 0;
  int cuts = 0;
  // Dealt from a deck, so that however few there is time for, each kind has its share.
  std::vector<unsigned> deck;
  for (int next = 0; operations < kOperations;) {
    absl::SleepFor(absl::Milliseconds(20));
    if (operations < next) continue;
    next += kOperations / 100;
    if (deck.empty()) {
      deck = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
      std::shuffle(deck.begin(), deck.end(), random);
    }
    const unsigned dice = deck.back();
    deck.pop_back();
    const std::vector<std::string> names = lots.names();
    if (dice < 3) {
      service->Kill();
      service->Start();
      ++kills;
    } else if (dice < 6) {
      proxy.Cut();
      ++cuts;
    } else if (dice < 8) {
      office.ImportNext();
    } else if (dice < 9) {
      office.Amend(names[random() % names.size()]);
    } else {
      office.Close(names[random() % names.size()]);
    }
  }
  threads.clear();
  std::atomic<int> settled = 0;
  for (const auto& station : stations) threads.emplace_back([&] { settled += station->Settle() ? 1 : 0; });
  threads.clear();
  EXPECT_EQ(settled, kStations);
  Duration longest;
  for (const auto& station : stations) {
    EXPECT_THAT(station->faults(), ::testing::IsEmpty()) << station->why();
    longest = std::max(longest, station->longest());
  }
  EXPECT_GE(kills, 3);
  EXPECT_GE(cuts, 3);

  for (const std::string& lot : lots.names()) {
    const auto reconciled = service->Hallmark("operator", "lot reconcile --output json " + lot);
    EXPECT_EQ(reconciled.exit_code, 0) << reconciled.output;
  }
  EXPECT_EQ(service->Stop(), 0);
  const auto store = OpenSqliteStore({.path = service->ca() / "hallmark.db"});
  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->OpenIntents()->empty());
  const std::vector<CertificateRecord> certificates = testing::AllCertificates(**store);
  std::set<std::string> recorded;
  for (const CertificateRecord& record : certificates) recorded.insert(ToString(record.certificate));
  ExpectAtMostOneLiveCertificate(certificates, **store);
  size_t answered = 0;
  size_t refused = 0;
  for (const auto& station : stations) {
    for (const Spooled& spooled : station->spool()) {
      refused += spooled.refusal.empty() ? 0 : 1;
      if (spooled.answer.empty()) continue;
      ++answered;
      EXPECT_TRUE(recorded.contains(spooled.answer.substr(0, spooled.answer.find("{\n  \"hallmark_device_bundle\""))));
    }
  }
  testing::ExpectJournalAndRecordsAgree(*service, **store);
  std::cout << fmt::format(
      "{} operations, {} kills, {} cuts, {} lots: {} certificates answered, {} requests refused; no call took "
      "longer than {:.1f} s\n",
      operations.load(), kills, cuts, lots.names().size(), answered, refused, absl::ToDoubleSeconds(longest));
  EXPECT_GT(answered, 500u);
}

}  // namespace
}  // namespace hallmark
