#include "core/client/recorder.h"

#include <gtest/gtest.h>

#include "tests/core/client/scripted_client.h"

namespace bramble {
namespace {

const Document kPod = *Document::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"u1","resourceVersion":"5"}})");

EventNote note(const std::string& message, const Document& about = kPod) { return {about, "Warning", "Failed", message, "", "Acting"}; }

struct Fixture {
  ScriptedClient client;
  FakeClock clock;
};

TEST(Recorder, writes_an_event_as_client_go_does) {
  Fixture f;
  Recorder r(f.client, f.clock, "kubelet", "node-1");
  r.record(note("no"));
  ASSERT_EQ(f.client.calls.size(), 1u);
  Document e = f.client.calls[0]->body;
  EXPECT_TRUE(f.client.calls[0]->text.starts_with("create events shop web."));
  EXPECT_EQ(e["involvedObject"].dump(), R"({"kind":"Pod","namespace":"shop","name":"web","uid":"u1","apiVersion":"v1","resourceVersion":"5"})");
  EXPECT_EQ(e["source"].dump(), R"({"component":"kubelet","host":"node-1"})");
  EXPECT_EQ(e["reportingComponent"].str(), "kubelet");
  EXPECT_EQ(e["count"].integer(), 1);
  EXPECT_EQ(e["firstTimestamp"].str(), "2026-01-02T03:04:05Z");
  EXPECT_EQ(e["lastTimestamp"].str(), "2026-01-02T03:04:05Z");
}

TEST(Recorder, the_same_event_again_counts_up) {
  Fixture f;
  Recorder r(f.client, f.clock, "c");
  r.record(note("no"));
  f.client.answer(0);
  f.clock.advance_us(3000000);
  r.record(note("no"));
  ASSERT_EQ(f.client.calls.size(), 2u);
  EXPECT_TRUE(f.client.calls[1]->text.starts_with("patch events shop/web."));
  EXPECT_EQ(f.client.calls[1]->body.root().dump(), R"({"count":2,"lastTimestamp":"2026-01-02T03:04:08Z"})");
}

TEST(Recorder, an_event_that_expired_is_made_anew) {
  Fixture f;
  Recorder r(f.client, f.clock, "c");
  r.record(note("no"));
  f.client.answer(0);
  r.record(note("no"));
  f.client.fail(1, Code::kNotFound, "gone");
  r.record(note("no"));
  ASSERT_EQ(f.client.calls.size(), 3u);
  EXPECT_TRUE(f.client.calls[2]->text.starts_with("create events"));
}

TEST(Recorder, many_similar_events_become_one) {
  Fixture f;
  Recorder r(f.client, f.clock, "c");
  for (int i = 0; i < 12; i++) r.record(note(cat("failure ", i)));
  for (size_t i = 0; i < 12; i++) f.client.answer(i);
  EXPECT_EQ(f.client.calls[8]->body["message"].str(), "failure 8");
  EXPECT_EQ(f.client.calls[9]->body["message"].str(), "(combined from similar events): failure 9");
  EXPECT_TRUE(f.client.calls[11]->text.starts_with("patch"));
  EXPECT_EQ(f.client.calls[11]->body["count"].integer(), 3);
}

TEST(Recorder, one_object_may_not_flood) {
  Fixture f;
  Recorder r(f.client, f.clock, "c");
  for (int i = 0; i < 40; i++) r.record(note("no"));
  EXPECT_EQ(r.waiting(), 24u);  // 25 tokens, one of them on its way
  f.clock.advance_us(301 * 1000000LL);
  r.record(note("no"));
  EXPECT_EQ(r.waiting(), 25u);
}

TEST(Recorder, cluster_scoped_objects_have_their_events_in_default) {
  Fixture f;
  Recorder r(f.client, f.clock, "c");
  r.record(note("no", *Document::parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})")));
  EXPECT_TRUE(f.client.calls[0]->text.starts_with("create events default n1."));
}

TEST(Recorder, the_events_api_style_has_series) {
  Fixture f;
  Recorder r(f.client, f.clock, "default-scheduler", "host", Recorder::Style::kEventsApi);
  r.record(note("no"));
  Document e = f.client.calls[0]->body;
  EXPECT_EQ(e["eventTime"].str(), "2026-01-02T03:04:05.000000Z");
  EXPECT_EQ(e["action"].str(), "Acting");
  EXPECT_EQ(e["reportingInstance"].str(), "default-scheduler-host");
  EXPECT_FALSE(e["firstTimestamp"].exists());
  f.client.answer(0);
  r.record(note("no"));
  EXPECT_EQ(f.client.calls[1]->body.root().dump(), R"({"series":{"count":2,"lastObservedTime":"2026-01-02T03:04:05.000000Z"}})");
}

}  // namespace
}  // namespace bramble
