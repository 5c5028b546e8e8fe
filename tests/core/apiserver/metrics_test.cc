// What /metrics says of requests.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class MetricsTest : public ApiTest {
 protected:
  std::string page() { return call("GET", "/metrics")->body; }
  // The value of one sample; "" when it is not there.
  std::string sample(std::string_view text, std::string_view name_and_labels) {
    for (std::string_view line : split(text, '\n')) {
      if (line.starts_with(name_and_labels) && line.size() > name_and_labels.size() && line[name_and_labels.size()] == ' ')
        return std::string(line.substr(name_and_labels.size() + 1));
    }
    return {};
  }
};

std::string labels(std::string_view code, std::string_view dry_run, std::string_view group, std::string_view resource, std::string_view scope,
                   std::string_view subresource, std::string_view verb) {
  return cat("{code=\"", code, "\",component=\"apiserver\",dry_run=\"", dry_run, "\",group=\"", group, "\",resource=\"", resource, "\",scope=\"", scope,
             "\",subresource=\"", subresource, "\",verb=\"", verb, "\",version=\"v1\"}");
}

TEST_F(MetricsTest, requests_are_counted_under_upstreams_labels) {
  struct Row {
    const char* name;
    const char* method;
    std::string target;
    std::string body;
    std::string content_type;
    std::string labels;
  };
  const std::string map = config_map("m");
  std::vector<Row> rows = {
      {"create", "POST", std::string(kMaps), map, "", labels("201", "", "", "configmaps", "resource", "", "POST")},
      {"create again", "POST", std::string(kMaps), map, "", labels("409", "", "", "configmaps", "resource", "", "POST")},
      {"dry run", "POST", cat(kMaps, "?dryRun=All"), config_map("n"), "", labels("201", "All", "", "configmaps", "resource", "", "POST")},
      {"get", "GET", cat(kMaps, "/m"), "", "", labels("200", "", "", "configmaps", "resource", "", "GET")},
      {"nothing there", "GET", cat(kMaps, "/none"), "", "", labels("404", "", "", "configmaps", "resource", "", "GET")},
      {"list", "GET", std::string(kMaps), "", "", labels("200", "", "", "configmaps", "namespace", "", "LIST")},
      {"list everywhere", "GET", "/apis/apps/v1/deployments", "", "", labels("200", "", "apps", "deployments", "cluster", "", "LIST")},
      {"patch", "PATCH", cat(kMaps, "/m"), "{}", "application/merge-patch+json", labels("200", "", "", "configmaps", "resource", "", "PATCH")},
      {"apply", "PATCH", cat(kMaps, "/m?fieldManager=x"), map, "application/apply-patch+yaml",
       labels("200", "", "", "configmaps", "resource", "", "APPLY")},
      {"delete collection", "DELETE", std::string(kMaps), "", "", labels("200", "", "", "configmaps", "namespace", "", "DELETE")},
      {"log", "GET", cat(kPods, "/p/log"), "", "", labels("404", "", "", "pods", "resource", "log", "CONNECT")},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(sample(page(), "apiserver_request_total" + row.labels), "") << row.name;
    std::vector<Header> headers;
    if (!row.content_type.empty()) headers.push_back({"content-type", row.content_type});
    call(row.method, row.target, row.body, headers);
    EXPECT_EQ(sample(page(), "apiserver_request_total" + row.labels), "1") << row.name << "\n" << page().substr(0, 3000);
  }
  std::string text = page();
  EXPECT_EQ(sample(text, "apiserver_request_duration_seconds_count{component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"configmaps\",scope=\"resource\","
                         "subresource=\"\",verb=\"POST\",version=\"v1\"}"), "2");
  EXPECT_EQ(sample(text, "apiserver_request_sli_duration_seconds_bucket{component=\"apiserver\",group=\"\",resource=\"configmaps\",scope=\"resource\","
                         "subresource=\"\",verb=\"POST\",version=\"v1\",le=\"0.05\"}"), "2");
  EXPECT_EQ(sample(text, "apiserver_response_sizes_bucket{component=\"apiserver\",group=\"\",resource=\"configmaps\",scope=\"namespace\",subresource=\"\","
                         "verb=\"LIST\",version=\"v1\",le=\"1e+09\"}"), "1");
}

TEST_F(MetricsTest, what_is_refused_before_its_resource_is_counted_where_upstream_does) {
  groups = {};
  user = "jane@example.com";
  call("GET", std::string(kMaps));
  call("GET", "/api/v1/namespaces/default/nonsense");
  call("GET", "/readyz");
  call("GET", std::string(kMaps), "", {{"authorization", "Bearer nonsense"}});
  groups = {"system:masters"};
  user = "admin";
  std::string text = page();
  EXPECT_EQ(text.find("apiserver_request_total{code=\"403\""), std::string::npos);
  EXPECT_EQ(text.find("nonsense"), std::string::npos);
  EXPECT_EQ(sample(text, "apiserver_request_total{code=\"200\",component=\"\",dry_run=\"\",group=\"\",resource=\"\",scope=\"\",subresource=\"/readyz\",verb=\"GET\","
                         "version=\"\"}"), "1");
  EXPECT_EQ(sample(text, "authentication_attempts{result=\"error\"}"), "1");
  EXPECT_EQ(sample(text, "authenticated_user_requests{username=\"email_id\"}"), "3");
  EXPECT_EQ(sample(text, "authorization_attempts_total{result=\"no-opinion\"}"), "2");
}

