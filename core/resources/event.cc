// Event: what happened to an object, as core/v1 and as events.k8s.io/v1 show it.
#include <algorithm>

#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/event_versions.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

// The two versions differ only in the names of fields.
struct Words {
  const char *object, *message, *controller, *source, *count, *first, *last;
};
constexpr Words kCore = {"involvedObject", "message",        "reportingComponent", "source",
                         "count",          "firstTimestamp", "lastTimestamp"};
constexpr Words kEvents = {"regarding",
                           "note",
                           "reportingController",
                           "deprecatedSource",
                           "deprecatedCount",
                           "deprecatedFirstTimestamp",
                           "deprecatedLastTimestamp"};

constexpr size_t kTextMax = 128, kMessageMax = 1024;

void limit_text(Value o, const char* field, size_t most, bool required, FieldErrors& errors) {
  const std::string_view text = o[field].str();
  if (required && text.empty()) errors.required(Path(field));
  if (text.size() > most) errors.invalid(Path(field), "", cat("can have at most ", most, " characters"));
}

int64_t last_written_us(Value event) {
  int64_t newest = 0;
  for (Value time : {event["metadata"]["creationTimestamp"], event["lastTimestamp"], event["eventTime"], event["series"]["lastObservedTime"]})
    newest = std::max(newest, parse_rfc3339(time.str()).value_or(0));
  return newest;
}

// What holds for every Event, whichever group it comes by. Both versions are validated in the stored form, core/v1.
void validate_event(Value o, FieldErrors& errors) {
  const std::string_view ns = o["metadata"]["namespace"].str(), about = o["involvedObject"]["namespace"].str();
  const bool old_style = o["eventTime"].str().empty();
  const bool matches = old_style ? (about.empty() ? ns.empty() || ns == "default" : ns == about)
                                 : !about.empty() || ns == "default" || ns == "kube-system";
  if (!matches) errors.invalid(Path("involvedObject").at("namespace"), about, "does not match event.namespace");
  if (old_style) return;
  const std::string_view controller = o["reportingComponent"].str();
  if (controller.empty()) errors.required(Path("reportingController"));
  add_invalid(Path("reportingController"), controller, check_qualified_name(controller), errors);
  limit_text(o, "reportingInstance", kTextMax, true, errors);
  limit_text(o, "action", kTextMax, true, errors);
  limit_text(o, "reason", kTextMax, true, errors);
  limit_text(o, "message", kMessageMax, false, errors);
}

void validate_series(Value series, FieldErrors& errors) {
  if (!series.is_object()) return;
  if (series["count"].integer() < 2) errors.invalid(Path("series").at("count"), "", "should be at least 2");
  if (series["lastObservedTime"].str().empty()) errors.required(Path("series").at("lastObservedTime"));
}

// What a new Event of events.k8s.io must keep beyond that: none of the fields of the old style.
void validate_strict(Value o, FieldErrors& errors) {
  validate_event(o, errors);
  validate_series(o["series"], errors);
  if (o["eventTime"].str().empty()) errors.required(Path("eventTime"));
  const std::string_view type = o["type"].str();
  if (type != "Normal" && type != "Warning") errors.invalid(Path("type"), "", cat("has invalid value: ", type));
  for (const char* field : {"firstTimestamp", "lastTimestamp", "count", "source"}) {
    const Value v = o[field];
    if (v && !v.is_null() && !(v.is_object() && v.size() == 0)) errors.invalid(Path(field), "", "needs to be unset");
  }
}

void update_event(Value o, Value, FieldErrors& errors) { validate_event(o, errors); }

void update_strict(Value o, Value old, FieldErrors& errors) {
  validate_event(o, errors);
  if (!equal(o["series"], old["series"])) validate_series(o["series"], errors);
  struct Fixed {
    const char *field, *shown;
  };
  constexpr Fixed kFixed[] = {{"involvedObject", "involvedObject"}, {"reason", "reason"}, {"message", "message"},
                              {"source", "source"}, {"firstTimestamp", "firstTimestamp"}, {"lastTimestamp", "lastTimestamp"},
                              {"count", "count"}, {"reason", "reason"}, {"type", "type"}, {"eventTime", "eventTime"},
                              {"action", "action"}, {"related", "related"}, {"reportingComponent", "reportingController"},
                              {"reportingInstance", "reportingInstance"}};
  for (const Fixed& f : kFixed) validate_immutable(o[f.field], old[f.field], Path(f.shown), errors);
}

std::string source_text(Value o, const Words& w) {
  std::string_view component = o[w.source]["component"].str(), host = o[w.source]["host"].str();
  if (component.empty()) {
    component = o[w.controller].str();
    host = o["reportingInstance"].str();
  }
  if (component.empty()) return {};
  return host.empty() ? std::string(component) : cat(component, ", ", host);
}

