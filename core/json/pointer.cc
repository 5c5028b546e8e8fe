#include "core/base/strings.h"
#include "core/json/patch.h"

namespace bramble {

Result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> out;
  if (pointer.empty()) return out;
  if (pointer[0] != '/') return Error(Code::kInvalidArgument, cat("json pointer ", go_quote(pointer), ": must begin with /"));
  for (std::string_view token : split(pointer.substr(1), '/')) {
    out.push_back(replace_all(replace_all(token, "~1", "/"), "~0", "~"));
  }
  return out;
}

Value at_pointer(Value root, std::string_view pointer) {
  auto tokens = parse_pointer(pointer);
  if (!tokens.ok()) return {};
  for (const std::string& token : *tokens) {
    if (root.is_array()) {
      auto index = parse_uint64(token);
      root = index ? root.item(static_cast<size_t>(*index)) : Value();
    } else {
      root = root[token];
    }
  }
  return root;
}

}  // namespace bramble
