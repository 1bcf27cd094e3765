// kill -9 in the middle of a stream: what was answered is on record, what was intended is finished, retries get the
// same octets, and the token signed nothing that nobody knows of.
#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <set>

#include "ca/certificate.h"
#include "ca/crl.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/signed_records.h"
#include "tests/status_matchers.h"

namespace hallmark {
namespace {

using testing::AllCertificates;
using testing::IsOk;
using testing::Journal;
using testing::RunCommand;
using testing::Service;

TEST(CrashTest, TwentyKillsInTheMiddleOfAStreamLoseNothingAndSignNothingTwice) {
  constexpr int kDevices = 1500;
  constexpr int kKills = 20;
  Service service;
  const std::string csrs = (service.directory() / "csrs").string();
  const std::string received = (service.directory() / "received").string();
  service.MakeCsrs(csrs, "device", kDevices);

  // The station's program, which asks again until it has an answer.
  std::atomic<bool> answered = false;
  std::thread station([&] {
    const auto issued = service.Hallmark(
        "station", fmt::format("certificate issue --in-flight 16 --timeout 280s --out {} {}", received, csrs));
    EXPECT_EQ(issued.exit_code, 0) << issued.output;
    answered = true;
  });
  std::mt19937 random(20261124);
  const auto progress = [&] { return Journal(service).size(); };
  int kills = 0;
  for (; kills < kKills; ++kills) {
    // Some signatures further on, at an arbitrary instant.
    const size_t next = progress() + 20 + random() % 20;
    for (int i = 0; i < 2000 && progress() < next; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    EXPECT_FALSE(answered) << "kill " << kills << " came after the stream";
    service.Kill();
    // Serving again at once, and with every intent of before finished.
    service.Start();
  }
  station.join();
  EXPECT_EQ(kills, kKills);
  // Each start finished what the one before had left open, before it was ready.
  const std::string log = service.Log();
  EXPECT_EQ(
      RunCommand(fmt::format("grep -c '\"event\":\"recovered\"' {}/hallmarkd.log", service.directory().path().string()))
          .output,
      fmt::format("{}\n", kKills + 1));
  EXPECT_EQ(log.find("intent_left_open"), std::string::npos);

  // Asking for all of it again gives the same files to the octet.
  const std::string again = (service.directory() / "again").string();
  const auto repeated = service.Hallmark("station", fmt::format("certificate issue --out {} {}", again, csrs));
  EXPECT_EQ(repeated.exit_code, 0) << repeated.output;
  EXPECT_EQ(RunCommand(fmt::format("diff -r {} {}", received, again)).output, "");
  EXPECT_EQ(service.Stop(), 0);

  const auto store = OpenSqliteStore({.path = service.ca() / "hallmark.db"});
  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->OpenIntents().value().empty());
  std::set<std::string> recorded;
  std::set<std::string> requests;
  int devices = 0;
  for (const CertificateRecord& record : AllCertificates(**store)) {
    recorded.insert(Hex(record.certificate));
    EXPECT_TRUE(requests.insert(record.caller + " " + record.request_id).second);
    devices += record.profile == "device-dps" ? 1 : 0;
  }
  EXPECT_EQ(devices, kDevices);
  int files = 0;
  for (int i = 1; i <= kDevices; ++i) {
    const std::string pem = ReadFile(fmt::format("{}/device-{}.pem", received, i)).value();
    EXPECT_TRUE(recorded.contains(Hex(PemDecode("CERTIFICATE", pem).value().front()))) << i;
    ++files;
  }
  EXPECT_EQ(files, kDevices);

  testing::ExpectJournalAndRecordsAgree(service, **store);
  const std::vector<std::string> signed_digests = Journal(service);
  const std::set<std::string> distinct(signed_digests.begin(), signed_digests.end());
  std::cout << fmt::format("{} kills, {} certificates, {} signatures of {} distinct drafts\n", kills, recorded.size(),
                           signed_digests.size(), distinct.size());
}

TEST(CrashTest, ATermSignalFinishesWhatIsInFlight) {
  Service service;
  const std::string csrs = (service.directory() / "csrs").string();
  service.MakeCsrs(csrs, "device", 1500);
  std::thread station([&] {
    service.Hallmark("station", fmt::format("certificate issue --timeout 1s --out {}/out {}",
                                            service.directory().path().string(), csrs));
  });
  while (Journal(service).size() < 50) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(service.Stop(), 0);
  station.join();
  const auto store = OpenSqliteStore({.path = service.ca() / "hallmark.db"});
  ASSERT_THAT(store, IsOk());
  EXPECT_TRUE((*store)->OpenIntents().value().empty());  // nothing was left half done
  const size_t issued = AllCertificates(**store).size();
  EXPECT_GT(issued, 50u);
  EXPECT_LT(issued, 1500u) << "the stream had ended before the signal";
}

}  // namespace
}  // namespace hallmark
