// misfit, with_named_fields, fit_to_schema: values and sets against a schema.
#include <unordered_set>

#include "core/base/strings.h"
#include "core/schema/apply/go_value.h"
#include "core/schema/apply/typed.h"

namespace bramble {

namespace {

class Fitter {
 public:
  explicit Fitter(bool duplicates_fit) : duplicates_fit_(duplicates_fit) {}

  void place(const MergeShape& shape, Value v) {
    const unsigned sort = shape.sort_of(v);
    if (sort & MergeShape::kMap) return members(shape, v);
    if (sort & MergeShape::kScalar) return scalar(shape, v);
    items(shape, v);
  }

  std::string outcome() const {
    if (errors_.size() <= 1) return errors_.empty() ? std::string() : errors_[0];
    return cat("errors:\n  ", join(errors_, "\n  "));
  }

 private:
  void wrong(std::string_view why) { errors_.push_back(path_.empty() ? std::string(why) : cat(path_text(path_), ": ", why)); }

  void scalar(const MergeShape& shape, Value v) {
    if (!v || v.is_null()) return;
    switch (shape.scalar()) {
      case ScalarSort::kNumber:
        if (!v.is_number()) wrong(cat("expected numeric (int or float), got ", go_type(v)));
        return;
      case ScalarSort::kString:
        if (!v.is_string()) wrong(cat("expected string, got &value.valueUnstructured{Value:", go_syntax(v), "}"));
        return;
      case ScalarSort::kBool:
        if (!v.is_bool()) wrong(cat("expected boolean, got &{", go_plain(v), "}"));
        return;
      case ScalarSort::kAny:
        if (v.is_object() || v.is_array()) wrong(cat("expected any scalar, got &{", go_plain(v), "}"));
        return;
    }
  }

  static std::string_view go_type(Value v) {
    if (v.is_string()) return "string";
    if (v.is_bool()) return "bool";
    return v.is_array() ? "[]interface {}" : "map[string]interface {}";
  }

  void members(const MergeShape& shape, Value v) {
    if (!v || v.is_null()) return;
    if (!v.is_object()) return wrong(cat("expected map, got &{", go_plain(v), "}"));
    for (auto [key, value] : v.members()) {
      path_.push_back(member_element(key));
      const MergeShape inner = shape.member(key);
      if (inner.known()) place(inner, value);
      else wrong("field not declared in schema");
      path_.pop_back();
      if (!inner.known()) return;
    }
  }

  void items(const MergeShape& shape, Value v) {
    if (!v || v.is_null()) return;
    if (!v.is_array()) return wrong(cat("expected list, got &{", go_plain(v), "}"));
    std::unordered_set<std::string> seen;
    const MergeShape inner = shape.items();
    size_t i = 0;
    for (Value item : v.items()) {
      std::string element = index_element(i);
      if (!shape.list_atomic()) {
        auto keyed = shape.item_element(item);
        if (!keyed.ok()) return wrong(cat("element ", i, ": ", keyed.error().message()));
        element = std::move(*keyed);
        if (!seen.insert(element).second && !duplicates_fit_) wrong(cat("duplicate entries for key ", element_text(element)));
      }
      path_.push_back(std::move(element));
      place(inner, item);
      path_.pop_back();
      i++;
    }
  }

  bool duplicates_fit_;
  FieldPath path_;
  std::vector<std::string> errors_;
};

MergeShape step(const MergeShape& shape, std::string_view element) {
  if (is_member_element(element)) return shape.member(member_name(element));
  return shape.items();
}

class Reconciler {
 public:
  // `set` is what stands below the place that path_ names; `whole`: the place is a member with nothing below.
  void place(const MergeShape& shape, const FieldSet& set, bool whole) {
    const unsigned may = shape.allowed();
    if (may == 0 || may == MergeShape::kScalar || shape.free_form()) return;
    const bool map = may & MergeShape::kMap;
    const bool atomic = map ? shape.map_atomic() : shape.list_atomic();
    if (!whole && atomic) {
      // Parts of an object that is atomic now, or a list of which nothing says that it is owned whole.
      if (map && set.empty()) return;
      remove_.insert(path_);
      add_.insert(path_);
      return;
    }
    for (const FieldSet::Node& node : set.nodes()) {
      const MergeShape inner = map ? member(shape, node.element) : shape.items();
      if (!inner.known()) continue;
      path_.push_back(node.element);
      place(inner, node.below, node.member && node.below.empty());
      path_.pop_back();
    }
  }

  std::optional<FieldSet> outcome(const FieldSet& set) const {
    if (remove_.empty()) return std::nullopt;
    return unite(subtract_whole(set, remove_), add_);
  }

 private:
  static MergeShape member(const MergeShape& shape, std::string_view element) {
    return is_member_element(element) ? shape.member(member_name(element)) : MergeShape();
  }
  FieldPath path_;
  FieldSet remove_, add_;
};

}  // namespace

std::string misfit(const MergeShape& shape, Value value, bool duplicates_fit) {
  Fitter fitter(duplicates_fit);
  fitter.place(shape, value);
  return fitter.outcome();
}

FieldSet with_named_fields(const MergeShape& shape, const FieldSet& set) {
  FieldSet out;
  for (const FieldSet::Node& node : set.nodes()) {
    const bool named = !node.below.empty() && is_member_element(node.element) && shape.has_field(member_name(node.element));
    out.append(node.element, node.member || named, with_named_fields(step(shape, node.element), node.below));
  }
  return out;
}

std::optional<FieldSet> fit_to_schema(const MergeShape& shape, const FieldSet& set) {
  Reconciler reconciler;
  reconciler.place(shape, set, false);
  return reconciler.outcome(set);
}

}  // namespace bramble
