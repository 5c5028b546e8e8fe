#include "core/kubelet/node_shutdown.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/shutdown_limits.h"
#include "core/json/builder.h"
#include "core/kubelet/node_files.h"
#include "core/kubelet/pod_worker.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

constexpr char kLogind[] = "org.freedesktop.login1", kLogindPath[] = "/org/freedesktop/login1", kLogindManager[] = "org.freedesktop.login1.Manager";
constexpr char kOverrideFolder[] = "/etc/systemd/logind.conf.d", kOverrideFile[] = "/etc/systemd/logind.conf.d/99-bramble.conf";

DbusMessage call_of(const char* destination, const char* path, const char* interface, const char* member) {
  DbusMessage m;
  m.destination = destination;
  m.path = path;
  m.interface = interface;
  m.member = member;
  return m;
}

}  // namespace

std::vector<ShutdownGroup> group_by_priority(const std::vector<ShutdownGrace>& periods, const std::vector<ShutdownPod>& pods) {
  std::vector<ShutdownGroup> groups;
  for (const ShutdownGrace& grace : periods) groups.push_back({grace, {}});
  for (const ShutdownPod& pod : pods) {
    size_t place = 0;
    while (place + 1 < groups.size() && groups[place + 1].grace.priority <= pod.priority) ++place;
    if (!groups.empty()) groups[place].uids.push_back(pod.uid);
  }
  return groups;
}

std::string logind_override(int64_t seconds) { return cat("# bramble: pods end before the machine goes down\n[Login]\nInhibitDelayMaxSec=", seconds, "\n"); }

NodeShutdown::NodeShutdown(NodeParts& parts, std::vector<ShutdownGrace> periods, Hooks hooks) : parts_(parts), periods_(std::move(periods)), hooks_(std::move(hooks)) {}

void NodeShutdown::start() {
  if (!periods_.empty()) tasks_.start(run());
}

int64_t NodeShutdown::all_seconds() const {
  int64_t sum = 0;
  for (const ShutdownGrace& g : periods_) sum += g.seconds;
  return sum;
}

Task<void> NodeShutdown::run() {
  int64_t wait_ms = limits::kDbusRetryMsMin;
  for (;;) {
    Task<Status> watching = watch();
    Status ended = co_await watching;
    if (lock_.valid()) wait_ms = limits::kDbusRetryMsMin;  // it had come so far
    lock_.reset();
    bus_.reset();
    log_warning("kubelet: the node's shutdown will not wait for pods: ", ended.error().message());
    co_await sleep_ms(wait_ms);
    wait_ms = std::min(2 * wait_ms, limits::kDbusRetryMsMax);
  }
}

// Until the bus is lost, or something was refused.
Task<Status> NodeShutdown::watch() {
  Task<Result<std::unique_ptr<DbusConnection>>> opening = DbusConnection::open(DbusConnection::system_bus());
  auto opened = co_await opening;
  if (!opened.ok()) co_return opened.error();
  bus_ = std::move(*opened);
  told_.reset();
  bus_->on_signal([this](const DbusMessage& m) {
    DbusReader body(m.body);
    auto active = m.signature == "b" ? body.u32() : std::nullopt;
    if (m.member != "PrepareForShutdown" || m.interface != kLogindManager || !active) return;
    told_ = *active != 0;
    told_something_.pulse();
  });
  Task<Status> timing = have_time();
  Status time = co_await timing;
  if (!time.ok()) co_return time;
  Task<Status> locking = inhibit();
  Status locked = co_await locking;
  if (!locked.ok()) co_return locked;
  DbusMessage match = call_of("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch");
  match.signature = "s";
  match.body = DbusWriter().text(cat("type='signal',sender='", kLogind, "',interface='", kLogindManager, "',member='PrepareForShutdown',path='", kLogindPath, "'")).take();
  Task<Result<std::unique_ptr<DbusConnection::Answer>>> matching = bus_->call(match);
  auto matched = co_await matching;
  if (!matched.ok()) co_return matched.error();
  log_info("kubelet: a shutdown of the node waits for pods for up to ", all_seconds(), " s");
  for (;;) {
    if (!told_) {
      Race race;
      race.until(&bus_->lost());
      race.until(&told_something_);
      co_await race.first().wait();
    }
    if (!told_) co_return Error(Code::kUnavailable, "the message bus is lost");
    now_ = *std::exchange(told_, std::nullopt);
    tell(now_ ? "Shutdown manager detected shutdown event" : "Shutdown manager detected shutdown cancellation");
    hooks_.not_ready(now_ ? "node is shutting down" : "");
    if (now_) {
      co_await end_pods();
      lock_.reset();  // logind goes on
    } else {
      Task<Status> again = inhibit();
      Status taken = co_await again;
      if (!taken.ok()) co_return taken;
    }
  }
}

