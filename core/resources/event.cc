// Event: what happened to an object, as core/v1 and as events.k8s.io/v1 show it.
#include "core/resources/cells.h"
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

void validate_words(Value o, const Words& w, FieldErrors& errors) {
  const std::string_view ns = o["metadata"]["namespace"].str(), about = o[w.object]["namespace"].str();
  const Path at = Path("involvedObject").at("namespace");
  const bool matches = about.empty() ? ns.empty() || ns == "default" : ns == about;
  if (!matches) errors.invalid(at, about, "does not match event.namespace");
  const bool strict = &w == &kEvents || !o["eventTime"].str().empty();
  if (!strict) return;
  const std::string_view controller = o[w.controller].str(), instance = o["reportingInstance"].str(),
                         action = o["action"].str(), reason = o["reason"].str(), type = o["type"].str();
  if (&w == &kEvents && o["eventTime"].str().empty()) errors.required(Path("eventTime"));
  if (controller.empty())
    errors.required(Path(w.controller));
  else
    add_invalid(Path(w.controller), controller, check_qualified_name(controller), errors);
  if (instance.empty()) errors.required(Path("reportingInstance"));
  if (instance.size() > kTextMax) errors.invalid(Path("reportingInstance"), "", "can have at most 128 characters");
  if (action.empty()) errors.required(Path("action"));
  if (action.size() > kTextMax) errors.invalid(Path("action"), "", "can have at most 128 characters");
  if (reason.empty()) errors.required(Path("reason"));
  if (reason.size() > kTextMax) errors.invalid(Path("reason"), "", "can have at most 128 characters");
  if (o[w.message].str().size() > kMessageMax) errors.invalid(Path("message"), "", "can have at most 1024 characters");
  if (&w == &kEvents && type != "Normal" && type != "Warning")
    errors.invalid(Path("type"), type, "has invalid value: " + std::string(type));
  if (o["series"].is_object()) {
    if (o["series"]["count"].integer() < 2) errors.invalid(Path("series").at("count"), "", "should be at least 2");
    if (o["series"]["lastObservedTime"].str().empty()) errors.required(Path("series").at("lastObservedTime"));
  }
}

void validate_core(Value o, FieldErrors& errors) { validate_words(o, kCore, errors); }
void validate_events(Value o, FieldErrors& errors) { validate_words(o, kEvents, errors); }
void update_core(Value o, Value, FieldErrors& errors) { validate_words(o, kCore, errors); }
void update_events(Value o, Value old, FieldErrors& errors) {
  validate_words(o, kEvents, errors);
  for (const char* field :
       {"reason", "note", "action", "reportingController", "reportingInstance", "type", "regarding", "related"})
    validate_immutable(o[field], old[field], Path(field), errors);
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
  k.validate = validate_core;
  k.validate_update = update_core;
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
  k.validate = validate_events;
  k.validate_update = update_events;
  k.columns = columns_of(kColumns);
  k.cells = cells_events;
  k.selectable = {
      {"reason", [](Value o) { return o["reason"].text(); }},
      {"reportingController", [](Value o) { return o["reportingController"].text(); }},
      {"type", [](Value o) { return o["type"].text(); }},
      {"regarding.kind", [](Value o) { return o["regarding"]["kind"].text(); }},
      {"regarding.namespace", [](Value o) { return o["regarding"]["namespace"].text(); }},
      {"regarding.name", [](Value o) { return o["regarding"]["name"].text(); }},
      {"regarding.uid", [](Value o) { return o["regarding"]["uid"].text(); }},
      {"regarding.apiVersion", [](Value o) { return o["regarding"]["apiVersion"].text(); }},
      {"regarding.resourceVersion", [](Value o) { return o["regarding"]["resourceVersion"].text(); }},
      {"regarding.fieldPath", [](Value o) { return o["regarding"]["fieldPath"].text(); }},
  };
}

}  // namespace bramble
