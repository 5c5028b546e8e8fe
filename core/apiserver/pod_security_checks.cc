#include "core/apiserver/pod_security_checks.h"

#include "core/base/strings.h"

namespace bramble {

namespace {

// Calls fn for the row of each name that this version has.
void each_of_version(std::span<const SecurityCheck> rows, const LevelVersion& version, const std::function<void(const SecurityCheck&)>& fn) {
  const SecurityCheck* found = nullptr;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (version.latest || rows[i].since_minor <= version.minor) found = &rows[i];
    const bool last_of_name = i + 1 == rows.size() || rows[i + 1].name != rows[i].name;
    if (!last_of_name) continue;
    if (found) fn(*found);
    found = nullptr;
  }
}

}  // namespace

SecurityVerdict check_pod_security(const LevelVersion& level, Value metadata, Value spec) {
  SecurityVerdict verdict;
  if (level.level == SecurityLevel::kPrivileged) return verdict;
  auto look = [&](const SecurityCheck& check) {
    SecurityFinding finding = check.check(metadata, spec);
    if (!finding.reason.empty()) verdict.findings.push_back(std::move(finding));
  };
  const bool restricted = level.level == SecurityLevel::kRestricted;
  std::set<std::string_view> superfluous;
  if (restricted) each_of_version(restricted_checks(), level, [&](const SecurityCheck& c) { superfluous.insert(c.overrides); });
  each_of_version(baseline_checks(), level, [&](const SecurityCheck& c) {
    if (!superfluous.count(c.name)) look(c);
  });
  if (restricted) each_of_version(restricted_checks(), level, look);
  return verdict;
}

std::string SecurityVerdict::reasons() const {
  std::vector<std::string> out;
  for (const SecurityFinding& f : findings) out.push_back(f.reason);
  return join(out, ", ");
}

std::string SecurityVerdict::details() const {
  std::vector<std::string> out;
  for (const SecurityFinding& f : findings) out.push_back(f.detail.empty() ? f.reason : cat(f.reason, " (", f.detail, ")"));
  return join(out, ", ");
}

void each_container(Value spec, const std::function<void(Value container)>& fn) {
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (Value c : spec[list].items()) fn(c);
  }
}

std::string quoted_list(const std::vector<std::string>& names) {
  return names.empty() ? std::string() : cat("\"", join(names, "\", \""), "\"");
}

std::string quoted_list(const std::set<std::string>& names) { return quoted_list(std::vector<std::string>(names.begin(), names.end())); }

std::string named_containers(const std::vector<std::string>& names) {
  return cat(names.size() == 1 ? "container " : "containers ", quoted_list(names));
}

std::string setters(bool pod, const std::vector<std::string>& containers) {
  std::string out = pod ? "pod" : "";
  if (containers.empty()) return out;
  return cat(out, pod ? " and " : "", named_containers(containers));
}

bool in_user_namespace(Value spec) { return spec["hostUsers"].is_bool() && !spec["hostUsers"].boolean(); }

bool is_windows(Value spec) { return spec["os"]["name"].str() == "windows"; }

bool allowed_seccomp(Value profile) {
  std::string_view type = profile["type"].str();
  return type == "Localhost" || type == "RuntimeDefault";
}

}  // namespace bramble
