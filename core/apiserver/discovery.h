// Discovery: what is served, under /api, /apis and their groups and versions, plain and aggregated, with ETags. Built once
// from the table of kinds; answers are shared buffers. Owner's loop thread.
// Specification: Kubernetes "The Kubernetes API", discovery; KEP 3352 (aggregated discovery).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/base/buffer.h"
#include "core/resources/kind.h"

namespace bramble {

struct DiscoveryPage {
  Buffer json;
  std::string etag;  // quoted
};

class Discovery {
 public:
  explicit Discovery(std::string_view server_address);  // "10.0.0.1:6443", shown under /api
  // Of "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1" (a '/' at the end is the same page); null: no such page.
  const DiscoveryPage* plain(std::string_view path) const;
  // Of "/api" and "/apis"; version "v2" or "v2beta1".
  const DiscoveryPage* aggregated(std::string_view path, std::string_view version) const;
  bool has_group(std::string_view group) const;
  bool has_version(std::string_view group, std::string_view version) const;
  // All discovery paths that upstream has as well, sorted: the index under "/".
  std::vector<std::string> paths() const;

 private:
  std::map<std::string, DiscoveryPage, std::less<>> pages_;
  std::map<std::string, DiscoveryPage, std::less<>> aggregated_;
  std::set<std::string, std::less<>> unlisted_;  // of pages_
};

// A subresource as discovery shows it.
struct Subresource {
  std::string_view name, kind, group, version;  // empty kind: the resource's own
  std::vector<std::string_view> verbs;
};
const Subresource* find_subresource(const Kind& kind, std::string_view name);

}  // namespace bramble
