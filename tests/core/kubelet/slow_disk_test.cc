// A disk that does not answer holds up what needs it, and nothing else: not the loop, not another pod.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/unique_fd.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

// A pipe in the place of a file: who opens it waits, until let_go() or, so that a test may fail and not hang, ten seconds.
class SlowFile {
 public:
  SlowFile(std::string path, int other_end) : path_(std::move(path)), other_end_(other_end) {
    EXPECT_EQ(mkfifo(path_.c_str(), 0644), 0) << path_;
    watchdog_ = std::thread([this] {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return let_go_; })) other_.reset(open(path_.c_str(), other_end_ | O_CLOEXEC | O_NONBLOCK));
    });
  }
  ~SlowFile() {
    let_go();
    watchdog_.join();
  }
  void let_go() {
    std::lock_guard lock(mutex_);
    if (std::exchange(let_go_, true)) return;
    if (!other_.valid()) other_.reset(open(path_.c_str(), other_end_ | O_CLOEXEC | O_NONBLOCK));
    changed_.notify_all();
  }

 private:
  std::string path_;
  int other_end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool let_go_ = false;
  UniqueFd other_;
  std::thread watchdog_;
};

class SlowDisk : public KubeletTest {
 protected:
  // Another pod comes up while the disk is slow.
  Task<void> another_pod_starts(int64_t slow_since_us) {
    put_pod("other", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    Document d = co_await until_phase("other", "Running");
    EXPECT_LT(clock_.monotonic_us() - slow_since_us, 8000000);
  }
};

TEST_F(SlowDisk, files_of_a_pod_that_is_set_up) {
  start_kubelet();
  RUN({
    co_await until_node("True");
    fs::create_directories(base_ + "/kubelet/pods/uid-p");
    int64_t since_us = clock_.monotonic_us();
    SlowFile hosts(base_ + "/kubelet/pods/uid-p/etc-hosts.tmp", O_RDONLY);
    put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    for (int i = 0; i < 300 && network_.adds == 0; ++i) co_await sleep_ms(10);
    co_await sleep_ms(20);
    co_await another_pod_starts(since_us);
  });
}

TEST_F(SlowDisk, the_log_of_a_container_that_ended) {
  start_kubelet();
  put_pod("p", R"("restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1","terminationMessagePolicy":"FallbackToLogsOnError","command":["sh","-c","trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string log = base_ + "/pods/default_p_uid-p/c/0.log";
    fs::remove(log);
    int64_t since_us = clock_.monotonic_us();
    SlowFile slow(log, O_RDWR);
    std::string id = d["status"]["containerStatuses"].item(0)["containerID"].text();
    std::string written = slurp(cat(base_, "/run/pods/uid-p/containers/", id.substr(10), "/pid"));
    int pid = static_cast<int>(parse_int64(trim(written)).value_or(0));
    EXPECT_GT(pid, 1);
    if (pid <= 1) co_return;
    EXPECT_EQ(::kill(pid, SIGTERM), 0);
    while (::kill(pid, 0) == 0) co_await sleep_ms(10);
    co_await sleep_ms(50);
    co_await another_pod_starts(since_us);
  });
}

TEST_F(SlowDisk, a_log_that_is_read) {
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    std::string log = base_ + "/pods/default_p_uid-p/c/0.log";
    fs::remove(log);
    int64_t since_us = clock_.monotonic_us();
    SlowFile slow(log, O_RDWR);
    TaskGroup reading;
    auto read = [](Kubelet* kubelet) -> Task<void> {
      LogOptions options;
      ObjectKey p{"default", "p"};
      auto stream = co_await kubelet->logs(p, options);
      (void)stream;
    };
    reading.start(read(kubelet_.get()));
    co_await another_pod_starts(since_us);
  });
}

// An ext4 file system in a file, mounted at a directory. Frozen, every change to it waits; it thaws by itself after ten seconds.
class FrozenDisk {
 public:
  FrozenDisk(const std::string& image, const std::string& at) {
    made_ = system(cat("truncate -s 16M ", image, " && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -m 0 ", image, " && mount -o loop ", image, " ", at).c_str()) == 0;
    root_.reset(open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~FrozenDisk() { thaw(); }
  bool made() const { return made_ && root_.valid(); }
  void freeze() {
    EXPECT_EQ(ioctl(root_.get(), FIFREEZE, 0), 0);
    frozen_ = true;
    watchdog_ = std::thread([this] {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !frozen_; });
      EXPECT_EQ(ioctl(root_.get(), FITHAW, 0), 0);
    });
  }
  void thaw() {
    {
      std::lock_guard lock(mutex_);
      frozen_ = false;
      changed_.notify_all();
    }
    if (watchdog_.joinable()) watchdog_.join();
  }

