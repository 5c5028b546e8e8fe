#include "core/apiserver/audit_policy.h"

#include <algorithm>

#include "core/apiserver/authz.h"
#include "core/json/yaml.h"
#include "core/resources/field_error.h"
#include "core/resources/field_rules.h"

namespace bramble {

namespace {

constexpr std::string_view kLevels[] = {"None", "Metadata", "Request", "RequestResponse"};
constexpr std::string_view kStages[] = {"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"};

bool has(const std::vector<std::string>& list, std::string_view word) { return std::find(list.begin(), list.end(), word) != list.end(); }

// Upstream's decoder: a value of another type ends the reading.
class Reader {
 public:
  std::vector<std::string> texts(Value list, std::string_view field) {
    std::vector<std::string> out;
    if (!is_list(list, field)) return out;
    for (Value v : list.items()) out.push_back(text(v, field));
    return out;
  }
  std::string text(Value v, std::string_view field) {
    if (v.exists() && !v.is_null() && !v.is_string()) wrong(v, field, "string");
    return v.text();
  }
  std::optional<bool> boolean(Value v, std::string_view field) {
    if (!v.exists() || v.is_null()) return std::nullopt;
    if (!v.is_bool()) wrong(v, field, "bool");
    return v.boolean();
  }
  bool is_list(Value v, std::string_view field) {
    if (v.is_array()) return true;
    if (v.exists() && !v.is_null()) wrong(v, field, "slice");
    return false;
  }
  bool is_object(Value v, std::string_view field) {
    if (v.is_object()) return true;
    wrong(v, field, "struct");
    return false;
  }
  const std::string& problem() const { return problem_; }

 private:
  void wrong(Value v, std::string_view field, std::string_view wanted) {
    if (problem_.empty()) problem_ = cat("json: cannot unmarshal ", v.type_name(), " into Go struct field ", field, " of type ", wanted);
  }
  std::string problem_;
};

std::string text_of(const FieldErrors& errors) {
  std::vector<std::string> all;
  for (const FieldError& e : errors.list()) all.push_back(cat(e.field, ": ", e.message));
  return aggregate_text(all);
}

// Bits of the stages; what is none is told of.
unsigned stages_of(const std::vector<std::string>& names, const Path& at, FieldErrors& errors) {
  unsigned bits = 0;
  for (size_t i = 0; i < names.size(); i++) {
    auto stage = std::find(std::begin(kStages), std::end(kStages), names[i]);
    if (stage != std::end(kStages)) bits |= 1u << (stage - std::begin(kStages));
    else errors.invalid(at.at(i), names[i], "allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic");
  }
  return bits;
}

AuditLevel level_of(const std::string& name, const Path& at, FieldErrors& errors) {
  auto level = std::find(std::begin(kLevels), std::end(kLevels), name);
  if (level != std::end(kLevels)) return static_cast<AuditLevel>(level - std::begin(kLevels));
  if (name.empty()) errors.required(at);
  else errors.not_supported(at, name, {kLevels[0], kLevels[1], kLevels[2], kLevels[3]});
  return AuditLevel::kNone;
}

void check_paths(const std::vector<std::string>& paths, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < paths.size(); i++) {
    const std::string& path = paths[i];
    if (path == "*") continue;
    if (!path.starts_with("/")) errors.invalid(at.at(i), path, "non-resource URL rules must begin with a '/' character");
    if (!path.empty() && path.find('*') < path.size() - 1)
      errors.invalid(at.at(i), path, "non-resource URL wildcards '*' must be the final character of the rule");
  }
}

std::string go_strings(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& s : list) out += cat(out.empty() ? "" : ",", go_quote(s));
  return cat("[", out, "]");
}

bool path_matches(std::string_view path, std::string_view spec) {
  if (spec == "*" || spec == path) return true;
  if (!spec.ends_with("*")) return false;
  while (spec.ends_with("*")) spec.remove_suffix(1);
  return path.starts_with(spec);
}

}  // namespace

std::string_view name_of(AuditLevel level) { return kLevels[static_cast<size_t>(level)]; }

std::string_view name_of(AuditStage stage) {
  for (size_t i = 0; i < std::size(kStages); i++) {
    if (stage == 1u << i) return kStages[i];
  }
  return {};
}

