// The audit log: what a request's events say, what a part of the process leaves, and the file with its rotation.
#include "core/apiserver/audit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "core/base/limits.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

std::string contents(const std::string& path) {
  std::string out;
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char block[4096];
  for (ssize_t n; fd >= 0 && (n = ::read(fd, block, sizeof block)) > 0;) out.append(block, static_cast<size_t>(n));
  if (fd >= 0) ::close(fd);
  return out;
}

class TemporaryFolder {
 public:
  TemporaryFolder() { path_ = mkdtemp(name_); }
  ~TemporaryFolder() {
    for (const std::string& f : files()) unlink(cat(path_, "/", f).c_str());
    rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::set<std::string> files() const {
    std::set<std::string> out;
    DIR* dir = opendir(path_.c_str());
    while (const dirent* e = readdir(dir)) {
      if (e->d_name[0] != '.') out.insert(e->d_name);
    }
    closedir(dir);
    return out;
  }

 private:
  char name_[32] = "/tmp/audit-test-XXXXXX";
  std::string path_;
};

class AuditTest : public ApiTest {
 protected:
  TemporaryFolder folder;
  std::string log = folder.path() + "/audit.log";

  void use(std::string_view rules, bool legacy = false) {
    auto policy = AuditPolicy::parse(cat("apiVersion: audit.k8s.io/v1\nkind: Policy\n", rules));
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    AuditLogOptions options;
    options.path = log;
    options.legacy = legacy;
    if (!registry) ApiTest::SetUp();
    unlink(log.c_str());
    audit = std::make_shared<Audit>(*policy, options, clock);
    restart();
  }
  void SetUp() override {}
  // The same cluster with a fresh log.
  void restart() {
    ApiServer::Options options;
    auto key = PrivateKey::generate_p256();
    options.tokens.verify = {key->public_key()};
    options.tokens.sign = std::make_shared<PrivateKey>(std::move(*key));
    options.audit = audit;
    tasks.cancel_all();
    api = std::make_unique<ApiServer>(*registry, options);
  }
  static Task<void> flush_then_stop(Audit* audit, Loop* loop) {
    Task<void> flushing = audit->flush();
    co_await flushing;
    loop->post([loop] { loop->stop(); });
  }
  std::string written() {
    tasks.start(flush_then_stop(audit.get(), &loop));
    loop.run();
    return contents(log);
  }
  std::vector<Document> events() {
    std::vector<Document> out;
    const std::string text = written();
    for (std::string_view line : split(text, '\n')) {
      if (line.empty()) continue;
      auto parsed = Document::parse(line);
      EXPECT_TRUE(parsed.ok()) << line;
      if (parsed.ok()) out.push_back(*parsed);
    }
    return out;
  }
};

TEST_F(AuditTest, an_event_is_the_line_that_upstream_writes) {
  use("omitStages: [RequestReceived]\nrules: [{level: Metadata}]\n");
  user = "jane";
  groups = {"dev", "system:masters"};
  call("GET", cat(kMaps, "/none?pretty=<1>"), "", {{"user-agent", "kubectl/v1"}, {"audit-id", "my-id"}, {"x-forwarded-for", "192.0.2.7, nonsense"}});
  EXPECT_EQ(written(),
            "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"my-id\",\"stage\":\"ResponseComplete\","
            "\"requestURI\":\"/api/v1/namespaces/default/configmaps/none?pretty=\\u003c1\\u003e\",\"verb\":\"get\","
            "\"user\":{\"username\":\"jane\",\"groups\":[\"dev\",\"system:masters\",\"system:authenticated\"]},\"sourceIPs\":[\"192.0.2.7\"],"
            "\"userAgent\":\"kubectl/v1\",\"objectRef\":{\"resource\":\"configmaps\",\"namespace\":\"default\",\"name\":\"none\",\"apiVersion\":\"v1\"},"
            "\"responseStatus\":{\"metadata\":{},\"status\":\"Failure\",\"message\":\"configmaps \\\"none\\\" not found\",\"reason\":\"NotFound\","
            "\"details\":{\"name\":\"none\",\"kind\":\"configmaps\"},\"code\":404},"
            "\"requestReceivedTimestamp\":\"2026-01-02T03:04:05.000000Z\",\"stageTimestamp\":\"2026-01-02T03:04:05.000000Z\","
            "\"annotations\":{\"authorization.k8s.io/decision\":\"allow\",\"authorization.k8s.io/reason\":\"\"}}\n");
}

TEST_F(AuditTest, levels_decide_what_of_the_bodies_is_told) {
  struct Row {
    const char* level;
    bool request, response;
  };
  for (const Row& row : {Row{"Metadata", false, false}, Row{"Request", true, false}, Row{"RequestResponse", true, true}}) {
    use(cat("omitManagedFields: true\nrules: [{level: ", row.level, ", omitStages: [RequestReceived]}]\n"));
    call("POST", std::string(kMaps), config_map(lower(row.level), R"({"a":"<b>"})"));
    patch(cat(kMaps, "/", lower(row.level)), R"({"data":{"c":"d"}})");
    auto all = events();
    ASSERT_EQ(all.size(), 2u) << row.level;
    EXPECT_EQ(all[0]["requestObject"].exists(), row.request) << row.level;
    EXPECT_EQ(all[0]["responseObject"].exists(), row.response) << row.level;
    EXPECT_EQ(all[0]["objectRef"]["name"].str(), lower(row.level)) << "as the body says";
    EXPECT_EQ(all[0]["responseStatus"]["code"].integer(), 201);
    if (row.request) {
      EXPECT_EQ(all[0]["requestObject"]["data"]["a"].str(), "<b>");
      EXPECT_EQ(all[0]["requestObject"]["kind"].str(), "ConfigMap");
      EXPECT_EQ(all[1]["requestObject"].dump(), R"({"data":{"c":"d"}})");
    }
    if (row.response) {
      EXPECT_EQ(all[1]["responseObject"]["data"]["c"].str(), "d");
      EXPECT_FALSE(all[1]["responseObject"]["metadata"]["managedFields"].exists());
    }
  }
}

TEST_F(AuditTest, stages_come_in_order) {
  use("rules: [{level: Metadata}]\n");
  auto watch = start("GET", cat(kMaps, "?watch=1"));
  settle();
  std::vector<std::string> stages;
  for (const Document& e : events()) stages.push_back(cat(e["verb"].str(), " ", e["stage"].str(), " ", e["responseStatus"]["code"].integer()));
  EXPECT_EQ(stages, (std::vector<std::string>{"watch RequestReceived 0", "watch ResponseStarted 200"}));
  watch->gone_event.set();
  settle();
  call("GET", std::string(kMaps));
  stages.clear();
  for (const Document& e : events()) stages.push_back(cat(e["verb"].str(), " ", e["stage"].str(), " ", e["responseStatus"]["code"].integer()));
  EXPECT_EQ(stages, (std::vector<std::string>{"watch RequestReceived 0", "watch ResponseStarted 200", "watch ResponseComplete 200",
                                              "list RequestReceived 0", "list ResponseComplete 200"}));
}

TEST_F(AuditTest, tells_who_was_refused_and_why) {
  use("omitStages: [RequestReceived]\nrules: [{level: Metadata}]\n");
  groups = {};
  user = "jane";
  call("GET", std::string(kPods));
  call("GET", std::string(kPods), "", {{"authorization", "Bearer nonsense"}});
  user = "admin";
  groups = {"system:masters"};
  call("GET", std::string(kPods), "", {{"impersonate-user", "joe"}, {"impersonate-group", "staff"}});
  auto all = events();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["annotations"]["authorization.k8s.io/decision"].str(), "forbid");
  EXPECT_EQ(all[0]["responseStatus"]["code"].integer(), 403);
  EXPECT_EQ(all[1]["stage"].str(), "ResponseStarted");
  EXPECT_EQ(all[1]["responseStatus"].dump(), R"({"metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401})");
  EXPECT_EQ(all[1]["user"].dump(), "{}");
  EXPECT_EQ(all[2]["user"]["username"].str(), "admin");
  EXPECT_EQ(all[2]["impersonatedUser"]["username"].str(), "joe");
  EXPECT_EQ(all[2]["impersonatedUser"]["groups"].item(0).str(), "staff");
}

