// /statusz, /flagz and /metrics/slis.
#include "core/apiserver/component_pages.h"

#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

ComponentFacts facts() {
  ComponentFacts f;
  f.version = "v1.36.3";
  f.started_us = 1767225600000000;  // 2026-01-01T00:00:00Z
  f.now_us = f.started_us + 3725 * int64_t{1000000};
  f.paths = {"/", "/api", "/apis/apps/v1", "/healthz", "/healthz/etcd", "/metrics", "/metrics/slis", "/openapi/v2"};
  f.flags = {{"bind-address", "0.0.0.0"}, {"debug", "false"}};
  return f;
}

TEST(ComponentPages, are_text_for_people_and_objects_for_programs) {
  const std::string warning = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for "
                              "debugging purposes only.\n";
  const std::string statusz = cat("\napiserver statusz\n", warning, "\nStarted: Thu Jan  1 00:00:00 UTC 2026\nUp: 1 hr 02 min 05 sec\nGo version: none\n"
                                  "Binary version: 1.36.3\nEmulation version: 1.36\nPaths: /healthz /metrics\n");
  const std::string fields = R"("metadata":{"name":"apiserver"},"startTime":"2026-01-01T00:00:00Z","uptimeSeconds":3725,"goVersion":"none","binaryVersion":"1.36.3","emulationVersion":"1.36","paths":["/healthz","/metrics"]})";
  const char* kText = "text/plain; charset=utf-8";
  const char* kRefused = "only the following media types are accepted: application/json, application/yaml, text/plain";
  const struct {
    const char *name, *kind, *accept;
    std::string type, body, warning;
  } cases[] = {
      {"no header", "Statusz", "", kText, statusz, ""},
      {"anything", "Statusz", "*/*", kText, statusz, ""},
      {"flags", "Flagz", "text/plain", kText, cat("\napiserver flagz\n", warning, "bind-address: 0.0.0.0\ndebug: false\n"), ""},
      {"an object", "Statusz", "application/json;v=v1beta1;g=config.k8s.io;as=Statusz", "application/json;g=config.k8s.io;v=v1beta1;as=Statusz",
       cat(R"({"kind":"Statusz","apiVersion":"config.k8s.io/v1beta1",)", fields, "\n"), ""},
      {"an older one", "Statusz", "application/json;v=v1alpha1;g=config.k8s.io;as=Statusz", "application/json;g=config.k8s.io;v=v1alpha1;as=Statusz",
       cat(R"({"kind":"Statusz","apiVersion":"config.k8s.io/v1alpha1",)", fields, "\n"),
       "299 - \"This version of the statusz endpoint is deprecated. Please use a newer version.\""},
      {"yaml", "Flagz", "application/yaml;v=v1beta1;g=config.k8s.io;as=Flagz", "application/yaml;g=config.k8s.io;v=v1beta1;as=Flagz",
       "apiVersion: config.k8s.io/v1beta1\nflags:\n  bind-address: 0.0.0.0\n  debug: \"false\"\nkind: Flagz\nmetadata:\n  name: apiserver\n", ""},
      {"the next clause", "Flagz", "application/json, text/plain;q=0.5", kText, cat("\napiserver flagz\n", warning, "bind-address: 0.0.0.0\ndebug: false\n"), ""},
      {"any object", "Statusz", "application/json", "", kRefused, ""},
      {"another's object", "Statusz", "application/json;v=v1beta1;g=config.k8s.io;as=Flagz", "", kRefused, ""},
      {"protobuf", "Statusz", "application/vnd.kubernetes.protobuf", "", kRefused, ""},
  };
  for (const auto& c : cases) {
    const auto page = component_page(c.kind, c.accept, facts());
    EXPECT_EQ(page.ok() ? page->content_type : "", c.type) << c.name;
    EXPECT_EQ(page.ok() ? page->body : page.error().message(), c.body) << c.name;
    EXPECT_EQ(page.ok() ? page->warning : "", c.warning) << c.name;
  }
}

class ComponentApi : public ApiTest {};

TEST_F(ComponentApi, serves_those_who_watch_over_the_cluster) {
  const std::string root = call("GET", "/")->body;
  for (const char* path : {"/statusz", "/flagz", "/metrics/slis"}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(call("GET", path)->status, 200);
    EXPECT_NE(root.find(cat("\"", path, "\"")), std::string::npos);
    user = "somebody", groups = {"system:authenticated"};
    EXPECT_EQ(call("GET", path)->status, 403);
    groups = {"system:authenticated", "system:monitoring"};
    EXPECT_EQ(call("GET", path)->status, 200);
    user = "admin", groups = {"system:masters"};
  }
  EXPECT_EQ(call("GET", "/livez")->status, 200);
  EXPECT_NE(call("GET", "/metrics/slis")->body.find("kubernetes_healthcheck{name=\"ping\",type=\"livez\"} 1\n"), std::string::npos);
}

}  // namespace
}  // namespace bramble
