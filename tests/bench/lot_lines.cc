// How long a lot of a million lines takes to import, how much memory, and how long a device's look-up takes after that.
//   build/release/bin/lot_lines [LINES]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <random>

#include "base/clock.h"
#include "base/file.h"
#include "factory/import.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/command.h"
#include "tests/temporary_directory.h"

namespace hallmark {
namespace {

constexpr int kLookups = 20'000;

void Check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(Message(status));
}

double PeakMebibytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Digest WriteLines(const std::filesystem::path& file, int lines) {
  {
    std::ofstream out(file);
    out << "serial,hardware.mac\n";
    for (int i = 0; i < lines; ++i) out << fmt::format("SN{:07},02:00:{:06x}\n", i, i);
  }
  const auto digest = testing::RunCommand(fmt::format("sha256sum {} | cut -c1-64 | tr -d '\\n'", file.string()));
  const Bytes octets = FromHex(digest.output).value();
  Digest sha256{};
  std::copy(octets.begin(), octets.end(), sha256.begin());
  return sha256;
}

void Sign(const std::filesystem::path& directory, int lines, const Digest& digest) {
  std::ofstream(directory / "m.json") << fmt::format(
      R"({{"hallmark_manifest":1,"manufacturer":"acme","product":"p","lot":"big","revision":1,"profile":"device-dps",)"
      R"("authority":"devices","stations":["line-1"],"quantity":{0},"window":{{"not_before":"2026-01-01T00:00:00Z",)"
      R"("not_after":"2099-01-01T00:00:00Z"}},"lines":{{"format":"csv","sha256":"{1}","count":{0}}}}})",
      lines, Hex(digest));
  const auto made = testing::RunCommand(fmt::format(
      "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=acme -addext "
      "keyUsage=digitalSignature -addext basicConstraints=CA:FALSE -keyout k.pem -out c.pem && openssl x509 -in c.pem "
      "-outform DER -out c.der && openssl cms -sign -binary -nodetach -in m.json -signer c.pem -inkey k.pem -outform "
      "DER -out m.cms",
      directory.string()));
  if (made.exit_code != 0) throw std::runtime_error(made.output);
}

Duration Median(std::vector<Duration> durations) {
  const auto middle = durations.begin() + static_cast<std::ptrdiff_t>(durations.size() / 2);
  std::nth_element(durations.begin(), middle, durations.end());
  return *middle;
}

void Run(int lines) {
  const testing::TemporaryDirectory directory;
  const SystemClock clock;
  const auto store = OpenSqliteStore({.path = directory / "hallmark.db"});
  Check(store.status());
  Sign(directory.path(), lines, WriteLines(directory / "lines.csv", lines));
  ManufacturerRecord acme;
  acme.manufacturer = "acme";
  acme.certificates = {ToBytes(AsBytes(ReadFile(directory / "c.der").value()))};
  acme.created = clock.Now();
  Check((*store)->AddManufacturer(acme, "{}"));
  const double before = PeakMebibytes();
  const Time begin = absl::Now();
  ImportOptions options;
  options.caller = "hallmark://bench/importer/one";
  options.check = [](const LotTerms&) { return absl::OkStatus(); };
  const ImportFiles files{directory.path(), directory / "m.cms", std::nullopt, directory / "lines.csv"};
  Check(ImportLot(**store, clock, files, options).status());
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::cout << fmt::format("import: {} lines in {:.1f} s, {:.0f} lines/s; peak {:.0f} MiB (before: {:.0f} MiB)\n",
                           lines, seconds, lines / seconds, PeakMebibytes(), before);

  std::mt19937 random(1);
  std::vector<Duration> took;
  for (int i = 0; i < kLookups; ++i) {
    const std::string serial = fmt::format("SN{:07}", random() % static_cast<unsigned>(lines));
    const Time start = absl::Now();
    Check((*store)->GetDevice("big", serial).status());
    took.push_back(absl::Now() - start);
  }
  std::cout << fmt::format("look-up by serial number: median {:.1f} us, slowest {:.0f} us, of {}\n",
                           absl::ToDoubleMicroseconds(Median(took)),
                           absl::ToDoubleMicroseconds(*std::max_element(took.begin(), took.end())), kLookups);
}

}  // namespace
}  // namespace hallmark

int main(int argc, char** argv) {
  hallmark::Run(argc > 1 ? std::stoi(argv[1]) : 1'000'000);
  return 0;
}
