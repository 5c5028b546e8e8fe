// What a server refuses before it starts, and check-config with it.
#include "core/app/server_setup.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "core/app/first_start.h"
#include "core/app/server_flags.h"
#include "core/base/files.h"

namespace bramble {
namespace {

class ServerSetupTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-setup-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir = folder;
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + dir).c_str()), 0); }
  Result<ServerSetup> read(std::vector<std::string> argv) {
    for (const char* fixed : {"--node-name=n", "--node-ip=192.0.2.1", "--kubelet-port=1", "--https-listen-port=2"}) argv.insert(argv.begin(), fixed);
    for (const char* flag : {"data-dir", "run-dir", "kubelet-root-dir", "pod-log-dir"}) argv.insert(argv.begin(), cat("--", flag, "=", dir, "/", flag));
    argv.insert(argv.begin(), cat("--write-kubeconfig=", dir, "/kubeconfig.yaml"));
    Flags::Source source;
    source.specs = server_flags();
    source.argv = std::move(argv);
    source.environment = [](std::string_view) { return std::nullopt; };
    auto flags = Flags::read(source);
    if (!flags.ok()) return flags.error();
    return read_server_setup(*flags, [](const std::string& address) -> Status {
      if (address == "192.0.2.1") return ok();
      return Error(Code::kInvalidArgument, cat("flag --node-ip: ", address, " not found"));
    });
  }
  // "name: finding" of what is wrong.
  std::vector<std::string> wrong(std::vector<std::string> argv) {
    auto setup = read(std::move(argv));
    EXPECT_TRUE(setup.ok()) << setup.error().message();
    std::vector<std::string> out;
    for (const Check& c : check_server_setup(*setup))
      if (c.verdict != Check::Verdict::kGood) out.push_back(cat(c.name, ": ", c.finding));
    return out;
  }
  std::string dir;
};
using List = std::vector<std::string>;

