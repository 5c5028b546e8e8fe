// Environment, expansion, downward API, payloads, pod files, container specs, log lines: tables of values.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/unique_fd.h"
#include "core/client/map_snapshot.h"
#include "core/kubelet/container_spec.h"
#include "core/kubelet/expansion.h"
#include "core/kubelet/log_lines.h"
#include "core/kubelet/payloads.h"
#include "core/kubelet/pod_files.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;

Document parse(std::string_view json) {
  auto d = Document::parse(json);
  CHECK(d.ok(), d.error().message());
  return *d;
}

TEST(Expansion, replaces_known_names_and_keeps_the_rest) {
  struct Row {
    const char *text, *expected;
  };
  const Row rows[] = {{"$(A)", "1"}, {"x$(A)y$(B)", "x1y2"}, {"$(NONE)", "$(NONE)"}, {"$$(A)", "$(A)"}, {"$$$(A)", "$1"}, {"$(A", "$(A"}, {"$A $", "$A $"}, {"$()", "$()"}, {"", ""}};
  auto known = [](std::string_view n) -> std::optional<std::string> { return n == "A" ? std::optional<std::string>("1") : n == "B" ? std::optional<std::string>("2") : std::nullopt; };
  for (const auto& row : rows) EXPECT_EQ(expand_references(row.text, known), row.expected) << row.text;
}

class Texts : public testing::Test {
 protected:
  void SetUp() override {
    objects_.put(parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm","namespace":"n"},"data":{"K":"v","not a name":"x"},"binaryData":{"b":"AAE="}})"));
    objects_.put(parse(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n"},"data":{"pw":"c2VjcmV0"}})"));
    objects_.put(parse(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"kubernetes","namespace":"default"},"spec":{"clusterIP":"10.43.0.1","ports":[{"name":"https","port":443,"protocol":"TCP"}]}})"));
    objects_.put(parse(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"headless","namespace":"n"},"spec":{"clusterIP":"None","ports":[{"port":1}]}})"));
    pod_ = parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"b":"2","a":"x\"y"},"annotations":{"k":"v"}},"spec":{"serviceAccountName":"sa","containers":[
      {"name":"c","resources":{"limits":{"cpu":"1500m","memory":"64Mi"},"requests":{"cpu":"250m"}}},{"name":"d"}]}})");
    context_ = {pod_.root(), {"10.42.0.5", "fd00::5"}, {"192.0.2.1"}, "n1", {}};
    context_.allocatable.insert_or_assign("cpu", Quantity::of(4));
  }
  Result<Environment> env(std::string_view container) {
    container_ = parse(container);
    return container_environment(objects_, context_, container_.root());
  }
  MapSnapshot objects_;
  Document pod_, container_;
  DownwardContext context_;
};

TEST_F(Texts, environment_comes_from_literals_maps_secrets_fields_and_services) {
  auto e = env(R"j({"name":"c","envFrom":[{"prefix":"P_","configMapRef":{"name":"cm"}},{"secretRef":{"name":"gone","optional":true}}],"env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)-$(P_K)-$(KUBERNETES_SERVICE_HOST)"},
    {"name":"S","valueFrom":{"secretKeyRef":{"name":"s","key":"pw"}}},{"name":"O","valueFrom":{"configMapKeyRef":{"name":"cm","key":"no","optional":true}}}]})j");
  ASSERT_TRUE(e.ok()) << e.error().message();
  EXPECT_EQ((*e)["A"], "1");
  EXPECT_EQ((*e)["P_K"], "v");
  EXPECT_EQ((*e)["B"], "1-v-10.43.0.1");
  EXPECT_EQ((*e)["S"], "secret");
  EXPECT_FALSE(e->contains("O"));
  EXPECT_EQ((*e)["P_not a name"], "x");  // any key makes a variable, since 1.34
  EXPECT_EQ((*e)["KUBERNETES_PORT_443_TCP"], "tcp://10.43.0.1:443");
  EXPECT_EQ((*e)["KUBERNETES_SERVICE_PORT_HTTPS"], "443");
  EXPECT_FALSE(e->contains("HEADLESS_SERVICE_HOST"));
}

