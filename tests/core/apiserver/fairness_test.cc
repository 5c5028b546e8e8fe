// Priority and fairness: the objects and who keeps them, which requests fall under which, who waits and who is refused.
#include <algorithm>
#include <set>

#include "core/base/limits.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kFlows = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
constexpr std::string_view kLevels = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";

class FairnessTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    for (int i = 0; i < 10; i++) settle();  // the objects and their status
  }
  void as(std::string name, std::vector<std::string> its_groups) {
    user = std::move(name);
    groups = std::move(its_groups);
  }
  void as_admin() { as("admin", {"system:masters"}); }
  void as_jane() { as("jane", {}); }
  // A request whose answer its client does not read yet: it keeps its seat.
  std::shared_ptr<KeptAnswer> slow(std::string target = "/version") {
    auto answer = std::make_shared<KeptAnswer>();
    answer->full = true;
    start("GET", std::move(target), "", {}, answer);
    settle();
    return answer;
  }
  std::shared_ptr<KeptAnswer> waiting(std::string target = "/version") {
    auto answer = start("GET", std::move(target));
    settle();
    return answer;
  }
  std::string name_of_uid(std::string_view path, std::string_view uid) {
    Document list = call("GET", std::string(path))->json();
    for (Value item : list["items"].items()) {
      if (item["metadata"]["uid"].str() == uid) return item["metadata"]["name"].text();
    }
    return {};
  }
  // The one schema that takes all of jane's requests, over a level with so many queues and a share of three seats.
  void make_level(int queues, int hand, int length) {
    as_admin();
    std::string response = queues == 0 ? R"({"type":"Reject"})"
                                       : cat(R"({"type":"Queue","queuing":{"queues":)", queues, R"(,"handSize":)", hand, R"(,"queueLengthLimit":)", length, "}}");
    auto level = call("POST", std::string(kLevels),
                      cat(R"({"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration","metadata":{"name":"narrow"},"spec":{"type":"Limited",)",
                          R"("limited":{"nominalConcurrencyShares":1,"lendablePercent":0,"borrowingLimitPercent":0,"limitResponse":)", response, "}}}"));
    ASSERT_EQ(level->status, 201) << level->body;
    auto schema = call("POST", std::string(kFlows),
                       R"({"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"narrow"},"spec":{"matchingPrecedence":50,)"
                       R"("priorityLevelConfiguration":{"name":"narrow"},"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[{"kind":"User","user":)"
                       R"({"name":"jane"}},{"kind":"User","user":{"name":"joe"}}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}})");
    ASSERT_EQ(schema->status, 201) << schema->body;
    as_jane();
  }
};

TEST_F(FairnessTest, upstreams_objects_are_there_with_their_specs) {
  Document flows = call("GET", std::string(kFlows))->json(), levels = call("GET", std::string(kLevels))->json();
  std::set<std::string> names;
  for (Value item : flows["items"].items()) {
    names.insert(item["metadata"]["name"].text());
    EXPECT_EQ(item["metadata"]["annotations"]["apf.kubernetes.io/autoupdate-spec"].str(), "true");
    Value condition = item["status"]["conditions"].item(0);
    EXPECT_EQ(condition["type"].str(), "Dangling");
    EXPECT_EQ(condition["status"].str(), "False");
    EXPECT_EQ(condition["reason"].str(), "Found");
    EXPECT_EQ(condition["message"].text(), cat("This FlowSchema references the PriorityLevelConfiguration object named \"",
                                               item["spec"]["priorityLevelConfiguration"]["name"].str(), "\" and it exists"));
  }
  EXPECT_EQ(names, (std::set<std::string>{"catch-all", "exempt", "global-default", "kube-controller-manager", "kube-scheduler",
                                          "kube-system-service-accounts", "probes", "service-accounts", "system-leader-election",
                                          "system-node-high", "system-nodes"}));
  names.clear();
  for (Value item : levels["items"].items()) names.insert(item["metadata"]["name"].text());
  EXPECT_EQ(names, (std::set<std::string>{"catch-all", "exempt", "global-default", "leader-election", "node-high", "system", "workload-high",
                                          "workload-low"}));
  auto election = call("GET", cat(kFlows, "/system-leader-election"))->json();
  EXPECT_EQ(std::string(*Document::of(election["spec"]).bytes()),
            R"({"priorityLevelConfiguration":{"name":"leader-election"},"matchingPrecedence":100,"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[)"
            R"({"kind":"User","user":{"name":"system:kube-controller-manager"}},{"kind":"User","user":{"name":"system:kube-scheduler"}},)"
            R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"kube-system","name":"*"}}],"resourceRules":[{"verbs":["get","create","update"],)"
            R"("apiGroups":["coordination.k8s.io"],"resources":["leases"],"namespaces":["*"]}]}]})");
}

