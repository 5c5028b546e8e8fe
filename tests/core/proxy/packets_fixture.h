// What packet tests share: a host and two pods as network namespaces, TCP servers that tell whom they saw, and a cluster that is
// a map.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "cni/netlink/netns.h"
#include "cni/pod_network.h"
#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/client/map_snapshot.h"
#include "core/proxy/proxy.h"

namespace bramble {

// The cluster as the proxy sees it: a map, and whoever subscribed.
class FixedClient final : public Client {
 public:
  const Snapshot& snapshot() const override { return snapshot_; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    struct One final : Subscription {
      ~One() override { of->subscribers_.erase(id); }
      FixedClient* of = nullptr;
      int id = 0;
    };
    auto one = std::make_unique<One>();
    one->of = this;
    one->id = next_++;
    subscribers_[one->id] = {std::move(resources), std::move(fn)};
    return one;
  }
  Task<Result<Document>> create(ResourceId, std::string, Document o, WriteOptions) override { co_return o; }
  Task<Result<Document>> update(ResourceId, ObjectKey, Document o, WriteOptions) override { co_return o; }
  Task<Result<Document>> patch(ResourceId, ObjectKey, PatchType, Document o, WriteOptions) override { co_return o; }
  Task<Result<Document>> remove(ResourceId, ObjectKey, DeleteOptions) override { co_return Document(); }
  void put(const ResourceId& r, const char* json) {
    Document d = Document::parse(json).value();
    Document before = snapshot_.get(r, namespace_of(d), name_of(d));
    snapshot_.put(r, d);
    tell({r, before, d});
  }
  void take(const ResourceId& r, const ObjectKey& key) {
    Document before = snapshot_.remove(r, key);
    tell({r, before, {}});
  }
  void tell(const Change& change) {
    auto all = subscribers_;
    for (auto& [id, s] : all)
      if (std::find(s.first.begin(), s.first.end(), change.resource) != s.first.end()) s.second(change);
  }
  MapSnapshot snapshot_;
  std::map<int, std::pair<std::vector<ResourceId>, std::function<void(const Change&)>>> subscribers_;
  int next_ = 0;
};

// A TCP server in a namespace that answers each connection with its name and the address it saw.
class EchoServer {
 public:
  EchoServer(const std::string& netns, std::string name) {
    Status s = in_netns(netns, [&]() -> Status {
      listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in a{};
      a.sin_family = AF_INET;
      a.sin_port = htons(80);
      int one = 1;
      setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 || listen(listener_.get(), 16) != 0) return Error::from_errno(errno, "listen");
      return ok();
    });
    EXPECT_TRUE(s.ok());
    thread_ = std::thread([this, name] {
      for (;;) {
        sockaddr_in peer{};
        socklen_t n = sizeof peer;
        UniqueFd c(accept(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &n));
        if (!c.valid()) return;
        char text[INET_ADDRSTRLEN];
        std::string answer = cat(name, " ", inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text));
        if (write(c.get(), answer.data(), answer.size()) < 0) return;
      }
    });
  }
  ~EchoServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

inline std::string ask(const char* address, uint16_t port, int timeout_ms = 5000) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  inet_pton(AF_INET, address, &a.sin_addr);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 && errno != EINPROGRESS) return strerror(errno);
  pollfd p{fd.get(), POLLIN, 0};
  if (poll(&p, 1, timeout_ms) != 1) return "no answer";
  char buf[256];
  ssize_t n = read(fd.get(), buf, sizeof buf);
  return n < 0 ? strerror(errno) : std::string(buf, static_cast<size_t>(n));
}

class Packets : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-proxy-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    for (const char* name : {"/host", "/pod-a", "/pod-b"}) ASSERT_TRUE(make_netns(dir_ + name).ok());
  }
  void TearDown() override {
    for (const char* name : {"/host", "/pod-a", "/pod-b"}) EXPECT_TRUE(remove_netns(dir_ + name).ok());
    EXPECT_EQ(system(("rm -rf " + dir_).c_str()), 0);
  }
  std::string dir_;
};

// Lets the proxy see what was put.
inline void settle(Loop* loop, int64_t ms = 30) {
  Timer stop([loop] { loop->stop(); });
  stop.arm_ms(ms);
  loop->run();
}

inline Proxy::Options proxy_options(Quarantine* quarantine = nullptr) {
  Proxy::Options o;
  o.network.pod_range = "10.42.0.0/16";
  o.service_range = "10.43.0.0/16";
  o.quarantine = quarantine;
  o.node_name = "here";
  return o;
}

}  // namespace bramble
