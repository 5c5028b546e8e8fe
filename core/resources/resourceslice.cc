// ResourceSlice (resource.k8s.io): the devices that a driver offers on a node or on several.
#include "core/base/strings.h"
#include "core/resources/cells.h"
#include "core/resources/device_rules.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/volume_source_rules.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

constexpr size_t kDevicesMax = 128, kSpecialDevicesMax = 64, kCounterSetsMax = 8, kCountersMax = 32, kConsumptionsMax = 2;
constexpr size_t kTaintsMax = 16, kPropertiesMax = 32, kAttributeValuesMax = 48, kAttributeTextMax = 64, kRequestValuesMax = 10;
constexpr size_t kLabelMax = 63, kPropertyNameMax = 63 + 1 + 32, kNoBound = SIZE_MAX;
constexpr std::string_view kOneValue = "exactly one value must be specified";

Quantity quantity(Value v) {
  const auto q = Quantity::parse(v.is_string() ? v.text() : v.dump());
  return q.ok() ? *q : Quantity();
}

// Numbers without leading zeroes, three of them, then "-" and identifiers, then "+" and identifiers (semver.org 2.0.0).
bool is_version(std::string_view text) {
  auto digits = [](std::string_view s) { return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos; };
  auto number = [&digits](std::string_view s) { return digits(s) && (s.size() == 1 || s[0] != '0'); };
  auto identifiers = [&](std::string_view s, bool numbers_plain) {
    for (std::string_view part : split(s, '.')) {
      if (part.empty()) return false;
      for (char c : part)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-')) return false;
      if (numbers_plain && digits(part) && !number(part)) return false;
    }
    return true;
  };
  if (const size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!identifiers(text.substr(plus + 1), false)) return false;
    text = text.substr(0, plus);
  }
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!identifiers(text.substr(dash + 1), true)) return false;
    text = text.substr(0, dash);
  }
  const auto parts = split(text, '.');
  return parts.size() == 3 && number(parts[0]) && number(parts[1]) && number(parts[2]);
}

void validate_attribute_value(Value attribute, const Path& at, FieldErrors& errors) {
  const Value text = attribute["string"], version = attribute["version"];
  if (text.exists() && text.str().size() > kAttributeTextMax) errors.too_long(at.at("string"), kAttributeTextMax);
  if (version.exists()) {
    if (!is_version(version.str())) errors.invalid(at.at("version"), version.str(), "must be a string compatible with semver.org spec 2.0.0");
    if (version.str().size() > kAttributeTextMax) errors.too_long(at.at("version"), kAttributeTextMax);
  }
  size_t set = 0;
  for (const char* key : {"int", "bool", "string", "version"}) set += attribute.has(key);
  if (set == 0)
    errors.invalid(at, "", kOneValue);
  else if (set > 1)
    errors.invalid(at, internal_form(attribute, "resource.v1.DeviceAttribute").root(), kOneValue);
}

void validate_step(const Quantity& value, const Quantity& from, const Quantity& step, const Path& at, FieldErrors& errors) {
  if (step.value() != 0 && (value.value() - from.value()) % step.value() == 0) return;
  errors.invalid(at, value.text(), cat("value is not a multiple of a given step (", step.text(), ") from (", from.text(), ")"));
}

void validate_request_range(const Quantity& usual, const Quantity& all, Value range, const Path& at, FieldErrors& errors) {
  if (!range.has("min")) return errors.required(at.at("min"), "required when validRange is defined");
  const Quantity least = quantity(range["min"]), most = quantity(range["max"]), step = quantity(range["step"]);
  const bool bounded = range.has("max");
  if (least > all) errors.invalid(at.at("min"), least.text(), cat("min is larger than capacity value: ", all.text()));
  if (usual < least) errors.invalid(at.at("min"), usual.text(), cat("default is less than min: ", least.text()));
  if (bounded) {
    if (least > most) errors.invalid(at.at("max"), least.text(), cat("min is larger than max: ", most.text()));
    if (most > all) errors.invalid(at.at("max"), most.text(), cat("max is larger than capacity value: ", all.text()));
    if (usual > most) errors.invalid(at.at("max"), usual.text(), cat("default is more than max: ", most.text()));
  }
  if (!range.has("step")) return;
  const Quantity next = least + step;
  if (next > all)
    errors.invalid(at.at("step"), step.text(), cat("one step ", next.text(), " is larger than capacity value: ", all.text()));
  validate_step(usual, least, step, at.at("step"), errors);
  if (bounded) validate_step(most, least, step, at.at("step"), errors);
}

