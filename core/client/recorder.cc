#include "core/client/recorder.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"

namespace bramble {

namespace {

// What identifies the object of an event, in one string.
std::string object_key_of(const EventNote& note) {
  Value o = note.about.root();
  return cat(o["kind"].str(), "/", meta(o, "namespace"), "/", meta(o, "name"), "/", meta(o, "uid"), "/", note.field_path);
}

void write_object_reference(Mut ref, const EventNote& note) {
  Value o = note.about.root();
  auto put = [&](std::string_view key, std::string_view text) {
    if (!text.empty()) ref.set(key, text);
  };
  put("kind", o["kind"].str());
  put("namespace", meta(o, "namespace"));
  put("name", meta(o, "name"));
  put("uid", meta(o, "uid"));
  put("apiVersion", o["apiVersion"].str());
  put("resourceVersion", meta(o, "resourceVersion"));
  put("fieldPath", note.field_path);
}

std::string hex_of(uint64_t v) {
  std::string out;
  for (; v != 0; v >>= 4) out.insert(out.begin(), "0123456789abcdef"[v & 15]);
  return out;
}

}  // namespace

Recorder::Recorder(Client& client, const Clock& clock, std::string component, std::string host, Style style)
    : client_(client), clock_(clock), component_(std::move(component)), host_(std::move(host)), style_(style) {}

template <class T>
T& Recorder::Table<T>::touch(const std::string& key, bool* fresh) {
  auto it = entries.find(key);
  *fresh = it == entries.end();
  if (!*fresh) {
    order.splice(order.begin(), order, it->second.used);
    return it->second.value;
  }
  if (entries.size() >= limits::kEventMemoryMax) {
    entries.erase(order.back());
    order.pop_back();
  }
  order.push_front(key);
  return entries.emplace(key, Entry{T{}, order.begin()}).first->second.value;
}

bool Recorder::allowed(const std::string& object_key, int64_t now_us) {
  bool fresh;
  Bucket& bucket = buckets_.touch(object_key, &fresh);
  if (fresh) bucket = {limits::kEventBurst, now_us};
  double elapsed_s = static_cast<double>(std::max<int64_t>(0, now_us - bucket.last_us)) / 1e6;
  bucket.tokens = std::min(limits::kEventBurst, bucket.tokens + elapsed_s * limits::kEventsPerSecond);
  bucket.last_us = now_us;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

// The message to record: with many similar events one text stands for all of them.
std::string Recorder::aggregate(const std::string& group_key, const EventNote& note, int64_t now_us, bool* combined) {
  bool fresh;
  Similar& similar = similar_.touch(group_key, &fresh);
  if (!fresh && now_us - similar.last_us > limits::kEventSimilarUs) similar.messages.clear();
  similar.last_us = now_us;
  if (similar.messages.size() < limits::kEventSimilarMax) similar.messages[note.message] = true;
  *combined = similar.messages.size() >= limits::kEventSimilarMax;
  return *combined ? cat("(combined from similar events): ", note.message) : note.message;
}

Document Recorder::new_event(const EventNote& note, const std::string& message, int64_t now_us) const {
  Builder b;
  Mut event = b.root();
  event.set("apiVersion", "v1");
  event.set("kind", "Event");
  Mut metadata = event.object("metadata");
  metadata.set("name", cat(name_of(note.about), ".", hex_of(static_cast<uint64_t>(last_name_ns_))));
  std::string_view ns = namespace_of(note.about);
  metadata.set("namespace", ns.empty() ? std::string_view("default") : ns);
  write_object_reference(event.object("involvedObject"), note);
  event.set("reason", note.reason);
  event.set("message", message);
  event.set("type", note.type);
  event.set("reportingComponent", component_);
  if (style_ == Style::kCore) {
    Mut source = event.object("source");
    source.set("component", component_);
    if (!host_.empty()) source.set("host", host_);
    event.set("reportingInstance", host_);
    std::string at = format_rfc3339(now_us);
    event.set("firstTimestamp", at);
    event.set("lastTimestamp", at);
    event.set("count", 1);
  } else {
    event.set("reportingInstance", host_.empty() ? component_ : cat(component_, "-", host_));
    event.set("eventTime", format_rfc3339_micro(now_us));
    event.set("action", note.action);
  }
  return b.finish();
}

void Recorder::record(const EventNote& note) {
  int64_t now_us = clock_.wall_us();
  std::string object_key = object_key_of(note);
  if (!allowed(object_key, now_us)) return;
  std::string group_key = cat(object_key, "|", note.type, "|", note.reason, "|", note.action);
  bool combined = false;
  std::string message = aggregate(group_key, note, now_us, &combined);
  std::string seen_key = combined ? group_key : cat(group_key, "|", message);

  bool fresh;
  Seen& seen = seen_.touch(seen_key, &fresh);
  Write write;
  write.resource = resource_ids::kEvents;
  if (fresh) {
    last_name_ns_ = std::max(last_name_ns_ + 1, now_us * 1000);  // names stay apart within one microsecond
    Document event = new_event(note, message, now_us);
    seen.key = {std::string(namespace_of(event)), std::string(name_of(event))};
    seen.count = 1;
    seen.first_timestamp = format_rfc3339(now_us);
    write.key = seen.key;
    write.body = std::move(event);
  } else {
    seen.count++;
    write.verb = Write::Verb::kPatch;
    write.patch_type = PatchType::kMerge;
    write.key = seen.key;
    Builder b;
    if (style_ == Style::kCore) {
      b.root().set("count", seen.count);
      b.root().set("lastTimestamp", format_rfc3339(now_us));
      if (combined) b.root().set("message", message);
    } else {
      Mut series = b.root().object("series");
      series.set("count", seen.count);
      series.set("lastObservedTime", format_rfc3339_micro(now_us));
    }
    write.body = b.finish();
  }
  enqueue(std::move(write), std::move(seen_key));
}

void Recorder::enqueue(Write write, std::string seen_key) {
  if (queue_.size() >= limits::kEventQueueMax) return;
  queue_.push_back({std::move(write), std::move(seen_key)});
  if (draining_) return;
  draining_ = true;
  WorkingOn nothing(0);  // what drains is everybody's
  tasks_.start(drain());
}

Task<void> Recorder::drain() {
  while (!queue_.empty()) {
    Pending next = std::move(queue_.front());
    queue_.pop_front();
    bool create = next.write.verb == Write::Verb::kCreate;
    Task<Result<Document>> call =
        create ? client_.create(next.write.resource, next.write.key.ns, next.write.body)
               : client_.patch(next.write.resource, next.write.key, next.write.patch_type, next.write.body);
    Result<Document> answer = co_await call;
    if (answer.ok()) continue;
    // The Event expired or never came to be: the next one of its sort is a new one.
    auto entry = seen_.entries.find(next.seen_key);
    if (entry != seen_.entries.end() && entry->second.value.key == next.write.key) {
      seen_.order.erase(entry->second.used);
      seen_.entries.erase(entry);
    }
    log_debug("event ", next.write.key.text(), ": ", answer.error().message());
  }
  draining_ = false;
}

}  // namespace bramble
