#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

class WatchStream : public ApiTest {
 protected:
  std::vector<std::string> seen(const KeptAnswer& watch) {
    std::vector<std::string> out;
    for (const Document& e : watch.lines()) out.push_back(cat(e["type"].str(), " ", meta(e["object"], "name")));
    return out;
  }
  using List = std::vector<std::string>;
};

TEST_F(WatchStream, shows_changes_after_a_version) {
  call("POST", std::string(kMaps), config_map("old"));
  auto w = start("GET", cat(kMaps, "?watch=1&resourceVersion=", cache.revision()));
  call("POST", std::string(kMaps), config_map("a"));
  patch(cat(kMaps, "/a"), R"({"data":{"x":"1"}})");
  patch(cat(kMaps, "/a"), R"({"data":{"x":"1"}})");
  call("DELETE", cat(kMaps, "/a"));
  settle();
  EXPECT_EQ(seen(*w), (List{"ADDED a", "MODIFIED a", "DELETED a"}));
  Document last = w->lines().back();
  EXPECT_EQ(meta(last["object"], "resourceVersion"), cat(cache.revision())) << "a deleted object carries the deletion's version";
}

TEST_F(WatchStream, begins_with_what_exists_when_no_version_is_given) {
  call("POST", std::string(kMaps), config_map("a"));
  auto w = start("GET", cat(kMaps, "?watch=1"));
  settle();
  EXPECT_EQ(seen(*w), (List{"ADDED a"}));
}

TEST_F(WatchStream, ends_initial_events_with_a_bookmark) {
  call("POST", std::string(kMaps), config_map("a"));
  auto w = start("GET", cat(kMaps, "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"));
  settle();
  auto lines = w->lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["type"].str(), "BOOKMARK");
  EXPECT_EQ(lines[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].str(), "true");
  EXPECT_EQ(meta(lines[1]["object"], "resourceVersion"), cat(cache.revision()));
}

TEST_F(WatchStream, turns_selector_transitions_into_added_and_deleted) {
  call("POST", std::string(kMaps), config_map("a", "{}", R"({"l":"1"})"));
  call("POST", std::string(kMaps), config_map("b"));
  auto w = start("GET", cat(kMaps, "?watch=1&labelSelector=l%3D1&resourceVersion=", cache.revision()));
  patch(cat(kMaps, "/b"), R"({"metadata":{"labels":{"l":"1"}}})");
  patch(cat(kMaps, "/a"), R"({"metadata":{"labels":{"l":"2"}}})");
  settle();
  EXPECT_EQ(seen(*w), (List{"ADDED b", "DELETED a"}));
  EXPECT_EQ(w->lines()[1]["object"]["metadata"]["labels"]["l"].str(), "1") << "as it was when it was last selected";
}

TEST_F(WatchStream, too_old_a_version_gives_an_error_event) {
  auto first = call("POST", std::string(kMaps), config_map("a"));
  std::string old(version_of(first->json()));
  patch(cat(kMaps, "/a"), R"({"data":{"n":"0"}})");
  clock.advance_us(10 * 60 * 1000000LL);
  patch(cat(kMaps, "/a"), R"({"data":{"n":"1"}})");
  auto w = start("GET", cat(kMaps, "?watch=1&resourceVersion=", old));
  settle();
  auto lines = w->lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["type"].str(), "ERROR");
  EXPECT_EQ(lines[0]["object"]["code"].integer(), 410);
  EXPECT_EQ(lines[0]["object"]["reason"].str(), "Expired");
  EXPECT_TRUE(w->ended);
}

TEST_F(WatchStream, ends_when_the_peer_goes) {
  auto w = start("GET", cat(kMaps, "?watch=1"));
  settle();
  w->gone_event.set();
  settle();
  EXPECT_TRUE(w->ended);
  EXPECT_EQ(tasks.size(), 0u);
}

TEST_F(WatchStream, a_peer_that_goes_while_changes_come_is_let_go) {
  auto w = start("GET", cat(kMaps, "?watch=1"));
  settle();
  w->drop_writes = true;
  call("POST", std::string(kMaps), config_map("a"));
  settle();
  EXPECT_TRUE(w->ended);
}

TEST_F(WatchStream, shows_tables_with_columns_once) {
  auto w = start("GET", cat(kMaps, "?watch=1&resourceVersion=", cache.revision()), "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}});
  call("POST", std::string(kMaps), config_map("a"));
  call("POST", std::string(kMaps), config_map("b"));
  settle();
  auto lines = w->lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0]["object"]["columnDefinitions"].is_array());
  EXPECT_TRUE(lines[1]["object"]["columnDefinitions"].is_null());
}

TEST_F(WatchStream, of_one_name_shows_that_object_alone) {
  auto w = start("GET", cat("/api/v1/watch/namespaces/default/configmaps/a?resourceVersion=", cache.revision()));
  call("POST", std::string(kMaps), config_map("a"));
  call("POST", std::string(kMaps), config_map("b"));
  settle();
  EXPECT_EQ(seen(*w), (List{"ADDED a"}));
}

