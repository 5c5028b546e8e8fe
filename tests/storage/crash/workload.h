// The load of the crash campaign, run in a child process until something kills it: workers write, remove and rewrite keys of
// their own, durably and volatile, and report on a pipe what they try and what was acknowledged. A value says which key and
// revision it belongs to, so that the parent can tell every state that it finds afterwards.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/random.h"
#include "storage/backup/backup.h"
#include "storage/sqlite/sqlite_store.h"

namespace bramble::crash {

constexpr int kWorkers = 8;
constexpr int kKeysPerWorker = 12;

inline std::string key_name(int key) {
  return cat("/registry/core/configmaps/w", key / kKeysPerWorker, "/", key % kKeysPerWorker);
}

inline std::string value_for(int key, uint64_t revision) {
  uint64_t h = (revision * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(key)) >> 20;
  size_t size = h % 40 == 0 ? 20000 + h % 80000 : h % 1500;
  std::string v = cat(key_name(key), " ", revision, " ");
  while (v.size() < size) v.push_back(static_cast<char>('a' + (h + v.size() * 7) % 26));
  return v;
}

enum class What : uint8_t { kTry, kAcknowledged, kFailed, kRoomMade, kRecovered };
struct Record {
  What what = What::kTry;
  bool durable = false;
  bool removal = false;
  int32_t key = 0;
  uint64_t revision = 0;
};

struct Plan {
  std::string dir;
  uint64_t seed = 0;
  const char* vfs = nullptr;
  bool fill_disk = false;  // begin with a ballast that leaves little room; take it away after some failures
};

class Child {
 public:
  Child(Plan plan, int out) : plan_(std::move(plan)), out_(out), random_(plan_.seed) {}

  [[noreturn]] void run() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_log_level(LogLevel::kError);
    auto opened = SqliteStore::open({plan_.dir + "/store", "", plan_.vfs}, loop_, clock_, random_);
    if (!opened.ok()) end(opened.error());
    store_ = std::move(*opened);
    auto loaded = store_->load([](StoredValue) {});
    if (!loaded.ok()) end(loaded.error());
    if (plan_.fill_disk) add_ballast();
    for (int w = 0; w < kWorkers; w++) workers_.start(work(w));
    if (random_.below(4) == 0) workers_.start(back_up());
    loop_.run();
    _exit(0);
  }

 private:
  [[noreturn]] void end(const Error& e) {
    log_error("load: ", e.message());
    _exit(3);
  }
  void report(Record r) {
    if (write(out_, &r, sizeof r) != sizeof r) _exit(4);
  }

  Task<void> work(int worker) {
    SeededRandom random(plan_.seed * 131 + static_cast<uint64_t>(worker));
    for (;;) {
      int key = worker * kKeysPerWorker + static_cast<int>(random.below(kKeysPerWorker));
      std::string name = key_name(key);
      uint64_t expected = store_->latest(name);
      Durability durability = random.below(4) == 0 ? Durability::kVolatile : Durability::kDurable;
      Record r{What::kTry, durability == Durability::kDurable, expected != 0 && random.below(4) == 0, key, 0};
      Result<uint64_t> written = Error(Code::kInternal, "");
      if (r.removal) {
        report(r);
        written = co_await store_->remove(name, expected, durability);
      } else {
        std::function<Buffer(uint64_t)> make = [this, r](uint64_t revision) {
          Record attempt = r;
          attempt.revision = revision;
          report(attempt);
          return make_buffer(value_for(r.key, revision));
        };
        written = co_await store_->put(name, expected, durability, make);
      }
      if (written.ok()) {
        r.what = What::kAcknowledged;
        r.revision = *written;
        report(r);
        if (room_made_) {
          report({What::kRecovered, false, false, 0, 0});
          room_made_ = false;
        }
      } else {
        if (written.error().code() != Code::kNoSpace) end(written.error());
        r.what = What::kFailed;
        report(r);
        if (++failures_ == 40) {
          report({What::kRoomMade, false, false, 0, 0});
          unlink(ballast().c_str());
          room_made_ = true;
        }
        co_await sleep_ms(1);
      }
      if (durability == Durability::kVolatile) co_await sleep_ms(0);
    }
  }

  Task<void> back_up() {
    for (;;) {
      co_await sleep_ms(10);
      auto made = co_await make_backup(*store_, plan_.dir + "/copies", 2, clock_);
      if (!made.ok() && made.error().code() != Code::kNoSpace) end(made.error());
    }
  }

  std::string ballast() const { return plan_.dir + "/ballast"; }
  void add_ballast() {
    int fd = open(ballast().c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    std::string block(4096, 'B');
    off_t size = 0;
    while (fd >= 0 && write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size())) size += 4096;
    off_t keep = size - static_cast<off_t>(random_.below(100) * 4096);
    if (fd < 0 || ftruncate(fd, keep > 0 ? keep : 0) != 0) _exit(5);
    close(fd);
  }

