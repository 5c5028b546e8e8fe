// Somebody else's configurations and plugins. The plugins here are shell scripts that write down how they were called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "cni/netlink/netns.h"
#include "cni/plugin/network_list.h"
#include "cni/plugin/plugin_network.h"
#include "core/base/files.h"

namespace bramble {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(NetworkList, says_what_is_wrong_in_libcnis_words) {
  struct Case {
    const char *name, *text;
    bool single;
    const char* error;  // "": none
  } cases[] = {
      {"a list", R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a"},{"type":"b"}]})", false, ""},
      {"one plugin", R"({"cniVersion":"0.3.1","name":"n","type":"a"})", true, ""},
      {"without version", R"({"name":"n","type":"a"})", true, ""},
      {"no JSON", "{", false, "error parsing configuration list: "},
      {"no object", "[]", false, "error parsing configuration list: it is no object"},
      {"no name", R"({"plugins":[{"type":"a"}]})", false, "error parsing configuration list: no name"},
      {"a name with a slash", R"({"name":"../n","plugins":[{"type":"a"}]})", false, "error parsing configuration list: invalid characters found in network name"},
      {"no plugins key", R"({"name":"n"})", false, "error parsing configuration list: no 'plugins' key"},
      {"no plugins", R"({"name":"n","plugins":[]})", false, "error parsing configuration list: no plugins in list"},
      {"a plugin without type", R"({"name":"n","plugins":[{}]})", false, "error parsing configuration: missing 'type'"},
      {"single without type", R"({"name":"n"})", true, "error parsing configuration: missing 'type'"},
      {"a type that leads elsewhere", R"({"name":"n","type":"../../bin/sh"})", true, "error parsing configuration: invalid plugin type \"../../bin/sh\""},
      {"a version of the future", R"({"cniVersion":"9.0.0","name":"n","type":"a"})", true, "error parsing configuration: unsupported CNI result version \"9.0.0\""},
  };
  for (const Case& c : cases) {
    auto list = parse_network_list(c.text, c.single);
    EXPECT_EQ(list.ok(), !*c.error) << c.name;
    if (!list.ok()) {
      EXPECT_THAT(list.error().message(), testing::StartsWith(c.error)) << c.name;
    }
  }
  auto offered = parse_network_list(R"({"cniVersion":"0.4.0","cniVersions":["0.4.0","1.1.0","7.0.0"],"name":"n","plugins":[{"type":"a"}]})", false);
  ASSERT_TRUE(offered.ok());
  EXPECT_EQ(offered->version, "1.1.0");
}

TEST(PluginResult, gives_the_containers_addresses_ipv4_first) {
  struct Case {
    const char *name, *text;
    std::vector<std::string> expected;
  } cases[] = {
      {"of the container's interface",
       R"({"interfaces":[{"name":"cni0"},{"name":"veth1"},{"name":"eth0","sandbox":"/ns"}],"ips":[{"interface":0,"address":"10.0.0.1/24"},{"interface":2,"address":"10.0.0.2/24"}]})",
       {"10.0.0.2"}},
      {"of none in particular", R"({"ips":[{"address":"fd00::2/64"},{"address":"10.0.0.2/24"}]})", {"10.0.0.2", "fd00::2"}},
      {"of version 0.2", R"({"ip4":{"ip":"10.0.0.3/24"},"ip6":{"ip":"fd00::3/64"}})", {"10.0.0.3", "fd00::3"}},
      {"of an interface that is not in the list", R"({"ips":[{"interface":7,"address":"10.0.0.4/24"}]})", {"10.0.0.4"}},
      {"none", R"({})", {}},
  };
  for (const Case& c : cases) {
    auto d = Document::parse(c.text);
    ASSERT_TRUE(d.ok()) << c.name;
    auto got = addresses_of_result(*d, "eth0");
    ASSERT_TRUE(got.ok()) << c.name;
    EXPECT_EQ(*got, c.expected) << c.name;
  }
  EXPECT_FALSE(addresses_of_result(*Document::parse(R"({"ips":[{"address":"nowhere"}]})"), "eth0").ok());
}

class Plugins : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    char folder[] = "/tmp/bramble-plugins-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
    for (const char* sub : {"/conf", "/bin"}) ASSERT_TRUE(make_folders(dir_ + sub).ok());
    ASSERT_TRUE(make_netns(dir_ + "/pod").ok());
  }
  void TearDown() override {
    EXPECT_TRUE(remove_netns(dir_ + "/pod").ok());
    std::filesystem::remove_all(dir_);
  }
  // A plugin that writes "NAME COMMAND" and its configuration down, and does this.
  void plugin(const std::string& name, const std::string& body) {
    std::string path = cat(dir_, "/bin/", name);
    std::string text = cat("#!/bin/sh\nconf=$(cat)\necho \"", name, " $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME ${CNI_NETNS:+netns}\" >> ", dir_, "/calls\n",
                           "echo \"$CNI_ARGS $conf\" >> ", dir_, "/details\n", body, "\n");
    ASSERT_TRUE(replace_file(path, text, 0755).ok());
  }
  void conf(const std::string& name, const std::string& text) { ASSERT_TRUE(replace_file(cat(dir_, "/conf/", name), text, 0644).ok()); }
  Result<std::unique_ptr<PodNetwork>> open() { return open_plugin_network({dir_ + "/conf", {dir_ + "/nowhere", dir_ + "/bin"}, dir_ + "/state"}); }
  PodNetworkRequest pod(std::vector<PortMapping> ports = {}) { return {"uid-a", dir_ + "/pod", "default", "a", "uid-a", std::move(ports)}; }
  std::string calls() {
    std::string out = read_file_start(dir_ + "/calls");
    std::filesystem::remove(dir_ + "/calls");
    return out;
  }
  std::string dir_;
};

