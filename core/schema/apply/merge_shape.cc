#include "core/schema/apply/merge_shape.h"

#include "core/base/strings.h"
#include "core/schema/apply/path_element.h"

namespace bramble {

namespace {

ScalarSort scalar_sort(FieldKind kind) {
  switch (kind) {
    case FieldKind::kString:
    case FieldKind::kBytes:
    case FieldKind::kDuration: return ScalarSort::kString;
    case FieldKind::kBool: return ScalarSort::kBool;
    case FieldKind::kInt32:
    case FieldKind::kInt64:
    case FieldKind::kDouble: return ScalarSort::kNumber;
    default: return ScalarSort::kAny;
  }
}

// What a missing key counts as, as JSON: the row's default, or the zero that is always written.
std::optional<std::string> key_default(const Field& key) {
  if (auto text = key.default_text()) return cat("\"", *text, "\"");
  if (key.omit() != Omit::kNever || key.pointer()) return std::nullopt;
  switch (scalar_sort(key.kind())) {
    case ScalarSort::kString: return "\"\"";
    case ScalarSort::kNumber: return "0";
    case ScalarSort::kBool: return "false";
    default: return std::nullopt;
  }
}

}  // namespace

MergeShape MergeShape::element_of(const Field& field) {
  MergeShape out;
  switch (field.kind()) {
    case FieldKind::kMessage: return MergeShape(*field.type());
    case FieldKind::kRaw:
      out.form_ = Form::kUntyped;
      out.atomic_ = true;
      return out;
    case FieldKind::kAny:
    case FieldKind::kSchemaOrArray:
    case FieldKind::kSchemaOrBool:
    case FieldKind::kSchemaOrStrings: out.form_ = Form::kDeduced; return out;
    default:
      out.form_ = Form::kScalar;
      out.sort_ = scalar_sort(field.kind());
      return out;
  }
}

MergeShape MergeShape::of_field(const Field& field) {
  MergeShape out;
  out.field_ = &field;
  switch (field.container()) {
    case Container::kList: out.form_ = Form::kList; return out;
    case Container::kMap: out.form_ = Form::kMap; break;
    case Container::kMapOfLists: out.form_ = Form::kMapOfLists; break;
    case Container::kOne: {
      MergeShape one = element_of(field);
      one.atomic_ = one.atomic_ || field.map_atomic();
      return one;
    }
  }
  out.atomic_ = field.map_atomic();
  return out;
}

unsigned MergeShape::allowed() const {
  switch (form_) {
    case Form::kNone: return 0;
    case Form::kScalar: return kScalar;
    case Form::kList:
    case Form::kStrings: return kList;
    case Form::kDeduced:
    case Form::kUntyped: return kMap | kScalar | kList;
    default: return kMap;
  }
}

unsigned MergeShape::sort_of(Value v) const {
  const unsigned may = allowed();
  const unsigned is = v.is_object() ? kMap : v.is_array() ? kList : v && !v.is_null() ? kScalar : 0;
  return (may & is) != 0 ? is : may;
}

ScalarSort MergeShape::scalar() const { return sort_; }

bool MergeShape::list_atomic() const {
  if (form_ != Form::kList) return true;
  return field_->list_type() == ListType::kNone || field_->list_type() == ListType::kAtomic;
}

bool MergeShape::has_field(std::string_view name) const { return form_ == Form::kMessage && type_->field(name) != nullptr; }

MergeShape MergeShape::member(std::string_view name) const {
  MergeShape out;
  switch (form_) {
    case Form::kMessage: {
      const Field* field = type_->field(name);
      return field != nullptr ? of_field(*field) : MergeShape();
    }
    case Form::kMap: return element_of(*field_);
    case Form::kMapOfLists: out.form_ = Form::kStrings; return out;
    case Form::kDeduced:
    case Form::kUntyped: return *this;
    default: return MergeShape();
  }
}

MergeShape MergeShape::member(std::string_view name, size_t* hint) const {
  if (form_ != Form::kMessage) return member(name);
  const Field* field = type_->field(name, hint);
  return field != nullptr ? of_field(*field) : MergeShape();
}

bool MergeShape::tells_of_owners() const { return form_ == Form::kList && field_->name() == "managedFields"; }

MergeShape MergeShape::items() const {
  MergeShape out;
  switch (form_) {
    case Form::kList: return element_of(*field_);
    case Form::kStrings:
      out.form_ = Form::kScalar;
      out.sort_ = ScalarSort::kString;
      return out;
    case Form::kDeduced:
    case Form::kUntyped:
      out.form_ = Form::kUntyped;
      out.atomic_ = true;
      return out;
    default: return MergeShape();
  }
}

Result<std::string> MergeShape::item_element(Value item) const {
  if (form_ == Form::kList && field_->list_type() == ListType::kMap) return keyed_element(item);
  auto refuse = [](std::string_view why) { return Error(Code::kInvalidArgument, std::string(why)); };
  if (list_atomic()) return refuse("invalid indexing of non-associative list");
  if (item.is_object()) return refuse("associative list without keys has an element that's a map type");
  if (item.is_array()) return refuse("not supported: associative list with lists as elements");
  if (!item || item.is_null()) return refuse("associative list without keys has an element that's an explicit null");
  return set_element(item);
}

Result<std::string> MergeShape::keyed_element(Value item) const {
  if (!item || item.is_null()) return Error(Code::kInvalidArgument, "associative list with keys may not have a null element");
  if (!item.is_object()) return Error(Code::kInvalidArgument, "associative list with keys may not have non-map elements");
  const std::string_view only = field_->list_map_keys_text();
  if (Value v = item[only]; v.is_string()) return cat("k:{\"", only, "\":", element_json(v), "}");  // one key, as most have
  const std::vector<std::string_view> keys = field_->list_map_keys();
  std::vector<KeyPart> parts;
  for (std::string_view key : keys) {
    const Field* field = field_->type() != nullptr ? field_->type()->field(key) : nullptr;
    if (Value v = item[key]) {
      parts.push_back({key, element_json(v)});
    } else if (auto def = field != nullptr ? key_default(*field) : std::nullopt) {
      parts.push_back({key, *def});
    }
  }
  if (!parts.empty()) return key_element(std::move(parts));
  std::vector<std::string> quoted;
  for (std::string_view key : keys) quoted.push_back(go_quote(key));
  return Error(Code::kInvalidArgument, cat("associative list with keys has an element that omits all key fields [", join(quoted, " "),
                                           "] (and doesn't have default values for any key fields)"));
}

}  // namespace bramble
