#include "core/schema/protobuf.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/schema/go_time.h"

namespace bramble {
namespace {

Error cut_short() { return Error(Code::kInvalidArgument, "unexpected EOF"); }
Error malformed(std::string_view why) { return Error(Code::kInvalidArgument, cat("proto: ", why)); }

// One field on the wire: a number of wire type 0, 1 or 5, or bytes of wire type 2.
struct WireField {
  uint32_t number = 0;
  uint8_t type = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// The fields of a message, one after the other.
class WireReader {
 public:
  explicit WireReader(std::string_view in) : in_(in) {}
  bool done() const { return in_.empty(); }

  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return cut_short();
      auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return malformed("integer overflow");
  }

  Result<WireField> next() {
    WireField f;
    TRY_ASSIGN(uint64_t tag, varint());
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return malformed(cat("illegal tag ", tag >> 3, " (wire type ", tag & 7, ")"));
    f.number = static_cast<uint32_t>(tag >> 3);
    f.type = static_cast<uint8_t>(tag & 7);
    if (f.type == 0) {
      TRY_ASSIGN(f.value, varint());
    } else if (f.type == 1 || f.type == 5) {
      TRY_ASSIGN(std::string_view raw, take(f.type == 1 ? 8 : 4));
      for (size_t i = raw.size(); i-- > 0;) f.value = f.value << 8 | static_cast<uint8_t>(raw[i]);
    } else if (f.type == 2) {
      TRY_ASSIGN(uint64_t bytes, varint());
      TRY_ASSIGN(f.bytes, take(bytes));
    } else {
      return malformed(cat("illegal wireType ", static_cast<int>(f.type)));
    }
    return f;
  }

 private:
  Result<std::string_view> take(uint64_t bytes) {
    if (bytes > in_.size()) return cut_short();
    std::string_view out = in_.substr(0, bytes);
    in_.remove_prefix(bytes);
    return out;
  }

  std::string_view in_;
};

// The last value of each of the small numbers of a message that has no row: Time, Quantity, IntOrString and their like.
struct Small {
  WireField at[4];
  static Result<Small> read(std::string_view in) {
    Small out;
    for (WireReader r(in); !r.done();) {
      TRY_ASSIGN(WireField f, r.next());
      if (f.number < 4) out.at[f.number] = f;
    }
    return out;
  }
  bool has(int n) const { return at[n].number != 0; }
};

Status read_message(const Type& type, std::string_view in, Mut out, size_t depth, uint32_t outer = 0, uint32_t inner = 0);

// Where one value goes: a member of an object, or the end of a list.
struct Place {
  Mut to;
  std::string_view key;
  bool in_list = false;
  // An entry of a map: added without looking for an earlier one, or a map of a hundred thousand entries would take minutes.
  // Should a key repeat, canonical form keeps the last.
  bool in_map = false;
  template <class T>
  void put(const T& v) {
    if (in_list) to.append(v);
    else if (in_map) to.add(key, v);
    else to.set(key, v);
  }
  void put_null() {
    if (in_list) to.append_null();
    else if (in_map) to.add_null(key);
    else to.set_null(key);
  }
  Mut object() { return in_list ? to.append_object() : in_map ? to.add_object(key) : to.object(key); }
  Mut array() { return in_list ? to.append_array() : in_map ? to.add_array(key) : to.array(key); }
};

uint8_t wire_type_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::kBool:
    case FieldKind::kInt32:
    case FieldKind::kInt64: return 0;
    case FieldKind::kDouble: return 1;
    default: return 2;
  }
}

Status read_time(const WireField& w, bool micro, Place to) {
  TRY_ASSIGN(Small parts, Small::read(w.bytes));
  if (!parts.has(1) && !parts.has(2)) {
    to.put_null();
    return ok();
  }
  int64_t seconds = static_cast<int64_t>(parts.at[1].value);
  if (seconds < -62135596800 || seconds > 253402300799) return malformed("time out of range");
  int64_t us = seconds * 1000000 + static_cast<int32_t>(parts.at[2].value) / 1000;
  to.put(std::string_view(micro ? format_rfc3339_micro(us) : format_rfc3339(us)));
  return ok();
}

