// Kind: one served kind: its names, its rules, its columns, its subresources. One file per kind (core/resources/pod.cc,
// service.cc, ...) defines them; table.cc lists all (no self-registration). A kind without rules of its own has the
// generic ones (ObjectMeta rules, status kept by update when it has a status subresource, generation counted).
// Everything here is a pure function; any thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/builder.h"
#include "core/resources/column.h"
#include "core/resources/field_error.h"
#include "core/schema/engine.h"

namespace bramble {

struct Kind {
  std::string_view group, version;  // "apps", "v1"; core has ""
  std::string_view resource;        // "deployments"
  std::string_view kind;            // "Deployment"
  std::string_view singular;        // "deployment"
  std::vector<std::string_view> short_names, categories;
  bool namespaced = true;
  std::vector<std::string_view> verbs;  // as discovery lists them
  const Type* type = nullptr;
  bool stored = true;              // false: reviews and the like, answered and forgotten
  bool has_status = false;         // status subresource
  bool counts_generation = false;  // metadata.generation grows when spec changes
  bool graceful_delete = false;    // pods
  bool allow_unconditional_update = true;
  bool allow_create_on_update = false;
  // Upstream checks the metadata of an update once for all kinds and again in the kind's own rules: clients see each fault so
  // often among the causes.
  enum class MetaAgain { kAsUpdate, kNever, kAsCreate, kAsBoth } meta_again = MetaAgain::kAsUpdate;
  bool name_is_path_segment = false;  // names only need to be a path segment (RBAC kinds)
  bool returns_deleted = false;       // DELETE answers with the object rather than a Status
  bool collected = true;              // may have owners and dependents; a delete may say what becomes of those
  bool orphans_by_default = false;    // a delete that does not say so lets dependents go free
  bool has_spec_finalizers = false;   // namespaces: spec.finalizers keep a deleted object too, meanwhile it is Terminating
  bool gone_upstream = false;         // an old version that upstream has ceased to serve: its documents are not listed under "/"
  bool allocates = false;             // gets addresses and ports of the service range (core/registry/service_pools.h)
  std::string_view delete_warning;    // Warning header on a delete that does not say what becomes of dependents, or ""

  // Rules. Null: nothing beyond the generic ones. Called in this order on create:
  //   canonicalize, set_defaults, prepare_create, validate;  on update: ..., prepare_update, validate_update.
  void (*set_defaults)(Mut object) = nullptr;
  void (*prepare_create)(Mut object) = nullptr;  // e.g. status reset
  void (*prepare_update)(Mut object, Value old) = nullptr;
  void (*prepare_status_update)(Mut object, Value old) = nullptr;
  void (*stamp_status)(Mut object, Value old, std::string_view now) = nullptr;  // after it: times of what changed (RFC 3339)
  void (*validate)(Value object, FieldErrors& errors) = nullptr;  // metadata is checked by the registry
  void (*validate_update)(Value object, Value old, FieldErrors& errors) = nullptr;
  void (*validate_status_update)(Value object, Value old, FieldErrors& errors) = nullptr;
  void (*validate_finalize)(Value object, FieldErrors& errors) = nullptr;  // the finalize subresource
  // Validation of metadata.name; null: DNS subdomain. Gives upstream's detail texts, empty when fine.
  std::vector<std::string> (*validate_name)(std::string_view name, bool prefix) = nullptr;
  void (*warnings)(Value object, std::vector<std::string>& out) = nullptr;  // Warning headers on create and update
  // Whether a change may reach the disk late (DESIGN section 4, volatile writes); null: never. before is absent on create.
  bool (*may_be_volatile)(Value before, Value after) = nullptr;
  // When it was last written; limits::kEventTtlUs later it is removed. Null: it stays.
  int64_t (*last_written_us)(Value object) = nullptr;
  // Whether something beside the spec changed that counts for metadata.generation; null: nothing does.
  bool (*counts_as_spec)(Mut object, Value old) = nullptr;
  std::string deprecation;  // Warning header on every request for this kind, or ""
  // The same for subresources that have a type of their own ("scale"); others have the kind's.
  std::vector<std::pair<std::string_view, std::string>> part_deprecations;

  std::vector<Column> columns;  // of tables; empty: Name, Created At

  // Field selectors beyond metadata.name and metadata.namespace.
  struct Selectable {
    std::string_view label;  // "spec.nodeName"
    std::string (*value)(Value object);
  };
  std::vector<Selectable> selectable;

  struct Scale {  // the scale subresource's paths into the object
    bool present = false;
    bool selector_is_map = false;  // ReplicationController
    std::string_view group = "autoscaling", version = "v1";  // of the Scale
  } scale;
  std::vector<std::string_view> subresources;  // "status", "scale", "log", "exec", ...

  // A kind whose objects are stored as another kind's (Events of events.k8s.io as core/v1 Events, workloads of old versions as
  // those of apps/v1): both ways between the two forms. The registry works with the stored kind; of this one it takes validate
  // and validate_update alone, which see the stored form, as do the values of `selectable`. Null: stored as it is.
  struct Stored {
    std::string_view group, version;
    Document (*from_shown)(Value object) = nullptr;
    Document (*to_shown)(Value stored) = nullptr;
    // A role's rule for the stored kind's group grants requests for this kind too.
    bool granted_there = false;
    bool elsewhere() const { return to_shown != nullptr; }
  } stored_as;
};

// The kind as which the objects of this one are stored: itself for most.
const Kind& stored_kind(const Kind& kind);
// An object of this kind in its stored form, and the other way round. The same document for most kinds.
Document stored_form(const Kind& kind, const Document& object);
Document shown_form(const Kind& kind, const Document& stored);

// "PodList" of "Pod": every stored kind has a list kind.
std::string list_kind(const Kind& kind);

// All served kinds, in discovery order (preferred versions first within a group).
std::span<const Kind> all_kinds();
const Kind* find_kind(std::string_view group, std::string_view version, std::string_view resource);
const Kind* find_kind_by_name(std::string_view group, std::string_view version, std::string_view kind);

// ObjectMeta rules of every kind (names, namespace, labels, annotations, finalizers, owner references, managedFields).
void validate_object_meta(Value object, const Kind& kind, FieldErrors& errors);
// Before validation of an update: system fields that a client may leave out or cannot change are taken from `old` (uid,
// creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, selfLink).
void keep_system_fields(Mut object, Value old);
void validate_object_meta_update(Value object, Value old, const Kind& kind, FieldErrors& errors);

}  // namespace bramble
