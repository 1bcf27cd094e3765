// `hallmark station` against a real service: what a line sees, and what kills, cuts and restarts cost it, which is
// nothing.
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "store/sqlite/sqlite_store.h"
#include "tests/eventually.h"
#include "tests/signed_records.h"
#include "tests/station_line.h"
#include "tests/status_matchers.h"
#include "tests/tcp_proxy.h"

namespace hallmark {
namespace {

using testing::AllCertificates;
using ::testing::AllOf;
using testing::FactoryFloor;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RunCommand;
using testing::Service;
using testing::StationLine;
using testing::TcpProxy;

std::vector<std::string> Serials(int count) {
  std::vector<std::string> serials;
  for (int i = 1; i <= count; ++i) serials.push_back(fmt::format("SN{:04}", i));
  return serials;
}

int PortOf(const Service& service) { return std::stoi(service.endpoint().substr(service.endpoint().rfind(':') + 1)); }

std::string DerOf(const std::filesystem::path& pem) {
  return ToString(PemDecode("CERTIFICATE", ReadFile(pem).value()).value().front());
}

TEST(StationRunTest, KillsCutsAndRestartsLoseNothingAndDoubleNothing) {
  constexpr int kDevices = 1200;
  constexpr int kKills = 12;
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  const std::vector<std::string> serials = Serials(kDevices);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", serials)).exit_code, 0);
  TcpProxy proxy(PortOf(*service));
  const std::string local = proxy.endpoint();
  const StationLine line(*service, "localhost" + local.substr(local.rfind(':')));
  for (const std::string& serial : serials) line.MakeCsr(serial, serial);

  std::mt19937 random(20261128);
  const std::string options = "--lot a-17 --in-flight 8 --timeout 120s";
  int kills = 0;
  while (kills < kKills) {
    const pid_t station = line.Start(options);
    const size_t next = line.Delivered() + 5 + random() % 30;
    ASSERT_TRUE(testing::Eventually([&] { return line.Delivered() >= next; })) << line.Log();
    if (kills % 3 == 1) proxy.Cut();
    if (kills % 4 == 2) {
      service->Kill();
      service->Start();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    ASSERT_EQ(StationLine::End(station, SIGKILL), 128 + SIGKILL) << "it ended before its kill: " << line.Log();
    ++kills;
  }
  const auto finished = line.Run(options + " --output json");
  EXPECT_EQ(finished.exit_code, 0) << finished.output;
  EXPECT_EQ(line.Status().at("states"), nlohmann::json({{"delivered", kDevices}}));
  EXPECT_EQ(line.Delivered(), static_cast<size_t>(kDevices));
  EXPECT_EQ(line.Delivered(".json"), static_cast<size_t>(kDevices));

  // What the service has is what the line has, to the octet, and no more.
  const auto reconciled = service->Hallmark("auditor", "lot reconcile a-17 --output json");
  EXPECT_EQ(reconciled.exit_code, 0) << reconciled.output;
  const std::string bundle = ReadFile(line.out() / "SN0001.json").value();
  const std::string name = nlohmann::json::parse(bundle).at("registration_id");
  EXPECT_EQ(name, "SN0001");
  EXPECT_EQ(service->Stop(), 0);
  const auto store = OpenSqliteStore({.path = service->ca() / "hallmark.db"});
  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->OpenIntents().value().empty());
  std::set<std::string> recorded;
  for (const CertificateRecord& record : AllCertificates(**store)) {
    if (record.profile != "device-dps") continue;
    EXPECT_TRUE(recorded.insert(ToString(record.certificate)).second);
  }
  EXPECT_EQ(recorded.size(), static_cast<size_t>(kDevices));
  for (const std::string& serial : serials) {
    EXPECT_TRUE(recorded.contains(DerOf(line.out() / (serial + ".pem")))) << serial;
  }
}

TEST(StationRunTest, RefusalsSayWhyAndAreAskedAgainOnceTheirCauseIsGone) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  nlohmann::json manifest = FactoryFloor::Manifest("a-17", {"SN1", "SN2"});
  ASSERT_EQ(floor.SignAndImport(manifest).exit_code, 0);
  const StationLine line(*service);
  line.MakeCsr("SN1", "SN1");
  line.MakeCsr("SN3", "SN3");
  std::ofstream(line.in() / "key.csr") << "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
  std::ofstream(line.in() / "big.csr") << std::string(9000, 'x');
  std::ofstream(line.in() / "junk.csr") << "no CSR";
  std::ofstream(line.in() / "notes.txt") << "of no interest";

