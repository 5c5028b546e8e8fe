// Type and Field: the declarative schema of every API type, compiled to read-only tables at build time (offsets into one
// string pool: no relocation, no start-up cost). core/schema/rows/*.tsv are the source; compile.py there tells their form.
// Any thread. CustomResourceDefinitions will enter the same engine as tables made at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace bramble {

class Type;

constexpr size_t kFieldsMax = 128;  // of one type; no row has half as many

enum class FieldKind : uint8_t {
  kString, kBool, kInt32, kInt64, kDouble, kBytes,  // kBytes: base64 text in JSON
  kTime, kMicroTime, kDuration, kQuantity, kIntOrString,
  kMessage,                                         // another Type
  kRaw,                                             // an embedded object as it stands (RawExtension, FieldsV1)
  kAny,                                             // any JSON
  kSchemaOrArray, kSchemaOrBool, kSchemaOrStrings,  // unions of JSON schema; type() is JSONSchemaProps
};
enum class Container : uint8_t { kOne, kList, kMap, kMapOfLists };  // maps have string keys
enum class ListType : uint8_t { kNone, kAtomic, kSet, kMap };       // kNone counts as atomic
enum class Omit : uint8_t {
  kEmpty,  // left out when empty (omitempty)
  kNever,  // always written
  kZero,   // left out when zero, messages too
};

class Field {
 public:
  std::string_view name() const;                    // in JSON
  uint32_t number() const { return number_; }       // in protobuf; 0 for kind and apiVersion
  // Numbers of the messages that hold this field in protobuf, for fields of embedded structs: {outer, inner}, 0 = none.
  uint32_t outer_number() const { return outer_; }
  uint32_t inner_number() const { return inner_; }
  FieldKind kind() const { return kind_; }
  Container container() const { return container_; }
  const Type* type() const;                         // of kMessage and kSchemaOr..., else null
  bool required() const { return flags_ & 1; }
  bool pointer() const { return flags_ & 2; }       // an explicit zero differs from absent
  Omit omit() const { return omit_; }
  bool patch_merge() const { return flags_ & 4; }   // patchStrategy contains merge
  bool patch_replace() const { return flags_ & 8; }
  bool patch_retain_keys() const { return flags_ & 16; }
  std::string_view merge_key() const;               // patchMergeKey, or ""
  ListType list_type() const { return list_; }
  std::vector<std::string_view> list_map_keys() const;
  std::string_view list_map_keys_text() const;      // the same with commas between
  bool map_atomic() const;                          // a map or message that apply replaces whole
  std::optional<std::string_view> default_text() const;  // what a missing key of a list map counts as, where it is not the zero
  std::vector<std::string_view> enum_values() const;  // known values of a string; not every set is closed

  // Only the generated tables make Fields.
  constexpr Field(uint16_t name, uint16_t merge, uint16_t keys, uint16_t values, uint16_t type, uint16_t values_len,
                  uint8_t number, uint8_t name_len, uint8_t merge_len, uint8_t keys_len, uint8_t outer, uint8_t inner,
                  uint8_t flags, FieldKind kind, Container container, ListType list, Omit omit)
      : name_(name), merge_(merge), keys_(keys), values_(values), type_(type), values_len_(values_len), number_(number),
        name_len_(name_len), merge_len_(merge_len), keys_len_(keys_len), outer_(outer), inner_(inner), flags_(flags),
        kind_(kind), container_(container), list_(list), omit_(omit) {}

 private:
  uint16_t name_, merge_, keys_, values_, type_, values_len_;
  uint8_t number_, name_len_, merge_len_, keys_len_, outer_, inner_, flags_;
  FieldKind kind_;
  Container container_;
  ListType list_;
  Omit omit_;
};

class Type {
 public:
  // "core.v1.Pod", "meta.v1.ObjectMeta"; null when there is none.
  static const Type* find(std::string_view name);
  // The type of a built-in top-level kind, by its group as the API names it ("", "apps", "rbac.authorization.k8s.io").
  static const Type* find_kind(std::string_view group, std::string_view version, std::string_view kind);
  static std::span<const Type> all();                 // sorted by name
  std::string_view name() const;                      // "core.v1.Pod"
  std::string_view short_name() const;                // "Pod": Go's name of the struct
  std::span<const Field> fields() const;              // in order of writing, embedded structs in place, kind and apiVersion first
  const Field* field(std::string_view json_name) const;
  // The same; the search begins at *hint, which becomes the place after the one found.
  const Field* field(std::string_view json_name, size_t* hint) const;
  bool is_kind() const { return flags_ & 1; }         // top level: has apiVersion, kind
  bool map_atomic() const { return flags_ & 2; }      // replaced whole by apply

  constexpr Type(uint16_t name, uint8_t name_len, uint8_t flags, uint16_t first, uint16_t count)
      : name_(name), first_(first), count_(count), name_len_(name_len), flags_(flags) {}

 private:
  uint16_t name_, first_, count_;
  uint8_t name_len_, flags_;
};

}  // namespace bramble
