// A client on a plain socket, for tests that send what no library would.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <stdexcept>
#include <string>

namespace hallmark::testing {

struct ClientResponse {
  int status = 0;                              // 0: the connection ended first
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  HttpClient(HttpClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_), unread_(std::move(other.unread_)) {}
  HttpClient& operator=(HttpClient&&) = delete;  // nobody needs it
  ~HttpClient() {
    if (socket_ >= 0) ::close(socket_);
  }

  bool connected() const { return connected_; }

  // False when the server has closed the connection.
  bool Send(const std::string& octets) {
    size_t sent = 0;
    while (sent < octets.size()) {
      const ssize_t count = ::send(socket_, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    return true;
  }

  // Reads one response; `head`: it has no body whatever its Content-Length.
  ClientResponse Receive(bool head = false) {
    ClientResponse response;
    size_t end = std::string::npos;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadSome()) return response;
    }
    const std::string header = unread_.substr(0, end + 2);
    unread_.erase(0, end + 4);
    ParseHeader(header, response);
    const size_t length =
        head || !response.headers.contains("content-length") ? 0 : std::stoul(response.headers["content-length"]);
    while (unread_.size() < length) {
      if (!ReadSome()) return {};
    }
    response.body = unread_.substr(0, length);
    unread_.erase(0, length);
    return response;
  }

  ClientResponse Get(const std::string& target, const std::string& fields = "") {
    if (!Send("GET " + target + " HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n")) return {};
    return Receive();
  }

  // Whether the server ends the connection, with nothing more to read, before the client's patience ends.
  bool IsClosed() { return unread_.empty() && !ReadSome() && errno != EAGAIN; }

  // Sends what has been written and no more.
  void EndSending() { ::shutdown(socket_, SHUT_WR); }

 private:
  bool ReadSome() {
    char octets[65536];
    errno = 0;
    const ssize_t count = ::recv(socket_, octets, sizeof octets, 0);
    if (count <= 0) return false;
    unread_.append(octets, static_cast<size_t>(count));
    return true;
  }

  static void ParseHeader(const std::string& header, ClientResponse& response) {
    if (header.size() < 12 || !header.starts_with("HTTP/1.")) throw std::runtime_error("no HTTP: " + header);
    response.status = std::stoi(header.substr(9, 3));
    for (size_t line = header.find("\r\n") + 2; line < header.size(); line = header.find("\r\n", line) + 2) {
      const size_t colon = header.find(": ", line);
      std::string name = header.substr(line, colon - line);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      response.headers[name] = header.substr(colon + 2, header.find("\r\n", line) - colon - 2);
    }
  }

  int socket_;
  bool connected_ = false;
  std::string unread_;
};

}  // namespace hallmark::testing
