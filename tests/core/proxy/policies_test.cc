// Traffic policies, affinity, source ranges and forgotten flows against the real kernel; a client outside of the cluster is a
// namespace of its own.
#include <fcntl.h>

#include "cni/netlink/rtnetlink.h"
#include "tests/core/proxy/packets_fixture.h"

namespace bramble {
namespace {

// A UDP server that answers each datagram with its name.
class UdpEcho {
 public:
  UdpEcho(const std::string& netns, std::string name) {
    Status s = in_netns(netns, [&]() -> Status {
      socket_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in a{};
      a.sin_family = AF_INET;
      a.sin_port = htons(53);
      return bind(socket_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0 ? ok() : Status(Error::from_errno(errno, "bind"));
    });
    EXPECT_TRUE(s.ok());
    thread_ = std::thread([this, name] {
      char buf[64];
      sockaddr_in peer{};
      socklen_t n = sizeof peer;
      while (recvfrom(socket_.get(), buf, sizeof buf, 0, reinterpret_cast<sockaddr*>(&peer), &n) > 0)
        if (sendto(socket_.get(), name.data(), name.size(), 0, reinterpret_cast<sockaddr*>(&peer), n) < 0) return;
    });
  }
  ~UdpEcho() {
    shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  UniqueFd socket_;
  std::thread thread_;
};

// One client's socket: the same flow at every question.
class UdpAsker {
 public:
  UdpAsker(const char* address, uint16_t port) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    inet_pton(AF_INET, address, &a.sin_addr);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  }
  std::string ask(int timeout_ms = 1000) {
    if (send(fd_.get(), "?", 1, 0) < 0) return strerror(errno);
    pollfd p{fd_.get(), POLLIN, 0};
    if (poll(&p, 1, timeout_ms) != 1) return "no answer";
    char buf[64];
    ssize_t n = recv(fd_.get(), buf, sizeof buf, 0);
    return n < 0 ? strerror(errno) : std::string(buf, static_cast<size_t>(n));
  }

 private:
  UniqueFd fd_;
};

class Policies : public Packets {
 protected:
  void SetUp() override {
    Packets::SetUp();
    ASSERT_TRUE(make_netns(dir_ + "/client").ok());
    Status s = in_netns(dir_ + "/host", [&]() -> Status {
      TRY_ASSIGN(network_, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
      TRY(network_->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
      TRY(network_->add({"b", dir_ + "/pod-b", "default", "b", "b", {}}));
      TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
      UniqueFd peer(open((dir_ + "/client").c_str(), O_RDONLY | O_CLOEXEC));
      TRY(rt.add_veth("wire", "eth0", peer.get(), 1500));
      TRY_ASSIGN(auto wire, rt.find_link("wire"));
      TRY(rt.add_address(wire->index, *IpPrefix::parse("198.51.100.1/24")));
      return rt.set_up(wire->index);
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
    s = in_netns(dir_ + "/client", [&]() -> Status {
      TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
      TRY_ASSIGN(auto wire, rt.find_link("eth0"));
      TRY(rt.add_address(wire->index, *IpPrefix::parse("198.51.100.2/24")));
      TRY(rt.set_up(wire->index));
      return rt.add_route(*IpPrefix::parse("10.43.0.0/16"), *IpPrefix::parse("198.51.100.1"), wire->index);
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
  }
  void TearDown() override {
    network_.reset();
    EXPECT_TRUE(remove_netns(dir_ + "/client").ok());
    Packets::TearDown();
  }
  // What the client outside, or a pod, gets.
  std::string from(const char* who, const char* address, uint16_t port, int timeout_ms = 2000) {
    std::string out;
    EXPECT_TRUE(in_netns(dir_ + "/" + who, [&]() -> Status { return out = bramble::ask(address, port, timeout_ms), ok(); }).ok());
    return out;
  }
  void on_host(const std::function<Status()>& test) {
    Status s = in_netns(dir_ + "/host", test);
    EXPECT_TRUE(s.ok()) << s.error().message();
  }
  std::unique_ptr<PodNetwork> network_;
};

std::string service(const std::string& spec, const std::string& status = "{}", const std::string& protocol = "TCP", int port = 8080) {
  return cat(R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.43.0.50","clusterIPs":["10.43.0.50"],"ports":[{"name":"p","port":)",
             port, R"(,"nodePort":30080,"protocol":")", protocol, R"("}])", spec, R"(},"status":)", status, "}");
}

// Addresses with the node each is on.
std::string slice(const std::vector<std::pair<std::string, std::string>>& ends, const std::string& protocol = "TCP", int port = 80) {
  std::vector<std::string> list;
  for (const auto& [address, node] : ends)
    list.push_back(cat(R"({"addresses":[")", address, R"("],"nodeName":")", node, R"(","conditions":{"ready":true}})"));
  return cat(R"({"metadata":{"name":"web-x","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","ports":[{"name":"p","port":)",
             port, R"(,"protocol":")", protocol, R"("}],"endpoints":[)", join(list, ","), "]}");
}

const char* kA = "10.42.0.2";
const char* kB = "10.42.0.3";

TEST_F(Policies, of_external_traffic_local_keeps_the_client_and_drops_where_nobody_is_at_home) {
  EchoServer a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, service(R"(,"type":"NodePort")").c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}, {kB, "there"}}).c_str());
    TRY(proxy.start());
    EXPECT_TRUE(from("client", "198.51.100.1", 30080).ends_with(" 10.42.0.1")) << "of the cluster: under this node's address";

    client.put(resource_ids::kServices, service(R"(,"type":"NodePort","externalTrafficPolicy":"Local")").c_str());
    settle(&loop);
    for (int i = 0; i < 8; i++) EXPECT_EQ(from("client", "198.51.100.1", 30080), "a 198.51.100.2");
    std::set<std::string> seen;
    for (int i = 0; i < 30; i++) seen.insert(from("client", "10.43.0.50", 8080));
    EXPECT_EQ(seen, (std::set<std::string>{"a 10.42.0.1", "b 10.42.0.1"})) << "the cluster address has a policy of its own";
    seen.clear();
    for (int i = 0; i < 30; i++) seen.insert(from("pod-a", "198.51.100.1", 30080).substr(0, 1));
    EXPECT_EQ(seen, (std::set<std::string>{"a", "b"})) << "a pod is no client from outside";

    client.put(resource_ids::kEndpointSlices, slice({{kB, "there"}}).c_str());
    settle(&loop);
    EXPECT_EQ(from("client", "198.51.100.1", 30080, 300), "no answer");
    EXPECT_EQ(ask("198.51.100.1", 30080).substr(0, 1), "b");
    client.put(resource_ids::kEndpointSlices, slice({}).c_str());
    settle(&loop);
    EXPECT_EQ(from("client", "198.51.100.1", 30080, 300), "Connection refused");
    return proxy.down();
  });
}

TEST_F(Policies, of_internal_traffic_local_serves_from_this_node_alone) {
  EchoServer a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, service(R"(,"type":"ClusterIP","internalTrafficPolicy":"Local")").c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}, {kB, "there"}}).c_str());
    TRY(proxy.start());
    for (int i = 0; i < 8; i++) EXPECT_EQ(from("pod-b", "10.43.0.50", 8080), "a 10.42.0.3");
    client.put(resource_ids::kEndpointSlices, slice({{kB, "there"}}).c_str());
    settle(&loop);
    EXPECT_EQ(from("pod-b", "10.43.0.50", 8080, 300), "no answer");
    EXPECT_EQ(from("pod-b", "10.43.0.50", 8081, 300), "Connection refused") << "a port that the Service has not";
    EXPECT_EQ(from("pod-b", "10.43.0.99", 80, 300), "no answer") << "an address that no Service has";
    return proxy.down();
  });
}