// Who may watch one name sees no other through a selector beside it.
TEST_F(WatchStream, of_one_name_takes_no_selector_that_asks_for_more) {
  call("POST", std::string(kMaps), config_map("a"));
  call("POST", std::string(kMaps), config_map("b"));
  std::string path = "/api/v1/watch/namespaces/default/configmaps/a?resourceVersion=0&fieldSelector=";
  for (std::string selector : {"metadata.namespace%3Ddefault", "metadata.name%3Db", "metadata.name!%3Da"}) {
    auto refused = call("GET", path + selector);
    EXPECT_EQ(refused->status, 400) << selector;
    EXPECT_EQ(refused->json()["message"].text(), "fieldSelector metadata.name doesn't match requested name") << selector;
  }
  auto w = start("GET", path + "metadata.name%3Da");
  settle();
  EXPECT_EQ(seen(*w), (List{"ADDED a"}));
}

TEST_F(WatchStream, many_watchers_see_the_same_bytes) {
  std::vector<std::shared_ptr<KeptAnswer>> watches;
  for (int i = 0; i < 50; ++i) watches.push_back(start("GET", cat(kMaps, "?watch=1&resourceVersion=", cache.revision())));
  for (int i = 0; i < 20; ++i) call("POST", std::string(kMaps), config_map(cat("m", i)));
  settle();
  for (const auto& w : watches) EXPECT_EQ(w->body, watches[0]->body);
  EXPECT_EQ(watches[0]->lines().size(), 20u);
}

TEST_F(WatchStream, shows_an_event_in_the_form_of_each_group) {
  constexpr const char* kCoreEvents = "/api/v1/namespaces/default/events";
  constexpr const char* kNewEvents = "/apis/events.k8s.io/v1/namespaces/default/events";
  auto core = start("GET", cat(kCoreEvents, "?watch=1&resourceVersion=", cache.revision()));
  auto other = start("GET", cat(kNewEvents, "?watch=1&fieldSelector=regarding.name%3Dp&resourceVersion=", cache.revision()));
  call("POST", kCoreEvents, R"({"metadata":{"name":"e"},"involvedObject":{"name":"p","namespace":"default"},"message":"m"})");
  call("POST", kCoreEvents, R"({"metadata":{"name":"f"},"involvedObject":{"name":"q","namespace":"default"},"message":"m"})");
  call("DELETE", cat(kNewEvents, "/e"));
  settle();
  EXPECT_EQ(seen(*core), (List{"ADDED e", "ADDED f", "DELETED e"}));
  EXPECT_EQ(seen(*other), (List{"ADDED e", "DELETED e"}));
  for (const Document& line : core->lines()) EXPECT_EQ(line["object"]["message"].str(), "m");
  for (const Document& line : other->lines()) {
    EXPECT_EQ(line["object"]["apiVersion"].str(), "events.k8s.io/v1");
    EXPECT_EQ(line["object"]["note"].str(), "m");
    EXPECT_EQ(line["object"]["regarding"]["name"].str(), "p");
  }
  EXPECT_EQ(meta(other->lines().back()["object"], "resourceVersion"), cat(cache.revision()));
}

class WatchBookmarks : public WatchStream {
 protected:
  WatchBookmarks() { bookmark_ms = 50; }  // later than the first event
  // Runs the loop until a timer of this long has fired.
  void pass_ms(int64_t ms) {
    Timer over([this] { loop.stop(); });
    over.arm_ms(ms);
    loop.run();
  }
  // However slow the machine is.
  void pass_until_a_bookmark(const KeptAnswer& watch) {
    for (int i = 0; i < 2000 && watch.body.find("BOOKMARK") == std::string::npos; ++i) pass_ms(10);
  }
};

TEST_F(WatchBookmarks, never_run_ahead_of_events_that_a_slow_reader_has_not_seen) {
  auto w = start("GET", cat(kMaps, "?watch=1&allowWatchBookmarks=true&resourceVersion=", cache.revision()));
  w->full = true;
  call("POST", std::string(kMaps), config_map("a"));  // its event waits for the reader
  settle();
  call("POST", std::string(kMaps), config_map("b"));
  pass_ms(60);  // a bookmark is due
  w->full = false;
  w->room.set();
  settle();
  pass_until_a_bookmark(*w);
  std::vector<std::string> order;
  uint64_t promised = 0;
  for (const Document& e : w->lines()) {
    uint64_t revision = *parse_uint64(meta(e["object"], "resourceVersion"));
    if (e["type"].str() == "BOOKMARK") {
      promised = revision;
    } else {
      EXPECT_GT(revision, promised) << meta(e["object"], "name") << " comes after a bookmark that covers it";
      order.emplace_back(meta(e["object"], "name"));
    }
  }
  EXPECT_EQ(order, (List{"a", "b"}));
  EXPECT_GT(promised, 0u) << "a bookmark was sent";
}

TEST_F(WatchBookmarks, tell_an_idle_watcher_how_far_the_cluster_has_come) {
  auto w = start("GET", cat(kMaps, "?watch=1&allowWatchBookmarks=true&resourceVersion=", cache.revision()));
  call("POST", "/api/v1/namespaces/default/secrets", R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}})");
  pass_until_a_bookmark(*w);
  auto lines = w->lines();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(meta(lines.back()["object"], "resourceVersion"), cat(cache.revision()));
}

}  // namespace
}  // namespace bramble
