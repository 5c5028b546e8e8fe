#include "core/json/position.h"

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {

std::string position_note(std::string_view text, size_t line, size_t column) {
  constexpr size_t kShownWhole = 30;  // as much of a body as the API's messages hold
  const size_t end = text.find('\n');
  const bool one_line = end == std::string_view::npos || end + 1 == text.size();
  if (one_line && text.size() <= kShownWhole) return {};
  return cat(" (line ", line, ", column ", column, ")");
}

std::string position_note_at(std::string_view text, size_t offset) {
  std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t line_start = before.rfind('\n') + 1;  // 0 when there is none
  return position_note(text, static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1, before.size() - line_start + 1);
}

}  // namespace bramble
