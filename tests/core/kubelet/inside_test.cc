// Names, namespaces, volumes, variables and limits, as a container sees them. Needs root.
#include <limits.h>
#include <sys/mount.h>

#include "core/kubelet/claims.h"
#include "core/kubelet/log_lines.h"
#include "tests/core/kubelet/inside_fixture.h"

namespace bramble {
namespace {

struct Row {
  const char *name, *pod, *container, *script, *expected;
};

std::string own(const char* ns) {
  char to[64] = {};
  return readlink(cat("/proc/self/ns/", ns).c_str(), to, sizeof to - 1) > 0 ? to : "";
}

class Inside : public InsideTest {
 protected:
  // Each row's words, with @ for the test's own folder.
  Task<void> all_say(const Row* rows, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      const Row& row = rows[i];
      Task<std::string> saying = said(row.name, replace_all(row.pod, "@", base_), row.container, row.script);
      std::string words = co_await saying;
      EXPECT_EQ(words, replace_all(row.expected, "@", base_)) << row.name;
    }
  }
};
using Names = Inside;
using Mounts = Inside;
using Limits = Inside;

TEST_F(Names, hostname_and_namespaces_are_the_pods_or_the_hosts) {
  static char host[HOST_NAME_MAX + 1] = {};
  gethostname(host, HOST_NAME_MAX);
  static const std::string of_host = cat(host, "\n", host, "\n", host);
  constexpr const char* kNames = "hostname; cat /etc/hostname; echo $HOSTNAME";
  constexpr const char* kSpaces = "for n in net pid ipc uts; do readlink /proc/self/ns/$n; done";
  static const Row rows[] = {
      {"plain", "", "", kNames, "plain\nplain\nplain"},
      {"named", R"("hostname":"h","subdomain":"s")", "", kNames, "h\nh\nh"},
      {"full", R"("hostname":"h","subdomain":"s","setHostnameAsFQDN":true)", "", kNames, "h.s.default.svc.cluster.local\nh.s.default.svc.cluster.local\nh.s.default.svc.cluster.local"},
      {"over", R"("hostnameOverride":"o.example.org")", "", kNames, "o.example.org\no.example.org\no.example.org"},
      {"net-of-host", R"("hostNetwork":true,"hostname":"h")", "", kNames, of_host.c_str()},
      {"hosts-of-host", R"("hostNetwork":true)", "", "head -n1 /etc/hosts", "# Kubernetes-managed hosts file (host network)."},
      {"own-name", "", R"("env":[{"name":"HOSTNAME","value":"mine"}])", "echo $HOSTNAME", "mine"},
      {"home", "", "", "echo $HOME", "/root"},
  };
  start_kubelet();
  RUN({
    co_await all_say(rows, std::size(rows));
    Task<std::string> all = said("host", R"("hostNetwork":true,"hostPID":true,"hostIPC":true)", "", kSpaces);
    std::string words = co_await all;
    EXPECT_EQ(words, cat(own("net"), "\n", own("pid"), "\n", own("ipc"), "\n", own("uts")));
    Task<std::string> none = said("own", "", "", kSpaces);
    words = co_await none;
    for (const char* ns : {"net", "pid", "ipc", "uts"}) EXPECT_EQ(words.find(own(ns)), std::string::npos) << ns << ": " << words;
  });
}

TEST_F(Names, a_runtime_class_chooses_the_runtime) {
  const ResourceId kClasses{"node.k8s.io", "v1", "runtimeclasses"};
  std::ofstream(base_ + "/wrapped") << "#!/bin/sh\ntest \"$1\" = features || echo used >> " << base_ << "/used\nexec runc \"$@\"\n";
  chmod((base_ + "/wrapped").c_str(), 0755);
  runtime_ = base_ + "/wrapped";
  client_.put_json(kClasses, R"({"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","metadata":{"name":"plain"},"handler":"runc"})");
  client_.put_json(kClasses, R"({"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","metadata":{"name":"other"},"handler":"kata"})");
  start_kubelet();
  put_pod("none", R"("runtimeClassName":"none","containers":[{"name":"c","image":"busybox:1"}])");
  put_pod("other", R"("runtimeClassName":"other","containers":[{"name":"c","image":"busybox:1"}])");
  RUN({
    Task<std::string> plain = said("plain", R"("runtimeClassName":"plain")", "", "echo ran");
    std::string words = co_await plain;
    EXPECT_EQ(words, "ran");
    EXPECT_EQ(slurp(base_ + "/used"), "");
    Task<std::string> usual = said("usual", "", "", "echo ran");
    words = co_await usual;
    EXPECT_EQ(words, "ran");
    EXPECT_NE(slurp(base_ + "/used"), "");
    co_await until_event("none", "FailedCreatePodSandBox: Failed to create pod sandbox: failed to look up RuntimeClass: runtimeclasses.node.k8s.io \"none\" not found");
    co_await until_event("other", "FailedCreatePodSandBox: Failed to create pod sandbox: failed to get sandbox runtime: no runtime for \"kata\" is configured");
  });
}

TEST_F(Names, the_node_says_what_its_runtime_can) {
  start_kubelet();
  RUN({
    co_await until_node("True");
    for (int i = 0; i < 500 && !node()["status"].has("runtimeHandlers"); ++i) co_await sleep_ms(10);
    EXPECT_EQ(node()["status"]["runtimeHandlers"].dump(),
              R"([{"name":"","features":{"recursiveReadOnlyMounts":true,"userNamespaces":false}},{"name":"runc","features":{"recursiveReadOnlyMounts":true,"userNamespaces":false}}])");
    EXPECT_EQ(node()["status"]["features"].dump(), R"({"supplementalGroupsPolicy":true})");
  });
}

TEST_F(Names, a_user_namespace_is_refused_not_left_out) {
  start_kubelet();
  put_pod("users", R"("hostUsers":false,"containers":[{"name":"c","image":"busybox:1"}])");
  RUN({ co_await until_event("users", "FailedCreatePodSandBox: Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces"); });
}

TEST_F(Names, a_full_name_that_is_too_long_is_told) {
  start_kubelet();
  put_pod("long", R"("hostname":"a123456789b123456789c123456789d123456789","subdomain":"s","setHostnameAsFQDN":true,"containers":[{"name":"c","image":"busybox:1"}])");
  RUN({
    co_await until_event("long",
                         "FailedCreatePodSandBox: Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, FQDN "
                         "a123456789b123456789c123456789d123456789.s.default.svc.cluster.local is too long (64 characters is the max, 68 characters requested)");
  });
}

TEST_F(Names, resolvers_limits_are_told) {
  start_kubelet();
  put_pod("dns", R"("dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1","2.2.2.2","3.3.3.3","4.4.4.4"]},"containers":[{"name":"c","image":"busybox:1","command":["sleep","100"]}])");
  RUN({
    co_await until_event("dns", "DNSConfigForming: Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3");
  });
}

TEST_F(Mounts, volumes_are_what_the_pod_says) {
  client_.put_json(kConfigMaps, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm","namespace":"default"},"data":{"a":"1","b":"2"},"binaryData":{"bin":"AAE="}})");
  client_.put_json(kSecrets, R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"default"},"data":{"pw":"c2VjcmV0"}})");
  std::string host = base_ + "/host";
  fs::create_directories(host + "/sub");
  ASSERT_EQ(mount("x", (host + "/sub").c_str(), "tmpfs", 0, ""), 0);
  std::ofstream(host + "/file") << "of the host";
  static const Row rows[] = {
      {"disk", R"("volumes":[{"name":"v","emptyDir":{}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v"}])", "stat -c %a /v; touch /v/x && echo yes; grep -c ' /v .* tmpfs ' /proc/self/mountinfo", "777\nyes\n0"},
      {"memory", R"("volumes":[{"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v"}])",
       "df -k /v | sed -n 2p | tr -s ' ' | cut -d' ' -f2; dd if=/dev/zero of=/v/x bs=1M count=2 2>&1 | head -n1; stat -c %s /v/x", "1024\ndd: error writing '/v/x': No space left on device\n1048576"},
      {"memory-of-the-pod", R"("volumes":[{"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Gi"}}])",
       R"("volumeMounts":[{"name":"v","mountPath":"/v"}],"resources":{"limits":{"memory":"32Mi"}})", "df -k /v | sed -n 2p | tr -s ' ' | cut -d' ' -f2", "32768"},
      {"shm", R"("volumes":[{"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}])", R"("volumeMounts":[{"name":"v","mountPath":"/dev/shm"}])",
       "grep -c ' /dev/shm ' /proc/self/mountinfo; df -k /dev/shm | sed -n 2p | tr -s ' ' | cut -d' ' -f2", "1\n1024"},
      {"huge", R"("volumes":[{"name":"v","emptyDir":{"medium":"HugePages"}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v"}],"resources":{"limits":{"hugepages-2Mi":"0","memory":"32Mi"}})",
       "sed -n 's/.* \\/v .* - \\(hugetlbfs\\) .*\\(pagesize=[0-9A-Z]*\\).*/\\1 \\2/p' /proc/self/mountinfo; stat -c %a /v", "hugetlbfs pagesize=2M\n777"},
      {"read-only", R"("volumes":[{"name":"v","emptyDir":{}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v","readOnly":true}])", "touch /v/x", "touch: /v/x: Read-only file system"},
      {"in-order", R"("volumes":[{"name":"v","emptyDir":{}},{"name":"w","emptyDir":{}}])", R"("volumeMounts":[{"name":"v","mountPath":"/a/b"},{"name":"w","mountPath":"/a"}])",
       "touch /a/b/x; grep -c ' /a/b ' /proc/self/mountinfo", "1"},
      {"group", R"("securityContext":{"fsGroup":77,"runAsUser":5},"volumes":[{"name":"v","emptyDir":{}},{"name":"s","secret":{"secretName":"s"}}])",
       R"("volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"s","mountPath":"/s"}])", "stat -c '%a %g' /v; stat -Lc '%a %g' /s/pw; touch /v/x; stat -c %g /v/x; cat /s/pw", "2777 77\n644 77\n77\nsecret"},
      {"modes", R"("volumes":[{"name":"c","configMap":{"name":"cm","defaultMode":256,"items":[{"key":"a","path":"x/a","mode":292},{"key":"b","path":"b"}]}},{"name":"s","secret":{"secretName":"s","defaultMode":384}}])",
       R"("volumeMounts":[{"name":"c","mountPath":"/c"},{"name":"s","mountPath":"/s"}])", "stat -Lc %a /c/x/a /c/b /s/pw; grep -c ' /s ro.* tmpfs ' /proc/self/mountinfo", "444\n400\n600\n1"},
      {"optional", R"("volumes":[{"name":"c","configMap":{"name":"none","optional":true}},{"name":"i","configMap":{"name":"cm","optional":true,"items":[{"key":"q","path":"q"}]}}])",
       R"("volumeMounts":[{"name":"c","mountPath":"/c"},{"name":"i","mountPath":"/i"}])", "ls /c /i", "/c:\n\n/i:"},
      {"downward", R"("volumes":[{"name":"d","downwardAPI":{"items":[{"path":"n","fieldRef":{"fieldPath":"metadata.name"}},{"path":"m","resourceFieldRef":{"containerName":"c","resource":"limits.memory","divisor":"1Mi"}}]}}])",
       R"("volumeMounts":[{"name":"d","mountPath":"/d"}],"resources":{"limits":{"memory":"32Mi"}})", "cat /d/n; echo; cat /d/m", "downward\n32"},
      {"sub-path", R"("volumes":[{"name":"v","emptyDir":{}},{"name":"c","configMap":{"name":"cm"}}])",
       R"j("env":[{"name":"ME","value":"x"}],"volumeMounts":[{"name":"v","mountPath":"/v","subPathExpr":"logs/$(ME)"},{"name":"v","mountPath":"/all"},{"name":"c","mountPath":"/etc/b.conf","subPath":"b"}])j",
       "touch /v/y; ls /all/logs/x; cat /etc/b.conf", "y\n2"},
      {"token-of-a-user", R"("serviceAccountName":"default","securityContext":{"runAsUser":5},"volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token"}}]}}])",
       R"("volumeMounts":[{"name":"t","mountPath":"/t"}])", "stat -Lc '%a %u' /t/token; grep -c token /t/token", "600 5\n1"},
      {"token-of-a-group", R"("serviceAccountName":"default","securityContext":{"runAsUser":5,"fsGroup":77},"volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token"}}]}}])",
       R"("volumeMounts":[{"name":"t","mountPath":"/t"}])", "stat -Lc '%a %u %g' /t/token", "640 5 77"},
      {"host", R"("volumes":[{"name":"h","hostPath":{"path":"@/host","type":"Directory"}},{"name":"f","hostPath":{"path":"@/host/file","type":"File"}},{"name":"n","hostPath":{"path":"@/host/new"}}])",
       R"("volumeMounts":[{"name":"h","mountPath":"/h","readOnly":true},{"name":"f","mountPath":"/f"},{"name":"n","mountPath":"/n"}])",
       "cat /f; echo; touch /h/x; touch /h/sub/x && echo sub; stat -c %a /n", "of the host\ntouch: /h/x: Read-only file system\nsub\n755"},
      {"host-all-read-only", R"("volumes":[{"name":"h","hostPath":{"path":"@/host"}}])", R"("volumeMounts":[{"name":"h","mountPath":"/h","readOnly":true,"recursiveReadOnly":"Enabled"}])",
       "touch /h/x; touch /h/sub/x", "touch: /h/x: Read-only file system\ntouch: /h/sub/x: Read-only file system"},
      {"image", R"("volumes":[{"name":"i","image":{"reference":"busybox:2","pullPolicy":"IfNotPresent"}}])",
       R"("volumeMounts":[{"name":"i","mountPath":"/i"},{"name":"i","mountPath":"/etc-of-it","subPath":"etc"}])", "test -x /i/bin/busybox && echo there; touch /i/x; head -n1 /etc-of-it/passwd",
       "there\ntouch: /i/x: Read-only file system\nroot:x:0:0:root:/root:/bin/sh"},
      {"message-path", "", R"("terminationMessagePath":"/tmp/said")", "echo x > /tmp/said && grep -c ' /tmp/said ' /proc/self/mountinfo", "1"},
  };
  start_kubelet();
  RUN({
    co_await all_say(rows, std::size(rows));
    EXPECT_FALSE(fs::exists(base_ + "/host/x"));
  });
  umount2((host + "/sub").c_str(), MNT_DETACH);
}

