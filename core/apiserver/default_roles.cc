#include "core/apiserver/default_roles.h"

#include <algorithm>

#include "core/json/builder.h"

namespace bramble {

namespace {

constexpr std::string_view kControllerPrefix = "system:controller:";

// "read,delete" as the sorted verbs that it stands for.
std::vector<std::string> verbs_of(std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view word : split(text, ',')) {
    std::string_view whole = word;
    if (word == "read") whole = "get,list,watch";
    if (word == "write") whole = "create,delete,deletecollection,patch,update";
    for (std::string_view verb : split(whole, ',')) out.emplace_back(verb);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void add_list(Mut rule, std::string_view key, std::string_view text) {
  Mut list = rule.add_array(key);
  for (std::string_view item : split(text, ',')) list.append(item);
}

void add_rule(Mut rules, std::string_view line) {
  if (line == "record") line = "create,patch,update ,events.k8s.io:events";
  auto parts = cut(line, " ");
  CHECK(parts.has_value(), line);
  Mut rule = rules.append_object();
  Mut verbs = rule.add_array("verbs");
  for (const std::string& verb : verbs_of(parts->first)) verbs.append(verb);
  auto what = cut(parts->second, ":");
  if (!what) return add_list(rule, "nonResourceURLs", parts->second);
  add_list(rule, "apiGroups", what->first);
  auto named = cut(what->second, "=");
  add_list(rule, "resources", named ? named->first : what->second);
  if (named) add_list(rule, "resourceNames", named->second);
}

// metadata with the marks of a default object. `name` may be NAMESPACE/NAME.
void add_metadata(Mut object, std::string_view kind, ObjectKey& key, std::string_view aggregate_label) {
  object.add("kind", kind);
  object.add("apiVersion", cat(kRbacGroup, "/v1"));
  Mut m = object.add_object("metadata");
  m.add("name", key.name);
  if (!key.ns.empty()) m.add("namespace", key.ns);
  Mut labels = m.add_object("labels");
  labels.add("kubernetes.io/bootstrapping", "rbac-defaults");
  for (std::string_view label : split(aggregate_label, ',')) {
    if (!label.empty()) labels.add(cat(kRbacGroup, "/", label), "true");
  }
  m.add_object("annotations").add(kAutoUpdateAnnotation, "true");
}

ObjectKey key_of(std::string_view text, bool namespaced) {
  if (!namespaced) return {"", std::string(text)};
  auto parts = cut(text, "/");
  CHECK(parts.has_value(), text);
  return {std::string(parts->first), std::string(parts->second)};
}

void add_subject(Mut subjects, std::string_view text) {
  auto parts = cut(text, ":");
  CHECK(parts.has_value(), text);
  Mut s = subjects.append_object();
  s.add("kind", parts->first);
  if (parts->first == "ServiceAccount") {
    ObjectKey account = key_of(parts->second, true);
    s.add("name", account.name);
    s.add("namespace", account.ns);
    return;
  }
  s.add("apiGroup", kRbacGroup);
  s.add("name", parts->second);
}

DefaultObject binding(bool namespaced, ObjectKey key, std::string_view role, const std::vector<std::string_view>& subjects) {
  Builder b;
  Mut root = b.root();
  add_metadata(root, namespaced ? "RoleBinding" : "ClusterRoleBinding", key, "");
  auto ref = cut(role, "/");
  CHECK(ref.has_value(), role);
  if (!subjects.empty()) {
    Mut list = root.add_array("subjects");
    for (std::string_view s : subjects) add_subject(list, s);
  }
  Mut r = root.add_object("roleRef");
  r.add("apiGroup", kRbacGroup);
  r.add("kind", ref->first);
  r.add("name", ref->second);
  ResourceId resource{std::string(kRbacGroup), "v1", namespaced ? "rolebindings" : "clusterrolebindings"};
  return {resource, std::move(key), b.finish()};
}

// The words of a line after its first, and the rules below it.
struct Paragraph {
  std::vector<std::string_view> words;
  std::vector<std::string_view> rules;
};

std::string_view option(const Paragraph& p, std::string_view name) {
  for (std::string_view word : p.words) {
    if (word.size() > name.size() && word.substr(0, name.size()) == name && word[name.size()] == '=') {
      return word.substr(name.size() + 1);
    }
  }
  return {};
}

DefaultObject role(bool namespaced, ObjectKey key, const Paragraph& p) {
  Builder b;
  Mut root = b.root();
  add_metadata(root, namespaced ? "Role" : "ClusterRole", key, option(p, "label"));
  std::string_view selects = option(p, "selects");
  if (!selects.empty()) {
    Mut selectors = root.add_object("aggregationRule").add_array("clusterRoleSelectors");
    selectors.append_object().add_object("matchLabels").add(cat(kRbacGroup, "/", selects), "true");
    root.add_null("rules");
  } else {
    Mut rules = root.add_array("rules");
    for (std::string_view line : p.rules) add_rule(rules, line);
  }
  ResourceId resource{std::string(kRbacGroup), "v1", namespaced ? "roles" : "clusterroles"};
  return {resource, std::move(key), b.finish()};
}

// Calls fn for each paragraph of the text.
template <class F>
void each_paragraph(F fn) {
  Paragraph p;
  for (std::string_view line : split(kDefaultRolesText, '\n')) {
    if (line.substr(0, 2) == "  ") {
      p.rules.push_back(line.substr(2));
      continue;
    }
    if (!p.words.empty()) fn(p);
    p = {};
    if (!line.empty()) p.words = split(line, ' ');
  }
}

}  // namespace

void each_default_rbac_object(const std::function<void(DefaultObject)>& fn) {
  each_paragraph([&](const Paragraph& p) {
    std::string_view form = p.words[0], name = p.words[1];
    if (form == "clusterrole") return fn(role(false, key_of(name, false), p));
    if (form == "role") return fn(role(true, key_of(name, true), p));
    if (form == "controller") {
      std::string full = cat(kControllerPrefix, name), account = cat("ServiceAccount:kube-system/", name);
      fn(binding(false, key_of(full, false), cat("ClusterRole/", full), {account}));
      return fn(role(false, key_of(full, false), p));
    }
    bool namespaced = form == "rolebinding";
    CHECK(namespaced || form == "clusterrolebinding", form);
    std::vector<std::string_view> subjects(p.words.begin() + 3, p.words.end());
    fn(binding(namespaced, key_of(name, namespaced), p.words[2], subjects));
  });
}

Document default_cluster_role(std::string_view name) {
  Document found;
  each_paragraph([&](const Paragraph& p) {
    if (p.words[0] == "clusterrole" && p.words[1] == name) found = role(false, key_of(name, false), p).object;
  });
  return found;
}

}  // namespace bramble
