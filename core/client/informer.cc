#include "core/client/informer.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"
#include "core/json/stored.h"

namespace bramble {

namespace {

struct WatchLine {
  std::string_view type;
  Document object;
};

// Servers write type and object, in this order and without spaces; then the object's text is kept as it is.
Result<WatchLine> parse_line(std::string_view line, std::string* type) {
  constexpr std::string_view kHead = "{\"type\":\"", kMiddle = "\",\"object\":";
  line = trim(line);
  size_t quote = line.starts_with(kHead) ? line.find('"', kHead.size()) : std::string_view::npos;
  if (quote != std::string_view::npos && line.substr(quote).starts_with(kMiddle) && line.ends_with('}')) {
    *type = line.substr(kHead.size(), quote - kHead.size());
    size_t from = quote + kMiddle.size();
    auto object = parse_stored(make_buffer(std::string(line.substr(from, line.size() - from - 1))));
    if (object.ok()) return WatchLine{*type, std::move(*object)};
  }
  TRY_ASSIGN(Document whole, Document::parse(line));
  *type = whole["type"].text();
  TRY_ASSIGN(Document object, parse_stored(make_buffer(whole["object"].dump())));
  return WatchLine{*type, std::move(object)};
}

}  // namespace

Informer::Informer(WatchScope scope, ApiTransport& api, InformerSink& sink, Random& random) : scope_(std::move(scope)), api_(api), sink_(sink), random_(random) {
  tasks_.start(follow());
}

Task<void> Informer::follow() {
  int64_t wait_ms = 0;
  for (;;) {
    heard_ = false;
    Status watched = co_await watch_once();
    listing_ = false;
    seen_.clear();
    bool expired = !watched.ok() && watched.error().code() == Code::kGone;
    if (expired) version_.clear();
    // A watch that came to its end in good order is begun again at once; what fails, later and later.
    bool good = heard_ && (watched.ok() || expired || watched.error().code() == Code::kUnavailable);
    if (!watched.ok() && !expired) {
      error_ = watched.error();
      log_debug("watch ", api_path(scope_.resource, scope_.ns), " ", scope_.field_selector, ": ", error_->message());
    }
    wait_ms = good ? limits::kWatchRetryMsMin : std::min(limits::kWatchRetryMsMax, std::max(limits::kWatchRetryMsMin, wait_ms * 2));
    if (watched.ok() && heard_) continue;
    int64_t jittered_ms = wait_ms / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(wait_ms)));
    co_await api_.until_connected(jittered_ms);
  }
}

Task<Status> Informer::watch_once() {
  // What may have been lost is asked for anew, until nothing is in doubt.
  if (doubt_) version_.clear();
  listing_ = version_.empty();
  seen_.clear();
  int64_t timeout_s = limits::kWatchClientSeconds + static_cast<int64_t>(random_.below(limits::kWatchClientSeconds));
  HttpClientRequest request = watch_request(scope_, version_, timeout_s);
  auto exchange = co_await api_.start(std::move(request));
  CO_TRY(exchange);
  auto head = co_await (*exchange)->head();
  CO_TRY(head);
  std::string pending;
  if (head->status != 200) {
    for (;;) {
      auto piece = co_await (*exchange)->read_body();
      if (!piece.ok() || !*piece || pending.size() > limits::kWatchLineBytesMax) break;
      pending += **piece;
    }
    co_return error_of_answer(head->status, pending);
  }
  doubt_ = head->header(kStoreInDoubtHeader) == "true";
  error_.reset();
  for (;;) {
    auto piece = co_await (*exchange)->read_body();
    CO_TRY(piece);
    if (!*piece) co_return ok();
    size_t searched = pending.size();
    pending += **piece;
    size_t from = 0;
    for (size_t end; (end = pending.find('\n', std::max(from, searched))) != std::string::npos; from = end + 1) {
      Status taken = take_line(std::string_view(pending).substr(from, end - from));
      if (!taken.ok()) co_return taken;
    }
    pending.erase(0, from);
    if (pending.empty()) pending = std::string();
    if (pending.size() > limits::kWatchLineBytesMax) co_return Error(Code::kTooLarge, cat("watch of ", scope_.resource.resource, ": an event of more than ", limits::kWatchLineBytesMax, " bytes"));
  }
}

Status Informer::take_line(std::string_view line) {
  if (trim(line).empty()) return ok();
  std::string type;
  TRY_ASSIGN(WatchLine event, parse_line(line, &type));
  if (event.type == "ERROR") return error_of_answer(static_cast<int>(event.object["code"].integer()), *event.object.bytes());
  heard_ = true;
  std::string version(version_of(event.object));
  if (event.type == "BOOKMARK") {
    bool end = listing_ && event.object["metadata"]["annotations"]["k8s.io/initial-events-end"].str() == "true";
    if (!listing_ || end) version_ = version;
    if (!end) return ok();
    listing_ = false;
    synced_ = true;
    std::set<ObjectKey> there = std::move(seen_);
    seen_.clear();
    sink_.listed(scope_, there, parse_uint64(version).value_or(0), doubt_);
    return ok();
  }
  if (!listing_) version_ = version;
  if (event.type == "DELETED") {
    seen_.erase(ObjectKey{std::string(namespace_of(event.object)), std::string(name_of(event.object))});
    sink_.remove(scope_, std::move(event.object));
  } else if (event.type == "ADDED" || event.type == "MODIFIED") {
    if (listing_) seen_.insert(ObjectKey{std::string(namespace_of(event.object)), std::string(name_of(event.object))});
    sink_.put(scope_, std::move(event.object));
  }
  return ok();
}

}  // namespace bramble
