#include "core/registry/registry.h"

#include "core/json/stored.h"
#include "core/registry/api_status.h"
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

Document Registry::marked(const Builder& object) {
  object.root().object("metadata").set("resourceVersion", version_mark_);
  auto parsed = parse_stored(make_buffer(object.dump()));
  CHECK(parsed.ok(), parsed.ok() ? std::string() : parsed.error().message());
  return std::move(parsed).value();
}

Task<Result<Document>> Registry::put(const Kind* kind, std::string key, uint64_t expected, Document before, Document next, Held held) {
  bool may_be_volatile = kind->may_be_volatile && kind->may_be_volatile(before.root(), next.root());
  Durability durability = may_be_volatile ? Durability::kVolatile : Durability::kDurable;
  // What belongs to the write rather than to whoever waits for it.
  struct Pending {
    Document object;
    Held held;
    WatchCache::Prepared prepared;
  };
  auto pending = std::make_shared<Pending>(Pending{std::move(next), std::move(held), {}});
  WatchCache* cache = &cache_;
  std::function<Buffer(uint64_t)> make = [pending, cache](uint64_t revision) {
    pending->object = pending->object.with_text(pending->object["metadata"]["resourceVersion"], cat(revision));
    pending->prepared = cache->prepare(pending->object);
    if (pending->held.charge) pending->held.charge->made_at(revision);
    return pending->object.bytes();
  };
  auto revision = co_await store_.put(key, expected, durability, std::move(make));
  CO_TRY(revision);
  co_return pending->object;
}

Task<Status> Registry::erase(std::string key, Document current, Durability durability) {
  uint64_t expected = parse_uint64(version_of(current)).value_or(0);
  auto revision = co_await store_.remove(key, expected, durability);
  CO_TRY(revision);
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
  for (const Kind& kind : all_kinds()) {
    if (kind.allocates) {
      cache_.view().range(registry_prefix(kind, ""), "", 0, [this, &kind](const EntryRef& entry) {
        const Document& d = entry->document;
        auto about = [&d] { return Quarantine::about(d); };
        Quarantine::Step step(options_.quarantine, "registry", Quarantine::key_of(kind.resource, d), about);
        if (step.allowed()) services_.note(Value(), d.root());
        return true;
      });
      // By commits: a writer may be gone before its write is done.
      observations_.push_back(cache_.observe_topic(registry_prefix(kind, ""), [this, &kind](const std::vector<EventRef>& events) {
        for (const EventRef& e : events) {
          const Document before = e->before ? e->before->document : Document(), after = e->after ? e->after->document : Document();
          const Document& d = after ? after : before;
          auto about = [&d] { return Quarantine::about(d); };
          Quarantine::Step step(options_.quarantine, "registry", Quarantine::key_of(kind.resource, d), about);
          if (step.allowed()) services_.note(before.root(), after.root());
        }
      }));
    }
    if (kind.last_written_us) {
      observations_.push_back(cache_.observe_topic(registry_prefix(kind, ""), [this](const std::vector<EventRef>&) {
        if (!event_written_.is_set()) event_written_.set();
      }));
    }
  }
}

}  // namespace bramble
