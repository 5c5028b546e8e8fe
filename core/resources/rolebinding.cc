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

std::string subjects_text(Value o, std::string_view kind) {
  std::vector<std::string> out;
  for (Value s : o["subjects"].items()) {
    const bool account = s["kind"].str() != "User" && s["kind"].str() != "Group";
    if (account && kind == "ServiceAccount") out.push_back(cat(s["namespace"].str(), "/", s["name"].str()));
    if (!account && s["kind"].str() == kind) out.push_back(s["name"].text());
  }
  return join(out, ", ");
}

}  // namespace

void rolebinding_rules(Kind& k) {
  k.set_defaults = default_binding;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_binding;
  k.validate_update = validate_binding_update;
  k.validate_name = name_is_path_segment;
  k.columns = {
      name_column(),
      {"Role", kText, [](Value o) { return cat(o["roleRef"]["kind"].str(), "/", o["roleRef"]["name"].str()); }},
      age_column(),
      {"Users", kWide, [](Value o) { return subjects_text(o, "User"); }},
      {"Groups", kWide, [](Value o) { return subjects_text(o, "Group"); }},
      {"ServiceAccounts", kWide, [](Value o) { return subjects_text(o, "ServiceAccount"); }},
  };
}

}  // namespace bramble
