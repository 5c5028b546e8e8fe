#include "core/schema/protobuf_write.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/schema/go_time.h"

namespace bramble {

namespace schema_tables {
extern const Field kFields[];
extern const uint8_t kWireOrder[];  // beside kFields: of each type the places of its fields, in the order of their numbers
}  // namespace schema_tables

namespace {

constexpr std::string_view kMagic("k8s\0", 4);
constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2;

// Bytes that grow towards the front.
class Backward {
 public:
  explicit Backward(size_t expected_bytes) : bytes_(expected_bytes + 64, '\0'), at_(bytes_.size()) {}
  size_t size() const { return bytes_.size() - at_; }

  void put(std::string_view s) {
    if (s.empty()) return;
    std::memcpy(room(s.size()), s.data(), s.size());
  }
  void byte(uint8_t b) { *room(1) = static_cast<char>(b); }
  void varint(uint64_t v) {
    size_t length = 1;
    for (uint64_t rest = v; rest >= 0x80; rest >>= 7) ++length;
    char* to = room(length);
    for (; v >= 0x80; v >>= 7) *to++ = static_cast<char>(v | 0x80);
    *to = static_cast<char>(v);
  }
  void tag(uint32_t number, uint32_t wire_type) { varint(number << 3 | wire_type); }
  // Closes what was written since size() was `before`: its length, then the tag.
  void close(size_t before, uint32_t number) {
    varint(size() - before);
    tag(number, kBytes);
  }
  void text(std::string_view s, uint32_t number) {
    put(s);
    varint(s.size());
    tag(number, kBytes);
  }
  void number(uint64_t v, uint32_t number) {
    varint(v);
    tag(number, kVarint);
  }
  std::string take() {
    bytes_.erase(0, at_);
    return std::move(bytes_);
  }

 private:
  char* room(size_t n) {
    if (at_ < n) {
      size_t used = size();
      std::string larger(std::max(bytes_.size() * 2, used + n), '\0');
      std::memcpy(larger.data() + larger.size() - used, bytes_.data() + at_, used);
      at_ = larger.size() - used;
      bytes_ = std::move(larger);
    }
    at_ -= n;
    return bytes_.data() + at_;
  }

  std::string bytes_;
  size_t at_;
};

class Writer {
 public:
  explicit Writer(size_t expected_bytes) : out(expected_bytes) {}

  // Which rows of the type the object has is found in one walk of it; deeper messages use the same vector behind this one's part.
  void message(const Type& type, Value object) {
    std::span<const Field> fields = type.fields();
    const uint8_t* order = schema_tables::kWireOrder + (fields.data() - schema_tables::kFields);
    size_t base = values_.size(), hint = 0;
    values_.resize(base + fields.size());
    for (auto [key, value] : object.members()) {
      if (const Field* f = type.field(key, &hint)) values_[base + static_cast<size_t>(f - fields.data())] = value;
    }
    Embedded open;
    for (size_t i = fields.size(); i-- > 0;) {
      const Field& f = fields[order[i]];
      if (f.number() == 0) break;  // kind and apiVersion: the envelope has them
      turn_to(open, f.outer_number(), f.inner_number());
      field(f, values_[base + order[i]]);
    }
    turn_to(open, 0, 0);
    values_.resize(base);
  }

  void envelope_end() {
    out.text("", 4);  // contentType
    out.text("", 3);  // contentEncoding
  }
  // `before`: the size behind envelope_end().
  void envelope_begin(size_t before, const ProtobufKind& kind) {
    out.close(before, 2);
    before = out.size();
    out.text(kind.kind, 2);
    out.text(kind.api_version, 1);
    out.close(before, 1);
    out.put(kMagic);
  }
  void envelope(const ProtobufKind& kind, Value object) {
    envelope_end();
    size_t before = out.size();
    message(*kind.type, object);
    envelope_begin(before, kind);
  }

  Backward out;

 private:
  // The messages of embedded structs that are being written.
  struct Embedded {
    uint32_t outer = 0, inner = 0;
    size_t outer_before = 0, inner_before = 0;
  };
  void turn_to(Embedded& open, uint32_t outer, uint32_t inner) {
    bool other_outer = outer != open.outer;
    if (open.inner != 0 && (other_outer || inner != open.inner)) out.close(open.inner_before, open.inner), open.inner = 0;
    if (open.outer != 0 && other_outer) out.close(open.outer_before, open.outer);
    if (other_outer) open.outer = outer, open.outer_before = out.size();
    if (inner != open.inner) open.inner = inner, open.inner_before = out.size();
  }

  void field(const Field& f, Value v) {
    bool absent = !v.exists() || v.is_null();
    switch (f.container()) {
      case Container::kOne:
        if (!absent || !(f.pointer() || f.kind() == FieldKind::kBytes)) element(f, v, f.number());
        return;
      case Container::kList: return list(f, v, f.number());
      case Container::kMap:
      case Container::kMapOfLists: return map(f, v);
    }
  }

  void list(const Field& f, Value v, uint32_t number) {
    size_t base = values_.size();
    for (Value item : v.items()) values_.push_back(item);
    while (values_.size() > base) {
      Value item = values_.back();
      values_.pop_back();
      element(f, item, number);
    }
  }

  void map(const Field& f, Value v) {
    std::vector<Value::Member> members;
    members.reserve(v.size());
    for (Value::Member m : v.members()) members.push_back(m);
    auto by_key = [](const Value::Member& a, const Value::Member& b) { return a.key < b.key; };
    if (!std::is_sorted(members.begin(), members.end(), by_key)) std::stable_sort(members.begin(), members.end(), by_key);
    for (size_t i = members.size(); i-- > 0;) {
      size_t before = out.size();
      if (f.container() == Container::kMapOfLists) {
        list(f, members[i].value, 1);
        out.close(before, 2);
      } else if (f.kind() != FieldKind::kBytes || !members[i].value.is_null()) {
        element(f, members[i].value, 2);
      }
      out.text(members[i].key, 1);
      out.close(before, f.number());
    }
  }

