// The order of checks of a pod spec (core/v1 ValidatePodSpec) and of templates.
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

constexpr int64_t kInt32Max = 2147483647;
constexpr size_t kDnsSearchCharsMax = 2048;

void validate_host_network(Value spec, const Path& at, bool is_template, FieldErrors& errors) {
  if (!spec["hostNetwork"].boolean()) return;
  for (size_t i = 0; i < spec["containers"].size(); ++i) {
    const Value ports = spec["containers"].item(i)["ports"];
    for (size_t j = 0; j < ports.size(); ++j) {
      const int64_t host = ports.item(j)["hostPort"].integer();
      if ((!is_template || host != 0) && host != ports.item(j)["containerPort"].integer())
        errors.invalid(at.at("containers").at(i).at("ports").at(j).at("hostPort"), host, "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void validate_dns(Value spec, const Path& at, FieldErrors& errors) {
  const Value config = spec["dnsConfig"];
  const Path here = at.at("dnsConfig");
  if (spec["dnsPolicy"].str() == "None") {
    if (!config.is_object()) {
      errors.required(here, "must provide `dnsConfig` when `dnsPolicy` is None");
      return;
    }
    if (config["nameservers"].size() == 0) {
      errors.required(here.at("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None");
      return;
    }
  }
  if (!config.is_object()) return;
  if (config["nameservers"].size() > 3)
    errors.invalid(here.at("nameservers"), config["nameservers"], "must not have more than 3 nameservers");
  for (size_t i = 0; i < config["nameservers"].size(); ++i)
    validate_ip(config["nameservers"].item(i).str(), here.at("nameservers").at(i), errors);
  if (config["searches"].size() > 32)
    errors.invalid(here.at("searches"), config["searches"], "must not have more than 32 search paths");
  size_t chars = 0;
  for (Value search : config["searches"].items()) chars += search.str().size() + 1;
  if (chars > kDnsSearchCharsMax + 1)
    errors.invalid(here.at("searches"), config["searches"],
                   cat("must not have more than ", kDnsSearchCharsMax, " characters (including spaces) in the search list"));
  for (size_t i = 0; i < config["searches"].size(); ++i) {
    std::string_view search = config["searches"].item(i).str();
    if (search == ".") continue;
    if (!search.empty() && search.back() == '.') search.remove_suffix(1);
    // Underscores are allowed in search paths (RFC 2782 names).
    add_invalid(here.at("searches").at(i), search, check_dns1123_subdomain(replace_all(search, "_", "-")), errors);
  }
  for (size_t i = 0; i < config["options"].size(); ++i)
    if (config["options"].item(i)["name"].str().empty()) errors.required(here.at("options").at(i), "must not be empty");
}

void validate_gates(Value spec, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < spec["readinessGates"].size(); ++i) {
    const std::string_view type = spec["readinessGates"].item(i)["conditionType"].str();
    add_invalid(at.at("readinessGates").at(i).at("conditionType"), type, check_qualified_name(type), errors);
  }
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < spec["schedulingGates"].size(); ++i) {
    const std::string_view name = spec["schedulingGates"].item(i)["name"].str();
    add_invalid(at.at("schedulingGates").at(i).at("name"), name, check_qualified_name(name), errors);
    if (!seen.insert(std::string(name)).second) errors.duplicate(at.at("schedulingGates").at(i), name);
  }
}

void validate_host_aliases(Value aliases, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < aliases.size(); ++i) {
    validate_ip(aliases.item(i)["ip"].str(), at.at(i).at("ip"), errors);
    const Value names = aliases.item(i)["hostnames"];
    for (size_t j = 0; j < names.size(); ++j)
      add_invalid(at.at(i).at("hostnames").at(j), names.item(j).str(), check_dns1123_subdomain(names.item(j).str()), errors);
  }
}

void gather_claims(Value claims, const Path& at, PodSpecContext& context, FieldErrors& errors) {
  for (size_t i = 0; i < claims.size(); ++i) {
    const Value c = claims.item(i);
    const std::string_view name = c["name"].str();
    const Path here = at.at(i);
    if (name.empty())
      errors.required(here.at("name"));
    else if (!context.resource_claims.insert(std::string(name)).second)
      errors.duplicate(here.at("name"), name);
    else
      add_invalid(here.at("name"), name, check_dns1123_label(name), errors);
    const bool claim = c.has("resourceClaimName"), from_template = c.has("resourceClaimTemplateName");
    const Document printed = internal_form(c, "core.v1.PodResourceClaim");
    if (claim && from_template)
      errors.invalid(here, printed.root(), "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
    if (!claim && !from_template)
      errors.invalid(here, printed.root(), "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    for (const char* f : {"resourceClaimName", "resourceClaimTemplateName"})
      if (c.has(f)) add_invalid(here.at(f), c[f].str(), check_dns1123_subdomain(c[f].str()), errors);
  }
}

void validate_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (!name.empty()) add_invalid(at, name, check_dns1123_subdomain(name), errors);
}
void validate_host_label(std::string_view name, const Path& at, FieldErrors& errors) {
  if (!name.empty()) add_invalid(at, name, check_dns1123_label(name), errors);
}

}  // namespace

void validate_pod_spec(Value spec, const Path& at, bool is_template, FieldErrors& errors) {
  PodSpecContext context;
  context.is_template = is_template;
  context.restart_policy = spec["restartPolicy"].str();
  context.grace_seconds = spec["terminationGracePeriodSeconds"].integer(30);
  context.host_users = spec["hostUsers"].boolean(true);
  validate_volumes(spec["volumes"], at.at("volumes"), context, errors);
  gather_claims(spec["resourceClaims"], at.at("resourceClaims"), context, errors);
  validate_containers(spec, at, context, errors);
  validate_pod_resources(spec, at, context, errors);
  validate_host_network(spec, at, is_template, errors);
  validate_one_of(spec["restartPolicy"].str(), {"Always", "OnFailure", "Never"}, at.at("restartPolicy"), true, errors);
  validate_one_of(spec["dnsPolicy"].str(), {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"},
                  at.at("dnsPolicy"), true, errors);
  validate_labels(spec["nodeSelector"], at.at("nodeSelector"), errors);
  validate_pod_security(spec, at.at("securityContext"), errors);
  validate_affinity(spec["affinity"], at.at("affinity"), errors);
  validate_dns(spec, at, errors);
  validate_gates(spec, at, errors);
  validate_spread(spec["topologySpreadConstraints"], at.at("topologySpreadConstraints"), errors);
  validate_host_process(spec, at, errors);
  validate_host_users(spec, at, errors);
  validate_hostname_override(spec, at, errors);
  validate_name(spec["serviceAccountName"].str(), at.at("serviceAccountName"), errors);
  validate_name(spec["nodeName"].str(), at.at("nodeName"), errors);
  if (const Value deadline = spec["activeDeadlineSeconds"]; deadline.exists())
    if (deadline.integer() < 1 || deadline.integer() > kInt32Max)
      errors.invalid(at.at("activeDeadlineSeconds"), deadline.integer(), "must be between 1 and 2147483647, inclusive");
  validate_host_label(spec["hostname"].str(), at.at("hostname"), errors);
  validate_host_label(spec["subdomain"].str(), at.at("subdomain"), errors);
  validate_tolerations(spec["tolerations"], at.at("tolerations"), errors);
  validate_host_aliases(spec["hostAliases"], at.at("hostAliases"), errors);
  validate_name(spec["priorityClassName"].str(), at.at("priorityClassName"), errors);
  validate_name(spec["runtimeClassName"].str(), at.at("runtimeClassName"), errors);
  validate_one_of(spec["preemptionPolicy"].str(), {"PreemptLowerPriority", "Never"}, at.at("preemptionPolicy"), false,
                  errors);
  for (auto [name, amount] : spec["overhead"].members()) {
    validate_resource_name(name, at.at("overhead").key(name), errors);
    validate_resource_amount(name, amount, at.at("overhead").key(name), errors);
  }
  if (const std::string_view os = spec["os"]["name"].str(); os == "linux")
    refuse_windows_options(spec, at, errors);
  else if (os == "windows")
    refuse_linux_fields(spec, at, errors);
  else if (spec["os"].is_object() && os.empty())
    errors.required(at.at("os").at("name"));
  else if (spec["os"].is_object())
    errors.not_supported(at.at("os"), os, {"linux", "windows"});
  validate_file_key_volumes(spec, at, errors);
}

void validate_pod_template(Value pod_template, const Path& at, FieldErrors& errors) {
  validate_labels(pod_template["metadata"]["labels"], at.at("labels"), errors);
  validate_annotations(pod_template["metadata"]["annotations"], at.at("annotations"), errors);
  validate_pod_annotations(pod_template["metadata"]["annotations"], pod_template["spec"], at.at("annotations"), errors);
  validate_pod_spec(pod_template["spec"], at.at("spec"), true, errors);
  if (pod_template["spec"]["ephemeralContainers"].size() > 0)
    errors.forbidden(at.at("spec").at("ephemeralContainers"), "ephemeral containers not allowed in pod template");
  validate_annotated_profiles(pod_template["metadata"], pod_template["spec"], at.at("spec"), errors);
}

void validate_controller_template(Value pod_template, Value label_selector, const Path& at, FieldErrors& errors) {
  validate_owned_template(pod_template, label_selector, "ReplicaSet", at, errors);
}

void validate_owned_template(Value pod_template, Value label_selector, std::string_view owner_kind, const Path& at, FieldErrors& errors) {
  const auto selector = LabelSelector::from_object(label_selector);
  if (selector.ok() && !selector->empty()) {
    const Value labels = pod_template["metadata"]["labels"];
    if (!selector->matches(labels))
      errors.invalid(at.at("metadata").at("labels"), labels, "`selector` does not match template `labels`");
  }
  validate_pod_template(pod_template, at, errors);
  const Value spec = pod_template["spec"];
  if (spec["restartPolicy"].str() != "Always" && !spec["restartPolicy"].str().empty())
    errors.not_supported(at.at("spec").at("restartPolicy"), spec["restartPolicy"].str(), {"Always"});
  if (spec.has("activeDeadlineSeconds"))
    errors.forbidden(at.at("spec").at("activeDeadlineSeconds"), cat("activeDeadlineSeconds in ", owner_kind, " is not Supported"));
}

}  // namespace bramble