Task<Result<int64_t>> NodeShutdown::longest_delay_us() {
  DbusMessage get = call_of(kLogind, kLogindPath, "org.freedesktop.DBus.Properties", "Get");
  get.signature = "ss";
  get.body = DbusWriter().text(kLogindManager).text("InhibitDelayMaxUSec").take();
  Task<Result<std::unique_ptr<DbusConnection::Answer>>> getting = bus_->call(get);
  auto got = co_await getting;
  if (!got.ok()) co_return got.error();
  DbusReader body((*got)->message.body);
  auto type = body.signature();
  auto us = type && *type == "t" ? body.u64() : std::nullopt;
  if (!us) co_return Error(Code::kInvalidArgument, "InhibitDelayMaxUSec from logind is not a uint64 as expected");
  co_return static_cast<int64_t>(std::min<uint64_t>(*us, INT64_MAX));
}

// logind waits for as long as it is configured to: five seconds, unless it is told otherwise.
Task<Status> NodeShutdown::have_time() {
  const int64_t wanted_us = all_seconds() * 1000000;
  Task<Result<int64_t>> asking = longest_delay_us();
  auto delay = co_await asking;
  if (!delay.ok()) co_return delay.error();
  if (*delay >= wanted_us) co_return ok();
  auto write = [text = logind_override(all_seconds())]() -> Status {
    TRY(make_node_dirs(kOverrideFolder));
    return write_node_file(kOverrideFile, text, 0644);
  };
  Task<Status> writing = offload(std::move(write));
  Status written = co_await writing;
  if (!written.ok()) co_return written;
  DbusMessage reload = call_of("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "KillUnit");
  reload.signature = "ssi";
  reload.body = DbusWriter().text("systemd-logind.service").text("all").u32(1).take();  // SIGHUP: read the configuration again
  Task<Result<std::unique_ptr<DbusConnection::Answer>>> reloading = bus_->call(reload);
  auto reloaded = co_await reloading;
  if (!reloaded.ok()) co_return reloaded.error();
  int64_t wait_ms = limits::kLogindReloadMs;
  for (int i = 0; i < limits::kLogindReloadTries; ++i, wait_ms *= 2) {
    co_await sleep_ms(wait_ms);  // nothing tells when it has
    Task<Result<int64_t>> again = longest_delay_us();
    auto now = co_await again;
    if (now.ok() && *now >= wanted_us) co_return ok();
  }
  co_return Error(Code::kUnavailable, cat("logind's InhibitDelayMaxSec is less than ", all_seconds(), " s, and ", kOverrideFile, " did not change that"));
}

Task<Status> NodeShutdown::inhibit() {
  DbusMessage ask = call_of(kLogind, kLogindPath, kLogindManager, "Inhibit");
  ask.signature = "ssss";
  ask.body = DbusWriter().text("shutdown").text("kubelet").text("Kubelet needs time to handle node shutdown").text("delay").take();
  Task<Result<std::unique_ptr<DbusConnection::Answer>>> asking = bus_->call(ask);
  auto given = co_await asking;
  if (!given.ok()) co_return given.error();
  if ((*given)->descriptors.empty()) co_return Error(Code::kInvalidArgument, "logind gave no inhibitor lock");
  lock_ = std::move((*given)->descriptors[0]);
  co_return ok();
}

bool NodeShutdown::any_holds(const std::vector<std::string>& uids) const {
  bool any = false;
  hooks_.each_worker([&](PodWorker& worker) { any = any || (!worker.is_released() && std::find(uids.begin(), uids.end(), worker.uid()) != uids.end()); });
  return any;
}

Task<void> NodeShutdown::end_pods() {
  std::vector<ShutdownPod> pods;
  hooks_.each_worker([&pods](PodWorker& worker) {
    PodView pod(worker.pod());
    if (!pod.is_terminal() && !worker.is_refused()) pods.push_back({worker.uid(), pod.priority()});
  });
  for (const ShutdownGroup& group : group_by_priority(periods_, pods)) {
    if (group.uids.empty()) continue;
    hooks_.each_worker([&group](PodWorker& worker) {
      if (std::find(group.uids.begin(), group.uids.end(), worker.uid()) == group.uids.end()) return;
      worker.evict(std::string(kShutdownReason), std::string(kShutdownMessage), std::min(group.grace.seconds, PodView(worker.pod()).grace_seconds()), true, false);
    });
    const int64_t until_us = parts_.clock.monotonic_us() + group.grace.seconds * 1000000;
    while (any_holds(group.uids) && parts_.clock.monotonic_us() < until_us) {
      Race race;
      race.until(&released_);
      race.within_ms((until_us - parts_.clock.monotonic_us()) / 1000 + 1);
      co_await race.first().wait();
    }
  }
}

void NodeShutdown::tell(std::string message) {
  log_info("kubelet: ", message);
  Builder about;
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", parts_.options.node_name);
  about.root().object("metadata").set("uid", parts_.options.node_name);
  EventNote note;
  note.about = about.finish();
  note.type = "Normal";
  note.reason = "Shutdown";
  note.message = std::move(message);
  parts_.recorder.record(note);
}

}  // namespace bramble
