// A certificate authority in this process and the stand-in of DPS: a target that a test works off step by step, with a
// clock that it turns, and devices that register by Microsoft's SDK.
#pragma once

#include <openssl/pem.h>

#include <cstdlib>
#include <fstream>

#include "hsm/memory_signer.h"
#include "publish/credential.h"
#include "publish/dps_target.h"
#include "publish/entries.h"
#include "publish/target_worker.h"
#include "tests/dps_stand_in.h"
#include "tests/house.h"
#include "tests/status_matchers.h"

namespace hallmark {

inline void PrintTo(const WorkRecord& work, std::ostream* out) {
  *out << fmt::format("work {} \"{}\" generation {}, {} attempts, next {}: {} {}", static_cast<int>(work.kind),
                      work.key, work.generation, work.attempts, Rfc3339(work.next), work.reason, work.failure);
}

}  // namespace hallmark

namespace hallmark::testing {

class DpsHouse {
 public:
  static constexpr char kTarget[] = "contoso";
  static std::string Described(const std::string& more = "") {
    return fmt::format(
        "target: {}\nkind: dps\nservice: {}\nid_scope: {}\nsubscription: 00000000-0000-0000-0000-000000000000\n"
        "resource_group: hallmark\ncredential: test\n{}",
        kTarget, DpsStandIn::kService, DpsStandIn::kIdScope, more);
  }
  static std::string WithGroup() {
    return Described(fmt::format(
        "groups: [{{group: line-devices, authority: devices, allocation: hashed, hubs: [{}]}}]\n", DpsStandIn::kHub1));
  }
  // Whose devices are disabled in that hub, too.
  static std::string WithHub(const std::string& hub) {
    return WithGroup() + fmt::format("revocation: {{hubs: [{}]}}\n", hub);
  }

  explicit DpsHouse(const std::string& description = WithGroup()) {
    setenv("https_proxy", cloud.proxy().c_str(), 1);
    setenv("no_proxy", "localhost", 1);
    house.clock.now = TruncateToSecond(absl::Now());
    client_ = WebClient::Create(cloud.roots()).value();
    UseCredential(false);
    Describe(description);
  }

  // Entra ID instead of SAS for the data plane.
  void UseCredential(bool entra) {
    const SecretSource sas_key{.kind = SecretSource::Kind::kFile, .name = cloud.sas_key_file()};
    const EntraConfig app{.tenant = DpsStandIn::kTenant,
                          .client_id = DpsStandIn::kClient,
                          .certificate = cloud.entra_certificate(),
                          .key = {.kind = SecretSource::Kind::kFile, .name = cloud.entra_key()}};
    const SasConfig sas{.policy = "provisioningserviceowner", .key = sas_key};
    const AuthorizerConfig data = entra ? AuthorizerConfig(app) : AuthorizerConfig(sas);
    const CredentialConfig config = {{Audience::kManagement, app}, {Audience::kService, data}, {Audience::kHub, data}};
    azure_.hub = "https://{hub}/hub/{hub}";
    credential_ =
        MakeCredential("test", config, azure_,
                       {.client = *client_,
                        .clock = house.clock,
                        .environment = environment_,
                        .open_key = [](const EntraConfig& entra, ByteView) -> StatusOr<std::shared_ptr<const Signer>> {
                          ASSIGN_OR_RETURN(const Secret pem, ReadSecret(entra.key, {}));
                          return ReadMemorySigner(pem, SignatureAlgorithm::kRsaPssSha256);
                        }});
    if (!text_.empty()) Build();
  }

  // Adds the target, or gives it another description.
  void Describe(const std::string& text) {
    text_ = text;
    description_ = std::get<DpsDescription>(ReadDescription(text).value().kind);
    TargetRecord record{.target = kTarget,
                        .kind = "dps",
                        .description = text,
                        .authorities = AuthoritiesBelow(description_, house.issuers().Current()->records),
                        .created = Now(),
                        .updated = Now(),
                        .updated_by = "hallmark://test/operator/one"};
    const StatusOr<TargetRecord> before = house.store().GetTarget(kTarget);
    record.version = before.ok() ? before->version : 0;
    EXPECT_THAT(before.ok() ? house.store().UpdateTarget(record, "{}") : house.store().AddTarget(record, "{}"), IsOk());
    Build();
  }
  // As after a restart of the service.
  void Restart() {
    house.Reopen();
    Build();
  }

