#include "core/apiserver/rbac_bindings.h"

#include <algorithm>

#include "core/apiserver/default_roles.h"

namespace bramble {

namespace {

const Kind* rbac_kind(std::string_view resource) { return find_kind(kRbacGroup, "v1", resource); }

std::string subject_key(std::string_view ns, char kind, std::string_view name) { return cat(ns, "\n", kind, name); }

std::string account_user(Value subject, std::string_view binding_ns) {
  std::string_view ns = subject["namespace"].str();
  return cat("system:serviceaccount:", ns.empty() ? binding_ns : ns, ":", subject["name"].str());
}

// Under which key a subject of a binding is found; "": it stands for nobody.
std::string key_of_subject(Value subject, std::string_view binding_ns) {
  std::string_view kind = subject["kind"].str(), name = subject["name"].str();
  if (kind == "User") return subject_key(binding_ns, 'u', name);
  if (kind == "Group") return subject_key(binding_ns, 'g', name);
  if (kind != "ServiceAccount" || (binding_ns.empty() && subject["namespace"].str().empty())) return {};
  return subject_key(binding_ns, 'u', account_user(subject, binding_ns));
}

bool means(Value subject, std::string_view binding_ns, const Identity& user) {
  std::string_view kind = subject["kind"].str(), name = subject["name"].str();
  if (kind == "User") return user.user == name;
  if (kind == "Group") return std::find(user.groups.begin(), user.groups.end(), name) != user.groups.end();
  return kind == "ServiceAccount" && user.user == account_user(subject, binding_ns);
}

}  // namespace

RbacBindings::RbacBindings(Registry& registry) : registry_(registry) {
  for (std::string_view resource : {"clusterrolebindings", "rolebindings"}) {
    const Kind* kind = rbac_kind(resource);
    if (kind == nullptr) continue;
    std::string topic = registry_prefix(*kind, "");
    registry.cache().view().range(topic, "", 0, [this](const EntryRef& entry) {
      add(entry->document);
      return true;
    });
    observations_.push_back(registry.cache().observe_topic(topic, [this](const std::vector<EventRef>& events) {
      for (const EventRef& event : events) {
        if (event->before) remove(event->before->document);
        if (event->after) add(event->after->document);
      }
    }));
  }
}

void RbacBindings::add(const Document& binding) {
  auto made = std::make_shared<RbacBinding>();
  made->ns = namespace_of(binding), made->name = name_of(binding);
  Value ref = binding["roleRef"];
  made->role.cluster_role = ref["kind"].str() == "ClusterRole";
  made->role.name = ref["name"].text();
  for (Value subject : binding["subjects"].items()) {
    std::string key = key_of_subject(subject, made->ns);
    if (!key.empty()) by_subject_[key].push_back(made);
  }
}

void RbacBindings::remove(const Document& binding) {
  std::string_view ns = namespace_of(binding), name = name_of(binding);
  for (Value subject : binding["subjects"].items()) {
    auto found = by_subject_.find(key_of_subject(subject, ns));
    if (found == by_subject_.end()) continue;
    std::vector<BindingRef>& list = found->second;
    list.erase(std::remove_if(list.begin(), list.end(), [&](const BindingRef& b) { return b->name == name; }), list.end());
    if (list.empty()) by_subject_.erase(found);
  }
}

void RbacBindings::collect(std::string_view ns, const Identity& user, std::vector<const RbacBinding*>& out) const {
  size_t first = out.size();
  auto take = [&](const std::string& key) {
    auto found = by_subject_.find(key);
    if (found == by_subject_.end()) return;
    for (const BindingRef& b : found->second) out.push_back(b.get());
  };
  take(subject_key(ns, 'u', user.user));
  for (const std::string& group : user.groups) take(subject_key(ns, 'g', group));
  auto begin = out.begin() + static_cast<ptrdiff_t>(first);
  std::sort(begin, out.end(), [](const RbacBinding* a, const RbacBinding* b) { return a->name < b->name; });
  out.erase(std::unique(begin, out.end()), out.end());
}

void RbacBindings::visit(const Identity& user, std::string_view ns, const Visitor& visitor,
                         std::vector<std::string>* problems) const {
  std::vector<const RbacBinding*> bindings;
  collect("", user, bindings);
  if (!ns.empty()) collect(ns, user, bindings);
  for (const RbacBinding* binding : bindings) {
    Document found = role(binding->role, binding->ns);
    if (!found) {
      if (problems != nullptr) {
        problems->push_back(cat(binding->role.cluster_role ? "clusterrole." : "role.", kRbacGroup, " ", go_quote(binding->role.name), " not found"));
      }
      continue;
    }
    for (Value rule : found["rules"].items()) {
      if (!visitor(*binding, rule)) return;
    }
  }
}

std::string RbacBindings::describe(const RbacBinding& binding, const Identity& user) const {
  bool cluster = binding.ns.empty();
  Document object = registry_.get(*rbac_kind(cluster ? "clusterrolebindings" : "rolebindings"), binding.ns, binding.name);
  std::string whom;
  for (Value subject : object["subjects"].items()) {
    if (!means(subject, binding.ns, user)) continue;
    std::string name = subject["name"].text();
    if (subject["kind"].str() == "ServiceAccount") {
      std::string_view ns = subject["namespace"].str();
      name += cat("/", ns.empty() ? std::string_view(binding.ns) : ns);
    }
    whom = cat(subject["kind"].str(), " ", go_quote(name));
    break;
  }
  return cat(cluster ? "ClusterRoleBinding " : "RoleBinding ", go_quote(cluster ? binding.name : cat(binding.name, "/", binding.ns)), " of ",
             binding.role.cluster_role ? "ClusterRole " : "Role ", go_quote(binding.role.name), " to ", whom);
}

Document RbacBindings::role(const RoleRef& ref, std::string_view ns) const {
  const Kind* kind = rbac_kind(ref.cluster_role ? "clusterroles" : "roles");
  return kind == nullptr ? Document() : registry_.get(*kind, ref.cluster_role ? std::string_view() : ns, ref.name);
}

}  // namespace bramble