void validate_request_values(const Quantity& usual, const Quantity& all, Value values, const Path& at, FieldErrors& errors) {
  for (size_t i = 1; i < values.size(); ++i) {
    if (quantity(values.item(i - 1)) > quantity(values.item(i)))
      errors.invalid(at.at(i), quantity(values.item(i)).text(), "values must be sorted in ascending order");
  }
  bool found = false;
  auto validate_value = [&](Value v, const Path& here) {
    const Quantity q = quantity(v);
    if (q > all) errors.invalid(here, q.text(), cat("option is larger than capacity value: ", all.text()));
    found = found || q == usual;
  };
  validate_device_set(values, kRequestValuesMax, at, errors, validate_value, [](Value v) { return go_quote(cat(quantity(v).value())); });
  if (!found) errors.invalid(at, usual.text(), "default value is not valid according to the requestPolicy");
}

void validate_capacity(Value capacity, bool shared, const Path& at, FieldErrors& errors) {
  const Value policy = capacity["requestPolicy"], values = policy["validValues"], range = policy["validRange"];
  const Path here = at.at("requestPolicy");
  if (!policy.is_object()) return;
  if (!shared) return errors.forbidden(here, "allowMultipleAllocations must be true");
  if (values.size() > 0 && range.is_object())
    return errors.forbidden(here, "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time");
  const bool has_default = policy.has("default") && !policy["default"].is_null();
  const Quantity all = quantity(capacity["value"]), usual = quantity(policy["default"]);
  if (values.size() > 0) {
    if (!has_default) return errors.required(here.at("default"), "required when validValues is defined");
    validate_request_values(usual, all, values, here.at("validValues"), errors);
  } else if (range.is_object()) {
    if (!has_default) return errors.required(here.at("default"), "required when validRange is defined");
    validate_request_range(usual, all, range, here.at("validRange"), errors);
  }
}

void validate_taint(Value taint, const Path& at, FieldErrors& errors) {
  const std::string_view value = taint["value"].str();
  validate_label_name(taint["key"].str(), at.at("key"), errors);
  if (!value.empty()) add_invalid(at.at("value"), value, check_label_value(value), errors);
  validate_one_of(taint["effect"].str(), {"NoExecute", "NoSchedule", "None"}, at.at("effect"), true, errors);
}

void validate_counters(Value counters, const Path& at, FieldErrors& errors) {
  if (counters.size() == 0) return errors.required(at);
  validate_device_map(
      counters, kCountersMax, kLabelMax, at, errors,
      [&errors](std::string_view key, const Path& here) { add_invalid(here, key, check_dns1123_label(key), errors); },
      [](Value, const Path&) {});
}

// "" is Required; `key` names a set of counters.
void validate_counter_set(Value set, const char* key, const Path& at, FieldErrors& errors) {
  const std::string_view name = set[key].str();
  if (name.empty())
    errors.required(at.at(key));
  else
    add_invalid(at.at(key), name, check_dns1123_label(name), errors);
  validate_counters(set["counters"], at.at("counters"), errors);
}

