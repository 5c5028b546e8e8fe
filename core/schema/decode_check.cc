#include "core/schema/decode_check.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <optional>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/schema/go_time.h"
#include "core/schema/quantity.h"

namespace bramble {

namespace {


// "v1.Container" of core.v1.Container.
std::string_view go_name(const Type& type) {
  std::string_view name = type.name();
  return name.substr(name.find('.') + 1);
}

std::string go_element(const Field& f) {
  switch (f.kind()) {
    case FieldKind::kString: return "string";
    case FieldKind::kBool: return "bool";
    case FieldKind::kInt32: return "int32";
    case FieldKind::kInt64: return "int64";
    case FieldKind::kDouble: return "float64";
    case FieldKind::kBytes: return "[]uint8";
    case FieldKind::kTime: return "v1.Time";
    case FieldKind::kMicroTime: return "v1.MicroTime";
    case FieldKind::kDuration: return "v1.Duration";
    case FieldKind::kQuantity: return "resource.Quantity";
    case FieldKind::kIntOrString: return "intstr.IntOrString";
    case FieldKind::kMessage: return std::string(go_name(*f.type()));
    case FieldKind::kRaw: return "runtime.RawExtension";
    case FieldKind::kAny: return "v1.JSON";
    case FieldKind::kSchemaOrArray: return "v1.JSONSchemaPropsOrArray";
    case FieldKind::kSchemaOrBool: return "v1.JSONSchemaPropsOrBool";
    case FieldKind::kSchemaOrStrings: return "v1.JSONSchemaPropsOrStringArray";
  }
  return "";
}

std::string go_container(const Field& f) {
  if (f.container() == Container::kList) return cat("[]", go_element(f));
  if (f.container() == Container::kMapOfLists) return "map[string]v1.ExtraValue";
  if (f.kind() == FieldKind::kQuantity) return "v1.ResourceList";
  return cat("map[string]", go_element(f));
}

// What Go's reflection calls the kind of a decoded JSON value.
std::string_view go_kind(Value v) {
  if (v.is_object()) return "map";
  if (v.is_array()) return "slice";
  if (v.is_integer()) return "int64";
  if (v.is_number()) return "float64";
  return v.is_bool() ? "bool" : "string";
}

class Checker {
 public:
  Checker(DecodeNotes* notes, DecodeFrom from) : notes_(notes), json_(from == DecodeFrom::kJson) {}

  void message(const Type& type, Value v) {
    if (!v.is_object()) {
      if (json_) mismatch(v, go_name(type));
      else fatal(cat("cannot restore struct from: ", go_kind(v)));
      return;
    }
    if (!json_) return struct_from_map(type, v);
    const Type* outer = struct_;
    struct_ = &type;
    std::span<const Field> fields = type.fields();
    std::bitset<kFieldsMax> seen;
    size_t next = 0;  // members mostly stand in row order
    for (auto [key, value] : v.members()) {
      const size_t at = find(fields, key, next);
      path_.push_back({key, kNoIndex, true});
      if (at == fields.size()) {
        note("unknown", notes_ ? &notes_->unknown : nullptr);
      } else {
        if (seen[at]) note("duplicate", notes_ ? &notes_->duplicate : nullptr);
        seen[at] = true;
        next = at + 1;
        field(fields[at], value);
      }
      path_.pop_back();
      if (stopped_) return;
    }
    struct_ = outer;
  }

  Status outcome() const {
    if (error_) return Error(Code::kInvalidArgument, *error_);
    return ok();
  }

 private:
  static constexpr size_t kNoIndex = SIZE_MAX;
  struct Step {
    std::string_view name;
    size_t index;
    bool is_field;  // Go's texts name fields only
  };

  // The converter takes the fields in the type's order and looks for keys that no field named afterwards.
  void struct_from_map(const Type& type, Value v) {
    std::span<const Field> fields = type.fields();
    std::array<Value, kFieldsMax> found;
    size_t next = 0;
    for (auto [key, value] : v.members()) {
      const size_t at = find(fields, key, next);
      if (at == fields.size()) {
        path_.push_back({key, kNoIndex, true});
        note("unknown", notes_ ? &notes_->unknown : nullptr);
        path_.pop_back();
      } else {
        found[at] = value;  // of duplicates the last counts
        next = at + 1;
      }
    }
    for (size_t i = 0; i < fields.size() && !stopped_; i++) {
      if (!found[i]) continue;
      path_.push_back({fields[i].name(), kNoIndex, true});
      field(fields[i], found[i]);
      if (!stopped_) path_.pop_back();
    }
  }

  static size_t find(std::span<const Field> fields, std::string_view key, size_t start) {
    for (size_t i = start; i < fields.size(); i++) {
      if (fields[i].name() == key) return i;
    }
    for (size_t i = 0; i < std::min(start, fields.size()); i++) {
      if (fields[i].name() == key) return i;
    }
    return fields.size();
  }

  void field(const Field& f, Value v) {
    if (v.is_null()) return;
    switch (f.container()) {
      case Container::kOne: return element(f, v);
      case Container::kList: return list(f, v);
      default: return map(f, v);
    }
  }