  // Until nothing is due.
  void Work() {
    const std::atomic<bool> stopping = false;
    ASSERT_THAT(worker_->Work(stopping), IsOk());
  }
  // The same, however often the target asks to be left alone.
  void WorkThrough(int most = 50) {
    for (int i = 0; i < most; ++i) {
      Work();
      const WorkCounts counts = house.store().CountWork(kTarget).value();
      if (counts.waiting == 0) return;
      Time next = worker_->pause().until;
      for (const WorkRecord& one : Waiting()) {
        if (!one.parked) next = std::max(next, one.next);
      }
      Advance(std::max(next - Now(), Duration()) + absl::Seconds(1));
    }
    FAIL() << "there is work left: " << house.store().ListWork(kTarget, false, {}, 1)->front().failure;
  }
  void Publish(bool take_over = false) {
    ASSERT_THAT(house.store().QueueChain(kTarget, take_over, Now(), "{}"), IsOk());
    Work();
  }
  ChainState chain() { return house.store().GetTarget(kTarget)->chain; }
  std::vector<WorkRecord> Waiting() { return house.store().ListWork(kTarget, false, {}, 1000).value(); }
  StatusOr<ChainPlan> Plan() { return target_->Plan(false, Now() + absl::Minutes(1)); }
  static constexpr char kOperator[] = "hallmark://test/operator/one";
  std::vector<Drift> Reconcile(bool repair) {
    std::vector<Drift> drifts;
    const auto result = target_->Reconcile(
        repair, kOperator, [](const Reconciled&) { return true; }, [&](const Drift& drift) { drifts.push_back(drift); },
        Now() + absl::Minutes(1));
    EXPECT_THAT(result, IsOk());
    return drifts;
  }
  // Another one, whose budget is filled as `clock` says.
  std::unique_ptr<DpsTarget> MakeTarget(OperationBudget& budget, const Clock& clock) {
    return std::make_unique<DpsTarget>(
        DpsService::Parts{.credential = *credential_, .azure = azure_, .budget = budget, .clock = clock},
        house.authority(), "test", kTarget, description_);
  }
  const TargetWorker& worker() const { return *worker_; }
  const DpsTarget& target() const { return *target_; }

  Time Now() const { return house.clock.now; }
  // The clocks here and in the cloud.
  void Advance(Duration time) {
    house.clock.now += time;
    offset_ += time;
    cloud.Set({{"clockOffsetSeconds", absl::ToInt64Seconds(offset_)}});
  }

  CertificateRecord Issue(const std::string& device, const std::string& authority = "devices",
                          const std::string& request = "") {
    Request asked = house.DeviceRequest(request.empty() ? "r-" + device.substr(0, 40) : request, device);
    asked.authority = authority;
    const StatusOr<Issued> issued = house.Issue(asked, authority == "devices" ? "station" : "operator");
    EXPECT_THAT(issued, IsOk());
    return issued.ok() ? issued->record : CertificateRecord();
  }
  // What the device of that certificate is told; it sends its whole chain.
  nlohmann::json Register(const std::string& device, const CertificateRecord& record) {
    return Register(device, record, House::DeviceKey(device));
  }
  nlohmann::json Register(const std::string& device, const CertificateRecord& record, const SoftwareSigner& signer) {
    const std::string chain = (cloud.directory() / (device + "-chain.pem")).string();
    const std::string key = (cloud.directory() / (device + ".key")).string();
    std::ofstream file(chain);
    file << PemEncode("CERTIFICATE", record.certificate);
    for (const Bytes& one : house.issuer(record.authority).chain()) file << PemEncode("CERTIFICATE", one);
    file.close();
    FILE* out = fopen(key.c_str(), "w");
    PEM_write_PrivateKey(out, signer.key(), nullptr, nullptr, 0, nullptr, nullptr);
    fclose(out);
    return cloud.Register(device, chain, key);
  }
  void Revoke(const CertificateRecord& record, RevocationReason reason = RevocationReason::kSuperseded) {
    ASSERT_THAT(house.authority().Revoke(House::CallerOf("operator"), record.authority, record.serial, reason), IsOk());
  }
  // The entries of the ledger of that type.
  std::vector<nlohmann::json> Ledger(const std::string& type) {
    std::vector<nlohmann::json> found;
    const uint64_t size = house.store().GetLedgerHead()->size;
    const std::vector<LedgerEntry> entries = house.store().ListEntries(0, size).value();
    for (const LedgerEntry& entry : entries) {
      const auto json = nlohmann::json::parse(entry.entry, nullptr, false);
      if (json.is_object() && json.value("type", "") == type) found.push_back(json);
    }
    return found;
  }

  DpsStandIn cloud;
  House house;

 private:
  void Build() {
    worker_.reset();
    budget_ = std::make_unique<OperationBudget>(1000, 1e9);  // the clock stands still
    target_ = MakeTarget(*budget_, house.clock);
    worker_ = std::make_unique<TargetWorker>(*target_, house.authority(), house.store().GetTarget(kTarget).value(),
                                             observers_);
  }

  std::string text_;
  AzureConfig azure_;
  SecretEnvironment environment_;
  PublicationObservers observers_;
  DpsDescription description_;
  Duration offset_;
  std::unique_ptr<WebClient> client_;
  std::unique_ptr<Credential> credential_;
  std::unique_ptr<OperationBudget> budget_;
  std::unique_ptr<DpsTarget> target_;
  std::unique_ptr<TargetWorker> worker_;
};

}  // namespace hallmark::testing