  const auto first = line.Run("--lot a-17");
  EXPECT_EQ(first.exit_code, 3) << first.output;
  EXPECT_THAT(first.output, AllOf(HasSubstr("refused: SN3: "), HasSubstr("DEVICE_UNKNOWN 1")));
  EXPECT_TRUE(std::filesystem::exists(line.out() / "SN1.json"));
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"SN3", "DEVICE_UNKNOWN"}, {"key", "REQUEST_INVALID"}, {"big", "CSR_TOO_LARGE"}, {"junk", "CSR_MALFORMED"}};
  for (const auto& [name, reason] : refusals) {
    const auto file = ReadFile(line.out() / "refused" / (name + ".json"));
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ(nlohmann::json::parse(*file).at("error").at("reason"), reason) << name;
    EXPECT_FALSE(std::filesystem::exists(line.out() / (name + ".pem")));
  }
  // The key is nowhere in the spool.
  EXPECT_NE(RunCommand(fmt::format("grep -q 'PRIVATE KEY' {}*", line.spool().string())).exit_code, 0);
  // Running again asks nothing again, and does not call it complete.
  const auto again = line.Run("--lot a-17 --output json");
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_EQ(nlohmann::json::parse(again.output).at("delivered"), 0);
  EXPECT_EQ(line.Status().at("refusals").at("DEVICE_UNKNOWN"), 1);

  manifest["revision"] = 2;
  manifest["quantity"] = 3;
  manifest["devices"] = {{{"serial", "SN3"}}};  // the others stay announced
  const auto amended = floor.SignAndImport(manifest);
  ASSERT_EQ(amended.exit_code, 0) << amended.output;
  EXPECT_EQ(line.Station("retry key").exit_code, 3);
  EXPECT_EQ(line.Station("retry SN1").exit_code, 3);
  EXPECT_EQ(line.Station("retry SN3").exit_code, 0);
  const auto second = line.Run("--lot a-17 --output json");
  EXPECT_EQ(nlohmann::json::parse(second.output).at("delivered"), 1) << second.output;
  EXPECT_TRUE(std::filesystem::exists(line.out() / "SN3.pem"));
  EXPECT_FALSE(std::filesystem::exists(line.out() / "refused/SN3.json"));
}

TEST(StationRunTest, WatchesAFolderAndConfirmsWhatIsInstalled) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", Serials(4))).exit_code, 0);
  const StationLine line(*service);
  const pid_t station = line.Start("--lot a-17 --watch");
  ASSERT_TRUE(testing::Eventually([&] { return std::filesystem::exists(line.spool()); }));
  line.MakeCsr("SN0001", "SN0001");
  ASSERT_TRUE(testing::Eventually([&] { return line.Delivered(".json") == 1; })) << line.Log();
  // Renamed into place.
  std::ofstream(line.directory() / "part", std::ios::binary)
      << FactoryFloor::RequestWithKeyOf("SN0002", "SN0002", "").csr();
  std::filesystem::rename(line.directory() / "part", line.in() / "SN0002.csr");
  ASSERT_TRUE(testing::Eventually([&] { return std::filesystem::exists(line.out() / "SN0002.json"); })) << line.Log();
  // While it runs nobody else sends, but confirming is open.
  const auto second = line.Run("--lot a-17");
  EXPECT_EQ(second.exit_code, 4);
  EXPECT_THAT(second.output, HasSubstr("another process sends from the spool"));
  const auto confirmed = line.Station("confirm SN0001 --output json");
  EXPECT_EQ(confirmed.exit_code, 0) << confirmed.output;
  EXPECT_EQ(nlohmann::json::parse(confirmed.output).at("devices").at(0).at("device"), "lots/a-17/devices/SN0001");
  EXPECT_EQ(line.Station("confirm SN0001").exit_code, 0);  // once more
  EXPECT_EQ(line.Station("confirm --all").exit_code, 0);
  EXPECT_EQ(StationLine::End(station, SIGTERM), 0) << line.Log();
  EXPECT_EQ(line.Status().at("states").value("confirmed", 0), static_cast<int>(line.Delivered(".json")));
}

