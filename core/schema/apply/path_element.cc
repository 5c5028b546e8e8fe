#include "core/schema/apply/path_element.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/strings.h"
#include "core/schema/apply/go_value.h"

namespace bramble {

namespace {

constexpr size_t kTagBytes = 2;  // "f:"

// Whole numbers are written without fraction or exponent, as Go's JSON does.
std::string number_json(Value v) {
  const double d = v.number();
  if (v.is_integer() || std::floor(d) != d || std::fabs(d) >= 9e15) return v.dump();
  return cat(static_cast<int64_t>(d));
}

// The length of the JSON text of one value at the front of `text`, which is well-formed and compact.
size_t json_length(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') i++;
      else if (c == '"') in_string = false;
      if (!in_string && depth == 0) return i + 1;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || c == '}' || c == ':')) {
      return i;
    }
  }
  return text.size();
}

std::string_view take_json(std::string_view* rest) {
  const size_t n = json_length(*rest);
  std::string_view out = rest->substr(0, n);
  rest->remove_prefix(n);
  return out;
}

struct JsonMember {
  std::string_view name, value;  // JSON texts
};

// The members of `{...}` one by one; false at the end.
bool take_member(std::string_view* rest, JsonMember* out) {
  if (rest->size() < 2) return false;
  rest->remove_prefix(1);  // '{' or ','
  if (rest->front() == '}') return false;
  out->name = take_json(rest);
  rest->remove_prefix(1);  // ':'
  out->value = take_json(rest);
  return true;
}

std::string unquote(std::string_view json) {
  if (json.find('\\') == std::string_view::npos) return std::string(json.substr(1, json.size() - 2));
  auto parsed = Document::parse(json);
  return parsed.ok() ? parsed->root().text() : std::string(json);
}

int sign(int c) { return c < 0 ? -1 : c > 0 ? 1 : 0; }
int compare_text(std::string_view a, std::string_view b) { return sign(a.compare(b)); }

int compare_strings(std::string_view a, std::string_view b) {
  const bool plain = a.find('\\') == std::string_view::npos && b.find('\\') == std::string_view::npos;
  if (plain) return compare_text(a.substr(1, a.size() - 2), b.substr(1, b.size() - 2));
  return compare_text(unquote(a), unquote(b));
}

// Numbers, strings, booleans, lists, objects, null: the order of kinds.
int rank(std::string_view json) {
  switch (json.empty() ? 'n' : json[0]) {
    case '"': return 1;
    case 't':
    case 'f': return 2;
    case '[': return 3;
    case '{': return 4;
    case 'n': return 5;
    default: return 0;
  }
}

double number_of(std::string_view json) {
  double d = 0;
  std::from_chars(json.data(), json.data() + json.size(), d);
  return d;
}

int compare_json(std::string_view a, std::string_view b) {
  const int kind = rank(a);
  if (kind != rank(b)) return kind < rank(b) ? -1 : 1;
  if (kind == 1) return compare_strings(a, b);
  if (kind == 0) {
    const double x = number_of(a), y = number_of(b);
    if (x != y) return x < y ? -1 : 1;
  }
  return compare_text(a, b);  // "false" is less than "true"
}

int compare_keys(std::string_view a, std::string_view b) {
  JsonMember x, y;
  for (;;) {
    const bool more_a = take_member(&a, &x), more_b = take_member(&b, &y);
    if (!more_a || !more_b) return more_a ? 1 : more_b ? -1 : 0;
    if (int c = compare_strings(x.name, y.name)) return c;
    if (int c = compare_json(x.value, y.value)) return c;
  }
}

int element_rank(std::string_view e) {
  switch (e.empty() ? 'i' : e[0]) {
    case 'f': return 0;
    case 'k': return 1;
    case 'v': return 2;
    default: return 3;
  }
}

// A scalar in a message: texts quoted, numbers as Go prints a float64.
std::string json_text(std::string_view json) {
  if (rank(json) == 1) return go_quote(unquote(json));
  if (rank(json) == 0) return go_float_text(number_of(json));
  return std::string(json);
}

}  // namespace

std::string element_json(Value scalar) {
  if (scalar.is_string()) return go_json_string(scalar.str());
  if (scalar.is_number()) return number_json(scalar);
  return scalar ? scalar.dump() : "null";
}

std::string member_element(std::string_view name) {
  std::string out;
  out.reserve(kTagBytes + name.size());
  out.append("f:").append(name);
  return out;
}

std::string set_element(Value scalar) { return cat("v:", element_json(scalar)); }
std::string index_element(size_t index) { return cat("i:", index); }

std::string key_element(std::vector<KeyPart> keys) {
  std::stable_sort(keys.begin(), keys.end(), [](const KeyPart& a, const KeyPart& b) { return a.name < b.name; });
  std::string out = "k:{";
  for (const KeyPart& k : keys) {
    if (out.size() > 3) out.push_back(',');
    out.append(go_json_string(k.name)).push_back(':');
    out.append(k.json);
  }
  out.push_back('}');
  return out;
}

Result<std::string> parse_element(std::string_view written) {
  if (written.size() < kTagBytes) return Error(Code::kInvalidArgument, "key must be 2 characters long:");
  if (written[1] != ':') return Error(Code::kInvalidArgument, cat("missing colon: ", written));
  const std::string_view rest = written.substr(kTagBytes);
  switch (written[0]) {
    case 'f': return std::string(written);
    case 'i': {
      auto index = parse_int64(rest);
      if (!index) return Error(Code::kInvalidArgument, cat("strconv.Atoi: parsing ", go_quote(rest), ": invalid syntax"));
      return cat("i:", *index);
    }
    case 'v': {
      TRY_ASSIGN(Document v, Document::parse(rest));
      return set_element(v.root());
    }
    case 'k': {
      TRY_ASSIGN(Document keys, Document::parse(rest));
      if (!keys.root().is_object()) return Error(Code::kInvalidArgument, cat("keys are not an object: ", written));
      std::vector<KeyPart> parts;
      for (auto [name, value] : keys.root().members()) parts.push_back({name, element_json(value)});
      return key_element(std::move(parts));
    }
    default: return std::string();
  }
}

int compare_elements(std::string_view a, std::string_view b) {
  const int kind = element_rank(a);
  if (kind != element_rank(b)) return kind < element_rank(b) ? -1 : 1;
  if (kind == 0 || a == b) return compare_text(a, b);
  a.remove_prefix(kTagBytes);
  b.remove_prefix(kTagBytes);
  if (kind == 1) return compare_keys(a, b);
  return compare_json(a, b);
}

std::string element_text(std::string_view element) {
  std::string_view rest = element.substr(std::min(element.size(), kTagBytes));
  switch (element.empty() ? 'i' : element[0]) {
    case 'f': return cat(".", rest);
    case 'v': return cat("[=", json_text(rest), "]");
    case 'k': {
      std::string out = "[";
      JsonMember m;
      while (take_member(&rest, &m)) out += cat(out.size() > 1 ? "," : "", unquote(m.name), "=", json_text(m.value));
      return out + "]";
    }
    default: return cat("[", rest, "]");
  }
}

std::string path_text(const FieldPath& path) {
  std::string out;
  for (const std::string& e : path) out += element_text(e);
  return out;
}

}  // namespace bramble
