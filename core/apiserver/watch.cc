#include "core/apiserver/watch.h"

#include "core/base/limits.h"
#include "core/client/informer.h"
#include "core/loop/loop.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

enum FrameType { kAdded = 0, kModified = 1, kDeleted = 2, kFrameTypes = 3 };
constexpr std::string_view kTypeNames[] = {"ADDED", "MODIFIED", "DELETED"};
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

struct WatchOptions {
  Selection selection;
  std::string prefix;
  uint64_t revision = 0;      // changes after this one
  bool existing = false;      // what exists comes first, as ADDED
  bool initial_end = false;   // with a bookmark at its end
  bool bookmarks = false;
  int64_t timeout_ms = 0;
  int64_t bookmark_ms = 0;
  TableOptions table;
};

Result<WatchOptions> parse_watch(const Request& request, Registry& registry) {
  const Query& query = request.info.query;
  WatchOptions o;
  TRY(check_list_options(query, true));
  TRY_ASSIGN(o.selection, Selection::of(*request.kind, query.get("labelSelector"), query.get("fieldSelector"), request.info.name));
  TRY_ASSIGN(o.revision, parse_version(query.get("resourceVersion")));
  o.prefix = registry_prefix(*request.kind, request.info.ns);
  o.bookmarks = query.flag("allowWatchBookmarks");
  bool asked = query.has("sendInitialEvents"), initial = query.flag("sendInitialEvents");
  o.existing = asked ? initial : o.revision == 0;
  o.initial_end = initial && o.bookmarks;
  if (asked && !initial && o.revision == 0) o.revision = registry.cache().revision();
  std::string_view timeout = query.get("timeoutSeconds");
  int64_t seconds = parse_int64(timeout).value_or(0);
  if (!timeout.empty() && !parse_int64(timeout)) {
    return api_bad_request(cat("strconv.ParseInt: parsing ", go_quote(timeout), ": invalid syntax"));
  }
  if (seconds <= 0) {
    seconds = limits::kWatchSecondsMin + static_cast<int64_t>(registry.random().below(limits::kWatchSecondsMin));
  }
  o.timeout_ms = std::min(seconds, limits::kWatchSecondsMax) * 1000;
  TRY_ASSIGN(o.table, table_options(request, registry.clock()));
  return o;
}

// The object of a change with another resourceVersion: what a deleted object is shown with.
std::string with_version(const Document& object, uint64_t revision) {
  std::string_view bytes = *object.bytes();
  std::string mark = cat("\"resourceVersion\":\"", version_of(object), "\"");
  size_t at = bytes.find(mark);
  if (at != std::string_view::npos) {
    return cat(bytes.substr(0, at), "\"resourceVersion\":\"", revision, "\"", bytes.substr(at + mark.size()));
  }
  Builder b(object.root());
  b.root().object("metadata").set("resourceVersion", cat(revision));
  return b.dump();
}

std::string json_frame(std::string_view type, std::string_view object_json) {
  return cat("{\"type\":\"", type, "\",\"object\":", object_json, "}\n");
}

Error no_stream_of_yaml() {
  return status_failure(Code::kUnsupportedMedia, 406, "NotAcceptable",
                        cat("only the following media types are accepted: application/json;stream=watch, ", kProtobufType, ";stream=watch"));
}

// One watcher: what it has sent, and how it writes.
class Watcher {
 public:
  Watcher(std::shared_ptr<Request> request, Registry& registry, WatchOptions options)
      : request_(std::move(request)), registry_(registry), cache_(registry.cache()), options_(std::move(options)) {
    protobuf_ = request_->answer.type == MediaType::kProtobuf;
    if (protobuf_) protobuf_kind_ = protobuf_kind(*request_);
  }

