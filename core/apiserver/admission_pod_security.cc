#include "core/apiserver/admission_pod_security.h"

#include <algorithm>
#include <set>

#include "core/apiserver/pod_security_checks.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

constexpr std::string_view kAnnotations = "pod-security.kubernetes.io/";

// Where the template is.
struct Templated {
  std::string_view group, resource;
  Value (*pod)(Value object);
};
Value in_spec(Value o) { return o["spec"]["template"]; }
constexpr Templated kTemplated[] = {
    {"", "pods", [](Value o) { return o; }},
    {"", "podtemplates", [](Value o) { return o["template"]; }},
    {"", "replicationcontrollers", in_spec},
    {"apps", "replicasets", in_spec},
    {"apps", "deployments", in_spec},
    {"apps", "statefulsets", in_spec},
    {"apps", "daemonsets", in_spec},
    {"batch", "jobs", in_spec},
    {"batch", "cronjobs", [](Value o) { return o["spec"]["jobTemplate"]["spec"]["template"]; }},
};

const Templated* templated(const Kind& kind) {
  for (const Templated& t : kTemplated) {
    if (t.group == kind.group && t.resource == kind.resource) return &t;
  }
  return nullptr;
}

bool is_namespaces(const Kind& kind) { return kind.group.empty() && kind.resource == "namespaces"; }
bool is_pods(const Kind& kind) { return kind.group.empty() && kind.resource == "pods"; }

bool changes_no_spec(std::string_view subresource) {
  for (std::string_view s : {"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"}) {
    if (s == subresource) return true;
  }
  return false;
}

// Of what an update of a pod can change, images alone matter, and new containers.
bool has_new_images(Value spec, Value old) {
  for (const char* list : {"containers", "initContainers"}) {
    if (spec[list].size() != old[list].size()) return true;
    for (size_t i = 0; i < spec[list].size(); ++i) {
      if (spec[list].item(i)["image"].str() != old[list].item(i)["image"].str()) return true;
    }
  }
  for (Value c : spec["ephemeralContainers"].items()) {
    Value before;
    for (Value o : old["ephemeralContainers"].items()) {
      if (o["name"].str() == c["name"].str()) before = o;
    }
    if (!before || before["image"].str() != c["image"].str()) return true;
  }
  return false;
}

// Verdicts by level and version, each found once.
class Verdicts {
 public:
  Verdicts(Value metadata, Value spec) : metadata_(metadata), spec_(spec) {}
  const SecurityVerdict& of(const LevelVersion& level) {
    auto at = known_.find(level);
    if (at == known_.end()) at = known_.emplace(level, check_pod_security(level, metadata_, spec_)).first;
    return at->second;
  }

 private:
  Value metadata_, spec_;
  std::map<LevelVersion, SecurityVerdict> known_;
};

std::string would_violate(const LevelVersion& level, const SecurityVerdict& verdict) {
  return cat("would violate PodSecurity ", go_quote(level.text()), ": ", verdict.details());
}

void note(PodSecurityAnswer& answer, std::string_view name, std::string text) { answer.annotations[cat(kAnnotations, name)] = std::move(text); }

void evaluate(PodSecurityAnswer& answer, const PodSecurityPolicy& policy, Value pod, const Kind& kind, std::string_view name) {
  Verdicts verdicts(pod["metadata"], pod["spec"]);
  if (is_pods(kind)) {
    note(answer, "enforce-policy", policy.enforce.text());
    const SecurityVerdict& verdict = verdicts.of(policy.enforce);
    if (!verdict.allowed()) {
      answer.status = api_forbidden({"", "pods"}, name, cat("violates PodSecurity ", go_quote(policy.enforce.text()), ": ", verdict.details()));
    }
  }
  const SecurityVerdict& audited = verdicts.of(policy.audit);
  if (!audited.allowed()) note(answer, "audit-violations", would_violate(policy.audit, audited));
  if (!answer.status.ok()) return;  // the refusal says it
  const SecurityVerdict& warned = verdicts.of(policy.warn);
  if (!warned.allowed()) answer.warnings.push_back(would_violate(policy.warn, warned));
}

// Those of one controller are mostly alike: one of each comes first.
std::vector<Document> varied_first(const EachPod& each_pod) {
  std::vector<Document> first, alike;
  std::set<std::string, std::less<>> seen;
  each_pod([&](const Document& pod) {
    std::string_view owner;
    for (Value o : pod["metadata"]["ownerReferences"].items()) {
      if (o["controller"].boolean()) owner = o["uid"].str();
    }
    const bool again = !owner.empty() && !seen.insert(std::string(owner)).second;
    (again ? alike : first).push_back(pod);
  });
  first.insert(first.end(), alike.begin(), alike.end());
  return first;
}