// RawExtension, FieldsV1 and JSON carry JSON text in their first field.
Status read_raw(const WireField& w, Place to) {
  TRY_ASSIGN(Small parts, Small::read(w.bytes));
  if (parts.at[1].bytes.empty()) {
    to.put_null();
    return ok();
  }
  TRY_ASSIGN(Document json, Document::parse(parts.at[1].bytes));
  to.put(json.root());
  return ok();
}

// JSONSchemaPropsOrBool {allows, schema}, ...OrArray {schema, schemas}, ...OrStringArray {schema, strings}.
Status read_schema_union(const Field& f, const WireField& w, Place to, size_t depth) {
  TRY_ASSIGN(Small parts, Small::read(w.bytes));
  int schema = f.kind() == FieldKind::kSchemaOrBool ? 2 : 1;
  if (parts.has(schema)) return read_message(*f.type(), parts.at[schema].bytes, to.object(), depth + 1);
  if (f.kind() == FieldKind::kSchemaOrBool) {
    to.put(parts.at[1].value != 0);
    return ok();
  }
  Mut list = to.array();
  for (WireReader r(w.bytes); !r.done();) {
    TRY_ASSIGN(WireField item, r.next());
    if (item.number != 2) continue;
    if (f.kind() == FieldKind::kSchemaOrStrings && !valid_utf8(item.bytes)) return malformed("invalid UTF-8");
    if (f.kind() == FieldKind::kSchemaOrStrings) list.append(item.bytes);
    else TRY(read_message(*f.type(), item.bytes, list.append_object(), depth + 1));
  }
  return ok();
}

Status read_element(const Field& f, const WireField& w, Place to, size_t depth) {
  if (depth > limits::kJsonDepthMax) return malformed("nested too deep");
  if (w.type != wire_type_of(f.kind())) return malformed(cat("wrong wireType = ", static_cast<int>(w.type), " for field ", f.name()));
  switch (f.kind()) {
    case FieldKind::kString:
      if (!valid_utf8(w.bytes)) return malformed(cat("field ", f.name(), " contains invalid UTF-8"));
      to.put(w.bytes);
      return ok();
    case FieldKind::kBool: to.put(w.value != 0); return ok();
    case FieldKind::kInt32: to.put(static_cast<int64_t>(static_cast<int32_t>(w.value))); return ok();
    case FieldKind::kInt64: to.put(static_cast<int64_t>(w.value)); return ok();
    case FieldKind::kDouble: {
      double number = 0;
      std::memcpy(&number, &w.value, sizeof number);
      if (!std::isfinite(number)) return malformed(cat("field ", f.name(), " is no number that JSON has"));
      if (to.in_list) to.to.append_number(number);
      else to.to.set_number(to.key, number);
      return ok();
    }
    case FieldKind::kBytes: to.put(std::string_view(base64_encode(w.bytes))); return ok();
    case FieldKind::kTime: return read_time(w, false, to);
    case FieldKind::kMicroTime: return read_time(w, true, to);
    case FieldKind::kDuration: {
      TRY_ASSIGN(Small parts, Small::read(w.bytes));
      to.put(std::string_view(format_go_duration(static_cast<int64_t>(parts.at[1].value))));
      return ok();
    }
    case FieldKind::kQuantity: {
      TRY_ASSIGN(Small parts, Small::read(w.bytes));
      if (!valid_utf8(parts.at[1].bytes)) return malformed(cat("field ", f.name(), " contains invalid UTF-8"));
      to.put(parts.at[1].bytes.empty() ? std::string_view("0") : parts.at[1].bytes);
      return ok();
    }
    case FieldKind::kIntOrString: {
      TRY_ASSIGN(Small parts, Small::read(w.bytes));
      if (!valid_utf8(parts.at[3].bytes)) return malformed(cat("field ", f.name(), " contains invalid UTF-8"));
      if (parts.at[1].value == 1) to.put(parts.at[3].bytes);
      else to.put(static_cast<int64_t>(static_cast<int32_t>(parts.at[2].value)));
      return ok();
    }
    case FieldKind::kMessage: return read_message(*f.type(), w.bytes, to.object(), depth + 1);
    case FieldKind::kRaw:
    case FieldKind::kAny: return read_raw(w, to);
    case FieldKind::kSchemaOrArray:
    case FieldKind::kSchemaOrBool:
    case FieldKind::kSchemaOrStrings: return read_schema_union(f, w, to, depth);
  }
  return ok();
}

