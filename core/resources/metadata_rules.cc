// ObjectMeta rules of every kind (k8s.io/apimachinery pkg/api/validation, objectmeta).
#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/resources/field_rules.h"
#include "core/resources/kind.h"
#include "core/resources/names.h"

namespace bramble {
namespace {


std::vector<std::string> check_name(const Kind& kind, std::string_view name, bool prefix) {
  if (kind.validate_name) return kind.validate_name(name, prefix);
  if (kind.name_is_path_segment) return check_path_segment(name);
  return name_is_subdomain(name, prefix);
}

void validate_owner_references(Value references, const Path& at, FieldErrors& errors) {
  std::string controller;
  for (Value r : references.items()) {
    const std::string_view api_version = r["apiVersion"].str(), kind = r["kind"].str();
    const auto group_version = cut(api_version, "/");
    const std::string_view group = group_version ? group_version->first : std::string_view();
    const std::string_view version = group_version ? group_version->second : api_version;
    if (version.empty()) errors.invalid(at.at("apiVersion"), api_version, "version must not be empty");
    if (kind.empty()) errors.invalid(at.at("kind"), kind, "must not be empty");
    if (r["name"].str().empty()) errors.invalid(at.at("name"), "", "must not be empty");
    if (r["uid"].str().empty()) errors.invalid(at.at("uid"), "", "must not be empty");
    if (group.empty() && version == "v1" && kind == "Event")
      errors.invalid(at, r, "/v1, Kind=Event is disallowed from being an owner");
    if (r["controller"].boolean()) {
      const std::string who = cat(kind, "/", r["name"].str());
      if (!controller.empty())
        errors.invalid(at, references,
                       cat("Only one reference can have Controller set to true. Found \"true\" in references for ",
                           controller, " and ", who));
      else
        controller = who;
    }
  }
}

void validate_finalizer_names(Value finalizers, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < finalizers.size(); ++i) {
    const std::string_view name = finalizers.item(i).str();
    if (name.find('/') == std::string_view::npos && name != "kubernetes" && name != "orphan" &&
        name != "foregroundDeletion")
      errors.invalid(at.at(i), name, "name is neither a standard finalizer name nor is it fully qualified");
  }
}

void validate_finalizers(Value finalizers, const Path& at, FieldErrors& errors) {
  bool orphan = false, foreground = false;
  for (Value f : finalizers.items()) {
    for (const std::string& m : check_qualified_name(f.str())) errors.invalid(at, f.str(), m);
    orphan = orphan || f.str() == "orphan";
    foreground = foreground || f.str() == "foregroundDeletion";
  }
  if (orphan && foreground)
    errors.invalid(at, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
}

void validate_managed_fields(Value list, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < list.size(); ++i) {
    const Value f = list.item(i);
    const std::string_view operation = f["operation"].str();
    if (operation != "Apply" && operation != "Update")
      errors.invalid(at.at(i).at("operation"), operation, "must be `Apply` or `Update`");
    if (f["fieldsType"].str("FieldsV1") != "FieldsV1")
      errors.invalid(at.at(i).at("fieldsType"), f["fieldsType"].str(), "must be `FieldsV1`");
  }
}

void immutable_meta(Value object, Value old, std::string_view field, FieldErrors& errors) {
  const Value now = object["metadata"][field], was = old["metadata"][field];
  if (equal(now, was)) return;
  errors.invalid(Path("metadata").at(field), now, kFieldImmutable);
}

}  // namespace

void validate_annotations(Value annotations, const Path& at, FieldErrors& errors) {
  size_t bytes = 0;
  for (auto [key, value] : annotations.members()) {
    for (const std::string& m : check_qualified_name(lower(key))) errors.invalid(at, key, m);
    bytes += key.size() + value.str().size();
  }
  if (bytes > limits::kAnnotationBytesMax) errors.too_long(at, limits::kAnnotationBytesMax);
}

void validate_object_meta(Value object, const Kind& kind, FieldErrors& errors) {
  const Value m = object["metadata"];
  const Path at("metadata");
  const std::string_view generate = m["generateName"].str(), name = m["name"].str(), ns = m["namespace"].str();
  if (!generate.empty())
    for (const std::string& text : check_name(kind, generate, true))
      errors.invalid(at.at("generateName"), generate, text);
  if (name.empty())
    errors.required(at.at("name"), "name or generateName is required");
  else
    for (const std::string& text : check_name(kind, name, false)) errors.invalid(at.at("name"), name, text);
  if (kind.namespaced) {
    if (ns.empty())
      errors.required(at.at("namespace"));
    else
      for (const std::string& text : check_dns1123_label(ns)) errors.invalid(at.at("namespace"), ns, text);
  } else if (!ns.empty()) {
    errors.forbidden(at.at("namespace"), "not allowed on this type");
  }
  validate_nonnegative(m["generation"], at.at("generation"), errors);
  validate_labels(m["labels"], at.at("labels"), errors);
  validate_annotations(m["annotations"], at.at("annotations"), errors);
  validate_owner_references(m["ownerReferences"], at.at("ownerReferences"), errors);
  validate_finalizers(m["finalizers"], at.at("finalizers"), errors);
  validate_managed_fields(m["managedFields"], at.at("managedFields"), errors);
  validate_finalizer_names(m["finalizers"], at.at("finalizers"), errors);
}

void keep_system_fields(Mut object, Value old) {
  Mut m = object.object("metadata");
  Value before = old["metadata"];
  if (m["uid"].str().empty() && before["uid"]) m.set("uid", before["uid"]);
  for (const char* key : {"creationTimestamp", "deletionTimestamp"}) {  // another one is not refused: it does not count
    if (before[key]) m.set(key, before[key]);
  }
  if (!m["deletionGracePeriodSeconds"] && before["deletionGracePeriodSeconds"])
    m.set("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"]);
  for (const char* key : {"generation", "selfLink"}) m.set(key, before[key]);
}

void validate_object_meta_update(Value object, Value old, const Kind& kind, FieldErrors& errors) {
  (void)kind;
  const Value m = object["metadata"], was = old["metadata"];
  const Path at("metadata");
  if (was.has("deletionTimestamp")) {
    std::vector<std::string> extra;
    for (Value f : m["finalizers"].items()) {
      bool known = false;
      for (Value o : was["finalizers"].items()) known = known || o.str() == f.str();
      if (!known) extra.push_back(go_quote(f.str()));
    }
    std::sort(extra.begin(), extra.end());
    if (!extra.empty())
      errors.forbidden(
          at.at("finalizers"),
          cat("no new finalizers can be added if the object is being deleted, found new finalizers []string{",
              join(extra, ", "), "}"));
  }
  if (m["generation"].integer() < was["generation"].integer())
    errors.invalid(at.at("generation"), m["generation"].integer(), "must not be decremented");
  for (std::string_view field :
       {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"})
    immutable_meta(object, old, field, errors);
  validate_labels(m["labels"], at.at("labels"), errors);
  validate_annotations(m["annotations"], at.at("annotations"), errors);
  validate_owner_references(m["ownerReferences"], at.at("ownerReferences"), errors);
  validate_managed_fields(m["managedFields"], at.at("managedFields"), errors);
  validate_finalizer_names(m["finalizers"], at.at("finalizers"), errors);
}

}  // namespace bramble
