// Defaults of pod specs (core/v1 SetDefaults_Pod, _PodSpec, _Container, _Probe, _Volume ...).
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/resources/defaulting.h"
#include "core/resources/pod_view.h"

namespace bramble {
namespace {

constexpr int64_t kFileMode = 0644;

void default_field_ref(Mut source) {
  Mut ref = source["fieldRef"];
  if (ref.is_object()) default_text(ref, "apiVersion", "v1");
}

void default_lifecycle(Mut lifecycle) {
  for (const char* hook : {"postStart", "preStop"})
    if (lifecycle[hook]["httpGet"].is_object()) default_http_get(lifecycle[hook]["httpGet"]);
}

// Whether the number as it is written has a digit below the thousandths.
bool finer_than_milli(std::string_view text) {
  const size_t digits = text.find_first_not_of("+-0123456789.");
  std::string_view number = text.substr(0, digits), suffix = digits == std::string_view::npos ? "" : text.substr(digits);
  const size_t point = number.find('.');
  int64_t scale = point == std::string_view::npos ? 0 : -static_cast<int64_t>(number.size() - point - 1);
  constexpr std::string_view kSuffixes = "num kMGTPE";
  const size_t at = suffix.size() == 1 ? kSuffixes.find(suffix[0]) : std::string_view::npos;
  if (at != std::string_view::npos) scale += 3 * static_cast<int64_t>(at) - 9;
  else if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) scale += parse_int64(suffix.substr(1)).value_or(0);
  return scale < -3;
}

void default_container(Mut c) {
  default_requirements(c["resources"]);
  const std::string image = c["image"].text();
  default_text(c, "imagePullPolicy", image_tag(image) == "latest" ? "Always" : "IfNotPresent");
  default_text(c, "terminationMessagePath", "/dev/termination-log");
  default_text(c, "terminationMessagePolicy", "File");
  for (Mut p : c["ports"].items()) default_text(p, "protocol", "TCP");
  for (Mut e : c["env"].items()) {
    default_field_ref(e["valueFrom"]);
    if (e["valueFrom"]["fileKeyRef"].is_object()) default_bool(e["valueFrom"]["fileKeyRef"], "optional", false);
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    if (c[probe].is_object()) default_probe(c[probe]);
  default_lifecycle(c["lifecycle"]);
}

void default_items(Mut items) {
  for (Mut i : items.items()) default_field_ref(i);
}

void default_projected(Mut projected) {
  default_int(projected, "defaultMode", kFileMode);
  for (Mut s : projected["sources"].items()) {
    default_items(s["downwardAPI"]["items"]);
    if (s["serviceAccountToken"].is_object()) default_int(s["serviceAccountToken"], "expirationSeconds", limits::kTokenSeconds);
  }
}

bool has_source(Mut volume) {
  for (auto [key, value] : volume.members())
    if (key != "name") return true;
  return false;
}

void default_host_ports(Mut containers) {
  for (Mut c : containers.items())
    for (Mut p : c["ports"].items())
      if (p["hostPort"].integer() == 0) p.set("hostPort", p["containerPort"].integer());
}

// A limit without a request is also the request.
void default_requests(Mut holder) {
  Mut limits = holder["resources"]["limits"];
  if (limits.size() == 0) return;
  Mut requests = holder["resources"].object("requests");
  for (auto [name, amount] : limits.members())
    if (!requests.has(name)) requests.set(name, amount);
}

// With resources of the pod as a whole: a request that is missing is the sum of the containers' where all have one,
// else the pod's limit.
void default_pod_level_requests(Mut spec) {
  Mut resources = spec["resources"];
  if (!resources.is_object() || resources["limits"].size() + resources["requests"].size() == 0) return;
  ResourceAmounts sum;
  Builder copy;
  copy.root().set("spec", spec);
  const Document pod = copy.finish();
  PodView view(pod);
  for (Value c : view.containers().items()) add_amounts(sum, resource_amounts(c["resources"]["requests"]));
  ResourceAmounts sidecars;
  for (Value c : view.init_containers().items()) {
    ResourceAmounts own = resource_amounts(c["resources"]["requests"]);
    if (PodView::is_sidecar(c)) {
      add_amounts(sum, own);
      add_amounts(sidecars, own);
    } else {
      add_amounts(own, sidecars);
      raise_amounts(sum, own);
    }
  }
  const ResourceAmounts limits = resource_amounts(pod["spec"]["resources"]["limits"]);
  auto whole = [](std::string_view name) {
    return name == "cpu" || name == "memory" || name.substr(0, 10) == "hugepages-";
  };
  Mut requests;
  auto set_missing = [&](const std::string& name, const Quantity& q) {
    if (!whole(name)) return;
    if (!requests.exists()) requests = resources.object("requests");
    if (!requests.has(name)) requests.set(name, q.text());
  };
  for (const auto& [name, q] : sum) set_missing(name, q);
  for (const auto& [name, q] : limits) set_missing(name, q);
}

}  // namespace

void default_http_get(Mut http_get) {
  default_text(http_get, "path", "/");
  default_text(http_get, "scheme", "HTTP");
}

void default_probe(Mut probe) {
  if (probe["timeoutSeconds"].integer() == 0) probe.set("timeoutSeconds", 1);
  if (probe["periodSeconds"].integer() == 0) probe.set("periodSeconds", 10);
  if (probe["successThreshold"].integer() == 0) probe.set("successThreshold", 1);
  if (probe["failureThreshold"].integer() == 0) probe.set("failureThreshold", 3);
  if (probe["httpGet"].is_object()) default_http_get(probe["httpGet"]);
  if (probe["grpc"].is_object() && !probe["grpc"].has("service")) probe["grpc"].set("service", "");
}

void default_amounts(Mut list) {
  if (!list.is_object()) return;
  for (const auto& [name, amount] : list.members()) {
    if (!amount.is_string() || !finer_than_milli(amount.str())) continue;
    auto q = Quantity::parse(amount.str());
    if (q.ok()) list.set(name, q->rounded_to_milli().text());
  }
}

void default_claim_spec(Mut spec) {
  default_requirements(spec["resources"]);
  default_text(spec, "volumeMode", "Filesystem");
}

void default_volume(Mut v) {
  if (!has_source(v)) v.object("emptyDir");
  for (const char* source : {"secret", "configMap", "downwardAPI"})
    if (v[source].is_object()) default_int(v[source], "defaultMode", kFileMode);
  default_items(v["downwardAPI"]["items"]);
  if (v["projected"].is_object()) default_projected(v["projected"]);
  if (v["hostPath"].is_object() && !v["hostPath"].has("type")) v["hostPath"].set("type", "");
  if (v["iscsi"].is_object()) default_text(v["iscsi"], "iscsiInterface", "default");
  if (v["image"].is_object()) {
    const std::string reference = v["image"]["reference"].text();
    default_text(v["image"], "pullPolicy", image_tag(reference) == "latest" ? "Always" : "IfNotPresent");
  }
  if (v["ephemeral"]["volumeClaimTemplate"].is_object())
    default_claim_spec(v["ephemeral"]["volumeClaimTemplate"].object("spec"));
  if (Mut rbd = v["rbd"]; rbd.is_object()) {
    default_text(rbd, "pool", "rbd");
    default_text(rbd, "user", "admin");
    default_text(rbd, "keyring", "/etc/ceph/keyring");
  }
  if (Mut disk = v["azureDisk"]; disk.is_object()) {
    default_text(disk, "cachingMode", "ReadWrite");
    default_text(disk, "kind", "Shared");
    default_text(disk, "fsType", "ext4");
    default_bool(disk, "readOnly", false);
  }
  if (Mut io = v["scaleIO"]; io.is_object()) {
    default_text(io, "storageMode", "ThinProvisioned");
    default_text(io, "fsType", "xfs");
  }
}

void default_pod_spec(Mut spec) {
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"})
    for (Mut c : spec[list].items()) default_container(c);
  for (Mut v : spec["volumes"].items()) default_volume(v);
  default_amounts(spec["overhead"]);
  default_requirements(spec["resources"]);
  default_text(spec, "restartPolicy", "Always");
  default_int(spec, "terminationGracePeriodSeconds", 30);
  default_text(spec, "dnsPolicy", "ClusterFirst");
  default_object(spec, "securityContext");
  default_text(spec, "schedulerName", "default-scheduler");
  // serviceAccount is the old name of serviceAccountName: both are always shown alike.
  if (spec["serviceAccountName"].str().empty() && !spec["serviceAccount"].str().empty())
    spec.set("serviceAccountName", spec["serviceAccount"].text());
  if (!spec["serviceAccountName"].str().empty()) spec.set("serviceAccount", spec["serviceAccountName"].text());
}

void default_pod(Mut spec) {
  for (const char* list : {"initContainers", "containers"})
    for (Mut c : spec[list].items()) default_requests(c);
  default_pod_level_requests(spec);
  default_bool(spec, "enableServiceLinks", true);
  if (spec["hostNetwork"].boolean()) {
    default_host_ports(spec["containers"]);
    default_host_ports(spec["initContainers"]);
  }
}

}  // namespace bramble