  void list(const Field& f, Value v) {
    if (!v.is_array()) {
      if (json_) mismatch(v, go_container(f));
      else fatal(cat("cannot restore slice from ", go_kind(v)));
      return;
    }
    path_.push_back({{}, 0, false});
    for (Value item : v.items()) {
      if (!item.is_null()) element(f, item);
      if (stopped_) return;
      path_.back().index++;
    }
    path_.pop_back();
  }

  void map(const Field& f, Value v) {
    if (!v.is_object()) {
      if (json_) mismatch(v, go_container(f));
      else fatal(cat("cannot restore map from ", go_kind(v)));
      return;
    }
    std::vector<size_t> repeated = repeated_keys(v);
    size_t at = 0;
    for (auto [key, value] : v.members()) {
      path_.push_back({key, kNoIndex, false});
      if (std::binary_search(repeated.begin(), repeated.end(), at++)) note("duplicate", notes_ ? &notes_->duplicate : nullptr);
      if (value.is_null()) {
      } else if (f.container() == Container::kMapOfLists) {
        list(f, value);
      } else {
        element(f, value);
      }
      if (stopped_) return;
      path_.pop_back();
    }
  }

  // Positions of members whose key stood before.
  std::vector<size_t> repeated_keys(Value v) const {
    std::vector<size_t> out;
    if (notes_ == nullptr || v.size() < 2) return out;
    std::vector<std::pair<std::string_view, size_t>> keys;
    keys.reserve(v.size());
    for (auto [key, value] : v.members()) keys.emplace_back(key, keys.size());
    std::sort(keys.begin(), keys.end());
    for (size_t i = 1; i < keys.size(); i++) {
      if (keys[i].first == keys[i - 1].first) out.push_back(keys[i].second);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  void element(const Field& f, Value v) {
    switch (f.kind()) {
      case FieldKind::kString: return scalar(v.is_string(), v, "string");
      case FieldKind::kBool: return scalar(v.is_bool(), v, "bool");
      case FieldKind::kInt32: return integer(v, INT32_MIN, INT32_MAX, "int32");
      case FieldKind::kInt64: return integer(v, INT64_MIN, INT64_MAX, "int64");
      case FieldKind::kDouble: return scalar(v.is_number(), v, "float64");
      case FieldKind::kBytes: return bytes(v);
      case FieldKind::kTime: return text(v, normal_time);
      case FieldKind::kMicroTime: return text(v, normal_micro_time);
      case FieldKind::kDuration: return text(v, normal_duration);
      case FieldKind::kQuantity: return quantity(v);
      case FieldKind::kIntOrString:
        if (!v.is_string()) whole_number(v, INT32_MIN, INT32_MAX, "int32");
        return;
      case FieldKind::kMessage: return message(*f.type(), v);
      case FieldKind::kRaw:
      case FieldKind::kAny: return;
      case FieldKind::kSchemaOrBool:
        if (v.is_object()) message(*f.type(), v);
        else if (!v.is_bool()) fatal("boolean or JSON schema expected");
        return;
      case FieldKind::kSchemaOrArray:
      case FieldKind::kSchemaOrStrings: return schema_or_list(f, v);
    }
  }

  void schema_or_list(const Field& f, Value v) {
    if (v.is_object()) return message(*f.type(), v);
    if (!v.is_array()) return;
    path_.push_back({{}, 0, false});
    for (Value item : v.items()) {
      if (f.kind() == FieldKind::kSchemaOrArray) message(*f.type(), item);
      else scalar(item.is_string() || item.is_null(), item, "string");
      if (stopped_) return;
      path_.back().index++;
    }
    path_.pop_back();
  }

  void scalar(bool fits, Value v, std::string_view wanted) {
    if (fits) return;
    if (json_) return mismatch(v, wanted);
    // Go converts whole numbers to strings as code points, which the converter knows and refuses.
    if (v.is_integer() && wanted == "string") return fatal("cannot convert int64 to string");
    fatal(cat("unrecognized type: ", wanted));
  }

  void integer(Value v, int64_t low, int64_t high, std::string_view wanted) {
    if (json_) return whole_number(v, low, high, wanted);
    if (!v.is_number()) return fatal(cat("unrecognized type: ", wanted));
    const double d = v.number();
    if (!v.is_integer() && d != std::trunc(d)) fatal(cat("cannot convert float64 to ", wanted));
    // The converter would cut what is too large for the type; we refuse it as a JSON body with it is refused.
    else if (d < static_cast<double>(low) || d > static_cast<double>(high)) mismatch_text(cat("number ", v.dump()), wanted);
  }

  void whole_number(Value v, int64_t low, int64_t high, std::string_view wanted) {
    if (v.is_integer()) {
      int64_t n = v.integer(INT64_MIN);
      bool beyond = n == INT64_MIN && v.integer(0) == 0;  // an unsigned number over 63 bits
      if (!beyond && n >= low && n <= high) return;
    }
    if (v.is_number()) return mismatch_text(cat("number ", v.dump()), wanted);
    mismatch(v, wanted);
  }

  void bytes(Value v) {
    if (!v.is_string() && !json_) return fatal(cat("cannot restore slice from ", go_kind(v)));
    if (!v.is_string()) return mismatch(v, "[]uint8");
    if (decode_bytes(v.str())) return;
    fatal(cat(json_ ? "" : "error decoding from json: ", "illegal base64 data at input byte ", illegal_base64_at(v.str())));
  }

  // The offset that Go's decoder names: of a byte outside of the alphabet, of wrong padding or what follows it, or of the end of the
  // text less the characters of a quantum that is not whole.
  static size_t illegal_base64_at(std::string_view s) {
    auto line_break = [&](size_t i) { return i < s.size() && (s[i] == '\n' || s[i] == '\r'); };
    size_t i = 0, in_quantum = 0;
    while (i < s.size()) {
      char c = s[i++];
      if (c == '\n' || c == '\r') continue;
      if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/') {
        in_quantum = (in_quantum + 1) % 4;
        continue;
      }
      if (c != '=' || in_quantum < 2) return i - 1;
      if (in_quantum == 2) {  // two of them
        while (line_break(i)) ++i;
        if (i == s.size()) return i;
        if (s[i] != '=') return i - 1;
        ++i;
      }
      while (line_break(i)) ++i;
      return i;
    }
    return s.size() - in_quantum;
  }

  template <class Normal>
  void text(Value v, Normal normal) {
    if (!v.is_string()) {
      mismatch(v, "string");
      stopped_ = true;
      return;
    }
    auto r = normal(v.str());
    if (!r.ok()) fatal(r.error().message());
  }

  void quantity(Value v) {
    auto q = Quantity::canonical(quantity_source(v));
    if (!q.ok()) fatal(q.error().message());
  }

  void mismatch(Value v, std::string_view wanted) { mismatch_text(v.type_name(), wanted); }

  // Go keeps the first mismatch and decodes on.
  void mismatch_text(std::string_view found, std::string_view wanted) {
    // Types that decode themselves are given their own piece of JSON.
    if (!json_) return fatal(cat("json: cannot unmarshal ", found, " into Go value of type ", wanted));
    if (error_) return;
    if (struct_ == nullptr) {
      error_ = cat("json: cannot unmarshal ", found, " into Go value of type ", wanted);
      return;
    }
    std::string names;
    for (const Step& s : path_) {
      if (s.is_field) names += names.empty() ? std::string(s.name) : cat(".", s.name);
    }
    error_ = cat("json: cannot unmarshal ", found, " into Go struct field ", struct_->short_name(), ".", names, " of type ", wanted);
  }

  // An error that ends decoding, and hides what was kept before it.
  void fatal(std::string message) {
    error_ = std::move(message);
    stopped_ = true;
  }

  void note(std::string_view what, std::vector<std::string>* to) {
    if (to == nullptr || notes_->all.size() >= limits::kStrictErrorsMax) return;
    std::string name;
    for (const Step& s : path_) {
      if (s.index != kNoIndex) name += cat("[", s.index, "]");
      else name += name.empty() ? std::string(s.name) : cat(".", s.name);
    }
    std::string text = cat(what, " field ", go_quote(name));
    if (std::find(notes_->all.begin(), notes_->all.end(), text) != notes_->all.end()) return;
    to->push_back(text);
    notes_->all.push_back(std::move(text));
  }

  DecodeNotes* notes_;
  bool json_;
  const Type* struct_ = nullptr;
  std::vector<Step> path_;
  std::optional<std::string> error_;
  bool stopped_ = false;
};

}  // namespace

static bool deeper_than(Value v, size_t levels) {
  if (v.is_object()) {
    if (levels == 0) return true;
    for (auto [key, member] : v.members()) {
      if (deeper_than(member, levels - 1)) return true;
    }
  } else if (v.is_array()) {
    if (levels == 0) return true;
    for (Value item : v.items()) {
      if (deeper_than(item, levels - 1)) return true;
    }
  }
  return false;
}

std::string quantity_source(Value v) {
  if (v.is_string()) return std::string(trim(v.str()));
  return v.is_number() ? v.dump() : std::string();
}

std::optional<std::string> decode_bytes(std::string_view text) {
  if (text.find_first_of("\r\n") == std::string_view::npos) return base64_decode(text);
  std::string flat;
  for (char c : text) {
    if (c != '\r' && c != '\n') flat.push_back(c);
  }
  return base64_decode(flat);
}

Status check_decodable(const Type& type, Value in, DecodeNotes* notes, DecodeFrom from) {
  if (in.is_null() || !in) return ok();
  if (deeper_than(in, limits::kObjectDepthMax)) return Error(Code::kInvalidArgument, "exceeded max depth");
  Checker checker(notes, from);
  checker.message(type, in);
  if (from == DecodeFrom::kUnstructured && notes) {
    std::sort(notes->unknown.begin(), notes->unknown.end());
    std::sort(notes->all.begin(), notes->all.end());
  }
  return checker.outcome();
}

}  // namespace bramble
