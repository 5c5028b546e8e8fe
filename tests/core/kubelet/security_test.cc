// securityContext: from inside the container, and what the node refuses. Needs root.
#include "core/kubelet/container_security.h"

#include "core/kubelet/log_lines.h"
#include "core/kubelet/security_admission.h"
#include "core/runtime/seccomp.h"
#include "tests/core/kubelet/inside_fixture.h"

namespace bramble {
namespace {

using Security = InsideTest;

TEST_F(Security, is_what_the_container_runs_with) {
  struct Row {
    const char *name, *pod, *container, *script, *expected;
  };
  constexpr const char* kId = "echo $(id -u) $(id -g) $(id -G)";
  constexpr const char* kCaps = "grep -E '^Cap(Eff|Bnd|Inh|Amb)' /proc/self/status | cut -f2 | tr '\\n' ' '";
  static const Row rows[] = {
      {"user-of-image", "", "", kId, "0 0 0"},
      {"user-of-pod", R"("securityContext":{"runAsUser":33})", "", kId, "33 34 34"},
      {"user-unknown", R"("securityContext":{"runAsUser":1234})", "", kId, "1234 0 0"},
      {"user-of-container", R"("securityContext":{"runAsUser":33,"runAsGroup":7})", R"("securityContext":{"runAsUser":5})", kId, "5 7 7"},
      {"groups", R"("securityContext":{"runAsUser":33,"runAsGroup":7,"fsGroup":77,"supplementalGroups":[8,9]})", "", kId, "33 7 7 8 9 77"},
      {"groups-merge", R"("securityContext":{"runAsUser":33,"supplementalGroupsPolicy":"Merge"})", "", kId, "33 34 34"},
      {"groups-of-image", R"("securityContext":{"runAsUser":50,"supplementalGroups":[8]})", "", kId, "50 50 50 8 60 61"},
      {"groups-strict", R"("securityContext":{"runAsUser":50,"supplementalGroups":[8],"supplementalGroupsPolicy":"Strict"})", "", kId, "50 50 50 8"},
      {"caps-default", "", "", kCaps, "0000000000000000 00000000a80425fb 00000000a80425fb 0000000000000000 "},
      {"caps-none", "", R"("securityContext":{"capabilities":{"drop":["ALL"]}})", kCaps, "0000000000000000 0000000000000000 0000000000000000 0000000000000000 "},
      {"caps-one", "", R"("securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE"]}})", kCaps, "0000000000000000 0000000000000400 0000000000000400 0000000000000000 "},
      {"caps-of-a-user", R"("securityContext":{"runAsUser":33})", "", kCaps, "0000000000000000 0000000000000000 00000000a80425fb 0000000000000000 "},
      {"escalation", "", "", "grep NoNewPrivs /proc/self/status | cut -f2", "0"},
      {"no-escalation", "", R"("securityContext":{"allowPrivilegeEscalation":false})", "grep NoNewPrivs /proc/self/status | cut -f2", "1"},
      {"root-rw", "", "", "touch /x && echo yes", "yes"},
      {"root-ro", "", R"("securityContext":{"readOnlyRootFilesystem":true})", "touch /x; touch /etc/hosts; echo x > /dev/termination-log && echo log",
       "touch: /x: Read-only file system\ntouch: /etc/hosts: Read-only file system\nlog"},
      {"masked", "", "", "wc -c < /proc/keys; touch /proc/sys/net/ipv4/ip_forward; grep -c ' /sys ro,' /proc/self/mountinfo",
       "0\ntouch: /proc/sys/net/ipv4/ip_forward: Read-only file system\n1"},
      {"privileged", "", R"("securityContext":{"privileged":true})",
       "test $(wc -c < /proc/interrupts) -gt 0 && echo shown; grep -c ' /sys rw' /proc/self/mountinfo; grep -c ' /sys/fs/cgroup rw' /proc/self/mountinfo; test -c /dev/kmsg && echo kmsg; "
       "mkdir /m && mount -t tmpfs x /m && echo mounted; grep Seccomp: /proc/self/status | cut -f2",
       "shown\n1\n1\nkmsg\nmounted\n0"},
      {"not-privileged", "", "", "test -c /dev/kmsg || echo no; mkdir /m; mount -t tmpfs x /m", "no\nmount: permission denied (are you root?)"},
      {"seccomp-unset", "", "", "grep Seccomp: /proc/self/status | cut -f2; unshare -U true && echo unshared", "0\nunshared"},
      {"seccomp-default", R"("securityContext":{"seccompProfile":{"type":"RuntimeDefault"}})", "", "grep Seccomp: /proc/self/status | cut -f2; unshare -U true", "2\nunshare: unshare(0x10000000): Operation not permitted"},
      {"seccomp-container", R"("securityContext":{"seccompProfile":{"type":"RuntimeDefault"}})", R"("securityContext":{"seccompProfile":{"type":"Unconfined"}})",
       "grep Seccomp: /proc/self/status | cut -f2", "0"},
      {"seccomp-admin", R"("securityContext":{"seccompProfile":{"type":"RuntimeDefault"}})", R"("securityContext":{"capabilities":{"add":["SYS_ADMIN"]}})",
       "grep Seccomp: /proc/self/status | cut -f2; unshare -m true && echo unshared", "2\nunshared"},
      {"seccomp-local", R"("securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"profiles/no-mkdir.json"}})", "", "mkdir /x; touch /y && echo y",
       "mkdir: can't create directory '/x': Operation not permitted\ny"},
      {"seccomp-privileged", R"("securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"none.json"}})", R"("securityContext":{"privileged":true})",
       "grep Seccomp: /proc/self/status | cut -f2", "0"},
      {"sysctl", R"("securityContext":{"sysctls":[{"name":"net.ipv4.ip_unprivileged_port_start","value":"81"},{"name":"kernel/shm_rmid_forced","value":"1"}]})", "",
       "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced", "81\n1"},
  };
  std::ofstream(base_ + "/image/etc/passwd", std::ios::app) << "many:x:50:50::/:/bin/sh\n";
  std::ofstream(base_ + "/image/etc/group") << "root:x:0:\nmany:x:50:many\na:x:60:many\nb:x:61:x,many\n";
  fs::create_directories(base_ + "/kubelet/seccomp/profiles");
  std::ofstream(base_ + "/kubelet/seccomp/profiles/no-mkdir.json") << R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]})";
  start_kubelet();
  RUN({
    for (const auto& row : rows) {
      Task<std::string> saying = said(row.name, row.pod, row.container, row.script);
      std::string words = co_await saying;
      EXPECT_EQ(words, row.expected) << row.name;
    }
  });
}

