// MapSnapshot: a Snapshot over a map that its owner fills: the "objects before" of table tests, and the state of the
// simulation's fake API. One thread.
#pragma once

#include <map>

#include "core/client/client.h"

namespace bramble {

class MapSnapshot final : public Snapshot {
 public:
  Document get(const ResourceId& resource, std::string_view ns, std::string_view name) const override {
    auto objects = objects_.find(resource);
    if (objects == objects_.end()) return {};
    auto it = objects->second.find(ObjectKey{std::string(ns), std::string(name)});
    return it == objects->second.end() ? Document() : it->second;
  }

  void each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const override {
    auto objects = objects_.find(resource);
    if (objects == objects_.end()) return;
    for (const auto& [key, object] : objects->second) {
      if (!ns.empty() && key.ns != ns) continue;
      if (!fn(object)) return;
    }
  }

  bool may_be_lost(const ResourceId&, std::string_view, std::string_view) const override { return in_doubt_; }
  void doubt(bool in_doubt) { in_doubt_ = in_doubt; }

  // Puts or replaces; gives what was there before.
  Document put(const ResourceId& resource, Document object) {
    Document& at = objects_[resource][ObjectKey{std::string(namespace_of(object)), std::string(name_of(object))}];
    return std::exchange(at, std::move(object));
  }
  // The resource is told from apiVersion and kind by the naming rule (Pod -> pods, Policy -> policies, Endpoints as it is).
  Document put(Document object) {
    ResourceId resource = resource_of(object);
    return put(resource, std::move(object));
  }
  Document remove(const ResourceId& resource, const ObjectKey& key) {
    auto objects = objects_.find(resource);
    if (objects == objects_.end()) return {};
    auto it = objects->second.find(key);
    if (it == objects->second.end()) return {};
    Document was = std::move(it->second);
    objects->second.erase(it);
    return was;
  }

  static ResourceId resource_of(const Document& object) {
    std::string_view api_version = object["apiVersion"].str();
    ResourceId id{"", std::string(api_version), lower(object["kind"].str())};
    if (auto parts = cut(api_version, "/")) {
      id.group = std::string(parts->first);
      id.version = std::string(parts->second);
    }
    std::string& r = id.resource;
    if (r.ends_with("ss")) r += "es";
    else if (r.ends_with("cy")) r.replace(r.size() - 1, 1, "ies");
    else if (!r.ends_with("s")) r += 's';
    return id;
  }

 private:
  std::map<ResourceId, std::map<ObjectKey, Document>> objects_;
  bool in_doubt_ = false;
};

}  // namespace bramble
