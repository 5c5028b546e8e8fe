// APIService: who serves a group version.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_apiservice(Mut o) {
  if (Mut service = o.object("spec")["service"]; service.is_object()) default_int(service, "port", 443);
}

void validate_apiservice(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], service = spec["service"];
  const std::string_view group = spec["group"].str(), version = spec["version"].str();
  const std::string wanted = cat(version, ".", group);
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(),
                   "must be `spec.version+\".\"+spec.group`: \"" + wanted + "\"");
  if (group.empty() && version != "v1") errors.required(at.at("group"), "only v1 may have an empty group and it better be legacy kube");
  if (!group.empty()) add_invalid(at.at("group"), group, check_dns1123_subdomain(group), errors);
  add_invalid(at.at("version"), version, check_dns1035_label(version), errors);
  if (spec["groupPriorityMinimum"].integer() <= 0 || spec["groupPriorityMinimum"].integer() > 20000)
    errors.invalid(at.at("groupPriorityMinimum"), spec["groupPriorityMinimum"].integer(),
                   "must be positive and less than 20000");
  if (spec["versionPriority"].integer() <= 0 || spec["versionPriority"].integer() > 1000)
    errors.invalid(at.at("versionPriority"), spec["versionPriority"].integer(), "must be positive and less than 1000");
  const size_t ca_bytes = base64_bytes(spec["caBundle"].str());
  const bool insecure = spec["insecureSkipTLSVerify"].boolean();
  if (!service.is_object()) {
    if (ca_bytes > 0) errors.invalid(at.at("caBundle"), cat(ca_bytes, " bytes"), "local APIServices may not have a caBundle");
    if (insecure) errors.invalid(at.at("insecureSkipTLSVerify"), spec["insecureSkipTLSVerify"], "local APIServices may not have insecureSkipTLSVerify");
    return;
  }
  for (const char* f : {"namespace", "name"})
    if (service[f].str().empty()) errors.required(at.at("service").at(f));
  const int64_t port = service["port"].integer();
  if (const auto bad = check_port_number(port); !bad.empty())
    errors.invalid(at.at("service").at("port"), port, cat("port is not valid: ", join(bad, ", ")));
  if (insecure && ca_bytes > 0)
    errors.invalid(at.at("insecureSkipTLSVerify"), spec["insecureSkipTLSVerify"], "may not be true if caBundle is present");
}

void validate_status(Value o, Value, FieldErrors& errors) {
  const Value conditions = o["status"]["conditions"];
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string_view status = conditions.item(i)["status"].str();
    if (status != "True" && status != "False" && status != "Unknown")
      errors.not_supported(Path("status").at("conditions").at(i).at("status"), status, {"True", "False", "Unknown"});
  }
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
  k.validate_status_update = validate_status;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate_name = name_is_path_segment;
  k.columns = {
      name_column(),
      {"Service", kText, [](Value o) { return service_text(o); }},
      {"Available", kText, [](Value o) { return available_text(o); }},
      age_column(),
  };
}

}  // namespace bramble
