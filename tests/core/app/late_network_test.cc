// A network that comes late, fails to open, and changes its range.
#include "core/app/late_network.h"

#include <gtest/gtest.h>

#include <map>

#include "core/loop/loop.h"

namespace bramble {
namespace {

// What the tests' networks were asked for; on worker threads.
struct Asked {
  std::mutex mutex;
  std::vector<std::string> opened, collected;
  std::map<std::string, int> failures;  // range -> how many times it still fails to open
};

class NamedNetwork final : public PodNetwork {
 public:
  NamedNetwork(std::string range, std::shared_ptr<Asked> asked) : range_(std::move(range)), asked_(std::move(asked)) {}
  Result<PodNetworkResult> add(const PodNetworkRequest&) override { return PodNetworkResult{{range_}}; }
  Status del(const PodNetworkRequest&) override { return ok(); }
  Status collect(const std::vector<std::string>& live) override {
    std::lock_guard lock(asked_->mutex);
    asked_->collected.push_back(cat(range_, ": ", join(live, ",")));
    return ok();
  }
  Status down() override { return ok(); }

 private:
  std::string range_;
  std::shared_ptr<Asked> asked_;
};

class LateNetworkTest : public testing::Test {
 protected:
  LateNetworkTest() {
    auto open = [asked = asked_](PodNetwork::Options o) -> Result<std::unique_ptr<PodNetwork>> {
      std::lock_guard lock(asked->mutex);
      asked->opened.push_back(o.pod_cidr);
      if (asked->failures[o.pod_cidr]-- > 0) return Error(Code::kIo, cat("bridge of ", o.pod_cidr, " refused"));
      return std::unique_ptr<PodNetwork>(std::make_unique<NamedNetwork>(o.pod_cidr, asked));
    };
    network_ = std::make_unique<LateNetwork>(PodNetwork::Options{}, open, alarms(), [this] { changed_.pulse(); });
  }
  // Alarms of the test: none goes off by itself.
  AlarmFactory alarms() {
    struct ByHand final : Alarm {
      explicit ByHand(LateNetworkTest* t) : test(t) {}
      void set_in_ms(int64_t ms) override { test->alarm_ms_ = ms; }
      void clear() override { test->alarm_ms_ = -1; }
      LateNetworkTest* test;
    };
    return [this](std::function<void()> fire) {
      fire_ = std::move(fire);
      return std::make_unique<ByHand>(this);
    };
  }
  void run(Task<void> task) {
    auto stop = [](Task<void> t, Loop* loop) -> Task<void> {
      co_await t;
      loop->stop();
    };
    TaskGroup tasks;
    tasks.start(stop(std::move(task), &loop_));
    loop_.run();
  }
  std::string why() {
    Status s = network_->ready();
    return s.ok() ? std::string("ready") : s.error().message();
  }
  std::string address() {
    auto added = network_->add({});
    return added.ok() ? added->addresses[0] : added.error().message();
  }

  Loop loop_;
  std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
  Event changed_;
  std::function<void()> fire_;
  int64_t alarm_ms_ = -1;
  std::unique_ptr<LateNetwork> network_;
};

TEST_F(LateNetworkTest, says_why_it_is_not_ready_and_opens_when_it_has_a_range) {
  auto task = [this]() -> Task<void> {
    EXPECT_EQ(why(), "the node has no range of pod addresses yet");
    EXPECT_EQ(address(), "network is not ready: the node has no range of pod addresses yet");
    network_->use("10.42.0.0/24");
    EXPECT_EQ(why(), "the network of 10.42.0.0/24 is not open yet");
    co_await changed_.wait();
    EXPECT_EQ(why(), "ready");
    EXPECT_EQ(address(), "10.42.0.0/24");
    network_->use("10.42.0.0/24");  // the same again is nothing
    EXPECT_EQ(why(), "ready");
    EXPECT_EQ(asked_->opened.size(), 1u);
  };
  run(task());
}

TEST_F(LateNetworkTest, a_range_that_cannot_be_opened_is_tried_again_with_back_off) {
  asked_->failures["10.42.0.0/24"] = 2;
  auto task = [this]() -> Task<void> {
    network_->use("10.42.0.0/24");
    co_await changed_.wait();
    EXPECT_EQ(why(), "bridge of 10.42.0.0/24 refused");
    EXPECT_EQ(address(), "network is not ready: bridge of 10.42.0.0/24 refused");
    int64_t first_ms = alarm_ms_;
    EXPECT_GT(first_ms, 0);
    fire_();
    co_await changed_.wait();
    EXPECT_EQ(why(), "bridge of 10.42.0.0/24 refused");
    EXPECT_EQ(alarm_ms_, 2 * first_ms);
    fire_();
    co_await changed_.wait();
    EXPECT_EQ(why(), "ready");
    EXPECT_EQ(address(), "10.42.0.0/24");
  };
  run(task());
}

TEST_F(LateNetworkTest, a_new_range_that_cannot_be_opened_does_not_pass_for_the_old_one) {
  asked_->failures["10.42.7.0/24"] = 1;
  auto task = [this]() -> Task<void> {
    network_->use("10.42.0.0/24");
    co_await changed_.wait();
    network_->use("10.42.7.0/24");
    co_await changed_.wait();
    EXPECT_EQ(why(), "bridge of 10.42.7.0/24 refused");
    EXPECT_NE(address(), "10.42.0.0/24");
    network_->use("10.42.7.0/24");  // the Node changes in some other way: no try out of turn
    EXPECT_EQ(asked_->opened.size(), 2u);
    fire_();
    co_await changed_.wait();
    EXPECT_EQ(why(), "ready");
    EXPECT_EQ(address(), "10.42.7.0/24");
  };
  run(task());
}

TEST_F(LateNetworkTest, another_mtu_is_taken_while_pods_keep_their_network) {
  auto task = [this]() -> Task<void> {
    network_->use("10.42.0.0/24", 1450);
    co_await changed_.wait();
    network_->use("10.42.0.0/24", 1400);
    EXPECT_EQ(why(), "ready");
    EXPECT_EQ(address(), "10.42.0.0/24");
    co_await changed_.wait();
    network_->use("10.42.0.0/24", 1400);
    EXPECT_EQ(asked_->opened.size(), 2u);
    EXPECT_EQ(why(), "ready");
  };
  run(task());
}

TEST_F(LateNetworkTest, what_was_to_be_collected_before_it_was_open_is_collected_then) {
  auto task = [this]() -> Task<void> {
    EXPECT_TRUE(network_->collect({"a", "b"}).ok());
    network_->use("10.42.0.0/24");
    co_await changed_.wait();
    EXPECT_EQ(asked_->collected, std::vector<std::string>{"10.42.0.0/24: a,b"});
    EXPECT_TRUE(network_->collect({"c"}).ok());
    EXPECT_EQ(asked_->collected.size(), 2u);
  };
  run(task());
}

}  // namespace
}  // namespace bramble
