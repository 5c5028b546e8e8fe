// The Pod Security Standards: what each check forbids, in which version, with upstream's words.
#include "core/apiserver/admission_pod_security.h"
#include "core/apiserver/pod_security_checks.h"
#include "tests/core/apiserver/api_fixture.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

constexpr LevelVersion kBaseline{SecurityLevel::kBaseline, true, 0}, kRestricted{SecurityLevel::kRestricted, true, 0};
LevelVersion of_minor(SecurityLevel level, int64_t minor) { return {level, false, minor}; }

// A container that the restricted level allows, with more in its securityContext.
std::string hardened(std::string_view name, std::string_view more = {}) {
  return cat(R"({"name":")", name, R"(","securityContext":{"allowPrivilegeEscalation":false,"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"})",
             more, "}}");
}
std::string with_security(std::string_view security) { return cat(R"({"containers":[{"name":"a","securityContext":)", security, R"(},{"name":"b"}]})"); }

struct Row {
  const char* name;
  LevelVersion level;
  std::string spec, want;
  const char* annotations = "{}";
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Document metadata = json(cat(R"({"annotations":)", row.annotations, "}")), spec = json(row.spec);
    EXPECT_EQ(check_pod_security(row.level, metadata.root(), spec.root()).details(), row.want) << row.name;
  }
}

