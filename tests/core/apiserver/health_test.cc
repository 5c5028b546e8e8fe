// What /healthz, /livez and /readyz say: upstream's lines, byte for byte.
#include "core/apiserver/health.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

Status passes() { return ok(); }
Status fails() { return Error(Code::kNoSpace, "disk is full"); }

std::vector<HealthCheck> checks(Status (*store)()) {
  return {{"ping", HealthCheck::kEverywhere, passes},
          {"etcd", HealthCheck::kEverywhere, store},
          {"poststarthook/a/b", HealthCheck::kEverywhere, passes},
          {"informer-sync", HealthCheck::kReadyz, passes}};
}

TEST(Health, reports_as_upstream_does) {
  struct Row {
    const char *name, *path, *query;
    Status (*store)();
    int status;
    const char* text;
  };
  const Row rows[] = {
      {"well", "/healthz", "", passes, 200, "ok"},
      {"well, in full", "/healthz", "verbose", passes, 200,
       "[+]ping ok\n[+]etcd ok\n[+]poststarthook/a/b ok\nhealthz check passed\n"},
      {"readyz has more", "/readyz", "verbose=1", passes, 200,
       "[+]ping ok\n[+]etcd ok\n[+]poststarthook/a/b ok\n[+]informer-sync ok\nreadyz check passed\n"},
      {"a failure is shown in full", "/livez", "", fails, 500,
       "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/a/b ok\nlivez check failed\n"},
      {"excluded", "/livez", "verbose&exclude=etcd", fails, 200,
       "[+]ping ok\n[+]etcd excluded: ok\n[+]poststarthook/a/b ok\nlivez check passed\n"},
      {"two excluded, one unknown", "/livez", "verbose&exclude=etcd&exclude=ping&exclude=nope", fails, 200,
       "[+]ping excluded: ok\n[+]etcd excluded: ok\n[+]poststarthook/a/b ok\n"
       "warn: some health checks cannot be excluded: no matches for \"nope\"\nlivez check passed\n"},
      {"excluded elsewhere only", "/livez", "verbose&exclude=informer-sync", passes, 200,
       "[+]ping ok\n[+]etcd ok\n[+]poststarthook/a/b ok\n"
       "warn: some health checks cannot be excluded: no matches for \"informer-sync\"\nlivez check passed\n"},
      {"one alone", "/readyz/ping", "", fails, 200, "ok"},
      {"one alone, failing", "/readyz/etcd", "", fails, 500, "internal server error: disk is full\n"},
      {"one with slashes", "/livez/poststarthook/a/b", "", passes, 200, "ok"},
      {"unknown", "/livez/nope", "", passes, 404, "404 page not found\n"},
      {"of another root", "/livez/informer-sync", "", passes, 404, "404 page not found\n"},
      {"a slash too many", "/livez/", "", passes, 404, "404 page not found\n"},
  };
  HealthCounts counts;
  for (const Row& row : rows) {
    HealthReport report = report_health(row.path, Query::parse(row.query), checks(row.store), counts);
    EXPECT_EQ(report.status, row.status) << row.name;
    EXPECT_EQ(report.text, row.text) << row.name;
  }
}

TEST(Health, counts_what_each_page_found) {
  HealthCounts counts;
  for (auto store : {passes, fails, passes}) report_health("/livez", Query(), checks(store), counts);
  report_health("/readyz", Query(), checks(fails), counts);
  report_health("/livez/etcd", Query(), checks(fails), counts);  // not of one alone
  MetricText text;
  counts.print(text);
  const std::string page = text.take();
  for (const char* line : {"# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single healthcheck.\n# TYPE kubernetes_healthcheck gauge\n",
                           "kubernetes_healthcheck{name=\"etcd\",type=\"livez\"} 1\n", "kubernetes_healthcheck{name=\"etcd\",type=\"readyz\"} 0\n",
                           "# TYPE kubernetes_healthchecks_total counter\n", "kubernetes_healthchecks_total{name=\"etcd\",status=\"error\",type=\"livez\"} 1\n",
                           "kubernetes_healthchecks_total{name=\"etcd\",status=\"success\",type=\"livez\"} 2\n"})
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
}

TEST(Health, knows_its_paths) {
  EXPECT_EQ(health_root("/readyz"), "/readyz");
  EXPECT_EQ(health_root("/readyz/x"), "/readyz");
  EXPECT_EQ(health_root("/readyzx"), "");
  EXPECT_EQ(health_root("/"), "");
  EXPECT_THAT(health_paths(checks(passes)),
              testing::ElementsAre("/healthz", "/healthz/ping", "/healthz/etcd", "/healthz/poststarthook/a/b", "/livez", "/livez/ping",
                                   "/livez/etcd", "/livez/poststarthook/a/b", "/readyz", "/readyz/ping", "/readyz/etcd",
                                   "/readyz/poststarthook/a/b", "/readyz/informer-sync"));
}

}  // namespace
}  // namespace bramble
