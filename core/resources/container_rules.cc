// Containers of a pod (core/v1 validateContainers, validateInitContainers, validateEphemeralContainers).
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/pod_view.h"
#include "core/resources/volume_source_rules.h"

namespace bramble {
namespace {

void validate_ports(Value ports, const Path& at, FieldErrors& errors) {
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value p = ports.item(i);
    const Path here = at.at(i);
    const std::string_view name = p["name"].str(), protocol = p["protocol"].str();
    if (!name.empty()) {
      const auto bad = check_port_name(name);
      add_invalid(here.at("name"), name, bad, errors);
      if (bad.empty() && !names.insert(std::string(name)).second) errors.duplicate(here.at("name"), name);
    }
    const int64_t port = p["containerPort"].integer(), host_port = p["hostPort"].integer();
    if (port == 0)
      errors.required(here.at("containerPort"));
    else
      for (const std::string& m : check_port_number(port)) errors.invalid(here.at("containerPort"), port, m);
    if (host_port != 0)
      for (const std::string& m : check_port_number(host_port)) errors.invalid(here.at("hostPort"), host_port, m);
    validate_one_of(protocol, {"SCTP", "TCP", "UDP"}, here.at("protocol"), true, errors);
  }
}

void check_host_ports(Value c, const Path& at, std::set<std::string>& taken, FieldErrors& errors) {
  for (size_t i = 0; i < c["ports"].size(); ++i) {
    const Value p = c["ports"].item(i);
    if (p["hostPort"].integer() == 0) continue;
    const std::string what = cat(p["protocol"].str(), "/", p["hostIP"].str(), "/", p["hostPort"].integer());
    if (!taken.insert(what).second) errors.duplicate(at.at("ports").at(i).at("hostPort"), what);
  }
}

bool has_device(Value devices, const char* field, std::string_view text) {
  for (Value d : devices.items())
    if (d[field].str() == text) return true;
  return false;
}

void validate_mounts(Value c, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  std::set<std::string, std::less<>> paths;
  for (size_t i = 0; i < c["volumeMounts"].size(); ++i) {
    const Value m = c["volumeMounts"].item(i);
    const Path here = at.at("volumeMounts").at(i);
    const std::string_view name = m["name"].str(), path = m["mountPath"].str(), sub = m["subPath"].str(),
                           expression = m["subPathExpr"].str(), propagation = m["mountPropagation"].str();
    if (name.empty()) errors.required(here.at("name"));
    if (!context.volumes.count(name)) errors.not_found(here.at("name"), name);
    if (path.empty()) errors.required(here.at("mountPath"));
    if (!paths.insert(std::string(path)).second) errors.invalid(here.at("mountPath"), path, "must be unique");
    if (has_device(c["volumeDevices"], "name", name))
      errors.invalid(here.at("name"), name, "must not already exist in volumeDevices");
    if (has_device(c["volumeDevices"], "devicePath", path))
      errors.invalid(here.at("mountPath"), path, "must not already exist as a path in volumeDevices");
    if (!sub.empty()) validate_relative_path(sub, here.at("subPath"), errors);
    if (!expression.empty()) {
      if (!sub.empty())
        errors.invalid(here.at("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
      validate_relative_path(expression, here.at("subPathExpr"), errors);
    }
    if (!propagation.empty()) {
      validate_one_of(propagation, {"Bidirectional", "HostToContainer", "None"}, here.at("mountPropagation"), true,
                      errors);
      if (propagation == "Bidirectional" && !c["securityContext"]["privileged"].boolean())
        errors.forbidden(here.at("mountPropagation"),
                         "Bidirectional mount propagation is available only to privileged containers");
    }
    if (const std::string_view recursive = m["recursiveReadOnly"].str();
        !recursive.empty() && recursive != "Disabled") {
      if (recursive != "IfPossible" && recursive != "Enabled")
        errors.not_supported(here.at("recursiveReadOnly"), recursive, {"Disabled", "IfPossible", "Enabled"});
      else if (!m["readOnly"].boolean())
        errors.forbidden(here.at("recursiveReadOnly"), "may only be specified when readOnly is true");
      else if (!propagation.empty() && propagation != "None")
        errors.forbidden(here.at("recursiveReadOnly"),
                         "may only be specified when mountPropagation is None or not specified");
    }
  }
}

void validate_devices(Value c, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  std::set<std::string, std::less<>> names, paths, mounts, mount_paths;
  for (Value m : c["volumeMounts"].items()) {
    mounts.insert(m["name"].text());
    mount_paths.insert(m["mountPath"].text());
  }
  for (size_t i = 0; i < c["volumeDevices"].size(); ++i) {
    const Value d = c["volumeDevices"].item(i);
    const Path here = at.at("volumeDevices").at(i);
    const std::string_view name = d["name"].str(), path = d["devicePath"].str();
    if (name.empty()) errors.required(here.at("name"));
    if (names.count(name)) errors.invalid(here.at("name"), name, "must be unique");
    if (!context.volumes.count(name))
      errors.not_found(here.at("name"), name);
    else if (!context.claim_volumes.count(name))
      errors.invalid(here.at("name"), name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
    if (path.empty()) errors.required(here.at("devicePath"));
    if (paths.count(path)) errors.invalid(here.at("devicePath"), path, "must be unique");
    FieldErrors steps;
    validate_no_backsteps(path, here, steps);
    if (steps.empty())
      paths.insert(std::string(path));
    else
      errors.invalid(here.at("devicePath"), path, "can not contain backsteps ('..')");
    if (mounts.count(name)) errors.invalid(here.at("name"), name, "must not already exist in volumeMounts");
    if (mount_paths.count(path)) errors.invalid(here.at("devicePath"), path, "must not already exist as a path in volumeMounts");
    if (!name.empty()) names.insert(std::string(name));
  }
}

void validate_resize_policy(Value c, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < c["resizePolicy"].size(); ++i) {
    const Value p = c["resizePolicy"].item(i);
    const Path here = at.at("resizePolicy").at(i);
    const std::string_view resource = p["resourceName"].str(), policy = p["restartPolicy"].str();
    if (!seen.insert(std::string(resource)).second) errors.duplicate(here, resource);
    validate_one_of(resource, {"cpu", "memory"}, at.at("resizePolicy"), true, errors);
    validate_one_of(policy, {"NotRequired", "RestartContainer"}, at.at("resizePolicy"), true, errors);
    if (context.restart_policy == "Never" && policy != "NotRequired")
      errors.invalid(at.at("resizePolicy"), policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
  }
}

void refuse_restarts_by_resize(Value policies, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < policies.size(); ++i)
    if (policies.item(i)["restartPolicy"].str() == "RestartContainer")
      errors.invalid(at.at(i).at("restartPolicy"), "RestartContainer", "must not be set to 'RestartContainer' for non-sidecar initContainers");
}

void validate_common(Value c, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  const std::string_view name = c["name"].str(), image = c["image"].str();
  if (name.empty())
    errors.required(at.at("name"));
  else
    add_invalid(at.at("name"), name, check_dns1123_label(name), errors);
  if (image.empty())
    errors.required(at.at("image"));
  else if (!context.is_template && image.size() != trim(image).size())
    errors.invalid(at.at("image"), image, "must not have leading or trailing whitespace");
  validate_one_of(c["terminationMessagePolicy"].str(), {"FallbackToLogsOnError", "File"},
                  at.at("terminationMessagePolicy"), true, errors);
  validate_ports(c["ports"], at.at("ports"), errors);
  validate_env(c["env"], at.at("env"), errors);
  validate_env_from(c["envFrom"], at.at("envFrom"), errors);
  validate_mounts(c, at, context, errors);
  validate_devices(c, at, context, errors);
  validate_one_of(c["imagePullPolicy"].str(), {"Always", "IfNotPresent", "Never"}, at.at("imagePullPolicy"), true,
                  errors);
  validate_requirements(c["resources"], at.at("resources"), context, errors);
  validate_resize_policy(c, at, context, errors);
  validate_security_context(c["securityContext"], at.at("securityContext"), context.host_users, errors);
}

void validate_restart_rules(Value c, const Path& at, FieldErrors& errors) {
  const std::string_view policy = c["restartPolicy"].str();
  validate_one_of(policy, {"Always", "Never", "OnFailure"}, at.at("restartPolicy"), false, errors);
  if (c["restartPolicyRules"].size() == 0) return;
  if (policy.empty()) errors.required(at.at("restartPolicy"), "must specify restartPolicy when restart rules are used");
  for (size_t i = 0; i < c["restartPolicyRules"].size(); ++i) {
    const Value rule = c["restartPolicyRules"].item(i);
    const Path here = at.at("restartPolicyRules").at(i);
    validate_one_of(rule["action"].str(), {"Restart", "RestartAllContainers"}, here.at("action"), true, errors);
    if (!rule["exitCodes"].is_object()) {
      errors.required(here.at("exitCodes"), "must be specified");
      continue;
    }
    validate_one_of(rule["exitCodes"]["operator"].str(), {"In", "NotIn"}, here.at("exitCodes").at("operator"), true,
                    errors);
  }
}

}  // namespace

void validate_containers(Value spec, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  std::set<std::string, std::less<>> names;
  std::set<std::string> host_ports;
  const Value containers = spec["containers"], init = spec["initContainers"], ephemeral = spec["ephemeralContainers"];
  const Path list = at.at("containers");
  if (containers.size() == 0) errors.required(list);
  for (size_t i = 0; i < containers.size(); ++i) {
    const Value c = containers.item(i);
    const Path here = list.at(i);
    validate_common(c, here, context, errors);
    if (!names.insert(c["name"].text()).second) errors.duplicate(here.at("name"), c["name"].str());
    validate_lifecycle(c["lifecycle"], here.at("lifecycle"), context, errors);
    validate_probes(c, here, context, errors);
    validate_restart_rules(c, here, errors);
  }
  for (size_t i = 0; i < containers.size(); ++i) check_host_ports(containers.item(i), list.at(i), host_ports, errors);

  for (size_t i = 0; i < init.size(); ++i) {
    const Value c = init.item(i);
    const Path here = at.at("initContainers").at(i);
    validate_common(c, here, context, errors);
    const std::string_view name = c["name"].str();
    if (names.count(name))
      errors.duplicate(here.at("name"), name);
    else if (!name.empty())
      names.insert(std::string(name));
    std::set<std::string> own_ports;
    check_host_ports(c, here, own_ports, errors);
    validate_restart_rules(c, here, errors);
    if (!PodView::is_sidecar(c)) refuse_restarts_by_resize(c["resizePolicy"], here.at("resizePolicy"), errors);
    if (PodView::is_sidecar(c)) {
      validate_lifecycle(c["lifecycle"], here.at("lifecycle"), context, errors);
      validate_probes(c, here, context, errors);
      continue;
    }
    for (const char* field : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
      if (c.has(field))
        errors.forbidden(here.at(field), "may not be set for init containers without restartPolicy=Always");
  }

  for (size_t i = 0; i < ephemeral.size(); ++i) {
    const Value c = ephemeral.item(i);
    const Path here = at.at("ephemeralContainers").at(i);
    validate_common(c, here, context, errors);
    const std::string_view name = c["name"].str(), target = c["targetContainerName"].str();
    if (names.count(name))
      errors.duplicate(here.at("name"), name);
    else if (!name.empty())
      names.insert(std::string(name));
    if (!target.empty()) {
      bool found = false;
      for (Value list_of : {containers, init})
        for (Value other : list_of.items()) found = found || other["name"].str() == target;
      if (!found) errors.not_found(here.at("targetContainerName"), target);
    }
    for (const char* field : {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"})
      if (c.has(field)) errors.forbidden(here.at(field), "cannot be set for an Ephemeral Container");
    if (c["resources"].size() > 0) errors.forbidden(here.at("resources"), "cannot be set for an Ephemeral Container");
    for (size_t j = 0; j < c["volumeMounts"].size(); ++j) {
      const Value m = c["volumeMounts"].item(j);
      if (!m["subPath"].str().empty())
        errors.forbidden(here.at("volumeMounts").at(j).at("subPath"), "cannot be set for an Ephemeral Container");
      if (!m["subPathExpr"].str().empty())
        errors.forbidden(here.at("volumeMounts").at(j).at("subPathExpr"), "cannot be set for an Ephemeral Container");
    }
  }
}

}  // namespace bramble
