// MergeShape: what apply needs to know of one place in an object: which sorts of values may stand there, whether a list or an
// object is one whole (atomic) or has owners part by part, and what is inside. Made of the schema's rows; a value of two
// words. Some places take any JSON (embedded objects): there lists are whole, and objects either whole or part by part.
// Follows sigs.k8s.io/structured-merge-diff, schema.Atom, and kube-openapi's schemaconv. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/schema/type.h"
#include "core/json/value.h"

namespace bramble {

enum class ScalarSort : uint8_t { kString, kNumber, kBool, kAny };

class MergeShape {
 public:
  // Bits: what may stand at a place.
  static constexpr unsigned kMap = 1, kScalar = 2, kList = 4;

  MergeShape() = default;  // nothing may stand here: not in the schema
  explicit MergeShape(const Type& type) : form_(Form::kMessage), atomic_(type.map_atomic()), type_(&type) {}
  static MergeShape of_field(const Field& field);

  bool known() const { return form_ != Form::kNone; }
  unsigned allowed() const;
  // What of `allowed` this value is; all of it for null, an absent value, and what does not fit.
  unsigned sort_of(Value v) const;
  ScalarSort scalar() const;

  bool map_atomic() const { return atomic_; }
  bool list_atomic() const;
  // Whether the name is a field of the schema (and not just a key of a map).
  bool has_field(std::string_view name) const;
  MergeShape member(std::string_view name) const;
  // The same for who asks for one after the other in the rows' order: where the search begins, and where the next may.
  MergeShape member(std::string_view name, size_t* hint) const;
  MergeShape items() const;
  bool free_form() const { return form_ == Form::kDeduced; }
  // metadata.managedFields: nobody owns it, so its changes are none.
  bool tells_of_owners() const;
  bool operator==(const MergeShape&) const = default;

  // The step that leads to this item of a list that is not atomic. kInvalidArgument in upstream's words: no keys.
  Result<std::string> item_element(Value item) const;

 private:
  enum class Form : uint8_t { kNone, kMessage, kScalar, kList, kMap, kMapOfLists, kStrings, kDeduced, kUntyped };
  static MergeShape element_of(const Field& field);
  Result<std::string> keyed_element(Value item) const;

  Form form_ = Form::kNone;
  ScalarSort sort_ = ScalarSort::kAny;
  bool atomic_ = false;
  const Type* type_ = nullptr;    // of kMessage
  const Field* field_ = nullptr;  // of kList, kMap, kMapOfLists
};

}  // namespace bramble
