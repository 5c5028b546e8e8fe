#include "core/apiserver/selection.h"

#include "core/registry/api_status.h"

namespace bramble {

namespace {
std::string name_value(Value object) { return std::string(meta(object, "name")); }
std::string namespace_value(Value object) { return std::string(meta(object, "namespace")); }
}  // namespace

Result<Selection> Selection::of(const Kind& kind, std::string_view label_selector, std::string_view field_selector,
                                std::string_view name) {
  Selection out;
  auto labels = LabelSelector::parse(label_selector);
  if (!labels.ok()) return api_bad_request(labels.error().message());
  out.labels_ = std::move(labels).value();
  auto fields = FieldSelector::parse(field_selector);
  if (!fields.ok()) return api_bad_request(fields.error().message());
  for (const FieldSelector::Term& term : fields->terms) {
    std::string (*value)(Value) = nullptr;
    if (term.field == "metadata.name") value = name_value;
    if (term.field == "metadata.namespace") value = namespace_value;
    for (const Kind::Selectable& s : kind.selectable) {
      if (term.field == s.label) value = s.value;
    }
    if (value == nullptr) {
      return api_bad_request(kind.selectable.empty()
                                 ? cat(go_quote(term.field), " is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                                 : cat("field label not supported: ", term.field));
    }
    out.fields_.push_back({value, term.value, term.equals});
  }
  if (name.empty()) return out;
  if (!fields->terms.empty()) {
    bool same = false;
    for (const FieldSelector::Term& term : fields->terms) same = same || (term.field == "metadata.name" && term.equals && term.value == name);
    if (!same) return api_bad_request("fieldSelector metadata.name doesn't match requested name");
  }
  out.fields_.push_back({name_value, std::string(name), true});
  return out;
}

bool Selection::matches(Value object) const {
  for (const FieldTerm& f : fields_) {
    if ((f.value(object) == f.wanted) != f.equals) return false;
  }
  return labels_.empty() || labels_.matches(object["metadata"]["labels"]);
}

}  // namespace bramble