TEST_F(Security, of_the_first_process_is_in_the_status) {
  start_kubelet();
  RUN({
    Task<std::string> saying = said("u", R"("securityContext":{"runAsUser":33,"supplementalGroups":[8]},"volumes":[{"name":"v","emptyDir":{}}])",
                                    R"("volumeMounts":[{"name":"v","mountPath":"/v","readOnly":true,"recursiveReadOnly":"IfPossible"}])", "true");
    co_await saying;
    Value status = pod("u")["status"]["containerStatuses"].item(0);
    EXPECT_EQ(status["user"].dump(), R"({"linux":{"gid":34,"supplementalGroups":[34,8],"uid":33}})");
    EXPECT_EQ(status["volumeMounts"].dump(), R"([{"name":"v","mountPath":"/v","readOnly":true,"recursiveReadOnly":"Enabled"}])");
  });
}

TEST_F(Security, goes_for_commands_run_in_the_container_as_well) {
  start_kubelet();
  put_pod("e", R"("securityContext":{"runAsUser":33,"supplementalGroups":[8],"seccompProfile":{"type":"RuntimeDefault"}},
    "containers":[{"name":"c","image":"busybox:1","command":["sleep","100"],"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}])");
  RUN({
    co_await until_phase("e", "Running");
    ExecOptions options;
    options.command = {"sh", "-c", "id -u; id -G; grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2"};
    options.stdout_on = true;
    auto session = co_await kubelet_->exec(key("e"), options);
    EXPECT_TRUE(session.ok());
    if (!session.ok()) co_return;
    std::string out;
    for (;;) {
      auto more = co_await (*session)->next();
      if (!more) break;
      out += more->bytes;
    }
    EXPECT_EQ(out, "33\n34 8\n0000000000000000\n1\n2\n");
    co_await remove_pod("e", 0);
    co_await until_gone("e");
  });
}

TEST_F(Security, says_why_a_container_is_not_made) {
  struct Row {
    const char *name, *pod, *container, *expected;
  };
  std::string local = base_ + "/kubelet/seccomp/";
  static const Row rows[] = {
      {"root-user", R"("securityContext":{"runAsNonRoot":true,"runAsUser":0})", "", "CreateContainerConfigError: container's runAsUser breaks non-root policy (pod: \"root-user_default(uid-root-user)\", container: c)"},
      {"root-container", R"("securityContext":{"runAsNonRoot":true,"runAsUser":5})", R"("securityContext":{"runAsUser":0})",
       "CreateContainerConfigError: container's runAsUser breaks non-root policy (pod: \"root-container_default(uid-root-container)\", container: c)"},
      {"root-image", "", R"("securityContext":{"runAsNonRoot":true})", "CreateContainerConfigError: container has runAsNonRoot and image will run as root (pod: \"root-image_default(uid-root-image)\", container: c)"},
      {"no-profile", R"("securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"none.json"}})", "", "CreateContainerError: cannot load seccomp profile \"@none.json\": "},
      {"bad-profile", R"("securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"bad.json"}})", "", "CreateContainerError: decoding seccomp profile failed \"@bad.json\": "},
  };
  fs::create_directories(local);
  std::ofstream(local + "bad.json") << "[]";
  start_kubelet();
  RUN({
    for (const auto& row : rows) {
      Task<std::string> asking = why_not(row.name, row.pod, row.container);
      std::string why = co_await asking;
      EXPECT_TRUE(why.starts_with(replace_all(row.expected, "@", base_ + "/kubelet/seccomp/"))) << row.name << ": " << why;
    }
  });
}