// nodeName, nodeSelector and allNodes of a slice or of a device; those that are set go to `set`.
void validate_places(Value holder, std::string_view empty_name_text, bool one_term, const Path& at, std::vector<std::string>& set,
                     FieldErrors& errors) {
  const Value name = holder["nodeName"], selector = holder["nodeSelector"];
  if (name.exists() && !name.str().empty()) {
    set.push_back("`nodeName`");
    add_invalid(at.at("nodeName"), name.str(), check_dns1123_subdomain(name.str()), errors);
  } else if (name.exists()) {
    errors.invalid(at.at("nodeName"), "", empty_name_text);
  }
  if (selector.is_object()) {
    set.push_back("`nodeSelector`");
    const Path here = at.at("nodeSelector");
    validate_node_selector(selector, here, errors);
    if (one_term && selector["nodeSelectorTerms"].size() != 1)
      errors.invalid(here.at("nodeSelectorTerms"), internal_list(selector["nodeSelectorTerms"], "core.v1.NodeSelectorTerm").root(),
                     "must have exactly one node selector term");
  }
  if (!holder.has("allNodes")) return;
  if (holder["allNodes"].boolean())
    set.push_back("`allNodes`");
  else
    errors.invalid(at.at("allNodes"), holder["allNodes"], "must be either unset or set to true");
}

std::string in_braces(const std::vector<std::string>& set) { return cat("{", join(set, ", "), "}"); }

void validate_device_place(Value device, bool by_device, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kOne =
      "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the "
      "ResourceSlice spec";
  if (!by_device) {
    if (device.has("nodeName") || device.has("nodeSelector") || device.has("allNodes"))
      errors.invalid(at, Value(),
                     "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
                     "ResourceSlice spec");
    return;
  }
  std::vector<std::string> set;
  validate_places(device, "must not be empty", false, at, set, errors);
  if (set.empty()) errors.required(at, kOne);
  if (set.size() > 1) errors.invalid(at, in_braces(set), kOne);
}

void validate_device(Value device, Value old, bool by_device, const Path& at, FieldErrors& errors) {
  add_invalid(at.at("name"), device["name"].str(), check_dns1123_label(device["name"].str()), errors);
  const size_t properties = device["attributes"].size() + device["capacity"].size();
  if (properties > kPropertiesMax)
    errors.invalid(at, static_cast<int64_t>(properties), cat("the total number of attributes and capacities must not exceed ", kPropertiesMax));
  if (const size_t values = device["attributes"].size(); values > kAttributeValuesMax)
    errors.invalid(at, static_cast<int64_t>(values), cat("the total number of attribute values must not exceed ", kAttributeValuesMax));
  auto name = [&errors](std::string_view key, const Path& here) { validate_attribute_name(key, here, errors); };
  const bool shared = device["allowMultipleAllocations"].boolean();
  validate_device_map(device["attributes"], kNoBound, kPropertyNameMax, at.at("attributes"), errors, name,
                      [&errors](Value v, const Path& here) { validate_attribute_value(v, here, errors); });
  validate_device_map(device["capacity"], kNoBound, kPropertyNameMax, at.at("capacity"), errors, name,
                      [&](Value v, const Path& here) { validate_capacity(v, shared, here, errors); });
  if (!old || !equal(device["taints"], old["taints"]))
    validate_device_list(device["taints"], kTaintsMax, at.at("taints"), errors,
                         [&errors](Value t, const Path& here) { validate_taint(t, here, errors); });
  validate_device_set(
      device["consumesCounters"], kConsumptionsMax, at.at("consumesCounters"), errors,
      [&errors](Value c, const Path& here) { validate_counter_set(c, "counterSet", here, errors); },
      [](Value c) { return go_quote(c["counterSet"].str()); });
  validate_device_place(device, by_device, at, errors);
  validate_binding_conditions(device, at, errors);
}

bool has_special_devices(Value spec) {
  for (Value d : spec["devices"].items())
    if (d["taints"].size() > 0 || d["consumesCounters"].size() > 0) return true;
  return false;
}

