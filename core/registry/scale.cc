#include "core/registry/scale.h"

#include "core/resources/selector.h"

namespace bramble {

Document scale_of(const Kind& kind, Value object) {
  Builder b;
  Mut scale = b.root();
  scale.set("kind", "Scale");
  scale.set("apiVersion", cat(kind.scale.group, "/", kind.scale.version));
  Mut m = scale.object("metadata");
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    Value from = object["metadata"][key];
    if (from) m.set(key, from);
  }
  Mut spec = scale.object("spec");
  int64_t replicas = object["spec"]["replicas"].integer();
  if (replicas != 0) spec.set("replicas", replicas);
  Mut status = scale.object("status");
  status.set("replicas", object["status"]["replicas"].integer());
  std::string selector;
  if (kind.scale.selector_is_map) {
    selector = LabelSelector::from_map(object["spec"]["selector"]).text();
  } else {
    auto parsed = LabelSelector::from_object(object["spec"]["selector"]);
    if (parsed.ok()) selector = parsed->text();
  }
  if (selector.empty()) return b.finish();
  if (kind.scale.group == "autoscaling") {
    status.set("selector", selector);
  } else {
    // Before that: a map, where one says it all, and the text.
    const Value given = object["spec"]["selector"];
    if (given["matchExpressions"].size() == 0) status.set("selector", given["matchLabels"]);
    status.set("targetSelector", selector);
  }
  return b.finish();
}

Status validate_scale(Value scale) {
  int64_t replicas = scale["spec"]["replicas"].integer();
  if (replicas >= 0) return ok();
  FieldErrors errors;
  errors.invalid(Path("spec").at("replicas"), replicas, "must be greater than or equal to 0");
  return errors.to_error("autoscaling", "Scale", meta(scale, "name"));
}

Builder scaled(Value object, Value scale) {
  Builder out(object);
  out.root().object("spec").set("replicas", scale["spec"]["replicas"].integer());
  std::string_view version = meta(scale, "resourceVersion");
  if (!version.empty()) out.root().object("metadata").set("resourceVersion", version);
  return out;
}

}  // namespace bramble
