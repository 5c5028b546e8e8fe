#include "core/kubelet/env_file.h"

#include "core/base/strings.h"

namespace bramble {

Result<std::optional<std::string>> env_file_value(std::string_view text, std::string_view key) {
  size_t at = 0;
  for (int line = 1; at < text.size(); ++line) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view rest = trim(text.substr(at, end - at));
    if (rest.empty() || rest[0] == '#') {
      at = end + 1;
      continue;
    }
    auto wrong = [line](std::string_view what) { return Error(Code::kInvalidArgument, cat("line ", line, ": ", what)); };
    size_t equals = rest.find('=');
    if (equals == rest.npos || equals == 0) return wrong("no variable");
    std::string_view name = rest.substr(0, equals);
    if (name.find_first_of(" \t'") != name.npos) return wrong("no variable");
    if (equals + 1 >= rest.size() || rest[equals + 1] != '\'') return wrong("a value must stand in single quotes");
    size_t from = text.find('\'', at + (rest.data() - text.substr(at).data())) + 1, to = text.find('\'', from);
    if (to == text.npos) return wrong("a quote is not closed");
    end = std::min(text.find('\n', to), text.size());
    std::string_view after = trim(text.substr(to + 1, end - to - 1));
    if (!after.empty() && after[0] != '#') return wrong("something follows the value");
    std::string_view value = text.substr(from, to - from);
    if (name == key) return std::optional<std::string>(value);
    for (char c : value) line += c == '\n';
    at = end + 1;
  }
  return std::optional<std::string>();
}

}  // namespace bramble