TEST_F(Policies, of_affinity_keep_a_client_at_its_endpoint_while_that_lives) {
  EchoServer a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, service(R"(,"type":"NodePort","sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10}})").c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}, {kB, "here"}}).c_str());
    TRY(proxy.start());
    std::string first = from("client", "10.43.0.50", 8080).substr(0, 1);
    for (int i = 0; i < 20; i++) EXPECT_EQ(from("client", "10.43.0.50", 8080).substr(0, 1), first);
    EXPECT_EQ(from("client", "198.51.100.1", 30080).substr(0, 1), first);
    // Endpoints come and go: whoever has one keeps it.
    client.put(resource_ids::kEndpointSlices, slice({{"10.42.0.1", "here"}, {kA, "here"}, {kB, "here"}}).c_str());
    settle(&loop);
    for (int i = 0; i < 20; i++) EXPECT_EQ(from("client", "10.43.0.50", 8080).substr(0, 1), first);
    const char* other = first == "a" ? kB : kA;
    client.put(resource_ids::kEndpointSlices, slice({{other, "here"}}).c_str());
    settle(&loop);
    std::string second = from("client", "10.43.0.50", 8080).substr(0, 1);
    EXPECT_EQ(second, first == "a" ? "b" : "a");
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}, {kB, "here"}}).c_str());
    settle(&loop);
    for (int i = 0; i < 20; i++) EXPECT_EQ(from("client", "10.43.0.50", 8080).substr(0, 1), second);
    return proxy.down();
  });
}

