// A kubelet with real pods: the system's runc, real cgroups, network namespaces, volumes and logs; a small API in memory, a
// root file system made of the machine's static busybox, a network that gives out a fixed address, and a clock that a test
// may move on. Needs root.
#pragma once

#include "core/kubelet/kubelet.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/client/map_snapshot.h"
#include "core/json/patch.h"
#include "core/loop/loop.h"
#include "core/resources/conditions.h"
#include "core/resources/kind.h"
#include "core/schema/engine.h"
#include "core/runtime/pod_namespaces.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;
using namespace resource_ids;

inline std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

// An API server as the kubelet needs it: objects in a map, merge patches, graceful deletion of pods, tokens.
class MemoryClient final : public Client {
 public:
  const Snapshot& snapshot() const override { return objects; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    auto s = std::make_unique<Sub>(this);
    subs[s.get()] = {std::move(resources), std::move(fn)};
    return s;
  }
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override {
    if (options.subresource == "token") {
      if (refuse_tokens) co_return Error(Code::kUnavailable, "no tokens today");
      Builder b(object.root());
      b.root().object("status").set("token", cat("token-", ++tokens));
      co_return b.finish();
    }
    Builder b(object.root());
    Mut metadata = b.root().object("metadata");
    if (!ns.empty()) metadata.set("namespace", ns);
    if (metadata["uid"].str().empty()) metadata.set("uid", cat("uid-", ++uids));
    if (objects.get(resource, ns, metadata["name"].str())) co_return Error(Code::kAlreadyExists, "exists");
    Document stored = b.finish();
    put(resource, stored);
    co_return stored;
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions) override {
    if (!objects.get(resource, key.ns, key.name)) co_return Error(Code::kNotFound, "not found");
    put(resource, object);
    co_return object;
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions) override {
    Document old = objects.get(resource, key.ns, key.name);
    if (!old) co_return Error(Code::kNotFound, "not found");
    ++patches[cat(resource.resource, "/", key.name)];
    if (on_patch) on_patch(resource);
    const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
    auto merged = type == PatchType::kStrategic && kind ? strategic_merge(kind->type, old.root(), patch.root()) : Result<Builder>(merge_patch(old.root(), patch.root()));
    if (!merged.ok()) co_return merged.error();
    Document next = merged->finish();
    if (!equal(next.root(), old.root())) put(resource, next);
    co_return next;
  }
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override {
    Document old = objects.get(resource, key.ns, key.name);
    if (!old || (!options.uid.empty() && uid_of(old) != options.uid)) co_return Error(Code::kNotFound, "not found");
    if (refuse_removes) co_return Error(Code::kUnavailable, "not today");
    if (lose_removes && options.grace_period_s == 0) {
      --lose_removes;
      co_return Error(Code::kConflict, "somebody else was faster");
    }
    int64_t grace = options.grace_period_s.value_or(PodView(old).grace_seconds());
    if (resource == kPods && grace > 0) {
      Builder b(old.root());
      b.root().object("metadata").set("deletionTimestamp", "2030-01-01T00:00:00Z");
      b.root().object("metadata").set("deletionGracePeriodSeconds", grace);
      put(resource, b.finish());
      co_return old;
    }
    objects.remove(resource, key);
    tell({resource, old, {}});
    co_return old;
  }

  void put(const ResourceId& resource, Document object) {
    Document before = objects.put(resource, object);
    tell({resource, before, object});
  }
  void put_json(const ResourceId& resource, std::string_view json) {
    auto d = Document::parse(json);
    CHECK(d.ok(), d.error().message());
    put(resource, *d);
  }
  std::vector<std::string> events(std::string_view pod) const {
    std::vector<std::string> out;
    auto each = [&](const Document& e) {
      if (e["involvedObject"]["name"].str() == pod) out.push_back(cat(e["reason"].str(), ": ", e["message"].str()));
      return true;
    };
    objects.each(kEvents, "", each);
    return out;
  }

  MapSnapshot objects;
  bool refuse_tokens = false, refuse_removes = false;
  int lose_removes = 0;                            // so many final deletions conflict
  int tokens = 0;                                  // given out
  std::map<std::string, int> patches;              // by "pods/name"
  std::function<void(const ResourceId&)> on_patch;  // before it is carried out

