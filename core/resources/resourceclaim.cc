// The kinds of dynamic resource allocation (resource.k8s.io): what is wished for, and by whom.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"
#include "core/resources/volume_source_rules.h"

namespace bramble {
namespace {

void default_requests(Mut devices) {
  for (Mut r : devices["requests"].items()) {
    auto fill = [](Mut one) {
      default_text(one, "allocationMode", "ExactCount");
      if (one["allocationMode"].str() == "ExactCount" && one["count"].integer() == 0) one.set("count", 1);
      for (Mut t : one["tolerations"].items()) default_text(t, "operator", "Equal");
    };
    if (r["exactly"].is_object()) fill(r["exactly"]);
    for (Mut sub : r["firstAvailable"].items()) fill(sub);
  }
}

// At most `most` items, each under a name of its own.
template <class F>
void validate_set(Value items, size_t most, const char* key, const Path& at, FieldErrors& errors, F validate_item) {
  if (items.size() > most) return errors.too_many(at, items.size(), most);
  for (size_t i = 0; i < items.size(); ++i) validate_item(items.item(i), at.at(i));
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; key && i < items.size(); ++i) {
    const std::string_view name = *key ? items.item(i)[key].str() : items.item(i).str();
    if (!seen.insert(std::string(name)).second) errors.duplicate(at.at(i), name);
  }
}

constexpr size_t kItemsMax = 32, kAlternativesMax = 8, kExpressionMax = 10 * 1024, kParametersMax = 10 * 1024, kIdMax = 32;

// Expressions are not looked at.
void validate_selectors(Value selectors, const Path& at, FieldErrors& errors) {
  validate_set(selectors, kItemsMax, nullptr, at, errors, [&errors](Value s, const Path& here) {
    if (!s["cel"].is_object()) return errors.required(here.at("cel"));
    if (s["cel"]["expression"].str().size() > kExpressionMax) errors.too_long(here.at("cel").at("expression"), kExpressionMax);
  });
}

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

void validate_request(Value r, const Path& at, FieldErrors& errors) {
  add_invalid(at.at("name"), r["name"].str(), check_dns1123_label(r["name"].str()), errors);
  const bool exactly = r["exactly"].is_object(), alternatives = r["firstAvailable"].size() > 0;
  if (!exactly && !alternatives) return errors.required(at, "exactly one of `exactly` or `firstAvailable` is required");
  if (exactly && alternatives)
    return errors.invalid(at, Value(), "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set");
  if (exactly) return validate_wish(r["exactly"], at.at("exactly"), errors);
  validate_set(r["firstAvailable"], kAlternativesMax, "name", at.at("firstAvailable"), errors, [&errors](Value sub, const Path& here) {
    add_invalid(here.at("name"), sub["name"].str(), check_dns1123_label(sub["name"].str()), errors);
    validate_wish(sub, here, errors);
  });
}

// "request" or "request/alternative" of the same claim.
void validate_references(Value names, Value requests, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kUnknown =
      "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  std::set<std::string, std::less<>> known;
  for (Value r : requests.items()) {
    known.insert(r["name"].text());
    for (Value sub : r["firstAvailable"].items()) known.insert(cat(r["name"].str(), "/", sub["name"].str()));
  }
  validate_set(names, kItemsMax, "", at, errors, [&](Value name, const Path& here) {
    const auto parts = split(name.str(), '/');
    if (parts.size() > 2) return errors.invalid(here, name.str(), kUnknown);
    for (std::string_view part : parts) add_invalid(here, part, check_dns1123_label(part), errors);
    if (!known.count(name.str())) errors.invalid(here, name.str(), kUnknown);
  });
}

void validate_identifier(std::string_view id, const Path& at, FieldErrors& errors) {
  if (id.size() > kIdMax) errors.too_long(at, kIdMax);
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  bool fits = !id.empty() && letter(id.front());
  for (char c : id) fits = fits && (letter(c) || (c >= '0' && c <= '9'));
  if (!fits)
    errors.invalid(at, id,
                   "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' "
                   "(e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')");
}

void validate_attribute(std::string_view name, const Path& at, FieldErrors& errors) {
  const auto parts = cut(name, "/");
  if (!parts) {
    validate_identifier(name, at, errors);
    return errors.invalid(at, name, "a fully qualified name must be a domain and a name separated by a slash");
  }
  if (parts->first.empty())
    errors.invalid(at, "", "the domain must not be empty");
  else
    validate_driver_name(parts->first, at, errors);
  if (parts->second.empty())
    errors.invalid(at, "", "the name must not be empty");
  else
    validate_identifier(parts->second, at, errors);
}

void validate_configuration(Value config, const Path& at, FieldErrors& errors) {
  const Value opaque = config["opaque"], parameters = opaque["parameters"];
  if (!opaque.is_object()) return errors.required(at.at("opaque"));
  const Path here = at.at("opaque").at("parameters");
  validate_driver_name(opaque["driver"].str(), at.at("opaque").at("driver"), errors);
  if (!parameters.exists() || parameters.is_null())
    errors.required(here);
  else if (parameters.dump().size() > kParametersMax)
    errors.too_long(here, kParametersMax);
  else if (!parameters.is_object())
    errors.invalid(here, "<value omitted>", "must be a valid JSON object");
}

void validate_claim_spec_devices(Value devices, const Path& at, FieldErrors& errors) {
  const Value requests = devices["requests"];
  validate_set(requests, kItemsMax, "name", at.at("requests"), errors,
               [&errors](Value r, const Path& here) { validate_request(r, here, errors); });
  validate_set(devices["constraints"], kItemsMax, nullptr, at.at("constraints"), errors, [&](Value c, const Path& here) {
    validate_references(c["requests"], requests, here.at("requests"), errors);
    if (c.has("matchAttribute"))
      validate_attribute(c["matchAttribute"].str(), here.at("matchAttribute"), errors);
    else if (c.has("distinctAttribute"))
      validate_attribute(c["distinctAttribute"].str(), here.at("distinctAttribute"), errors);
    else
      errors.required(here, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set");
  });
  validate_set(devices["config"], kItemsMax, nullptr, at.at("config"), errors, [&](Value c, const Path& here) {
    validate_references(c["requests"], requests, here.at("requests"), errors);
    validate_configuration(c, here, errors);
  });
}

void validate_device_class(Value o, FieldErrors& errors) {
  const Path at("spec");
  validate_selectors(o["spec"]["selectors"], at.at("selectors"), errors);
  validate_set(o["spec"]["config"], kItemsMax, nullptr, at.at("config"), errors,
               [&errors](Value c, const Path& here) { validate_configuration(c, here, errors); });
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

std::string_view slice_node(Value o) {
  const Value spec = o["spec"];
  if (spec.has("nodeName")) return spec["nodeName"].str();
  if (spec["allNodes"].boolean()) return "<all nodes>";
  return spec["nodeSelector"].is_object() ? "<node selector>" : "<unset>";
}

}  // namespace

void deviceclass_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate_device_class;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_device_class(o, errors); };
  k.columns = {name_column(), age_column()};
}