// The image's user, by name or number.
TEST(NonRoot, is_verified_by_the_number_of_the_user) {
  struct Row {
    const char *user, *expected;
  };
  constexpr const char* kWho = " (pod: \"p_n(u)\", container: c)";
  const Row rows[] = {{"", "container has runAsNonRoot and image will run as root"},
                      {"0", "container has runAsNonRoot and image will run as root"},
                      {"0:5", "container has runAsNonRoot and image will run as root"},
                      {"root", "container has runAsNonRoot and image has non-numeric user (root), cannot verify user is non-root"},
                      {"web:web", "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"},
                      {"33", ""}};
  auto pod = Document::parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"containers":[{"name":"c","securityContext":{"runAsNonRoot":true}}]}})");
  for (const auto& row : rows) {
    ImageConfig image;
    image.user = row.user;
    ContainerPlan plan;
    plan.pod = pod->root();
    plan.container = (*pod)["spec"]["containers"].item(0);
    plan.image = &image;
    Status verified = verify_non_root(plan);
    EXPECT_EQ(verified.ok() ? "" : verified.error().message(), *row.expected ? cat(row.expected, kWho) : "") << row.user;
  }
}

TEST(SecurityAdmission, refuses_sysctls_and_profiles_with_upstreams_words) {
  struct Row {
    const char *name, *pod, *expected;
  };
  const Row rows[] = {
      {"safe", R"({"spec":{"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem","value":"1"},{"name":"net/ipv4/tcp_wmem","value":"1"}]}}})", ""},
      {"unsafe", R"({"spec":{"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]}}})", "SysctlForbidden: Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
      {"unsafe, slashes", R"({"spec":{"securityContext":{"sysctls":[{"name":"net/ipv4/conf/eth0.1/x","value":"1"}]}}})", "SysctlForbidden: Pod was rejected: forbidden sysctl: \"net.ipv4.conf.eth0/1.x\" not allowlisted"},
      {"host network", R"({"spec":{"hostNetwork":true,"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_syncookies","value":"1"}]}}})",
       "SysctlForbidden: Pod was rejected: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled"},
      {"host ipc", R"({"spec":{"hostIPC":true,"securityContext":{"sysctls":[{"name":"kernel.shm_rmid_forced","value":"1"}]}}})",
       "SysctlForbidden: Pod was rejected: forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled"},
      {"apparmor", R"({"spec":{"securityContext":{"appArmorProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"c"}]}})", "AppArmor: Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"},
      {"apparmor, old", R"({"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"localhost/x"}},"spec":{"containers":[{"name":"c"}]}})",
       "AppArmor: Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"},
      {"apparmor, unconfined", R"({"spec":{"securityContext":{"appArmorProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"c","securityContext":{"appArmorProfile":{"type":"Unconfined"}}}]}})", ""},
  };
  for (const auto& row : rows) {
    auto pod = Document::parse(row.pod);
    HostSecurity host;
    auto refusal = refuse_by_security(pod->root(), host);
    EXPECT_EQ(refusal ? cat(refusal->reason, ": ", refusal->message) : "", row.expected) << row.name;
    host.apparmor = true;
    auto with_apparmor = refuse_by_security(pod->root(), host);
    EXPECT_EQ(with_apparmor.has_value(), std::string_view(row.expected).starts_with("Sysctl")) << row.name;
  }
}

