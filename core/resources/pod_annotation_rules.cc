// Annotations that say something of a pod (core/v1 ValidatePodSpecificAnnotations).
#include <climits>

#include "core/base/strings.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

constexpr std::string_view kMirror = "kubernetes.io/config.mirror";
constexpr std::string_view kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";
constexpr std::string_view kSeccompPod = "seccomp.security.alpha.kubernetes.io/pod";
constexpr std::string_view kSeccompContainer = "container.seccomp.security.alpha.kubernetes.io/";
constexpr std::string_view kAppArmor = "container.apparmor.security.beta.kubernetes.io/";

bool is_deletion_cost(std::string_view text) {
  if (text.empty() || text[0] == '+' || (text[0] == '0' && text != "0")) return false;
  const auto n = parse_int64(text);
  return n && *n >= INT_MIN && *n <= INT_MAX;
}

void validate_seccomp(std::string_view profile, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kLocalhost = "localhost/";
  if (profile == "runtime/default" || profile == "docker/default" || profile == "unconfined") return;
  if (profile.starts_with(kLocalhost))
    validate_relative_path(profile.substr(kLocalhost.size()), at, errors);
  else
    errors.invalid(at, profile, "must be a valid seccomp profile");
}

bool has_container(Value spec, std::string_view name) {
  for (const char* list : {"initContainers", "containers"})
    for (Value c : spec[list].items())
      if (c["name"].str() == name) return true;
  return false;
}

void validate_app_armor(std::string_view key, std::string_view profile, Value spec, const Path& at, FieldErrors& errors) {
  const std::string_view container = key.substr(kAppArmor.size());
  if (!has_container(spec, container)) errors.invalid(at.key(key), container, "container not found");
  if (!profile.empty() && profile != "runtime/default" && profile != "unconfined" && !profile.starts_with("localhost/"))
    errors.invalid(at.key(key), profile, cat("invalid AppArmor profile name: ", go_quote(profile)));
}

}  // namespace

void validate_pod_annotations(Value annotations, Value spec, const Path& at, FieldErrors& errors) {
  if (const Value mirror = annotations[kMirror]; mirror && spec["nodeName"].str().empty())
    errors.invalid(at.key(kMirror), mirror.str(), "must set spec.nodeName if mirror pod annotation is set");
  if (const Value cost = annotations[kDeletionCost]; cost && !is_deletion_cost(cost.str()))
    errors.invalid(at.key(kDeletionCost), cost.str(), "must be a 32bit integer");
  if (const Value profile = annotations[kSeccompPod]) validate_seccomp(profile.str(), at.at(kSeccompPod), errors);
  for (auto [key, value] : annotations.members())
    if (key.starts_with(kSeccompContainer)) validate_seccomp(value.str(), at.at(key), errors);
  for (auto [key, value] : annotations.members())
    if (key.starts_with(kAppArmor)) validate_app_armor(key, value.str(), spec, at, errors);
}

void validate_pod_annotation_changes(Value now, Value was, const Path& at, FieldErrors& errors) {
  for (auto [key, value] : was.members()) {
    if (now[key] && now[key].str() == value.str()) continue;
    if (key.starts_with(kAppArmor)) errors.forbidden(at.key(key), "may not remove or update AppArmor annotations");
    if (key == kMirror) errors.forbidden(at.key(key), "may not remove or update mirror pod annotation");
  }
  for (auto [key, value] : now.members()) {
    if (was[key]) continue;
    if (key.starts_with(kAppArmor)) errors.forbidden(at.key(key), "may not add AppArmor annotations");
    if (key == kMirror) errors.forbidden(at.key(key), "may not add mirror pod annotation");
  }
}

}  // namespace bramble