TEST_F(Policies, of_a_load_balancer_address_let_in_whom_the_source_ranges_name) {
  EchoServer a(dir_ + "/pod-a", "a");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    const std::string vip = R"({"loadBalancer":{"ingress":[{"ip":"10.43.200.1","ipMode":"VIP"},{"ip":"10.43.200.2","ipMode":"Proxy"}]}})";
    auto ranges = [](const char* r) { return cat(R"(,"type":"LoadBalancer","loadBalancerSourceRanges":[")", r, "\"]"); };
    client.put(resource_ids::kServices, service(ranges("198.51.100.0/25"), vip).c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}}).c_str());
    TRY(proxy.start());
    EXPECT_EQ(from("client", "10.43.200.1", 8080).substr(0, 1), "a");
    EXPECT_EQ(from("client", "10.43.200.2", 8080, 300), "no answer") << "ipMode Proxy is not taken here";
    client.put(resource_ids::kServices, service(ranges("203.0.113.0/24"), vip).c_str());
    settle(&loop);
    EXPECT_EQ(from("client", "10.43.200.1", 8080, 300), "no answer");
    EXPECT_EQ(from("client", "10.43.0.50", 8080).substr(0, 1), "a");
    EXPECT_EQ(from("client", "198.51.100.1", 30080).substr(0, 1), "a");

    // The address is this node's own: the port is served on all of its addresses, under the same ranges.
    client.put(resource_ids::kNodes, R"({"metadata":{"name":"here"},"status":{"addresses":[{"type":"InternalIP","address":"198.51.100.1"}]}})");
    const std::string own = R"({"loadBalancer":{"ingress":[{"ip":"198.51.100.1","ipMode":"VIP"}]}})";
    client.put(resource_ids::kServices, service(ranges("0.0.0.0/0"), own).c_str());
    settle(&loop);
    EXPECT_EQ(from("client", "198.51.100.1", 8080).substr(0, 1), "a");
    EXPECT_EQ(from("pod-b", "10.42.0.1", 8080).substr(0, 1), "a");
    EXPECT_EQ(ask("127.0.0.1", 8080), "Connection refused");
    client.put(resource_ids::kServices, service(ranges("203.0.113.0/24"), own).c_str());
    settle(&loop);
    EXPECT_EQ(from("client", "198.51.100.1", 8080, 300), "no answer");
    EXPECT_EQ(from("pod-b", "10.42.0.1", 8080, 300), "no answer");
    return proxy.down();
  });
}

