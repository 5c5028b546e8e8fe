// FlowSchema: which requests fall under it, and under which priority level (k8s.io/kubernetes, pkg/apis/flowcontrol/validation).
#include <algorithm>

#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/field_rules.h"
#include "core/resources/flow_spec.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

constexpr std::string_view kVerbs[] = {"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"};

void default_flowschema(Mut o) {
  Mut spec = o.object("spec");
  if (spec["matchingPrecedence"].integer() == 0) spec.set("matchingPrecedence", 1000);
}

bool has_all(Value list) {
  for (Value v : list.items()) {
    if (v.str() == "*") return true;
  }
  return false;
}

// "*" stands alone. Whether it is there.
bool validate_all_alone(Value list, const Path& at, std::string_view others, FieldErrors& errors) {
  if (!has_all(list)) return false;
  if (list.size() > 1) errors.invalid(at, list, cat("if '*' is present, must not specify other ", others));
  return true;
}

void validate_named(Value subject, const Path& at, FieldErrors& errors) {
  if (subject["name"].str().empty()) errors.required(at.at("name"));
}

void validate_account(Value account, const Path& at, FieldErrors& errors) {
  const std::string_view name = account["name"].str(), ns = account["namespace"].str();
  if (name.empty()) errors.required(at.at("name"));
  else if (name != "*") add_invalid(at.at("name"), name, name_is_subdomain(name, false), errors);
  if (ns.empty()) errors.required(at.at("namespace"), "must specify namespace for service account");
  else add_invalid(at.at("namespace"), ns, name_is_label(ns, false), errors);
}

void validate_subject(Value subject, const Path& at, FieldErrors& errors) {
  struct Union {
    std::string_view kind, field;
    void (*validate)(Value, const Path&, FieldErrors&);
  };
  constexpr Union kUnion[] = {
      {"ServiceAccount", "serviceAccount", validate_account}, {"User", "user", validate_named}, {"Group", "group", validate_named}};
  const std::string_view kind = subject["kind"].str();
  const Union* own = std::find_if(std::begin(kUnion), std::end(kUnion), [kind](const Union& u) { return u.kind == kind; });
  if (own == std::end(kUnion)) return errors.not_supported(at.at("kind"), kind, {"Group", "ServiceAccount", "User"});
  const Value it = subject[own->field];
  if (it.is_object()) own->validate(it, at.at(own->field), errors);
  else errors.required(at.at(own->field), cat(own->field, " is required when subject kind is '", own->kind, "'"));
  // Upstream looks at the user before it looks at the group.
  for (const Union& u : kUnion) {
    if (&u != own && subject[u.field].is_object()) errors.forbidden(at.at(u.field), cat(u.field, " is forbidden when subject kind is not '", u.kind, "'"));
  }
}

void validate_verbs(Value verbs, const Path& at, FieldErrors& errors) {
  if (verbs.size() == 0) return errors.required(at, "verbs must contain at least one value");
  if (validate_all_alone(verbs, at, "verbs", errors)) return;
  for (Value v : verbs.items()) {
    if (std::find(std::begin(kVerbs), std::end(kVerbs), v.str()) != std::end(kVerbs)) continue;
    return errors.not_supported_raw(at, verbs.dump(), {std::begin(kVerbs), std::end(kVerbs)});
  }
}

void validate_namespaces(Value rule, const Path& at, FieldErrors& errors) {
  const Value list = rule["namespaces"];
  if (list.size() == 0 && !rule["clusterScope"].boolean())
    return errors.required(at, "resource rules that are not cluster scoped must supply at least one namespace");
  if (validate_all_alone(list, at, "namespaces", errors)) return;
  for (size_t i = 0; i < list.size(); i++) {
    const std::string_view ns = list.item(i).str();
    for (const std::string& message : name_is_label(ns, false))
      errors.invalid(at.at(i), ns, cat("each member of this list must be '*' or a DNS-1123 label; ", message));
  }
}

void validate_resource_rule(Value rule, const Path& at, FieldErrors& errors) {
  validate_verbs(rule["verbs"], at.at("verbs"), errors);
  if (rule["apiGroups"].size() == 0) errors.required(at.at("apiGroups"), "resource rules must supply at least one api group");
  else validate_all_alone(rule["apiGroups"], at.at("apiGroups"), "api groups", errors);
  if (rule["resources"].size() == 0) errors.required(at.at("resources"), "resource rules must supply at least one resource");
  else validate_all_alone(rule["resources"], at.at("resources"), "resources", errors);
  validate_namespaces(rule, at.at("namespaces"), errors);
}

