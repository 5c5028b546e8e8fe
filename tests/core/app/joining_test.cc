// A machine joins a server: the whole way, over TLS, with the real control plane and its certificate authorities.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/app/control_plane.h"
#include "core/app/join_tokens.h"
#include "core/app/local_call.h"
#include "core/base/files.h"
#include "core/crypto/hash.h"
#include "core/http/client.h"
#include "core/resources/node_key.h"
#include "provision/join/join.h"

namespace bramble {
namespace {

std::string new_folder() {
  char folder[] = "/tmp/bramble-joining-XXXXXX";
  return mkdtemp(folder) ? folder : "";
}

// A server in a folder of its own, on a port of its own.
class Server {
 public:
  Server(Loop& loop, RealClock& clock, RealRandom& random) : folder_(new_folder()) {
    CredentialOptions c;
    c.directory = folder_ + "/server/tls";
    c.server_names = {"kubernetes", "127.0.0.1", "localhost"};
    c.node_name = "s", c.node_names = {"s"};
    credentials_ = *load_or_make_credentials(c, clock);
    auto tokens = load_or_make_join_tokens(folder_, credentials_.server_ca_pem, {}, random);
    EXPECT_TRUE(tokens.ok()) << tokens.error().message();
    token = tokens->node.text();
    ControlPlaneOptions o;
    o.data_dir = folder_, o.run_dir = folder_ + "/run", o.store_dir = folder_ + "/server/db", o.backup_dir = folder_ + "/backups";
    o.bind_address = o.advertise_address = "127.0.0.1";
    o.pod_range = "10.42.0.0/16", o.service_range = "10.43.0.0/16", o.dns_address = "10.43.0.10", o.api_service_address = "10.43.0.1";
    o.node_port_first = 30000, o.node_port_last = 32767;
    o.host = o.own_node = "s";
    o.scheduler = false;
    o.server_names = c.server_names;
    o.node_token_password = tokens->node.password;
    auto opened = ControlPlane::open(o, credentials_, loop, clock, random);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    plane_ = std::move(*opened);
    plane_->start();
  }
  ~Server() {
    plane_.reset();
    EXPECT_EQ(system(("rm -rf " + folder_).c_str()), 0);
  }
  std::string url() const { return cat("https://127.0.0.1:", plane_->port()); }
  std::string socket() const { return folder_ + "/run/server.sock"; }
  const std::string& ca() const { return credentials_.server_ca_pem; }
  const Credentials& credentials() const { return credentials_; }
  std::unique_ptr<Client> admin() { return plane_->client({"admin", "", {"system:masters"}, {}}); }
  std::string token;

 private:
  std::string folder_;
  Credentials credentials_;
  std::unique_ptr<ControlPlane> plane_;
};

class JoinFlow : public testing::Test {
 protected:
  void TearDown() override {
    tasks_.cancel_all();
    for (const std::string& f : folders_) EXPECT_EQ(system(("rm -rf " + f).c_str()), 0);
  }
  JoinOptions machine(const std::string& name, const Server& server) {
    folders_.push_back(new_folder());
    JoinOptions o;
    o.server_url = server.url(), o.token = server.token, o.node_name = name, o.node_addresses = {"192.0.2.7"}, o.data_dir = folders_.back();
    return o;
  }
  template <class T>
  static Task<void> keep(Task<Result<T>> task, std::optional<Result<T>>* out, Loop* loop, const bool* waiting) {
    auto done = co_await task;
    out->emplace(std::move(done));
    if (*waiting) loop->stop();  // one that does not run yet would stop the next time
  }
  template <class T>
  Result<T> wait(Task<Result<T>> task) {
    std::optional<Result<T>> out;
    bool waiting = false;
    tasks_.start(keep<T>(std::move(task), &out, &loop, &waiting));
    waiting = true;
    if (!out) loop.run();
    return std::move(*out);
  }
  // As an agent does it: what the server asks to try again is tried again.
  Result<NodeCredentials> joined(JoinOptions o) {
    for (int tries = 0;; tries++) {
      auto out = wait(join(o, clock));
      bool starting = !out.ok() && out.error().message().find("is starting") != std::string::npos;
      if (!starting || tries > 500) return out;
      pause();
    }
  }
  void pause() {
    Timer t([this] { loop.stop(); });
    t.arm_ms(20);
    loop.run();
  }
  Result<Document> command(const Server& s, const std::string& method, const std::string& target) { return wait(call_local(s.socket(), method, target, nullptr)); }
  int get(const Server& s, const CertifiedKey& as, const std::string& path) {
    TlsClientContext::Options o;
    o.roots_pem = s.ca(), o.certificate_pem = as.certificate_pem, o.key_pem = as.key_pem, o.alpn = {"http/1.1"};
    auto tls = TlsClientContext::create(o);
    HttpClientTarget target;
    target.address = "127.0.0.1", target.tls = *tls;
    target.port = static_cast<uint16_t>(*parse_int64(s.url().substr(s.url().rfind(':') + 1)));
    auto connection = wait(HttpClientConnection::open(target));
    EXPECT_TRUE(connection.ok());
    HttpClientRequest request;
    request.target = path;
    auto answer = wait((*connection)->request(request));
    return answer.ok() ? answer->status : 0;
  }

