// Flags: where a value comes from, and what is said of a wrong one.
#include "core/app/flags.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/app/agent_flags.h"
#include "core/app/server_flags.h"
#include "core/base/files.h"

namespace bramble {
namespace {

class FlagSources : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-flags-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    ASSERT_EQ(mkdir((dir_ + "/config.yaml.d").c_str(), 0755), 0);
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + dir_).c_str()), 0); }
  void file(const std::string& name, const std::string& text) { ASSERT_TRUE(replace_file_durably(dir_ + "/" + name, text, 0600).ok()); }
  Result<Flags> read(std::vector<std::string> argv) {
    Flags::Source s;
    s.specs = server_flags();
    s.argv = std::move(argv);
    s.reads_config = true;
    s.config_path = dir_ + "/config.yaml";
    s.environment = [this](std::string_view name) -> std::optional<std::string> {
      auto it = environment_.find(std::string(name));
      return it == environment_.end() ? std::nullopt : std::optional(it->second);
    };
    return Flags::read(s);
  }
  std::string dir_;
  std::map<std::string, std::string> environment_;
};

TEST_F(FlagSources, flags_win_over_environment_over_drop_ins_over_the_file_over_defaults) {
  EXPECT_EQ(read({})->text("data-dir"), "/var/lib/bramble");
  file("config.yaml", "data-dir: /file\n");
  EXPECT_EQ(read({})->text("data-dir"), "/file");
  file("config.yaml.d/10-a.yaml", "data-dir: /drop-in-a\n");
  file("config.yaml.d/20-b.yaml", "data-dir: /drop-in-b\n");
  EXPECT_EQ(read({})->text("data-dir"), "/drop-in-b");
  environment_["BRAMBLE_DATA_DIR"] = "/environment";
  EXPECT_EQ(read({})->text("data-dir"), "/environment");
  EXPECT_EQ(read({"--data-dir", "/flag"})->text("data-dir"), "/flag");
  EXPECT_EQ(read({"-d=/letter"})->text("data-dir"), "/letter");
}

TEST_F(FlagSources, a_comma_is_part_of_a_components_argument) {
  file("config.yaml", "kubelet-arg: [\"eviction-hard=memory.available<1Mi,nodefs.available<5%\"]\nkube-apiserver-arg: \"a=1,b\"\n");
  EXPECT_EQ(read({})->list("kubelet-arg"), std::vector<std::string>{"eviction-hard=memory.available<1Mi,nodefs.available<5%"});
  EXPECT_EQ(read({})->list("kube-apiserver-arg"), std::vector<std::string>{"a=1,b"});
  EXPECT_EQ(read({"--kubelet-arg=system-reserved=cpu=1,memory=2", "--kubelet-arg", "x=1"})->list("kubelet-arg"), (std::vector<std::string>{"system-reserved=cpu=1,memory=2", "x=1"}));
  EXPECT_EQ(read({"--tls-san", "z,q"})->list("tls-san"), (std::vector<std::string>{"z", "q"}));
}

TEST(AgentFlags, of_the_node_are_the_servers) {
  auto of = [](std::span<const FlagSpec> all, std::string_view name) {
    for (const FlagSpec& s : all)
      if (s.name == name) return s;
    return FlagSpec{};
  };
  for (const char* name : {"config", "debug", "data-dir", "run-dir", "kubelet-root-dir", "pod-log-dir", "disable-kube-proxy", "node-name", "node-ip", "node-external-ip", "flannel-iface",
                           "node-label", "node-taint", "private-registry", "disable-default-registry-endpoint", "kubelet-arg", "kube-proxy-arg", "resolv-conf", "runtime", "cgroup-root",
                           "kubelet-port"}) {
    FlagSpec agents = of(agent_flags(), name), servers = of(server_flags(), name);
    EXPECT_EQ(agents.name, name);
    EXPECT_EQ(agents.fallback, servers.fallback) << name;
    EXPECT_EQ(agents.whole_values, servers.whole_values) << name;
  }
  EXPECT_TRUE(of(agent_flags(), "kubelet-arg").whole_values) << "a comma is part of it";
  EXPECT_EQ(of(agent_flags(), "runtime").fallback, "") << "the runc that bramble carries";
  EXPECT_EQ(of(agent_flags(), "token").help, "token to join with; not looked at once this machine has joined");
  for (const char* name : {"cluster-cidr", "backup-dir", "kube-apiserver-arg", "agent-token", "disable-agent"}) EXPECT_EQ(of(agent_flags(), name).name, "") << name;
}

TEST_F(FlagSources, a_plus_appends_and_a_plain_key_replaces) {
  file("config.yaml", "tls-san: [a]\nnode-label: x=1\n");
  file("config.yaml.d/1.yaml", "tls-san+: [b, c]\nnode-label: [y=2]\n");
  auto flags = read({});
  ASSERT_TRUE(flags.ok()) << flags.error().message();
  EXPECT_EQ(flags->list("tls-san"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(flags->list("node-label"), std::vector<std::string>{"y=2"});
  EXPECT_EQ(read({"--tls-san", "z", "--tls-san=q"})->list("tls-san"), (std::vector<std::string>{"z", "q"}));
}

TEST_F(FlagSources, config_moves_the_file_and_its_drop_ins) {
  file("other.yaml", "debug: true\n");
  EXPECT_TRUE(read({"--config", dir_ + "/other.yaml"})->on("debug"));
  environment_["BRAMBLE_CONFIG_FILE"] = dir_ + "/other.yaml";
  EXPECT_TRUE(read({})->on("debug"));
}

TEST_F(FlagSources, what_is_wrong_is_named) {
  struct Case {
    const char* name;
    std::vector<std::string> argv;
    const char* config;
    const char* says;
  } cases[] = {
      {"unknown flag", {"--nonsense"}, "", "unknown flag --nonsense; see --help"},
      {"no value", {"--data-dir"}, "", "flag --data-dir needs a value"},
      {"no number", {"--https-listen-port", "x"}, "", "takes a whole number"},
      {"no switch", {"--debug=maybe"}, "", "takes true or false"},
      {"stray argument", {"start"}, "", "unexpected argument \"start\""},
      {"missing file", {"--config", "/nowhere/x.yaml"}, "", "/nowhere/x.yaml"},
      {"broken YAML", {}, "data-dir: [a\n", "config.yaml: yaml: line"},
      {"list for one value", {}, "data-dir: [a, b]\n", "takes one value, not a list"},
      {"mapping for one value", {}, "data-dir: {a: b}\n", "takes a plain value"},
      {"not a mapping", {}, "- a\n", "must be a mapping"},
  };
  for (const Case& c : cases) {
    file("config.yaml", c.config);
    auto r = read(c.argv);
    ASSERT_FALSE(r.ok()) << c.name;
    EXPECT_NE(r.error().message().find(c.says), std::string::npos) << c.name << ": " << r.error().message();
  }
}

}  // namespace
}  // namespace bramble