  void tell(const Change& change) {
    auto now = subs;
    for (auto& [s, entry] : now)
      for (const auto& r : entry.resources)
        if (r == change.resource) entry.fn(change);
  }

 private:
  struct Entry {
    std::vector<ResourceId> resources;
    std::function<void(const Change&)> fn;
  };
  struct Sub final : Subscription {
    explicit Sub(MemoryClient* c) : client(c) {}
    ~Sub() override { client->subs.erase(this); }
    MemoryClient* client;
  };
  std::map<Sub*, Entry> subs;
  int uids = 0;
};

// One image, "busybox", whose root file system is a folder; containers get it by bind mount.
class FolderImages final : public ImageStore {
 public:
  explicit FolderImages(std::string rootfs) : rootfs_(std::move(rootfs)) {
    info_.id = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    info_.names = {"docker.io/library/busybox:1"};
    info_.config.env = {"PATH=/bin", "FROM_IMAGE=yes"};
    info_.config.cmd = {"sh"};
  }
  std::optional<ImageInfo> find(std::string_view name) override {
    return name == "busybox:1" || name == "busybox:2" || name == info_.id ? std::optional<ImageInfo>(info_) : std::nullopt;
  }
  std::vector<ImageInfo> list() override {
    std::vector<ImageInfo> out = {info_};
    if (another) out.emplace_back().names = {"docker.io/library/another:1"};
    return out;
  }
  Result<std::vector<ImageInfo>> import_archive(std::string, std::function<void(int64_t, int64_t)>) override { return Error(Code::kInternal, "no"); }
  Status remove(std::string_view) override { return ok(); }
  Status mount_rootfs(const std::string&, const std::string& work, const std::string& target) override {
    ++mounts;
    if (refuse_mounts) return Error(Code::kIo, cat("mount ", target, ": no"));
    fs::create_directories(work + "/upper");
    fs::create_directories(work + "/work");
    chmod((work + "/upper").c_str(), 0755);
    std::string o = cat("lowerdir=", rootfs_, ",upperdir=", work, "/upper,workdir=", work, "/work");
    if (mount("overlay", target.c_str(), "overlay", 0, o.c_str()) != 0) return Error::from_errno(errno, "overlay");
    return ok();
  }
  Status unmount_rootfs(const std::string& work, const std::string& target) override {
    umount2(target.c_str(), MNT_DETACH);
    fs::remove_all(work);
    return ok();
  }
  Status drop_leftovers(bool) override { return ok(); }
  std::atomic<int> mounts = 0;
  std::atomic<bool> refuse_mounts = false;
  std::atomic<bool> another = false;  // a second image, in the list only

 private:
  std::string rootfs_;
  ImageInfo info_;
};

// The real time, and as much more as a test lets pass; alarms that are due then fire.
class MovedClock final : public Clock {
 public:
  int64_t wall_us() const override { return real_.wall_us() + passed_us_ + set_us_; }
  int64_t monotonic_us() const override { return real_.monotonic_us() + passed_us_; }
  void pass_us(int64_t us) {
    passed_us_ += us;
    for (MovedAlarm* a : alarms_)
      if (a->due_us && a->due_us <= monotonic_us()) a->timer.arm_ms(0);
  }
  void set_wall_by_us(int64_t us) { set_us_ += us; }  // as somebody who sets the clock
  AlarmFactory alarms() {
    return [this](std::function<void()> fire) { return std::make_unique<MovedAlarm>(this, std::move(fire)); };
  }

 private:
  struct MovedAlarm final : Alarm {
    MovedAlarm(MovedClock* c, std::function<void()> fire) : clock(c), timer([this, fire] {
      due_us = 0;
      fire();
    }) { clock->alarms_.insert(this); }
    ~MovedAlarm() override { clock->alarms_.erase(this); }
    void set_in_ms(int64_t ms) override {
      due_us = clock->monotonic_us() + ms * 1000;
      timer.arm_ms(ms);
    }
    void clear() override {
      due_us = 0;
      timer.disarm();
    }
    MovedClock* clock;
    int64_t due_us = 0;
    Timer timer;
  };
  RealClock real_;
  int64_t passed_us_ = 0, set_us_ = 0;
  std::set<MovedAlarm*> alarms_;
};

