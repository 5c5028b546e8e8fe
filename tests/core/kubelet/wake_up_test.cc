// What has to happen at a time of its own happens then, whatever else woke the kubelet in between.
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

constexpr int64_t kMinuteUs = 60 * 1000000LL;

class WakeUp : public KubeletTest {
 protected:
  void start_pod_with_token() {
    start_kubelet();
    put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],"volumeMounts":[{"name":"t","mountPath":"/t"}]}],
      "volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":600}}]}}])");
  }
  // Until its file shows that token; says what it shows else.
  Task<std::string> token_becomes(std::string text) {
    std::string path = base_ + "/kubelet/pods/uid-p/volumes/kubernetes.io~projected/t/token";
    for (int i = 0; i < 500 && slurp(path) != text; ++i) co_await sleep_ms(10);
    co_return slurp(path);
  }
  // The pod's worker is woken for nothing.
  Task<void> disturb(int n) {
    client_.put_json(kConfigMaps, cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"default","uid":"c1"},"data":{"n":")", n, R"("}})"));
    co_await sleep_ms(100);
  }
};

TEST_F(WakeUp, a_token_is_renewed_on_time_though_something_else_woke_the_pod_before) {
  start_pod_with_token();
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await disturb(1);
    clock_.pass_us(7 * kMinuteUs);
    co_await disturb(2);
    EXPECT_EQ(client_.tokens, 1);
    clock_.pass_us(kMinuteUs);  // a fifth of its ten minutes is left
    std::string shown = co_await token_becomes("token-2");
    EXPECT_EQ(shown, "token-2");
    clock_.pass_us(8 * kMinuteUs);
    shown = co_await token_becomes("token-3");
    EXPECT_EQ(shown, "token-3");
  });
}

TEST_F(WakeUp, a_renewal_that_failed_is_tried_again_before_the_token_ends) {
  start_pod_with_token();
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await sleep_ms(100);
    client_.refuse_tokens = true;
    clock_.pass_us(8 * kMinuteUs);
    co_await sleep_ms(100);
    client_.refuse_tokens = false;
    clock_.pass_us(kMinuteUs);
    std::string shown = co_await token_becomes("token-2");
    EXPECT_EQ(shown, "token-2");
  });
}

TEST_F(WakeUp, a_token_that_ended_and_cannot_be_renewed_is_told) {
  start_pod_with_token();
  RUN({
    Document d = co_await until_phase("p", "Running");
    co_await sleep_ms(100);
    client_.refuse_tokens = true;
    clock_.pass_us(11 * kMinuteUs);
    std::string told = R"(FailedMount: MountVolume.SetUp failed for volume "t" : token "default"/"default"/[]string{}/600/v1.BoundObjectReference{Kind:"Pod", APIVersion:"v1", Name:"p", UID:"uid-p"} expired and refresh failed: no tokens today)";
    auto there = [this, &told] {
      auto events = client_.events("p");
      return std::find(events.begin(), events.end(), told) != events.end();
    };
    for (int i = 0; i < 500 && !there(); ++i) co_await sleep_ms(10);
    EXPECT_TRUE(there()) << join(client_.events("p"), "\n");
    std::string shown = co_await token_becomes("token-1");
    EXPECT_EQ(shown, "token-1");
  });
}

// What cannot be made is tried again in its time, whoever wakes the pod, and nothing is written meanwhile.
TEST_F(WakeUp, a_container_that_cannot_be_made_is_not_tried_at_each_wake_up) {
  images_->refuse_mounts = true;
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    std::function<bool(const Document&)> failed = [](const Document& d) { return d["status"]["containerStatuses"].item(0)["state"]["waiting"]["reason"].str() == "CreateContainerError"; };
    Task<Document> waiting = until("p", failed);
    Document d = co_await waiting;
    int tries = images_->mounts, patches = client_.patches["pods/p"];
    for (int i = 0; i < 20; ++i) {
      client_.put_json(kConfigMaps, cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"default","uid":"x"},"data":{"i":")", i, R"("}})"));
      co_await sleep_ms(20);
    }
    EXPECT_EQ(tries, 1);
    EXPECT_EQ(images_->mounts, tries);
    clock_.pass_us(11 * 1000000);
    for (int i = 0; i < 500 && images_->mounts == tries; ++i) co_await sleep_ms(10);
    co_await sleep_ms(200);
    EXPECT_EQ(images_->mounts, tries + 1);
    EXPECT_EQ(client_.patches["pods/p"], patches);
    images_->refuse_mounts = false;
    clock_.pass_us(21 * 1000000);
    d = co_await until_phase("p", "Running");
  });
}

TEST_F(WakeUp, a_missing_config_map_is_told_once_and_seen_when_it_comes) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"],"env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"m","key":"k"}}}]}])");
  auto failures = [this] {
    int64_t n = 0;
    auto each = [&n](const Document& e) {
      if (e["reason"].str() == "Failed") n += std::max<int64_t>(1, e["count"].integer());
      return true;
    };
    client_.objects.each(kEvents, "", each);
    return n;
  };
  auto task = [&]() -> Task<void> {
    co_await until_event("p", "Failed: Error: configmap \"m\" not found");
    for (int i = 0; i < 20; ++i) {
      client_.put_json(kConfigMaps, cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"default","uid":"x"},"data":{"i":")", i, R"("}})"));
      co_await sleep_ms(20);
    }
    EXPECT_EQ(failures(), 1);
    client_.put_json(kConfigMaps, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"default","uid":"m"},"data":{"k":"v"}})");
    Document d = co_await until_phase("p", "Running");
  };
  run(task());
}

// Back-off goes by the time that passes, not by the clock on the wall.
TEST_F(WakeUp, a_clock_that_is_set_back_holds_up_no_restart) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","exit 1"]}])");
  RUN({
    auto restarts = [](int64_t n) {
      return [n](const Document& d) {
        Value s = d["status"]["containerStatuses"].item(0);
        return s["restartCount"].integer() == n && s["state"]["waiting"]["reason"].str() == "CrashLoopBackOff";
      };
    };
    std::function<bool(const Document&)> once = restarts(1), twice = restarts(2);
    Task<Document> waiting = until("p", once);
    Document d = co_await waiting;
    clock_.set_wall_by_us(-24 * 60 * kMinuteUs);
    clock_.pass_us(11 * 1000000);
    waiting = until("p", twice);
    d = co_await waiting;
  });
}

// The report is woken while it is being written: that wake-up counts.
TEST_F(WakeUp, images_that_come_while_the_node_is_reported_are_reported_next) {
  client_.on_patch = [this](const ResourceId& resource) {
    if (!(resource == kNodes) || images_->another) return;
    images_->another = true;
    kubelet_->images_changed();
  };
  start_kubelet();
  RUN({
    for (int i = 0; i < 300 && client_.objects.get(kNodes, "", "n1")["status"]["images"].size() < 2; ++i) co_await sleep_ms(10);
    EXPECT_EQ(client_.objects.get(kNodes, "", "n1")["status"]["images"].size(), 2u);
  });
}

}  // namespace
}  // namespace bramble
