#include "core/apiserver/reads.h"

#include "core/apiserver/go_json.h"
#include "core/base/limits.h"
#include "core/loop/loop.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

constexpr std::string_view kContinueTooOld =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

Error invalid_option(std::string_view field, std::string_view reason, std::string_view text) {
  FieldErrors errors;
  errors.add({std::string(reason), std::string(field), std::string(text)});
  return errors.to_error("meta.k8s.io", "ListOptions", "");
}

std::string encode_continue(uint64_t revision, std::string_view key, std::string_view prefix) {
  Builder b;
  b.root().set("v", "meta.k8s.io/v1");
  b.root().set("rv", static_cast<int64_t>(revision));
  b.root().set("start", key.substr(prefix.size()));
  return base64url_encode(b.dump());
}

Status decode_continue(std::string_view token, ListRequest& list) {
  auto bad = [](std::string_view why) {
    return api_bad_request(cat("invalid continue token: continue key is not valid: ", why));
  };
  std::string_view bare = token;
  while (!bare.empty() && bare.back() == '=') bare.remove_suffix(1);
  auto text = base64url_decode(bare);
  if (!text) {
    size_t at = 0;
    while (at < bare.size() && (std::isalnum(static_cast<unsigned char>(bare[at])) || bare[at] == '-' || bare[at] == '_')) ++at;
    return bad(cat("illegal base64 data at input byte ", at));
  }
  auto parsed = Document::parse(std::string_view(*text));
  if (!parsed.ok()) return bad(go_json_error(*text));
  if ((*parsed)["v"].str() != "meta.k8s.io/v1") {
    return bad(cat("server does not recognize this encoded version ", go_quote((*parsed)["v"].str())));
  }
  int64_t revision = (*parsed)["rv"].integer();
  if (revision == 0) return bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  std::string_view start = (*parsed)["start"].str();
  if (start.empty()) return bad("encoded start key empty (version meta.k8s.io/v1)");
  list.continue_revision = revision > 0 ? static_cast<uint64_t>(revision) : 0;
  list.continue_key = cat(list.prefix, start);
  return ok();
}

Error expired_page(const ListRequest& list, const Error&) {
  Builder b;
  Mut s = b.root();
  s.set("kind", "Status");
  s.set("apiVersion", "v1");
  Builder token;
  token.root().set("v", "meta.k8s.io/v1");
  token.root().set("rv", static_cast<int64_t>(-1));
  token.root().set("start", std::string_view(list.continue_key).substr(list.prefix.size()));
  s.object("metadata").set("continue", base64url_encode(token.dump()));
  s.set("status", "Failure");
  s.set("message", kContinueTooOld);
  s.set("reason", "Expired");
  s.set("code", 410);
  return Error::with_status(Code::kGone, std::string(kContinueTooOld), b.dump());
}

}  // namespace

Result<uint64_t> parse_version(std::string_view text) {
  if (text.empty() || text == "0") return uint64_t{0};
  auto v = parse_uint64(text);
  if (v) return *v;
  return api_plain(cat("resourceVersion: Invalid value: ", go_quote(text), ": strconv.ParseUint: parsing ", go_quote(text),
                       ": invalid syntax"));
}

