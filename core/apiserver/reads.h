// get and list: from the watch cache, without parsing or printing an object twice. A page of a list pins the state it
// began with. Specification: Kubernetes API concepts, "Retrieving large results sets in chunks", "Resource versions".
#pragma once

#include "core/apiserver/respond.h"
#include "core/apiserver/selection.h"
#include "core/loop/task.h"
#include "core/registry/registry.h"

namespace bramble {

struct ListRequest {
  Selection selection;
  std::string prefix;              // of the keys
  size_t limit = 0;                // 0: all
  std::string continue_key;        // the last key shown before
  uint64_t continue_revision = 0;  // 0: the present (an inconsistent continuation)
  std::string version, match;      // resourceVersion, resourceVersionMatch
};

// From the query of a list, upstream's checks and texts.
Result<ListRequest> parse_list(const Request& request);

struct Page {
  std::vector<EntryRef> entries;
  ListMeta meta;
};
// kGone when the revision asked for is forgotten; kTimeout for one that is not reached yet.
Result<Page> read_page(WatchCache& cache, const ListRequest& list);

// Waits when the page is large and must be written anew (protobuf): that happens on another thread.
Task<void> send_page(std::shared_ptr<Request> request, Page page, const Clock* clock);

// "resourceVersion" of a query as a number; absent and "0" give 0. Upstream's text otherwise.
Result<uint64_t> parse_version(std::string_view text);
// ListOptions' rules between resourceVersion, resourceVersionMatch, sendInitialEvents.
Status check_list_options(const Query& query, bool watch);
// Refuses a revision that this server has not seen.
Status check_reached(const WatchCache& cache, uint64_t revision);

// An object's bytes without the kind and apiVersion at their beginning.
std::string_view item_bytes(const Document& object, const Kind& kind, std::string& scratch);

}  // namespace bramble
