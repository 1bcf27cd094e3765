// How many announced devices a second an instance certifies over mutual TLS: all over one stream, then over many
// stations at once; and beside it, from the same run, what each part allows by itself: the token's C_Sign, the reading
// and verifying of CSRs, and the store's transactions. What to look at are the ratios to the slowest part, and to the
// three on the same cores.
//   build/release/bin/lot_issuance --devices 100000 --stations 16
//
// Makes an instance of its own in a temporary directory and removes it.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <iostream>
#include <semaphore>
#include <thread>

#include "ca/csr.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/bench/measure.h"
#include "tests/factory_floor.h"
#include "tests/lots.h"
#include "tests/store_fixtures.h"
#include "tests/temporary_directory.h"

namespace hallmark::bench {
namespace {

using Clock = std::chrono::steady_clock;
using testing::FactoryFloor;
using testing::Service;

constexpr int kWindow = 64;  // requests in flight on a stream
constexpr char kLot[] = "bench";

struct Options {
  int devices = 100'000;
  int stations = 16;
  int seconds = 5;  // of each ceiling
};

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Runs `work(i)` for i = 0, 1, 2... on `threads` threads for as long as `goes_on(i)`; returns how many a second.
double RateWhile(int threads, const std::function<bool(int)>& goes_on, const std::function<void(int)>& work) {
  std::atomic<int> next = 0;
  std::atomic<int> done = 0;
  const auto start = Clock::now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      for (int i = next++; goes_on(i); i = next++, ++done) work(i);
    });
  }
  for (std::thread& worker : workers) worker.join();
  return done / SecondsSince(start);
}

double Rate(int count, int threads, const std::function<void(int)>& work) {
  return RateWhile(
      threads, [count](int i) { return i < count; }, work);
}

double RateFor(int seconds, int threads, const std::function<void(int)>& work) {
  return RateWhile(
      threads, [=, start = Clock::now()](int) { return SecondsSince(start) < seconds; }, work);
}

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

std::string SerialOf(int device) { return fmt::format("SN{:07}", device); }

// The CSRs of all devices, each of a key of its own.
std::vector<std::string> MakeCsrs(int count) {
  std::vector<std::string> csrs(static_cast<size_t>(count));
  Rate(count, Cores(), [&csrs](int i) {
    const testing::SoftwareSigner key(SignatureAlgorithm::kEcdsaSha256);
    testing::CsrBuilder csr(key);
    csr.subject = EncodeName({{"CN", SerialOf(i)}});
    csrs[static_cast<size_t>(i)] = ToString(csr.Build());
  });
  return csrs;
}

// One station's stream, from device `first` on to before `last`.
void Certify(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& csrs, int first, int last) {
  grpc::ClientContext context;
  const auto stub = v1::Issuance::NewStub(channel);
  const auto stream = stub->IssueCertificates(&context);
  std::counting_semaphore<kWindow> window(kWindow);
  int answered = 0;
  std::thread reader([&] {
    v1::IssueCertificatesResponse response;
    for (; stream->Read(&response); ++answered) {
      if (response.has_error()) throw std::runtime_error(response.error().message());
      window.release();
    }
  });
  for (int device = first; device < last; ++device) {
    v1::IssueCertificateRequest request;
    request.set_request_id(SerialOf(device));
    request.set_parent("authorities/devices");
    request.set_profile("device-dps");
    request.set_lot(std::string("lots/") + kLot);
    request.set_csr(csrs[static_cast<size_t>(device)]);
    window.acquire();
    if (!stream->Write(request)) break;
  }
  stream->WritesDone();
  reader.join();
  const grpc::Status status = stream->Finish();
  if (!status.ok() || answered != last - first)
    throw std::runtime_error("a stream ended early: " + status.error_message());
}

struct Figure {
  double per_second = 0;
  double service_us = 0;  // CPU of hallmarkd a certificate
  double client_us = 0;   // CPU of this program a certificate
};

// Certifies the devices from `first` on over as many streams as there are stations.
Figure Measure(const Service& service, FactoryFloor& floor, const std::vector<std::string>& csrs, int first,
               int devices, int stations) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int s = 0; s < stations; ++s) {
    channels.push_back(floor.Station(fmt::format("line-{}", s + 1)));
    if (!channels.back()->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
      throw std::runtime_error("cannot connect");
  }
  const double service_before = CpuSeconds(service.process());
  const double client_before = CpuSeconds(getpid());
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int s = 0; s < stations; ++s) {
    const auto at = [&](int station) { return first + static_cast<int>(int64_t{devices} * station / stations); };
    threads.emplace_back(
        [&, s, from = at(s), to = at(s + 1)] { Certify(channels[static_cast<size_t>(s)], csrs, from, to); });
  }
  for (std::thread& thread : threads) thread.join();
  const double micro = 1e6 / devices;
  return {.per_second = devices / SecondsSince(start),
          .service_us = (CpuSeconds(service.process()) - service_before) * micro,
          .client_us = (CpuSeconds(getpid()) - client_before) * micro};
}

double CsrVerifications(const std::vector<std::string>& csrs, int seconds) {
  return RateFor(seconds, Cores(), [&csrs](int i) {
    if (!ReadCsr(AsBytes(csrs[static_cast<size_t>(i) % csrs.size()])).ok()) throw std::runtime_error("a CSR is bad");
  });
}

