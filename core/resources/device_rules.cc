#include "core/resources/device_rules.h"

#include "core/base/strings.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/volume_source_rules.h"

namespace bramble {
namespace {

constexpr size_t kExpressionMax = 10 * 1024, kParametersMax = 10 * 1024, kIdMax = 32, kPoolMax = 253, kConditionsMax = 4;

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

std::set<std::string, std::less<>> validate_condition_names(Value names, const Path& at, FieldErrors& errors) {
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < names.size(); ++i)
    if (!seen.insert(names.item(i).text()).second) errors.duplicate(at.at(i), names.item(i).str());
  return seen;
}

}  // namespace

Path device_key_path(const Path& at, std::string_view key, size_t longest) {
  longest = std::max<size_t>(longest, 16);
  if (key.size() <= longest) return at.key(key);
  const size_t left = longest - 3;
  return at.key(cat(key.substr(0, (left + 1) / 2), "...", key.substr(key.size() - left / 2)));
}

void validate_pool_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  if (name.size() > kPoolMax) errors.too_long(at, kPoolMax);
  for (std::string_view part : split(name, '/')) add_invalid(at, part, check_dns1123_subdomain(part), errors);
}

void validate_attribute_name(std::string_view name, const Path& at, FieldErrors& errors) {
  const auto parts = split(name, '/');
  if (parts.size() == 1) return validate_identifier(parts[0], at, errors);
  if (parts.size() > 2) return;  // upstream lets these pass
  if (parts[0].empty())
    errors.invalid(at, "", "the domain must not be empty");
  else
    validate_driver_name(parts[0], at, errors);
  if (parts[1].empty())
    errors.invalid(at, "", "the name must not be empty");
  else
    validate_identifier(parts[1], at, errors);
}

void validate_full_attribute_name(std::string_view name, const Path& at, FieldErrors& errors) {
  validate_attribute_name(name, at, errors);
  if (name.find('/') == std::string_view::npos)
    errors.invalid(at, name, "a fully qualified name must be a domain and a name separated by a slash");
}

void validate_label_name(std::string_view name, const Path& at, FieldErrors& errors) {
  add_invalid(at, name, check_qualified_name(name), errors);
}

void validate_raw_object(Value raw, bool stored, const Path& at, FieldErrors& errors) {
  if (!raw.exists() || raw.is_null())
    errors.required(at);
  else if (!stored && raw.dump().size() > kParametersMax)
    errors.too_long(at, kParametersMax);
  else if (!raw.is_object())
    errors.invalid(at, "<value omitted>", "must be a valid JSON object");
}

void validate_device_configuration(Value config, bool stored, const Path& at, FieldErrors& errors) {
  const Value opaque = config["opaque"];
  const Path here = at.at("opaque");
  if (!opaque.is_object()) return errors.required(here);
  validate_driver_name(opaque["driver"].str(), here.at("driver"), errors);
  validate_raw_object(opaque["parameters"], stored, here.at("parameters"), errors);
}

void validate_binding_conditions(Value holder, const Path& at, FieldErrors& errors) {
  const Value awaited = holder["bindingConditions"], failures = holder["bindingFailureConditions"];
  const Path awaited_at = at.at("bindingConditions"), failures_at = at.at("bindingFailureConditions");
  auto name = [&errors](Value v, const Path& here) { validate_label_name(v.str(), here, errors); };
  validate_device_list(awaited, kConditionsMax, awaited_at, errors, name);
  validate_device_list(failures, kConditionsMax, failures_at, errors, name);
  const auto known = validate_condition_names(awaited, awaited_at, errors);
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < failures.size(); ++i) {
    const std::string_view text = failures.item(i).str();
    if (!seen.insert(std::string(text)).second) errors.duplicate(failures_at.at(i), text);
    if (known.count(text)) errors.invalid(failures_at.at(i), text, "bindingFailureConditions must not overlap with bindingConditions");
  }
  if (awaited.size() == 0 && failures.size() > 0)
    errors.invalid(awaited_at, Value(), "bindingConditions are required to use bindingFailureConditions");
  if (failures.size() == 0 && awaited.size() > 0)
    errors.invalid(failures_at, Value(), "bindingFailureConditions are required to use bindingConditions");
}

std::string device_id(Value device) {
  Builder b;
  b.root().set("Driver", device["driver"].str());
  b.root().set("Pool", device["pool"].str());
  b.root().set("Device", device["device"].str());
  b.root().set("ShareID", device["shareID"].str());
  return b.dump();
}

// Expressions are not looked at.
void validate_selectors(Value selectors, const Path& at, FieldErrors& errors) {
  validate_device_list(selectors, kDeviceListMax, at, errors, [&errors](Value s, const Path& here) {
    if (!s["cel"].is_object()) return errors.required(here.at("cel"));
    if (s["cel"]["expression"].str().size() > kExpressionMax) errors.too_long(here.at("cel").at("expression"), kExpressionMax);
  });
}

}  // namespace bramble
