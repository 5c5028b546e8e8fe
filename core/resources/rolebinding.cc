// RoleBinding and ClusterRoleBinding: who may do it.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

void default_binding(Mut o) {
  default_text(o.object("roleRef"), "apiGroup", kGroup);
  for (Mut s : o["subjects"].items()) {
    if (!s["apiGroup"].str().empty()) continue;
    const std::string_view kind = s["kind"].str();
    if (kind == "User" || kind == "Group") s.set("apiGroup", kGroup);
  }
}

void validate_subject(Value s, bool namespaced, const Path& at, FieldErrors& errors) {
  const std::string_view kind = s["kind"].str(), name = s["name"].str(), group = s["apiGroup"].str(),
                         ns = s["namespace"].str();
  if (name.empty()) errors.required(at.at("name"));
  if (kind == "ServiceAccount") {
    if (!name.empty()) add_invalid(at.at("name"), name, check_dns1123_subdomain(name), errors);
    if (!group.empty()) errors.not_supported(at.at("apiGroup"), group, {""});
    if (!namespaced && ns.empty()) errors.required(at.at("namespace"));
  } else if (kind == "User" || kind == "Group") {
    if (group != kGroup) errors.not_supported(at.at("apiGroup"), group, {kGroup});
  } else {
    errors.not_supported(at.at("kind"), kind, {"ServiceAccount", "User", "Group"});
  }
}

void validate_binding(Value o, FieldErrors& errors) {
  const bool namespaced = o["kind"].str() != "ClusterRoleBinding";
  const Value ref = o["roleRef"];
  const Path at("roleRef");
  const std::string_view kind = ref["kind"].str(), name = ref["name"].str(), group = ref["apiGroup"].str();
  if (group != kGroup) errors.not_supported(at.at("apiGroup"), group, {kGroup});
  if (!(kind == "ClusterRole" || (namespaced && kind == "Role"))) {
    if (namespaced)
      errors.not_supported(at.at("kind"), kind, {"Role", "ClusterRole"});
    else
      errors.not_supported(at.at("kind"), kind, {"ClusterRole"});
  }
  if (name.empty())
    errors.required(at.at("name"));
  else
    add_invalid(at.at("name"), name, check_path_segment(name), errors);
  for (size_t i = 0; i < o["subjects"].size(); ++i)
    validate_subject(o["subjects"].item(i), namespaced, Path("subjects").at(i), errors);
}

void validate_binding_update(Value o, Value old, FieldErrors& errors) {
  validate_binding(o, errors);
  const Value ref = o["roleRef"];
  if (!equal(ref, old["roleRef"]))
    errors.invalid_raw(Path("roleRef"),
                       cat("{\"APIGroup\":", go_quote(ref["apiGroup"].str()), ",\"Kind\":", go_quote(ref["kind"].str()),
                           ",\"Name\":", go_quote(ref["name"].str()), "}"),
                       "cannot change roleRef");
}

void binding_cells(Value o, int64_t now_us, Mut out) {
  std::vector<std::string> users, groups, accounts;
  for (Value s : o["subjects"].items()) {
    if (s["kind"].str() == "User")
      users.push_back(s["name"].text());
    else if (s["kind"].str() == "Group")
      groups.push_back(s["name"].text());
    else
      accounts.push_back(cat(s["namespace"].str(), "/", s["name"].str()));
  }
  out.append(first_name(o));
  out.append(cat(o["roleRef"]["kind"].str(), "/", o["roleRef"]["name"].str()));
  append_age(o, now_us, out);
  out.append(join(users, ", "));
  out.append(join(groups, ", "));
  out.append(join(accounts, ", "));
}

}  // namespace

void rolebinding_rules(Kind& k) {
  k.set_defaults = default_binding;
  k.validate = validate_binding;
  k.validate_update = validate_binding_update;
  k.validate_name = name_is_path_segment;
  k.columns = columns_of("Name:name, Role, Age, Users:wide, Groups:wide, ServiceAccounts:wide");
  k.cells = binding_cells;
}

}  // namespace bramble