Status check_list_options(const Query& query, bool watch) {
  std::string_view match = query.get("resourceVersionMatch");
  bool initial = query.has("sendInitialEvents");
  if (watch) {
    if (initial && match != "NotOlderThan") {
      return invalid_option("resourceVersionMatch", "FieldValueForbidden",
                            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!initial && !match.empty()) {
      return invalid_option("resourceVersionMatch", "FieldValueForbidden",
                            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    return ok();
  }
  if (initial) {
    return invalid_option("sendInitialEvents", "FieldValueForbidden", "Forbidden: sendInitialEvents is forbidden for list");
  }
  if (match.empty()) return ok();
  if (query.get("resourceVersion").empty()) {
    return invalid_option("resourceVersionMatch", "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (!query.get("continue").empty()) {
    return invalid_option("resourceVersionMatch", "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch is forbidden when continue is provided");
  }
  if (match != "Exact" && match != "NotOlderThan") {
    return invalid_option("resourceVersionMatch", "FieldValueNotSupported",
                          cat("Unsupported value: ", go_quote(match), ": supported values: \"Exact\", \"NotOlderThan\", \"\""));
  }
  if (match == "Exact" && query.get("resourceVersion") == "0") {
    return invalid_option("resourceVersionMatch", "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  return ok();
}

Result<ListRequest> parse_list(const Request& request) {
  const Query& query = request.info.query;
  ListRequest list;
  std::string_view limit = query.get("limit");
  if (!limit.empty()) {
    auto n = parse_int64(limit);
    if (!n) return api_bad_request(cat("strconv.ParseInt: parsing ", go_quote(limit), ": invalid syntax"));
    list.limit = *n > 0 ? static_cast<size_t>(*n) : 0;
  }
  TRY(check_list_options(query, false));
  TRY_ASSIGN(list.selection, Selection::of(*request.kind, query.get("labelSelector"), query.get("fieldSelector")));
  list.prefix = registry_prefix(*request.kind, request.info.ns);
  list.version = query.get("resourceVersion");
  list.match = query.get("resourceVersionMatch");
  TRY(parse_version(list.version));
  std::string_view token = query.get("continue");
  if (!token.empty()) {
    if (!list.version.empty() && list.version != "0") {
      return api_bad_request("specifying resource version is not allowed when using continue");
    }
    TRY(decode_continue(token, list));
  }
  return list;
}

Status check_reached(const WatchCache& cache, uint64_t revision) {
  if (revision <= cache.revision()) return ok();
  std::string text = cat("Too large resource version: ", revision, ", current: ", cache.revision());
  StatusDetails details;
  details.present = true;
  details.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  details.retry_after_s = 1;
  return status_failure(Code::kTimeout, text, details);
}

Result<Page> read_page(WatchCache& cache, const ListRequest& list) {
  TRY_ASSIGN(uint64_t wanted, parse_version(list.version));
  TRY(check_reached(cache, wanted));
  CacheView view;
  bool limited = list.limit > 0;
  bool exact = list.match == "Exact" || (limited && wanted != 0 && list.match.empty());
  if (list.continue_revision != 0) {
    TRY(check_reached(cache, list.continue_revision));
    auto past = cache.view_at(list.continue_revision);
    if (!past.ok()) return expired_page(list, past.error());
    view = *past;
  } else if (exact) {
    auto past = cache.view_at(wanted);
    if (!past.ok()) return api_expired("The resourceVersion for the provided list is too old.");
    view = *past;
  } else {
    view = cache.view();
  }

  Page page;
  bool more = false;
  std::string last;
  view.range(list.prefix, list.continue_key, 0, [&](const EntryRef& entry) {
    if (!list.selection.everything() && !list.selection.matches(entry->document.root())) return true;
    if (limited && page.entries.size() == list.limit) {
      more = true;
      return false;
    }
    page.entries.push_back(entry);
    last = entry->key;
    return true;
  });
  page.meta.resource_version = cat(view.revision());
  if (more) {
    if (list.continue_revision == 0 && !exact) cache.pin();
    page.meta.continue_token = encode_continue(view.revision(), last, list.prefix);
    if (list.selection.everything()) page.meta.remaining = static_cast<int64_t>(view.count(list.prefix, last));
  }
  return page;
}

std::string_view item_bytes(const Document& object, const Kind& kind, std::string& scratch) {
  std::string_view bytes = *object.bytes();
  scratch = cat("{\"kind\":\"", kind.kind, "\",\"apiVersion\":\"", api_version_of(kind), "\",");
  if (bytes.substr(0, scratch.size()) == scratch) return bytes.substr(scratch.size());
  Builder b(object.root());
  b.root().remove("kind");
  b.root().remove("apiVersion");
  scratch = b.dump().substr(1);
  return scratch;
}

namespace {

// Any thread.
std::string protobuf_page(const Kind& kind, const ProtobufKind& list, const Page& page, size_t expected_bytes) {
  auto meta = Document::parse(page.meta.json());
  CHECK(meta.ok(), "list metadata is not JSON");
  auto item = [&](size_t i) { return shown_form(kind, page.entries[i]->document); };
  return protobuf_list(list, meta->root(), page.entries.size(), item, expected_bytes);
}

Task<void> send_protobuf_page(std::shared_ptr<Request> request, Page page) {
  const Kind* kind = request->kind;
  ProtobufKind list = protobuf_kind(*request);
  list.kind = request->answer.shape == Shape::kWhole ? list_kind(*kind) : "PartialObjectMetadataList";
  size_t json_bytes = 0;
  for (const EntryRef& e : page.entries) json_bytes += e->document.bytes()->size();
  auto write = [kind, list, page = std::move(page), json_bytes] { return protobuf_page(*kind, list, page, json_bytes); };
  std::string body;
  if (json_bytes < limits::kOffloadedPageBytes) {
    body = write();
  } else {
    Task<std::string> writing = offload(std::move(write));
    body = co_await writing;
  }
  request->responder->send(200, answer_headers(*request, kProtobufType), make_buffer(std::move(body)));
}

void send_json_page(Request& request, const Page& page, const Clock& clock) {
  const Kind& kind = *request.kind;
  if (request.answer.shape != Shape::kWhole) {
    std::vector<Document> objects;
    for (const EntryRef& e : page.entries) objects.push_back(shown_form(kind, e->document));
    if (request.answer.shape != Shape::kTable) {
      return send_body(request, 200, make_buffer(partial_list_json(objects, page.meta, request.answer.shape_version)));
    }
    auto options = table_options(request, clock);
    if (!options.ok()) return send_error(request, options.error());
    return send_body(request, 200, make_buffer(table_json(kind, objects, page.meta, *options)));
  }
  size_t size = 256;
  for (const EntryRef& e : page.entries) size += e->document.bytes()->size() + 1;
  std::string out;
  out.reserve(size);
  out += cat("{\"kind\":\"", list_kind(kind), "\",\"apiVersion\":\"", api_version_of(kind), "\",\"metadata\":", page.meta.json(),
             ",\"items\":[");
  std::string scratch;
  bool first = true;
  for (const EntryRef& e : page.entries) {
    if (!first) out += ',';
    first = false;
    out += '{';
    Document shown = shown_form(kind, e->document);
    out += item_bytes(shown, kind, scratch);
  }
  out += "]}";
  send_body(request, 200, make_buffer(std::move(out)));
}

}  // namespace

Task<void> send_page(std::shared_ptr<Request> request, Page page, const Clock* clock) {
  if (request->answer.shape == Shape::kPartialMetadata) co_return send_error(*request, api_not_acceptable());
  if (request->answer.type != MediaType::kProtobuf) co_return send_json_page(*request, page, *clock);
  Task<void> sending = send_protobuf_page(request, std::move(page));
  co_await sending;
}

}  // namespace bramble
