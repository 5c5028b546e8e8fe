#include "core/resources/workload_versions.h"

#include "core/resources/kind.h"

namespace bramble {
namespace {

constexpr std::string_view kStored = "apps/v1";

// Sets an annotation, or takes it away; no annotations are left where none stand.
void annotate(Mut object, std::string_view key, const std::string& text) {
  if (!text.empty()) return object.object("metadata").object("annotations").set(key, text);
  Mut annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) return;
  annotations.remove(key);
  if (annotations.size() == 0) object["metadata"].remove("annotations");
}

// In the order and with the empty values of the target's type.
Document finished(const Kind& kind, Builder b, bool with_defaults) {
  b.root().set("kind", kind.kind);
  b.root().set("apiVersion", cat(kind.group, "/", kind.version));
  const Document raw = b.finish();
  auto out = canonicalize(*kind.type, raw.root(), nullptr);
  if (!out.ok()) return raw;
  if (with_defaults && kind.set_defaults) kind.set_defaults(out->root());
  return out->finish();
}

const Kind& kind_of(std::string_view group, std::string_view version, std::string_view resource) {
  const Kind* kind = find_kind(group, version, resource);
  CHECK(kind && kind->type, group, version, resource);
  return *kind;
}

}  // namespace

Document workload_as_stored(const OldWorkload& old, Value shown) {
  if (shown["apiVersion"].str() == kStored) return Document::of(shown);
  Builder b(shown);
  Mut root = b.root(), spec = root["spec"];
  if (old.rollback_field) {
    const Value to = shown["spec"]["rollbackTo"];
    annotate(root, kRollbackTo, to.is_object() ? cat(to["revision"].integer()) : std::string());
    if (spec.is_object()) spec.remove("rollbackTo");
  }
  if (old.generation_field) {
    annotate(root, kTemplateGeneration, cat(shown["spec"]["templateGeneration"].integer()));
    if (spec.is_object()) spec.remove("templateGeneration");
  }
  return finished(kind_of("apps", "v1", old.resource), std::move(b), true);
}

Document workload_as_shown(const OldWorkload& old, Value stored) {
  if (stored["apiVersion"].str() == cat(old.group, "/", old.version)) return Document::of(stored);
  Builder b(stored);
  Mut root = b.root();
  const Value annotations = stored["metadata"]["annotations"];
  // A text that is no number stays where it is: only apps/v1 can have written it.
  if (old.rollback_field) {
    if (const auto revision = parse_int64(annotations[kRollbackTo].str())) {
      Mut to = root.object("spec").object("rollbackTo");
      if (*revision != 0) to.set("revision", *revision);
      annotate(root, kRollbackTo, "");
    }
  }
  if (old.generation_field) {
    if (const auto generation = parse_int64(annotations[kTemplateGeneration].str())) {
      if (*generation != 0) root.object("spec").set("templateGeneration", *generation);
      annotate(root, kTemplateGeneration, "");
    }
  }
  return finished(kind_of(old.group, old.version, old.resource), std::move(b), false);
}

}  // namespace bramble
