// What a plain YAML scalar means in go-yaml's reading of YAML 1.1. Internal to core/json. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bramble {

enum class ScalarKind { kString, kNull, kBool, kInt, kFloat, kMerge, kNotANumber };

struct Scalar {
  ScalarKind kind = ScalarKind::kString;
  std::string json;  // the JSON text of everything but strings
};

Scalar resolve_plain(std::string_view text);

// A finite double as Go's JSON prints it.
std::string go_float(double v);

}  // namespace bramble
