// How many device certificates a second an instance issues over mutual TLS, unary and on a stream, from 1 to 64
// clients; and beside each figure, from the same run, the raw rate of C_Sign on the same token with as many threads.
// The ratio of the two is what to look at: machines are noisy. Last, what the decision takes of it: the CPU time that
// hallmarkd spends on a certificate, and that of the profile's verdict and of lint, each of the same requests.
//
// Makes an instance of its own in a temporary directory and removes it.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <barrier>
#include <iostream>
#include <nlohmann/json.hpp>
#include <semaphore>

#include "ca/csr.h"
#include "ca/lint.h"
#include "hallmark/v1/issuance.grpc.pb.h"
#include "policies/load.h"
#include "tests/bench/measure.h"
#include "tests/service_client.h"

namespace hallmark::bench {
namespace {

using Clock = std::chrono::steady_clock;
using testing::CsrBuilder;
using testing::Service;
using testing::SoftwareSigner;

constexpr int kStreamWindow = 16;  // requests in flight on one client's stream

struct Options {
  int seconds = 4;
  std::vector<int> clients = {1, 4, 16, 64};
  std::vector<std::string> modes = {"unary", "stream"};
  std::string key_type = "ec-p256";
  bool json = false;
};

struct Figure {
  std::string mode;
  int clients = 0;
  double per_second = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
  double raw_per_second = 0;  // C_Sign alone
  double cpu_us = 0;          // of hallmarkd, user and system, a certificate
};

// Requests that nobody has sent yet; every one has a key of its own, as devices have.
class Requests {
 public:
  v1::IssueCertificateRequest Next() {
    const uint64_t number = next_++;
    const SoftwareSigner key(SignatureAlgorithm::kEcdsaSha256);
    CsrBuilder csr(key);
    const std::string name = fmt::format("bench-{}", number);
    csr.subject = EncodeName({{"CN", name}});
    v1::IssueCertificateRequest request;
    request.set_request_id(name);
    request.set_parent("authorities/devices");
    request.set_profile("device-dps");
    request.set_csr(ToString(csr.Build()));
    return request;
  }
  std::vector<v1::IssueCertificateRequest> Take(size_t count) {
    std::vector<v1::IssueCertificateRequest> requests;
    requests.reserve(count);
    while (requests.size() < count) requests.push_back(Next());
    return requests;
  }

