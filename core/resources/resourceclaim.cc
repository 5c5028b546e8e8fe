// The kinds of dynamic resource allocation (resource.k8s.io): what is wished for, and by whom.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/device_rules.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_tolerations(Mut holder) {
  for (Mut t : holder["tolerations"].items()) default_text(t, "operator", "Equal");
}

void default_requests(Mut devices) {
  for (Mut r : devices["requests"].items()) {
    auto fill = [](Mut one) {
      default_text(one, "allocationMode", "ExactCount");
      if (one["allocationMode"].str() == "ExactCount" && one["count"].integer() == 0) one.set("count", 1);
      default_tolerations(one);
    };
    if (r["exactly"].is_object()) fill(r["exactly"]);
    for (Mut sub : r["firstAvailable"].items()) fill(sub);
  }
}

constexpr size_t kAlternativesMax = 8;

void validate_device_toleration(Value t, const Path& at, FieldErrors& errors) {
  const std::string_view key = t["key"].str(), op = t["operator"].str(), value = t["value"].str();
  if (!key.empty()) add_invalid(at.at("key"), key, check_qualified_name(key), errors);
  if (op == "Exists") {
    if (!value.empty()) errors.invalid(at.at("value"), value, "must be empty for operator `Exists`");
  } else if (op == "Equal") {
    add_invalid(at.at("value"), value, check_label_value(value), errors);
  } else {
    validate_one_of(op, {"Equal", "Exists"}, at.at("operator"), true, errors);
  }
  validate_one_of(t["effect"].str(), {"NoExecute", "NoSchedule", "None"}, at.at("effect"), false, errors);
}

// What is wanted: of one sort, or as one of several alternatives.
void validate_wish(Value r, const Path& at, FieldErrors& errors) {
  const std::string_view name = r["deviceClassName"].str(), mode = r["allocationMode"].str();
  if (name.empty())
    errors.required(at.at("deviceClassName"));
  else
    add_invalid(at.at("deviceClassName"), name, check_dns1123_subdomain(name), errors);
  validate_selectors(r["selectors"], at.at("selectors"), errors);
  const int64_t count = r["count"].integer();
  if (mode == "All") {
    if (count != 0) errors.invalid(at.at("count"), count, "must not be specified when allocationMode is 'All'");
  } else if (mode == "ExactCount") {
    if (count <= 0) errors.invalid(at.at("count"), count, "must be greater than zero");
  } else {
    errors.not_supported(at.at("allocationMode"), mode, {"All", "ExactCount"});
  }
  for (size_t i = 0; i < r["tolerations"].size(); ++i) validate_device_toleration(r["tolerations"].item(i), at.at("tolerations").at(i), errors);
}

std::string quoted_name(Value v) { return go_quote(v["name"].str()); }

void validate_request(Value r, const Path& at, FieldErrors& errors) {
  add_invalid(at.at("name"), r["name"].str(), check_dns1123_label(r["name"].str()), errors);
  const bool exactly = r["exactly"].is_object(), alternatives = r["firstAvailable"].size() > 0;
  if (!exactly && !alternatives) return errors.required(at, "exactly one of `exactly` or `firstAvailable` is required");
  if (exactly && alternatives)
    return errors.invalid(at, Value(), "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set");
  if (exactly) return validate_wish(r["exactly"], at.at("exactly"), errors);
  validate_device_set(
      r["firstAvailable"], kAlternativesMax, at.at("firstAvailable"), errors,
      [&errors](Value sub, const Path& here) {
        add_invalid(here.at("name"), sub["name"].str(), check_dns1123_label(sub["name"].str()), errors);
        validate_wish(sub, here, errors);
      },
      quoted_name);
}

void validate_references(Value names, Value requests, const Path& at, FieldErrors& errors) {
  validate_device_set(
      names, kDeviceListMax, at, errors,
      [&](Value name, const Path& here) { validate_request_reference(name.str(), requests, here, errors); },
      [](Value name) { return go_quote(name.str()); });
}