TEST_F(AuditTest, protobuf_and_yaml_are_told_as_json) {
  use("omitStages: [RequestReceived]\nrules: [{level: RequestResponse}]\n");
  for (const char* accept : {"application/vnd.kubernetes.protobuf", "application/yaml"}) {
    call("GET", "/api/v1/namespaces/default", "", {{"accept", accept}});
    call("GET", "/api/v1/namespaces/none", "", {{"accept", accept}});
    auto all = events();
    EXPECT_EQ(all[all.size() - 2]["responseObject"]["metadata"]["name"].str(), "default") << accept;
    EXPECT_EQ(all.back()["responseObject"]["kind"].str(), "Status") << accept;
    EXPECT_EQ(all.back()["responseStatus"]["reason"].str(), "NotFound") << accept;
  }
}

TEST_F(AuditTest, parts_of_the_process_are_told_of_too) {
  use("omitStages: [RequestReceived]\nrules: [{level: Request, users: [\"system:serviceaccount:kube-system:x\"]}]\n");
  Identity part;
  part.user = "system:serviceaccount:kube-system:x";
  part.groups = {"system:masters"};
  auto client = api->client(part);
  auto map = Document::parse(config_map("made"));
  auto make = [](Client* c, Document object) -> Task<void> {
    Task<Result<Document>> making = c->create(resource_ids::kConfigMaps, "default", object);
    auto made = co_await making;
    EXPECT_TRUE(made.ok());
    Task<Result<Document>> again = c->create(resource_ids::kConfigMaps, "default", object);
    auto twice = co_await again;
    EXPECT_FALSE(twice.ok());
  };
  tasks.start(make(client.get(), *map));
  settle();
  auto all = events();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["verb"].str(), "create");
  EXPECT_EQ(all[0]["requestURI"].str(), "/api/v1/namespaces/default/configmaps");
  EXPECT_EQ(all[0]["objectRef"]["name"].str(), "made");
  EXPECT_EQ(all[0]["requestObject"]["data"]["a"].str(), "b");
  EXPECT_EQ(all[0]["responseStatus"]["code"].integer(), 201);
  EXPECT_EQ(all[1]["responseStatus"]["code"].integer(), 409);
  EXPECT_NE(call("GET", "/metrics")->body.find("rest_client_requests_total{code=\"409\",host=\"in-process\",method=\"POST\"} 1"), std::string::npos);
}

