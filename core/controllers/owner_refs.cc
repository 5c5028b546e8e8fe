#include "core/controllers/owner_refs.h"

namespace bramble {

namespace {

void write_controller_ref(Mut ref, Value owner) {
  ref.set("apiVersion", owner["apiVersion"]);
  ref.set("kind", owner["kind"]);
  ref.set("name", meta(owner, "name"));
  ref.set("uid", meta(owner, "uid"));
  ref.set("controller", true);
  ref.set("blockOwnerDeletion", true);
}

Write owner_patch(const ResourceId& resource, Value object, Builder body) {
  body.root().object("metadata").set("uid", meta(object, "uid"));
  Write w;
  w.verb = Write::Verb::kPatch;
  w.patch_type = PatchType::kStrategic;
  w.resource = resource;
  w.key = {std::string(meta(object, "namespace")), std::string(meta(object, "name"))};
  w.body = body.finish();
  w.tolerate = {Code::kNotFound};
  return w;
}

Write adoption(Value owner, const ResourceId& resource, Value object) {
  Builder b;
  write_controller_ref(b.root().object("metadata").array("ownerReferences").append_object(), owner);
  return owner_patch(resource, object, std::move(b));
}

Write release(Value owner, const ResourceId& resource, Value object) {
  Builder b;
  Mut ref = b.root().object("metadata").array("ownerReferences").append_object();
  ref.set("$patch", "delete");
  ref.set("uid", meta(owner, "uid"));
  Write w = owner_patch(resource, object, std::move(b));
  w.tolerate.push_back(Code::kInvalidObject);  // its uid is another by now, or the reference is gone: nothing to release
  return w;
}

}  // namespace

Value controller_ref(Value object) {
  for (Value ref : object["metadata"]["ownerReferences"].items()) {
    if (ref["controller"].boolean()) return ref;
  }
  return {};
}

void set_controller_ref(Mut object, Value owner) {
  Mut refs = object.object("metadata").array("ownerReferences");
  refs.clear();
  write_controller_ref(refs.append_object(), owner);
}

Claimed claim(Value owner, const LabelSelector& selector, const ResourceId& resource, const std::vector<Document>& candidates) {
  Claimed out;
  std::string_view owner_uid = meta(owner, "uid");
  for (const Document& candidate : candidates) {
    Value object = candidate.root();
    Value ref = controller_ref(object);
    bool matches = selector.matches(object["metadata"]["labels"]);
    if (ref) {
      if (ref["uid"].str() != owner_uid) continue;
      if (matches) {
        out.objects.push_back(candidate);
      } else if (!being_deleted(owner)) {
        out.writes.push_back(release(owner, resource, object));
      }
      continue;
    }
    if (!matches || being_deleted(owner) || being_deleted(object)) continue;
    out.writes.push_back(adoption(owner, resource, object));
    out.objects.push_back(candidate);
  }
  for (size_t i = 1; i < out.writes.size(); i++) out.writes[i].with_previous = true;
  return out;
}

}  // namespace bramble
