// apply_object: an apply patch on an object, its conflicts, and what kubectl's client-side apply left behind.
#include "core/base/limits.h"
#include "core/registry/apply_object.h"

#include <algorithm>

#include "core/registry/api_status.h"
#include "core/schema/apply/go_value.h"

namespace bramble {

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kKubectl = "kubectl";  // the manager that takes over from client-side apply
constexpr std::string_view kBeforeFirstApply = "before-first-apply";

struct VersionedKind {
  std::string group, version, kind;
  std::string text() const { return cat(group, "/", version, ", Kind=", kind); }
};

// What an object says that it is; nothing at all when its apiVersion is malformed.
VersionedKind kind_of(Value object) {
  const std::string_view api_version = object["apiVersion"].str();
  VersionedKind out;
  if (std::count(api_version.begin(), api_version.end(), '/') > 1) return out;
  out.kind = object["kind"].text();
  auto parts = cut(api_version, "/");
  out.group = parts ? parts->first : std::string_view();
  out.version = parts ? parts->second : api_version;
  return out;
}

std::string shown(const TrackedType& type, Value patch) {
  return cat(meta(patch, "namespace"), "/", meta(patch, "name"), "; ", VersionedKind{type.group, type.version, type.kind}.text());
}

std::string manager_text(std::string_view id) {
  const OwnerName name = OwnerName::of_id(id);
  std::string out = go_quote(name.manager);
  if (!name.subresource.empty()) out += cat(" with subresource ", go_quote(name.subresource));
  if (!name.applies) out += cat(" using ", name.api_version);
  return out;
}

Error conflict_error(const std::vector<FieldConflict>& conflicts) {
  StatusDetails details;
  details.present = true;
  std::string message;
  std::string_view owner;
  for (const FieldConflict& c : conflicts) {
    const std::string who = manager_text(c.owner);
    details.causes.push_back({"FieldManagerConflict", cat("conflict with ", who), path_text(c.path)});
    if (c.owner != owner) message += cat(message.empty() ? "" : "\n", "conflicts with ", who, ":");
    message += cat("\n- ", path_text(c.path));
    owner = c.owner;
  }
  if (conflicts.size() == 1) {
    message = cat("Apply failed with 1 conflict: ", details.causes[0].message, ": ", details.causes[0].field);
  } else {
    message = cat("Apply failed with ", conflicts.size(), " conflicts: ", message);
  }
  return status_failure(Code::kConflict, message, details);
}

// What kubectl's client-side apply owns by the annotation: fields that stand in the object as they were applied last.
std::optional<FieldSet> owned_by_annotation(const TrackedType& type, Value live) {
  const std::string_view text = live["metadata"]["annotations"][kLastApplied].str();
  if (text.empty()) return std::nullopt;
  auto last = Document::parse(text);
  if (!last.ok() || (*last)["apiVersion"].str() != type.api_version()) return std::nullopt;
  const MergeShape shape(*type.type);
  if (!misfit(shape, live, false).empty() || !misfit(shape, last->root(), false).empty()) return std::nullopt;
  auto c = compare_values(shape, last->root(), live);
  if (!c.ok()) return std::nullopt;
  return subtract(subtract(subtract(field_set_of(shape, last->root()), c->modified), c->added), c->removed);
}

// The patch as the annotation holds it: as Go's encoder prints it, keys in order, without the annotation itself.
void print_sorted(std::string* out, Value v, bool in_metadata, bool in_annotations, size_t depth) {
  if (v.is_string()) {
    *out += go_json_string(v.str());
  } else if (v.is_array()) {
    out->push_back('[');
    bool first = true;
    for (Value item : v.items()) {
      if (!std::exchange(first, false)) out->push_back(',');
      print_sorted(out, item, false, false, depth + 1);
    }
    out->push_back(']');
  } else if (v.is_object()) {
    std::vector<Value::Member> members;
    for (Value::Member m : v.members()) {
      if (!in_annotations || m.key != kLastApplied) members.push_back(m);
    }
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    out->push_back('{');
    bool first = true;
    for (const Value::Member& m : members) {
      if (!std::exchange(first, false)) out->push_back(',');
      *out += go_json_string(m.key);
      out->push_back(':');
      print_sorted(out, m.value, depth == 0 && m.key == "metadata", in_metadata && m.key == "annotations", depth + 1);
    }
    out->push_back('}');
  } else {
    *out += element_json(v);
  }
}

Status check_patch(const TrackedType& type, Value patch) {
  const VersionedKind is = kind_of(patch);
  if (is.group != type.group || is.version != type.version || is.kind != type.kind) {
    return api_bad_request(cat("invalid object type: ", is.text()));
  }
  if (patch["metadata"]["managedFields"].is_array()) return api_bad_request("metadata.managedFields must be nil");
  const std::string why = misfit(MergeShape(*type.type), patch, false);
  if (!why.empty()) return api_plain(cat("failed to create typed patch object (", shown(type, patch), "): ", why));
  return ok();
}

// Conflicts with what kubectl applied itself, by its old way, are none.
std::vector<FieldConflict> without_annotated(const TrackedType& type, Value live, std::vector<FieldConflict> conflicts) {
  auto allowed = owned_by_annotation(type, live);
  if (!allowed) return conflicts;
  conflicts.erase(std::remove_if(conflicts.begin(), conflicts.end(), [&](const FieldConflict& c) { return allowed->has(c.path); }),
                  conflicts.end());
  return conflicts;
}

}  // namespace

