#include "core/registry/registry.h"

#include "core/registry/api_status.h"
#include "core/registry/durability.h"
#include "core/registry/object_meta.h"

namespace bramble {

std::string registry_prefix(const Kind& kind, std::string_view ns) {
  std::string_view group = kind.stored_as.elsewhere() ? kind.stored_as.group : kind.group;
  std::string out = cat("/registry/", group.empty() ? std::string_view("core") : group, "/", kind.resource, "/");
  if (kind.namespaced && !ns.empty()) out = cat(out, ns, "/");
  return out;
}

std::string registry_key(const Kind& kind, std::string_view ns, std::string_view name) {
  return cat(registry_prefix(kind, ns), name);
}

Registry::Registry(Store& store, WatchCache& cache, Clock& clock, Random& random, Options options)
    : store_(store),
      cache_(cache),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      version_mark_(cat("version-", random.hex_token(16))),
      services_(options_.service_cidr, options_.dns_address, options_.node_port_first, options_.node_port_last, random) {}

Document Registry::present(std::string_view key) const {
  EntryRef entry = cache_.get(key);
  return entry ? entry->document : Document();
}

Document Registry::get(const Kind& kind, std::string_view ns, std::string_view name) const {
  return present(registry_key(kind, ns, name));
}

void Registry::note_written(const Kind& kind, Value before, Value after) {
  if (kind.group.empty() && kind.resource == "services") services_.note(before, after);
  if (kind.resource == "events" && !before && !event_written_.is_set()) event_written_.set();
}

Document Registry::marked(const Builder& object) {
  object.root().object("metadata").set("resourceVersion", version_mark_);
  return object.snapshot();
}

Task<Result<Document>> Registry::put(const Kind* kind, std::string key, uint64_t expected, Document before, Document next) {
  Durability durability = durability_of(*kind, before.root(), next.root());
  auto written = std::make_shared<Buffer>();
  Buffer bytes = next.bytes();
  std::string mark = version_mark_;
  std::function<Buffer(uint64_t)> make = [written, bytes, mark](uint64_t revision) {
    size_t at = bytes->find(mark);
    CHECK(at != std::string::npos, "object without a version mark");
    *written = make_buffer(cat(std::string_view(*bytes).substr(0, at), revision, std::string_view(*bytes).substr(at + mark.size())));
    return *written;
  };
  auto revision = co_await store_.put(key, expected, durability, make);
  CO_TRY(revision);
  note_written(*kind, before.root(), next.root());
  Document stored = present(key);
  if (stored && parse_uint64(version_of(stored)) == *revision) co_return stored;
  co_return Document::parse(*written);
}

Task<Status> Registry::erase(const Kind* kind, std::string key, Document current) {
  uint64_t expected = parse_uint64(version_of(current)).value_or(0);
  auto revision = co_await store_.remove(key, expected);
  CO_TRY(revision);
  note_written(*kind, current.root(), Value());
  co_return ok();
}

Status Registry::validate_new(const WriteRequest& request, Value object) {
  const Kind& kind = *request.kind;
  FieldErrors errors;
  validate_object_meta(object, kind, errors);
  const Kind& rules = request.shown ? *request.shown : kind;
  if (rules.validate) rules.validate(object, errors);
  if (!errors.empty()) return errors.to_error(kind.group, kind.kind, meta(object, "name"));
  if (kind.warnings && request.warnings) kind.warnings(object, *request.warnings);
  return ok();
}

void Registry::adopt() {
  const Kind* services = find_kind("", "v1", "services");
  if (services == nullptr) return;
  cache_.view().range(registry_prefix(*services, ""), "", 0, [this](const EntryRef& service) {
    const Document& d = service->document;
    auto about = [&d] { return Quarantine::about(d); };
    Quarantine::Step step(options_.quarantine, "registry", Quarantine::key_of("services", d), about);
    if (step.allowed()) services_.note(Value(), d.root());
    return true;
  });
}

}  // namespace bramble