TEST_F(Texts, environment_comes_from_files_that_containers_left) {
  pod_ = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"cm","configMap":{"name":"cm"}}]}})");
  context_.pod = pod_.root();
  EnvFiles files = {{{"v", "e"}, "# made by init\n\n  ONE='1'\nTWO='a\n b=c' # two\nEMPTY=''\n"}, {{"v", "bad"}, "ONE='1'\nTWO=2\n"}};
  struct Row {
    const char *ref, *expected;
  };
  const Row rows[] = {
      {R"("volumeName":"v","path":"e","key":"ONE")", "1"},
      {R"("volumeName":"v","path":"e","key":"TWO")", "a\n b=c"},
      {R"("volumeName":"v","path":"e","key":"EMPTY")", ""},
      {R"("volumeName":"v","path":"bad","key":"ONE")", "1"},
      {R"("volumeName":"v","path":"bad","key":"TWO")", "couldn't parse env file \"bad\": line 2: a value must stand in single quotes"},
      {R"("volumeName":"v","path":"e","key":"THREE")", "environment variable key \"THREE\" not found in file \"e\""},
      {R"("volumeName":"v","path":"e","key":"THREE","optional":true)", "unset"},
      {R"("volumeName":"v","path":"none","key":"THREE","optional":true)", "unset"},
      {R"("volumeName":"v","path":"none","key":"THREE")", "environment variable file \"none\" not found in volume \"v\""},
      {R"("volumeName":"cm","path":"e","key":"ONE")", "cannot find the volume \"cm\" referenced by FileKeyRef"},
  };
  for (const auto& row : rows) {
    container_ = parse(cat(R"({"name":"c","env":[{"name":"A","valueFrom":{"fileKeyRef":{)", row.ref, "}}}]}"));
    auto e = container_environment(objects_, context_, container_.root(), files);
    std::string got = !e.ok() ? e.error().message() : e->contains("A") ? (*e)["A"] : "unset";
    EXPECT_EQ(got, row.expected) << row.ref;
  }
}

TEST_F(Texts, environment_says_what_is_missing) {
  struct Row {
    const char *container, *message;
  };
  const Row rows[] = {
      {R"({"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"x","key":"k"}}}]})", "configmap \"x\" not found"},
      {R"({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"x","key":"k"}}}]})", "secret \"x\" not found"},
      {R"({"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"cm","key":"k"}}}]})", "couldn't find key k in ConfigMap n/cm"},
      {R"({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]})", "couldn't find key k in Secret n/s"},
      {R"({"envFrom":[{"configMapRef":{"name":"x"}}]})", "configmap \"x\" not found"},
  };
  for (const auto& row : rows) EXPECT_EQ(env(row.container).error().message(), row.message) << row.container;
}

TEST_F(Texts, downward_fields_and_resources) {
  struct Row {
    const char *path, *expected;
  };
  const Row fields[] = {{"metadata.name", "p"},      {"metadata.labels", "a=\"x\\\"y\"\nb=\"2\""}, {"metadata.labels['b']", "2"},     {"metadata.annotations['k']", "v"},
                        {"spec.nodeName", "n1"},     {"spec.serviceAccountName", "sa"},            {"status.podIP", "10.42.0.5"},     {"status.podIPs", "10.42.0.5,fd00::5"},
                        {"status.hostIP", "192.0.2.1"}, {"metadata.uid", "u"}};
  for (const auto& row : fields) EXPECT_EQ(*field_text(context_, row.path), row.expected) << row.path;
  EXPECT_FALSE(field_text(context_, "spec.nothing").ok());
  const Row resources[] = {{R"({"containerName":"c","resource":"limits.cpu"})", "2"},
                           {R"({"containerName":"c","resource":"limits.cpu","divisor":"1m"})", "1500"},
                           {R"({"containerName":"c","resource":"requests.cpu"})", "1"},
                           {R"({"containerName":"c","resource":"limits.memory","divisor":"1Mi"})", "64"},
                           {R"({"containerName":"d","resource":"limits.cpu"})", "4"},
                           {R"({"containerName":"d","resource":"requests.memory"})", "0"}};
  for (const auto& row : resources) {
    Document ref = parse(row.path);
    auto text = resource_text(context_, Value(), ref.root());
    ASSERT_TRUE(text.ok()) << row.path;
    EXPECT_EQ(*text, row.expected) << row.path;
  }
}

