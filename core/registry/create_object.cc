#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/registry/registry.h"

namespace bramble {

namespace {
constexpr int kGenerateNameAttempts = 8;  // as upstream
}

// Order as upstream's generic store: admission, system fields, name, allocation, the kind's preparation, validation, what
// inspects the valid object, what it is charged to, write.
Task<Result<Document>> Registry::create(WriteRequest request, Builder object) {
  const Kind& kind = *request.kind;
  object = ordered(std::move(object), kind);
  Mut root = object.root();
  if (request.admit) {
    Status admitted = request.admit(root, Value());
    CO_TRY(admitted);
  }
  bool versioned = !root["metadata"]["resourceVersion"].str().empty() && root["metadata"]["resourceVersion"].str() != "0";
  bool generated = root["metadata"]["name"].str().empty() && !root["metadata"]["generateName"].str().empty();
  fill_system_fields(root, clock_, random_);
  for (int attempt = 0;; ++attempt) {
    if (generated) root.object("metadata").remove("name");
    generate_name(root, random_);
    Held held{ServicePools::Hold(services_), nullptr};
    if (kind.allocates) {
      FieldErrors errors;
      Status assigned = services_.assign(root, Value(), held.pools, errors);
      CO_TRY(assigned);
      if (!errors.empty()) co_return errors.to_error(kind.group, kind.kind, root["metadata"]["name"].str());
    }
    if (kind.counts_generation) {
      root.object("metadata").set("generation", 1);
    } else {
      root.object("metadata").remove("generation");
    }
    if (kind.prepare_create) kind.prepare_create(root);
    dedupe_owner_references(root, request.warnings);
    Document next = marked(object);
    Status valid = validate_new(request, next.root());
    CO_TRY(valid);
    if (request.inspect) {
      Status passed = request.inspect(next.root(), Value());
      CO_TRY(passed);
    }
    if (versioned) co_return api_plain("resourceVersion should not be set on objects to be created");

    std::string name(name_of(next));
    std::string key = registry_key(kind, request.ns, name);
    if (request.charge) {  // before the lock: a charge may wait for locks itself
      const bool only_look = request.dry_run || present(key);
      Document nothing;
      auto charging = request.charge(next, nothing, only_look);
      auto charged = co_await charging;
      CO_TRY(charged);
      held.charge = std::move(*charged);
    }
    auto locked = co_await locks_.lock(key);
    bool exists = static_cast<bool>(present(key)) || store_.latest(key) != 0;
    if (!exists && request.dry_run) {
      root.object("metadata").remove("resourceVersion");
      co_return object.finish();
    }
    if (!exists) {
      Document nothing;
      auto stored = co_await put(request.kind, key, 0, nothing, next, std::move(held));
      if (stored.ok() || stored.error().code() != Code::kConflict) co_return stored;
    }
    if (!generated || attempt + 1 >= kGenerateNameAttempts) {
      ResourceName resource{kind.group, kind.resource};
      if (generated) {
        StatusDetails details;
        details.present = true;
        details.name = name, details.group = kind.group, details.kind = kind.resource;
        details.retry_after_s = 1;
        co_return status_failure(Code::kAlreadyExists,
                                 cat(resource.text(), " \"", name, "\" already exists, the server was not able to generate a unique name for the object"),
                                 details);
      }
      co_return api_already_exists(resource, name);
    }
  }
}

}  // namespace bramble