  Task<void> run() {
    Event& peer_gone = request_->responder->gone();
    helpers_.start(stop_when(&peer_gone, this));
    news_ = cache_.observe_topic(WatchCache::topic_of(options_.prefix), [this](const std::vector<EventRef>&) { wake(); });
    timeout_.arm_ms(options_.timeout_ms);
    if (options_.bookmarks) bookmark_timer_.arm_ms(options_.bookmark_ms);
    bool good = true;
    if (options_.existing) good = co_await send_existing();
    request_->seat.reset();
    while (good && !stop_) {
      good = co_await send_changes();
      if (!good || stop_) break;
      if (bookmark_due_) {
        good = co_await send_bookmark();
        if (!good) break;
      }
      co_await wake_->wait();
      wake_->reset();
      waking_ = false;
    }
    request_->responder->end();
  }

 private:
  static Task<void> stop_when(Event* event, Watcher* self) {
    co_await event->wait();
    self->stop_ = true;
    self->wake();
  }
  // Never resumes run() from within the caller, who may be owned by it; and a burst of commits wakes it once.
  void wake() {
    if (waking_) return;
    waking_ = true;
    std::shared_ptr<Event> wake = wake_;
    Loop::current().post([wake] { wake->set(); });
  }

  void count(size_t bytes) {
    if (request_->events) request_->events->sent(bytes);
  }

  Task<bool> send_existing() {
    CacheView view = cache_.view();
    options_.revision = view.revision();
    std::vector<EntryRef> entries;
    view.range(options_.prefix, "", 0, [&](const EntryRef& entry) {
      if (options_.selection.matches(entry->document.root())) entries.push_back(entry);
      return true;
    });
    view = CacheView();
    std::string chunk;
    for (size_t i = 0; i < entries.size(); ++i) {
      std::string frame = stored_frame("ADDED", entries[i]->document, nullptr);
      count(frame.size());
      chunk += frame;
      entries[i].reset();
      if (chunk.size() < limits::kWatchChunkBytes) continue;
      Buffer bytes = make_buffer(std::move(chunk));
      chunk.clear();
      bool good = co_await request_->responder->write(bytes);
      if (!good) co_return false;
    }
    if (options_.initial_end) chunk += bookmark(options_.revision, true);
    if (chunk.empty()) co_return true;
    Buffer bytes = make_buffer(std::move(chunk));
    bool good = co_await request_->responder->write(bytes);
    co_return good;
  }

  Task<bool> send_changes() {
    for (;;) {
      auto batch = cache_.events_after(options_.revision, options_.prefix, limits::kWatchBatch);
      if (!batch.ok()) {
        Buffer frame = make_buffer(error_frame(api_expired(
            cat("too old resource version: ", options_.revision, " (", cache_.revision(), ")"))));
        co_await request_->responder->write(frame);
        co_return false;
      }
      for (const EventRef& event : batch->events) {
        Buffer frame = frame_for(*event);
        if (!frame) continue;
        count(frame->size());
        bool good = co_await request_->responder->write(frame);
        if (!good) co_return false;
      }
      options_.revision = batch->cursor;
      if (!batch->more || stop_) co_return true;
    }
  }

  Task<bool> send_bookmark() {
    bookmark_due_ = false;
    bookmark_timer_.arm_ms(options_.bookmark_ms);
    // Only what this watcher has seen, or knows not to be for it: the cache may be further while a write waits for the peer.
    uint64_t reached = options_.revision;
    Buffer frame = make_buffer(bookmark(reached, false));
    bool good = co_await request_->responder->write(frame);
    co_return good;
  }

  // What the change means to this watcher; null: nothing.
  Buffer frame_for(const CacheEvent& event) {
    bool before = event.before && (options_.selection.everything() || options_.selection.matches(event.before->document.root()));
    bool after = event.after && (options_.selection.everything() || options_.selection.matches(event.after->document.root()));
    if (!before && !after) return nullptr;
    FrameType type = !before ? kAdded : after ? kModified : kDeleted;
    // What is shown as it is stored is the same for many.
    bool common = request_->answer.shape == Shape::kWhole && !request_->kind->stored_as.elsewhere();
    int slot = type + (protobuf_ ? kFrameTypes : 0);
    if (common) {
      if (Buffer shared = event.frame(slot)) return shared;
    }
    Buffer frame = make_buffer(type != kDeleted ? stored_frame(kTypeNames[type], event.after->document, nullptr)
                                                : stored_frame(kTypeNames[type], event.before->document, &event.revision));
    if (common) event.keep_frame(slot, frame);
    return frame;
  }

