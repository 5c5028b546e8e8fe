// Figures of the store: CPU and bytes to disk per put, one writer and many; start with many objects; an idle hour of leases and
// node heartbeats; memory per object in store and cache. Prints one line a figure; asserts nothing.
// Use: store_bench [directory]  (on the disk to be measured; default: a new one under /var/tmp)

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <filesystem>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/registry/cache.h"
#include "storage/sqlite/sqlite_store.h"

using namespace bramble;

namespace {

double cpu_s() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
double wall_s() { return static_cast<double>(RealClock().monotonic_us()) / 1e6; }

// Bytes this process caused to be sent to the disk.
double written_bytes() {
  FILE* f = fopen("/proc/self/io", "re");
  char line[128];
  double bytes = 0;
  while (f && fgets(line, sizeof line, f)) sscanf(line, "write_bytes: %lf", &bytes);
  if (f) fclose(f);
  return bytes;
}
double heap_bytes() { return static_cast<double>(mallinfo2().uordblks); }

std::string object(size_t bytes, uint64_t revision) {
  std::string v = cat("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"default\",\"resourceVersion\":\"", revision, "\"},\"data\":{\"a\":\"");
  while (v.size() + 3 < bytes) v.push_back('x');
  return v + "\"}}";
}

struct Bench {
  std::string dir;
  Loop loop;
  FakeClock clock;
  RealRandom random;
  std::unique_ptr<SqliteStore> store;
  int running = 0;
  TaskGroup tasks;

  void open(WatchCache* cache) {
    auto opened = SqliteStore::open({dir, "", nullptr}, loop, clock, random);
    CHECK(opened.ok(), opened.ok() ? "" : opened.error().message());
    store = std::move(*opened);
    Status loaded = cache ? cache->load(*store) : store->load([](StoredValue) {});
    CHECK(loaded.ok(), loaded.ok() ? "" : loaded.error().message());
  }
  Task<void> write(int worker, int workers, int puts, int keys, size_t bytes, Durability durability) {
    for (int i = worker; i < puts; i += workers) {
      std::string key = cat("/registry/core/configmaps/default/c-", i % keys);
      std::function<Buffer(uint64_t)> make = [bytes](uint64_t revision) { return make_buffer(object(bytes, revision)); };
      auto r = co_await store->put(key, store->latest(key), durability, make);
      CHECK(r.ok(), r.ok() ? "" : r.error().message());
    }
    done();
  }
  Task<void> flush() {
    auto r = co_await store->flush();
    CHECK(r.ok(), r.ok() ? "" : r.error().message());
    done();
  }
  Task<void> close() {
    auto r = co_await store->close();
    CHECK(r.ok(), r.ok() ? "" : r.error().message());
    done();
  }
  void done() {
    if (--running == 0) loop.stop();
  }
  void wait() {
    while (running > 0) loop.run();
  }
  void puts(const char* name, int workers, int count, int keys, size_t bytes, Durability durability = Durability::kDurable) {
    double cpu = cpu_s(), wall = wall_s(), written = written_bytes();
    running = workers;
    for (int w = 0; w < workers; w++) tasks.start(write(w, workers, count, keys, bytes, durability));
    wait();
    double n = count;
    printf("%-46s %7.0f puts/s  %6.1f us CPU/put  %6.1f kB/put\n", name, n / (wall_s() - wall), (cpu_s() - cpu) / n * 1e6,
           (written_bytes() - written) / n / 1e3);
  }
  Task<void> put_one(std::string key, size_t bytes) {
    std::function<Buffer(uint64_t)> make = [bytes](uint64_t revision) { return make_buffer(object(bytes, revision)); };
    auto r = co_await store->put(key, store->latest(key), Durability::kVolatile, make);
    CHECK(r.ok(), r.ok() ? "" : r.error().message());
    done();
  }
  void puts_quietly(std::string key, size_t bytes) { run_one(put_one(std::move(key), bytes)); }
  void run_one(Task<void> task) {
    running = 1;
    tasks.start(std::move(task));
    wait();
  }
};

}  // namespace

int main(int argc, char** argv) {
  std::string dir = argc > 1 ? argv[1] : "/var/tmp";
  std::string name = dir + "/bramble-bench-XXXXXX";
  CHECK(mkdtemp(name.data()) != nullptr, name);
  set_log_level(LogLevel::kError);
  {
    Bench b;
    b.dir = name;
    b.open(nullptr);
    b.puts("create 1 kB, 1 writer", 1, 500, 500, 1024);
    b.puts("update 1 kB, 1 writer", 1, 1000, 500, 1024);
    b.puts("update 1 kB, 8 writers", 8, 4000, 500, 1024);
    b.puts("update 1 kB, 64 writers", 64, 8000, 500, 1024);
    b.puts("update 3 kB, 8 writers", 8, 2000, 500, 3072);
    b.puts("update 1 kB, volatile, 8 writers", 8, 20000, 500, 1024, Durability::kVolatile);
    b.puts("create 1 kB, 64 writers", 64, 10000, 10000, 1024);

    // An idle hour of three nodes: each renews its lease every 10 s (volatile) and reports its status every 5 min.
    double written = written_bytes(), cpu = cpu_s();
    for (int tick = 0; tick < 360; tick++) {
      b.clock.advance_us(10 * 1000000);
      for (int node = 0; node < 3; node++)
        b.puts_quietly(cat("/registry/coordination.k8s.io/leases/kube-node-lease/n", node), 600);
      if (tick % 30 == 0)
        for (int node = 0; node < 3; node++) b.puts_quietly(cat("/registry/core/nodes/n", node), 5000);
      if (tick % 180 == 179) b.run_one(b.flush());  // kVolatileFlushMs
    }
    printf("%-46s %7.0f kB/hour  %5.1f ms CPU/hour\n", "idle, three nodes", (written_bytes() - written) / 1e3, (cpu_s() - cpu) * 1e3);
    b.run_one(b.close());
    b.store.reset();
  }
  {
    Bench b;
    b.dir = name;
    double before = heap_bytes(), cpu = cpu_s();
    WatchCache cache(b.clock);
    b.open(&cache);
    double n = static_cast<double>(cache.stats().entries);
    printf("%-46s %7.0f objects  %5.1f ms CPU  %.0f bytes of memory each (1 kB of JSON)\n", "load", n, (cpu_s() - cpu) * 1e3, (heap_bytes() - before) / n);
    b.run_one(b.close());
    b.store.reset();
  }
  std::filesystem::remove_all(name);
}
