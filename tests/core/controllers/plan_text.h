// Table tests of controllers: objects before, the plan as lines of text, and how an expected line is compared.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "core/client/map_snapshot.h"
#include "core/controllers/controller.h"

namespace bramble {

// 2026-01-02T03:04:05Z, in all tests of controllers, and so much later.
inline constexpr int64_t kNowUs = 1767323045000000;
inline Moment at(int64_t later_us = 0) { return {kNowUs + later_us, 7000000 + later_us}; }

inline MapSnapshot snapshot_of(const std::vector<std::string>& objects) {
  MapSnapshot snapshot;
  for (const std::string& json : objects) {
    Result<Document> d = Document::parse(json);
    EXPECT_TRUE(d.ok()) << json;
    if (d.ok()) snapshot.put(*d);
  }
  return snapshot;
}

// "create pods default/web {...}", "update deployments/status default/web {...}", "delete ... grace=0 propagation=Orphan".
inline std::string text_of(const Write& w) {
  static constexpr const char* kVerbs[] = {"create", "update", "patch", "delete"};
  std::string line = cat(w.with_previous ? "+" : "", kVerbs[static_cast<int>(w.verb)], " ", w.resource.resource,
                         w.options.subresource.empty() ? "" : "/", w.options.subresource, " ", w.key.text());
  if (w.body) line += cat(" ", w.body.root().dump());
  if (w.delete_options.grace_period_s) line += cat(" grace=", *w.delete_options.grace_period_s);
  if (!w.delete_options.propagation.empty()) line += cat(" propagation=", w.delete_options.propagation);
  return line;
}

inline std::vector<std::string> text_of(const Plan& plan) {
  std::vector<std::string> lines;
  for (const EventNote& e : plan.events) lines.push_back(cat("event ", e.type, " ", e.reason, ": ", e.message));
  for (const Write& w : plan.writes) {
    lines.push_back(text_of(w));
    if (w.on_success) lines.push_back(cat("then ", w.on_success->type, " ", w.on_success->reason, ": ", w.on_success->message));
  }
  for (const EventNote& e : plan.events_after_success) lines.push_back(cat("then ", e.type, " ", e.reason, ": ", e.message));
  return lines;
}

// An expected line is parts between " ~ ": the first begins the line, each further one stands somewhere in it.
inline bool line_matches(std::string_view line, std::string_view expected) {
  bool first = true;
  while (true) {
    auto parts = cut(expected, " ~ ");
    std::string_view part = parts ? parts->first : expected;
    if (first ? !line.starts_with(part) : line.find(part) == std::string_view::npos) return false;
    first = false;
    if (!parts) return true;
    expected = parts->second;
  }
}

inline void expect_plan(const Plan& plan, const std::vector<std::string>& expected) {
  std::vector<std::string> lines = text_of(plan);
  bool same = lines.size() == expected.size();
  for (size_t i = 0; same && i < lines.size(); i++) same = line_matches(lines[i], expected[i]);
  EXPECT_TRUE(same) << "plan:\n  " << join(lines, "\n  ") << "\nexpected:\n  " << join(expected, "\n  ");
}

struct PlanCase {
  const char* name;
  std::vector<std::string> before;
  ObjectKey key;
  std::vector<std::string> expected;
};

// reconcile only; finish: that function instead, after this failure or none.
inline void check_reconcile(const Controller& c, const std::vector<PlanCase>& cases) {
  for (const PlanCase& test : cases) {
    SCOPED_TRACE(test.name);
    MapSnapshot snapshot = snapshot_of(test.before);
    expect_plan(c.reconcile(snapshot, test.key, at()), test.expected);
  }
}

inline void check_finish(const Controller& c, const std::vector<PlanCase>& cases, const Outcome& outcome = {}) {
  for (const PlanCase& test : cases) {
    SCOPED_TRACE(test.name);
    MapSnapshot snapshot = snapshot_of(test.before);
    expect_plan(c.finish(snapshot, test.key, at(), outcome), test.expected);
  }
}

// The keys that a change gives, in order.
inline std::vector<std::string> keys_of(const Controller& c, const Snapshot& snapshot, const Change& change) {
  std::vector<std::string> out;
  c.keys(snapshot, change, [&](const ObjectKey& key) { out.push_back(key.text()); });
  return out;
}

}  // namespace bramble