 private:
  std::atomic<uint64_t> next_ = 0;
};

// What one client saw.
struct Client {
  std::shared_ptr<grpc::Channel> channel;
  std::vector<v1::IssueCertificateRequest> requests;
  std::vector<double> latencies_ms;
  Clock::time_point last_answer;
};

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void RunUnary(Client& client, Clock::time_point stop) {
  const auto stub = v1::Issuance::NewStub(client.channel);
  for (const auto& request : client.requests) {
    const auto start = Clock::now();
    if (start >= stop) break;
    grpc::ClientContext context;
    v1::Certificate certificate;
    const grpc::Status status = stub->IssueCertificate(&context, request, &certificate);
    if (!status.ok()) throw std::runtime_error(status.error_message());
    client.latencies_ms.push_back(MillisecondsSince(start));
  }
  client.last_answer = Clock::now();
}

void RunStream(Client& client, Clock::time_point stop) {
  const auto stub = v1::Issuance::NewStub(client.channel);
  grpc::ClientContext context;
  const auto stream = stub->IssueCertificates(&context);
  std::counting_semaphore<kStreamWindow> window(kStreamWindow);
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < client.requests.size(); ++i) index[client.requests[i].request_id()] = i;
  std::vector<Clock::time_point> starts(client.requests.size());
  std::thread reader([&] {
    v1::IssueCertificatesResponse response;
    while (stream->Read(&response)) {
      if (response.has_error()) throw std::runtime_error(response.error().message());
      client.latencies_ms.push_back(MillisecondsSince(starts[index.at(response.request_id())]));
      client.last_answer = Clock::now();
      window.release();
    }
  });
  for (size_t i = 0; i < client.requests.size() && Clock::now() < stop; ++i) {
    window.acquire();
    starts[i] = Clock::now();
    stream->Write(client.requests[i]);
  }
  stream->WritesDone();
  reader.join();
  const grpc::Status status = stream->Finish();
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

double Percentile(std::vector<double>& sorted, double fraction) {
  return sorted.empty()
             ? 0
             : sorted[std::min(sorted.size() - 1, static_cast<size_t>(fraction * static_cast<double>(sorted.size())))];
}

Figure Measure(const Service& service, Requests& requests, const std::string& mode, int count, const Options& options) {
  std::vector<Client> clients(static_cast<size_t>(count));
  // More than can be answered in the time, made before the clock starts.
  const size_t each = static_cast<size_t>(options.seconds) * 12000 / clients.size() + 100;
  for (Client& client : clients) {
    client.channel = testing::ConnectAs(service, "station");
    if (!client.channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
      throw std::runtime_error("cannot connect");
    client.requests = requests.Take(each);
  }
  const double cpu_before = CpuSeconds(service.process());
  const auto start = Clock::now();
  const auto stop = start + std::chrono::seconds(options.seconds);
  std::vector<std::thread> threads;
  for (Client& client : clients)
    threads.emplace_back([&] { mode == "unary" ? RunUnary(client, stop) : RunStream(client, stop); });
  for (std::thread& thread : threads) thread.join();
  std::vector<double> latencies;
  auto end = start;
  for (const Client& client : clients) {
    latencies.insert(latencies.end(), client.latencies_ms.begin(), client.latencies_ms.end());
    end = std::max(end, client.last_answer);
  }
  const double cpu = CpuSeconds(service.process()) - cpu_before;
  std::sort(latencies.begin(), latencies.end());
  Figure figure{.mode = mode, .clients = count};
  figure.per_second = static_cast<double>(latencies.size()) / std::chrono::duration<double>(end - start).count();
  figure.cpu_us = cpu * 1e6 / static_cast<double>(latencies.size());
  figure.p50_ms = Percentile(latencies, 0.5);
  figure.p95_ms = Percentile(latencies, 0.95);
  figure.p99_ms = Percentile(latencies, 0.99);
  return figure;
}

double ThreadCpuMicroseconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// The CPU time, in microseconds, of what decides on a request: the profile's verdict, and lint of the certificate that
// hallmarkd made of it.
struct Decision {
  double verdict_us = 0;
  double lint_us = 0;
  double whole() const { return verdict_us + lint_us; }
};
Decision MeasureDecision(const Service& service, const Config& config, Requests& requests) {
  const ProfileMap profiles = LoadProfiles(config.profiles, config.realm).value();
  const std::shared_ptr<const Profile>& profile = profiles.at("device-dps");
  const auto stub = v1::Issuance::NewStub(testing::ConnectAs(service, "station"));
  const v1::IssueCertificateRequest request = requests.Next();
  grpc::ClientContext context;
  v1::Certificate certificate;
  const grpc::Status status = stub->IssueCertificate(&context, request, &certificate);
  if (!status.ok()) throw std::runtime_error(status.error_message());
  const Csr csr = ReadCsr(AsBytes(request.csr())).value();
  const CertificateParts issuer = ReadCertificate(AsBytes(certificate.chain(0))).value();
  const Bytes key_identifier =
      ToBytes(ReadSubjectKeyIdentifier(FindExtension(issuer.extensions, oid::kSubjectKeyIdentifier)->value).value());
  const CertificateParts parts = ReadCertificate(AsBytes(certificate.certificate())).value();
  const LintIssuer lint{.certificate = AsBytes(certificate.chain(0)),
                        .subject = issuer.subject,
                        .key_identifier = key_identifier,
                        .algorithm = parts.algorithm,
                        .not_after = issuer.not_after,
                        .path_length = 0};
  constexpr int kRounds = 2000;
  Decision decision;
  const double start = ThreadCpuMicroseconds();
  for (int i = 0; i < kRounds; ++i) {
    if (!Decide(profile, csr.facts, absl::Now(), {issuer.not_before, issuer.not_after}).ok())
      throw std::runtime_error("the profile refuses what it granted");
  }
  const double decided = ThreadCpuMicroseconds();
  for (int i = 0; i < kRounds; ++i) {
    if (!Verdict(LintCertificate(AsBytes(certificate.certificate()), lint, profile->standards)).ok())
      throw std::runtime_error("lint refuses what was signed");
  }
  decision.verdict_us = (decided - start) / kRounds;
  decision.lint_us = (ThreadCpuMicroseconds() - decided) / kRounds;
  return decision;
}

double MeasureRaw(const RawKey& key, int threads, int seconds) {
  std::atomic<uint64_t> signatures = 0;
  const auto start = Clock::now();
  const auto stop = start + std::chrono::seconds(seconds);
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      for (; Clock::now() < stop; ++signatures) key.Sign();
    });
  }
  for (std::thread& worker : workers) worker.join();
  return static_cast<double>(signatures) / std::chrono::duration<double>(Clock::now() - start).count();
}

