// tests/interop/web_server.py, the far side of publish/'s transport, for one test.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "tests/places.h"
#include "tests/temporary_directory.h"

namespace hallmark::testing {

class WebServer {
 public:
  WebServer() {
    const std::string command =
        fmt::format("exec python3 -W ignore {}/tests/interop/web_server.py {} 2>{}", SourceDirectory(),
                    directory_.path().string(), (directory_ / "errors").string());
    process_ = popen(command.c_str(), "we");
    for (int i = 0; process_ != nullptr && i < 600; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (std::filesystem::exists(directory_ / "ports.json")) {
        ports_ = nlohmann::json::parse(ReadFile(directory_ / "ports.json").value());
        return;
      }
    }
    throw std::runtime_error("the web server did not start: " + ReadFile(directory_ / "errors").value_or(""));
  }
  WebServer(const WebServer&) = delete;  // it owns a process
  WebServer& operator=(const WebServer&) = delete;
  ~WebServer() { pclose(process_); }  // it ends when its standard input does

  std::string Origin(const std::string& server = "good", const std::string& host = "localhost") const {
    return fmt::format("{}://{}:{}", server.starts_with("plain") ? "http" : "https", host,
                       ports_.at(server).get<int>());
  }
  // This machine's address that is not loopback's, where "plain_elsewhere" is; "" without one.
  std::string own_address() const { return ports_.value("address", ""); }
  std::filesystem::path operator/(const std::string& name) const { return directory_ / name; }

  // How it behaves from now on; see web_server.py.
  void Control(const nlohmann::json& settings) const { Write("control.json", settings.dump()); }
  void Write(const std::string& name, const std::string& content) const {
    if (!WriteFile(directory_ / name, AsBytes(content), 0600).ok()) throw std::runtime_error("disk full");
  }

  // The requests so far to a server, of those whose path begins so.
  std::vector<nlohmann::json> Requests(const std::string& server = "good", const std::string& path = "/") const {
    std::vector<nlohmann::json> requests;
    std::ifstream log(directory_ / "log");
    for (std::string line; std::getline(log, line);) {
      nlohmann::json request = nlohmann::json::parse(line);
      if (request["server"] == server && request["path"].get<std::string>().starts_with(path)) {
        requests.push_back(std::move(request));
      }
    }
    return requests;
  }

 private:
  const TemporaryDirectory directory_;
  FILE* process_ = nullptr;
  nlohmann::json ports_;
};

// A request's field, by its name in lower case; "(none)" for none.
inline std::string FieldOf(const nlohmann::json& request, const std::string& name) {
  for (const auto& field : request["headers"]) {
    std::string lower = field[0].get<std::string>();
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower == name) return field[1].get<std::string>();
  }
  return "(none)";
}

}  // namespace hallmark::testing
