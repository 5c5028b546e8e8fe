// Namespace: a room for names; deletion empties it first (spec.finalizers).
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

constexpr std::string_view kNameLabel = "kubernetes.io/metadata.name";

void set_defaults(Mut o) {
  const std::string name = o["metadata"]["name"].text();
  if (!name.empty()) o.object("metadata").object("labels").set(kNameLabel, name);
}

void prepare_create(Mut o) {
  set_defaults(o);
  clear_status(o);
  o.object("status").set("phase", "Active");
  Mut finalizers = o.object("spec").array("finalizers");
  for (Mut f : finalizers.items())
    if (f.str() == "kubernetes") return;
  finalizers.append("kubernetes");
}

// spec.finalizers change only through the finalize subresource.
void prepare_update(Mut o, Value old) {
  keep_spec(o, old);
  keep_status(o, old);
}
void prepare_status_update(Mut o, Value old) { keep_spec(o, old); }

void validate_finalizer(std::string_view name, const Path& at, FieldErrors& errors) {
  add_invalid(at, name, check_qualified_name(name), errors);
  const bool standard = name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
  if (name.find('/') == std::string_view::npos && !standard)
    errors.invalid(at, name, "name is neither a standard finalizer name nor is it fully qualified");
}

void validate(Value o, FieldErrors& errors) {
  for (Value f : o["spec"]["finalizers"].items()) validate_finalizer(f.str(), Path("spec").at("finalizers"), errors);
}
void validate_finalize(Value o, FieldErrors& errors) {
  size_t i = 0;
  for (Value f : o["spec"]["finalizers"].items()) validate_finalizer(f.str(), Path("spec").at("finalizers").at(i++), errors);
}
void validate_update(Value, Value, FieldErrors&) {}

void validate_status_update(Value o, Value, FieldErrors& errors) {
  const std::string_view phase = o["status"]["phase"].str();
  const bool deleting = o["metadata"].has("deletionTimestamp");
  const Path at = Path("status").at("Phase");
  if (!deleting && phase != "Active") errors.invalid(at, phase, "may only be 'Active' if `deletionTimestamp` is empty");
  if (deleting && phase != "Terminating")
    errors.invalid(at, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

}  // namespace

void namespace_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.validate_finalize = validate_finalize;
  k.validate_name = name_is_label;
  k.has_spec_finalizers = true;
  k.columns = {
      name_column(),
      {"Status", kText, [](Value o) { return o["status"]["phase"].str(); }},
      age_column(),
  };
  k.selectable = {{"status.phase", [](Value o) { return o["status"]["phase"].text(); }}};
}

}  // namespace bramble
