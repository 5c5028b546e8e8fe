#include "core/json/go_print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace bramble {

namespace {

std::string print_double(double v) {
  char buf[400];
  double size = std::fabs(v);
  auto form = size != 0 && (size < 1e-4 || size >= 1e21) ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, err] = std::to_chars(buf, buf + sizeof buf, v, form);
  return std::string(buf, err == std::errc() ? end : buf);
}

void print(std::string* out, Value v) {
  if (v.is_object()) {
    std::vector<Value::Member> members;
    for (Value::Member m : v.members()) members.push_back(m);
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    *out += "map[";
    bool first = true;
    for (const auto& m : members) {
      if (!first) out->push_back(' ');
      first = false;
      out->append(m.key).push_back(':');
      print(out, m.value);
    }
    out->push_back(']');
  } else if (v.is_array()) {
    out->push_back('[');
    bool first = true;
    for (Value item : v.items()) {
      if (!first) out->push_back(' ');
      first = false;
      print(out, item);
    }
    out->push_back(']');
  } else if (v.is_string()) {
    out->append(v.str());
  } else if (v.is_number() && !v.is_integer()) {
    *out += print_double(v.number());
  } else {
    *out += !v || v.is_null() ? "<nil>" : v.dump();
  }
}

}  // namespace

std::string go_print(Value v) {
  std::string out;
  print(&out, v);
  return out;
}

std::string_view go_type_name(Value v) {
  if (v.is_object()) return "map[string]interface {}";
  if (v.is_array()) return "[]interface {}";
  if (v.is_string()) return "string";
  if (v.is_bool()) return "bool";
  if (v.is_number()) return v.is_integer() ? "int64" : "float64";
  return "<nil>";
}

}  // namespace bramble