TEST_F(Mounts, are_passed_on_as_the_container_says) {
  std::string shared = base_ + "/shared";
  fs::create_directories(shared);
  ASSERT_EQ(mount("x", shared.c_str(), "tmpfs", 0, ""), 0);
  ASSERT_EQ(mount(nullptr, shared.c_str(), nullptr, MS_SHARED, nullptr), 0);
  fs::create_directories(shared + "/in");
  fs::create_directories(shared + "/out");
  static const std::string volume = cat(R"("volumes":[{"name":"v","hostPath":{"path":")", shared, "\"}}]");
  static constexpr const char* kOptional = "sed -n 's/.* \\/v rw[^ ]* \\([^-]*\\)- .*/\\1/p' /proc/self/mountinfo | cut -d: -f1";
  static const Row rows[] = {
      {"none", volume.c_str(), R"("volumeMounts":[{"name":"v","mountPath":"/v"}])", kOptional, ""},
      {"from-host", volume.c_str(), R"("volumeMounts":[{"name":"v","mountPath":"/v","mountPropagation":"HostToContainer"}])", kOptional, "master"},
      {"both-ways", volume.c_str(), R"("securityContext":{"privileged":true},"volumeMounts":[{"name":"v","mountPath":"/v","mountPropagation":"Bidirectional"}])",
       "mount -t tmpfs of-container /v/out; touch /v/out/x; sed -n 's/.* \\/v rw[^ ]* \\([^-]*\\)- .*/\\1/p' /proc/self/mountinfo | cut -d: -f1", "shared"},
  };
  start_kubelet();
  RUN({
    co_await all_say(rows, std::size(rows));
    EXPECT_TRUE(fs::exists(base_ + "/shared/out/x"));
    const char* kWaits = "echo up; while ! test -e /v/in/late; do sleep 0.05; done; echo seen";
    Builder command;
    command.root().set("s", kWaits);
    put_pod("later", cat(volume, R"(,"restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["sh","-c",)", command.root()["s"].dump(),
                         R"(],"volumeMounts":[{"name":"v","mountPath":"/v","mountPropagation":"HostToContainer"}]}])"));
    co_await until_phase("later", "Running");
    EXPECT_EQ(mount("x", (base_ + "/shared/in").c_str(), "tmpfs", 0, ""), 0);
    std::ofstream(base_ + "/shared/in/late") << "x";
    co_await until_phase("later", "Succeeded");
    EXPECT_EQ(words_of("later"), "up\nseen");
  });
  for (const char* at : {"/shared/in", "/shared/out", "/shared"}) umount2((base_ + at).c_str(), MNT_DETACH);
}