TEST_F(ServerSetupTest, refuses_values_that_cannot_be_and_names_their_flag) {
  struct Row {
    const char* name;
    const char* flag;
    const char* named;
  };
  for (const Row& row : {
           Row{"a range that is none", "--service-cidr=nonsense", "--service-cidr"},
           Row{"a range of IPv6", "--cluster-cidr=fd00::/56", "--cluster-cidr"},
           Row{"an address without a length", "--cluster-cidr=10.42.0.0", "--cluster-cidr"},
           Row{"DNS outside of the services", "--cluster-dns=192.0.2.9", "--cluster-dns"},
           Row{"ports upside down", "--service-node-port-range=30100-30000", "--service-node-port-range"},
           Row{"a port that is none", "--https-listen-port=70000", "--https-listen-port"},
           Row{"an address that is none", "--node-ip=nowhere", "--node-ip"},
           Row{"an address with a prefix", "--node-ip=192.0.2.1/24", "--node-ip"},
           Row{"an address of this host alone", "--node-ip=127.0.0.1", "--node-ip: \"127.0.0.1\": can't be loopback address"},
           Row{"an address of many", "--node-ip=224.0.0.1", "can't be a multicast address"},
           Row{"an address of one link", "--node-ip=169.254.1.1", "can't be a link-local unicast address"},
           Row{"no address at all", "--node-ip=0.0.0.0", "can't be an all zeros address"},
           Row{"an address of another machine", "--node-ip=9.9.9.9", "--node-ip"},
           Row{"a size of nodes' ranges that is none", "--kube-controller-manager-arg=node-cidr-mask-size=31", "--kube-controller-manager-arg"},
           Row{"ranges too small for so large a cluster", "--cluster-cidr=172.0.0.0/7", "node-cidr-mask-size 24 of 172.0.0.0/7: take one between 7 and 23"},
           Row{"an external address that is none", "--node-external-ip=nowhere", "--node-external-ip: \"nowhere\": is not an address"},
           Row{"a backend of flannel that is not here", "--flannel-backend=wireguard-native", "--flannel-backend: \"wireguard-native\": is not known; take vxlan, host-gw or none"},
           Row{"a name that is none", "--node-name=A_B", "--node-name: \"a_b\": a lowercase RFC 1123 subdomain must consist of"},
           Row{"a label without a value", "--node-label=x", "--node-label"},
           Row{"a label's key", "--node-label=a b=c", "--node-label: \"a b=c\": name part must consist of"},
           Row{"a label's value", "--node-label=a=b c", "--node-label"},
           Row{"a label that is not the node's to give", "--node-label=node-role.kubernetes.io/worker=true", "--node-label"},
           Row{"a taint without an effect", "--node-taint=x", "--node-taint"},
           Row{"a taint's effect", "--node-taint=a=b:Foo", "invalid taint effect: Foo, unsupported taint effect"},
           Row{"a taint's value", "--node-taint=a=b c:NoSchedule", "--node-taint"},
           Row{"a taint's key", "--node-taint=:NoSchedule", "--node-taint"},
           Row{"a domain that is none", "--cluster-domain=a b", "--cluster-domain"},
           Row{"services where the pods are", "--service-cidr=10.42.0.0/16", "--service-cidr: 10.42.0.0/16 overlaps --cluster-cidr 10.42.0.0/16"},
           Row{"pods among the services", "--cluster-cidr=10.43.128.0/17", "overlaps"},
           Row{"pods with no room for a node", "--cluster-cidr=10.42.0.0/28", "--cluster-cidr: 10.42.0.0/28 is too small"},
           Row{"a folder without a name", "--data-dir=", "--data-dir"},
           Row{"a mode that is none", "--write-kubeconfig-mode=rw", "--write-kubeconfig-mode"},
           Row{"a format that is none", "--kube-apiserver-arg=audit-log-format=xml", "invalid audit log format xml, allowed formats are"},
           Row{"a size below nothing", "--kube-apiserver-arg=audit-log-maxsize=-1", "--audit-log-maxsize -1 can't be a negative number"},
           Row{"an age that is none", "--kube-apiserver-arg=audit-log-maxage=old", "--audit-log-maxage \"old\" is not a number"},
           Row{"an argument that nobody knows", "--kube-apiserver-arg=nonsense=1", "--kube-apiserver-arg"},
       }) {
    auto setup = read({row.flag});
    ASSERT_FALSE(setup.ok()) << row.name;
    EXPECT_NE(setup.error().message().find(row.named), std::string::npos) << row.name << ": " << setup.error().message();
  }
}

TEST_F(ServerSetupTest, takes_what_the_kubelet_takes) {
  auto setup = read({"--node-name= Node-1.Example ", "--node-label=example.com/role=web", "--node-label=node.kubernetes.io/x=", "--node-label=topology.kubernetes.io/zone=a",
                     "--node-taint=a=b:NoSchedule", "--node-taint=example.com/a:NoExecute", "--node-taint=a=:PreferNoSchedule", "--cluster-cidr=10.1.0.0/24"});
  ASSERT_TRUE(setup.ok()) << setup.error().message();
  EXPECT_EQ(setup->node.name, "node-1.example");
}

TEST_F(ServerSetupTest, folders_are_taken_from_where_the_command_was_given) {
  std::filesystem::current_path(dir);
  auto setup = read({"--data-dir=r/./s", "--run-dir=../x"});
  ASSERT_TRUE(setup.ok()) << setup.error().message();
  EXPECT_EQ(setup->plane.data_dir, dir + "/r/s");
  EXPECT_EQ(setup->plane.store_dir, dir + "/r/s/server/db");
  EXPECT_EQ(setup->plane.run_dir, "/tmp/x");
  EXPECT_EQ(wrong({"--data-dir=r"}), List());
  EXPECT_EQ(wrong({"--write-kubeconfig=k.yaml"}), List());
  std::filesystem::current_path("/");
}