// Null: it is fine.
const char* fault_of_path(std::string_view path) {
  if (path.empty()) return "must not be empty";
  if (path == "/") return nullptr;
  if (!path.starts_with("/")) return "must start with slash";
  if (path.find(' ') != std::string_view::npos) return "must not contain white-space";
  if (path.find("//") != std::string_view::npos) return "must not contain double slash";
  const auto stars = std::count(path.begin(), path.end(), '*');
  return stars > 1 || (stars == 1 && !path.ends_with("/*")) ? "wildcard can only do suffix matching" : nullptr;
}

void validate_path_rule(Value rule, const Path& at, FieldErrors& errors) {
  validate_verbs(rule["verbs"], at.at("verbs"), errors);
  const Path here = at.at("nonResourceURLs");
  const Value list = rule["nonResourceURLs"];
  if (list.size() == 0) return errors.required(here, "nonResourceURLs must contain at least one value");
  if (validate_all_alone(list, here, "non-resource URLs", errors)) return;
  for (size_t i = 0; i < list.size(); i++) {
    if (const char* fault = fault_of_path(list.item(i).str())) errors.invalid(here.at(i), list.item(i).str(), fault);
  }
}

void validate_rule(Value rule, const Path& at, FieldErrors& errors) {
  const Value subjects = rule["subjects"], resources = rule["resourceRules"], paths = rule["nonResourceRules"];
  for (size_t i = 0; i < subjects.size(); i++) validate_subject(subjects.item(i), at.at("subjects").at(i), errors);
  if (subjects.size() == 0) errors.required(at.at("subjects"), "subjects must contain at least one value");
  if (resources.size() == 0 && paths.size() == 0) errors.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
  for (size_t i = 0; i < resources.size(); i++) validate_resource_rule(resources.item(i), at.at("resourceRules").at(i), errors);
  for (size_t i = 0; i < paths.size(); i++) validate_path_rule(paths.item(i), at.at("nonResourceRules").at(i), errors);
}

void validate_flowschema(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view name = o["metadata"]["name"].str(), level = spec["priorityLevelConfiguration"]["name"].str();
  const int64_t precedence = spec["matchingPrecedence"].integer();
  if (precedence <= 0) errors.invalid(at.at("matchingPrecedence"), precedence, "must be a positive value");
  if (precedence > 10000) errors.invalid(at.at("matchingPrecedence"), precedence, "must not be greater than 10000");
  if (precedence == 1 && name != "exempt")
    errors.invalid(at.at("matchingPrecedence"), precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (const Value method = spec["distinguisherMethod"]; method.is_object()) {
    const std::string_view type = method["type"].str();
    // Upstream shows the whole method.
    if (type != "ByNamespace" && type != "ByUser")
      errors.not_supported_raw(at.at("distinguisherMethod").at("type"), shown_flow_spec(spec)["DistinguisherMethod"].dump(), {"ByNamespace", "ByUser"});
  }
  const Path reference = at.at("priorityLevelConfiguration").at("name");
  if (level.empty()) errors.required(reference, "must reference a priority level");
  else add_invalid(reference, level, name_is_subdomain(level, false), errors);
  for (size_t i = 0; i < spec["rules"].size(); i++) validate_rule(spec["rules"].item(i), at.at("rules").at(i), errors);
  if (const Document fixed = mandatory_flow_spec(name); fixed && !equal(spec, fixed.root()))
    errors.invalid(at, shown_flow_spec(spec).root(), cat("spec of '", name, "' must equal the fixed value"));
  validate_flow_conditions(o["status"], errors);
}

}  // namespace

void flowschema_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_flowschema;
  k.validate = validate_flowschema;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_flowschema(o, errors); };
  k.validate_status_update = [](Value o, Value, FieldErrors& errors) { validate_flow_conditions(o["status"], errors); };
  k.columns = {
      name_column(),
      {"PriorityLevel", kText, [](Value o) { return o["spec"]["priorityLevelConfiguration"]["name"].str("<none>"); }},
      {"MatchingPrecedence", kText, [](Value o) { return o["spec"]["matchingPrecedence"].integer(); }},
      {"DistinguisherMethod", kText, [](Value o) { return o["spec"]["distinguisherMethod"]["type"].str("<none>"); }},
      age_column(),
      {"MissingPL", kText, [](Value o) {
         const std::string_view dangling = condition_status(o, "Dangling");
         return dangling.empty() ? std::string_view("?") : dangling;
       }},
  };
}

}  // namespace bramble