void Print(const std::vector<Figure>& figures, const Decision& decision, const Options& options) {
  if (options.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const Figure& f : figures) {
      all.push_back({{"mode", f.mode},
                     {"clients", f.clients},
                     {"certificates_per_second", f.per_second},
                     {"p50_ms", f.p50_ms},
                     {"p95_ms", f.p95_ms},
                     {"p99_ms", f.p99_ms},
                     {"raw_signatures_per_second", f.raw_per_second},
                     {"ratio", f.per_second / f.raw_per_second},
                     {"cpu_us", f.cpu_us},
                     {"verdict_us", decision.verdict_us},
                     {"lint_us", decision.lint_us},
                     {"decision_share", decision.whole() / f.cpu_us}});
    }
    std::cout << all.dump(2) << "\n";
    return;
  }
  std::cout << fmt::format("{:8} {:>7} {:>10} {:>9} {:>9} {:>9} {:>12} {:>7} {:>11} {:>9}\n", "mode", "clients",
                           "certs/s", "p50 ms", "p95 ms", "p99 ms", "raw C_Sign/s", "ratio", "CPU us/cert", "decision");
  for (const Figure& f : figures) {
    std::cout << fmt::format("{:8} {:>7} {:>10.0f} {:>9.2f} {:>9.2f} {:>9.2f} {:>12.0f} {:>7.2f} {:>11.0f} {:>8.1f}%\n",
                             f.mode, f.clients, f.per_second, f.p50_ms, f.p95_ms, f.p99_ms, f.raw_per_second,
                             f.per_second / f.raw_per_second, f.cpu_us, 100 * decision.whole() / f.cpu_us);
  }
  std::cout << fmt::format("a decision: {:.1f} us for the profile's verdict, {:.1f} us for lint\n", decision.verdict_us,
                           decision.lint_us);
}

void Run(const Options& options) {
  const Service service("--key-type " + options.key_type);
  const Config config = LoadConfig(service.ca() / "hallmark.yaml").value();
  const RawKey key(service);
  Requests requests;
  std::vector<Figure> figures;
  for (const std::string& mode : options.modes) {
    for (const int clients : options.clients) {
      Figure figure = Measure(service, requests, mode, clients, options);
      figure.raw_per_second = MeasureRaw(key, clients, std::max(1, options.seconds / 2));
      figures.push_back(figure);
    }
  }
  Print(figures, MeasureDecision(service, config, requests), options);
}

}  // namespace
}  // namespace hallmark::bench

int main(int argc, char** argv) {
  hallmark::bench::Options options;
  CLI::App app("Certificates per second and latency over mutual TLS, beside the raw C_Sign rate of the same token.");
  app.add_option("--seconds", options.seconds, "How long each figure is measured")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  app.add_option("--clients", options.clients, "Numbers of clients at once")->capture_default_str()->delimiter(',');
  app.add_option("--modes", options.modes, "unary, stream")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::IsMember({"unary", "stream"}));
  app.add_option("--key-type", options.key_type, "Of the issuing authority")->capture_default_str();
  app.add_flag("--json", options.json, "One JSON array instead of the table");
  CLI11_PARSE(app, argc, argv);
  try {
    hallmark::bench::Run(options);
  } catch (const std::exception& exception) {
    std::cerr << "load_generator: " << exception.what() << "\n";
    return 1;
  }
  return 0;
}
