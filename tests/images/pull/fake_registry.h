// A registry of the test's own, on a socket of 127.0.0.1: threads that block, answers as they come on the wire, so that a test
// can lie in every way a registry might. Not for anything but tests.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/strings.h"
#include "core/crypto/hash.h"

namespace bramble {
namespace {

class FakeRegistry {
 public:
  struct Request {
    std::string method, path, query, body;
    std::map<std::string, std::string> headers;  // names in lower case
  };
  class Connection {
   public:
    explicit Connection(int fd) : fd_(fd) {}
    void raw(std::string_view bytes) {
      while (!bytes.empty()) {
        ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes.remove_prefix(static_cast<size_t>(n));
      }
    }
    void answer(int status, const std::vector<std::string>& headers, std::string_view body) {
      std::string head = cat("HTTP/1.1 ", status, " Some\r\n");
      for (const auto& h : headers) head += h + "\r\n";
      raw(cat(head, "content-length: ", body.size(), "\r\n\r\n"));
      raw(body);
    }
    // Waits until the other side has gone.
    void hang() {
      char c;
      while (::recv(fd_, &c, 1, 0) > 0) {
      }
    }
    int fd() const { return fd_; }
    bool over = false;  // close it after this answer

   private:
    int fd_;
  };
  // True: it has answered.
  using Fault = std::function<bool(Connection&, const Request&)>;

  FakeRegistry() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a);
    ::listen(listener_, 64);
    socklen_t n = sizeof a;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n);
    port_ = ntohs(a.sin_port);
    threads_.emplace_back([this] { serve(); });
  }
  ~FakeRegistry() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    {
      std::lock_guard lock(mutex_);
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (size_t i = 0; i < threads_.size(); i++) threads_[i].join();
    ::close(listener_);
  }

  std::string host() const { return cat("127.0.0.1:", port_); }
  std::string url() const { return cat("http://", host()); }

  std::string add_blob(const std::string& bytes) {
    std::lock_guard lock(mutex_);
    std::string digest = cat("sha256:", sha256_hex(bytes));
    blobs_[digest] = bytes;
    return digest;
  }
  // Under its digest, and a tag when there is one.
  std::string add_manifest(const std::string& json, const std::string& type, const std::string& tag = "") {
    std::lock_guard lock(mutex_);
    std::string digest = cat("sha256:", sha256_hex(json));
    manifests_[digest] = {json, type};
    if (!tag.empty()) manifests_[tag] = {json, type};
    return digest;
  }
  void on_request(Fault fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
  }
  // "GET /v2/web/manifests/1"
  std::vector<std::string> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  size_t count(std::string_view begin) {
    size_t n = 0;
    for (const auto& s : seen()) n += s.starts_with(begin);
    return n;
  }
  std::string blob(const std::string& digest) {
    std::lock_guard lock(mutex_);
    return blobs_[digest];
  }

 private:
  void serve() {
    for (;;) {
      int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      if (stopping_) {
        ::close(fd);
        return;
      }
      open_.push_back(fd);
      threads_.emplace_back([this, fd] {
        talk(fd);
        std::lock_guard again(mutex_);
        std::erase(open_, fd);
        ::close(fd);
      });
    }
  }
  void talk(int fd) {
    Connection connection(fd);
    std::string buffer;
    while (!connection.over && !stopping_) {
      size_t end;
      while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
        char bytes[4096];
        ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) return;
        buffer.append(bytes, static_cast<size_t>(n));
      }
      Request r;
      auto lines = split(std::string_view(buffer).substr(0, end), '\n');
      auto words = split(trim(lines[0]), ' ');
      r.method = std::string(words[0]);
      auto parts = cut(words[1], "?");
      r.path = std::string(parts ? parts->first : words[1]);
      if (parts) r.query = std::string(parts->second);
      for (size_t i = 1; i < lines.size(); i++)
        if (auto h = cut(trim(lines[i]), ":")) r.headers[lower(h->first)] = std::string(trim(h->second));
      buffer.erase(0, end + 4);
      size_t length = r.headers.contains("content-length") ? static_cast<size_t>(*parse_uint64(r.headers["content-length"])) : 0;
      while (buffer.size() < length) {
        char bytes[4096];
        ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) return;
        buffer.append(bytes, static_cast<size_t>(n));
      }
      r.body = buffer.substr(0, length);
      buffer.erase(0, length);
      Fault fault;
      {
        std::lock_guard lock(mutex_);
        seen_.push_back(cat(r.method, " ", r.path, r.headers.contains("range") ? cat(" ", r.headers["range"]) : ""));
        fault = fault_;
      }
      if (fault && fault(connection, r)) continue;
      usual(connection, r);
    }
  }
  void usual(Connection& connection, const Request& r) {
    std::string what = r.path.substr(r.path.rfind('/') + 1), body, type = "application/octet-stream";
    bool found = false;
    {
      std::lock_guard lock(mutex_);
      if (r.path.find("/manifests/") != std::string::npos) {
        if (auto it = manifests_.find(what); it != manifests_.end()) body = it->second.first, type = it->second.second, found = true;
      } else if (auto it = blobs_.find(what); it != blobs_.end()) {
        body = it->second, found = true;
      }
    }
    if (!found) return connection.answer(404, {"content-type: application/json"}, r.method == "HEAD" ? "" : "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}");
    std::vector<std::string> headers = {"content-type: " + type, cat("docker-content-digest: sha256:", sha256_hex(body))};
    if (r.method == "HEAD") {
      std::string head = "HTTP/1.1 200 OK\r\n";
      for (const auto& h : headers) head += h + "\r\n";
      return connection.raw(cat(head, "content-length: ", body.size(), "\r\n\r\n"));
    }
    auto range = r.headers.find("range");
    if (range != r.headers.end()) {
      size_t from = static_cast<size_t>(*parse_uint64(range->second.substr(6, range->second.size() - 7)));
      headers.push_back(cat("content-range: bytes ", from, "-", body.size() - 1, "/", body.size()));
      return connection.answer(206, headers, std::string_view(body).substr(from));
    }
    connection.answer(200, headers, body);
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<int> open_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, std::pair<std::string, std::string>> manifests_;
  std::vector<std::string> seen_;
  Fault fault_;
  std::deque<std::thread> threads_;
};

}  // namespace
}  // namespace bramble
