// Requests in flight: who gets a place, and when it is free again.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class InFlightTest : public ApiTest {
 protected:
  InFlightTest() {
    in_flight.reads = 1;
    in_flight.writes = 1;
    in_flight.answer_bytes = 10000;
    in_flight.streams = 3;
    in_flight.streams_of_user = 2;
  }
  void SetUp() override {
    ApiTest::SetUp();
    groups = {};
  }
  // A client that does not read its answer yet.
  std::shared_ptr<KeptAnswer> slow(std::string method, std::string target) {
    auto answer = std::make_shared<KeptAnswer>();
    answer->full = true;
    start(std::move(method), std::move(target), "{}", {}, answer);
    settle();
    return answer;
  }
};

TEST_F(InFlightTest, the_answer_beyond_is_upstreams_429) {
  auto first = slow("GET", "/version");
  EXPECT_EQ(first->status, 200);
  auto refused = call("GET", "/version");
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->body, "Too many requests, please try again later.\n");
  EXPECT_EQ(refused->header("retry-after"), "1");
  EXPECT_EQ(refused->header("content-type"), "text/plain; charset=utf-8");
  first->on_the_way.reset();
  EXPECT_EQ(call("GET", "/version")->status, 200) << "the place is free once the answer was read";
}

TEST_F(InFlightTest, only_what_competes_is_refused) {
  auto first = slow("GET", "/version");
  struct Row {
    const char* name;
    const char* method;
    std::string target;
    std::vector<std::string> groups;
    bool refused;
  };
  for (const Row& row : {
           Row{"read", "GET", "/version", {}, true},
           Row{"write", "POST", std::string(kMaps), {}, false},
           Row{"masters", "GET", "/version", {"system:masters"}, false},
           Row{"watch", "GET", cat(kMaps, "?watch=1"), {}, false},
           Row{"log", "GET", cat(kPods, "/p/log"), {}, false},
           Row{"health", "GET", "/readyz", {}, false},
       }) {
    groups = row.groups;
    auto answer = call(row.method, row.target);
    EXPECT_EQ(answer->status == 429, row.refused) << row.name << ": " << answer->status;
  }
  groups = {};
  first->on_the_way.reset();
  auto writing = slow("POST", std::string(kMaps));
  EXPECT_EQ(call("POST", std::string(kMaps))->status, 429);
  EXPECT_EQ(call("DELETE", cat(kMaps, "/a"))->status, 429);
  EXPECT_EQ(call("GET", "/version")->status, 200);
}

TEST_F(InFlightTest, streams_of_a_user_and_of_all_have_a_limit_and_leave_their_place) {
  groups = {"system:masters"};
  auto bound = call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                    R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"readers"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"system:aggregate-to-view"},)"
                    R"("subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"readers"}]})");
  ASSERT_EQ(bound->status, 201) << bound->body;
  groups = {"readers"};
  std::vector<std::shared_ptr<KeptAnswer>> open;
  auto begin = [&](std::string who) {
    user = std::move(who);
    open.push_back(std::make_shared<KeptAnswer>());
    start("GET", cat(kMaps, "?watch=1&timeoutSeconds=3600"), "", {}, open.back());
    settle();
    return open.back()->status;
  };
  EXPECT_EQ(begin("jane"), 200);
  EXPECT_EQ(begin("jane"), 200);
  EXPECT_EQ(begin("jane"), 429) << "two of one user";
  EXPECT_EQ(call("GET", cat(kPods, "/p/log"))->status, 429) << "of any kind";
  EXPECT_EQ(call("GET", "/version")->status, 200) << "what is no stream goes on";
  EXPECT_EQ(begin("john"), 200);
  EXPECT_EQ(begin("jack"), 429) << "three in all";
  groups = {"system:masters"};
  EXPECT_EQ(begin("root"), 200) << "masters are let through";
  groups = {"readers"};
  EXPECT_EQ(begin("jack"), 429) << "theirs count too";
  for (size_t gone : {size_t{0}, size_t{1}}) open[gone]->gone().set();
  settle();
  EXPECT_EQ(begin("jack"), 200) << "a place is free once a watcher has gone";
}

TEST_F(InFlightTest, answers_that_nobody_reads_are_limited_by_their_bytes) {
  groups = {"system:masters"};
  call("POST", std::string(kMaps), config_map("large", cat(R"({"a":")", std::string(20000, 'x'), R"("})")));
  auto unread = slow("GET", cat(kMaps, "/large"));
  groups = {};
  EXPECT_EQ(call("GET", "/version")->status, 429);
  unread->on_the_way.reset();
  EXPECT_EQ(call("GET", "/version")->status, 200);
}

class InFlightOfUserTest : public InFlightTest {
 protected:
  InFlightOfUserTest() {
    in_flight.reads = 400;
    in_flight.answer_bytes = 1000000;
    in_flight.answer_bytes_of_user = 10000;
  }
};

TEST_F(InFlightOfUserTest, who_does_not_read_keeps_nobody_else_from_reading) {
  groups = {"system:masters"};
  call("POST", std::string(kMaps), config_map("large", cat(R"({"a":")", std::string(20000, 'x'), R"("})")));
  auto unread = slow("GET", cat(kMaps, "/large"));
  groups = {};
  EXPECT_EQ(call("GET", "/version")->status, 429);
  for (int i = 0; i < 100; i++) {
    user = cat("jane-", i);
    EXPECT_EQ(call("GET", "/version")->status, 200) << user;
  }
  user = "admin";
  EXPECT_EQ(call("GET", "/version")->status, 429) << "still known after many others";
  unread->on_the_way.reset();
  EXPECT_EQ(call("GET", "/version")->status, 200);
}

TEST_F(InFlightTest, tells_the_connection_who_is_known_and_ends_that_of_a_stranger) {
  EXPECT_TRUE(call("GET", "/version")->known);
  user = "";
  auto stranger = call("GET", "/version");
  EXPECT_FALSE(stranger->known);
  EXPECT_EQ(stranger->header("connection"), "") << "HTTP/1.1 is left as it is";
  http_major = 2;
  EXPECT_EQ(call("GET", "/version")->header("connection"), "close");
  EXPECT_EQ(call("GET", "/version", "", {{"authorization", "Bearer nonsense"}})->header("connection"), "close");
  user = "jane";
  EXPECT_EQ(call("GET", "/version")->header("connection"), "");
}

}  // namespace
}  // namespace bramble
