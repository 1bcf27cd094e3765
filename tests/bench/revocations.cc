// Revocation at scale, on a real instance (SoftHSM, SQLite) with a million certificates under one authority of 16
// shards: how many revocations a second while nothing is revoked, and while 100,000 are; what it takes to make the
// lists of all shards; and how fast one device's certificates are found. Each figure stands beside its target.
//   build/release/bin/revocations --certificates 1000000 --revocations 100000
//
// The certificates get into the store by its own Intend and Record, but ten thousand in a transaction: by the group
// commit it would take some minutes. They are copies of one that was really issued, each with a serial number of its
// own, and the serial number of a device though it stands in no lot. Revocations come through
// CertificateAuthority::Revoke, from many threads, as hallmarkd's gRPC threads call it. Makes an instance of its own in
// a temporary directory and removes it.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <iostream>
#include <thread>

#include "ca/crl_publisher.h"
#include "store/sqlite/certificates.h"
#include "tests/bench/measure.h"
#include "tests/csr_builder.h"
#include "tests/peak_memory.h"

namespace hallmark::bench {
namespace {

using Clock = std::chrono::steady_clock;
using testing::Service;

constexpr char kAuthority[] = "devices";
constexpr int kThreads = 64;
constexpr int kInTransaction = 10'000;

struct Options {
  int certificates = 1'000'000;
  int revocations = 100'000;
  int measured = 10'000;  // revocations of each rate
  int shards = 16;
};

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double OwnCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T Must(StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(Message(result.status()));
  return *std::move(result);
}
void Must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(Message(status));
}

void Say(const std::string& what, const std::string& is, const std::string& target, bool good) {
  std::cout << fmt::format("{:<58} {:>14}   {:<22} {}\n", what, is, target,
                           target.empty() ? ""
                           : good         ? "ok"
                                          : "MISSED")
            << std::flush;
}

std::string DeviceOf(int device) { return fmt::format("device-{}", device); }
std::string SubjectOf(int device) { return "CN=" + DeviceOf(device); }

// Serial numbers are random, and spread by their first octets.
Bytes SerialOf(int device) {
  const Digest random = Sha256(AsBytes(fmt::format("serial {}", device)));
  Bytes serial(random.begin(), random.begin() + 16);
  serial[0] = static_cast<uint8_t>(serial[0] & 0x7f) | 0x40;
  return serial;
}
int64_t ShardOf(ByteView serial, int shards) {
  const uint32_t start = uint32_t{serial[0]} << 24 | uint32_t{serial[1]} << 16 | uint32_t{serial[2]} << 8 | serial[3];
  return start % static_cast<uint32_t>(shards);
}

std::unique_ptr<Instance> Open(const Service& service) {
  const Config config = Must(LoadConfig(service.ca() / "hallmark.yaml"));
  ApplyEnvironment(config);
  return Must(Instance::Open(config, PinEnvironment(), {}));
}

Caller As(const std::string& role) { return Must(ParseCallerUri("hallmark://test/" + role + "/one")); }

CertificateRecord IssueOne(const Service& service) {
  const std::unique_ptr<Instance> instance = Open(service);
  testing::CsrBuilder csr(testing::DeviceKeyOf(EncodeName({{"CN", "device"}})));
  csr.subject = EncodeName({{"CN", "device"}});
  const Request request{.request_id = "template",
                        .authority = kAuthority,
                        .profile = "device-dps",
                        .csr = csr.Build(),
                        .lifetime = std::nullopt};
  return Must(instance->authority().Issue(As("station"), request, absl::InfiniteFuture())).record;
}

struct Copy {
  Intent intent;
  Bytes certificate;
};
Copy CopyOf(const CertificateRecord& original, int device, int shards) {
  const Bytes serial = SerialOf(device);
  Bytes certificate = original.certificate;
  const auto at = std::search(certificate.begin(), certificate.end(), original.serial.begin(), original.serial.end());
  std::copy(serial.begin(),
            serial.begin() + static_cast<std::ptrdiff_t>(std::min(serial.size(), original.serial.size())), at);
  const Digest random = Sha256(serial);
  return {{.caller = original.caller,
           .request_id = fmt::format("bench-{}", device),
           .request_digest = random,
           .authority = kAuthority,
           .profile = original.profile,
           .profile_version = original.profile_version,
           .serial = serial,
           .subject = SubjectOf(device),
           .caseless_name = fmt::format("device-{}", device),
           .spki = Sha256(random),
           .not_before = original.not_before,
           .not_after = original.not_after,
           .intended = original.intended,
           .csr = original.csr,
           .lifetime = std::nullopt,
           .draft = certificate,
           .crl_shard = ShardOf(serial, shards)},
          std::move(certificate)};
}

void Fill(const Service& service, const CertificateRecord& original, const Options& options) {
  using sqlite::Connection;
  Connection connection = Must(Connection::Open(service.ca() / "hallmark.db", Connection::Access::kReadWrite));
  MerkleFrontier ledger = Must(sqlite::LoadLedger(connection));
  sqlite::Transaction transaction{connection, ledger};
  for (int device = 0; device < options.certificates;) {
    Must(connection.Execute("BEGIN IMMEDIATE"));
    for (int i = 0; i < kInTransaction && device < options.certificates; ++i, ++device) {
      const Copy copy = CopyOf(original, device, options.shards);
      Must(sqlite::Intend(transaction, copy.intent, nullptr).status());
      Must(sqlite::Record(transaction, copy.intent, copy.certificate, original.issued,
                          fmt::format(R"({{"bench":{}}})", device), std::nullopt)
               .status());
    }
    Must(sqlite::WriteHead(transaction));
    Must(connection.Execute("COMMIT"));
    Must(connection.Checkpoint());
  }
  // As of devices in lots, whose lines would take as long again to make.
  Must(
      connection.Execute("UPDATE certificates SET device_serial = substr(subject, 4) WHERE request_id LIKE 'bench-%'"));
}

struct Rate {
  double per_second = 0;
  double cpu_us = 0;  // of each; does not depend on what else this machine does
};

// Revokes devices from `first` to before `last`.
Rate Revoke(const CertificateAuthority& authority, int first, int last) {
  constexpr std::array kReasons = {RevocationReason::kSuperseded, RevocationReason::kCessationOfOperation,
                                   RevocationReason::kPrivilegeWithdrawn};
  std::atomic<int> next = first;
  std::atomic<bool> failed = false;
  const Caller caller = As("operator");
  const double cpu = OwnCpuSeconds();
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < last && !failed; i = next++) {
        if (!authority.Revoke(caller, kAuthority, SerialOf(i), kReasons[static_cast<size_t>(i) % kReasons.size()]).ok())
          failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) throw std::runtime_error("a revocation failed");
  return {(last - first) / SecondsSince(start), 1e6 * (OwnCpuSeconds() - cpu) / (last - first)};
}