constexpr const char* kTwo = R"({"cniVersion":"1.0.0","name":"net","plugins":[{"type":"first","key":"value"},{"type":"second","capabilities":{"portMappings":true}}]})";
// As a plugin does: an interface in the pod's namespace, and a result.
constexpr const char* kFirst = R"([ "$CNI_COMMAND" = ADD ] || exit 0
nsenter --net="$CNI_NETNS" ip link add "$CNI_IFNAME" type bridge
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}')";
constexpr const char* kSecond = R"([ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}')";

TEST_F(Plugins, the_first_configuration_by_name_is_taken_and_its_plugins_run_in_order) {
  conf("20-later.conf", R"({"cniVersion":"1.0.0","name":"x","type":"missing"})");
  conf("10-net.conflist", kTwo);
  conf("05-readme.txt", "not a configuration");
  plugin("first", kFirst);
  plugin("second", kSecond);
  auto network = open();
  ASSERT_TRUE(network.ok()) << network.error().message();
  auto added = (*network)->add(pod({{"tcp", 8080, 80, ""}}));
  ASSERT_TRUE(added.ok()) << added.error().message();
  EXPECT_THAT(added->addresses, ElementsAre("10.9.0.2"));
  EXPECT_EQ(calls(), "first ADD uid-a eth0 netns\nsecond ADD uid-a eth0 netns\n");
  std::string details = read_file_start(dir_ + "/details");
  EXPECT_THAT(details, HasSubstr("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=a;K8S_POD_INFRA_CONTAINER_ID=uid-a;K8S_POD_UID=uid-a"));
  EXPECT_THAT(details, HasSubstr(R"("key":"value","name":"net","cniVersion":"1.0.0"})"));
  EXPECT_THAT(details, HasSubstr(R"("prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]})"));
  EXPECT_THAT(details, HasSubstr(R"("runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})"));
  // A repetition finds it there.
  EXPECT_TRUE((*network)->add(pod()).ok());
  EXPECT_EQ(calls(), "");
  EXPECT_TRUE((*network)->del(pod()).ok());
  EXPECT_EQ(calls(), "second DEL uid-a eth0 netns\nfirst DEL uid-a eth0 netns\n");
  EXPECT_TRUE((*network)->del(pod()).ok());
  EXPECT_EQ(calls(), "") << "nothing is attached any more";
}

TEST_F(Plugins, del_runs_after_a_crash_with_the_configuration_of_then) {
  conf("10-net.conflist", kTwo);
  plugin("first", kFirst);
  plugin("second", kSecond);
  ASSERT_TRUE((*open())->add(pod()).ok());
  calls();
  conf("10-net.conflist", R"({"cniVersion":"1.0.0","name":"other","plugins":[{"type":"third"}]})");
  ASSERT_TRUE(remove_netns(dir_ + "/pod").ok());
  auto later = open();  // another process
  ASSERT_TRUE(later.ok());
  EXPECT_TRUE((*later)->collect({"uid-b"}).ok());
  EXPECT_EQ(calls(), "second DEL uid-a eth0 \nfirst DEL uid-a eth0 \n");
  EXPECT_THAT(read_file_start(dir_ + "/details"), HasSubstr(R"("prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]})"));
  EXPECT_TRUE((*later)->collect({}).ok());
  EXPECT_EQ(calls(), "");
}

