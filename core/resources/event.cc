// Event: what happened to an object, as core/v1 and as events.k8s.io/v1 show it.
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

void append_cells(Value o, const Words& w, int64_t now_us, Mut out) {
  auto since = [&](Value first, Value second) {
    return age_text(first.str().empty() ? second.str() : first.str(), now_us);
  };
  std::string first = since(o[w.first], o["eventTime"]);
  std::string last = since(o[w.last], Value());
  int64_t count = o[w.count].integer();
  if (o[w.last].str().empty()) last = first;
  if (o["series"].is_object()) {
    last = age_text(o["series"]["lastObservedTime"].str(), now_us);
    count = o["series"]["count"].integer();
  } else if (count == 0) {
    count = 1;
  }
  const Value about = o[w.object];
  const std::string kind = lower(about["kind"].str());
  out.append(last);
  out.append(o["type"].str());
  out.append(o["reason"].str());
  out.append(about["name"].str().empty() ? kind : cat(kind, "/", about["name"].str()));
  out.append(about["fieldPath"].str());
  out.append(source_text(o, w));
  out.append(trim(o[w.message].str()));
  out.append(first);
  out.append(count);
  out.append(first_name(o));
}

void cells_core(Value o, int64_t now_us, Mut out) { append_cells(o, kCore, now_us, out); }
void cells_events(Value o, int64_t now_us, Mut out) { append_cells(o, kEvents, now_us, out); }

constexpr std::string_view kColumns =
    "Last Seen, Type, Reason, Object, Subobject:wide, Source:wide, Message, First Seen:wide, Count:wide, "
    "Name:name:wide";

}  // namespace

void event_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kNever;
  k.validate = validate_event;
  k.validate_update = update_event;
  k.columns = columns_of(kColumns);
  k.cells = cells_core;
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
  k.stored_as = {"", "v1", event_as_core, event_as_events};
  k.validate = validate_strict;
  k.validate_update = update_strict;
  k.columns = columns_of(kColumns);
  k.cells = cells_events;
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