void Compare(const std::string& what, double first, double then) {
  const double ratio = then / first;
  Say(what, fmt::format("{:.0f} %", 100 * ratio), "80 to 120 %", ratio > 0.8 && ratio < 1.2);
}

// Returns up to which device it has revoked.
int MeasureRevoking(const Service& service, const Options& options) {
  const std::unique_ptr<Instance> instance = Open(service);
  const CertificateAuthority& authority = instance->authority();
  int next = 0;
  const Rate first = Revoke(authority, next, next + options.measured);
  next += options.measured;
  Revoke(authority, next, options.revocations);
  next = std::max(next, options.revocations);
  const Rate then = Revoke(authority, next, next + options.measured);
  next += options.measured;
  const auto say = [](const std::string& when, const Rate& rate) {
    Say("revocations/s while " + when, fmt::format("{:.0f}", rate.per_second), "", true);
    Say("  CPU of each", fmt::format("{:.0f} us", rate.cpu_us), "", true);
  };
  say(fmt::format("nothing is revoked, {} threads", kThreads), first);
  say(fmt::format("{} are", options.revocations), then);
  Compare("the second rate to the first", first.per_second, then.per_second);
  Compare("  CPU of each", first.cpu_us, then.cpu_us);
  return next;
}

// As in hallmarkd, where the publisher is woken by each revocation.
void MeasureWithPublisher(const Service& service, int first, const Options& options) {
  const std::unique_ptr<Instance> instance = Open(service);
  std::optional<CrlPublisher> publisher;
  instance->authority().SetObservers({.issued = {},
                                      .revoked = [&](const CertificateRecord&) { publisher->Notify(); },
                                      .released = {},
                                      .crl_issued = {}});
  publisher.emplace(instance->authority());
  const Rate rate = Revoke(instance->authority(), first, first + options.measured);
  Say("revocations/s while the lists follow at once", fmt::format("{:.0f}", rate.per_second), "", true);
}