  // revision: another resourceVersion than its own.
  std::string stored_frame(std::string_view type, const Document& stored, const uint64_t* revision) {
    Document object = shown_form(*request_->kind, stored);
    return protobuf_ ? protobuf_frame(type, object, revision) : json_frame(type, in_shape(object, revision));
  }

  std::string protobuf_frame(std::string_view type, const Document& object, const uint64_t* revision) {
    if (revision == nullptr) return protobuf_watch_frame(type, protobuf_kind_, object.root());
    Document shown = object.with_text(object["metadata"]["resourceVersion"], cat(*revision));
    return protobuf_watch_frame(type, protobuf_kind_, shown.root());
  }

  std::string error_frame(const Error& error) {
    std::string status = status_json_of(error);
    if (!protobuf_) return json_frame("ERROR", status);
    auto parsed = Document::parse(std::string_view(status));
    CHECK(parsed.ok(), "status is not JSON");
    return protobuf_watch_frame("ERROR", status_kind(), parsed->root());
  }

  std::string in_shape(const Document& object, const uint64_t* revision) {
    if (request_->answer.shape == Shape::kWhole) return revision ? with_version(object, *revision) : *object.bytes();
    Document shown = object;
    if (revision) {
      auto parsed = Document::parse(std::string_view(with_version(object, *revision)));
      CHECK(parsed.ok(), "object does not parse");
      shown = *parsed;
    }
    if (request_->answer.shape != Shape::kTable) return partial_json(shown.root(), request_->answer.shape_version);
    ListMeta meta;
    meta.resource_version = version_of(shown);
    options_.table.now_us = registry_.clock().wall_us();
    std::string out = table_json(*request_->kind, {shown}, meta, options_.table);
    options_.table.columns = false;
    return out;
  }

  std::string bookmark(uint64_t revision, bool initial_end) {
    const Kind& kind = *request_->kind;
    Builder b;
    b.root().set("kind", kind.kind);
    b.root().set("apiVersion", api_version_of(kind));
    Mut m = b.root().object("metadata");
    m.set("resourceVersion", cat(revision));
    if (initial_end) m.object("annotations").set(kInitialEventsEnd, "true");
    Document object = b.finish();
    return protobuf_ ? protobuf_frame("BOOKMARK", object, nullptr) : json_frame("BOOKMARK", in_shape(object, nullptr));
  }

  std::shared_ptr<Request> request_;
  Registry& registry_;
  WatchCache& cache_;
  WatchOptions options_;
  bool protobuf_ = false;
  ProtobufKind protobuf_kind_;
  bool stop_ = false;
  bool bookmark_due_ = false;
  bool waking_ = false;
  std::shared_ptr<Event> wake_ = std::make_shared<Event>();
  std::unique_ptr<WatchCache::Observation> news_;
  Timer timeout_{[this] { stop_ = true, wake(); }};
  Timer bookmark_timer_{[this] { bookmark_due_ = true, wake(); }};
  TaskGroup helpers_;
};

}  // namespace

Task<void> serve_watch(std::shared_ptr<Request> request, Registry* registry, int64_t bookmark_ms) {
  auto options = parse_watch(*request, *registry);
  if (!options.ok()) {
    send_error(*request, options.error());
    co_return;
  }
  options->bookmark_ms = bookmark_ms;
  if (request->answer.type == MediaType::kYaml) {
    send_error(*request, no_stream_of_yaml());
    co_return;
  }
  std::string type = request->answer.type == MediaType::kProtobuf ? cat(kProtobufType, ";stream=watch") : "application/json";
  std::vector<Header> headers = answer_headers(*request, type);
  // Who follows from elsewhere takes nothing for deleted then.
  if (registry->cache().may_be_lost(registry_key(*request->kind, request->info.ns, {}))) headers.push_back({std::string(kStoreInDoubtHeader), "true"});
  request->responder->begin(200, std::move(headers));
  Watcher watcher(request, *registry, std::move(*options));
  co_await watcher.run();
}

}  // namespace bramble
