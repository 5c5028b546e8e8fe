#include "core/apiserver/review_rules.h"

#include "core/json/builder.h"
#include "core/resources/names.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

// Go's JSON of a struct without tags: {"Path":"/","Verb":""}.
std::string go_struct(Value v) {
  Builder b;
  for (const char* key : {"Path", "Verb"}) b.root().set(key, v[lower(key)].str());
  return b.dump();
}

void check_requirement(Value r, bool label, const Path& at, FieldErrors& errors) {
  if (!label && r["key"].str().empty()) errors.required(at.at("key"), "must be specified");
  std::string_view op = r["operator"].str();
  if ((op == "In" || op == "NotIn") && r["values"].size() == 0) {
    errors.required(at.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  }
  if ((op == "Exists" || op == "DoesNotExist") && r["values"].size() != 0) {
    errors.forbidden(at.at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  }
  if (!label) return;
  for (const std::string& message : check_qualified_name(r["key"].str())) errors.invalid(at.at("key"), r["key"].str(), message);
  for (size_t i = 0; i < r["values"].size(); ++i) {
    std::string_view value = r["values"].item(i).str();
    for (const std::string& message : check_label_value(value)) errors.invalid(at.at("values").at(i), value, message);
  }
}

void check_selector(Value selector, bool label, const Path& at, FieldErrors& errors) {
  if (!selector.is_object()) return;
  bool raw = !selector["rawSelector"].str().empty(), listed = selector["requirements"].size() != 0;
  if (raw && listed) errors.invalid(at.at("rawSelector"), selector["rawSelector"].str(), "may not specified at the same time as requirements");
  if (!raw && !listed) {
    errors.required(at.at("requirements"), cat("when ", at.text(), " is specified, requirements or rawSelector is required"));
  }
  for (size_t i = 0; i < selector["requirements"].size(); ++i) {
    check_requirement(selector["requirements"].item(i), label, at.at("requirements").at(i), errors);
  }
}

void check_spec(Value spec, bool names_subject, FieldErrors& errors) {
  Value resource = spec["resourceAttributes"], path = spec["nonResourceAttributes"];
  Path at("spec");
  if (resource && path) {
    errors.invalid_raw(at.at("nonResourceAttributes"), go_struct(path), "cannot be specified in combination with resourceAttributes");
  }
  if (!resource && !path) {
    errors.invalid_raw(at.at("resourceAttributes"), "null",
                       "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  if (names_subject && spec["user"].str().empty() && spec["groups"].size() == 0) {
    errors.invalid(at.at("user"), "", "at least one of user or group must be specified");
  }
  Path in_resource = at.at("resourceAttributes");
  check_selector(resource["fieldSelector"], false, in_resource.at("fieldSelector"), errors);
  check_selector(resource["labelSelector"], true, in_resource.at("labelSelector"), errors);
}

void check_metadata(Value metadata, bool local, FieldErrors& errors) {
  Builder rest(metadata);
  rest.root().remove("managedFields");
  if (local) rest.root().remove("namespace");
  if (rest.root().size() == 0) return;
  errors.invalid(Path("metadata"), metadata, local ? "must be empty except for namespace" : "must be empty");
}

struct Reading {
  size_t good = 0, bad = 0;
};

Reading read_field_selector(Value selector) {
  Reading out;
  if (std::string_view raw = selector["rawSelector"].str(); !raw.empty()) (FieldSelector::parse(raw).ok() ? out.good : out.bad)++;
  for (Value r : selector["requirements"].items()) {
    std::string_view op = r["operator"].str();
    ((op == "In" || op == "NotIn") && r["values"].size() == 1 ? out.good : out.bad)++;
  }
  return out;
}

Reading read_label_selector(Value selector) {
  Reading out;
  if (std::string_view raw = selector["rawSelector"].str(); !raw.empty()) (LabelSelector::parse(raw).ok() ? out.good : out.bad)++;
  for (Value r : selector["requirements"].items()) {
    std::string_view op = r["operator"].str();
    (op == "In" || op == "NotIn" || op == "Exists" || op == "DoesNotExist" ? out.good : out.bad)++;
  }
  return out;
}

}  // namespace

Status validate_access_review(const Kind& kind, Value review) {
  bool local = kind.resource == "localsubjectaccessreviews", self = kind.resource == "selfsubjectaccessreviews";
  FieldErrors errors;
  Value spec = review["spec"], resource = spec["resourceAttributes"];
  check_spec(spec, !self, errors);
  check_metadata(review["metadata"], local, errors);
  if (local) {
    std::string_view ns = meta(review, "namespace");
    if (resource && resource["namespace"].str() != ns) {
      errors.invalid(Path("spec.resourceAttributes.namespace"), resource["namespace"].str(), "must match metadata.namespace");
    }
    if (spec["nonResourceAttributes"]) {
      errors.invalid_raw(Path("spec.nonResourceAttributes"), go_struct(spec["nonResourceAttributes"]), "disallowed on this kind of request");
    }
  }
  if (errors.empty()) return ok();
  return errors.to_error(kind.group, "", "");
}

std::string selector_problems(Value resource_attributes) {
  std::vector<std::string> out;
  auto tell = [&](const Reading& r, std::string_view which) {
    if (r.bad == 0) return;
    out.push_back(cat("spec.resourceAttributes.", which, r.good == 0 ? "" : " partially", " ignored due to parse error"));
  };
  tell(read_field_selector(resource_attributes["fieldSelector"]), "fieldSelector");
  tell(read_label_selector(resource_attributes["labelSelector"]), "labelSelector");
  return join(out, "; ");
}

}  // namespace bramble
