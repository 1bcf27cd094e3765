// A network between stations and their service, that a test can cut.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <list>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"

namespace hallmark::testing {

// Carries connections to 127.0.0.1:`port`, from its construction to its destruction, on a port of its own.
class TcpProxy {
 public:
  explicit TcpProxy(int port) : port_(port), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Local(0);
    socklen_t size = sizeof(address);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener_.get(), 64) != 0 ||
        getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("a proxy cannot listen");
    }
    own_port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  TcpProxy(const TcpProxy&) = delete;  // its thread knows its address

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(own_port_); }
  // Drops every connection that is open, whatever is on its way.
  void Cut() { cut_ = true; }

 private:
  struct Connection {
    explicit Connection(int accepted) : client(accepted), service(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    FileDescriptor client;
    FileDescriptor service;
  };

  static sockaddr_in Local(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void Accept() {
    const Connection& connection = connections_.emplace_back(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const sockaddr_in address = Local(port_);
    if (connect(connection.service.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      connections_.pop_back();
  }

  // Whether the connection lives on.
  static bool Carry(const FileDescriptor& from, const FileDescriptor& to) {
    std::array<char, 16384> octets;
    const ssize_t size = read(from.get(), octets.data(), octets.size());
    if (size <= 0) return false;
    for (ssize_t sent = 0; sent < size;) {
      const ssize_t written = send(to.get(), octets.data() + sent, static_cast<size_t>(size - sent), MSG_NOSIGNAL);
      if (written <= 0) return false;
      sent += written;
    }
    return true;
  }

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (cut_.exchange(false)) connections_.clear();
      std::vector<pollfd> watched = {{listener_.get(), POLLIN, 0}};
      for (const Connection& connection : connections_) {
        watched.push_back({connection.client.get(), POLLIN, 0});
        watched.push_back({connection.service.get(), POLLIN, 0});
      }
      if (poll(watched.data(), watched.size(), 20) <= 0) continue;
      size_t at = 1;
      for (auto connection = connections_.begin(); connection != connections_.end(); at += 2) {
        bool lives = true;
        if (watched[at].revents != 0) lives = Carry(connection->client, connection->service);
        if (lives && watched[at + 1].revents != 0) lives = Carry(connection->service, connection->client);
        connection = lives ? std::next(connection) : connections_.erase(connection);
      }
      if (watched[0].revents != 0) Accept();
    }
  }

  const int port_;
  FileDescriptor listener_;
  int own_port_ = 0;
  std::list<Connection> connections_;  // of the thread
  std::atomic<bool> cut_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace hallmark::testing