struct StoreRates {
  double commits = 0;       // one after the other, each with its flush
  double certificates = 0;  // Intend with a claim, and Record, by many at once
};
StoreRates MeasureStore(const std::filesystem::path& directory, int threads, int seconds) {
  const std::unique_ptr<Store> store = OpenSqliteStore({.path = directory / "ceiling.db"}).value();
  StoreRates rates;
  rates.commits = RateFor(seconds, 1, [&](int i) {
    if (!store->AppendEntry(fmt::format("{{\"n\":{}}}", i), testing::At(i)).ok())
      throw std::runtime_error("the store failed");
  });
  LotTerms terms = testing::ExampleTerms(kLot);
  terms.quantity = 200'000;
  testing::AddLot(*store, terms, testing::Lines("SN", static_cast<int>(terms.quantity)), testing::At(0));
  rates.certificates = RateFor(seconds, threads, [&](int i) {
    const std::string certificate(700, static_cast<char>('a' + i % 26));
    Intent intent = testing::ExampleIntent(i);
    intent.draft = ToBytes(AsBytes(certificate));
    Claim claim;
    claim.lot = kLot;
    claim.serial = fmt::format("SN{}", i + 1);
    claim.admit = [](const LotRecord&, const std::optional<DeviceRecord>& device, int64_t) -> StatusOr<Admitted> {
      DeviceRecord line = device.value();
      line.state = DeviceState::kClaimed;
      line.station = "hallmark://test/station/one";
      line.claimed = testing::At(5);
      return Admitted{line, false};
    };
    const StatusOr<Intended> intended = store->Intend(intent, &claim);
    if (!intended.ok() ||
        !store->Record(intended->intent, AsBytes(certificate), testing::At(i), testing::ExampleEntry(i), std::nullopt)
             .ok()) {
      throw std::runtime_error("the store failed");
    }
  });
  return rates;
}

void Import(FactoryFloor& floor, int lines) {
  std::vector<std::string> serials;
  for (int i = 0; i < lines; ++i) serials.push_back(SerialOf(i));
  const auto imported = floor.SignAndImport(FactoryFloor::Manifest(kLot, serials));
  if (imported.exit_code != 0) throw std::runtime_error(imported.output);
}

void Run(const Options& options) {
  const std::unique_ptr<Service> service = Service::WithLots();
  service->Start();
  FactoryFloor floor(*service);
  std::cerr << fmt::format("importing a lot of {} devices, making their CSRs\n", 2 * options.devices);
  Import(floor, 2 * options.devices);
  const std::vector<std::string> csrs = MakeCsrs(2 * options.devices);
  std::cerr << "measuring\n";
  const RawKey key(*service);
  const double sign = RateFor(options.seconds, options.stations, [&key](int) { key.Sign(); });
  const double verify = CsrVerifications(csrs, options.seconds);
  const StoreRates store = MeasureStore(service->directory().path(), kWindow, options.seconds);
  const double slowest = std::min({sign, verify, store.certificates});
  // Each of the rates takes all cores; a certificate takes all three.
  const double together = 1 / (1 / sign + 1 / verify + 1 / store.certificates);
  std::cout << fmt::format("what each part allows by itself, a second, on {} cores:\n", Cores())
            << fmt::format("  C_Sign, {} threads                  {:>8.0f}\n", options.stations, sign)
            << fmt::format("  CSRs read and verified              {:>8.0f}\n", verify)
            << fmt::format("  certificates stored, 2 commits each {:>8.0f}\n", store.certificates)
            << fmt::format("  commits one after the other         {:>8.0f}\n", store.commits)
            << fmt::format("  the first three on the same cores   {:>8.0f}\n", together);
  std::cout << fmt::format("{:>8} {:>9} {:>8} {:>15} {:>12} {:>16} {:>15}\n", "stations", "devices", "certs/s",
                           "of the slowest", "of together", "service us/cert", "client us/cert");
  int first = 0;
  for (const int stations : {1, options.stations}) {
    const Figure figure = Measure(*service, floor, csrs, first, options.devices, stations);
    first += options.devices;
    std::cout << fmt::format("{:>8} {:>9} {:>8.0f} {:>14.0f}% {:>11.0f}% {:>16.0f} {:>15.0f}\n", stations,
                             options.devices, figure.per_second, 100 * figure.per_second / slowest,
                             100 * figure.per_second / together, figure.service_us, figure.client_us);
  }
}

}  // namespace
}  // namespace hallmark::bench

int main(int argc, char** argv) {
  hallmark::bench::Options options;
  CLI::App app(
      "Announced devices certified a second, over one stream and over many stations, beside what parts allow.");
  app.add_option("--devices", options.devices, "In each of the two runs")
      ->capture_default_str()
      ->check(CLI::Range(100, 1'000'000));
  app.add_option("--stations", options.stations, "At once, in the second run")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--seconds", options.seconds, "How long the ceiling of each part is measured")
      ->capture_default_str()
      ->check(CLI::Range(1, 60));
  CLI11_PARSE(app, argc, argv);
  try {
    hallmark::bench::Run(options);
  } catch (const std::exception& exception) {
    std::cerr << "lot_issuance: " << exception.what() << "\n";
    return 1;
  }
  return 0;
}