Status read_map_entry(const Field& f, const WireField& w, Mut map, size_t depth) {
  if (w.type != 2) return malformed(cat("wrong wireType = ", static_cast<int>(w.type), " for field ", f.name()));
  TRY_ASSIGN(Small parts, Small::read(w.bytes));
  if (!valid_utf8(parts.at[1].bytes)) return malformed(cat("field ", f.name(), " contains invalid UTF-8"));
  Place to{map, parts.at[1].bytes, false, true};
  if (f.container() == Container::kMapOfLists) {
    Mut list = to.array();
    for (WireReader r(parts.at[2].bytes); !r.done();) {
      TRY_ASSIGN(WireField item, r.next());
      if (item.number == 1) TRY(read_element(f, item, Place{list, {}, true}, depth));
    }
    return ok();
  }
  WireField value = parts.at[2];
  if (!parts.has(2)) value.type = wire_type_of(f.kind());  // left out: the zero value
  return read_element(f, value, to, depth);
}

// A repeated number may also come packed: all values in one run of bytes.
Status read_list_item(const Field& f, const WireField& w, Mut list, size_t depth) {
  if (w.type != 2 || wire_type_of(f.kind()) != 0) return read_element(f, w, Place{list, {}, true}, depth);
  for (WireReader r(w.bytes); !r.done();) {
    WireField one = w;
    one.type = 0;
    TRY_ASSIGN(one.value, r.varint());
    TRY(read_element(f, one, Place{list, {}, true}, depth));
  }
  return ok();
}

Status read_field(const Field& f, const WireField& w, Mut out, size_t depth) {
  switch (f.container()) {
    case Container::kOne: return read_element(f, w, Place{out, f.name()}, depth);
    case Container::kList: return read_list_item(f, w, out.array(f.name()), depth);
    case Container::kMap:
    case Container::kMapOfLists: return read_map_entry(f, w, out.object(f.name()), depth);
  }
  return ok();
}

// The fields of embedded structs stand in messages of their own: outer and inner say in which one this is.
Status read_message(const Type& type, std::string_view in, Mut out, size_t depth, uint32_t outer, uint32_t inner) {
  if (depth > limits::kJsonDepthMax) return malformed("nested too deep");
  for (WireReader r(in); !r.done();) {
    TRY_ASSIGN(WireField w, r.next());
    for (const Field& f : type.fields()) {
      if (f.outer_number() == outer && f.inner_number() == inner) {
        if (f.number() != w.number) continue;
        TRY(read_field(f, w, out, depth));
        break;
      }
      bool opens_outer = outer == 0 && f.outer_number() == w.number;
      bool opens_inner = outer != 0 && inner == 0 && f.outer_number() == outer && f.inner_number() == w.number;
      if (!opens_outer && !opens_inner) continue;
      if (w.type != 2) return malformed(cat("wrong wireType = ", static_cast<int>(w.type)));
      TRY(read_message(type, w.bytes, out, depth + 1, opens_outer ? w.number : outer, opens_outer ? 0 : w.number));
      break;
    }
  }
  return ok();
}

}  // namespace

Result<ProtobufEnvelope> open_protobuf_envelope(std::string_view body) {
  constexpr std::string_view kMagic("k8s\0", 4);
  if (body.empty()) return Error(Code::kInvalidArgument, "empty data");
  if (!body.starts_with(kMagic))
    return Error(Code::kInvalidArgument, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  if (body.size() == kMagic.size()) return Error(Code::kInvalidArgument, "empty body");
  ProtobufEnvelope out;
  TRY_ASSIGN(Small unknown, Small::read(body.substr(kMagic.size())));
  TRY_ASSIGN(Small type, Small::read(unknown.at[1].bytes));
  out.api_version = type.at[1].bytes;
  out.kind = type.at[2].bytes;
  if (!valid_utf8(out.api_version) || !valid_utf8(out.kind)) return malformed("invalid UTF-8");
  out.message = unknown.at[2].bytes;
  return out;
}

Result<Document> protobuf_to_json(const Type& type, const ProtobufEnvelope& envelope) {
  Builder b;
  if (!envelope.kind.empty()) b.root().set("kind", envelope.kind);
  if (!envelope.api_version.empty()) b.root().set("apiVersion", envelope.api_version);
  TRY(read_message(type, envelope.message, b.root(), 0));
  // Lists and raw JSON nest beyond what was counted above: the parser has the last word.
  return Document::parse(make_buffer(b.dump()));
}

}  // namespace bramble