TEST_F(Mounts, say_why_a_container_is_not_made) {
  std::string alone = base_ + "/alone";
  fs::create_directories(alone);
  ASSERT_EQ(mount("x", alone.c_str(), "tmpfs", 0, ""), 0);
  ASSERT_EQ(mount(nullptr, alone.c_str(), nullptr, MS_PRIVATE, nullptr), 0);
  struct Bad {
    const char *name, *pod, *container, *expected;
  };
  constexpr const char* kEmpty = R"("volumes":[{"name":"v","emptyDir":{}}])";
  static const Bad rows[] = {
      {"expr", kEmpty, R"j("volumeMounts":[{"name":"v","mountPath":"/v","subPathExpr":"$(NO)/$(NEITHER)"}])j", "CreateContainerConfigError: missing value for NEITHER, NO"},
      {"absolute", kEmpty, R"j("env":[{"name":"A","value":"/x"}],"volumeMounts":[{"name":"v","mountPath":"/v","subPathExpr":"$(A)"}])j", "CreateContainerConfigError: error SubPath `/x` must not be an absolute path"},
      {"up", kEmpty, R"j("env":[{"name":"A","value":".."}],"volumeMounts":[{"name":"v","mountPath":"/v","subPathExpr":"a/$(A)/b"}])j", "CreateContainerConfigError: unable to provision SubPath `a/../b`: must not contain '..'"},
      {"not-in-image", R"("volumes":[{"name":"i","image":{"reference":"busybox:2","pullPolicy":"IfNotPresent"}}])", R"("volumeMounts":[{"name":"i","mountPath":"/i","subPath":"no/such"}])",
       "CreateContainerConfigError: failed to prepare subPath for volumeMount \"i\" of container \"c\""},
      {"rro", kEmpty, R"("volumeMounts":[{"name":"v","mountPath":"/v","readOnly":true,"recursiveReadOnly":"Enabled","mountPropagation":"HostToContainer"}])",
       "CreateContainerConfigError: failed to resolve recursive read-only mode: volume \"v\" requested recursive read-only mode, but it is not compatible with propagation \"HostToContainer\""},
      {"not-shared", R"("volumes":[{"name":"h","hostPath":{"path":"@/alone"}}])", R"("securityContext":{"privileged":true},"volumeMounts":[{"name":"h","mountPath":"/h","mountPropagation":"Bidirectional"}])",
       "CreateContainerError: failed to generate container spec: failed to generate spec: path \"@/alone\" is mounted on \"@/alone\" but it is not a shared mount"},
      {"no-image", R"("volumes":[{"name":"i","image":{"reference":"none:1","pullPolicy":"Never"}}])", R"("volumeMounts":[{"name":"i","mountPath":"/i"}])", "ErrImageNeverPull: Container image \"none:1\" is not present with pull policy of Never"},
  };
  start_kubelet();
  RUN({
    for (const auto& row : rows) {
      Task<std::string> asking = why_not(row.name, replace_all(row.pod, "@", base_), row.container);
      std::string why = co_await asking;
      EXPECT_EQ(why, replace_all(row.expected, "@", base_)) << row.name;
    }
  });
  umount2(alone.c_str(), MNT_DETACH);
}