TEST_F(FairnessTest, mandatory_objects_come_back_and_suggested_ones_as_their_annotation_says) {
  struct Row {
    const char* name;
    std::string object;
    const char* change;
    int answer;
    bool comes_back;
  };
  const char* kShares = R"({"spec":{"limited":{"nominalConcurrencyShares":77}}})";
  const char* kSharesMine = R"({"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}},"spec":{"limited":{"nominalConcurrencyShares":77}}})";
  for (const Row& row : {Row{"mandatory", cat(kLevels, "/catch-all"), kSharesMine, 422, true},
                         Row{"suggested", cat(kLevels, "/system"), kShares, 200, true},
                         Row{"suggested, the admin's own", cat(kLevels, "/node-high"), kSharesMine, 200, false}}) {
    EXPECT_EQ(patch(row.object, row.change)->status, row.answer) << row.name;
    for (int i = 0; i < 10; i++) settle();
    auto now = call("GET", row.object)->json();
    EXPECT_EQ(now["spec"]["limited"]["nominalConcurrencyShares"].integer() != 77, row.comes_back) << row.name;
  }
  for (const std::string& object : {cat(kFlows, "/catch-all"), cat(kLevels, "/exempt"), cat(kLevels, "/system")}) {
    EXPECT_EQ(call("DELETE", object)->status, 200) << object;
    for (int i = 0; i < 10; i++) settle();
    EXPECT_EQ(call("GET", object)->status, 200) << object;
  }
  // The annotation of a mandatory one says what is: it is updated whatever it says.
  EXPECT_EQ(patch(cat(kFlows, "/exempt"), R"({"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}}})")->status, 200);
  for (int i = 0; i < 10; i++) settle();
  EXPECT_EQ(call("GET", cat(kFlows, "/exempt"))->json()["metadata"]["annotations"]["apf.kubernetes.io/autoupdate-spec"].str(), "true");
}

TEST_F(FairnessTest, what_the_exempt_level_lends_is_the_admins_to_say) {
  EXPECT_EQ(patch(cat(kLevels, "/exempt"), R"({"spec":{"exempt":{"nominalConcurrencyShares":7,"lendablePercent":50}}})")->status, 200);
  for (int i = 0; i < 10; i++) settle();
  auto now = call("GET", cat(kLevels, "/exempt"))->json();
  EXPECT_EQ(std::string(*Document::of(now["spec"]).bytes()), R"({"type":"Exempt","exempt":{"nominalConcurrencyShares":7,"lendablePercent":50}})");
  EXPECT_EQ(patch(cat(kLevels, "/exempt"), R"({"spec":{"type":"Limited"}})")->status, 422);
}

