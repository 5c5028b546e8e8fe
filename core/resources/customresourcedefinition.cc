// CustomResourceDefinition: stored and shown; serving its kinds comes later.
#include <algorithm>
#include <set>

#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_crd(Mut o) {
  Mut spec = o.object("spec");
  Mut names = spec.object("names");
  if (names["singular"].str().empty()) names.set("singular", lower(names["kind"].str()));
  if (names["listKind"].str().empty() && !names["kind"].str().empty())
    names.set("listKind", cat(names["kind"].str(), "List"));
  default_text(spec.object("conversion"), "strategy", "None");
  if (Mut service = spec["conversion"]["webhook"]["clientConfig"]["service"]; service.is_object())
    default_int(service, "port", 443);
}

void create_crd(Mut o) {
  Mut status = o.object("status");
  status.clear();
  status.set_null("conditions");
  Mut names = status.object("acceptedNames");
  names.set("plural", "");
  names.set("kind", "");
  Mut stored = status.array("storedVersions");
  for (Mut v : o["spec"]["versions"].items())
    if (v["storage"].boolean()) stored.append(v["name"].text());
}

// A name as a label that begins with a letter; `shown` is the client's spelling.
void validate_label_name(std::string_view name, std::string_view shown, std::string_view preface, const Path& at, FieldErrors& errors) {
  if (shown.empty()) return;
  const auto faults = check_dns1035_label(name);
  if (!faults.empty()) errors.invalid(at, shown, cat(preface, join(faults, ",")));
}

// CustomResourceDefinitionNames, wished for or accepted.
void validate_names(Value names, const Path& at, FieldErrors& errors) {
  constexpr std::string_view kMixed = "may have mixed case, but should otherwise match: ";
  for (const char* f : {"plural", "singular"}) validate_label_name(names[f].str(), names[f].str(), {}, at.at(f), errors);
  for (const char* f : {"kind", "listKind"}) validate_label_name(lower(names[f].str()), names[f].str(), kMixed, at.at(f), errors);
  auto validate_list = [&](const char* f) {
    for (size_t i = 0; i < names[f].size(); ++i) {
      const std::string_view name = names[f].item(i).str();
      const auto faults = check_dns1035_label(name);
      if (!faults.empty()) errors.invalid(at.at(f).at(i), name, join(faults, ","));
    }
  };
  validate_list("shortNames");
  if (!names["kind"].str().empty() && names["kind"].str() == names["listKind"].str())
    errors.invalid(at.at("listKind"), names["listKind"].str(), "kind and listKind may not be the same");
  validate_list("categories");
}

void validate_group(std::string_view group, const Path& at, FieldErrors& errors) {
  if (group.empty()) return errors.required(at);
  if (const auto faults = check_dns1123_subdomain(group); !faults.empty()) return errors.invalid(at, group, join(faults, ","));
  if (group.find('.') == std::string_view::npos) errors.invalid(at, group, "should be a domain with at least one dot");
}

void validate_versions(Value versions, const Path& at, FieldErrors& errors) {
  int storage = 0;
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < versions.size(); ++i)
    if (!versions.item(i)["schema"]["openAPIV3Schema"].is_object()) errors.required(at.at(i).at("schema").at("openAPIV3Schema"));
  for (size_t i = 0; i < versions.size(); ++i) {
    const Value v = versions.item(i);
    const std::string_view name = v["name"].str();
    storage += v["storage"].boolean() ? 1 : 0;
    names.insert(std::string(name));
    if (const auto faults = check_dns1035_label(name); !faults.empty()) errors.invalid(at.at(i).at("name"), name, join(faults, ","));
  }
  if (names.size() < versions.size()) errors.invalid(at, versions, "must contain unique version names");
  if (storage != 1) errors.invalid(at, versions, "must have exactly one version marked as storage version");
}

void validate_conversion(Value conversion, const Path& at, FieldErrors& errors) {
  if (!conversion.is_object()) return;
  validate_one_of(conversion["strategy"].str(), {"None", "Webhook"}, at.at("strategy"), true, errors);
  const Value webhook = conversion["webhook"], versions = webhook["conversionReviewVersions"], config = webhook["clientConfig"];
  const Path config_at = at.at("webhookClientConfig"), versions_at = at.at("conversionReviewVersions");
  if (conversion["strategy"].str() != "Webhook") {
    if (config.is_object()) errors.forbidden(config_at, "should not be set when strategy is not set to Webhook");
    if (versions.size() > 0) errors.forbidden(versions_at, "should not be set when strategy is not set to Webhook");
    return;
  }
  if (!config.is_object())
    errors.required(config_at, "required when strategy is set to Webhook");
  else if (config.has("url") == config.has("service"))
    errors.required(config_at, "exactly one of url or service is required");
  if (versions.size() == 0) return errors.required(versions_at);
  bool known = false;
  for (Value v : versions.items()) known = known || v.str() == "v1" || v.str() == "v1beta1";
  if (!known) errors.invalid(versions_at, versions, "must include at least one of v1, v1beta1");
}