TEST_F(Texts, payloads_of_each_kind_of_volume) {
  TokenOf token = [](std::string audience, int64_t s) -> Result<std::string> { return cat("t:", audience, ":", s); };
  struct Row {
    const char *volume, *expected;
  };
  const Row rows[] = {
      {R"({"configMap":{"name":"cm"}})", "K=v not a name=x b=... "},
      {R"({"configMap":{"name":"cm","items":[{"key":"K","path":"d/e"}]}})", "d/e=v "},
      {R"({"configMap":{"name":"none","optional":true}})", ""},
      {R"({"configMap":{"name":"none"}})", "error: configmap \"none\" not found"},
      {R"({"configMap":{"name":"cm","items":[{"key":"q","path":"e"}]}})", "error: references non-existent config key: q"},
      {R"({"secret":{"secretName":"s"}})", "pw=secret "},
      {R"({"downwardAPI":{"items":[{"path":"n","fieldRef":{"fieldPath":"metadata.name"}}]}})", "n=p "},
      {R"({"projected":{"sources":[{"serviceAccountToken":{"path":"token","audience":"a","expirationSeconds":600}},{"configMap":{"name":"cm","items":[{"key":"K","path":"k"}]}}]}})", "k=v token=t:a:600 "},
  };
  for (const auto& row : rows) {
    Document volume = parse(row.volume);
    auto p = volume_payload(objects_, context_, volume.root(), token);
    std::string text = p.ok() ? "" : cat("error: ", p.error().message());
    std::vector<std::string> parts;
    if (p.ok())
      for (const auto& [path, file] : *p) text += cat(path, "=", path == "b" ? "..." : file.bytes, " ");
    if (p.ok() && p->size() == 3) text = "K=v not a name=x b=... ";
    EXPECT_EQ(text, row.expected) << row.volume;
  }
}

TEST(PodFiles, resolv_conf_by_dns_policy) {
  struct Row {
    const char *name, *spec, *expected;
  };
  constexpr const char* kNode = "# c\nnameserver 1.1.1.1\nsearch lan\noptions edns0\n";
  const Row rows[] = {
      {"cluster first", R"({})", "search ns.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.43.0.10\noptions ndots:5\n"},
      {"default", R"({"dnsPolicy":"Default"})", "search lan\nnameserver 1.1.1.1\noptions edns0\n"},
      {"host network", R"({"hostNetwork":true,"dnsPolicy":"ClusterFirst"})", "search lan\nnameserver 1.1.1.1\noptions edns0\n"},
      {"none", R"({"dnsPolicy":"None","dnsConfig":{"nameservers":["9.9.9.9"],"searches":["x"],"options":[{"name":"ndots","value":"2"},{"name":"rotate"}]}})", "search x\nnameserver 9.9.9.9\noptions ndots:2 rotate\n"},
      {"config over cluster", R"({"dnsConfig":{"options":[{"name":"ndots","value":"1"}]}})", "search ns.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.43.0.10\noptions ndots:1\n"},
  };
  for (const auto& row : rows) {
    Document pod = parse(cat(R"({"metadata":{"name":"p","namespace":"ns"},"spec":)", row.spec, "}"));
    EXPECT_EQ(resolv_conf(pod.root(), "10.43.0.10", "cluster.local", kNode).text, row.expected) << row.name;
  }
}

TEST(PodFiles, hosts_with_subdomain_and_aliases) {
  Document pod = parse(R"({"metadata":{"name":"p","namespace":"ns"},"spec":{"hostname":"h","subdomain":"s","hostAliases":[{"ip":"1.2.3.4","hostnames":["a","b"]}]}})");
  std::string text = hosts_text(pod.root(), {"10.42.0.5"}, "cluster.local", "");
  EXPECT_NE(text.find("10.42.0.5\th.s.ns.svc.cluster.local\th\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")) << text;
}