TEST_F(Policies, node_ports_open_on_the_addresses_that_were_asked_for) {
  EchoServer a(dir_ + "/pod-a", "a");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy::Options options = proxy_options();
    options.network.node_port_ranges = {"198.51.100.0/24"};
    Proxy proxy(options, client);
    client.put(resource_ids::kServices, service(R"(,"type":"NodePort","externalIPs":["192.0.2.7"])").c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}}).c_str());
    TRY(proxy.start());
    EXPECT_EQ(from("client", "198.51.100.1", 30080).substr(0, 1), "a");
    EXPECT_EQ(from("pod-b", "10.42.0.1", 30080), "Connection refused");
    EXPECT_EQ(from("pod-b", "192.0.2.7", 8080).substr(0, 1), "a") << "an external address";
    return proxy.down();
  });
}

TEST_F(Policies, udp_clients_leave_an_endpoint_that_is_gone) {
  UdpEcho a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, service(R"(,"type":"NodePort")", "{}", "UDP", 53).c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}}, "UDP", 53).c_str());
    TRY(proxy.start());
    UdpAsker asker("10.43.0.50", 53), by_port("198.51.100.1", 30080);
    EXPECT_EQ(asker.ask(), "a");
    EXPECT_EQ(by_port.ask(), "a");
    client.put(resource_ids::kEndpointSlices, slice({{kB, "here"}}, "UDP", 53).c_str());
    settle(&loop, 100);
    EXPECT_EQ(asker.ask(), "b");
    EXPECT_EQ(by_port.ask(), "b");
    client.put(resource_ids::kEndpointSlices, slice({}, "UDP", 53).c_str());
    settle(&loop, 100);
    EXPECT_EQ(asker.ask(), "Operation not permitted") << "refused on the way out";
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}}, "UDP", 53).c_str());
    settle(&loop, 100);
    EXPECT_EQ(asker.ask(), "a");
    return proxy.down();
  });
}

TEST_F(Policies, health_check_ports_tell_of_endpoints_of_this_node) {
  on_host([&]() -> Status {
    Loop loop;
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, service(R"(,"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":32001)").c_str());
    client.put(resource_ids::kEndpointSlices, slice({{kA, "here"}, {kB, "there"}}).c_str());
    TRY(proxy.start());
    auto get = [&] {
      std::string answer;
      std::thread asker([&] {
        Status s = in_netns(dir_ + "/client", [&]() -> Status {
          UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
          sockaddr_in to{};
          to.sin_family = AF_INET;
          to.sin_port = htons(32001);
          inet_pton(AF_INET, "198.51.100.1", &to.sin_addr);
          if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return answer = strerror(errno), ok();
          std::string_view request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
          if (write(fd.get(), request.data(), request.size()) < 0) return ok();
          char buf[1024];
          for (ssize_t n; (n = read(fd.get(), buf, sizeof buf)) > 0;) answer.append(buf, static_cast<size_t>(n));
          return ok();
        });
        EXPECT_TRUE(s.ok());
      });
      settle(&loop, 100);
      asker.join();
      return answer;
    };
    std::string answer = get();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_NE(lower(answer).find("x-load-balancing-endpoint-weight: 1\r\n"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web\"\n\t},\n\t\"localEndpoints\": 1,\n\t\"serviceProxyHealthy\": true\n}")) << answer;
    client.put(resource_ids::kEndpointSlices, slice({{kB, "there"}}).c_str());
    settle(&loop);
    answer = get();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
    EXPECT_NE(answer.find("\"localEndpoints\": 0,"), std::string::npos);
    client.put(resource_ids::kServices, service(R"(,"type":"ClusterIP")").c_str());
    settle(&loop);
    EXPECT_EQ(get(), "Connection refused");
    return proxy.down();
  });
}

}  // namespace
}  // namespace bramble