TEST(PodSecurity, baseline_keeps_pods_off_their_node) {
  check({
      {"plain", kBaseline, R"({"containers":[{"name":"a"}]})", ""},
      {"privileged level", {}, R"({"hostPID":true,"containers":[{"name":"a"}]})", ""},
      {"host namespaces", kBaseline, R"({"hostNetwork":true,"hostIPC":true,"hostPID":true,"containers":[]})", "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"},
      {"privileged", kBaseline, with_security(R"({"privileged":true})"), R"(privileged (container "a" must not set securityContext.privileged=true))"},
      {"init and ephemeral containers", kBaseline,
       R"({"containers":[{"name":"c"}],"initContainers":[{"name":"i","securityContext":{"privileged":true}}],"ephemeralContainers":[{"name":"e","securityContext":{"privileged":true}}]})",
       R"(privileged (containers "i", "e" must not set securityContext.privileged=true))"},
      {"capabilities", kBaseline, with_security(R"({"capabilities":{"add":["NET_RAW","CHOWN","SYS_TIME"]}})"),
       R"(non-default capabilities (container "a" must not include "NET_RAW", "SYS_TIME" in securityContext.capabilities.add))"},
      {"hostPath", kBaseline, R"({"containers":[],"volumes":[{"name":"x","hostPath":{"path":"/"}},{"name":"y","emptyDir":{}},{"name":"z","hostPath":{"path":"/"}}]})",
       R"(hostPath volumes (volumes "x", "z"))"},
      {"hostPort", kBaseline, R"({"containers":[{"name":"a","ports":[{"hostPort":9000},{"containerPort":1}]},{"name":"b","ports":[{"hostPort":80}]}]})",
       R"(hostPort (containers "a", "b" use hostPorts 80, 9000))"},
      {"one hostPort", kBaseline, R"({"containers":[{"name":"a","ports":[{"hostPort":80}]}]})", R"(hostPort (container "a" uses hostPort 80))"},
      {"hosts of probes", kBaseline,
       R"({"containers":[{"name":"a","livenessProbe":{"httpGet":{"host":"10.0.0.1"}},"lifecycle":{"preStop":{"tcpSocket":{"host":"h"}}}}]})",
       R"(probe or lifecycle host (container "a" uses probe or lifecycle hosts "10.0.0.1", "h"))"},
      {"before 1.34", of_minor(SecurityLevel::kBaseline, 33), R"({"containers":[{"name":"a","livenessProbe":{"httpGet":{"host":"10.0.0.1"}}}]})", ""},
      {"AppArmor", kBaseline, R"({"securityContext":{"appArmorProfile":{"type":"Unconfined"}},"containers":[{"name":"a","securityContext":{"appArmorProfile":{"type":"Unconfined"}}}]})",
       R"(forbidden AppArmor profile (pod and container "a" must not set AppArmor profile type to "Unconfined"))"},
      {"AppArmor annotations", kBaseline, R"({"containers":[{"name":"a"}]})",
       R"(forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/a="unconfined""))",
       R"({"container.apparmor.security.beta.kubernetes.io/a":"unconfined","container.apparmor.security.beta.kubernetes.io/b":"localhost/x"})"},
      {"SELinux", kBaseline, with_security(R"({"seLinuxOptions":{"type":"spc_t","user":"u","role":"r"}})"),
       R"(seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set))"},
      {"container_engine_t", kBaseline, with_security(R"({"seLinuxOptions":{"type":"container_engine_t"}})"), ""},
      {"not before 1.31", of_minor(SecurityLevel::kBaseline, 30), with_security(R"({"seLinuxOptions":{"type":"container_engine_t"}})"),
       R"(seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "container_engine_t"))"},
      {"procMount", kBaseline, with_security(R"({"procMount":"Unmasked"})"), R"(procMount (container "a" must not set securityContext.procMount to "Unmasked"))"},
      {"procMount of user namespaces", kBaseline, R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"procMount":"Unmasked"}}]})", ""},
      {"not before 1.35", of_minor(SecurityLevel::kBaseline, 34), R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"procMount":"Unmasked"}}]})",
       R"(procMount (container "a" must not set securityContext.procMount to "Unmasked"))"},
      {"seccomp", kBaseline, R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}},"containers":[{"name":"a"}]})",
       R"(seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"))"},
      {"seccomp by annotation before 1.19", of_minor(SecurityLevel::kBaseline, 18), R"({"containers":[{"name":"a"}]})",
       R"(seccompProfile (forbidden annotations container.seccomp.security.alpha.kubernetes.io/a="unconfined", seccomp.security.alpha.kubernetes.io/pod="unconfined"))",
       R"({"seccomp.security.alpha.kubernetes.io/pod":"unconfined","container.seccomp.security.alpha.kubernetes.io/a":"unconfined"})"},
      {"sysctls", kBaseline, R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax"},{"name":"net.ipv4.tcp_rmem"},{"name":"net.core.somaxconn"}]},"containers":[]})",
       "forbidden sysctls (kernel.msgmax, net.core.somaxconn)"},
      {"fewer sysctls in 1.31", of_minor(SecurityLevel::kBaseline, 31), R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem"},{"name":"net.ipv4.tcp_fin_timeout"}]},"containers":[]})",
       "forbidden sysctls (net.ipv4.tcp_rmem)"},
      {"HostProcess", kBaseline, R"({"securityContext":{"windowsOptions":{"hostProcess":true}},"containers":[{"name":"a","securityContext":{"windowsOptions":{"hostProcess":true}}}]})",
       R"(hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true))"},
      {"in order", kBaseline, R"({"hostPID":true,"containers":[{"name":"a","securityContext":{"privileged":true,"seLinuxOptions":{"user":"u"},"seccompProfile":{"type":"Unconfined"}}}]})",
       R"(host namespaces (hostPID=true), privileged (container "a" must not set securityContext.privileged=true), )"
       R"(seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: user may not be set), )"
       R"(seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined"))"},
  });
}