Result<AuditPolicy> AuditPolicy::parse(std::string_view text) {
  auto failed = [](std::string_view why) { return Error(Code::kInvalidArgument, std::string(why)); };
  auto document = parse_yaml(text);
  if (!document.ok()) return failed(cat("failed decoding: ", document.error().message()));
  Value root = document->root();
  std::string_view version = root["apiVersion"].str(), kind = root["kind"].str();
  if (kind.empty()) return failed(cat("failed decoding: Object 'Kind' is missing in '", text, "'"));
  if (version.empty()) return failed(cat("failed decoding: Object 'apiVersion' is missing in '", text, "'"));
  if (version != "audit.k8s.io/v1" || kind != "Policy") {
    return failed(cat("failed decoding: no kind ", go_quote(kind), " is registered for version ", go_quote(version),
                      " in scheme \"k8s.io/apiserver/pkg/audit/scheme.go:30\""));
  }
  AuditPolicy policy;
  Reader reader;
  FieldErrors errors;
  policy.otherwise_.omit_managed_fields = reader.boolean(root["omitManagedFields"], "Policy.omitManagedFields").value_or(false);
  policy.otherwise_.omit_stages = stages_of(reader.texts(root["omitStages"], "Policy.omitStages"), Path("omitStages"), errors);
  if (reader.is_list(root["rules"], "Policy.rules")) {
    for (Value r : root["rules"].items()) {
      if (!reader.is_object(r, "Policy.rules")) break;
      const Path at = Path("rules").at(policy.rules_.size());
      Rule rule;
      rule.decision.level = level_of(reader.text(r["level"], "PolicyRule.rules.level"), at.at("level"), errors);
      rule.users = reader.texts(r["users"], "PolicyRule.rules.users");
      rule.groups = reader.texts(r["userGroups"], "PolicyRule.rules.userGroups");
      rule.verbs = reader.texts(r["verbs"], "PolicyRule.rules.verbs");
      rule.namespaces = reader.texts(r["namespaces"], "PolicyRule.rules.namespaces");
      rule.paths = reader.texts(r["nonResourceURLs"], "PolicyRule.rules.nonResourceURLs");
      check_paths(rule.paths, at.at("nonResourceURLs"), errors);
      if (reader.is_list(r["resources"], "PolicyRule.rules.resources")) {
        for (Value g : r["resources"].items()) {
          if (!reader.is_object(g, "PolicyRule.rules.resources")) break;
          const Path resources = at.at("resources");
          Resources wanted{reader.text(g["group"], "GroupResources.rules.resources.group"),
                           reader.texts(g["resources"], "GroupResources.rules.resources.resources"),
                           reader.texts(g["resourceNames"], "GroupResources.rules.resources.resourceNames")};
          if (!wanted.group.empty() && wanted.group != "*") {
            auto wrong = name_is_subdomain(wanted.group, false);
            if (!wrong.empty()) errors.invalid(resources.at("group"), wanted.group, join(wrong, ","));
          }
          if (!wanted.names.empty() && wanted.resources.empty())
            errors.invalid_raw(resources.at("resourceNames"), go_strings(wanted.names), "using resourceNames requires at least one resource");
          rule.resources.push_back(std::move(wanted));
        }
      }
      rule.decision.omit_stages = stages_of(reader.texts(r["omitStages"], "PolicyRule.rules.omitStages"), at.at("omitStages"), errors);
      rule.decision.omit_stages |= policy.otherwise_.omit_stages;
      rule.decision.omit_managed_fields =
          reader.boolean(r["omitManagedFields"], "PolicyRule.rules.omitManagedFields").value_or(policy.otherwise_.omit_managed_fields);
      if (!rule.paths.empty() && (!rule.resources.empty() || !rule.namespaces.empty()))
        errors.invalid_raw(at.at("nonResourceURLs"), go_strings(rule.paths), "rules cannot apply to both regular resources and non-resource URLs");
      policy.rules_.push_back(std::move(rule));
    }
  }
  if (!reader.problem().empty()) return failed(cat("failed decoding: ", reader.problem()));
  if (!errors.empty()) return failed(text_of(errors));
  if (policy.rules_.empty()) return failed("loaded illegal policy with 0 rules");
  return policy;
}

bool AuditPolicy::Rule::covers_resource(const Attributes& what) const {
  if (!what.resource_request) return false;
  if (!namespaces.empty() && !has(namespaces, what.ns)) return false;
  if (resources.empty()) return true;
  const std::string joined = what.subresource.empty() ? what.resource : cat(what.resource, "/", what.subresource);
  for (const Resources& r : resources) {
    if (r.group != what.group && r.group != "*") continue;
    if (r.resources.empty()) return true;
    if (!r.names.empty() && !has(r.names, what.name)) continue;
    for (std::string_view resource : r.resources) {
      if (resource == joined || resource == "*") return true;
      if (!what.subresource.empty() && resource.starts_with("*/") && resource.substr(2) == what.subresource) return true;
      if (resource.ends_with("/*") && resource.substr(0, resource.size() - 2) == what.resource) return true;
    }
  }
  return false;
}

bool AuditPolicy::Rule::matches(const Identity& user, const Attributes& what) const {
  if (!users.empty() && !has(users, user.user)) return false;
  if (!groups.empty() && std::none_of(user.groups.begin(), user.groups.end(), [&](const std::string& g) { return has(groups, g); })) return false;
  if (!verbs.empty() && !has(verbs, what.verb)) return false;
  if (!namespaces.empty() || !resources.empty()) return covers_resource(what);
  if (paths.empty()) return true;
  if (what.resource_request) return false;
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& spec) { return path_matches(what.path, spec); });
}

AuditDecision AuditPolicy::decide(const Identity& user, const Attributes& what) const {
  for (const Rule& rule : rules_) {
    if (rule.matches(user, what)) return rule.decision;
  }
  return otherwise_;
}

}  // namespace bramble