class FixedNetwork final : public PodNetwork {
 public:
  Status ready() override { return why_not.empty() ? ok() : Status(Error(Code::kUnavailable, why_not)); }
  Result<PodNetworkResult> add(const PodNetworkRequest& r) override {
    adds++;
    last = r;
    if (refuse_adds) return Error(Code::kIo, "no");
    return PodNetworkResult{{address}};
  }
  Status del(const PodNetworkRequest&) override { return dels++, refuse_dels ? Status(Error(Code::kIo, "no")) : ok(); }
  Status collect(const std::vector<std::string>&) override { return ok(); }
  Status down() override { return ok(); }
  std::atomic<int> adds = 0, dels = 0;
  std::atomic<bool> refuse_adds = false, refuse_dels = false;
  std::string why_not, address = "10.99.0.2";
  PodNetworkRequest last;
};

class KubeletTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "containers need root";
    char name[] = "/tmp/bkt-XXXXXX";
    base_ = mkdtemp(name);
    tag_ = base_.substr(9);
    std::string rootfs = base_ + "/image";
    for (const char* d : {"bin", "proc", "sys", "dev", "tmp", "etc"}) fs::create_directories(rootfs + "/" + d);
    fs::copy_file("/bin/busybox", rootfs + "/bin/busybox");
    for (const char* applet : {"sh", "cat", "sleep", "echo", "hostname", "env", "nc", "ls", "id", "test", "stat", "printf", "readlink", "true"})
      if (!fs::exists(rootfs + "/bin/" + applet)) fs::create_symlink("busybox", rootfs + "/bin/" + applet);
    std::ofstream(rootfs + "/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n";
    images_ = std::make_unique<FolderImages>(rootfs);
    client_.put_json(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default","uid":"n1"}})");
  }
  void TearDown() override {
    if (base_.empty()) return;
    kubelet_.reset();
    Cgroups::Options o;
    o.root = "bkt-" + tag_;
    o.shims = "bkt-shims-" + tag_;
    auto cgroups = Cgroups::open(o);
    ASSERT_TRUE(cgroups.ok());
    // Pods outlive a kubelet, so the test ends them itself; the kernel needs a moment to let go.
    for (int i = 0; i < 300; ++i) {
      cgroups->kill_all();
      cgroups->remove_all();
      if (!fs::exists("/sys/fs/cgroup/memory/" + o.root) && !fs::exists("/sys/fs/cgroup/memory/" + o.shims) && !fs::exists("/sys/fs/cgroup/" + o.shims)) break;
      usleep(10000);
    }
    Status removed = unmount_and_remove(base_);
    EXPECT_TRUE(removed.ok()) << removed.error().message();
  }
  void start_kubelet() {
    KubeletOptions o;
    o.node_name = "n1";
    o.node_ip = "192.0.2.1";
    o.root_dir = base_ + "/kubelet";
    o.data_dir = base_ + "/data";
    o.run_dir = base_ + "/run";
    o.log_dir = base_ + "/pods";
    o.container_log_dir = base_ + "/containers";
    o.cgroup_root = "bkt-" + tag_;
    o.shim_cgroup = "bkt-shims-" + tag_;
    o.alarms = clock_.alarms();
    o.quarantine = quarantine_;
    o.image_source = image_source_;
    o.settings = settings_;
    if (!runtime_.empty()) o.runtime = runtime_;
    auto k = Kubelet::open(o, client_, *images_, network_, clock_, random_);
    ASSERT_TRUE(k.ok()) << k.error().message();
    kubelet_ = std::move(*k);
    kubelet_->start();
  }
  void run(Task<void> task) {
    TaskGroup tasks;
    auto stop = [](Task<void> t, Loop* loop) -> Task<void> {
      co_await t;
      loop->stop();
    };
    tasks.start(stop(std::move(task), &loop_));
    loop_.run();
  }
  static ObjectKey key(const char* name) { return {"default", name}; }
  Document pod(std::string_view name) const { return client_.objects.get(kPods, "default", name); }
  // Waits until the pod (maybe none) is as wanted; looks at each change of the API.
  Task<Document> until(std::string name, std::function<bool(const Document&)> good) {
    Event changed;
    std::function<void(const Change&)> fn = [&changed](const Change&) { changed.pulse(); };
    auto sub = client_.subscribe({kPods, kEvents}, fn);
    Timer late([&changed, this] {
      late_ = true;
      changed.pulse();
    });
    late.arm_ms(20000);
    late_ = false;
    while (!good(pod(name)) && !late_) co_await changed.wait();
    EXPECT_FALSE(late_) << name << " is " << pod(name)["status"].dump() << "\n" << join(client_.events(name), "\n");
    co_await sleep_ms(0);
    co_return pod(name);
  }
  Task<Document> until_phase(std::string name, std::string phase) {
    std::function<bool(const Document&)> good = [phase](const Document& d) {
      return d && PodView(d).phase() == phase && (phase != "Running" || PodView(d).is_ready());
    };
    Task<Document> waiting = until(name, good);
    auto d = co_await waiting;
    if (phase == "Running") co_await until_up(d);
    co_return d;
  }
  // A shell that is sent a signal before it has set its trap would ignore it: those that say "up" when they have are waited for.
  Task<void> until_up(Document d) {
    for (Value c : d["spec"]["containers"].items()) {
      if (c["command"].item(c["command"].size() - 1).str().find("; echo up;") == std::string_view::npos) continue;
      auto up = [&] { return log_of(std::string(name_of(d)), c["name"].text()).find(" up\n") != std::string::npos; };
      for (int i = 0; i < 2000 && !up(); ++i) co_await sleep_ms(10);
      EXPECT_TRUE(up()) << c["name"].str();
    }
  }
  Task<void> until_gone(std::string name) {
    std::function<bool(const Document&)> good = [](const Document& d) { return !d; };
    Task<Document> waiting = until(name, good);
    auto d = co_await waiting;
    for (int i = 0; i < 6000 && kubelet_ && kubelet_->has(key(name.c_str())); ++i) co_await sleep_ms(10);  // what comes after the API has let go
  }
  Task<void> until_node(std::string ready) {
    for (int i = 0; i < 500 && condition_status(node(), "Ready") != ready; ++i) co_await sleep_ms(10);
    EXPECT_EQ(condition_status(node(), "Ready"), ready);
  }
  Value node() {
    node_ = client_.objects.get(kNodes, "", "n1");
    return node_.root();
  }
  void put_pod(const std::string& name, const std::string& spec, const std::string& metadata = "") {
    client_.put_json(kPods, cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"default","uid":"uid-)", name, R"(")", metadata.empty() ? "" : ",", metadata,
                                R"(},"spec":{"nodeName":"n1",)", spec, "}}"));
  }
  Task<void> remove_pod(std::string name, int64_t grace_s) {
    DeleteOptions del;
    del.grace_period_s = grace_s;
    auto removed = co_await client_.remove(kPods, key(name.c_str()), del);
    EXPECT_TRUE(removed.ok());
  }
  Task<void> until_event(std::string object, std::string text) {
    auto there = [&] {
      auto events = client_.events(object);
      return std::find(events.begin(), events.end(), text) != events.end();
    };
    for (int i = 0; i < 1000 && !there(); ++i) co_await sleep_ms(10);
    EXPECT_TRUE(there()) << join(client_.events(object), "\n");
  }
  std::string disk_of(const std::string& pod_name) const { return cat(base_, "/data/pods/uid-", pod_name); }
  std::string log_of(const std::string& pod_name, const std::string& container, int attempt = 0) {
    return slurp(cat(base_, "/pods/default_", pod_name, "_uid-", pod_name, "/", container, "/", attempt, ".log"));
  }
  Task<std::string> read_all(DuplexStream* stream) {
    std::string out;
    for (;;) {
      auto more = co_await stream->read();
      if (!more) co_return out;
      out += *more;
    }
  }

  std::string base_, tag_;
  bool late_ = false;
  Quarantine* quarantine_ = nullptr;
  std::string runtime_;  // runc, when empty
  NodeSettings settings_;
  Document node_;
  Loop loop_;
  MemoryClient client_;
  MovedClock clock_;
  RealRandom random_;
  FixedNetwork network_;
  std::unique_ptr<FolderImages> images_;
  ImageSource* image_source_ = nullptr;
  std::unique_ptr<Kubelet> kubelet_;
};

#define RUN(...)                             \
  auto task = [this]() -> Task<void> __VA_ARGS__; \
  run(task())

}  // namespace
}  // namespace bramble
