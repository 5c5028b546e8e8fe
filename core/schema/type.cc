#include "core/schema/type.h"

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {

namespace schema_tables {
extern const char kPool[];
extern const Field kFields[];
extern const Type kTypes[];
extern const size_t kTypeCount;
}  // namespace schema_tables

using schema_tables::kPool;

std::string_view Field::name() const { return {kPool + name_, name_len_}; }
std::string_view Field::merge_key() const { return flags_ & 64 ? std::string_view() : std::string_view(kPool + merge_, merge_len_); }

// A scalar has no merge key: its default stands in the same place.
std::optional<std::string_view> Field::default_text() const {
  if ((flags_ & 64) == 0) return std::nullopt;
  return std::string_view(kPool + merge_, merge_len_);
}

const Type* Field::type() const {
  switch (kind_) {
    case FieldKind::kMessage:
    case FieldKind::kSchemaOrArray:
    case FieldKind::kSchemaOrBool:
    case FieldKind::kSchemaOrStrings: return &schema_tables::kTypes[type_];
    default: return nullptr;
  }
}

std::string_view Field::list_map_keys_text() const { return {kPool + keys_, keys_len_}; }

std::vector<std::string_view> Field::list_map_keys() const {
  return keys_len_ ? split(list_map_keys_text(), ',') : std::vector<std::string_view>{};
}

std::vector<std::string_view> Field::enum_values() const {
  return values_len_ ? split({kPool + values_, values_len_}, '|') : std::vector<std::string_view>{};
}

bool Field::map_atomic() const {
  if (flags_ & 32) return true;
  return container_ == Container::kOne && kind_ == FieldKind::kMessage && type()->map_atomic();
}

std::span<const Type> Type::all() { return {schema_tables::kTypes, schema_tables::kTypeCount}; }

const Type* Type::find(std::string_view name) {
  std::span<const Type> types = all();
  auto at = std::lower_bound(types.begin(), types.end(), name, [](const Type& t, std::string_view n) { return t.name() < n; });
  return at != types.end() && at->name() == name ? &*at : nullptr;
}

const Type* Type::find_kind(std::string_view group, std::string_view version, std::string_view kind) {
  std::string_view package = group.empty() ? "core" : group.substr(0, group.find('.'));
  const Type* t = find(cat(package, ".", version, ".", kind));
  return t && t->is_kind() ? t : nullptr;
}

std::string_view Type::name() const { return {kPool + name_, name_len_}; }
std::string_view Type::short_name() const { return name().substr(name().rfind('.') + 1); }
std::span<const Field> Type::fields() const { return {schema_tables::kFields + first_, count_}; }

const Field* Type::field(std::string_view json_name) const {
  size_t hint = 0;
  return field(json_name, &hint);
}

const Field* Type::field(std::string_view json_name, size_t* hint) const {
  std::span<const Field> all_fields = fields();
  for (size_t i = 0, at = *hint; i < all_fields.size(); i++, at++) {
    if (at >= all_fields.size()) at = 0;
    if (all_fields[at].name() != json_name) continue;
    *hint = at + 1;
    return &all_fields[at];
  }
  return nullptr;
}

}  // namespace bramble