TEST_F(FairnessTest, answers_name_the_schema_and_level_by_uid) {
  struct Row {
    const char* name;
    const char* user;
    std::vector<std::string> groups;
    const char* method;
    std::string target;
    const char* schema;
    const char* level;
  };
  std::vector<Row> rows = {
      {"admin", "admin", {"system:masters"}, "GET", "/version", "exempt", "exempt"},
      {"probe", "", {}, "GET", "/readyz", "probes", "exempt"},
      {"probe below", "", {}, "GET", "/livez/ping", "probes", "exempt"},
      {"anonymous", "", {}, "GET", "/version", "global-default", "global-default"},
      {"jane", "jane", {}, "GET", std::string(kPods), "global-default", "global-default"},
      {"node", "system:node:n", {"system:nodes"}, "GET", std::string(kPods), "system-nodes", "system"},
      {"a node's status", "system:node:n", {"system:nodes"}, "PATCH", "/api/v1/nodes/n/status", "system-node-high", "node-high"},
      {"a node's lease", "system:node:n", {"system:nodes"}, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", "system-node-high",
       "node-high"},
      {"scheduler's lease", "system:kube-scheduler", {}, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s",
       "system-leader-election", "leader-election"},
      {"scheduler", "system:kube-scheduler", {}, "GET", "/api/v1/pods", "kube-scheduler", "workload-high"},
      {"account", "system:serviceaccount:kube-system:x", {"system:serviceaccounts"}, "GET", "/api/v1/pods", "kube-system-service-accounts", "workload-high"},
      {"another's account", "system:serviceaccount:kube-systems:x", {"system:serviceaccounts"}, "GET", "/api/v1/pods", "service-accounts", "workload-low"},
  };
  for (const Row& row : rows) {
    as(row.user, row.groups);
    auto answer = call(row.method, row.target, "{}", {{"content-type", "application/merge-patch+json"}});
    as_admin();
    EXPECT_EQ(name_of_uid(kFlows, answer->header("x-kubernetes-pf-flowschema-uid")), row.schema) << row.name;
    EXPECT_EQ(name_of_uid(kLevels, answer->header("x-kubernetes-pf-prioritylevel-uid")), row.level) << row.name;
  }
}

