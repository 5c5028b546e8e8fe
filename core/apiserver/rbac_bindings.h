// RbacBindings: which bindings speak of a user, kept by subject from the watch cache, so that a request looks at its own
// bindings only; and the rules that these give. Some 300 bytes a subject. Owner's loop thread; nothing survives a crash.
// Specification: Kubernetes "Using RBAC Authorization".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/client/client.h"
#include "core/registry/registry.h"

namespace bramble {

struct RoleRef {
  bool cluster_role = false;
  std::string name;
};

// A RoleBinding, or a ClusterRoleBinding when ns is empty.
struct RbacBinding {
  std::string ns, name;
  RoleRef role;
};

class RbacBindings {
 public:
  explicit RbacBindings(Registry& registry);

  // Called with each rule that holds for the user in the namespace ("": in the whole cluster), bindings of the cluster
  // first, then by name; false ends it.
  using Visitor = std::function<bool(const RbacBinding& binding, Value rule)>;
  // Roles that are bound but missing are told in `problems` with upstream's words; it may be null.
  void visit(const Identity& user, std::string_view ns, const Visitor& visitor, std::vector<std::string>* problems) const;

  // `ClusterRoleBinding "b" of ClusterRole "r" to User "u"`
  std::string describe(const RbacBinding& binding, const Identity& user) const;

  // The role that is meant, seen from a namespace; empty: there is none.
  Document role(const RoleRef& ref, std::string_view ns) const;

  size_t subjects() const { return by_subject_.size(); }

 private:
  using BindingRef = std::shared_ptr<const RbacBinding>;
  void add(const Document& binding);
  void remove(const Document& binding);
  void collect(std::string_view ns, const Identity& user, std::vector<const RbacBinding*>& out) const;

  Registry& registry_;
  std::unordered_map<std::string, std::vector<BindingRef>> by_subject_;
  std::vector<std::unique_ptr<WatchCache::Observation>> observations_;
};

}  // namespace bramble