TEST_F(Plugins, a_failed_add_is_told_in_the_plugins_words_and_undone) {
  conf("10-net.conflist", kTwo);
  plugin("first", kFirst);
  struct Case {
    const char *name, *body, *error;
  } cases[] = {
      {"an error object", "[ $CNI_COMMAND = ADD ] || exit 0; echo '{\"code\":11,\"msg\":\"try again\",\"details\":\"no room\"}'; exit 1",
       "plugin type=\"second\" failed (add): try again; no room"},
      {"words", "[ $CNI_COMMAND = ADD ] || exit 0; echo oops >&2; exit 3", "plugin type=\"second\" failed (add): netplugin failed: \"oops\""},
      {"nothing", "[ $CNI_COMMAND = ADD ] || exit 0; exit 3", "plugin type=\"second\" failed (add): netplugin failed with no error message: exit status 3"},
      {"a signal", "[ $CNI_COMMAND = ADD ] || exit 0; kill -9 $$", "plugin type=\"second\" failed (add): netplugin failed with no error message: signal: Killed"},
      {"no JSON", "[ $CNI_COMMAND = ADD ] || exit 0; echo hello", "plugin type=\"second\" failed (add): its result is no JSON"},
      {"no address", "[ $CNI_COMMAND = ADD ] || exit 0; echo '{}'", "CNI result: it has no address"},
  };
  for (const Case& c : cases) {
    plugin("second", c.body);
    plugin("first", "[ $CNI_COMMAND = ADD ] || exit 0; echo '{\"ips\":[{\"address\":\"10.9.0.2/24\"}]}'");
    auto network = open();
    auto added = (*network)->add(pod());
    ASSERT_FALSE(added.ok()) << c.name;
    EXPECT_THAT(added.error().message(), testing::StartsWith(c.error)) << c.name;
    EXPECT_EQ(calls(), "first ADD uid-a eth0 netns\nsecond ADD uid-a eth0 netns\nsecond DEL uid-a eth0 netns\nfirst DEL uid-a eth0 netns\n") << c.name;
  }
  std::filesystem::remove(dir_ + "/bin/second");
  auto added = (*open())->add(pod());
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().message(), cat("failed to find plugin \"second\" in path [", dir_, "/nowhere ", dir_, "/bin]"));
}

TEST_F(Plugins, a_del_that_fails_is_tried_again) {
  conf("10-net.conf", R"({"cniVersion":"1.0.0","name":"net","type":"first"})");
  plugin("first", kFirst);
  auto network = open();
  ASSERT_TRUE((*network)->add(pod()).ok());
  plugin("first", "echo '{\"code\":100,\"msg\":\"busy\"}'; exit 1");
  Status failed = (*network)->del(pod());
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "plugin type=\"first\" failed (del): busy");
  plugin("first", "exit 0");
  calls();
  EXPECT_TRUE((*network)->del(pod()).ok());
  EXPECT_EQ(calls(), "first DEL uid-a eth0 netns\n");
}

TEST_F(Plugins, without_a_configuration_the_network_is_not_initialized) {
  auto none = open();
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), testing::StartsWith("Network plugin returns error: cni plugin not initialized"));
  conf("10-net.conf", "{");
  EXPECT_THAT(open().error().message(), HasSubstr("10-net.conf: error parsing configuration: "));
}

TEST_F(Plugins, pods_of_plugins_get_their_del_when_another_network_has_taken_over) {
  struct Other final : PodNetwork {
    Result<PodNetworkResult> add(const PodNetworkRequest&) override { return PodNetworkResult{{"10.42.0.2"}}; }
    Status del(const PodNetworkRequest&) override { return ok(); }
    Status collect(const std::vector<std::string>&) override { return ok(); }
    Status down() override { return ok(); }
  };
  conf("10-net.conflist", kTwo);
  plugin("first", kFirst);
  plugin("second", kSecond);
  ASSERT_TRUE((*open())->add(pod()).ok());
  calls();
  PluginNetworkOptions options{dir_ + "/conf", {dir_ + "/bin"}, dir_ + "/state"};
  auto network = with_attachments(std::make_unique<Other>(), options);
  auto known = network->add(pod());
  ASSERT_TRUE(known.ok());
  EXPECT_THAT(known->addresses, ElementsAre("10.9.0.2")) << "it runs and has its address";
  EXPECT_TRUE(network->collect({}).ok());
  EXPECT_EQ(calls(), "second DEL uid-a eth0 netns\nfirst DEL uid-a eth0 netns\n");
  EXPECT_THAT(network->add(pod())->addresses, ElementsAre("10.42.0.2"));
}

TEST_F(Plugins, status_and_gc_of_1_1_are_asked) {
  conf("10-net.conflist", R"({"cniVersion":"1.1.0","name":"net","plugins":[{"type":"first"}]})");
  plugin("first", "[ $CNI_COMMAND = STATUS ] && { echo '{\"code\":50,\"msg\":\"daemon away\"}'; exit 1; }; exit 0");
  auto network = open();
  ASSERT_FALSE(network.ok());
  EXPECT_EQ(network.error().message(), "Network plugin returns error: plugin type=\"first\" failed (status): daemon away");
  plugin("first", "exit 0");
  network = open();
  ASSERT_TRUE(network.ok());
  calls();
  EXPECT_TRUE((*network)->collect({"uid-a"}).ok());
  EXPECT_EQ(calls(), "first GC   \n");
  EXPECT_THAT(read_file_start(dir_ + "/details"), HasSubstr(R"("cni.dev/valid-attachments":[{"containerID":"uid-a","ifname":"eth0"}])"));
}

}  // namespace
}  // namespace bramble