// Times as RFC 3339 text, "" where the event does not say.
std::string_view first_seen(Value o, const Words& w) {
  const std::string_view first = o[w.first].str();
  return first.empty() ? o["eventTime"].str() : first;
}
std::string_view last_seen(Value o, const Words& w) {
  if (o["series"].is_object()) return o["series"]["lastObservedTime"].str();
  const std::string_view last = o[w.last].str();
  return last.empty() ? first_seen(o, w) : last;
}
int64_t times_seen(Value o, const Words& w) {
  if (o["series"].is_object()) return o["series"]["count"].integer();
  const int64_t count = o[w.count].integer();
  return count == 0 ? 1 : count;
}
std::string object_text(Value about) {
  const std::string kind = lower(about["kind"].str());
  return about["name"].str().empty() ? kind : cat(kind, "/", about["name"].str());
}

template <const Words& w>
std::vector<Column> event_columns() {
  return {
      {"Last Seen", kText, [](const TableRow& r) { return age_text(last_seen(r.object, w), r.now_us); }},
      {"Type", kText, [](Value o) { return o["type"].str(); }},
      {"Reason", kText, [](Value o) { return o["reason"].str(); }},
      {"Object", kText, [](Value o) { return object_text(o[w.object]); }},
      {"Subobject", kWide, [](Value o) { return o[w.object]["fieldPath"].str(); }},
      {"Source", kWide, [](Value o) { return source_text(o, w); }},
      {"Message", kText, [](Value o) { return trim(o[w.message].str()); }},
      {"First Seen", kWide, [](const TableRow& r) { return age_text(first_seen(r.object, w), r.now_us); }},
      {"Count", kWide, [](Value o) { return times_seen(o, w); }},
      {"Name", kName | kWide, [](Value o) { return o["metadata"]["name"].str(); }},
  };
}

}  // namespace

void event_rules(Kind& k) {
  k.collected = false;
  k.may_be_volatile = [](Value, Value) { return true; };
  k.last_written_us = last_written_us;
  k.meta_again = Kind::MetaAgain::kNever;
  k.validate = validate_event;
  k.validate_update = update_event;
  k.columns = event_columns<kCore>();
  k.selectable = {
      {"involvedObject.kind", [](Value o) { return o["involvedObject"]["kind"].text(); }},
      {"involvedObject.namespace", [](Value o) { return o["involvedObject"]["namespace"].text(); }},
      {"involvedObject.name", [](Value o) { return o["involvedObject"]["name"].text(); }},
      {"involvedObject.uid", [](Value o) { return o["involvedObject"]["uid"].text(); }},
      {"involvedObject.apiVersion", [](Value o) { return o["involvedObject"]["apiVersion"].text(); }},
      {"involvedObject.resourceVersion", [](Value o) { return o["involvedObject"]["resourceVersion"].text(); }},
      {"involvedObject.fieldPath", [](Value o) { return o["involvedObject"]["fieldPath"].text(); }},
      {"reason", [](Value o) { return o["reason"].text(); }},
      {"reportingComponent", [](Value o) { return o["reportingComponent"].text(); }},
      {"source",
       [](Value o) {
         const std::string component = o["source"]["component"].text();
         return component.empty() ? o["reportingComponent"].text() : component;
       }},
      {"type", [](Value o) { return o["type"].text(); }},
  };
}

void events_event_rules(Kind& k) {
  k.collected = false;
  k.stored_as = {"", "v1", event_as_core, event_as_events};
  k.validate = validate_strict;
  k.validate_update = update_strict;
  k.columns = event_columns<kEvents>();
  k.selectable = {
      {"reason", [](Value o) { return o["reason"].text(); }},
      {"reportingController", [](Value o) { return o["reportingComponent"].text(); }},
      {"type", [](Value o) { return o["type"].text(); }},
      {"regarding.kind", [](Value o) { return o["involvedObject"]["kind"].text(); }},
      {"regarding.namespace", [](Value o) { return o["involvedObject"]["namespace"].text(); }},
      {"regarding.name", [](Value o) { return o["involvedObject"]["name"].text(); }},
      {"regarding.uid", [](Value o) { return o["involvedObject"]["uid"].text(); }},
      {"regarding.apiVersion", [](Value o) { return o["involvedObject"]["apiVersion"].text(); }},
      {"regarding.resourceVersion", [](Value o) { return o["involvedObject"]["resourceVersion"].text(); }},
      {"regarding.fieldPath", [](Value o) { return o["involvedObject"]["fieldPath"].text(); }},
  };
}

}  // namespace bramble