TEST(StationRunTest, GivesUpWithoutAServiceAndGoesOnOnceItIsBack) {
  const auto service = Service::Stopped();
  const StationLine line(*service);
  line.MakeCsr("device-1", "device-1");
  const auto without = line.Run("--timeout 300ms --output json");
  EXPECT_EQ(without.exit_code, 4) << without.output;
  EXPECT_EQ(line.Status().at("waiting"), 1);
  service->Start();
  // The folder may be empty by then: the spool has it.
  std::filesystem::remove(line.in() / "device-1.csr");
  const auto with = line.Run("");
  EXPECT_EQ(with.exit_code, 0) << with.output;
  EXPECT_TRUE(std::filesystem::exists(line.out() / "device-1.pem"));
  EXPECT_FALSE(std::filesystem::exists(line.out() / "device-1.json"));  // of no lot
}

TEST(StationRunTest, ReadsArchivesAndLists) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", Serials(4))).exit_code, 0);
  const StationLine line(*service);
  for (const char* serial : {"SN0001", "SN0002"}) line.MakeCsr(std::string("x-") + serial, serial);
  const std::string pack = fmt::format(
      "cd {0} && openssl req -inform DER -in csrs/x-SN0002.csr -out csrs/x-SN0002.csr && tar czf two.tar.gz -C csrs . "
      "&& "
      "rm csrs/* && printf 'file,serial,reissue_reason\\n./x-SN0001.csr,SN0001,\\n./x-SN0002.csr,SN0002,\\n' > "
      "list.csv",
      line.directory().string());
  ASSERT_EQ(RunCommand(pack).exit_code, 0);
  const auto run = line.Station(fmt::format("run --in {0}/two.tar.gz --list {0}/list.csv --out {0}/issued --lot a-17",
                                            line.directory().string()));
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_TRUE(std::filesystem::exists(line.out() / "x-SN0001.json"));
  EXPECT_EQ(line.Delivered(".json"), 2u);
}

TEST(StationRunTest, ADeviceProvesThatItHasItsCertificate) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", {"SN1"})).exit_code, 0);
  const StationLine line(*service);
  const std::string base = (line.directory() / "SN1").string();
  const auto made = RunCommand(
      fmt::format("cd {0} && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=SN1 -keyout "
                  "SN1.key -out csrs/SN1.csr && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
                  "other.key",
                  line.directory().string()));
  ASSERT_EQ(made.exit_code, 0) << made.output;
  ASSERT_EQ(line.Run("--lot a-17").exit_code, 0);
  const auto other = line.Station(fmt::format("confirm SN1 --key {}/other.key", line.directory().string()));
  EXPECT_EQ(other.exit_code, 3) << other.output;
  EXPECT_THAT(other.output, HasSubstr("INSTALLATION_PROOF_INVALID"));
  // As the device does it: it signs what stands in its bundle.
  const nlohmann::json bundle = nlohmann::json::parse(ReadFile(line.out() / "SN1.json").value());
  std::ofstream(base + ".challenge") << bundle.at("installation_challenge").get<std::string>();
  ASSERT_EQ(RunCommand(fmt::format("openssl dgst -sha256 -sign {0}.key -out {0}.sig {0}.challenge", base)).exit_code,
            0);
  for (const std::string& proof : {"--signature " + base + ".sig", "--key " + base + ".key"}) {
    const auto proven = line.Station("confirm SN1 --output json " + proof);
    ASSERT_EQ(proven.exit_code, 0) << proven.output;
    EXPECT_EQ(nlohmann::json::parse(proven.output).at("devices").at(0).at("proven"), true);
  }
}

