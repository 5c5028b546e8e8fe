// What a server refuses before it starts, and check-config with it.
#include "core/app/server_setup.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/app/server_flags.h"
#include "core/app/small_files.h"

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
    return read_server_setup(*flags);
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

TEST_F(ServerSetupTest, a_service_range_of_ones_own_moves_the_dns_address) {
  auto setup = read({"--service-cidr=10.96.0.0/12"});
  ASSERT_TRUE(setup.ok()) << setup.error().message();
  EXPECT_EQ(setup->plane.dns_address, "10.96.0.10");
  EXPECT_EQ(setup->plane.api_service_address, "10.96.0.1");
}

TEST_F(ServerSetupTest, checks_what_the_server_would_stumble_over) {
  EXPECT_EQ(wrong({}), List());
  EXPECT_EQ(wrong({cat("--kube-apiserver-arg=token-auth-file=", dir, "/none.csv")}).size(), 1u) << "a token file that is not there";
  ASSERT_TRUE(write_file_atomically(dir + "/tokens.csv", "t,user\n", 0600).ok());
  List tokens = wrong({cat("--kube-apiserver-arg=token-auth-file=", dir, "/tokens.csv")});
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_TRUE(tokens[0].starts_with(cat("tokens: ", dir, "/tokens.csv: line 1"))) << tokens[0];
  const std::string policy = dir + "/policy.yaml", audit = cat("--kube-apiserver-arg=audit-policy-file=", policy);
  EXPECT_EQ(wrong({audit}).size(), 1u) << "a policy that is not there";
  ASSERT_TRUE(write_file_atomically(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n", 0600).ok());
  List refused = wrong({audit});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with(cat("audit: ", policy, ": rules[0].level: Unsupported value: \"All\""))) << refused[0];
  ASSERT_TRUE(write_file_atomically(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n", 0600).ok());
  EXPECT_EQ(wrong({audit, "--kube-apiserver-arg=audit-log-path=-"}), List());
  ASSERT_TRUE(make_directories(dir + "/data-dir/server/tls", 0700).ok());
  ASSERT_TRUE(write_file_atomically(dir + "/data-dir/server/tls/client-ca.key", "x", 0600).ok());
  EXPECT_EQ(wrong({}), List{cat("authorities: ", dir, "/data-dir/server/tls/client-ca.crt: missing; restore it from a backup")});
}

}  // namespace
}  // namespace bramble
