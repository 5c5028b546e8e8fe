#include "core/apiserver/health.h"

#include <set>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

struct Root {
  std::string_view path;
  HealthCheck::Where where;
};
constexpr Root kRoots[] = {
    {"/healthz", HealthCheck::kHealthz}, {"/livez", HealthCheck::kLivez}, {"/readyz", HealthCheck::kReadyz}};

HealthReport report_one(const HealthCheck& check) {
  Status passed = check.run();
  if (passed.ok()) return {200, "ok"};
  return {500, cat("internal server error: ", passed.error().message(), "\n")};
}

HealthReport report_all(const Root& root, const Query& query, const std::vector<HealthCheck>& checks, HealthCounts& counts) {
  std::vector<std::string> asked = query.all("exclude");
  const std::set<std::string> excluded(asked.begin(), asked.end());
  std::set<std::string> unknown = excluded;
  std::string report;
  std::vector<std::string> failed;
  for (const HealthCheck& check : checks) {
    if (!(check.where & root.where)) continue;
    if (excluded.count(check.name)) {
      unknown.erase(check.name);
      report += cat("[+]", check.name, " excluded: ok\n");
      continue;
    }
    Status passed = check.run();
    counts.count(check.name, root.path.substr(1), passed.ok());
    report += passed.ok() ? cat("[+]", check.name, " ok\n") : cat("[-]", check.name, " failed: reason withheld\n");
    if (!passed.ok()) failed.push_back(cat(check.name, ": ", passed.error().message()));
  }
  if (!unknown.empty()) {
    std::vector<std::string> quoted;
    for (const std::string& name : unknown) quoted.push_back(go_quote(name));
    report += cat("warn: some health checks cannot be excluded: no matches for ", join(quoted, ","), "\n");
  }
  std::string_view name = root.path.substr(1);
  if (!failed.empty()) {
    log_warning("api: ", root.path, " fails: ", join(failed, "; "));
    return {500, cat(report, name, " check failed\n")};
  }
  if (!query.has("verbose")) return {200, "ok"};
  return {200, cat(report, name, " check passed\n")};
}

}  // namespace

void HealthCounts::count(std::string_view check, std::string_view page, bool passed) {
  Line& line = lines_[{std::string(check), std::string(page)}];
  line.passed = passed;
  ++(passed ? line.good : line.bad);
}

void HealthCounts::print(MetricText& out) const {
  out.family("kubernetes_healthcheck", "gauge", "STABLE", "This metric records the result of a single healthcheck.");
  for (const auto& [key, line] : lines_) out.value(label_text({{"name", key.first}, {"type", key.second}}), line.passed ? 1 : 0);
  out.family("kubernetes_healthchecks_total", "counter", "STABLE", "This metric records the results of all healthcheck.");
  for (const auto& [key, line] : lines_) {
    auto total = [&](std::string_view status, uint64_t times) {
      if (times > 0) out.value(label_text({{"name", key.first}, {"status", status}, {"type", key.second}}), static_cast<double>(times));
    };
    total("error", line.bad);
    total("success", line.good);
  }
}

std::string_view health_root(std::string_view path) {
  for (const Root& root : kRoots) {
    std::string_view rest = path.substr(0, root.path.size()) == root.path ? path.substr(root.path.size()) : "x";
    if (rest.empty() || rest[0] == '/') return root.path;
  }
  return {};
}

HealthReport report_health(std::string_view path, const Query& query, const std::vector<HealthCheck>& checks, HealthCounts& counts) {
  for (const Root& root : kRoots) {
    if (path == root.path) return report_all(root, query, checks, counts);
    if (health_root(path) != root.path) continue;
    for (const HealthCheck& check : checks) {
      if ((check.where & root.where) && path.substr(root.path.size() + 1) == check.name) return report_one(check);
    }
  }
  return {};
}

std::vector<std::string> health_paths(const std::vector<HealthCheck>& checks) {
  std::vector<std::string> out;
  for (const Root& root : kRoots) {
    out.emplace_back(root.path);
    for (const HealthCheck& check : checks) {
      if (check.where & root.where) out.push_back(cat(root.path, "/", check.name));
    }
  }
  return out;
}

}  // namespace bramble