  Loop loop;
  RealClock clock;
  RealRandom random;
  std::vector<std::string> folders_;
  TaskGroup tasks_;
};

TEST_F(JoinFlow, a_machine_gets_its_certificates) {
  Server server(loop, clock, random);
  JoinOptions o = machine("n1", server);
  auto got = joined(o);
  ASSERT_TRUE(got.ok()) << got.error().message();
  EXPECT_EQ(node_of(*got), "n1");
  struct Case {
    const CertifiedKey* pair;
    const char* user;
    std::vector<std::string> groups;
    const std::string* authority;
    CertificateUse use;
  };
  const std::string &client = server.credentials().client_ca_pem, &serving = server.credentials().server_ca_pem;
  const Case cases[] = {
      {&got->kubelet, "system:node:n1", {"system:nodes"}, &client, CertificateUse::kClient},
      {&got->kubelet_serving, "system:node:n1", {"system:nodes"}, &serving, CertificateUse::kServer},
      {&got->kube_proxy, "system:kube-proxy", {}, &client, CertificateUse::kClient},
      {&got->controller, "system:bramble-controller", {}, &client, CertificateUse::kClient},
      {&got->dns, "system:serviceaccount:kube-system:kube-dns", {"system:serviceaccounts", "system:serviceaccounts:kube-system"}, &client, CertificateUse::kClient},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.user);
    auto info = parse_certificate(c.pair->certificate_pem);
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->subject.common_name, c.user);
    EXPECT_EQ(info->subject.organizations, c.groups);
    EXPECT_EQ(info->not_before_s, kCertificateNotBefore_s);
    EXPECT_TRUE(verify_certificate(c.pair->certificate_pem, *c.authority, c.use).ok());
  }
  EXPECT_EQ(parse_certificate(got->kubelet_serving.certificate_pem)->subject.ip_addresses, std::vector<std::string>{"192.0.2.7"});
  for (const char* file : {"server-ca.crt", "client-ca.crt", "client-kubelet.crt", "client-kubelet.key", "serving-kubelet.key", "client-kube-proxy.key", "client-dns.crt"}) {
    struct stat facts {};
    ASSERT_EQ(stat(cat(o.data_dir, "/agent/", file).c_str(), &facts), 0) << file;
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << file;
  }
  // It may what a node may.
  EXPECT_EQ(get(server, got->kubelet, "/api/v1/nodes/n1"), 404);
  EXPECT_EQ(get(server, got->kubelet, "/api/v1/nodes/n2"), 403);
  EXPECT_EQ(get(server, got->kube_proxy, "/api/v1/services"), 200);
  EXPECT_EQ(get(server, got->kube_proxy, "/api/v1/secrets"), 403);
  EXPECT_EQ(get(server, got->dns, "/apis/discovery.k8s.io/v1/endpointslices"), 200);
  EXPECT_EQ(get(server, got->dns, "/api/v1/pods"), 403);
  EXPECT_EQ(get(server, got->controller, "/api/v1/pods"), 200);
  EXPECT_EQ(get(server, got->controller, "/api/v1/secrets"), 403);

  // From now on its certificate alone counts.
  o.token.clear();
  auto again = joined(o);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->kubelet.certificate_pem, got->kubelet.certificate_pem);
  // Another address: the serving certificate is another one, the keys are the same.
  o.node_addresses = {"192.0.2.8"};
  auto moved = wait(renew_certificates(o, *again, clock));
  ASSERT_TRUE(moved.ok()) << moved.error().message();
  EXPECT_EQ(parse_certificate(moved->kubelet_serving.certificate_pem)->subject.ip_addresses, std::vector<std::string>{"192.0.2.8"});
  EXPECT_EQ(moved->kubelet.key_pem, got->kubelet.key_pem);
  EXPECT_EQ(moved->kubelet_serving.key_pem, got->kubelet_serving.key_pem);
}

TEST_F(JoinFlow, a_name_stays_with_its_machine_until_it_is_given_away) {
  Server server(loop, clock, random);
  JoinOptions first = machine("n1", server), second = machine("n1", server), servers = machine("s", server);
  auto had = joined(first);
  ASSERT_TRUE(had.ok()) << had.error().message();
  auto refused = joined(second);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
  EXPECT_NE(refused.error().message().find("bramble node approve n1"), std::string::npos) << refused.error().message();
  auto own = joined(servers);
  ASSERT_FALSE(own.ok()) << "the server's own node has its name";

  auto listed = command(server, "GET", "/v1/nodes");
  ASSERT_TRUE(listed.ok()) << listed.error().message();
  EXPECT_EQ((*listed)["nodes"].item(0)["name"].str(), "n1");
  EXPECT_EQ((*listed)["nodes"].item(0)["refused"].str().size(), 64u);
  EXPECT_FALSE(command(server, "POST", "/v1/nodes/approve?name=nobody").ok());
  EXPECT_FALSE(command(server, "POST", "/v1/nodes/approve?name=s").ok());
  auto approved = command(server, "POST", "/v1/nodes/approve?name=n1");
  ASSERT_TRUE(approved.ok()) << approved.error().message();
  auto has = joined(second);
  ASSERT_TRUE(has.ok()) << has.error().message();
  EXPECT_EQ(get(server, has->kubelet, "/api/v1/nodes/n1"), 404);
  EXPECT_EQ(get(server, had->kubelet, "/api/v1/nodes/n1"), 401) << "the machine that had it is a node no more";
}