 private:
  UniqueFd root_;
  bool made_ = false, frozen_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread watchdog_;
};

class FrozenLogs : public KubeletTest {
 protected:
  void SetUp() override {
    KubeletTest::SetUp();
    fs::create_directories(base_ + folder_);
    disk_ = std::make_unique<FrozenDisk>(base_ + "/disk.img", base_ + folder_);
    ASSERT_TRUE(disk_->made()) << "no loop device";
    start_kubelet();
  }
  void TearDown() override {
    kubelet_.reset();
    disk_.reset();
    KubeletTest::TearDown();
  }
  // The loop turns until the kubelet has come to the disk, and then on.
  Task<void> loop_turns(std::function<bool()> at_the_disk) {
    int64_t longest_us = 0;
    int turns = 0;
    for (int i = 0; i < 800 && turns < 30; ++i) {
      int64_t before = loop_.now_us();
      co_await sleep_ms(10);
      longest_us = std::max(longest_us, loop_.now_us() - before);
      turns += at_the_disk() ? 1 : 0;
    }
    EXPECT_EQ(turns, 30) << "it never came to the disk";
    EXPECT_LT(longest_us, 5000000);
    disk_->thaw();
  }
  size_t entries(const std::string& path) {
    std::error_code ec;
    return static_cast<size_t>(std::distance(fs::directory_iterator(path, ec), fs::directory_iterator()));
  }
  std::string folder_ = "/pods";
  std::unique_ptr<FrozenDisk> disk_;
};

class FrozenLinks : public FrozenLogs {
 protected:
  FrozenLinks() { folder_ = "/containers"; }
};

TEST_F(FrozenLogs, a_container_that_is_made) {
  RUN({
    co_await until_node("True");
    disk_->freeze();
    put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    std::function<bool()> creating = [this] { return entries(base_ + "/run/pods/uid-p/containers") > 0; };
    co_await loop_turns(creating);
    Document d = co_await until_phase("p", "Running");
  });
}

TEST_F(FrozenLinks, a_container_that_is_made) {
  RUN({
    co_await until_node("True");
    disk_->freeze();
    put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
    std::function<bool()> set_up = [this] { return fs::exists(base_ + "/kubelet/pods/uid-p/etc-hosts"); };
    co_await loop_turns(set_up);
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(entries(base_ + "/containers"), 2u) << "a link and lost+found";
  });
}

TEST_F(FrozenLogs, a_pod_that_goes) {
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("p", "Running");
    disk_->freeze();
    co_await remove_pod("p", 1);
    std::function<bool()> removed = [this] { return !fs::exists(base_ + "/run/pods/uid-p"); };
    co_await loop_turns(removed);
    for (int i = 0; i < 500 && entries(base_ + "/pods") > 1; ++i) co_await sleep_ms(10);
    EXPECT_EQ(entries(base_ + "/pods"), 1u) << "lost+found";
  });
}

TEST_F(FrozenLogs, the_log_of_a_container_two_restarts_ago) {
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sh","-c","if [ -e /d/2 ]; then while ! [ -e /d/go ]; do sleep 0.05; done; fi; if [ -e /d/1 ]; then echo >/d/2; fi; echo >/d/1; exit 1"],
    "volumeMounts":[{"name":"d","mountPath":"/d"}]}],"volumes":[{"name":"d","emptyDir":{}}])");
  RUN({
    auto restarted = [this](int64_t times) {
      Document d = pod("p");
      Value c = d["status"]["containerStatuses"].item(0);
      return c["restartCount"].integer() == times && (times < 2 || c["state"].has("running"));
    };
    for (int i = 0; i < 1000 && !restarted(2); ++i) {
      if (i % 50 == 49) clock_.pass_us(60000000);
      co_await sleep_ms(10);
    }
    EXPECT_TRUE(restarted(2));
    std::string logs = base_ + "/pods/default_p_uid-p/c";
    EXPECT_EQ(entries(logs), 3u);
    disk_->freeze();
    std::ofstream(base_ + "/kubelet/pods/uid-p/volumes/kubernetes.io~empty-dir/d/go") << "go";
    std::function<bool()> discarded = [this] { return entries(base_ + "/data/pods/uid-p") == 0; };
    co_await loop_turns(discarded);
    for (int i = 0; i < 500 && fs::exists(logs + "/0.log"); ++i) co_await sleep_ms(10);
    EXPECT_FALSE(fs::exists(logs + "/0.log"));
  });
}

}  // namespace
}  // namespace bramble
