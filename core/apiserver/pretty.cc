#include "core/apiserver/pretty.h"

namespace bramble {

bool wants_pretty(std::string_view query, bool accepted, std::string_view user_agent) {
  if (!query.empty()) {
    for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
      if (query == yes) return true;
    return accepted;
  }
  return accepted || user_agent.starts_with("curl") || user_agent.starts_with("Wget") || user_agent.starts_with("Mozilla/5.0");
}

std::string indented(std::string_view json) {
  std::string out;
  out.reserve(json.size() * 2);
  size_t level = 0;
  auto line = [&] { out.append("\n").append(level * 2, ' '); };
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      size_t end = i + 1;
      while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
      out.append(json.substr(i, end + 1 - i));
      i = end;
    } else if ((c == '{' || c == '[') && i + 1 < json.size() && (json[i + 1] == '}' || json[i + 1] == ']')) {
      out += c;
      out += json[++i];
    } else if (c == '{' || c == '[') {
      out += c;
      ++level;
      line();
    } else if (c == '}' || c == ']') {
      if (level > 0) --level;
      line();
      out += c;
    } else if (c == ',') {
      out += c;
      line();
    } else if (c == ':') {
      out += ": ";
    } else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
      out += c;
    }
  }
  return out;
}

}  // namespace bramble
