#include "core/resources/quota_usage.h"

#include <algorithm>
#include <map>

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/pod_spec.h"

namespace bramble {

namespace {

constexpr std::string_view kOfStorageClass = ".storageclass.storage.k8s.io/";
constexpr std::string_view kOfDeviceClass = ".deviceclass.resource.k8s.io/devices";
constexpr int64_t kDevicesOfOneResult = 32;  // resource.k8s.io AllocationResultsMaxSize: what a request for all devices counts as

bool starts(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }
bool ends(std::string_view s, std::string_view suffix) { return s.size() >= suffix.size() && s.substr(s.size() - suffix.size()) == suffix; }

bool among(std::string_view name, std::initializer_list<std::string_view> names) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool is_extended(std::string_view name) { return !is_native_resource(name) && !starts(name, "requests."); }

// Quota names of what a pod or container asks for.
ResourceAmounts compute_names(const ResourceAmounts& requests, const ResourceAmounts& limits) {
  ResourceAmounts out;
  for (const char* name : {"cpu", "memory", "ephemeral-storage"}) {
    if (auto at = requests.find(name); at != requests.end()) {
      out[name] = at->second;
      out[cat("requests.", name)] = at->second;
    }
    if (auto at = limits.find(name); at != limits.end()) out[cat("limits.", name)] = at->second;
  }
  for (const auto& [name, amount] : requests) {
    if (starts(name, "hugepages-")) out[name] = amount;
    if (starts(name, "hugepages-") || is_extended(name)) out[cat("requests.", name)] = amount;
  }
  return out;
}

// When a deleted pod should be gone: its node may be lost, and nobody is to wait for that.
std::optional<int64_t> overdue_us(Value pod) {
  Value m = pod["metadata"];
  if (!m["deletionTimestamp"] || !m["deletionGracePeriodSeconds"]) return std::nullopt;
  return parse_rfc3339(m["deletionTimestamp"].str()).value_or(0) + m["deletionGracePeriodSeconds"].integer() * 1000000;
}

bool is_live(Value pod, int64_t now_us) {
  if (PodView(pod).is_terminal()) return false;
  std::optional<int64_t> gone_us = overdue_us(pod);
  return !gone_us || now_us <= *gone_us;
}

ResourceAmounts pod_usage(Value pod, int64_t now_us) {
  if (!is_live(pod, now_us)) return {};
  PodView view(pod);
  ResourceAmounts out = compute_names(view.requests(), view.limits());
  out["pods"] = Quantity::of(1);
  return out;
}

std::string_view service_type(Value service) {
  std::string_view type = service["spec"]["type"].str();
  return type == "NodePort" || type == "LoadBalancer" ? type : std::string_view();
}

ResourceAmounts service_usage(Value service) {
  Value spec = service["spec"];
  std::string_view type = service_type(service);
  int64_t ports = type.empty() ? 0 : static_cast<int64_t>(spec["ports"].size());
  if (type == "LoadBalancer" && !spec["allocateLoadBalancerNodePorts"].boolean(true)) {
    ports = 0;
    for (Value p : spec["ports"].items()) ports += p["nodePort"].integer() != 0;
  }
  return {{"services", Quantity::of(1)}, {"services.nodeports", Quantity::of(ports)}, {"services.loadbalancers", Quantity::of(type == "LoadBalancer" ? 1 : 0)}};
}

std::string claim_class(Value claim) {
  Value annotation = claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
  return annotation ? annotation.text() : claim["spec"]["storageClassName"].text();
}

const Quantity* storage_of(const ResourceAmounts& amounts) {
  auto at = amounts.find("storage");
  return at == amounts.end() ? nullptr : &at->second;
}

Quantity whole_bytes(const Quantity& q) {
  if (q.is_integer()) return q;
  return q.format() == Quantity::Format::kBinarySI ? Quantity::of_bytes(q.value()) : Quantity::of(q.value());
}

ResourceAmounts volume_claim_usage(Value claim) {
  ResourceAmounts out{{"persistentvolumeclaims", Quantity::of(1)}};
  const std::string of_class = claim_class(claim);
  if (!of_class.empty()) out[cat(of_class, kOfStorageClass, "persistentvolumeclaims")] = Quantity::of(1);
  const ResourceAmounts asked = resource_amounts(claim["spec"]["resources"]["requests"]), given = resource_amounts(claim["status"]["allocatedResources"]);
  const Quantity* size = storage_of(asked);
  if (!size) return out;
  if (const Quantity* allocated = storage_of(given); allocated && *allocated > *size) size = allocated;
  const Quantity counted = whole_bytes(*size);
  out["requests.storage"] = counted;
  if (!of_class.empty()) out[cat(of_class, kOfStorageClass, "requests.storage")] = counted;
  return out;
}

int64_t devices_of(Value request) {
  if (request["allocationMode"].str() == "All") return kDevicesOfOneResult;
  return request["count"].integer(1);
}

// Of alternatives the one that takes most of a class counts.
ResourceAmounts device_claim_usage(Value claim) {
  ResourceAmounts out;
  for (Value request : claim["spec"]["devices"]["requests"].items()) {
    std::map<std::string, int64_t> most;
    auto look = [&](Value exact) {
      int64_t& n = most[cat(exact["deviceClassName"].str(), kOfDeviceClass)];
      n = std::max(n, devices_of(exact));
    };
    if (request["exactly"]) look(request["exactly"]);
    for (Value alternative : request["firstAvailable"].items()) look(alternative);
    for (const auto& [name, n] : most) add_amounts(out, {{name, Quantity::of(n)}});
  }
  return out;
}

bool crosses_namespaces(Value term) { return term["namespaces"].size() != 0 || term["namespaceSelector"].exists(); }

bool has_cross_namespace_affinity(Value pod) {
  for (const char* kind : {"podAffinity", "podAntiAffinity"}) {
    Value affinity = pod["spec"]["affinity"][kind];
    for (Value t : affinity["requiredDuringSchedulingIgnoredDuringExecution"].items()) {
      if (crosses_namespaces(t)) return true;
    }
    for (Value t : affinity["preferredDuringSchedulingIgnoredDuringExecution"].items()) {
      if (crosses_namespaces(t["podAffinityTerm"])) return true;
    }
  }
  return false;
}

// One ScopedResourceSelectorRequirement about the one value of its scope; "": there is none. An absent requirement asks that
// there is one.
bool fulfils(Value requirement, std::string_view value) {
  std::string_view op = requirement["operator"].str("Exists");
  bool listed = false;
  for (Value v : requirement["values"].items()) listed = listed || (!value.empty() && v.str() == value);
  if (op == "In") return listed;
  if (op == "NotIn") return !listed;
  return (op == "DoesNotExist") == value.empty();
}

std::set<std::string> attributes_classes(Value claim) {
  std::set<std::string> out;
  Value status = claim["status"];
  for (Value v : {claim["spec"]["volumeAttributesClassName"], status["currentVolumeAttributesClassName"], status["modifyVolumeStatus"]["targetVolumeAttributesClassName"]}) {
    if (!v.str().empty()) out.insert(v.text());
  }
  return out;
}

// "resource" or "resource.group".
std::string count_name(const Kind& kind) { return cat("count/", kind.resource, kind.group.empty() ? "" : ".", kind.group); }

bool has_verb(const Kind& kind, std::string_view verb) { return std::find(kind.verbs.begin(), kind.verbs.end(), verb) != kind.verbs.end(); }

}  // namespace

ResourceAmounts only_named(const ResourceAmounts& amounts, const ResourceAmounts& names) {
  ResourceAmounts out;
  for (const auto& [name, amount] : amounts) {
    if (names.count(name)) out[name] = amount;
  }
  return out;
}

ResourceAmounts growth(const ResourceAmounts& now, const ResourceAmounts& before) {
  ResourceAmounts out;
  for (const auto& [name, amount] : now) {
    auto at = before.find(name);
    Quantity more = at == before.end() ? amount : amount - at->second;
    out[name] = more.negative() ? Quantity() : more;
  }
  return out;
}

ResourceAmounts without_zeroes(ResourceAmounts amounts) {
  std::erase_if(amounts, [](const auto& entry) { return entry.second.is_zero(); });
  return amounts;
}

bool same_amounts(const ResourceAmounts& a, const ResourceAmounts& b) { return a == b; }

void write_amounts(Mut list, const ResourceAmounts& amounts) {
  for (const auto& [name, amount] : amounts) list.set(name, amount.text());
}

std::optional<QuotaEvaluator> QuotaEvaluator::of(const Kind& kind) {
  const bool events = kind.resource == "events" && (kind.group.empty() || kind.group == "events.k8s.io");
  if (!kind.namespaced || !kind.stored || events) return std::nullopt;
  Sort sort = Sort::kOther;
  std::string_view alias;
  if (kind.group.empty()) {
    if (kind.resource == "pods") sort = Sort::kPod;
    if (kind.resource == "services") sort = Sort::kService;
    if (kind.resource == "persistentvolumeclaims") sort = Sort::kVolumeClaim;
    if (among(kind.resource, {"configmaps", "resourcequotas", "replicationcontrollers", "secrets"})) alias = kind.resource;
  } else if (kind.group == "resource.k8s.io" && kind.resource == "resourceclaims") {
    sort = Sort::kDeviceClaim;
  }
  return QuotaEvaluator(sort, count_name(kind), alias);
}

bool QuotaEvaluator::counts_as(std::string_view name) const {
  if (name == count_name_) return true;
  switch (sort_) {
    case Sort::kPod:
      if (name == "pods" || starts(name, "hugepages-") || starts(name, "requests.hugepages-")) return true;
      if (among(name, {"cpu", "memory", "ephemeral-storage"})) return true;
      if (starts(name, "limits.")) return among(name, {"limits.cpu", "limits.memory", "limits.ephemeral-storage"});
      if (among(name, {"requests.cpu", "requests.memory", "requests.ephemeral-storage"})) return true;
      return starts(name, "requests.") && !is_native_resource(name);
    case Sort::kService: return among(name, {"services", "services.nodeports", "services.loadbalancers"});
    case Sort::kVolumeClaim:
      return among(name, {"persistentvolumeclaims", "requests.storage"}) || ends(name, cat(kOfStorageClass, "persistentvolumeclaims")) ||
             ends(name, cat(kOfStorageClass, "requests.storage"));
    case Sort::kDeviceClaim: return ends(name, kOfDeviceClass);
    case Sort::kOther: break;
  }
  return !alias_.empty() && name == alias_;
}

std::vector<std::string> QuotaEvaluator::matching(const ResourceAmounts& hard) const {
  std::vector<std::string> out;
  for (const auto& [name, amount] : hard) {
    if (counts_as(name)) out.push_back(name);
  }
  return out;
}

bool QuotaEvaluator::handles(bool create, std::string_view subresource) const {
  switch (sort_) {
    case Sort::kPod: return create ? subresource.empty() : subresource == "resize";
    case Sort::kService: return true;
    case Sort::kVolumeClaim: return subresource.empty() || subresource == "status";
    case Sort::kDeviceClaim: return true;
    case Sort::kOther: break;
  }
  return create && subresource.empty();
}

ResourceAmounts QuotaEvaluator::usage(Value object, int64_t now_us) const {
  ResourceAmounts out;
  switch (sort_) {
    case Sort::kPod: out = pod_usage(object, now_us); break;
    case Sort::kService: out = service_usage(object); break;
    case Sort::kVolumeClaim: out = volume_claim_usage(object); break;
    case Sort::kDeviceClaim: out = device_claim_usage(object); break;
    case Sort::kOther: break;
  }
  out[count_name_] = Quantity::of(1);
  if (!alias_.empty()) out[std::string(alias_)] = Quantity::of(1);
  return out;
}

std::optional<int64_t> QuotaEvaluator::usage_ends_us(Value object) const {
  if (sort_ != Sort::kPod || PodView(object).is_terminal()) return std::nullopt;
  return overdue_us(object);
}

bool QuotaEvaluator::in_scope(std::string_view scope, Value requirement, Value object) const {
  if (sort_ == Sort::kVolumeClaim && scope == "VolumeAttributesClass") {
    const std::set<std::string> classes = attributes_classes(object);
    if (classes.empty()) return fulfils(requirement, {});
    return std::any_of(classes.begin(), classes.end(), [&](const std::string& c) { return fulfils(requirement, c); });
  }
  if (sort_ != Sort::kPod) return false;
  const bool deadline = object["spec"]["activeDeadlineSeconds"].integer(-1) >= 0;
  if (scope == "Terminating") return deadline;
  if (scope == "NotTerminating") return !deadline;
  if (scope == "BestEffort") return PodView(object).qos() == QosClass::kBestEffort;
  if (scope == "NotBestEffort") return PodView(object).qos() != QosClass::kBestEffort;
  if (scope == "PriorityClass") return fulfils(requirement, object["spec"]["priorityClassName"].str());
  return scope == "CrossNamespacePodAffinity" && has_cross_namespace_affinity(object);
}

bool QuotaEvaluator::in_scopes(Value quota_spec, Value object) const {
  for (Value scope : quota_spec["scopes"].items()) {
    if (!in_scope(scope.str(), Value(), object)) return false;
  }
  for (Value r : quota_spec["scopeSelector"]["matchExpressions"].items()) {
    if (!in_scope(r["scopeName"].str(), r, object)) return false;
  }
  return true;
}

std::string QuotaEvaluator::missing(const std::vector<std::string>& names, Value object) const {
  // With resources of the pod as a whole, containers need none.
  Value of_pod = object["spec"]["resources"];
  if (sort_ != Sort::kPod || of_pod["requests"].size() + of_pod["limits"].size() > 0) return {};
  std::map<std::string, std::set<std::string>> containers;
  for (const char* list : {"containers", "initContainers"}) {
    for (Value c : object["spec"][list].items()) {
      const ResourceAmounts given = compute_names(resource_amounts(c["resources"]["requests"]), resource_amounts(c["resources"]["limits"]));
      for (const std::string& name : names) {
        const bool needed = among(name, {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"});
        if (needed && !given.count(name)) containers[name].insert(c["name"].text());
      }
    }
  }
  std::vector<std::string> texts;
  for (const auto& [name, of] : containers) texts.push_back(cat(name, " for: ", join({of.begin(), of.end()}, ",")));
  return texts.empty() ? std::string() : cat("must specify ", join(texts, "; "));
}

bool QuotaEvaluator::frees(Value before, Value after, int64_t now_us) const {
  switch (sort_) {
    case Sort::kPod:
      if (!is_live(before, now_us)) return false;
      if (!is_live(after, now_us) || overdue_us(before) != overdue_us(after)) return true;
      if (equal(before["spec"], after["spec"])) return false;
      return before["spec"]["activeDeadlineSeconds"].exists() != after["spec"]["activeDeadlineSeconds"].exists() || pod_usage(before, now_us) != pod_usage(after, now_us);
    case Sort::kService: return service_usage(before) != service_usage(after);
    case Sort::kVolumeClaim:
      return attributes_classes(before) != attributes_classes(after) || volume_claim_usage(before) != volume_claim_usage(after) ||
             !equal(before["status"]["allocatedResources"], after["status"]["allocatedResources"]);
    case Sort::kDeviceClaim: return device_claim_usage(before) != device_claim_usage(after);
    case Sort::kOther: break;
  }
  return false;
}

const std::vector<const Kind*>& quota_kinds() {
  static const std::vector<const Kind*> kinds = [] {
    std::vector<const Kind*> out;
    std::set<std::string> seen;
    for (const Kind& kind : all_kinds()) {
      const bool listed = has_verb(kind, "create") && has_verb(kind, "list") && has_verb(kind, "watch") && has_verb(kind, "delete");
      if (listed && QuotaEvaluator::of(kind) && seen.insert(count_name(kind)).second) out.push_back(&stored_kind(kind));
    }
    return out;
  }();
  return kinds;
}

QuotaSum quota_sum(Value quota, const EachOfKind& each, int64_t now_us) {
  QuotaSum sum;
  const ResourceAmounts hard = resource_amounts(quota["spec"]["hard"]);
  for (const Kind* kind : quota_kinds()) {
    const QuotaEvaluator evaluator = *QuotaEvaluator::of(*kind);
    ResourceAmounts wanted;
    for (const std::string& name : evaluator.matching(hard)) wanted[name] = Quantity();
    if (wanted.empty()) continue;
    ResourceAmounts used = wanted;
    each(*kind, [&](Value object) {
      if (!evaluator.in_scopes(quota["spec"], object)) return;
      add_amounts(used, only_named(evaluator.usage(object, now_us), wanted));
      std::optional<int64_t> ends_us = evaluator.usage_ends_us(object);
      if (ends_us && *ends_us >= now_us && (!sum.changes_us || *ends_us < *sum.changes_us)) sum.changes_us = ends_us;
    });
    for (const auto& [name, amount] : used) sum.used[name] = amount;
  }
  return sum;
}

}  // namespace bramble