TEST_F(FairnessTest, a_level_without_queues_refuses_with_upstreams_words) {
  make_level(0, 0, 0);
  auto first = slow(), second = slow(), third = slow();
  EXPECT_EQ(first->status, 200);
  auto refused = call("GET", "/version");
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->body, "Too many requests, please try again later.\n");
  EXPECT_EQ(refused->header("retry-after"), "1");
  for (int i = 0; i < 5; i++) call("GET", std::string("/version"));
  clock.advance_us(1000000);
  EXPECT_EQ(call("GET", "/version")->header("retry-after"), "2") << "many were refused";
  as_admin();
  patch(cat(kFlows, "/narrow"), R"({"spec":{"rules":[{"subjects":[{"kind":"User","user":{"name":"jane"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],)"
                                R"("resources":["*"],"namespaces":["*"],"clusterScope":true}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}})");
  as_jane();
  EXPECT_EQ(call("GET", std::string(kPods))->status, 429);
  EXPECT_EQ(call("GET", "/api/v1/namespaces/default/made-up")->status, 429);
  as_admin();
  std::string page = call("GET", "/metrics")->body;
  EXPECT_NE(page.find("apiserver_request_terminations_total{code=\"429\",component=\"apiserver\",group=\"\",resource=\"pods\",scope=\"namespace\","
                      "subresource=\"\",verb=\"LIST\",version=\"v1\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(page.find("made-up"), std::string::npos);
  as_jane();
  EXPECT_NE(refused->header("x-kubernetes-pf-flowschema-uid"), "");
  first->on_the_way.reset();
  EXPECT_EQ(call("GET", "/version")->status, 200) << "the seat is free once the answer was read";
}

TEST_F(FairnessTest, what_finds_no_seat_waits_its_turn_and_queues_are_bounded) {
  make_level(1, 1, 2);
  auto first = slow(), second = slow(), third = slow();
  auto fourth = waiting(), fifth = waiting();
  EXPECT_EQ(fourth->status, 0);
  EXPECT_EQ(call("GET", "/version")->status, 429) << "the queue holds two";
  first->on_the_way.reset();
  for (int i = 0; i < 5; i++) settle();
  EXPECT_EQ(fourth->status, 200);
  EXPECT_EQ(fifth->status, 200) << "the one before it was read at once";
}

TEST_F(FairnessTest, one_noisy_client_keeps_nobody_else_out) {
  make_level(64, 6, 5);
  std::vector<std::shared_ptr<KeptAnswer>> noise;
  for (int i = 0; i < 3; i++) noise.push_back(slow());
  std::vector<std::shared_ptr<KeptAnswer>> queued;
  int refused = 0;
  for (int i = 0; i < 40; i++) {
    auto answer = waiting();
    refused += answer->status == 429;
    queued.push_back(answer);
  }
  EXPECT_EQ(refused, 10) << "six queues of five";
  as("joe", {});
  auto same_level = waiting();
  EXPECT_EQ(same_level->status, 0) << "waits as well, in queues of his own";
  struct Row {
    const char* name;
    const char* user;
    std::vector<std::string> groups;
  };
  for (const Row& row : {Row{"admin", "admin", {"system:masters"}}, Row{"node", "system:node:n", {"system:nodes"}},
                         Row{"account", "system:serviceaccount:default:x", {"system:serviceaccounts"}}}) {
    as(row.user, row.groups);
    EXPECT_EQ(call("GET", "/version")->status, 200) << row.name;
  }
  as_jane();
  EXPECT_EQ(call("GET", std::string(kPods))->status, 403) << "another schema of the same user";
  noise[0]->on_the_way.reset();
  for (int i = 0; i < 100 && same_level->status == 0; i++) settle();
  EXPECT_EQ(same_level->status, 200);
  auto still = std::count_if(queued.begin(), queued.end(), [](const auto& a) { return a->status == 0; });
  EXPECT_GT(still, 15) << "his turn came long before the end of her queues";
}

TEST_F(FairnessTest, long_running_requests_need_no_seat_and_a_watch_only_while_it_begins) {
  make_level(0, 0, 0);
  auto first = slow(), second = slow(), third = slow();
  as_admin();
  patch(cat(kFlows, "/narrow"), R"({"spec":{"rules":[{"subjects":[{"kind":"User","user":{"name":"jane"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],)"
                                R"("resources":["*"],"namespaces":["*"],"clusterScope":true}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}})");
  as_jane();
  EXPECT_EQ(call("GET", cat(kPods, "/p/log"))->status, 403);
  EXPECT_EQ(call("GET", cat(kPods, "?watch=1"))->status, 429);
  first->on_the_way.reset();
  second->on_the_way.reset();
  third->on_the_way.reset();
  EXPECT_EQ(call("GET", cat(kPods, "?watch=1"))->status, 403);
}

TEST_F(FairnessTest, a_schema_whose_level_is_missing_dangles_and_is_passed_over) {
  as_admin();
  auto schema = call("POST", std::string(kFlows),
                     R"({"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"lost"},"spec":{"matchingPrecedence":50,)"
                     R"("priorityLevelConfiguration":{"name":"nowhere"},"rules":[{"subjects":[{"kind":"User","user":{"name":"jane"}}],"nonResourceRules":)"
                     R"([{"verbs":["*"],"nonResourceURLs":["*"]}]}]}})");
  ASSERT_EQ(schema->status, 201) << schema->body;
  as_jane();
  auto answer = call("GET", "/version");
  as_admin();
  EXPECT_EQ(name_of_uid(kFlows, answer->header("x-kubernetes-pf-flowschema-uid")), "global-default");
  for (int i = 0; i < 10; i++) settle();
  auto lost = call("GET", cat(kFlows, "/lost"))->json();
  Value condition = lost["status"]["conditions"].item(0);
  EXPECT_EQ(condition["status"].str(), "True");
  EXPECT_EQ(condition["reason"].str(), "NotFound");
  EXPECT_EQ(condition["message"].str(), "This FlowSchema references the PriorityLevelConfiguration object named \"nowhere\" but there is no such object");
}

TEST(FlowRules, a_hand_has_no_queue_twice_and_all_queues_are_dealt) {
  std::set<int64_t> seen;
  for (int flow = 0; flow < 200; flow++) {
    auto hand = deal_hand(flow_hash("schema", cat("user-", flow)), 64, 6);
    std::set<int64_t> different(hand.begin(), hand.end());
    EXPECT_EQ(different.size(), 6u);
    EXPECT_GE(*different.begin(), 0);
    EXPECT_LT(*different.rbegin(), 64);
    seen.insert(hand.begin(), hand.end());
  }
  EXPECT_EQ(seen.size(), 64u);
}

}  // namespace
}  // namespace bramble
