#include "core/kubelet/expansion.h"

namespace bramble {

std::string expand_references(std::string_view text, const std::function<std::optional<std::string>(std::string_view)>& value_of) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    char next = text[i + 1];
    if (next == '$') {
      out += '$';
      ++i;
      continue;
    }
    size_t end = next == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += '$';
      continue;
    }
    std::string_view name = text.substr(i + 2, end - i - 2);
    auto value = value_of(name);
    out += value ? *value : std::string(text.substr(i, end - i + 1));
    i = end;
  }
  return out;
}

}  // namespace bramble
