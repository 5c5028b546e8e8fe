// The second pass of canonicalize: writes a document that is known to fit its type in the form of upstream's round trip.
#include <algorithm>
#include <array>
#include <vector>

#include "core/base/strings.h"
#include "core/schema/decode_check.h"
#include "core/schema/go_time.h"
#include "core/schema/quantity.h"

namespace bramble {

namespace {

// Where one value goes: a new member of an object, or the end of a list.
class Slot {
 public:
  Slot(Mut object, std::string_view key) : to_(object), key_(key), member_(true) {}
  explicit Slot(Mut list) : to_(list), member_(false) {}
  template <class T>
  void put(const T& v) {
    if (member_) to_.add(key_, v);
    else to_.append(v);
  }
  void put_number(double v) {
    if (member_) to_.add_number(key_, v);
    else to_.append_number(v);
  }
  void put_null() {
    if (member_) to_.add_null(key_);
    else to_.append_null();
  }
  Mut put_object() { return member_ ? to_.add_object(key_) : to_.append_object(); }
  Mut put_array() { return member_ ? to_.add_array(key_) : to_.append_array(); }

 private:
  Mut to_;
  std::string_view key_;
  bool member_;
};

using Found = std::array<Value, kFieldsMax>;

void write_message(const Type& type, Value in, Mut out);

void write_schema_or_list(const Field& f, Value v, Slot to) {
  if (!v.is_array()) {
    if (v.is_object()) write_message(*f.type(), v, to.put_object());
    else to.put_null();
    return;
  }
  Mut list = to.put_array();
  for (Value item : v.items()) {
    if (f.kind() == FieldKind::kSchemaOrArray) write_message(*f.type(), item, list.append_object());
    else list.append(item.str());
  }
}

// A value, or what upstream writes for the zero value of the kind when v is absent or null.
void write_element(const Field& f, Value v, Slot to) {
  const bool none = !v || v.is_null();
  switch (f.kind()) {
    case FieldKind::kString: return to.put(v.str());
    case FieldKind::kBool: return to.put(v.boolean());
    case FieldKind::kInt32:
    case FieldKind::kInt64: return to.put(v.integer());
    case FieldKind::kDouble: return to.put_number(v.number());
    case FieldKind::kBytes:
      if (none && f.container() == Container::kOne) return to.put_null();
      return to.put(std::string_view(base64_encode(decode_bytes(v.str()).value_or(""))));
    case FieldKind::kTime:
    case FieldKind::kMicroTime: {
      if (none) return to.put_null();
      auto text = f.kind() == FieldKind::kTime ? normal_time(v.str()) : normal_micro_time(v.str());
      return text.ok() ? to.put(std::string_view(*text)) : to.put_null();
    }
    case FieldKind::kDuration: return to.put(std::string_view(none ? "0s" : normal_duration(v.str()).value()));
    case FieldKind::kQuantity: return to.put(std::string_view(none ? "0" : Quantity::canonical(quantity_source(v)).value()));
    case FieldKind::kIntOrString: return v.is_string() ? to.put(v.str()) : to.put(v.integer());
    case FieldKind::kMessage: return write_message(*f.type(), v, to.put_object());
    case FieldKind::kRaw:
    case FieldKind::kAny: return none ? to.put_null() : to.put(v);
    case FieldKind::kSchemaOrBool:
      if (v.is_object()) return write_message(*f.type(), v, to.put_object());
      return to.put(v.boolean());
    case FieldKind::kSchemaOrArray:
    case FieldKind::kSchemaOrStrings: return write_schema_or_list(f, v, to);
  }
}

void write_list(const Field& f, Value v, Slot to) {
  Mut list = to.put_array();
  for (Value item : v.items()) write_element(f, item, Slot(list));
}

void write_map(const Field& f, Value v, Slot to) {
  Mut map = to.put_object();
  std::vector<Value::Member> members;
  members.reserve(v.size());
  for (Value::Member m : v.members()) members.push_back(m);
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  for (size_t i = 0; i < members.size(); i++) {
    if (i + 1 < members.size() && members[i + 1].key == members[i].key) continue;  // of duplicates the last counts
    Slot slot(map, members[i].key);
    if (f.container() != Container::kMapOfLists) write_element(f, members[i].value, slot);
    else if (members[i].value.is_array()) write_list(f, members[i].value, slot);
    else slot.put_null();
  }
}

// Whether the zero value of a lone non-pointer field counts as empty for omitempty: Go's structs never do.
bool zero_is_empty(const Field& f, Value v) {
  switch (f.kind()) {
    case FieldKind::kString: return v.str().empty();
    case FieldKind::kBytes: return v.str().empty();
    case FieldKind::kBool: return !v.boolean();
    case FieldKind::kInt32:
    case FieldKind::kInt64: return v.integer() == 0;
    case FieldKind::kDouble: return v.number() == 0;
    default: return false;
  }
}

bool is_struct(const Field& f) {
  switch (f.kind()) {
    case FieldKind::kString:
    case FieldKind::kBytes:
    case FieldKind::kBool:
    case FieldKind::kInt32:
    case FieldKind::kInt64:
    case FieldKind::kDouble: return false;
    default: return true;
  }
}

void write_field(const Field& f, Value v, Mut out) {
  const bool none = !v || v.is_null();
  const Slot to(out, f.name());
  if (f.container() != Container::kOne) {
    if (none || v.size() == 0) {
      // Go tells a list that is empty from none until it is stored.
      if (f.omit() == Omit::kNever && !none && f.container() == Container::kList) out.add_array(f.name());
      else if (f.omit() == Omit::kNever) out.add_null(f.name());
    } else if (f.container() == Container::kList) {
      write_list(f, v, to);
    } else {
      write_map(f, v, to);
    }
    return;
  }
  if (f.pointer()) {
    if (!none) write_element(f, v, to);
    else if (f.omit() == Omit::kNever) out.add_null(f.name());
    return;
  }
  if (!is_struct(f)) {
    if (f.omit() == Omit::kNever || !zero_is_empty(f, v)) write_element(f, v, to);
    return;
  }
  if (f.omit() == Omit::kZero && none) return;
  write_element(f, v, to);
}

void write_message(const Type& type, Value in, Mut out) {
  std::span<const Field> fields = type.fields();
  CHECK(fields.size() <= kFieldsMax, type.name());
  Found found;
  size_t next = 0;
  for (auto [key, value] : in.members()) {
    size_t at = next;
    while (at < fields.size() && fields[at].name() != key) at++;
    if (at == fields.size()) {
      at = 0;
      while (at < next && fields[at].name() != key) at++;
      if (at == next) continue;
    }
    found[at] = value;
    next = at + 1;
  }
  for (size_t i = 0; i < fields.size(); i++) write_field(fields[i], found[i], out);
}

void forget_in_message(const Type& type, Mut object);

void forget_in_field(const Field& f, Mut v) {
  if (f.kind() != FieldKind::kMessage) return;
  if (f.container() == Container::kOne) return forget_in_message(*f.type(), v);
  for (Mut item : v.items()) forget_in_message(*f.type(), item);
  if (f.container() != Container::kMap) return;
  for (const auto& [key, value] : v.members()) forget_in_message(*f.type(), value);
}

void forget_in_message(const Type& type, Mut object) {
  size_t hint = 0;
  for (const auto& [name, value] : object.members()) {
    const Field* f = type.field(name, &hint);
    if (f == nullptr) continue;
    if (f->container() == Container::kList && value.is_array() && value.size() == 0) object.set_null(name);
    else forget_in_field(*f, value);
  }
}

}  // namespace

void forget_empty_lists(const Type& type, Mut object) { forget_in_message(type, object); }

Result<Builder> canonicalize(const Type& type, Value in, DecodeNotes* notes, DecodeFrom from) {
  TRY(check_decodable(type, in, notes, from));
  Builder out;
  write_message(type, in, out.root());
  return out;
}

}  // namespace bramble
