// How many OCSP responses a second a running hallmarkd gives to GETs out of its memory, beside nginx that serves the
// same octets as a static file: the same client (wrk), connections kept alive, one after the other in several rounds.
// What to look at are the ratio, and the CPU time of one response.
//   tools/packages nginx-light wrk
//   build/release/bin/ocsp_serving --rounds 7 --seconds 5 --connections 64
//
// Makes an instance of its own in a temporary directory and removes it. nginx is a child of this program, on a port
// that is free, with one worker, no access log and its cache of open files.
#include <netinet/in.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <numeric>
#include <regex>
#include <thread>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/bench/cpu_seconds.h"
#include "tests/service.h"

namespace hallmark::bench {
namespace {

using testing::CommandResult;
using testing::RunCommand;
using testing::Service;

struct Options {
  int rounds = 7;
  int seconds = 5;  // of a round
  int connections = 64;
  int threads = 1;  // of wrk
};

std::string Succeed(const std::string& command) {
  const CommandResult result = RunCommand(command);
  if (result.exit_code != 0) throw std::runtime_error(command + "\n" + result.output);
  return result.output;
}

uint16_t FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(listener);
  if (!bound) throw std::runtime_error("no port is free");
  return ntohs(address.sin_port);
}

// The path of a GET that asks about a device of the instance, which is issued for it.
std::string AskAboutADevice(const Service& service) {
  const std::string at = service.directory().path().string();
  service.MakeCsrs(at, "device", 1);
  const CommandResult issued =
      service.Hallmark("station", fmt::format("certificate issue --out {0} {0}/device-1.csr", at));
  if (issued.exit_code != 0) throw std::runtime_error(issued.output);
  Succeed(fmt::format("curl -sf {}/aia/devices.cer | openssl x509 -inform DER -out {}/devices.pem", service.base_url(),
                      at));
  Succeed(fmt::format("openssl ocsp -no_nonce -issuer {0}/devices.pem -cert {0}/device-1.pem -reqout {0}/request", at));
  std::string path = "/ocsp/";
  for (const char c : Base64(AsBytes(ReadFile(at + "/request").value()))) {
    path += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
  }
  return path;
}

// nginx with one file, for as long as this lives. Its head has the fields that hallmarkd's has.
class Nginx {
 public:
  Nginx(const std::filesystem::path& directory, const std::string& octets, size_t path_size) : port_(FreePort()) {
    path_ = "/" + std::string(path_size - 1, 'r');
    std::filesystem::create_directories(directory / "www");
    if (!WriteFile(directory / "www" / path_.substr(1), AsBytes(octets)).ok()) throw std::runtime_error("cannot write");
    const std::string config = fmt::format(
        "daemon off; master_process off; worker_processes 1; {1} pid {0}/nginx.pid;\n"
        "error_log {0}/error.log;\n"
        "events {{ worker_connections 20000; }}\n"
        "http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n"
        "  open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;\n"
        "  client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};\n"
        "  uwsgi_temp_path {0}; scgi_temp_path {0};\n"
        "  types {{}} default_type application/ocsp-response; expires 30m;\n"
        "  server {{ listen 127.0.0.1:{2} backlog=1024; root {0}/www; }} }}\n",
        directory.string(), geteuid() == 0 ? "user root;" : "", port_);
    if (!WriteFile(directory / "nginx.conf", AsBytes(config)).ok()) throw std::runtime_error("cannot write");
    Spawn(directory);
    for (int i = 0; i < 100; ++i) {
      if (RunCommand("curl -sf -o /dev/null " + url()).exit_code == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw std::runtime_error("nginx does not answer:\n" + ReadFile(directory / "error.log").value_or(""));
  }
  ~Nginx() {
    kill(process_, SIGTERM);
    waitpid(process_, nullptr, 0);
  }
  Nginx(const Nginx&) = delete;  // it owns a process
  Nginx& operator=(const Nginx&) = delete;

  std::string url() const { return fmt::format("http://127.0.0.1:{}{}", port_, path_); }
  pid_t process() const { return process_; }

 private:
  void Spawn(const std::filesystem::path& directory) {
    std::string words[] = {"nginx",
                           "-p",
                           directory.string(),
                           "-c",
                           (directory / "nginx.conf").string(),
                           "-e",
                           (directory / "error.log").string()};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string program = std::filesystem::exists("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx";
    if (posix_spawnp(&process_, program.c_str(), nullptr, nullptr, arguments.data(), environ) != 0) {
      throw std::runtime_error("cannot start nginx; run: tools/packages nginx-light wrk");
    }
  }

  const uint16_t port_;
  std::string path_;
  pid_t process_ = 0;
};

struct Measured {
  double per_second = 0;
  double cpu = 0;    // of the server, microseconds for each response
  std::string late;  // 99 of 100 responses came within
};

// Has wrk ask for `url`, which the process serves.
Measured Ask(const Options& options, const std::string& url, pid_t process) {
  const double cpu_before = CpuSeconds(process);
  const std::string text = Succeed(
      fmt::format("wrk --latency -t {} -c {} -d {}s '{}'", options.threads, options.connections, options.seconds, url));
  const double cpu = CpuSeconds(process) - cpu_before;
  std::smatch rate;
  std::smatch requests;
  std::smatch late;
  if (!std::regex_search(text, rate, std::regex("Requests/sec: +([0-9.]+)")) ||
      !std::regex_search(text, requests, std::regex("([0-9]+) requests in")) ||
      !std::regex_search(text, late, std::regex("99% +([0-9.a-z]+)")) || text.find("Non-2xx") != std::string::npos ||
      text.find("Socket errors") != std::string::npos) {
    throw std::runtime_error("wrk is not content:\n" + text);
  }
  return {std::stod(rate[1]), 1e6 * cpu / std::stod(requests[1]), late[1]};
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Bench(const Options& options) {
  const Service service;
  const std::string url = service.base_url() + AskAboutADevice(service);
  const std::string file = (service.directory() / "response").string();
  Succeed(fmt::format("curl -sf -o {} {}", file, url));
  const std::string octets = ReadFile(file).value();
  const size_t path_size = url.size() - service.base_url().size();
  const Nginx nginx(service.directory() / "nginx", octets, path_size);
  if (Succeed("curl -sf " + nginx.url() + " | cmp - " + file + " && echo same") != "same\n") {
    throw std::runtime_error("nginx serves other octets");
  }
  std::cout << fmt::format("{} octets, {} connections, {} thread(s) of wrk, {} rounds of {} s each\n", octets.size(),
                           options.connections, options.threads, options.rounds, options.seconds);
  std::cout << "round   hallmarkd/s  us CPU    99%     nginx/s  us CPU    99%    ratio\n";
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  std::vector<double> costs;
  for (int round = 1; round <= options.rounds; ++round) {
    const Measured we = Ask(options, url, service.process());
    const Measured they = Ask(options, nginx.url(), nginx.process());
    ours.push_back(we.per_second);
    theirs.push_back(they.per_second);
    ratios.push_back(we.per_second / they.per_second);
    costs.push_back(they.cpu / we.cpu);
    std::cout << fmt::format("{:5} {:13.0f} {:7.1f} {:>8} {:9.0f} {:7.1f} {:>8} {:6.0f} %\n", round, we.per_second,
                             we.cpu, we.late, they.per_second, they.cpu, they.late, 100 * ratios.back())
              << std::flush;
  }
  std::cout << fmt::format("median {:12.0f} {:27.0f} {:22.0f} %\n", Median(ours), Median(theirs), 100 * Median(ratios));
  std::cout << fmt::format("by CPU time of a response, hallmarkd serves {:.0f} % of what nginx does (median)\n",
                           100 * Median(costs));
}

}  // namespace
}  // namespace hallmark::bench

int main(int argc, char** argv) {
  hallmark::bench::Options options;
  CLI::App app("Measures how fast hallmarkd gives OCSP responses that it has, beside nginx with a static file.");
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::Range(1, 3600))->capture_default_str();
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--threads", options.threads, "Of wrk")->check(CLI::Range(1, 64))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    hallmark::bench::Bench(options);
  } catch (const std::exception& exception) {
    std::cerr << exception.what() << "\n";
    return 1;
  }
  return 0;
}
