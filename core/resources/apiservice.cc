// APIService: who serves a group version.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_apiservice(Mut o) {
  if (Mut service = o.object("spec")["service"]; service.is_object()) default_int(service, "port", 443);
}

void validate_apiservice(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string wanted = cat(spec["version"].str(), ".", spec["group"].str());
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(),
                   "must be `spec.version+\".\"+spec.group`: \"" + wanted + "\"");
  if (spec["groupPriorityMinimum"].integer() <= 0 || spec["groupPriorityMinimum"].integer() > 20000)
    errors.invalid(at.at("groupPriorityMinimum"), spec["groupPriorityMinimum"].integer(),
                   "must be positive and less than 20000");
  if (spec["versionPriority"].integer() <= 0 || spec["versionPriority"].integer() > 1000)
    errors.invalid(at.at("versionPriority"), spec["versionPriority"].integer(), "must be positive and less than 1000");
  if (spec["service"].is_object())
    for (const char* f : {"namespace", "name"})
      if (spec["service"][f].str().empty()) errors.required(at.at("service").at(f));
}

std::string service_text(Value o) {
  const Value service = o["spec"]["service"];
  return service.is_object() ? cat(service["namespace"].str(), "/", service["name"].str()) : std::string("Local");
}

std::string available_text(Value o) {
  const Value available = find_condition(o["status"]["conditions"], "Available");
  if (!available.exists()) return "Unknown";
  if (available["status"].str() == "True") return "True";
  return cat(available["status"].str(), " (", available["reason"].str(), ")");
}

}  // namespace

void apiservice_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_apiservice;
  k.validate = validate_apiservice;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_apiservice(o, errors); };
  k.validate_name = name_is_path_segment;
  k.columns = {
      name_column(),
      {"Service", kText, [](Value o) { return service_text(o); }},
      {"Available", kText, [](Value o) { return available_text(o); }},
      age_column(),
  };
}

}  // namespace bramble