TEST_F(Mounts, that_fail_are_told_as_upstream_tells_them) {
  fs::create_directories(base_ + "/dir");
  std::ofstream(base_ + "/file") << "x";
  struct Bad {
    const char *name, *volume, *expected;
  };
  static const Bad rows[] = {
      {"no-map", R"("configMap":{"name":"none"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"none\" not found"},
      {"no-secret", R"("secret":{"secretName":"none"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : secret \"none\" not found"},
      {"not-a-folder", R"("hostPath":{"path":"@/file","type":"Directory"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: @/file is not a directory"},
      {"not-a-file", R"("hostPath":{"path":"@/dir","type":"File"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: @/dir is not a file"},
      {"not-a-socket", R"("hostPath":{"path":"@/none","type":"Socket"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: @/none is not a socket file"},
      {"not-a-device", R"("hostPath":{"path":"@/file","type":"CharDevice"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: @/file is not a character device"},
      {"not-a-disk", R"("hostPath":{"path":"/dev/null","type":"BlockDevice"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /dev/null is not a block device"},
      {"no-claim", R"("persistentVolumeClaim":{"claimName":"none"})",
       "FailedMount: Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/none: failed to fetch PVC from API server: "
       "persistentvolumeclaims \"none\" not found"},
      {"bundle", R"("projected":{"sources":[{"clusterTrustBundle":{"name":"x","path":"y"}}]})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : projected volume source clusterTrustBundle is not supported on this node"},
      {"no-huge-pages", R"("emptyDir":{"medium":"HugePages"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : hugePages storage requested, but there is no resource request for huge pages."},
      {"csi", R"("csi":{"driver":"x"})", "FailedMount: MountVolume.SetUp failed for volume \"v\" : this kind of volume is not supported on this node"},
  };
  start_kubelet();
  for (const auto& row : rows)
    put_pod(row.name, cat(R"("volumes":[{"name":"v",)", replace_all(row.volume, "@", base_), R"(}],"containers":[{"name":"c","image":"busybox:1","volumeMounts":[{"name":"v","mountPath":"/v"}]}])"));
  put_pod("nfs", R"("volumes":[{"name":"v","nfs":{"server":"127.0.0.1","path":"/x","readOnly":true}}],"containers":[{"name":"c","image":"busybox:1"}])");
  put_pod("option", R"("volumes":[{"name":"v","nfs":{"server":"-T/tmp/fstab","path":"/x"}}],"containers":[{"name":"c","image":"busybox:1"}])");
  RUN({
    for (const auto& row : rows) co_await until_event(row.name, replace_all(row.expected, "@", base_));
    co_await until_event("option", R"(FailedMount: MountVolume.SetUp failed for volume "v" : "-T/tmp/fstab" is no server)");
    std::function<bool(const Document&)> told = [this](const Document&) {
      auto events = client_.events("nfs");
      return !events.empty() && events[0].starts_with("FailedMount: MountVolume.SetUp failed for volume \"v\" : mount failed: exit status ") &&
             events[0].find("\nMounting command: mount\nMounting arguments: -t nfs -o ro 127.0.0.1:/x ") != std::string::npos;
    };
    Task<Document> telling = until("nfs", told);
    co_await telling;
  });
}