TEST_F(JoinFlow, what_stands_in_the_way_is_told) {
  Server server(loop, clock, random), other(loop, clock, random);
  JoinOptions good = machine("n1", server);
  ASSERT_TRUE(joined(good).ok());
  const std::string hash = sha256_hex(server.ca());
  struct Case {
    const char* name;
    std::string url, token;
    Code code;
    const char* says;
  };
  const std::string plain_url = replace_all(server.url(), "https://", "http://");
  const Case cases[] = {
      {"no URL", "", server.token, Code::kInvalidArgument, "is empty"},
      {"no https", plain_url, server.token, Code::kInvalidArgument, "must begin with https://"},
      {"a path", server.url() + "/x", server.token, Code::kInvalidArgument, "must have no path"},
      {"nobody there", "https://127.0.0.1:1", server.token, Code::kUnavailable, "no answer"},
      {"no token", server.url(), "", Code::kInvalidArgument, "has not joined yet"},
      {"half a token", server.url(), server.token.substr(0, 40), Code::kInvalidArgument, "not copied whole"},
      {"another cluster's token", server.url(), other.token, Code::kUnauthenticated, "the token is of another cluster, or somebody in between"},
      {"another password", server.url(), cat("K10", hash, "::node:wrong"), Code::kUnauthenticated, "it is wrong, has expired, or is of another cluster"},
      {"a bootstrap token that has ended", server.url(), cat("K10", hash, "::abcdef.0123456789abcdef"), Code::kUnauthenticated, "has expired"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    JoinOptions o = machine("n2", server);
    o.server_url = c.url, o.token = c.token;
    auto got = wait(join(o, clock));
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code(), c.code) << got.error().message();
    EXPECT_NE(got.error().message().find(c.says), std::string::npos) << got.error().message();
    EXPECT_EQ(got.error().message().find('\n'), std::string::npos) << "one line";
    EXPECT_FALSE(path_exists(o.data_dir + "/agent/client-kubelet.crt"));
  }
}

TEST_F(JoinFlow, a_short_token_trusts_the_first_authority_and_no_other) {
  Server server(loop, clock, random), other(loop, clock, random);
  JoinOptions o = machine("n1", server);
  o.token = parse_join_token(server.token)->password;
  auto got = joined(o);
  ASSERT_TRUE(got.ok()) << got.error().message();
  JoinOptions elsewhere = o;
  elsewhere.server_url = other.url(), elsewhere.node_name = "n2";
  auto refused = wait(join(elsewhere, clock));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("which was trusted before"), std::string::npos) << refused.error().message();
}

TEST_F(JoinFlow, tokens_are_made_and_ended_by_command) {
  Server server(loop, clock, random);
  JoinOptions o = machine("n1", server);
  ASSERT_TRUE(joined(machine("n0", server)).ok());
  auto made = command(server, "POST", "/v1/tokens?ttl_s=60&description=for%20a%20test");
  ASSERT_TRUE(made.ok()) << made.error().message();
  o.token = (*made)["token"].text();
  auto got = joined(o);
  ASSERT_TRUE(got.ok()) << got.error().message();
  auto listed = command(server, "GET", "/v1/tokens");
  ASSERT_TRUE(listed.ok());
  Value t = (*listed)["tokens"].item(0);
  EXPECT_EQ(t["description"].str(), "for a test");
  EXPECT_EQ(t["groups"].item(0).str(), "system:bootstrappers:bramble:default-node-token");
  ASSERT_TRUE(command(server, "DELETE", cat("/v1/tokens?id=", t["id"].str())).ok());
  JoinOptions late = machine("n2", server);
  late.token = o.token;
  EXPECT_FALSE(joined(late).ok());
  struct Case {
    const char* target;
    const char* says;
  };
  const Case bad[] = {{"/v1/tokens?token=short", "a token is like"}, {"/v1/tokens?ttl_s=-1", "time to live"}, {"/v1/tokens?usages=all", "neither"}, {"/v1/tokens?groups=system:masters", "a group is like"}};
  for (const Case& c : bad) {
    auto refused = command(server, "POST", c.target);
    ASSERT_FALSE(refused.ok()) << c.target;
    EXPECT_NE(refused.error().message().find(c.says), std::string::npos) << refused.error().message();
  }
  auto rotated = command(server, "POST", "/v1/tokens/rotate");
  ASSERT_TRUE(rotated.ok()) << rotated.error().message();
  EXPECT_FALSE(joined(machine("n3", server)).ok()) << "the old node token";
  JoinOptions fresh = machine("n4", server);
  fresh.token = (*rotated)["token"].text();
  EXPECT_TRUE(joined(fresh).ok());
}

}  // namespace
}  // namespace bramble
