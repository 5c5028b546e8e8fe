// The server as a whole: services of a snapshot, questions over UDP.
#include "core/dns/dns_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/base/unique_fd.h"
#include "tests/core/client/scripted_client.h"
#include "tests/core/loop/run_task.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

sockaddr_in local(uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

uint16_t free_port() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in a = local(0);
  socklen_t n = sizeof a;
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&a), n), 0);
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a), &n), 0);
  return ntohs(a.sin_port);
}

// The address that a name has, "none" when it does not exist.
std::string address_of(const std::string& name, uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in a = local(port);
  std::string query("\0\7\1\0\0\1\0\0\0\0\0\0", 12);
  query += dns_name(name) + std::string("\0\1\0\1", 4);
  if (sendto(fd.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&a), sizeof a) < 0) return "not sent";
  pollfd p{fd.get(), POLLIN, 0};
  if (poll(&p, 1, 5000) != 1) return "no answer";
  char buf[512];
  ssize_t n = recv(fd.get(), buf, sizeof buf, 0);
  if (n < 16) return "short";
  if ((buf[3] & 15) != 0) return "none";
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, buf + n - 4, text, sizeof text);
}

std::string service(const std::string& name, const std::string& address, const std::string& metadata = "") {
  return cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")", name, R"(","namespace":"default")", metadata, R"(},"spec":{"clusterIP":")", address,
             R"(","clusterIPs":[")", address, R"("],"ports":[{"port":80}]}})");
}

TEST(DnsServer, leaves_out_a_service_that_ended_the_server_until_it_changes) {
  DyingProcesses died;
  died.die_at("dns", "services default/bad", {});
  auto quarantine = died.open();
  Loop loop;
  ScriptedClient client;
  auto put = [&](const std::string& json) {
    Document d = *Document::parse(std::string_view(json));
    Document before = client.state.put(d);
    client.tell({resource_ids::kServices, before, d});
  };
  put(service("bad", "10.43.0.1"));
  put(service("good", "10.43.0.2"));
  DnsServer::Options o;
  o.address = "127.0.0.1";
  o.domain = "cluster.local";
  o.port = free_port();
  o.resolv_conf = "/nonexistent";
  o.quarantine = quarantine.get();
  DnsServer server(o, client);
  Status started = server.start();
  ASSERT_TRUE(started.ok()) << started.error().message();
  EXPECT_EQ(address_of("good.default.svc.cluster.local", o.port), "10.43.0.2");
  EXPECT_EQ(address_of("bad.default.svc.cluster.local", o.port), "none");
  put(service("bad", "10.43.0.1", R"(,"labels":{"mended":"yes"})"));
  run_until(loop, [&] { return address_of("bad.default.svc.cluster.local", o.port) == "10.43.0.1"; });
}

}  // namespace
}  // namespace bramble