TEST_F(Security, a_pod_with_an_unsafe_sysctl_fails) {
  start_kubelet();
  put_pod("s", R"("securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]},"containers":[{"name":"c","image":"busybox:1"}])");
  RUN({
    Task<Document> failing = until_phase("s", "Failed");
    Document d = co_await failing;
    EXPECT_EQ(d["status"]["reason"].str(), "SysctlForbidden");
    EXPECT_EQ(d["status"]["message"].str(), "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted");
  });
}

// This machine's kernel has none of them, so what is asked of the runtime is all that can be seen.
TEST(Labels, are_asked_of_the_runtime_where_the_host_has_them) {
  auto pod = Document::parse(R"({"metadata":{"name":"p"},"spec":{"securityContext":{"seLinuxOptions":{"level":"s0:c1"}},"containers":[{"name":"c","command":["x"],
    "securityContext":{"seLinuxOptions":{"type":"t_t","level":"s0:c2"}}}]}})");
  ImageConfig image;
  ContainerPlan plan;
  plan.pod = pod->root();
  plan.container = (*pod)["spec"]["containers"].item(0);
  plan.image = &image;
  auto none = container_spec(plan);
  EXPECT_EQ(none->process.selinux_label + none->process.apparmor_profile, "");
  plan.host = {true, true, true};
  plan.apparmor_default = "bramble-default";
  auto spec = container_spec(plan);
  Document config = oci_config(*spec);
  EXPECT_EQ(config["process"]["selinuxLabel"].str(), "system_u:system_r:t_t:s0:c2");
  EXPECT_EQ(config["linux"]["mountLabel"].str(), "system_u:object_r:container_file_t:s0:c2");
  EXPECT_EQ(config["process"]["apparmorProfile"].str(), "bramble-default");
  struct Row {
    const char *profile, *loaded, *expected;
  };
  const Row rows[] = {{R"({"type":"Unconfined"})", "bramble-default", ""},
                      {R"({"type":"Localhost","localhostProfile":"mine"})", "bramble-default", "mine"},
                      {R"({"type":"RuntimeDefault"})", "bramble-default", "bramble-default"},
                      {R"({"type":"RuntimeDefault"})", "", "failed to generate apparmor spec opts: apparmor is not supported"}};
  for (const auto& row : rows) {
    auto asking = Document::parse(cat(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","command":["x"],"securityContext":{"appArmorProfile":)", row.profile, "}}]}}"));
    plan.pod = asking->root();
    plan.container = (*asking)["spec"]["containers"].item(0);
    plan.apparmor_default = row.loaded;
    auto asked = container_spec(plan);
    EXPECT_EQ(asked.ok() ? asked->process.apparmor_profile : asked.error().message(), row.expected) << row.profile;
  }
}

TEST(SeccompDefault, knows_machines_and_capabilities) {
  auto names = [](const Document& d, std::string_view call) {
    std::string out;
    for (Value rule : d["syscalls"].items())
      for (Value n : rule["names"].items())
        if (n.str() == call) out += cat(rule["action"].str().substr(9), rule["args"].size() ? "?" : "", " ");
    return out;
  };
  Document amd64 = default_seccomp_profile("amd64", {"CAP_CHOWN"}), arm64 = default_seccomp_profile("arm64", {"CAP_SYS_ADMIN"}), arm = default_seccomp_profile("arm", {});
  EXPECT_EQ(amd64["architectures"].dump(), R"(["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"])");
  EXPECT_EQ(arm64["architectures"].dump(), R"(["SCMP_ARCH_ARM","SCMP_ARCH_AARCH64"])");
  EXPECT_FALSE(arm.root().has("architectures"));
  EXPECT_EQ(amd64["defaultAction"].str(), "SCMP_ACT_ERRNO");
  EXPECT_EQ(names(amd64, "openat"), "ALLOW ");
  EXPECT_EQ(names(amd64, "arch_prctl"), "ALLOW ");
  EXPECT_EQ(names(arm64, "set_tls") + names(arm, "set_tls"), "ALLOW ALLOW ");
  EXPECT_EQ(names(amd64, "clone"), "ALLOW? ");
  EXPECT_EQ(names(amd64, "clone3"), "ERRNO ");
  EXPECT_EQ(names(arm64, "clone3") + names(arm64, "clone"), "ALLOW ALLOW ");
  EXPECT_EQ(names(amd64, "mount") + names(amd64, "keyctl") + names(amd64, "kexec_load"), "");
}

}  // namespace
}  // namespace bramble