void MeasureGeneration(const Service& service, const Options& options) {
  const std::unique_ptr<Instance> instance = Open(service);
  const IssuerPointer issuer = instance->issuers().Current()->issuers.at(kAuthority);
  size_t largest = 0;
  size_t all = 0;
  const testing::PeakGrowth memory;
  const double cpu = OwnCpuSeconds();
  const auto start = Clock::now();
  for (int64_t shard = 0; shard < options.shards; ++shard) {
    const CrlRecord list = Must(instance->authority().GenerateCrl(*issuer, absl::InfiniteFuture(), {shard, false}));
    largest = std::max(largest, list.crl.size());
    all += list.crl.size();
  }
  const double took = SecondsSince(start);
  const double used = OwnCpuSeconds() - cpu;
  const double mebibytes = memory.mebibytes();
  Say(fmt::format("all {} shards made anew, CPU", options.shards), fmt::format("{:.2f} s", used), "below 10 s",
      used < 10);
  Say("  by the clock", fmt::format("{:.2f} s", took), "", true);
  Say("  growth of the peak memory", fmt::format("{:.0f} MiB", mebibytes), "below 150 MiB", mebibytes < 150);
  Say("  the largest shard", fmt::format("{} KiB", largest / 1024), "below 1024 KiB", largest < 1024 * 1024);
  Say("  all shards", fmt::format("{} KiB", all / 1024), "", true);
}

// The middle one of several runs of a command, in milliseconds.
double MillisecondsOf(const std::function<void()>& act) {
  std::vector<double> all;
  for (int i = 0; i < 21; ++i) {
    const auto start = Clock::now();
    act();
    all.push_back(1000 * SecondsSince(start));
  }
  std::nth_element(all.begin(), all.begin() + 10, all.end());
  return all[10];
}

void MeasureListing(const Service& service, const std::string& option, int device) {
  const std::string arguments = fmt::format("certificate list {} --output json", option);
  const auto list = [&] {
    const auto listed = service.Hallmark("operator", arguments);
    if (listed.exit_code != 0 || listed.output.find(Hex(SerialOf(device))) == std::string::npos)
      throw std::runtime_error(listed.output);
  };
  const double took = MillisecondsOf(list);
  Say("hallmark certificate list " + option, fmt::format("{:.1f} ms", took), "below 50 ms", took < 50);
}

// The same without the program's start and its connection.
void MeasureLookUp(const Service& service, int device) {
  const std::unique_ptr<Instance> instance = Open(service);
  const auto look = [&] {
    CertificateFilter filter;
    filter.subject = SubjectOf(device);
    if (Must(instance->store().ListCertificates(filter, 100, "")).items.size() != 1)
      throw std::runtime_error("a certificate is missing");
  };
  const double took = MillisecondsOf(look);
  Say("  of that, the store", fmt::format("{:.2f} ms", took), "below 5 ms", took < 5);
}

void Run(const Options& options) {
  const std::unique_ptr<Service> service = Service::Stopped();
  const auto edited = testing::RunCommand(fmt::format("sed -i 's/^crl:/&\\n  shards: {{{}: {}}}/' {}/hallmark.yaml",
                                                      kAuthority, options.shards, service->ca().string()));
  if (edited.exit_code != 0) throw std::runtime_error(edited.output);
  const CertificateRecord original = IssueOne(*service);
  const auto start = Clock::now();
  Fill(*service, original, options);
  Say(fmt::format("{} certificates in the store after", options.certificates),
      fmt::format("{:.0f} s", SecondsSince(start)), "", true);
  const int revoked = MeasureRevoking(*service, options);
  MeasureGeneration(*service, options);
  MeasureWithPublisher(*service, revoked, options);
  service->Start();
  const int device = options.certificates / 2;
  MeasureListing(*service, "--subject " + SubjectOf(device), device);
  MeasureListing(*service, "--device " + DeviceOf(device), device);
  service->Stop();
  MeasureLookUp(*service, device);
}

}  // namespace
}  // namespace hallmark::bench

int main(int argc, char** argv) {
  hallmark::bench::Options options;
  CLI::App app("Revocations a second, lists of all shards and look-ups among very many certificates.");
  app.add_option("--certificates", options.certificates, "In the store")
      ->capture_default_str()
      ->check(CLI::Range(1'000, 10'000'000));
  app.add_option("--revocations", options.revocations, "Before the second rate is measured")
      ->capture_default_str()
      ->check(CLI::Range(100, 5'000'000));
  app.add_option("--measured", options.measured, "Revocations of each rate")
      ->capture_default_str()
      ->check(CLI::Range(100, 100'000));
  app.add_option("--shards", options.shards, "Of the authority")->capture_default_str()->check(CLI::Range(1, 4096));
  CLI11_PARSE(app, argc, argv);
  try {
    hallmark::bench::Run(options);
  } catch (const std::exception& exception) {
    std::cerr << "revocations: " << exception.what() << "\n";
    return 1;
  }
  return 0;
}