void resourceclaim_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["devices"]); };
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = [](Value o, FieldErrors& errors) { validate_claim_spec_devices(o["spec"]["devices"], Path("spec").at("devices"), errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_fixed_spec(o, old, "resource.v1.ResourceClaimSpec", errors); };
  k.columns = {
      name_column(),
      {"State", kText, [](Value o) { return claim_state(o); }},
      age_column(),
  };
}

void resourceclaimtemplate_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["spec"]["devices"]); };
  k.validate = [](Value o, FieldErrors& errors) {
    validate_labels(o["spec"]["metadata"]["labels"], Path("spec").at("metadata").at("labels"), errors);
    validate_annotations(o["spec"]["metadata"]["annotations"], Path("spec").at("metadata").at("annotations"), errors);
    validate_claim_spec_devices(o["spec"]["spec"]["devices"], Path("spec").at("spec").at("devices"), errors);
  };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_fixed_spec(o, old, "resource.v1.ResourceClaimTemplateSpec", errors);
  };
  k.columns = {name_column(), age_column()};
}

void resourceslice_rules(Kind& k) {
  k.columns = {
      name_column(),
      {"Node", kText, [](Value o) { return slice_node(o); }},
      {"Driver", kText, [](Value o) { return o["spec"]["driver"].str(); }},
      {"Pool", kText, [](Value o) { return o["spec"]["pool"]["name"].str(); }},
      age_column(),
  };
  k.selectable = {{"spec.nodeName", [](Value o) { return o["spec"]["nodeName"].text(); }},
                  {"spec.driver", [](Value o) { return o["spec"]["driver"].text(); }}};
}

}  // namespace bramble
