#include "core/apiserver/discovery.h"

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/json/builder.h"

namespace bramble {

namespace {

const std::vector<std::string_view>& proxy_verbs() {
  static const std::vector<std::string_view> verbs = {"create", "delete", "get", "patch", "update"};
  return verbs;
}

const std::vector<Subresource>& subresources() {
  static const std::vector<Subresource> all = {
      {"approval", "", "", "", {"get", "patch", "update"}},
      {"attach", "PodAttachOptions", "", "", {"create", "get"}},
      {"binding", "Binding", "", "", {"create"}},
      {"ephemeralcontainers", "", "", "", {"get", "patch", "update"}},
      {"eviction", "Eviction", "policy", "v1", {"create"}},
      {"exec", "PodExecOptions", "", "", {"create", "get"}},
      {"finalize", "", "", "", {"update"}},
      {"log", "", "", "", {"get"}},
      {"portforward", "PodPortForwardOptions", "", "", {"create", "get"}},
      {"resize", "", "", "", {"get", "patch", "update"}},
      {"rollback", "DeploymentRollback", "", "", {"create"}},
      {"scale", "Scale", "autoscaling", "v1", {"get", "patch", "update"}},
      {"status", "", "", "", {"get", "patch", "update"}},
      {"token", "TokenRequest", "authentication.k8s.io", "v1", {"create"}},
  };
  return all;
}

const std::vector<Subresource>& proxies() {
  static const std::vector<Subresource> all = {{"pods", "PodProxyOptions", "", "", proxy_verbs()},
                                               {"services", "ServiceProxyOptions", "", "", proxy_verbs()},
                                               {"nodes", "NodeProxyOptions", "", "", proxy_verbs()}};
  return all;
}

// The version that upstream stores objects in, hashed as it does. It keeps some kinds in an older version than it shows.
std::string storage_version_hash(const Kind& kind) {
  const Kind& stored = stored_kind(kind);
  std::string_view version = stored.version;
  for (std::string_view older : {"CustomResourceDefinition", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"})
    if (stored.kind == older) version = "v1beta1";
  return base64_encode(sha256(cat(stored.group, "/", version, "/", stored.kind)).substr(0, 8));
}

void append_all(Mut owner, std::string_view key, const std::vector<std::string_view>& list) {
  if (list.empty()) return;
  Mut out = owner.array(key);
  for (std::string_view s : list) out.append(s);
}

std::vector<std::string_view> sorted(std::vector<std::string_view> list) {
  std::sort(list.begin(), list.end());
  return list;
}

bool has_collection(const Kind& kind) {
  return std::find(kind.verbs.begin(), kind.verbs.end(), "watch") != kind.verbs.end();
}

void write_plain_resource(Mut list, const Kind& kind) {
  Mut r = list.append_object();
  r.set("name", kind.resource);
  r.set("singularName", kind.singular);
  r.set("namespaced", kind.namespaced);
  r.set("kind", kind.kind);
  append_all(r, "verbs", sorted(kind.verbs));
  append_all(r, "shortNames", kind.short_names);
  append_all(r, "categories", kind.categories);
  if (kind.stored && has_collection(kind)) r.set("storageVersionHash", storage_version_hash(kind));
  for (std::string_view name : sorted(kind.subresources)) {
    const Subresource* sub = find_subresource(kind, name);
    if (sub == nullptr) continue;
    Mut s = list.append_object();
    s.set("name", cat(kind.resource, "/", name));
    s.set("singularName", "");
    s.set("namespaced", kind.namespaced);
    if (!sub->version.empty()) {
      s.set("group", name == "scale" ? kind.scale.group : sub->group);
      s.set("version", name == "scale" ? kind.scale.version : sub->version);
    }
    s.set("kind", sub->kind.empty() ? kind.kind : sub->kind);
    append_all(s, "verbs", sorted(sub->verbs));
  }
}

void write_response_kind(Mut out, std::string_view group, std::string_view version, std::string_view kind) {
  Mut r = out.object("responseKind");
  r.set("group", group);
  r.set("version", version);
  r.set("kind", kind);
}

void write_aggregated_resource(Mut list, const Kind& kind) {
  Mut r = list.append_object();
  r.set("resource", kind.resource);
  // Upstream leaves these empty where they are the list's own.
  write_response_kind(r, "", "", kind.kind);
  r.set("scope", kind.namespaced ? "Namespaced" : "Cluster");
  r.set("singularResource", kind.singular);
  append_all(r, "verbs", sorted(kind.verbs));
  append_all(r, "shortNames", kind.short_names);
  append_all(r, "categories", kind.categories);
  for (std::string_view name : sorted(kind.subresources)) {
    const Subresource* sub = find_subresource(kind, name);
    if (sub == nullptr) continue;
    Mut s = r.array("subresources").append_object();
    s.set("subresource", name);
    const bool scale = name == "scale";
    write_response_kind(s, scale ? kind.scale.group : sub->group, scale ? kind.scale.version : sub->version, sub->kind.empty() ? kind.kind : sub->kind);
    append_all(s, "verbs", sorted(sub->verbs));
  }
}

struct GroupVersion {
  std::string_view version;
  std::vector<const Kind*> kinds;  // by resource
};
struct Group {
  std::string_view name;
  std::vector<GroupVersion> versions;  // preferred first
};

std::vector<Group> groups() {
  std::vector<Group> out;
  for (const Kind& kind : all_kinds()) {
    auto group = std::find_if(out.begin(), out.end(), [&](const Group& g) { return g.name == kind.group; });
    if (group == out.end()) group = out.insert(out.end(), Group{kind.group, {}});
    auto version = std::find_if(group->versions.begin(), group->versions.end(),
                                [&](const GroupVersion& v) { return v.version == kind.version; });
    if (version == group->versions.end()) version = group->versions.insert(version, GroupVersion{kind.version, {}});
    version->kinds.push_back(&kind);
  }
  for (Group& g : out) {
    for (GroupVersion& v : g.versions) {
      std::sort(v.kinds.begin(), v.kinds.end(), [](const Kind* a, const Kind* b) { return a->resource < b->resource; });
    }
  }
  return out;
}

DiscoveryPage page_of(const Builder& b) {
  DiscoveryPage page;
  page.json = make_buffer(b.dump());
  page.etag = cat("\"", sha256_hex(*page.json), "\"");
  return page;
}

void write_group(Mut out, const Group& g) {
  auto group_version = [&](std::string_view v) { return cat(g.name, "/", v); };
  out.set("name", g.name);
  Mut versions = out.array("versions");
  for (const GroupVersion& v : g.versions) {
    Mut e = versions.append_object();
    e.set("groupVersion", group_version(v.version));
    e.set("version", v.version);
  }
  Mut preferred = out.object("preferredVersion");
  preferred.set("groupVersion", group_version(g.versions[0].version));
  preferred.set("version", g.versions[0].version);
}

DiscoveryPage aggregate(const std::vector<Group>& all, bool core, std::string_view version) {
  Builder b;
  b.root().set("kind", "APIGroupDiscoveryList");
  b.root().set("apiVersion", cat("apidiscovery.k8s.io/", version));
  b.root().object("metadata");
  Mut items = b.root().array("items");
  for (const Group& g : all) {
    if (g.name.empty() != core) continue;
    Mut item = items.append_object();
    Mut m = item.object("metadata");
    if (!core) m.set("name", g.name);
    Mut versions = item.array("versions");
    for (const GroupVersion& v : g.versions) {
      Mut e = versions.append_object();
      e.set("version", v.version);
      Mut resources = e.array("resources");
      for (const Kind* kind : v.kinds) write_aggregated_resource(resources, *kind);
      e.set("freshness", "Current");
    }
  }
  return page_of(b);
}

std::string_view without_slash(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

}  // namespace

const Subresource* find_subresource(const Kind& kind, std::string_view name) {
  if (std::find(kind.subresources.begin(), kind.subresources.end(), name) == kind.subresources.end()) return nullptr;
  if (name == "proxy") {
    for (const Subresource& s : proxies()) {
      if (s.name == kind.resource) return &s;
    }
    return nullptr;
  }
  for (const Subresource& s : subresources()) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

Discovery::Discovery(std::string_view server_address) {
  std::vector<Group> all = groups();
  for (const char* version : {"v2", "v2beta1"}) {
    aggregated_[cat("/api ", version)] = aggregate(all, true, version);
    aggregated_[cat("/apis ", version)] = aggregate(all, false, version);
  }
  Builder api;
  api.root().set("kind", "APIVersions");
  api.root().array("versions").append("v1");
  Mut address = api.root().array("serverAddressByClientCIDRs").append_object();
  address.set("clientCIDR", "0.0.0.0/0");
  address.set("serverAddress", server_address);
  pages_["/api"] = page_of(api);

  Builder list;
  list.root().set("kind", "APIGroupList");
  list.root().set("apiVersion", "v1");
  Mut items = list.root().array("groups");
  for (const Group& g : all) {
    for (const GroupVersion& v : g.versions) {
      Builder b;
      b.root().set("kind", "APIResourceList");
      if (!g.name.empty()) b.root().set("apiVersion", "v1");
      b.root().set("groupVersion", g.name.empty() ? std::string(v.version) : cat(g.name, "/", v.version));
      Mut resources = b.root().array("resources");
      for (const Kind* kind : v.kinds) write_plain_resource(resources, *kind);
      const std::string path = g.name.empty() ? cat("/api/", v.version) : cat("/apis/", g.name, "/", v.version);
      pages_[path] = page_of(b);
      if (!v.kinds[0]->gone_upstream) continue;
      unlisted_.insert(path);
      if (&v == &g.versions[0]) unlisted_.insert(cat("/apis/", g.name));
    }
    if (g.name.empty()) continue;
    write_group(items.append_object(), g);
    Builder b;
    b.root().set("kind", "APIGroup");
    b.root().set("apiVersion", "v1");
    write_group(b.root(), g);
    pages_[cat("/apis/", g.name)] = page_of(b);
  }
  pages_["/apis"] = page_of(list);
}

const DiscoveryPage* Discovery::plain(std::string_view path) const {
  auto it = pages_.find(without_slash(path));
  return it == pages_.end() ? nullptr : &it->second;
}

const DiscoveryPage* Discovery::aggregated(std::string_view path, std::string_view version) const {
  auto it = aggregated_.find(cat(without_slash(path), " ", version));
  return it == aggregated_.end() ? nullptr : &it->second;
}

bool Discovery::has_group(std::string_view group) const { return group.empty() || pages_.contains(cat("/apis/", group)); }

bool Discovery::has_version(std::string_view group, std::string_view version) const {
  return pages_.contains(group.empty() ? cat("/api/", version) : cat("/apis/", group, "/", version));
}

std::vector<std::string> Discovery::paths() const {
  std::vector<std::string> out;
  for (const auto& [path, page] : pages_) {
    if (!unlisted_.contains(path)) out.push_back(path);
  }
  out.emplace_back("/apis/");
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace bramble