TEST_F(MetricsTest, a_watch_is_long_running_until_it_ends) {
  const std::string gauge = "apiserver_longrunning_requests{component=\"apiserver\",group=\"\",resource=\"configmaps\",scope=\"namespace\",subresource=\"\","
                            "verb=\"WATCH\",version=\"v1\"}";
  auto watch = start("GET", cat(kMaps, "?watch=1&resourceVersion=0"));
  settle();
  call("POST", std::string(kMaps), config_map("seen"));
  settle();
  std::string text = page();
  EXPECT_EQ(sample(text, gauge), "1");
  EXPECT_EQ(sample(text, "apiserver_watch_events_total{group=\"\",resource=\"configmaps\",version=\"v1\"}"), "1");
  watch->gone_event.set();
  settle();
  EXPECT_TRUE(watch->ended);
  text = page();
  EXPECT_EQ(sample(text, gauge), "0");
  EXPECT_NE(text.find("apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"configmaps\",scope=\"namespace\","
                      "subresource=\"\",verb=\"WATCH\""), std::string::npos);
}

TEST_F(MetricsTest, in_flight_is_the_most_of_the_last_second) {
  clock.advance_us(5000000);
  std::string text = page();
  EXPECT_EQ(sample(text, "apiserver_current_inflight_requests{request_kind=\"mutating\"}"), "0");
  EXPECT_EQ(sample(text, "apiserver_current_inflight_requests{request_kind=\"readOnly\"}"), "1") << "this very request";
  call("POST", std::string(kMaps), config_map("a"));
  text = page();
  EXPECT_EQ(sample(text, "apiserver_current_inflight_requests{request_kind=\"mutating\"}"), "1");
  clock.advance_us(2000000);
  EXPECT_EQ(sample(page(), "apiserver_current_inflight_requests{request_kind=\"mutating\"}"), "0");
}

TEST_F(MetricsTest, admission_is_timed_whole_and_by_plug_in) {
  struct Row {
    const char* name;
    std::string sample;
    const char* more;
  };
  auto step = [](std::string_view operation, std::string_view rejected, std::string_view type) {
    return cat("apiserver_admission_step_admission_duration_seconds_count{operation=\"", operation, "\",rejected=\"", rejected, "\",type=\"", type, "\"}");
  };
  auto plugin = [](std::string_view name, std::string_view rejected, std::string_view type) {
    return cat("apiserver_admission_controller_admission_duration_seconds_bucket{name=\"", name, "\",operation=\"CREATE\",rejected=\"", rejected,
               "\",type=\"", type, "\",le=\"0.005\"}");
  };
  const std::string before = page();
  EXPECT_EQ(call("POST", std::string(kPods), pod("p"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kPods), pod("q", R"(,"priorityClassName":"none")"))->status, 403);
  EXPECT_EQ(call("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("m"))->status, 404);
  EXPECT_EQ(patch(cat(kPods, "/p"), R"({"metadata":{"labels":{"a":"b"}}})")->status, 200);
  EXPECT_EQ(call("DELETE", cat(kPods, "/p"))->status, 200);
  const std::string after = page();
  for (const Row& row : {Row{"created", step("CREATE", "false", "admit"), "1"}, Row{"created", step("CREATE", "false", "validate"), "1"},
                         Row{"refused", step("CREATE", "true", "admit"), "2"}, Row{"patched", step("UPDATE", "false", "admit"), "1"},
                         Row{"deleted", step("DELETE", "false", "admit"), "1"}, Row{"account", plugin("ServiceAccount", "false", "admit"), "2"},
                         Row{"no such priority", plugin("Priority", "true", "admit"), "1"},
                         Row{"no such namespace", plugin("NamespaceLifecycle", "true", "admit"), "1"},
                         Row{"pod security", plugin("PodSecurity", "false", "validate"), "1"}}) {
    auto number = [&](const std::string& text) { return parse_int64(sample(text, row.sample)).value_or(0); };
    EXPECT_EQ(cat(number(after) - number(before)), row.more) << row.name << " " << row.sample;
  }
}

TEST_F(MetricsTest, the_page_is_one_that_prometheus_reads) {
  auto answer = call("GET", "/metrics");
  EXPECT_EQ(answer->header("content-type"), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  EXPECT_EQ(sample(answer->body, "apiserver_storage_objects{resource=\"namespaces\"}"), "4");
  EXPECT_EQ(sample(answer->body, "apiserver_resource_objects{group=\"\",resource=\"namespaces\"}"), "4");
  Document version = call("GET", "/version")->json();
  EXPECT_EQ(sample(answer->body, cat("kubernetes_build_info{build_date=\"", version["buildDate"].str(), "\",compiler=\"c++20\",git_commit=\"\",git_tree_state=\"",
                                     version["gitTreeState"].str(), "\",git_version=\"v1.36.3\",go_version=\"none\",major=\"1\",minor=\"36\",platform=\"linux/amd64\"}")),
            "1");
  std::string last;
  for (std::string_view line : split(answer->body, '\n')) {
    if (!line.starts_with("# HELP ")) continue;
    std::string name(split(line, ' ')[2]);
    EXPECT_LT(last, name) << "each family once, in order";
    last = name;
  }
}

}  // namespace
}  // namespace bramble