TEST_F(ServerSetupTest, tells_of_a_store_that_is_not_there) {
  std::string tls = dir + "/data-dir/server/tls", db = dir + "/data-dir/server/db";
  auto first = FirstStart::begin(dir + "/data-dir", tls);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->sign(), "");
  ASSERT_TRUE(make_folders(tls, 0700).ok());
  ASSERT_TRUE(replace_file_durably(tls + "/service.key", "x", 0600).ok());
  EXPECT_EQ(FirstStart::begin(dir + "/data-dir", tls)->sign(), "") << "a first start that a power cut ended is begun again";
  EXPECT_EQ(wrong({}), List());
  ASSERT_TRUE(first->done().ok());
  EXPECT_EQ(FirstStart::begin(dir + "/data-dir", tls)->sign(), tls);
  EXPECT_EQ(wrong({}), List{cat("store file: ", db, "/state.db is missing though ", tls, " shows that a cluster was here")});
  ASSERT_TRUE(make_folders(db, 0700).ok());
  ASSERT_TRUE(replace_file_durably(db + "/state.db", "", 0600).ok());
  EXPECT_EQ(wrong({}), List{cat("store file: ", db, "/state.db is empty though ", tls, " shows that a cluster was here")});
}

TEST_F(ServerSetupTest, a_service_range_of_ones_own_moves_the_dns_address) {
  auto setup = read({"--service-cidr=10.96.0.0/12"});
  ASSERT_TRUE(setup.ok()) << setup.error().message();
  EXPECT_EQ(setup->plane.dns_address, "10.96.0.10");
  EXPECT_EQ(setup->plane.api_service_address, "10.96.0.1");
}

TEST_F(ServerSetupTest, checks_what_the_server_would_stumble_over) {
  EXPECT_EQ(wrong({}), List());
  EXPECT_EQ(wrong({cat("--kube-apiserver-arg=token-auth-file=", dir, "/none.csv")}).size(), 1u) << "a token file that is not there";
  ASSERT_TRUE(replace_file_durably(dir + "/tokens.csv", "t,user\n", 0600).ok());
  List tokens = wrong({cat("--kube-apiserver-arg=token-auth-file=", dir, "/tokens.csv")});
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_TRUE(tokens[0].starts_with(cat("tokens: ", dir, "/tokens.csv: line 1"))) << tokens[0];
  const std::string policy = dir + "/policy.yaml", audit = cat("--kube-apiserver-arg=audit-policy-file=", policy);
  EXPECT_EQ(wrong({audit}).size(), 1u) << "a policy that is not there";
  ASSERT_TRUE(replace_file_durably(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n", 0600).ok());
  List refused = wrong({audit});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with(cat("audit: ", policy, ": rules[0].level: Unsupported value: \"All\""))) << refused[0];
  ASSERT_TRUE(replace_file_durably(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n", 0600).ok());
  EXPECT_EQ(wrong({audit, "--kube-apiserver-arg=audit-log-path=-"}), List());
  ASSERT_TRUE(FirstStart::begin(dir + "/data-dir", dir + "/data-dir/server/tls").ok());
  ASSERT_TRUE(make_folders(dir + "/data-dir/server/tls", 0700).ok());
  ASSERT_TRUE(replace_file_durably(dir + "/data-dir/server/tls/client-ca.key", "x", 0600).ok());
  EXPECT_EQ(wrong({}), List()) << "a first start that was cut off goes on";
  ASSERT_TRUE(make_folders(dir + "/data-dir/server/db", 0700).ok());
  ASSERT_TRUE(replace_file_durably(dir + "/data-dir/server/db/state.db", "x", 0600).ok());
  EXPECT_EQ(wrong({}), List{cat("authorities: ", dir, "/data-dir/server/tls/client-ca.crt: missing; restore it from a backup")});
}

}  // namespace
}  // namespace bramble