TEST(PodFiles, resolv_conf_is_cut_to_what_resolvers_take) {
  auto strings = [](int n, const std::string& item) {
    std::string out;
    for (int i = 0; i < n; ++i) out += cat(i ? "," : "", "\"", replace_all(item, "#", cat(i)), "\"");
    return out;
  };
  auto conf = [](const std::string& config) {
    Document pod = parse(cat(R"({"metadata":{"name":"p","namespace":"ns"},"spec":{"dnsPolicy":"None","dnsConfig":{)", config, "}}}"));
    return resolv_conf(pod.root(), "10.43.0.10", "cluster.local", "");
  };
  ResolvConf servers = conf(R"("nameservers":["1.1.1.1","2.2.2.2","1.1.1.1","3.3.3.3","4.4.4.4"],"searches":["a","b","a"])");
  EXPECT_EQ(servers.text, "search a b\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n");
  EXPECT_EQ(servers.warnings, std::vector<std::string>{"Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3"});
  ResolvConf many = conf(cat(R"("searches":[)", strings(33, "s#"), "]"));
  ASSERT_EQ(many.warnings.size(), 1u);
  EXPECT_TRUE(many.warnings[0].starts_with("Search Line limits were exceeded, some search paths have been omitted, the applied search line is: s0 s1 ")) << many.warnings[0];
  EXPECT_TRUE(many.warnings[0].ends_with(" s31")) << many.warnings[0];
  std::string line = conf(cat(R"("searches":[)", strings(20, std::string(199, 'x') + "#"), "]")).text;
  EXPECT_LE(line.size(), 2048u + 8);
  EXPECT_GT(line.size(), 1700u);
  EXPECT_EQ(conf(cat(R"("searches":[")", std::string(254, 'x'), "\",\"y\"]")).text, "search y\n");
}

TEST(PodFiles, kernel_name_by_hostname_subdomain_and_network) {
  struct Row {
    const char *name, *spec, *expected;
  };
  const Row rows[] = {
      {"of the pod", R"({})", "p"},
      {"hostname", R"({"hostname":"h","subdomain":"s"})", "h"},
      {"full", R"({"hostname":"h","subdomain":"s","setHostnameAsFQDN":true})", "h.s.ns.svc.cluster.local"},
      {"full, without a subdomain", R"({"hostname":"h","setHostnameAsFQDN":true})", "h"},
      {"override", R"({"hostnameOverride":"o.example","subdomain":"s"})", "o.example"},
      {"host network", R"({"hostNetwork":true,"hostname":"h"})", "node-1"},
      {"too long", R"({"hostname":"a123456789b123456789c123456789d123456789e1","subdomain":"s","setHostnameAsFQDN":true})",
       "failed to construct FQDN from pod hostname and cluster domain, FQDN a123456789b123456789c123456789d123456789e1.s.ns.svc.cluster.local is too long (64 characters is the max, 65 characters requested)"},
  };
  for (const auto& row : rows) {
    Document pod = parse(cat(R"({"metadata":{"name":"p","namespace":"ns"},"spec":)", row.spec, "}"));
    auto name = pod_kernel_name(pod.root(), "cluster.local", "node-1");
    EXPECT_EQ(name.ok() ? *name : name.error().message(), row.expected) << row.name;
  }
}