TEST(PodSecurity, restricted_wants_hardened_pods) {
  check({
      {"hardened", kRestricted, cat(R"({"containers":[)", hardened("a"), "]}"), ""},
      {"plain", kRestricted, R"({"containers":[{"name":"c"}]})",
       R"(allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), )"
       R"(unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), )"
       R"(runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), )"
       R"(seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))"},
      {"the pod says it for all", kRestricted,
       R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"Localhost"}},"containers":[{"name":"c","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]})", ""},
      {"baseline as well", kRestricted, cat(R"({"hostPID":true,"containers":[)", hardened("a"), "]}"), "host namespaces (hostPID=true)"},
      {"capabilities", kRestricted, cat(R"({"containers":[{"name":"x","securityContext":{"allowPrivilegeEscalation":false,"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"},"capabilities":{"add":["CHOWN","NET_BIND_SERVICE"]}}},)", hardened("a"), "]}"),
       R"(unrestricted capabilities (container "x" must set securityContext.capabilities.drop=["ALL"]; container "x" must not include "CHOWN" in securityContext.capabilities.add))"},
      {"no capabilities before 1.22", of_minor(SecurityLevel::kRestricted, 21), R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"c","securityContext":{"allowPrivilegeEscalation":false}}]})", ""},
      {"volumes", kRestricted, cat(R"({"containers":[)", hardened("a"), R"(],"volumes":[{"name":"h","hostPath":{"path":"/"}},{"name":"n","nfs":{}},{"name":"i","image":{}},{"name":"p","projected":{}}]})"),
       R"(restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs"))"},
      {"one volume", kRestricted, cat(R"({"containers":[)", hardened("a"), R"(],"volumes":[{"name":"n","nfs":{}}]})"),
       R"(restricted volume types (volume "n" uses restricted volume type "nfs"))"},
      {"root by name", kRestricted, cat(R"({"securityContext":{"runAsNonRoot":false},"containers":[)", hardened("a"), "]}"),
       "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"},
      {"root by number", kRestricted, cat(R"({"securityContext":{"runAsUser":0},"containers":[)", hardened("a", R"(,"runAsUser":0)"), "]}"),
       R"(runAsUser=0 (pod and container "a" must not set runAsUser=0))"},
      {"root of a user namespace", kRestricted,
       R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"runAsUser":0,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}]})", ""},
      {"not before 1.35", of_minor(SecurityLevel::kRestricted, 34),
       R"({"hostUsers":false,"containers":[{"name":"a","securityContext":{"runAsUser":0,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}]})",
       R"(runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), runAsUser=0 (container "a" must not set runAsUser=0))"},
      {"procMount even there", kRestricted, cat(R"({"hostUsers":false,"containers":[)", hardened("a", R"(,"procMount":"Unmasked")"), "]}"),
       R"(procMount (container "a" must not set securityContext.procMount to "Unmasked"))"},
      {"seccomp once", kRestricted, cat(R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}},"containers":[)", hardened("a"), "]}"),
       R"(seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"))"},
      {"Windows", kRestricted, R"({"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true},"containers":[{"name":"a"}]})", ""},
  });
}

TEST(PodSecurity, levels_and_versions_come_from_labels) {
  const struct {
    const char *name, *labels, *enforce, *audit, *warn, *errors;
  } cases[] = {
      {"none", "{}", "privileged:latest", "privileged:latest", "privileged:latest", ""},
      {"warning follows", R"({"pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/enforce-version":"v1.30"})", "restricted:v1.30", "privileged:latest", "restricted:v1.30", ""},
      {"own warning", R"({"pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/warn":"baseline","pod-security.kubernetes.io/warn-version":"v1.9"})", "restricted:latest", "privileged:latest", "baseline:v1.9", ""},
      {"own version of the warning", R"({"pod-security.kubernetes.io/enforce":"baseline","pod-security.kubernetes.io/enforce-version":"v1.30","pod-security.kubernetes.io/warn-version":"v1.20"})", "baseline:v1.30", "privileged:latest", "baseline:v1.20", ""},
      {"unreadable", R"({"pod-security.kubernetes.io/enforce":"Baseline","pod-security.kubernetes.io/audit":"x","pod-security.kubernetes.io/warn-version":"1.2","pod-security.kubernetes.io/audit-version":"v1.02"})", "restricted:latest", "privileged:latest", "privileged:latest",
       R"(metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "Baseline": must be one of privileged, baseline, restricted; )"
       R"(metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "x": must be one of privileged, baseline, restricted; )"
       R"(metadata.labels[pod-security.kubernetes.io/audit-version]: Invalid value: "v1.02": must be "latest" or "v1.x"; )"
       R"(metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"; )"},
  };
  for (const auto& c : cases) {
    const Document labels = json(c.labels);
    FieldErrors errors;
    PodSecurityPolicy p = PodSecurityPolicy::of(labels.root(), errors);
    EXPECT_EQ(p.enforce.text(), c.enforce) << c.name;
    EXPECT_EQ(p.audit.text(), c.audit) << c.name;
    EXPECT_EQ(p.warn.text(), c.warn) << c.name;
    std::string all;
    for (const FieldError& e : errors.list()) all += cat(e.field, ": ", e.message, "; ");
    EXPECT_EQ(all, c.errors) << c.name;
  }
}