void validate_claim_spec_devices(Value devices, const Path& at, FieldErrors& errors) {
  const Value requests = devices["requests"];
  validate_device_set(
      requests, kDeviceListMax, at.at("requests"), errors, [&errors](Value r, const Path& here) { validate_request(r, here, errors); },
      quoted_name);
  validate_device_list(devices["constraints"], kDeviceListMax, at.at("constraints"), errors, [&](Value c, const Path& here) {
    validate_references(c["requests"], requests, here.at("requests"), errors);
    if (c.has("matchAttribute"))
      validate_full_attribute_name(c["matchAttribute"].str(), here.at("matchAttribute"), errors);
    else if (c.has("distinctAttribute"))
      validate_full_attribute_name(c["distinctAttribute"].str(), here.at("distinctAttribute"), errors);
    else
      errors.required(here, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set");
  });
  validate_device_list(devices["config"], kDeviceListMax, at.at("config"), errors, [&](Value c, const Path& here) {
    validate_references(c["requests"], requests, here.at("requests"), errors);
    validate_device_configuration(c, false, here, errors);
  });
}

void validate_device_class(Value spec, Value old, FieldErrors& errors) {
  const Path at("spec");
  validate_selectors(spec["selectors"], at.at("selectors"), errors);
  const bool stored = old && equal(spec["config"], old["config"]);
  validate_device_list(spec["config"], kDeviceListMax, at.at("config"), errors,
                       [&](Value c, const Path& here) { validate_device_configuration(c, stored, here, errors); });
  if (!spec.has("extendedResourceName")) return;
  const std::string_view name = spec["extendedResourceName"].str();
  if (!is_extended_resource_name(name)) errors.invalid(at.at("extendedResourceName"), name, "must be a valid extended resource name");
}

void validate_template(Value o, FieldErrors& errors) {
  const Path at("spec");
  validate_labels(o["spec"]["metadata"]["labels"], at.at("metadata").at("labels"), errors);
  validate_annotations(o["spec"]["metadata"]["annotations"], at.at("metadata").at("annotations"), errors);
  validate_claim_spec_devices(o["spec"]["spec"]["devices"], at.at("spec").at("devices"), errors);
}

void validate_fixed_spec(Value o, Value old, std::string_view type, FieldErrors& errors) {
  if (!equal(o["spec"], old["spec"])) errors.invalid(Path("spec"), internal_form(o["spec"], type).root(), kFieldImmutable);
}

std::string claim_state(Value o) {
  const Value status = o["status"];
  std::vector<std::string> parts;
  if (o["metadata"].has("deletionTimestamp")) parts.push_back("deleted");
  if (!status["allocation"].is_object()) {
    if (parts.empty()) parts.push_back("pending");
  } else {
    parts.push_back("allocated");
    if (status["reservedFor"].size() > 0) parts.push_back("reserved");
  }
  return join(parts, ",");
}

}  // namespace

void validate_request_reference(std::string_view name, Value requests, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kUnknown =
      "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const auto parts = split(name, '/');
  if (parts.size() > 2) return errors.invalid(at, name, kUnknown);
  for (std::string_view part : parts) add_invalid(at, part, check_dns1123_label(part), errors);
  for (Value r : requests.items()) {
    if (r["name"].str() != parts[0]) continue;
    if (parts.size() == 1) return;
    for (Value sub : r["firstAvailable"].items())
      if (sub["name"].str() == parts[1]) return;
  }
  errors.invalid(at, name, kUnknown);
}

void deviceclass_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = [](Value o, FieldErrors& errors) { validate_device_class(o["spec"], Value(), errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_device_class(o["spec"], old["spec"], errors); };
  k.columns = {name_column(), age_column()};
}

void resourceclaim_rules(Kind& k) {
  k.set_defaults = [](Mut o) {
    default_requests(o["spec"]["devices"]);
    for (Mut r : o["status"]["allocation"]["devices"]["results"].items()) default_tolerations(r);
  };
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = [](Mut o, Value old) {
    keep_spec(o, old);
    keep_allocated_devices(o, old);
  };
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = [](Value o, FieldErrors& errors) { validate_claim_spec_devices(o["spec"]["devices"], Path("spec").at("devices"), errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_fixed_spec(o, old, "resource.v1.ResourceClaimSpec", errors); };
  k.validate_status_update = validate_claim_status;
  k.columns = {
      name_column(),
      {"State", kText, [](Value o) { return claim_state(o); }},
      age_column(),
  };
}

void resourceclaimtemplate_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["spec"]["devices"]); };
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_template;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_template(o, errors);
    validate_fixed_spec(o, old, "resource.v1.ResourceClaimTemplateSpec", errors);
  };
  k.columns = {name_column(), age_column()};
}

}  // namespace bramble
