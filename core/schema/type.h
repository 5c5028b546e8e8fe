// Type and Field: the declarative schema of every API type, compiled to read-only tables at build time (no relocation, no
// start-up cost). core/schema/rows/*.tsv are the source; see core/schema/README in its header comments for the form.
// Any thread. CustomResourceDefinitions will enter the same engine as tables made at run time.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bramble {

class Type;

enum class FieldKind : uint8_t {
  kString, kBool, kInt32, kInt64, kDouble, kBytes,   // kBytes: base64 text in JSON
  kTime, kMicroTime, kDuration, kQuantity, kIntOrString,
  kMessage,                                          // another Type
  kRaw,                                              // any JSON (RawExtension, FieldsV1, JSON)
};
enum class Container : uint8_t { kOne, kList, kMap };  // kMap: string keys
enum class ListType : uint8_t { kAtomic, kSet, kMap };
enum class Omit : uint8_t {
  kEmpty,  // left out when empty (omitempty)
  kNever,  // always written
  kZero,   // left out when zero, messages too
};

class Field {
 public:
  std::string_view name() const;       // JSON name
  uint32_t number() const;             // protobuf field number
  FieldKind kind() const;
  Container container() const;
  const Type* type() const;            // of kMessage, else null
  bool required() const;
  bool pointer() const;                // an explicit zero differs from absent
  Omit omit() const;
  bool patch_merge() const;            // patchStrategy contains merge
  bool patch_replace() const;          // replace
  bool patch_retain_keys() const;      // retainKeys
  std::string_view merge_key() const;  // patchMergeKey, or ""
  ListType list_type() const;
  std::span<const std::string_view> list_map_keys() const;
  bool is_inline() const;              // embedded struct: its fields stand in the parent in JSON
};

class Type {
 public:
  // "core.v1.Pod", "meta.v1.ObjectMeta"; null when there is none.
  static const Type* find(std::string_view name);
  std::string_view name() const;
  std::span<const Field> fields() const;              // in order of the Go struct, inlined ones expanded
  const Field* field(std::string_view json_name) const;
  bool is_kind() const;                               // top level: has apiVersion, kind
  bool map_atomic() const;                            // replaced whole by apply
};

}  // namespace bramble