TEST(PodSecurity, what_violates_stands_in_the_audit_annotations) {
  const Kind* pods = find_kind("", "v1", "pods");
  const Document ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline","pod-security.kubernetes.io/audit":"restricted","pod-security.kubernetes.io/warn":"privileged"}}})");
  const Document pod = json(cat(R"({"metadata":{"name":"p"},"spec":{"securityContext":{"runAsUser":0},"containers":[)", hardened("a"), "]}}"));
  PodSecurityAnswer answer = check_pod_write(*pods, "", "p", ns.root(), pod.root(), Value());
  EXPECT_TRUE(answer.status.ok());
  EXPECT_TRUE(answer.warnings.empty());
  EXPECT_EQ(answer.annotations["pod-security.kubernetes.io/enforce-policy"], "baseline:latest");
  EXPECT_EQ(answer.annotations["pod-security.kubernetes.io/audit-violations"],
            R"(would violate PodSecurity "restricted:latest": runAsUser=0 (pod must not set runAsUser=0))");
}

TEST(PodSecurity, weighs_updates_that_bring_images) {
  const Kind* pods = find_kind("", "v1", "pods");
  const Document ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}})");
  const Document plain = json(R"({"spec":{"containers":[{"name":"a","image":"i"}]}})");
  const struct {
    const char *name, *subresource, *object;
    bool allowed;
  } cases[] = {
      {"nothing", "", R"({"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"i"}]}})", true},
      {"an image", "", R"({"spec":{"containers":[{"name":"a","image":"j"}]}})", false},
      {"a container", "", R"({"spec":{"containers":[{"name":"a","image":"i"},{"name":"b"}]}})", false},
      {"an ephemeral container", "ephemeralcontainers", R"({"spec":{"containers":[{"name":"a","image":"i"}],"ephemeralContainers":[{"name":"e","image":"i"}]}})", false},
      {"resources", "resize", R"({"spec":{"containers":[{"name":"a","image":"i","resources":{"limits":{"cpu":"1"}}}]}})", true},
      {"status", "status", R"({"spec":{"containers":[{"name":"a","image":"j"}]}})", true},
  };
  for (const auto& c : cases) {
    const Document object = json(c.object);
    EXPECT_EQ(check_pod_write(*pods, c.subresource, "p", ns.root(), object.root(), plain.root()).status.ok(), c.allowed) << c.name;
  }
}

class PodSecurityApi : public ApiTest {
 protected:
  std::string message(const std::shared_ptr<KeptAnswer>& answer) { return answer->json()["message"].text(); }
  std::vector<std::string> warnings(const std::shared_ptr<KeptAnswer>& answer) {
    std::vector<std::string> out;
    for (const Header& h : answer->headers) {
      if (h.name == "warning") out.push_back(h.value);
    }
    return out;
  }
  void label(std::string_view ns, std::string_view labels) {
    EXPECT_EQ(patch(cat("/api/v1/namespaces/", ns), cat(R"({"metadata":{"labels":)", labels, "}}"))->status, 200);
  }
};

constexpr std::string_view kPlainPod =
    R"("restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), )"
    R"(unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), )"
    R"(runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), )"
    R"(seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))";

