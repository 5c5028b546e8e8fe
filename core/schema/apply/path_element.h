// One step of a path in managedFields, kept as FieldsV1 writes it:
//   f:spec                  a member of an object
//   k:{"name":"c"}          an item of a list of objects, by its keys
//   v:"x"                   an item of a set
//   i:3                     an item by its place
// Texts here are normal: keys in order, numbers and strings written in one way, so that equal steps are equal texts.
// Follows sigs.k8s.io/structured-merge-diff, fieldpath. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json/value.h"

namespace bramble {

using FieldPath = std::vector<std::string>;

std::string member_element(std::string_view name);
std::string set_element(Value scalar);
// `keys` in any order; a default stands in as JSON text.
struct KeyPart {
  std::string_view name;
  std::string json;
};
std::string key_element(std::vector<KeyPart> keys);
std::string index_element(size_t index);
// A scalar as it stands within an element.
std::string element_json(Value scalar);

inline bool is_member_element(std::string_view e) { return e.substr(0, 2) == "f:"; }
inline bool is_key_element(std::string_view e) { return e.substr(0, 2) == "k:"; }
inline std::string_view member_name(std::string_view e) { return e.substr(2); }

// A step as somebody wrote it. Empty text: of a sort that is not known, to be left out. kInvalidArgument: malformed.
Result<std::string> parse_element(std::string_view written);

// Upstream's order: members, keys, values, places; numbers by value.
int compare_elements(std::string_view a, std::string_view b);

// As messages show it: `.spec`, `[name="c"]`, `[="x"]`, `[3]`.
std::string element_text(std::string_view element);
std::string path_text(const FieldPath& path);

}  // namespace bramble
