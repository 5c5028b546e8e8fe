// StorageClass: how volumes are made.
#include <map>
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/label_warnings.h"
#include "core/resources/names.h"
#include "core/resources/volume_access.h"

namespace bramble {
namespace {

void default_class(Mut o) {
  default_text(o, "reclaimPolicy", "Delete");
  default_text(o, "volumeBindingMode", "Immediate");
}

// Keys and values for whoever makes the volumes.
void validate_topology(Value term, const Path& at, FieldErrors& errors) {
  std::set<std::string, std::less<>> keys;
  const Value expressions = term["matchLabelExpressions"];
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Path here = at.at("matchLabelExpressions").at(i);
    const Value values = expressions.item(i)["values"];
    const std::string_view key = expressions.item(i)["key"].str();
    if (values.size() == 0) errors.required(here.at("values"));
    std::set<std::string, std::less<>> seen;
    for (size_t j = 0; j < values.size(); ++j)
      if (!seen.insert(values.item(j).text()).second) errors.duplicate(here.at("values").at(j), values.item(j).str());
    add_invalid(here.at("key"), key, check_qualified_name(key), errors);
    if (!keys.insert(std::string(key)).second) errors.duplicate(here.at("key"), key);
  }
}

// Two terms that say the same, in whatever order.
bool same_topology(Value a, Value b) {
  auto sets = [](Value term) {
    std::map<std::string, std::set<std::string>> out;
    for (Value e : term["matchLabelExpressions"].items()) {
      std::set<std::string> values;
      for (Value v : e["values"].items()) values.insert(v.text());
      out[e["key"].text()] = values;
    }
    return out;
  };
  return sets(a) == sets(b);
}

void validate_class(Value o, FieldErrors& errors) {
  validate_provisioner(o["provisioner"].str(), Path("provisioner"), errors);
  validate_class_parameters(o["parameters"], true, Path("parameters"), errors);
  validate_one_of(o["reclaimPolicy"].str(), {"Delete", "Retain"}, Path("reclaimPolicy"), false, errors);
  validate_one_of(o["volumeBindingMode"].str(), {"Immediate", "WaitForFirstConsumer"}, Path("volumeBindingMode"), true,
                  errors);
  const Value terms = o["allowedTopologies"];
  for (size_t i = 0; i < terms.size(); ++i) {
    const Path at = Path("allowedTopologies").at(i);
    validate_topology(terms.item(i), at, errors);
    // A term that says nothing counts as a repetition of each of the list's places.
    const bool empty = terms.item(i)["matchLabelExpressions"].size() == 0;
    for (size_t j = 0; empty && j < terms.size(); ++j) errors.duplicate(at.at("matchLabelExpressions"), "");
    for (size_t j = 0; j < i; ++j)
      if (same_topology(terms.item(i), terms.item(j))) errors.duplicate(at.at("matchLabelExpressions"), "");
  }
}

void validate_class_update(Value o, Value old, FieldErrors& errors) {
  validate_class(o, errors);
  for (const char* f : {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"})
    validate_immutable(o[f], old[f], Path(f), errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  const Value terms = o["allowedTopologies"];
  for (size_t i = 0; i < terms.size(); ++i) {
    const Value expressions = terms.item(i)["matchLabelExpressions"];
    for (size_t j = 0; j < expressions.size(); ++j)
      if (const std::string_view text = deprecated_label(expressions.item(j)["key"].str()); !text.empty())
        out.push_back(cat(Path("allowedTopologies").at(i).at("matchLabelExpressions").at(j).at("key").text(), ": ", text));
  }
}

std::string class_name_text(Value o) {
  const bool is_default = o["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"].str() == "true";
  return cat(o["metadata"]["name"].str(), is_default ? " (default)" : "");
}

}  // namespace

void validate_provisioner(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  const std::string small = lower(std::string(name));
  add_invalid(at, small, check_qualified_name(small), errors);
}

void validate_class_parameters(Value parameters, bool may_be_empty, const Path& at, FieldErrors& errors) {
  constexpr size_t kCountMax = 512, kBytesMax = 256 * 1024;
  if (parameters.size() > kCountMax) return errors.too_long(at, kCountMax);
  size_t bytes = 0;
  for (auto [key, value] : parameters.members()) {
    if (key.empty()) errors.invalid(at, key, "field can not be empty.");
    bytes += key.size() + value.str().size();
  }
  if (bytes > kBytesMax) errors.too_long(at, kBytesMax);
  if (!may_be_empty && parameters.size() == 0) errors.required(at, "must contain at least one key/value pair");
}

void storageclass_rules(Kind& k) {
  k.set_defaults = default_class;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.warnings = warnings;
  k.validate = validate_class;
  k.validate_update = validate_class_update;
  k.columns = {
      {"Name", kName, [](Value o) { return class_name_text(o); }},
      {"Provisioner", kText, [](Value o) { return o["provisioner"].str(); }},
      {"ReclaimPolicy", kText, [](Value o) { return o["reclaimPolicy"].str("Delete"); }},
      {"VolumeBindingMode", kText, [](Value o) { return o["volumeBindingMode"].str("Immediate"); }},
      {"AllowVolumeExpansion", kText, [](Value o) { return o["allowVolumeExpansion"].boolean(); }},
      age_column(),
  };
}

}  // namespace bramble