  // A value and its tag; an absent one is the zero of its kind.
  void element(const Field& f, Value v, uint32_t number) {
    switch (f.kind()) {
      case FieldKind::kBool: return out.number(v.boolean() ? 1 : 0, number);
      case FieldKind::kInt32:
      case FieldKind::kInt64: return out.number(static_cast<uint64_t>(v.integer()), number);
      case FieldKind::kDouble: return fixed(v.number(), number);
      case FieldKind::kString: return out.text(v.str(), number);
      case FieldKind::kBytes: return out.text(base64_decode(v.str()).value_or(std::string()), number);
      default: break;
    }
    size_t before = out.size();
    switch (f.kind()) {
      case FieldKind::kTime: time(v, false); break;
      case FieldKind::kMicroTime: time(v, true); break;
      case FieldKind::kDuration: out.number(static_cast<uint64_t>(parse_go_duration(v.str()).value_or(0)), 1); break;
      case FieldKind::kQuantity: out.text(v.is_number() ? v.dump() : v.text("0"), 1); break;
      case FieldKind::kIntOrString:
        out.text(v.str(), 3);
        out.number(static_cast<uint64_t>(v.integer()), 2);
        out.number(v.is_string() ? 1 : 0, 1);
        break;
      case FieldKind::kMessage: message(*f.type(), v); break;
      case FieldKind::kRaw:
      case FieldKind::kAny:
        if (v.exists() && !(v.is_null() && f.kind() == FieldKind::kRaw)) out.text(v.dump(), 1);
        break;
      default: schema_union(f, v); break;
    }
    out.close(before, number);
  }

  void fixed(double v, uint32_t number) {
    uint64_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    for (int shift = 56; shift >= 0; shift -= 8) out.byte(static_cast<uint8_t>(bits >> shift));
    out.tag(number, kFixed64);
  }

  // A Timestamp; nothing for Go's zero time.
  void time(Value v, bool micro) {
    auto us = parse_rfc3339(v.str());
    constexpr int64_t kZeroTimeUs = -62135596800 * 1000000;
    if (!us || *us == kZeroTimeUs) return;
    int64_t seconds = *us / 1000000, rest_us = *us % 1000000;
    if (rest_us < 0) --seconds, rest_us += 1000000;
    out.number(micro ? static_cast<uint64_t>(rest_us) * 1000 : 0, 2);
    out.number(static_cast<uint64_t>(seconds), 1);
  }

  // JSONSchemaPropsOrBool {allows, schema}, ...OrArray {schema, schemas}, ...OrStringArray {schema, strings}.
  void schema_union(const Field& f, Value v) {
    bool or_bool = f.kind() == FieldKind::kSchemaOrBool;
    size_t before = out.size();
    if (v.is_object()) {
      message(*f.type(), v);
      out.close(before, or_bool ? 2 : 1);
    } else if (v.is_array()) {
      std::vector<Value> items;
      for (Value item : v.items()) items.push_back(item);
      for (size_t i = items.size(); i-- > 0;) {
        before = out.size();
        if (f.kind() == FieldKind::kSchemaOrStrings) {
          out.text(items[i].str(), 2);
        } else {
          message(*f.type(), items[i]);
          out.close(before, 2);
        }
      }
    }
    if (or_bool) out.number(v.is_object() || v.boolean() ? 1 : 0, 1);
  }

  std::vector<Value> values_;
};

}  // namespace

const Type* protobuf_type(std::string_view api_version, std::string_view kind) {
  auto parts = cut(api_version, "/");
  const Type* type = parts ? Type::find_kind(parts->first, parts->second, kind) : Type::find_kind("", api_version, kind);
  if (type == nullptr && api_version == "v1") type = Type::find_kind("meta", api_version, kind);  // Status, APIResourceList
  return type;
}

std::string protobuf_object(const ProtobufKind& kind, Value object) {
  Writer w(256);
  w.envelope(kind, object);
  return w.out.take();
}

std::string protobuf_list(const ProtobufKind& kind, Value meta, size_t count, const std::function<Document(size_t)>& item,
                          size_t expected_bytes) {
  // Only the first list of PartialObjectMetadata had its fields the other way round.
  bool early = kind.api_version == "meta.k8s.io/v1beta1";
  Writer w(expected_bytes);
  w.envelope_end();
  size_t all = w.out.size();
  auto write_meta = [&](uint32_t number) {
    size_t before = w.out.size();
    w.message(*Type::find("meta.v1.ListMeta"), meta);
    w.out.close(before, number);
  };
  if (early) write_meta(2);
  for (size_t i = count; i-- > 0;) {
    Document object = item(i);
    size_t before = w.out.size();
    w.message(*kind.type, object.root());
    w.out.close(before, early ? 1 : 2);
  }
  if (!early) write_meta(1);
  w.envelope_begin(all, kind);
  return w.out.take();
}

std::string protobuf_watch_frame(std::string_view event_type, const ProtobufKind& kind, Value object) {
  Writer w(512);
  w.envelope(kind, object);
  w.out.close(0, 1);  // RawExtension.raw
  w.out.close(0, 2);  // WatchEvent.object
  w.out.text(event_type, 1);
  size_t length = w.out.size();
  for (int shift = 0; shift < 32; shift += 8) w.out.byte(static_cast<uint8_t>(length >> shift));
  return w.out.take();
}

}  // namespace bramble