TEST_F(PodSecurityApi, pods_that_violate_are_refused_by_their_generated_name_too) {
  label("default", R"({"pod-security.kubernetes.io/enforce":"restricted"})");
  auto refused = call("POST", std::string(kPods), pod("x"));
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(message(refused), cat(R"(pods "x" is forbidden: violates PodSecurity )", kPlainPod));
  EXPECT_TRUE(warnings(refused).empty());
  auto generated = call("POST", std::string(kPods), replace_all(pod("x"), R"("name":"x")", R"("generateName":"web-")"));
  EXPECT_EQ(generated->status, 403);
  EXPECT_TRUE(message(generated).starts_with("pods \"web-")) << message(generated);
  EXPECT_EQ(message(generated).find("pods \"web-\""), std::string::npos);
  // A pod that is wrong by its own rules hears that first.
  EXPECT_EQ(call("POST", std::string(kPods), R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[]}})")->status, 422);
}

TEST_F(PodSecurityApi, templates_are_warned_of_and_made) {
  label("default", R"({"pod-security.kubernetes.io/enforce":"restricted"})");
  auto made = call("POST", "/apis/apps/v1/namespaces/default/deployments",
                   R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
  EXPECT_EQ(made->status, 201);
  ASSERT_EQ(warnings(made).size(), 1u);
  EXPECT_EQ(warnings(made)[0], cat("299 - ", go_quote(cat("would violate PodSecurity ", kPlainPod))));
  auto cron = call("POST", "/apis/batch/v1/namespaces/default/cronjobs",
                   R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"d"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}})");
  EXPECT_EQ(cron->status, 201);
  EXPECT_EQ(warnings(cron).size(), 1u);
}

TEST_F(PodSecurityApi, an_update_counts_when_it_brings_an_image) {
  EXPECT_EQ(call("POST", std::string(kPods), pod("x"))->status, 201);
  label("default", R"({"pod-security.kubernetes.io/enforce":"restricted"})");
  EXPECT_EQ(patch(cat(kPods, "/x"), R"({"metadata":{"labels":{"a":"b"}}})")->status, 200);
  EXPECT_EQ(patch(cat(kPods, "/x"), R"({"spec":{"containers":[{"name":"c","image":"other"}]}})", "strategic-merge-patch")->status, 403);
  EXPECT_EQ(patch(cat(kPods, "/x/status"), R"({"status":{"phase":"Running"}})")->status, 200);
}

TEST_F(PodSecurityApi, labels_must_be_readable_unless_they_were_not_before) {
  auto refused = call("POST", "/api/v1/namespaces", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n","labels":{"pod-security.kubernetes.io/enforce":"high"}}})");
  EXPECT_EQ(refused->status, 422);
  EXPECT_EQ(message(refused),
            R"(Namespace "n" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "high": must be one of privileged, baseline, restricted)");
  EXPECT_EQ(patch("/api/v1/namespaces/default", R"({"metadata":{"labels":{"pod-security.kubernetes.io/warn-version":"1.30"}}})")->status, 422);
}

TEST_F(PodSecurityApi, who_narrows_a_namespace_hears_of_the_pods_in_it) {
  for (const char* name : {"b", "a", "c"}) EXPECT_EQ(call("POST", std::string(kPods), pod(name))->status, 201);
  EXPECT_EQ(call("POST", std::string(kPods), pod("host", R"(,"hostNetwork":true)"))->status, 201);
  auto narrowed = patch("/api/v1/namespaces/default", R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}})");
  EXPECT_EQ(narrowed->status, 200);
  EXPECT_EQ(warnings(narrowed),
            (std::vector<std::string>{
                R"(299 - "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"restricted:latest\"")",
                R"(299 - "a (and 2 other pods): allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile")",
                R"(299 - "host: host namespaces, allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile")"}));
  EXPECT_TRUE(warnings(patch("/api/v1/namespaces/default", R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}})")).empty()) << "wider";
  auto dry = patch("/api/v1/namespaces/default?dryRun=All", R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline","pod-security.kubernetes.io/enforce-version":"v1.20"}}})");
  EXPECT_EQ(warnings(dry).size(), 2u) << "another version";
}

}  // namespace
}  // namespace bramble
