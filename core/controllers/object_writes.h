// Making the Writes that controllers need most. Pure.
#pragma once

#include "core/client/plan.h"
#include "core/json/builder.h"

namespace bramble {

inline ObjectKey key_of(Value object) { return {std::string(meta(object, "namespace")), std::string(meta(object, "name"))}; }
inline ObjectKey key_of(const Document& object) { return key_of(object.root()); }

// Another controller, or this one before a restart, may have been first: that is success.
inline Write create_write(const ResourceId& resource, Document object) {
  Write w;
  w.resource = resource;
  w.key = key_of(object);
  w.body = std::move(object);
  w.tolerate = {Code::kAlreadyExists};
  return w;
}

inline Write update_write(const ResourceId& resource, Document object, std::string subresource = {}) {
  Write w;
  w.verb = Write::Verb::kUpdate;
  w.resource = resource;
  w.key = key_of(object);
  w.body = std::move(object);
  w.options.subresource = std::move(subresource);
  w.tolerate = {Code::kNotFound};
  return w;
}

// Of exactly this object: a new one of the same name stays.
inline Write delete_write(const ResourceId& resource, const Document& object) {
  Write w;
  w.verb = Write::Verb::kDelete;
  w.resource = resource;
  w.key = key_of(object);
  w.delete_options.uid = std::string(uid_of(object));
  w.tolerate = {Code::kNotFound};
  return w;
}

inline Write patch_write(const ResourceId& resource, const ObjectKey& key, PatchType type, Document body,
                         std::string subresource = {}) {
  Write w;
  w.verb = Write::Verb::kPatch;
  w.resource = resource;
  w.key = key;
  w.patch_type = type;
  w.body = std::move(body);
  w.options.subresource = std::move(subresource);
  w.tolerate = {Code::kNotFound};
  return w;
}

}  // namespace bramble