// Schemas are not looked into.
void validate_spec(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const Value names = spec["names"];
  validate_group(spec["group"].str(), at.at("group"), errors);
  validate_one_of(spec["scope"].str(), {"Cluster", "Namespaced"}, at.at("scope"), true, errors);
  validate_versions(spec["versions"], at.at("versions"), errors);
  for (const char* f : {"plural", "singular", "kind", "listKind"})
    if (names[f].str().empty()) errors.required(at.at("names").at(f));
  validate_names(names, at.at("names"), errors);
  validate_conversion(spec["conversion"], at.at("conversion"), errors);
}

void validate_crd(Value o, FieldErrors& errors) {
  const Value spec = o["spec"];
  const std::string wanted = cat(spec["names"]["plural"].str(), ".", spec["group"].str());
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(), "must be spec.names.plural+\".\"+spec.group");
  validate_spec(spec, errors);
}

void validate_status(Value o, Value, FieldErrors& errors) {
  validate_names(o["status"]["acceptedNames"], Path("status").at("acceptedNames"), errors);
}

// Objects may be stored in any version in which they once were.
void validate_stored_versions(Value stored, Value versions, FieldErrors& errors) {
  const Path at = Path("status").at("storedVersions");
  if (stored.size() == 0) return errors.invalid(at, stored.is_array() ? stored : Value(), "must have at least one stored version");
  auto contains = [](Value list, auto&& is) {
    for (Value v : list.items())
      if (is(v)) return true;
    return false;
  };
  for (Value v : versions.items()) {
    const std::string_view name = v["name"].str();
    if (v["storage"].boolean() && !contains(stored, [name](Value s) { return s.str() == name; }))
      errors.invalid(at, stored, cat("must have the storage version ", name));
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    const std::string_view name = stored.item(i).str();
    if (!contains(versions, [name](Value v) { return v["name"].str() == name; }))
      errors.invalid(at.at(i), name,
                     cat("missing from spec.versions; ", name, " was previously a storage version, and must remain in spec.versions until a storage "
                         "migration ensures no data remains persisted in ", name, " and removes ", name, " from status.storedVersions"));
  }
}

void validate_change(Value o, Value old, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], was = old["spec"];
  validate_spec(spec, errors);
  if (condition_is_true(old, "Established")) {
    validate_immutable(spec["scope"], was["scope"], at.at("scope"), errors);
    validate_immutable(spec["names"]["kind"], was["names"]["kind"], at.at("names").at("kind"), errors);
  }
  validate_immutable(spec["group"], was["group"], at.at("group"), errors);
  validate_immutable(spec["names"]["plural"], was["names"]["plural"], at.at("names").at("plural"), errors);
  validate_status(o, old, errors);
  validate_stored_versions(o["status"]["storedVersions"], spec["versions"], errors);
}

// The version in which objects are stored from now on is remembered.
void update_crd(Mut o, Value old) {
  keep_status(o, old);
  Mut stored = o.object("status").array("storedVersions");
  for (Mut v : o["spec"]["versions"].items()) {
    if (!v["storage"].boolean()) continue;
    bool known = false;
    for (Mut s : stored.items()) known = known || s.str() == v["name"].str();
    if (!known) stored.append(v["name"].text());
    return;
  }
}

// Formats by which values are checked (1.36).
bool is_known_format(std::string_view type, std::string_view format) {
  static constexpr std::string_view kTextFormats[] = {
      "bsonobjectid", "uri",    "email",      "hostname", "ipv4",     "ipv6",     "cidr", "mac",      "uuid", "uuid3",    "uuid4",        "uuid5",
      "isbn",         "isbn10", "isbn13",     "creditcard", "ssn",    "hexcolor", "rgbcolor", "byte", "password", "date", "duration", "datetime",
      "k8sshortname", "k8slongname"};
  if (type == "integer") return format == "int32" || format == "int64";
  if (type == "number") return format == "float" || format == "double";
  if (!type.empty() && type != "string") return false;
  return std::find(std::begin(kTextFormats), std::end(kTextFormats), replace_all(format, "-", "")) != std::end(kTextFormats);
}

void format_warnings(Value schema, std::vector<std::string>& out) {
  if (!schema.is_object()) return;
  const std::string_view format = schema["format"].str();
  if (!format.empty() && !is_known_format(schema["type"].str(), format)) {
    std::string text = cat("unrecognized format ", go_quote(format));
    if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
  }
  for (const char* one : {"items", "not", "additionalProperties", "additionalItems"}) format_warnings(schema[one], out);
  for (const char* list : {"items", "allOf", "anyOf", "oneOf"})
    for (Value v : schema[list].items()) format_warnings(v, out);
  for (const char* map : {"properties", "patternProperties", "definitions", "dependencies"})
    for (auto [key, value] : schema[map].members()) format_warnings(value, out);
}

void warnings(Value o, std::vector<std::string>& out) {
  for (Value v : o["spec"]["versions"].items()) format_warnings(v["schema"]["openAPIV3Schema"], out);
}

}  // namespace

void crd_rules(Kind& k) {
  k.warnings = warnings;
  k.set_defaults = default_crd;
  k.prepare_create = create_crd;
  k.prepare_update = update_crd;
  k.prepare_status_update = keep_spec;
  k.validate_status_update = validate_status;
  k.validate = validate_crd;
  k.validate_update = validate_change;
}

}  // namespace bramble