void validate_pool(Value pool, const Path& at, FieldErrors& errors) {
  validate_pool_name(pool["name"].str(), at.at("name"), errors);
  const int64_t count = pool["resourceSliceCount"].integer(), generation = pool["generation"].integer();
  if (count <= 0) errors.invalid(at.at("resourceSliceCount"), count, "must be greater than zero");
  if (generation < 0) errors.invalid(at.at("generation"), generation, "must be greater than or equal to zero");
}

void validate_slice_place(Value spec, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kOne = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  std::vector<std::string> set;
  validate_places(spec, "must be either unset or set to a non-empty string", true, at, set, errors);
  if (const Value by_device = spec["perDeviceNodeSelection"]; by_device.boolean())
    set.push_back("`perDeviceNodeSelection`");
  else if (by_device.exists())
    errors.invalid(at.at("perDeviceNodeSelection"), by_device, "must be either unset or set to true");
  if (set.empty()) errors.required(at, kOne);
  if (set.size() > 1) errors.invalid(at, in_braces(set), cat(kOne, ", but multiple fields are set"));
}

Value device_named(Value devices, std::string_view name) {
  for (Value d : devices.items())
    if (d["name"].str() == name) return d;
  return {};
}

void validate_slice(Value spec, Value old, FieldErrors& errors) {
  const Path at("spec");
  validate_driver_name(spec["driver"].str(), at.at("driver"), errors);
  validate_pool(spec["pool"], at.at("pool"), errors);
  if (old) {
    validate_immutable(spec["pool"]["name"], old["pool"]["name"], at.at("pool").at("name"), errors);
    validate_immutable(spec["driver"], old["driver"], at.at("driver"), errors);
    validate_immutable(spec["nodeName"], old["nodeName"], at.at("nodeName"), errors);
  }
  validate_slice_place(spec, at, errors);
  if (spec["sharedCounters"].size() > 0 && spec["devices"].size() > 0)
    errors.invalid(at, "", "only one of `sharedCounters` or `devices` is allowed");
  validate_device_set(
      spec["devices"], has_special_devices(spec) ? kSpecialDevicesMax : kDevicesMax, at.at("devices"), errors,
      [&](Value d, const Path& here) {
        validate_device(d, device_named(old["devices"], d["name"].str()), spec["perDeviceNodeSelection"].boolean(), here, errors);
      },
      [](Value d) { return go_quote(d["name"].str()); });
  validate_device_set(
      spec["sharedCounters"], kCounterSetsMax, at.at("sharedCounters"), errors,
      [&errors](Value s, const Path& here) { validate_counter_set(s, "name", here, errors); },
      [](Value s) { return go_quote(s["name"].str()); });
}

// What alpha features of 1.36 add is off by default, and forgotten: DRAListTypeAttributes, DRANodeAllocatableResources.
void drop_alpha_fields(Mut slice) {
  for (Mut device : slice["spec"]["devices"].items()) {
    device.remove("nodeAllocatableResourceMappings");
    for (auto [name, attribute] : device["attributes"].members())
      for (const char* key : {"bools", "ints", "strings", "versions"}) attribute.remove(key);
  }
}

std::string_view slice_node(Value o) {
  const Value spec = o["spec"];
  if (spec.has("nodeName")) return spec["nodeName"].str();
  if (spec["allNodes"].boolean()) return "<all nodes>";
  return spec["nodeSelector"].is_object() ? "<node selector>" : "<unset>";
}

}  // namespace

void resourceslice_rules(Kind& k) {
  k.prepare_create = drop_alpha_fields;
  k.prepare_update = [](Mut o, Value) { drop_alpha_fields(o); };
  k.validate = [](Value o, FieldErrors& errors) { validate_slice(o["spec"], Value(), errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_slice(o["spec"], old["spec"], errors); };
  k.warnings = [](Value o, std::vector<std::string>& out) {
    const std::string_view driver = o["spec"]["driver"].str();
    if (lower(driver) != driver)
      out.push_back(cat("spec.driver: driver names should be lowercase; ", go_quote(driver), " contains uppercase characters"));
  };
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