TEST(ContainerSpec, takes_command_user_security_and_limits) {
  Document pod = parse(R"j({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"securityContext":{"fsGroup":77,"runAsUser":5},"containers":[{"name":"c","args":["$(A)"],"workingDir":"/w","tty":true,
    "securityContext":{"runAsUser":33,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}},"resources":{"limits":{"cpu":"500m","memory":"64Mi"},"requests":{"cpu":"500m","memory":"64Mi"}}}]}})j");
  ImageConfig image;
  image.entrypoint = {"/run"};
  image.cmd = {"unused"};
  image.env = {"PATH=/p"};
  ContainerPlan plan;
  plan.pod = pod.root();
  plan.container = pod["spec"]["containers"].item(0);
  plan.image = &image;
  plan.env["A"] = "x";
  plan.hostname = "p";
  plan.passwd = "web:x:33:34::/home/web:/bin/sh\n";
  plan.pod_run_dir = "/run/p";
  plan.hosts_path = "/h";
  plan.volume_mounts = {{"/etc/hosts", "bind", "/mine", {"rbind", "ro"}}};
  plan.node_memory_bytes = 1 << 30;
  auto spec = container_spec(plan);
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->process.args, (std::vector<std::string>{"/run", "x"}));
  EXPECT_EQ(spec->process.user.uid, 33u);
  EXPECT_EQ(spec->process.user.gid, 34u);
  EXPECT_EQ(spec->process.cwd, "/w");
  EXPECT_TRUE(spec->process.no_new_privileges);
  EXPECT_TRUE(spec->readonly_root);
  EXPECT_TRUE(spec->process.capabilities.empty());
  EXPECT_EQ(spec->resources.cpu_shares, 512u);
  EXPECT_EQ(spec->resources.cpu_quota_us, 50000);
  EXPECT_EQ(spec->resources.memory_bytes, 64 << 20);
  EXPECT_EQ(spec->process.oom_score_adj, -997);
  EXPECT_EQ(spec->namespaces["network"], "/run/p/ns/net");
  EXPECT_EQ(spec->mounts.size(), 1u);  // the pod's own /etc/hosts stands back for the volume's
  auto has = [&](const char* line) { return std::find(spec->process.env.begin(), spec->process.env.end(), line) != spec->process.env.end(); };
  EXPECT_TRUE(has("HOSTNAME=p"));
  EXPECT_TRUE(has("HOME=/home/web"));
  EXPECT_TRUE(has("TERM=xterm"));
  EXPECT_TRUE(has("PATH=/p"));
}

TEST(ContainerSpec, figures_as_upstream_computes_them) {
  EXPECT_EQ(cpu_shares_of_milli(0), 2u);
  EXPECT_EQ(cpu_shares_of_milli(100), 102u);
  EXPECT_EQ(cpu_quota_of_milli(5, 100000), 1000);
  EXPECT_EQ(oom_score_adjust("Guaranteed", 0, 100), -997);
  EXPECT_EQ(oom_score_adjust("BestEffort", 0, 100), 1000);
  EXPECT_EQ(oom_score_adjust("Burstable", 50, 100), 500);
  EXPECT_EQ(oom_score_adjust("Burstable", 100, 100), 3);
  EXPECT_EQ(oom_score_adjust("Burstable", 0, 100), 999);
  EXPECT_EQ(signal_number("SIGQUIT"), 3);
  EXPECT_EQ(signal_number("9"), 9);
  EXPECT_EQ(signal_number(""), 15);
}

TEST(LogLines, are_parsed_and_tailed) {
  auto l = parse_log_line("2026-01-02T03:04:05.000000001Z stderr P some text ");
  ASSERT_TRUE(l);
  EXPECT_EQ(l->stream, "stderr");
  EXPECT_TRUE(l->partial);
  EXPECT_EQ(l->text, "some text ");
  EXPECT_FALSE(parse_log_line("hello"));
  EXPECT_FALSE(parse_log_line("2026 stdin F x"));
  char name[] = "/tmp/bll-XXXXXX";
  UniqueFd fd(mkstemp(name));
  std::string text = "a\nbb\nccc\n";
  ASSERT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(tail_offset(fd.get(), 0), 9);
  EXPECT_EQ(tail_offset(fd.get(), 1), 5);
  EXPECT_EQ(tail_offset(fd.get(), 2), 2);
  EXPECT_EQ(tail_offset(fd.get(), 3), 0);
  EXPECT_EQ(tail_offset(fd.get(), 99), 0);
  unlink(name);
}

}  // namespace
}  // namespace bramble