Result<AppliedObject> apply_object(const TrackedType& type, const FieldWriter& writer, Value live, Value patch, bool force) {
  TRY(check_patch(type, patch));
  AppliedObject out;
  if (!live) live = empty_object(type).root();
  auto managed = ManagedFields::read(live["metadata"]["managedFields"]);
  if (!managed.ok()) return api_plain(cat("failed to decode managed fields: ", managed.error().message()));
  out.managed = std::move(*managed);
  if (out.managed.owners.empty()) {
    FieldWriter before = writer;
    before.manager = kBeforeFirstApply;
    Status given = give_changes(type, before, empty_object(type).root(), live, out.managed);
    if (!given.ok()) return api_plain(cat("failed to create manager for existing fields: ", given.error().message()));
  }
  const std::string id = owner_of(type, writer, true);
  const ApplyContext context = apply_context(type);
  auto outcome = apply_config(context, live, patch, id, force, out.managed.owners);
  if (!outcome.ok()) return api_plain(outcome.error().message());
  if (!outcome->conflicts.empty() && writer.manager == kKubectl) {
    outcome->conflicts = without_annotated(type, live, std::move(outcome->conflicts));
    if (outcome->conflicts.empty()) outcome = apply_config(context, live, patch, id, true, out.managed.owners);
    if (!outcome.ok()) return api_plain(outcome.error().message());
  }
  if (!outcome->conflicts.empty()) return conflict_error(outcome->conflicts);
  out.managed.owners = std::move(outcome->owners);
  strip_system_fields(out.managed.owners, id);
  out.changed = static_cast<bool>(outcome->object);
  if (out.changed) out.managed.times[id] = writer.now;
  out.object = out.changed ? outcome->object : Document::of(live);
  const bool annotated = !out.object["metadata"]["annotations"][kLastApplied].str().empty();
  if (annotated && writer.manager == kKubectl) {
    print_sorted(&out.last_applied, patch, false, false, 0);
    out.last_applied += '\n';
  }
  return out;
}

void set_last_applied(Mut object, const std::string& text) {
  Mut annotations = object.object("metadata").object("annotations");
  annotations.set(kLastApplied, text);
  size_t bytes = 0;
  for (const auto& [key, value] : annotations.members()) bytes += key.size() + value.str().size();
  if (bytes > limits::kAnnotationBytesMax) annotations.remove(kLastApplied);
}

}  // namespace bramble
