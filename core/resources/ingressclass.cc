// IngressClass: who serves an Ingress.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/shared_rules.h"

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
  validate_domain_path(controller, at.at("controller"), errors);
  const Value parameters = o["spec"]["parameters"];
  if (!parameters.is_object()) return;
  const Path here = at.at("parameters");
  if (parameters.has("apiGroup")) {
    const std::string_view group = parameters["apiGroup"].str();
    add_invalid(here.at("apiGroup"), group, check_dns1123_subdomain(group), errors);
  }
  for (const char* f : {"kind", "name"}) {
    if (parameters[f].str().empty())
      errors.required(here.at(f));
    else
      add_invalid(here.at(f), parameters[f].str(), check_path_segment(parameters[f].str()), errors);
  }
  const std::string_view scope = parameters["scope"].str();
  validate_one_of(scope, {"Cluster", "Namespace"}, here.at("scope"), true, errors);
  if (scope == "Namespace") {
    const std::string_view ns = parameters["namespace"].str();
    if (parameters.has("namespace"))
      add_invalid(here.at("namespace"), ns, check_dns1123_label(ns), errors);
    else
      errors.required(here.at("namespace"), "`parameters.scope` is set to 'Namespace'");
  }
  if (scope == "Cluster" && parameters.has("namespace"))
    errors.forbidden(here.at("namespace"), "`parameters.scope` is set to 'Cluster'");
}

void update_ingressclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["spec"]["controller"], old["spec"]["controller"], Path("spec").at("controller"), errors);
  validate_ingressclass(o, errors);
}

std::string class_name_text(Value o) {
  const bool is_default = o["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"].str() == "true";
  return cat(o["metadata"]["name"].str(), is_default ? " (default)" : "");
}

std::string parameters_text(Value o) {
  const Value p = o["spec"]["parameters"];
  if (!p.is_object()) return "<none>";
  std::string_view group = p["apiGroup"].str();
  return cat(p["kind"].str(), p.has("apiGroup") ? "." : "", group, "/", p["name"].str());
}

}  // namespace

void ingressclass_rules(Kind& k) {
  k.set_defaults = default_ingressclass;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_ingressclass;
  k.validate_update = update_ingressclass;
  k.columns = {
      {"Name", kName, [](Value o) { return class_name_text(o); }},
      {"Controller", kText, [](Value o) { return o["spec"]["controller"].str(); }},
      {"Parameters", kText, [](Value o) { return parameters_text(o); }},
      age_column(),
  };
}

}  // namespace bramble
