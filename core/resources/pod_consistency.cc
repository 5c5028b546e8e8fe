// What one part of a pod spec says of another (core/v1 validatePodResources, validateHostUsers, validateFileKeyRefVolumes,
// validatePodHostName, and annotations that say the same as fields).
#include <map>

#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/pod_view.h"

namespace bramble {
namespace {

constexpr const char* kLists[] = {"initContainers", "containers", "ephemeralContainers"};

template <class F>
void each_container(Value spec, const Path& at, F visit) {
  for (const char* list : kLists)
    for (size_t i = 0; i < spec[list].size(); ++i) visit(spec[list].item(i), at.at(list).at(i));
}

bool is_huge_pages(std::string_view name) { return name.starts_with("hugepages-"); }

// Init containers run one after the other beside the sidecars before them; then the containers run beside all sidecars.
ResourceAmounts amounts_of_containers(Value spec, const char* which) {
  ResourceAmounts sum, sidecars, most;
  for (Value c : spec["containers"].items()) add_amounts(sum, resource_amounts(c["resources"][which]));
  for (Value c : spec["initContainers"].items()) {
    ResourceAmounts now = resource_amounts(c["resources"][which]);
    if (PodView::is_sidecar(c)) {
      add_amounts(sum, now);
      add_amounts(sidecars, now);
      now = sidecars;
    } else {
      add_amounts(now, sidecars);
    }
    raise_amounts(most, now);
  }
  raise_amounts(sum, most);
  return sum;
}

void validate_against_containers(Value spec, const Path& at, FieldErrors& errors) {
  const ResourceAmounts requests = resource_amounts(spec["resources"]["requests"]), limits = resource_amounts(spec["resources"]["limits"]);
  for (const auto& [name, needed] : amounts_of_containers(spec, "requests"))
    if (const auto own = requests.find(name); own != requests.end() && needed > own->second)
      errors.invalid(at.at("requests").key(name), own->second.text(),
                     cat("must be greater than or equal to aggregate container requests of ", needed.text()));
  for (const auto& [name, needed] : amounts_of_containers(spec, "limits"))
    if (const auto own = limits.find(name); is_huge_pages(name) && own != limits.end() && needed > own->second)
      errors.invalid(at.at("limits").key(name), own->second.text(),
                     cat("must be greater than or equal to aggregate container limits of ", needed.text()));
  for (size_t i = 0; i < spec["containers"].size(); ++i)
    for (const auto& [name, limit] : resource_amounts(spec["containers"].item(i)["resources"]["limits"]))
      if (const auto own = limits.find(name); own != limits.end() && limit > own->second)
        errors.invalid(at.at("containers").at(i).key(name).at("limits"), limit.text(),
                       cat("must be less than or equal to pod limits of ", own->second.text()));
}

// The annotation's value for a profile of that type; nullptr when it says something else.
bool says_type(std::string_view annotation, std::string_view type, bool seccomp) {
  if (type == "Unconfined") return annotation == "unconfined";
  if (type == "RuntimeDefault") return annotation == "runtime/default" || (seccomp && annotation == "docker/default");
  return type != "Localhost" || annotation.starts_with("localhost/");
}

void validate_same_profile(Value profile, Value annotation, bool seccomp, const Path& at, FieldErrors& errors) {
  if (!profile.is_object() || !annotation) return;
  const std::string_view what = seccomp ? "seccomp" : "apparmor", type = profile["type"].str(), said = annotation.str();
  if (!says_type(said, type, seccomp))
    errors.forbidden(at.at("type"), cat(what, " type in annotation and field must match"));
  else if (type == "Localhost" && said.substr(std::string_view("localhost/").size()) != profile["localhostProfile"].str())
    errors.forbidden(at.at("localhostProfile"), cat(what, " profile in annotation and field must match"));
}

}  // namespace

void validate_pod_resources(Value spec, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  if (!spec["resources"].is_object()) return;
  const Path here = at.at("resources");
  if (spec["os"]["name"].str() == "windows") return errors.forbidden(here, "may not be set for a windows pod");
  if (spec["resources"].has("claims")) errors.forbidden(here.at("claims"), "claims may not be set for Resources at pod-level");
  validate_requirements(spec["resources"], here, context, errors);
  validate_against_containers(spec, here, errors);
}

void validate_host_users(Value spec, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kWhen = "when `hostUsers` is false";
  if (!spec.has("hostUsers") || spec["hostUsers"].boolean()) return;
  if (spec["hostNetwork"].boolean()) errors.forbidden(at.at("hostNetwork"), kWhen);
  if (spec["hostPID"].boolean()) errors.forbidden(at.at("HostPID"), kWhen);
  if (spec["hostIPC"].boolean()) errors.forbidden(at.at("HostIPC"), kWhen);
  each_container(spec, at, [&](Value c, const Path& path) {
    if (c["volumeDevices"].size() > 0) errors.forbidden(path.at("volumeDevices"), kWhen);
  });
}

void validate_hostname_override(Value spec, const Path& at, FieldErrors& errors) {
  if (!spec.has("hostnameOverride")) return;
  const Path here = at.at("hostnameOverride");
  const std::string_view name = spec["hostnameOverride"].str();
  if (spec["setHostnameAsFQDN"].boolean()) errors.forbidden(here, "may not be specified when setHostnameAsFQDN is true");
  if (spec["hostNetwork"].boolean()) errors.forbidden(here, "may not be specified when hostNetwork is true");
  if (name.size() > 64) errors.too_long(here, 64);
  add_invalid(here, name, check_dns1123_subdomain(name), errors);
}

void validate_file_key_volumes(Value spec, const Path& at, FieldErrors& errors) {
  std::map<std::string, Value, std::less<>> volumes;
  for (Value v : spec["volumes"].items()) volumes.insert_or_assign(v["name"].text(), v);
  each_container(spec, at, [&](Value c, const Path& path) {
    for (size_t i = 0; i < c["env"].size(); ++i) {
      const Value ref = c["env"].item(i)["valueFrom"]["fileKeyRef"];
      if (!ref.is_object()) continue;
      const Path here = path.at("env").at(i).at("valueFrom").at("fileKeyRef").at("volumeName");
      const auto volume = volumes.find(ref["volumeName"].str());
      if (volume == volumes.end())
        errors.not_found(here, ref["volumeName"].str());
      else if (!volume->second.has("emptyDir"))
        errors.invalid(here, ref["volumeName"].str(), "referenced volume must be of type emptyDir");
    }
  });
}

void validate_annotated_profiles(Value metadata, Value spec, const Path& at, FieldErrors& errors) {
  const Value annotations = metadata["annotations"], of_pod = spec["securityContext"];
  if (!annotations.is_object()) return;
  validate_same_profile(of_pod["seccompProfile"], annotations["seccomp.security.alpha.kubernetes.io/pod"], true,
                        at.at("securityContext").at("seccompProfile"), errors);
  each_container(spec, at, [&](Value c, const Path& path) {
    validate_same_profile(c["securityContext"]["seccompProfile"], annotations[cat("container.seccomp.security.alpha.kubernetes.io/", c["name"].str())],
                          true, path.at("securityContext").at("seccompProfile"), errors);
  });
  if (spec["os"]["name"].str() == "windows") return;
  each_container(spec, at, [&](Value c, const Path& path) {
    const Value own = c["securityContext"]["appArmorProfile"];
    validate_same_profile(own.is_object() ? own : of_pod["appArmorProfile"],
                          annotations[cat("container.apparmor.security.beta.kubernetes.io/", c["name"].str())], false,
                          path.at("securityContext").at("appArmorProfile"), errors);
  });
}

}  // namespace bramble