  Plan plan_;
  int out_;
  SeededRandom random_;
  RealClock clock_;
  Loop loop_;
  std::unique_ptr<SqliteStore> store_;
  int failures_ = 0;
  bool room_made_ = false;
  TaskGroup workers_;
};

// What the parent knows of each key, and the check of a store against it.
class Model {
 public:
  // certain: the report was there before the power was cut.
  void take(const Record& r, bool certain) {
    if (r.what == What::kRoomMade || r.what == What::kRecovered) {
      (r.what == What::kRoomMade ? rooms_made : recoveries)++;
      return;
    }
    Key& k = keys_[r.key];
    if (r.what == What::kTry) {
      k.states.push_back({r.removal ? 0 : r.revision, r.durable, false});
    } else if (r.what == What::kFailed) {
      if (k.states.empty()) return;
      if (k.states.size() > 1) k.states.pop_back();
    } else if (certain) {
      State& s = k.states.back();
      s.acknowledged = true;
      newest_ = std::max(newest_, r.revision);
      acknowledged++;
    }
  }

  // Reads the store as a new process would and compares. Then what was found is the truth for the next round. Gives the
  // number of keys whose acknowledged state is not there any more; every other difference is a failure, told in *wrong.
  enum class Allowed {
    kNothing,
    kMissing,  // a repair may have lost rows
    kOlder,    // or found them only as they were before
  };
  int check(const std::string& dir, std::string* wrong, bool close_cleanly, Allowed allowed) {
    Loop loop;
    RealClock clock;
    RealRandom random;
    auto opened = SqliteStore::open({dir + "/store", dir + "/copies", nullptr}, loop, clock, random);
    if (!opened.ok()) return *wrong = opened.error().message(), 0;
    SqliteStore& store = **opened;
    std::map<std::string, StoredValue> found;
    auto loaded = store.load([&](StoredValue v) { found[v.key] = v; });
    if (!loaded.ok()) return *wrong = loaded.error().message(), 0;
    if (allowed == Allowed::kNothing && !store.health().text.empty()) *wrong = store.health().text;
    if (store.revision() < newest_) *wrong = cat("revision ", store.revision(), " is behind ", newest_);

    int missing = 0;
    for (int key = 0; key < kWorkers * kKeysPerWorker; key++) {
      auto it = found.find(key_name(key));
      uint64_t revision = it == found.end() ? 0 : it->second.revision;
      if (revision && *it->second.value != value_for(key, revision)) *wrong = cat(key_name(key), ": wrong bytes");
      if (it != found.end()) found.erase(it);
      Key& k = keys_[key];
      if (!k.allows(revision)) {
        missing++;
        bool fine = revision == 0 ? allowed != Allowed::kNothing : allowed == Allowed::kOlder && k.had(revision);
        if (!fine) *wrong = cat(key_name(key), ": at revision ", revision, ", which is not allowed: ", k.text());
      }
      k.states = {{revision, true, true}};
    }
    if (!found.empty()) *wrong = cat(found.begin()->first, ": was never written");
    newest_ = std::max(newest_, store.revision());
    if (close_cleanly) {
      TaskGroup group;
      bool done = false;
      group.start(close_task(&store, &loop, &done, wrong));
      while (!done) loop.run();
    }
    return missing;
  }

  uint64_t acknowledged = 0;
  int rooms_made = 0, recoveries = 0;

 private:
  static Task<void> close_task(SqliteStore* store, Loop* loop, bool* done, std::string* wrong) {
    auto closed = co_await store->close();
    if (!closed.ok() && closed.error().code() != Code::kNoSpace) *wrong = closed.error().message();
    *done = true;
    loop->stop();
  }

  struct State {
    uint64_t revision = 0;  // 0: absent
    bool durable = false;
    bool acknowledged = false;
  };
  struct Key {
    std::vector<State> states = {{0, true, true}};  // oldest first
    bool allows(uint64_t revision) const {
      for (auto s = states.rbegin(); s != states.rend(); ++s) {
        if (s->revision == revision) return true;
        if (s->durable && s->acknowledged) return false;
      }
      return false;
    }
    bool had(uint64_t revision) const {
      return std::any_of(states.begin(), states.end(), [&](const State& s) { return s.revision == revision; });
    }
    std::string text() const {
      std::string out;
      for (const auto& s : states) out += cat(" ", s.revision, s.durable ? "d" : "v", s.acknowledged ? "!" : "?");
      return out;
    }
  };
  std::map<int, Key> keys_;
  uint64_t newest_ = 0;
};

}  // namespace bramble::crash
