// Environment variables and the downward API (core/v1 ValidateEnv, validateObjectFieldSelector).
#include <algorithm>

#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/volume_source_rules.h"

namespace bramble {
namespace {

// metadata.labels['key'] -> {"metadata.labels", "key"}
bool split_subscript(std::string_view path, std::string_view& base, std::string_view& subscript) {
  if (path.size() < 4 || path.substr(path.size() - 2) != "']") return false;
  const auto parts = cut(path.substr(0, path.size() - 2), "['");
  if (!parts) return false;
  base = parts->first;
  subscript = parts->second;
  return true;
}

bool known_pod_field(std::string_view path) {
  static constexpr std::string_view kFields[] = {
      "metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
      "metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
      "spec.schedulerName",   "status.phase",    "status.hostIP",      "status.hostIPs",
      "status.podIP",         "status.podIPs"};
  return std::find(std::begin(kFields), std::end(kFields), path) != std::end(kFields);
}

void validate_divisor(std::string_view resource, Value divisor, const Path& at, FieldErrors& errors) {
  const std::string text = divisor.is_string() ? divisor.text() : divisor.dump();
  if (text.empty() || text == "0") return;
  auto among = [&](std::initializer_list<std::string_view> valid) {
    return std::find(valid.begin(), valid.end(), text) != valid.end();
  };
  const bool cpu = resource == "limits.cpu" || resource == "requests.cpu";
  if (cpu) {
    if (!among({"1m", "1"}))
      errors.invalid(at.at("divisor"), resource, "only divisor's values 1m and 1 are supported with the cpu resource");
    return;
  }
  if (among({"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"})) return;
  std::string_view what = "memory";
  if (resource.find("ephemeral-storage") != std::string_view::npos) what = "local ephemeral storage";
  if (resource.find("hugepages-") != std::string_view::npos) what = "hugepages";
  errors.invalid(
      at.at("divisor"), resource,
      cat("only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the ", what,
          " resource"));
}

void validate_key_ref(Value ref, const Path& at, FieldErrors& errors) {
  const std::string_view name = ref["name"].str(), key = ref["key"].str();
  add_invalid(at.at("name"), name, check_dns1123_subdomain(name), errors);
  if (key.empty())
    errors.required(at.at("key"));
  else
    add_invalid(at.at("key"), key, check_config_key(key), errors);
}

void validate_file_key_ref(Value ref, const Path& at, FieldErrors& errors) {
  const std::string_view key = ref["key"].str(), volume = ref["volumeName"].str(), path = ref["path"].str();
  if (key.empty())
    errors.required(at.at("key"));
  else
    add_invalid(at.at("key"), key, check_relaxed_env_var_name(key), errors);
  if (volume.empty())
    errors.required(at.at("volumeName"));
  else
    add_invalid(at.at("volumeName"), volume, check_dns1123_label(volume), errors);
  if (path.empty())
    errors.required(at.at("path"));
  else
    validate_no_backsteps(path, at.at("path"), errors);
}

void validate_value_from(Value env, const Path& at, FieldErrors& errors) {
  const Value from = env["valueFrom"];
  int sources = 0;
  if (from.has("fieldRef")) {
    ++sources;
    validate_field_ref(from["fieldRef"], at.at("fieldRef"), true, errors);
  }
  if (from.has("resourceFieldRef")) {
    ++sources;
    validate_resource_field_ref(from["resourceFieldRef"], at.at("resourceFieldRef"), false, errors);
  }
  for (const char* name : {"configMapKeyRef", "secretKeyRef"})
    if (from.has(name)) {
      ++sources;
      validate_key_ref(from[name], at.at(name), errors);
    }
  if (from.has("fileKeyRef")) {
    ++sources;
    validate_file_key_ref(from["fileKeyRef"], at.at("fileKeyRef"), errors);
  }
  if (sources == 0)
    errors.invalid(
        at, "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
  else if (!env["value"].str().empty())
    errors.invalid(at, "", "may not be specified when `value` is not empty");
  else if (sources > 1)
    errors.invalid(at, "", "may not have more than one field specified at a time");
}

}  // namespace

void validate_field_ref(Value ref, const Path& at, bool env, FieldErrors& errors) {
  const std::string_view version = ref["apiVersion"].str();
  std::string_view path = ref["fieldPath"].str();
  if (version.empty()) return errors.required(at.at("apiVersion"));
  if (path.empty()) return errors.required(at.at("fieldPath"));
  const Path here = at.at("fieldPath");
  if (version != "v1") {
    errors.invalid(here, path, cat("error converting fieldPath: unsupported pod version: ", version));
    return;
  }
  std::string_view base, subscript;
  if (split_subscript(path, base, subscript)) {
    if (base == "metadata.annotations")
      add_invalid(at, subscript, check_qualified_name(lower(subscript)), errors);
    else if (base == "metadata.labels")
      add_invalid(at, subscript, check_qualified_name(subscript), errors);
    else if (known_pod_field(base))
      errors.invalid(at, base, "does not support subscript");
    else
      errors.invalid(here, path, cat("error converting fieldPath: field label not supported: ", path));
    return;
  }
  if (path == "spec.host") path = "spec.nodeName";
  if (!known_pod_field(path)) {
    errors.invalid(here, path, cat("error converting fieldPath: field label not supported: ", path));
    return;
  }
  static const std::vector<std::string_view> kEnv = {
      "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
      "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};
  static const std::vector<std::string_view> kVolume = {"metadata.annotations", "metadata.labels", "metadata.name",
                                                        "metadata.namespace", "metadata.uid"};
  const auto& valid = env ? kEnv : kVolume;
  if (std::find(valid.begin(), valid.end(), path) == valid.end()) errors.not_supported(here, path, valid);
}

void validate_resource_field_ref(Value ref, const Path& at, bool volume, FieldErrors& errors) {
  const std::string_view resource = ref["resource"].str();
  static const std::vector<std::string_view> kValid = {"limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
                                                       "requests.cpu", "requests.ephemeral-storage", "requests.memory"};
  if (volume && ref["containerName"].str().empty()) {
    errors.required(at.at("containerName"));
  } else if (resource.empty()) {
    errors.required(at.at("resource"));
  } else if (std::find(kValid.begin(), kValid.end(), resource) == kValid.end() &&
             resource.substr(0, 17) != "limits.hugepages-" && resource.substr(0, 19) != "requests.hugepages-") {
    errors.not_supported(at.at("resource"), resource, kValid);
  }
  validate_divisor(resource, ref["divisor"], at, errors);
}

void validate_env(Value env, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < env.size(); ++i) {
    const Value e = env.item(i);
    const Path here = at.at(i);
    const std::string_view name = e["name"].str();
    if (name.empty())
      errors.required(here.at("name"));
    else
      add_invalid(here.at("name"), name, check_relaxed_env_var_name(name), errors);
    if (e["valueFrom"].is_object()) validate_value_from(e, here.at("valueFrom"), errors);
  }
}

void validate_env_from(Value env_from, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < env_from.size(); ++i) {
    const Value e = env_from.item(i);
    const Path here = at.at(i);
    const std::string_view prefix = e["prefix"].str();
    if (!prefix.empty()) add_invalid(here.at("prefix"), prefix, check_relaxed_env_var_name(prefix), errors);
    int sources = 0;
    for (const char* ref : {"configMapRef", "secretRef"})
      if (e.has(ref)) {
        ++sources;
        const std::string_view name = e[ref]["name"].str();
        add_invalid(here.at(ref).at("name"), name, check_dns1123_subdomain(name), errors);
      }
    if (sources == 0)
      errors.invalid(here, "", "must specify one of: `configMapRef` or `secretRef`");
    else if (sources > 1)
      errors.invalid(here, "", "may not have more than one field specified at a time");
  }
}

}  // namespace bramble