TEST_F(AuditTest, pod_security_says_which_policy_it_went_by_and_what_would_break_it) {
  use("omitStages: [RequestReceived]\nrules: [{level: Metadata, resources: [{group: \"\", resources: [pods]}, {group: apps}]}, {level: None}]\n");
  constexpr const char* kPolicy = "pod-security.kubernetes.io/enforce-policy";
  constexpr const char* kViolations = "pod-security.kubernetes.io/audit-violations";
  auto set_labels = [&](std::string_view labels) {
    EXPECT_EQ(patch("/api/v1/namespaces/default", cat(R"({"metadata":{"labels":)", labels, "}}"))->status, 200);
  };
  const std::string root = pod("root", R"(,"hostNetwork":true)");
  constexpr std::string_view kFault =
      "would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)";
  set_labels(R"({"pod-security.kubernetes.io/enforce":"privileged","pod-security.kubernetes.io/audit":"baseline"})");
  EXPECT_EQ(call("POST", std::string(kPods), root)->status, 201);
  set_labels(R"({"pod-security.kubernetes.io/enforce":"baseline","pod-security.kubernetes.io/audit":"privileged"})");
  EXPECT_EQ(call("POST", std::string(kPods), pod("refused", R"(,"hostNetwork":true)"))->status, 403);
  // A part of this process, over no network.
  set_labels(R"({"pod-security.kubernetes.io/enforce":"privileged","pod-security.kubernetes.io/audit":"baseline"})");
  Identity part;
  part.user = "system:serviceaccount:kube-system:replicaset-controller";
  auto client = api->client(part);
  auto make = [](Client* c, Document object) -> Task<void> {
    Task<Result<Document>> making = c->create(resource_ids::kPods, "default", object, {});
    auto made = co_await making;
    EXPECT_TRUE(made.ok());
  };
  auto object = Document::parse(pod("made", R"(,"hostNetwork":true)"));
  tasks.start(make(client.get(), *object));
  for (int i = 0; i < 10; i++) settle();
  auto all = events();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["annotations"][kPolicy].str(), "privileged:latest");
  EXPECT_EQ(all[0]["annotations"][kViolations].str(), kFault);
  EXPECT_EQ(all[1]["annotations"][kPolicy].str(), "baseline:latest");
  EXPECT_FALSE(all[1]["annotations"][kViolations].exists());
  EXPECT_EQ(all[2]["user"]["username"].str(), part.user);
  EXPECT_EQ(all[2]["annotations"][kPolicy].str(), "privileged:latest");
  EXPECT_EQ(all[2]["annotations"][kViolations].str(), kFault);
}

