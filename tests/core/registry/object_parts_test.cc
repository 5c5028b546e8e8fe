// The registry's smaller parts: locks, pools of addresses and ports, system fields, scale.
#include <gtest/gtest.h>

#include "core/registry/api_status.h"
#include "core/registry/key_locks.h"
#include "core/registry/object_meta.h"
#include "core/registry/scale.h"
#include "core/registry/service_pools.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

TEST(KeyLocks, waiters_go_in_order_and_a_dropped_one_is_forgotten) {
  KeyLocks locks;
  std::vector<int> order;
  Event go;
  auto use = [](KeyLocks* l, Event* e, std::vector<int>* out, int id) -> Task<void> {
    auto held = co_await l->lock("k");
    out->push_back(id);
    co_await e->wait();
  };
  TaskGroup first, second, third;
  first.start(use(&locks, &go, &order, 1));
  second.start(use(&locks, &go, &order, 2));
  third.start(use(&locks, &go, &order, 3));
  EXPECT_EQ(order, (std::vector<int>{1}));
  second.cancel_all();
  go.pulse();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  third.cancel_all();
  TaskGroup fourth;
  fourth.start(use(&locks, &go, &order, 4));
  EXPECT_EQ(order.back(), 4) << "a dropped holder releases";
}

TEST(ServicePools, a_reservation_ends_with_its_hold) {
  SeededRandom random(1);
  ServicePools pools("10.43.0.0/24", "10.43.0.10", 30000, 30010, random);
  Document service = json(R"({"metadata":{"name":"a"},"spec":{"type":"NodePort","clusterIP":"10.43.0.7","ports":[{"port":80,"protocol":"TCP","nodePort":30003}]}})");
  auto errors_of = [&](ServicePools::Hold& hold) {
    FieldErrors errors;
    Builder b(service.root());
    Status s = pools.assign(b.root(), Value(), hold, errors);
    EXPECT_TRUE(s.ok());
    return errors.list().size();
  };
  {
    ServicePools::Hold first(pools), second(pools);
    EXPECT_EQ(errors_of(first), 0u);
    EXPECT_EQ(errors_of(second), 2u);
  }
  ServicePools::Hold later(pools);
  EXPECT_EQ(errors_of(later), 0u);
}

TEST(ServicePools, a_full_range_is_an_error_and_nothing_is_given_twice) {
  SeededRandom random(1);
  ServicePools pools("10.43.0.0/28", "10.43.0.10", 30000, 30001, random);
  std::vector<std::string> given;
  ServicePools::Hold hold(pools);
  for (int i = 0; i < 14; ++i) {
    Builder b(json(R"({"spec":{"type":"ClusterIP","ports":[{"port":80}]}})").root());
    FieldErrors errors;
    Status s = pools.assign(b.root(), Value(), hold, errors);
    if (!s.ok()) {
      EXPECT_EQ(s.error().code(), Code::kInternal);
      break;
    }
    given.push_back(b["spec"]["clusterIP"].text());
  }
  EXPECT_EQ(given.size(), 13u) << "14 addresses of which one is the DNS's";
  std::sort(given.begin(), given.end());
  EXPECT_EQ(std::unique(given.begin(), given.end()), given.end());
}

TEST(ObjectMeta, generated_names_fit_a_label) {
  SeededRandom random(1);
  Builder b;
  b.root().object("metadata").set("generateName", std::string(100, 'x'));
  generate_name(b.root(), random);
  EXPECT_EQ(b["metadata"]["name"].str().size(), 63u);
}

TEST(ObjectMeta, repeated_owners_are_dropped_with_a_warning) {
  Builder b(json(R"({"metadata":{"ownerReferences":[{"uid":"u","name":"a"},{"uid":"u","name":"a"},{"uid":"w"}]}})").root());
  std::vector<std::string> warnings;
  dedupe_owner_references(b.root(), &warnings);
  EXPECT_EQ(b["metadata"]["ownerReferences"].size(), 2u);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("duplicate UID(s) observed: u"), std::string::npos);
}

TEST(ApiStatus, every_code_has_a_reason_and_a_number) {
  for (int i = 0; i <= static_cast<int>(Code::kExhausted); ++i) {
    Code code = static_cast<Code>(i);
    EXPECT_FALSE(reason_of(code).empty());
    EXPECT_GE(http_of(code), 400);
    Error plain(code, "x");
    EXPECT_EQ(http_status_of(plain), http_of(code));
    EXPECT_EQ(json(status_json_of(plain))["code"].integer(), http_of(code));
  }
  EXPECT_EQ(http_status_of(api_plain("x")), 500);
  EXPECT_EQ(http_status_of(api_not_acceptable()), 406);
}

TEST(Scale, negative_replicas_are_refused) {
  Status s = validate_scale(json(R"({"metadata":{"name":"d"},"spec":{"replicas":-1}})").root());
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().message(),
            "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0");
}

}  // namespace
}  // namespace bramble