class Claims : public Inside {
 protected:
  void put_claim(const char* name, const char* pv, const char* phase) {
    client_.put_json(kPersistentVolumeClaims, cat(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name, R"("},"spec":{"volumeName":")", pv,
                                                  R"("},"status":{"phase":")", phase, "\"}}"));
  }
  void put_volume(const char* name, const char* claim, const std::string& source) {
    client_.put_json(kPersistentVolumes, cat(R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":")", name, R"("},"spec":{"claimRef":{"name":")", claim, R"(","namespace":"default","uid":"u-)", claim, "\"},",
                                             source, "}}"));
  }
};

TEST_F(Claims, are_waited_for_and_then_what_they_are_bound_to) {
  fs::create_directories(base_ + "/disk/deep");
  std::ofstream(base_ + "/disk/deep/file") << "mine\n";
  std::ofstream(base_ + "/outside") << "x";
  chmod((base_ + "/outside").c_str(), 0600);
  fs::create_symlink(base_ + "/outside", base_ + "/disk/deep/link");
  chmod((base_ + "/disk").c_str(), 0700);
  chmod((base_ + "/disk/deep/file").c_str(), 0644);
  put_volume("pv-local", "local", cat(R"("local":{"path":")", base_, "/disk\"}"));
  put_volume("pv-host", "host", cat(R"("hostPath":{"path":")", base_, "/disk\"}"));
  put_volume("pv-gone", "gone", cat(R"("local":{"path":")", base_, "/gone\"}"));
  put_claim("local", "", "Pending");
  put_claim("host", "pv-host", "Bound");
  put_claim("gone", "pv-gone", "Bound");
  static const Row rows[] = {
      {"host", R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"host","readOnly":true}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v"}])", "cat /v/deep/file; touch /v/x",
       "mine\ntouch: /v/x: Read-only file system"},
      {"local", R"("securityContext":{"fsGroup":77,"runAsUser":5},"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"local"}}])", R"("volumeMounts":[{"name":"v","mountPath":"/v"}])",
       "cat /v/deep/file; stat -c '%a %g' /v /v/deep /v/deep/file; touch /v/x && echo yes", "mine\n2770 77\n2775 77\n664 77\nyes"},
      {"kept", R"("securityContext":{"fsGroup":77,"fsGroupChangePolicy":"OnRootMismatch"},"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"local"}}])",
       R"("volumeMounts":[{"name":"v","mountPath":"/v"}])", "stat -c '%a %g' /v/deep/file", "600 77"},
      {"again", R"("securityContext":{"fsGroup":78,"fsGroupChangePolicy":"OnRootMismatch"},"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"local"}}])",
       R"("volumeMounts":[{"name":"v","mountPath":"/v"}])", "stat -c '%a %g' /v/deep/file", "660 78"},
  };
  start_kubelet();
  for (const char* name : {"local", "gone"})
    put_pod(cat("waits-for-", name), cat(R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":")", name, R"("}}],"restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","command":["true"]}])"));
  RUN({
    co_await until_event("waits-for-local",
                         "FailedMount: Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/local: PVC is not bound");
    co_await until_event("waits-for-gone", cat("FailedMount: MountVolume.NewMounter initialization failed for volume \"pv-gone\" : path \"", base_, "/gone\" does not exist"));
    put_claim("local", "pv-local", "Bound");
    co_await until_phase("waits-for-local", "Succeeded");
    co_await all_say(rows, 2);
    chmod((base_ + "/disk/deep/file").c_str(), 0600);
    co_await all_say(rows + 2, 2);
    struct stat outside {};
    EXPECT_EQ(stat((base_ + "/outside").c_str(), &outside), 0);
    EXPECT_EQ(outside.st_mode & 07777, 0600u);
    EXPECT_EQ(outside.st_gid, 0u);
  });
}