TEST_F(AuditTest, the_old_format_is_a_line_of_text) {
  use("omitStages: [RequestReceived]\nrules: [{level: Metadata}]\n", true);
  call("GET", "/version", "", {{"audit-id", "i"}});
  EXPECT_EQ(written(),
            "2026-01-02T03:04:05Z AUDIT: id=\"i\" stage=\"ResponseComplete\" ip=\"<unknown>\" method=\"get\" user=\"admin\" "
            "groups=\"\\\"system:masters\\\",\\\"system:authenticated\\\"\" as=\"<self>\" asgroups=\"<lookup>\" user-agent=\"\" namespace=\"<none>\" "
            "uri=\"/version\" response=\"200\"\n");
}

TEST(AuditFile, is_rotated_by_size_and_old_files_go_by_number_and_age) {
  TemporaryFolder folder;
  AuditLogOptions options;
  options.path = folder.path() + "/audit.log";
  options.max_megabytes = 1;
  options.max_backups = 2;
  options.max_age_days = 10;
  constexpr int64_t kStart = 1767323045678000, kDay = 24 * 3600 * 1000000LL;
  const std::string half(600 * 1024, 'x');
  AuditFile file(options);
  EXPECT_TRUE(file.write(half, kStart).ok());
  EXPECT_TRUE(file.write(half, kStart).ok());
  EXPECT_EQ(folder.files(), (std::set<std::string>{"audit.log", "audit-2026-01-02T03-04-05.678.log"}));
  EXPECT_TRUE(file.write(half, kStart).ok());
  EXPECT_EQ(folder.files(), (std::set<std::string>{"audit.log", "audit-2026-01-02T03-04-05.678.log", "audit-2026-01-02T03-04-05.679.log"}))
      << "nothing is written over";
  EXPECT_TRUE(file.write(half, kStart + kDay).ok());
  EXPECT_EQ(folder.files(), (std::set<std::string>{"audit.log", "audit-2026-01-02T03-04-05.679.log", "audit-2026-01-03T03-04-05.678.log"}));
  EXPECT_TRUE(file.write(half, kStart + 20 * kDay).ok());
  EXPECT_EQ(folder.files(), (std::set<std::string>{"audit.log", "audit-2026-01-22T03-04-05.678.log"}));
  struct stat st {};
  ASSERT_EQ(stat(options.path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  AuditFile later(options);
  EXPECT_TRUE(later.write("more\n", kStart + 20 * kDay).ok());
  EXPECT_EQ(contents(options.path).size(), half.size() + 5) << "a later run goes on with it";
}

TEST(AuditLog, lines_stand_in_order_and_what_the_disk_cannot_take_is_counted) {
  Loop loop;
  TaskGroup tasks;
  FakeClock clock;
  TemporaryFolder folder;
  AuditLogOptions options;
  options.path = folder.path() + "/new/audit.log";
  AuditLog log(options, clock);
  std::string expected;
  for (int i = 0; i < 100; i++) {
    std::string line = cat("line ", i, "\n");
    log.write(line);
    expected += line;
  }
  const std::string large(limits::kAuditQueueBytesMax / 2 + 1, 'x');
  log.write(large);
  log.write(large);
  EXPECT_EQ(log.dropped(), 1u);
  auto stop_then = [](AuditLog* l, Loop* loop_of_it) -> Task<void> {
    Task<void> flushing = l->flush();
    co_await flushing;
    loop_of_it->post([loop_of_it] { loop_of_it->stop(); });
  };
  tasks.start(stop_then(&log, &loop));
  loop.run();
  std::string text = contents(options.path);
  EXPECT_EQ(text.substr(0, expected.size()), expected);
  EXPECT_EQ(text.size(), expected.size() + large.size());
  unlink(options.path.c_str());
  rmdir((folder.path() + "/new").c_str());
}

}  // namespace
}  // namespace bramble
