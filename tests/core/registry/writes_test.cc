// Writes through the registry, over a store in memory that can be made to wait.
#include <gtest/gtest.h>

#include "core/registry/registry.h"
#include "storage/memory/memory_store.h"

namespace bramble {
namespace {

class RegistryWrites : public testing::Test {
 protected:
  RegistryWrites() {
    EXPECT_TRUE(cache.load(store).ok());
    registry.adopt();
  }
  static Task<void> keep(Task<Result<Document>> call, std::optional<Result<Document>>* out) {
    auto got = co_await call;
    *out = std::move(got);
  }
  Task<Result<Document>> creating(const Kind& kind, const std::string& json) {
    auto object = Document::parse(json);
    CHECK(object.ok(), json);
    WriteRequest request;
    request.kind = &kind;
    request.ns = "default";
    Builder b(object->root());
    if (kind.set_defaults) kind.set_defaults(b.root());
    return registry.create(std::move(request), std::move(b));
  }
  Result<Document> create(const Kind& kind, const std::string& json) {
    std::optional<Result<Document>> out;
    TaskGroup group;
    group.start(keep(creating(kind, json), &out));
    if (!out) return Error(Code::kInternal, "not answered");
    return *out;
  }
  static std::string service(const std::string& name, const std::string& ip, int port) {
    return cat(R"({"metadata":{"name":")", name, R"(","namespace":"default"},"spec":{"type":"NodePort","clusterIP":")", ip,
               R"(","selector":{"a":"b"},"sessionAffinity":"None","ports":[{"port":80,"protocol":"TCP","targetPort":80,"nodePort":)", port, "}]}}");
  }

  FakeClock clock;
  SeededRandom random{5};
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  MemoryStore store{clock, disk};
  WatchCache cache{clock};
  static Registry::Options with_addresses() {
    Registry::Options options;
    options.service_cidr = "10.43.0.0/16";
    options.dns_address = "10.43.0.10";
    options.node_port_first = 30000;
    options.node_port_last = 32767;
    return options;
  }
  Registry registry{store, cache, clock, random, with_addresses()};
  const Kind& services = *find_kind("", "v1", "services");
  const Kind& maps = *find_kind("", "v1", "configmaps");
  const Kind& events = *find_kind("", "v1", "events");
};

TEST_F(RegistryWrites, commit_takes_the_document_that_the_writer_made) {
  auto made = create(maps, R"({"metadata":{"name":"m","namespace":"default"},"data":{"k":"v"}})");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EntryRef entry = cache.get("/registry/core/configmaps/default/m");
  ASSERT_TRUE(entry);
  EXPECT_TRUE(entry->document.same(*made)) << "it was parsed again";
  EXPECT_EQ(version_of(*made), cat(entry->revision));
  auto parsed = Document::parse(entry->document.bytes());
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(equal(parsed->root(), entry->document.root()));
}

// A request whose client goes away while its write waits for the disk.
TEST_F(RegistryWrites, addresses_of_a_write_whose_writer_is_gone_stay_taken) {
  store.hold();
  std::optional<Result<Document>> out;
  {
    TaskGroup group;
    group.start(keep(creating(services, service("a", "10.43.7.7", 30777)), &out));
  }
  EXPECT_FALSE(out);
  auto refused = [&](const char* when) {
    auto same_ip = create(services, service("b", "10.43.7.7", 30778)), same_port = create(services, service("b", "10.43.7.8", 30777));
    EXPECT_TRUE(!same_ip.ok() && same_ip.error().message().find("already allocated") != std::string::npos) << when;
    EXPECT_TRUE(!same_port.ok() && same_port.error().message().find("already allocated") != std::string::npos) << when;
  };
  refused("while it waits");
  store.release();
  EXPECT_TRUE(registry.get(services, "default", "a"));
  refused("when it is stored");
  auto fresh = create(services, service("b", "10.43.7.8", 30778));
  EXPECT_TRUE(fresh.ok()) << fresh.error().message();
}

TEST_F(RegistryWrites, addresses_of_a_write_that_failed_are_free) {
  store.fail_next(Error(Code::kNoSpace, "full"));
  EXPECT_FALSE(create(services, service("a", "10.43.7.7", 30777)).ok());
  auto again = create(services, service("a", "10.43.7.7", 30777));
  EXPECT_TRUE(again.ok()) << again.error().message();
}

TEST_F(RegistryWrites, expired_events_go_without_waiting_for_the_disk) {
  for (int i = 0; i < 50; i++) {
    auto made = create(events, cat(R"({"metadata":{"name":"e)", i, R"(","namespace":"default"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"type":"Normal"})"));
    ASSERT_TRUE(made.ok()) << made.error().message();
  }
  clock.advance_us(2 * 3600 * 1000000LL);
  size_t groups = disk->groups_written;
  bool done = false;
  auto sweep = [](Registry* r, bool* out) -> Task<void> {
    auto next = co_await r->expire_events();
    *out = !next.has_value();
  };
  TaskGroup group;
  group.start(sweep(&registry, &done));
  EXPECT_TRUE(done);
  EXPECT_EQ(disk->groups_written, groups);
  EXPECT_EQ(cache.view().count("/registry/core/events/"), 0u);
}

}  // namespace
}  // namespace bramble