std::vector<std::string> violations(std::string_view ns, const LevelVersion& level, const EachPod& each_pod, const Clock& clock) {
  struct Violators {
    std::string first_name;
    size_t count = 0;
  };
  std::map<std::string, Violators> by_reason;
  const std::vector<Document> pods = varied_first(each_pod);
  const int64_t until_us = clock.monotonic_us() + limits::kPodSecurityNamespaceUs;
  size_t looked_at = 0;
  while (looked_at < pods.size() && looked_at < limits::kPodSecurityNamespacePods && clock.monotonic_us() <= until_us) {
    const Document& pod = pods[looked_at++];
    SecurityVerdict verdict = check_pod_security(level, pod["metadata"], pod["spec"]);
    if (verdict.allowed()) continue;
    Violators& v = by_reason[verdict.reasons()];
    if (v.count++ == 0 || name_of(pod) < v.first_name) v.first_name = name_of(pod);
  }
  std::vector<std::string> warnings, told;
  if (looked_at < pods.size()) {
    warnings.push_back(cat("new PodSecurity enforce level only checked against the first ", looked_at, " of ", pods.size(), " existing pods"));
  }
  if (!by_reason.empty()) {
    warnings.push_back(cat("existing pods in namespace ", go_quote(ns), " violate the new PodSecurity enforce level ", go_quote(level.text())));
  }
  for (const auto& [reason, v] : by_reason) {
    std::string others = v.count == 1 ? "" : v.count == 2 ? " (and 1 other pod)" : cat(" (and ", v.count - 1, " other pods)");
    told.push_back(cat(v.first_name, others, ": ", reason));
  }
  std::sort(told.begin(), told.end());
  warnings.insert(warnings.end(), told.begin(), told.end());
  return warnings;
}

bool same_errors(const FieldErrors& a, const FieldErrors& b) {
  return std::equal(a.list().begin(), a.list().end(), b.list().begin(), b.list().end(),
                    [](const FieldError& x, const FieldError& y) { return x.field == y.field && x.message == y.message; });
}

}  // namespace

bool has_pod_security(const Kind& kind) { return is_namespaces(kind) || templated(kind) != nullptr; }

PodSecurityAnswer check_pod_write(const Kind& kind, std::string_view subresource, std::string_view name, Value ns, Value object, Value old) {
  PodSecurityAnswer answer;
  const bool pods = is_pods(kind);
  if (pods ? changes_no_spec(subresource) : !subresource.empty()) return answer;
  FieldErrors errors;
  PodSecurityPolicy policy = PodSecurityPolicy::of(ns["metadata"]["labels"], errors);
  if (errors.empty() && pods && policy.fully_privileged()) {
    note(answer, "enforce-policy", policy.enforce.text());
    return answer;
  }
  constexpr SecurityLevel kNone = SecurityLevel::kPrivileged;
  if (errors.empty() && !pods && policy.warn.level == kNone && policy.audit.level == kNone) return answer;
  if (pods && old && !has_new_images(object["spec"], old["spec"])) return answer;
  Value pod = templated(kind)->pod(object);
  if (!pod) return answer;  // a ReplicationController may have no template
  if (!errors.empty()) {
    std::vector<std::string> texts;
    for (const FieldError& e : errors.list()) texts.push_back(cat(e.field, ": ", e.message));
    std::string all = texts.size() == 1 ? texts[0] : cat("[", join(texts, ", "), "]");
    note(answer, "error", cat("Failed to parse policy: ", all));
  }
  evaluate(answer, policy, pod, kind, name);
  return answer;
}

PodSecurityAnswer check_namespace_write(Value ns, Value old, const EachPod& each_pod, const Clock& clock) {
  PodSecurityAnswer answer;
  FieldErrors errors, old_errors;
  PodSecurityPolicy policy = PodSecurityPolicy::of(ns["metadata"]["labels"], errors);
  PodSecurityPolicy old_policy = PodSecurityPolicy::of(old["metadata"]["labels"], old_errors);
  const bool news = !old || old_errors.empty() || !same_errors(errors, old_errors);
  if (!errors.empty() && news) {
    answer.status = errors.to_error("", "Namespace", meta(ns, "name"));
    return answer;
  }
  const LevelVersion &now = policy.enforce, &before = old_policy.enforce;
  if (!old || now == before || now.level == SecurityLevel::kPrivileged) return answer;
  const bool same_version = now.latest == before.latest && now.minor == before.minor;
  if (same_version && now.level <= before.level) return answer;
  answer.warnings = violations(meta(ns, "name"), now, each_pod, clock);
  return answer;
}

}  // namespace bramble
