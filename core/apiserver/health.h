// /healthz, /livez, /readyz and each check below them: what is checked, and the report in upstream's form
// (k8s.io/apiserver/pkg/server/healthz). Owner's loop thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/query.h"
#include "core/base/metrics.h"
#include "core/base/result.h"

namespace bramble {

struct HealthCheck {
  enum Where : unsigned { kHealthz = 1, kLivez = 2, kReadyz = 4, kEverywhere = 7 };
  std::string name;  // "etcd"
  unsigned where = kEverywhere;
  std::function<Status()> run;  // an error's text goes to the log, and to who asks for this check alone
};

struct HealthReport {
  int status = 404;  // 200 or 500; 404 for a path that is none of these
  std::string text = "404 page not found\n";
};

// How each check went each time that its page was asked for as a whole (/metrics/slis).
class HealthCounts {
 public:
  void count(std::string_view check, std::string_view page, bool passed);  // page: "readyz"
  void print(MetricText& out) const;

 private:
  struct Line {
    bool passed = false;  // the last time
    uint64_t good = 0, bad = 0;
  };
  std::map<std::pair<std::string, std::string>, Line> lines_;  // by check and page
};

// "/readyz" of "/readyz/etcd"; "" when the path is no health path.
std::string_view health_root(std::string_view path);
// Runs what the path names. Failed checks are logged.
HealthReport report_health(std::string_view path, const Query& query, const std::vector<HealthCheck>& checks, HealthCounts& counts);
// All paths that report_health answers.
std::vector<std::string> health_paths(const std::vector<HealthCheck>& checks);

}  // namespace bramble
