// IngressClass: who serves an Ingress.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

void default_ingressclass(Mut o) {
  Mut parameters = o["spec"]["parameters"];
  if (parameters.is_object()) default_text(parameters, "scope", "Cluster");
}

void validate_ingressclass(Value o, FieldErrors& errors) {
  const Path at = Path("spec");
  const std::string_view controller = o["spec"]["controller"].str();
  if (controller.size() > 250) errors.too_long(at.at("controller"), 250);
  if (controller.empty())
    errors.required(at.at("controller"));
  else
    add_invalid(at.at("controller"), controller, check_fully_qualified_name(controller), errors);
  const Value parameters = o["spec"]["parameters"];
  if (!parameters.is_object()) return;
  const Path here = at.at("parameters");
  for (const char* f : {"kind", "name"})
    if (parameters[f].str().empty()) errors.required(here.at(f), cat(f, " is required"));
  const std::string_view scope = parameters["scope"].str();
  validate_one_of(scope, {"Cluster", "Namespace"}, here.at("scope"), true, errors);
  if (scope == "Namespace" && parameters["namespace"].str().empty())
    errors.required(here.at("namespace"), "`parameters.scope` is set to 'Namespace'");
  if (scope == "Cluster" && parameters.has("namespace"))
    errors.forbidden(here.at("namespace"), "`parameters.scope` is set to 'Cluster'");
}

void update_ingressclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["spec"]["controller"], old["spec"]["controller"], Path("spec").at("controller"), errors);
  validate_ingressclass(o, errors);
}

std::string parameters_text(Value o) {
  const Value p = o["spec"]["parameters"];
  if (!p.is_object()) return "<none>";
  std::string_view group = p["apiGroup"].str();
  return cat(p["kind"].str(), group.empty() ? "" : ".", group, "/", p["name"].str());
}

}  // namespace

void ingressclass_rules(Kind& k) {
  k.set_defaults = default_ingressclass;
  k.validate = validate_ingressclass;
  k.validate_update = update_ingressclass;
  k.columns = {
      name_column(),
      {"Controller", kText, [](Value o) { return o["spec"]["controller"].str(); }},
      {"Parameters", kText, [](Value o) { return parameters_text(o); }},
      age_column(),
  };
}

}  // namespace bramble