class Files : public Inside {};

TEST_F(Files, of_variables_come_from_an_init_container) {
  start_kubelet();
  put_pod("e", R"j("restartPolicy":"Never","volumes":[{"name":"v","emptyDir":{}}],
    "initContainers":[{"name":"i","image":"busybox:1","command":["sh","-c","echo \"A='from init'\" > /v/e"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
    "containers":[{"name":"c","image":"busybox:1","command":["sh","-c","echo $A; ls /v 2>&1"],"env":[{"name":"A","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"e","key":"A"}}}]}])j");
  RUN({
    co_await until_phase("e", "Failed");
    EXPECT_EQ(words_of("e"), "from init\nls: /v: No such file or directory");
  });
}

TEST_F(Limits, are_in_the_cgroups_and_in_the_oom_score) {
  static const Row rows[] = {
      {"best-effort", "", "", "cat /proc/self/oom_score_adj; grep -q /besteffort/poduid-best-effort/ /proc/self/cgroup && echo placed", "1000\nplaced"},
      {"burstable", "", R"("resources":{"requests":{"cpu":"100m"}})", "cat /proc/self/oom_score_adj; grep -q /burstable/poduid-burstable/ /proc/self/cgroup && echo placed", "999\nplaced"},
      {"critical", R"("priorityClassName":"system-node-critical")", "", "test $(cat /proc/self/oom_score_adj) -le 0 && echo kept", "kept"},
  };
  start_kubelet();
  RUN({ co_await all_say(rows, std::size(rows)); });
}

}  // namespace
}  // namespace bramble