TEST(StationRunTest, SendsNoMoreThanItsRateAndTheEndorsementKeysOfItsList) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  const StationLine line(*service);
  const auto keys = RunCommand(
      fmt::format("cd {} && for k in its other; do openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | "
                  "openssl pkey -pubout -out $k.pem; done && openssl pkey -pubin -in its.pem -pubout -outform DER | "
                  "sha256sum | cut -c1-64 | tr -d '\\n'",
                  line.directory().string()));
  ASSERT_EQ(keys.output.size(), 64u) << keys.output;
  nlohmann::json manifest = FactoryFloor::Manifest("a-17", Serials(8));
  for (const int i : {0, 1}) manifest["devices"][static_cast<size_t>(i)]["endorsement_key_sha256"] = keys.output;
  const auto imported = floor.SignAndImport(manifest);
  ASSERT_EQ(imported.exit_code, 0) << imported.output;
  std::ofstream list(line.directory() / "list.csv");
  list << "file,endorsement_key_file\nSN0001.csr,its.pem\nSN0002.csr,other.pem\n";
  list.close();
  for (const std::string& serial : Serials(8)) line.MakeCsr(serial, serial);
  const auto run =
      line.Run(fmt::format("--lot a-17 --rate 2/s --list {}/list.csv --output json", line.directory().string()));
  EXPECT_EQ(run.exit_code, 3) << run.output;
  const nlohmann::json summary = nlohmann::json::parse(run.output);
  EXPECT_EQ(summary.at("delivered"), 7);
  EXPECT_EQ(summary.at("refusals"), nlohmann::json({{"DEVICE_KEY_DIFFERS", 1}}));
  EXPECT_GE(summary.at("elapsed_ms"), 2900);  // two at once, then one each half second
}

TEST(StationRunTest, ASuspendedStationLosesNothingAndGoesOnOnceItIsResumed) {
  const auto service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", Serials(2))).exit_code, 0);
  const StationLine line(*service);
  const pid_t station = line.Start("--lot a-17 --watch");
  line.MakeCsr("SN0001", "SN0001");
  ASSERT_TRUE(testing::Eventually([&] { return line.Delivered(".json") == 1; })) << line.Log();
  const std::string uri = "hallmark://test/station/line-1";
  ASSERT_EQ(service->Hallmark("operator", "caller suspend --reason lost " + uri).exit_code, 0);
  line.MakeCsr("SN0002", "SN0002");
  ASSERT_TRUE(testing::Eventually([&] { return line.Log().find("was suspended on") != std::string::npos; }));
  EXPECT_EQ(line.Status().at("states").value("refused", 0), 0);
  ASSERT_EQ(service->Hallmark("operator", "caller resume " + uri).exit_code, 0);
  EXPECT_TRUE(testing::Eventually([&] { return line.Delivered(".json") == 2; })) << line.Log();
  EXPECT_EQ(StationLine::End(station, SIGTERM), 0) << line.Log();
}

TEST(StationRunTest, RenewsItsOwnCredentialAndGoesOnWithIt) {
  const auto service = Service::WithLots();
  ASSERT_EQ(RunCommand(fmt::format("sed -i 's/lifetime: 30d/lifetime: 24s/' {}/policies/profiles/station-enrolled.yaml",
                                   service->ca().string()))
                .exit_code,
            0);
  service->Start();
  FactoryFloor floor(*service);
  ASSERT_EQ(floor.SignAndImport(FactoryFloor::Manifest("a-17", Serials(1))).exit_code, 0);
  const StationLine line(*service);
  const std::string credential = (line.directory() / "line-7.enrollment").string();
  ASSERT_EQ(service->Hallmark("operator", "station credential line-7 --out " + credential).exit_code, 0);
  std::filesystem::remove(line.context());
  const auto enrolled = line.Station(fmt::format("enroll {} --out {}", credential, line.directory().string()));
  ASSERT_EQ(enrolled.exit_code, 0) << enrolled.output;
  std::filesystem::rename(line.directory() / "station.yaml", line.context());
  const std::string before = ReadFile(line.context()).value();
  line.MakeCsr("SN0001", "SN0001");
  std::this_thread::sleep_for(std::chrono::seconds(17));  // until less than a third of its life is left
  const auto run = line.Run("--lot a-17");
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_NE(ReadFile(line.context()).value(), before);
  EXPECT_EQ(line.Delivered(".json"), 1u);
  const auto issued = service->Hallmark("auditor", "lot devices a-17 --output json");
  EXPECT_THAT(issued.output, HasSubstr("hallmark://test/station/line-7"));
}

}  // namespace
}  // namespace hallmark
