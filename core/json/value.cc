#include "core/json/value.h"

#include <yyjson.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/base/limits.h"
#include "core/json/stored.h"

namespace bramble {

// The nodes of a document in one block of exact size (16 bytes each), in the parser's own layout: preorder, a container
// tells the bytes of all it holds. Text without escapes stands in `bytes` and is not copied. Measured on a 3.5 kB Pod: the
// parser's own document takes 18 kB beside the bytes, this one 5 kB; the watch cache holds thousands.
struct Document::Rep {
  Buffer bytes;
  std::unique_ptr<yyjson_val[]> nodes;
  size_t node_count = 0;
  std::unique_ptr<char[]> unescaped;  // text that differs from what stands in bytes
  size_t unescaped_bytes = 0;
  ~Rep();
};

// Rules go through lists by index, and the nodes have none: a walk from the front for each item would make a list of 100,000
// cost minutes. So each thread remembers where it stood in the lists that it read last. What it remembers counts while no
// document has ended: a new one may have its nodes where those were.
namespace {
std::atomic<uint32_t> documents_ended{0};

struct Place {
  const yyjson_val* list = nullptr;
  yyjson_val* at = nullptr;
  size_t index = 0;
  uint32_t ended = 0;
};
constexpr size_t kPlaces = 16;  // lists within lists, each with one of its own
constexpr size_t kNear = 4;     // as quickly reached from the front
thread_local Place places[kPlaces];

yyjson_val* far_item(yyjson_val* list, size_t index) {
  const uint32_t ended = documents_ended.load(std::memory_order_relaxed);
  Place& place = places[(reinterpret_cast<uintptr_t>(list) / sizeof(yyjson_val)) % kPlaces];
  if (place.list != list || place.ended != ended || place.index > index) place = {list, unsafe_yyjson_get_first(list), 0, ended};
  for (; place.index < index; ++place.index) place.at = unsafe_yyjson_get_next(place.at);
  return place.at;
}
}  // namespace

Document::Rep::~Rep() { documents_ended.fetch_add(1, std::memory_order_relaxed); }

bool Value::is_null() const { return yyjson_is_null(v_); }
bool Value::is_object() const { return yyjson_is_obj(v_); }
bool Value::is_array() const { return yyjson_is_arr(v_); }
bool Value::is_string() const { return yyjson_is_str(v_); }
bool Value::is_bool() const { return yyjson_is_bool(v_); }
bool Value::is_number() const { return yyjson_is_num(v_); }
bool Value::is_integer() const { return yyjson_is_int(v_); }

const char* Value::type_name() const {
  if (!v_) return "absent";
  switch (yyjson_get_type(v_)) {
    case YYJSON_TYPE_NULL: return "null";
    case YYJSON_TYPE_BOOL: return "bool";
    case YYJSON_TYPE_NUM: return "number";
    case YYJSON_TYPE_STR: return "string";
    case YYJSON_TYPE_ARR: return "array";
    case YYJSON_TYPE_OBJ: return "object";
    default: return "absent";
  }
}

Value Value::operator[](std::string_view key) const { return Value(yyjson_obj_getn(v_, key.data(), key.size())); }
Value Value::item(size_t index) const {
  if (index < kNear || index >= yyjson_arr_size(v_)) return Value(yyjson_arr_get(v_, index));
  return Value(far_item(v_, index));
}
size_t Value::size() const { return yyjson_is_arr(v_) ? yyjson_arr_size(v_) : yyjson_obj_size(v_); }

std::string_view Value::str(std::string_view fallback) const {
  return yyjson_is_str(v_) ? std::string_view(yyjson_get_str(v_), yyjson_get_len(v_)) : fallback;
}

int64_t Value::integer(int64_t fallback) const {
  if (yyjson_is_sint(v_)) return yyjson_get_sint(v_);
  if (yyjson_is_uint(v_)) {
    uint64_t u = yyjson_get_uint(v_);
    return u <= INT64_MAX ? static_cast<int64_t>(u) : fallback;
  }
  if (!yyjson_is_real(v_)) return fallback;
  double d = yyjson_get_real(v_);
  return std::floor(d) == d && std::fabs(d) < 9e18 ? static_cast<int64_t>(d) : fallback;
}

double Value::number(double fallback) const { return yyjson_is_num(v_) ? yyjson_get_num(v_) : fallback; }
bool Value::boolean(bool fallback) const { return yyjson_is_bool(v_) ? yyjson_get_bool(v_) : fallback; }

static std::string print(yyjson_val* v, yyjson_write_flag flags) {
  if (!v) return {};
  size_t len = 0;
  char* text = yyjson_val_write_opts(v, flags, nullptr, &len, nullptr);
  CHECK(text != nullptr, "yyjson_val_write");
  std::string out(text, len);
  std::free(text);
  return out;
}
std::string Value::dump() const { return print(v_, YYJSON_WRITE_ALLOW_INVALID_UNICODE); }
std::string Value::dump_pretty() const { return print(v_, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_ALLOW_INVALID_UNICODE); }

Value::Items::It& Value::Items::It::operator++() {
  if (--left_ > 0) at_ = unsafe_yyjson_get_next(at_);
  return *this;
}
Value::Member Value::Members::It::operator*() const {
  return {std::string_view(yyjson_get_str(key_), yyjson_get_len(key_)), Value(key_ + 1)};
}
Value::Members::It& Value::Members::It::operator++() {
  if (--left_ > 0) key_ = unsafe_yyjson_get_next(key_ + 1);
  return *this;
}
Value::Items Value::items() const {
  size_t n = yyjson_arr_size(v_);
  return Items(n ? yyjson_arr_get_first(v_) : nullptr, n);
}
Value::Members Value::members() const {
  size_t n = yyjson_obj_size(v_);
  return Members(n ? unsafe_yyjson_get_first(v_) : nullptr, n);
}

std::string_view folded_text(Value v) {
  return yyjson_is_raw(v.raw()) ? std::string_view(yyjson_get_raw(v.raw()), yyjson_get_len(v.raw())) : std::string_view();
}

Document unfolded(Value v) {
  std::string_view text = folded_text(v);
  if (text.empty()) return Document::of(v);
  auto parsed = Document::parse(text);
  CHECK(parsed.ok(), text);
  return std::move(parsed).value();
}

static bool equal_folded(Value a, Value b) {
  if (folded_text(a) == folded_text(b)) return true;
  Document x = unfolded(a), y = unfolded(b);
  return equal(x.root(), y.root());
}

bool equal(Value a, Value b) {
  if (!a || !b) return a.exists() == b.exists();
  if (yyjson_is_raw(a.raw()) || yyjson_is_raw(b.raw())) return equal_folded(a, b);
  if (a.is_object()) {
    if (!b.is_object() || a.size() != b.size()) return false;
    for (auto [key, value] : a.members()) {
      Value other = b[key];
      if (!other || !equal(value, other)) return false;
    }
    return true;
  }
  if (a.is_array()) {
    if (!b.is_array() || a.size() != b.size()) return false;
    auto other = b.items().begin();
    for (Value v : a.items()) {
      if (!equal(v, *other)) return false;
      ++other;
    }
    return true;
  }
  if (a.is_string()) return b.is_string() && a.str() == b.str();
  if (a.is_number() && b.is_number()) {
    auto negative = [](Value v) { return yyjson_is_sint(v.raw()) && yyjson_get_sint(v.raw()) < 0; };
    if (a.is_integer() && b.is_integer()) return yyjson_get_uint(a.raw()) == yyjson_get_uint(b.raw()) && negative(a) == negative(b);
    return a.number() == b.number();
  }
  return yyjson_equals(a.raw(), b.raw());
}

// The quote that closes the text which begins at the one at `open`: the next with an even number of backslashes before it.
static size_t closing_quote(std::string_view json, size_t open) {
  for (size_t at = json.find('"', open + 1); at != std::string_view::npos; at = json.find('"', at + 1)) {
    bool escaped = false;
    for (size_t before = at - 1; json[before] == '\\'; --before) escaped = !escaped;  // ends at the opening quote
    if (!escaped) return at;
  }
  return std::string_view::npos;
}

// Nesting deeper than kJsonDepthMax is refused before the parser sees it: a scan of brackets outside of strings.
static bool too_deep(std::string_view json) {
  size_t depth = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      i = closing_quote(json, i);
      if (i == std::string_view::npos) return false;
    } else if (c == '{' || c == '[') {
      if (++depth > limits::kJsonDepthMax) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      depth--;
    }
  }
  return false;
}

static Result<yyjson_doc*> read_json(std::string_view json) {
  if (too_deep(json)) return Error(Code::kTooLarge, cat("json: nested deeper than ", limits::kJsonDepthMax, " levels"));
  yyjson_read_err err{};
  yyjson_doc* doc = yyjson_read_opts(const_cast<char*>(json.data()), json.size(), YYJSON_READ_NOFLAG, nullptr, &err);
  if (doc) return doc;
  size_t line = 1, column = 1, chars = 0;
  yyjson_locate_pos(json.data(), json.size(), err.pos, &line, &column, &chars);
  return Error(Code::kInvalidArgument, cat("json: line ", line, ", column ", column, ": ", err.msg ? err.msg : "malformed"));
}

// Nodes [first, end) of a document that become one, which holds the text at [at, at + length) of the JSON.
struct Fold {
  size_t first, end, at, length;
};

// The length of the object at the front of compact JSON.
static size_t object_length(std::string_view json) {
  size_t depth = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') {
      i = closing_quote(json, i);
      if (i == std::string_view::npos) return 0;
    } else if (json[i] == '{' || json[i] == '[') {
      ++depth;
    } else if ((json[i] == '}' || json[i] == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

static std::vector<Fold> find_folds(std::string_view json, yyjson_doc* doc) {
  std::vector<Fold> out;
  yyjson_val* list = yyjson_obj_get(yyjson_obj_get(doc->root, "metadata"), "managedFields");
  size_t i, n, j, m;
  yyjson_val *entry, *key, *value;
  yyjson_arr_foreach(list, i, n, entry) {
    yyjson_obj_foreach(entry, j, m, key, value) {
      if (!yyjson_equals_str(key, "fieldsV1") || yyjson_obj_size(value) == 0) continue;
      // Between a key and its value stand a quote and a colon, in JSON that we wrote.
      const size_t at = static_cast<size_t>(key->uni.str - doc->str_pool) + unsafe_yyjson_get_len(key) + 2;
      if (at >= json.size() || json[at] != '{') continue;
      const size_t first = static_cast<size_t>(value - doc->root);
      out.push_back({first, first + value->uni.ofs / sizeof(yyjson_val), at, object_length(json.substr(at))});
    }
  }
  return out;
}

// Copies the nodes of a document with those folded that should be.
static std::unique_ptr<yyjson_val[]> copy_nodes(std::string_view json, yyjson_doc* doc, const std::vector<Fold>& folds, size_t* count) {
  const size_t all = doc->val_read;
  auto removed_before = [&](size_t node) {
    size_t removed = 0;
    for (const Fold& f : folds) removed += f.end <= node ? f.end - f.first - 1 : 0;
    return removed;
  };
  *count = all - removed_before(all);
  auto nodes = std::make_unique<yyjson_val[]>(*count);
  size_t from = 0, to = 0;
  for (const Fold& f : folds) {
    std::memcpy(&nodes[to], doc->root + from, (f.first - from) * sizeof(yyjson_val));
    to += f.first - from;
    nodes[to].tag = (static_cast<uint64_t>(f.length) << YYJSON_TAG_BIT) | YYJSON_TYPE_RAW;
    nodes[to++].uni.str = json.data() + f.at;
    from = f.end;
  }
  std::memcpy(&nodes[to], doc->root + from, (all - from) * sizeof(yyjson_val));
  // What holds a folded value tells where it ends itself.
  auto shrink = [&](yyjson_val* container) {
    const size_t at = static_cast<size_t>(container - doc->root), end = at + container->uni.ofs / sizeof(yyjson_val);
    nodes[at - removed_before(at)].uni.ofs -= (removed_before(end) - removed_before(at)) * sizeof(yyjson_val);
  };
  if (!folds.empty()) {
    yyjson_val *metadata = yyjson_obj_get(doc->root, "metadata"), *list = yyjson_obj_get(metadata, "managedFields"), *entry;
    size_t i, n;
    shrink(doc->root);
    shrink(metadata);
    shrink(list);
    yyjson_arr_foreach(list, i, n, entry) {
      if (yyjson_is_ctn(entry)) shrink(entry);
    }
  }
  return nodes;
}

// Moves the nodes of a parsed document into blocks of exact size. The parser unescapes text in place in its own copy of the
// input, so text without escapes has the same offset in both.
static std::shared_ptr<const Document::Rep> compact(Buffer json, yyjson_doc* doc, bool stored) {
  auto rep = std::make_shared<Document::Rep>();
  size_t count = 0;
  rep->nodes = copy_nodes(*json, doc, stored ? find_folds(*json, doc) : std::vector<Fold>(), &count);
  rep->node_count = count;
  auto stands_in_json = [&](const yyjson_val& v, size_t* offset) {
    *offset = static_cast<size_t>(v.uni.str - doc->str_pool);
    size_t len = unsafe_yyjson_get_len(const_cast<yyjson_val*>(&v));
    return *offset + len <= json->size() && std::memcmp(json->data() + *offset, v.uni.str, len) == 0;
  };
  size_t extra = 0, offset = 0;
  for (size_t i = 0; i < count; i++) {
    yyjson_val& v = rep->nodes[i];
    if (unsafe_yyjson_is_str(&v) && !stands_in_json(v, &offset)) extra += unsafe_yyjson_get_len(&v);
  }
  if (extra > 0) rep->unescaped = std::make_unique<char[]>(extra);
  rep->unescaped_bytes = extra;
  char* next = rep->unescaped.get();
  for (size_t i = 0; i < count; i++) {
    yyjson_val& v = rep->nodes[i];
    if (!unsafe_yyjson_is_str(&v)) continue;
    if (stands_in_json(v, &offset)) {
      v.uni.str = json->data() + offset;
    } else {
      size_t len = unsafe_yyjson_get_len(&v);
      std::memcpy(next, v.uni.str, len);
      v.uni.str = next;
      next += len;
    }
  }
  rep->bytes = std::move(json);
  yyjson_doc_free(doc);
  return rep;
}

Result<Document> Document::parse(std::string_view json) { return parse(make_buffer(std::string(json))); }

Result<Document> Document::parse(Buffer json) {
  TRY_ASSIGN(yyjson_doc * doc, read_json(*json));
  return Document(compact(std::move(json), doc, false));
}

Result<Document> parse_stored(Buffer json) {
  TRY_ASSIGN(yyjson_doc * doc, read_json(*json));
  return Document(compact(std::move(json), doc, true));
}

Document Document::of(Value v) {
  if (!v) return {};
  auto parsed = parse(v.dump());
  CHECK(parsed.ok(), parsed.ok() ? std::string() : parsed.error().message());
  return std::move(parsed).value();
}

Document Document::with_text(Value string, std::string_view text) const {
  CHECK(rep_ && string.is_string(), "with_text of a node that is no string");
  const Rep& old = *rep_;
  const std::string& before = *old.bytes;
  const size_t at = static_cast<size_t>(string.str().data() - before.data()), length = string.str().size();
  CHECK(at <= before.size() && length <= before.size() - at, "with_text of a string with escapes, or of another document");
  auto next = std::make_shared<Rep>();
  next->bytes = make_buffer(cat(std::string_view(before).substr(0, at), text, std::string_view(before).substr(at + length)));
  next->node_count = old.node_count;
  next->nodes = std::make_unique<yyjson_val[]>(old.node_count);
  std::memcpy(next->nodes.get(), old.nodes.get(), old.node_count * sizeof(yyjson_val));
  next->unescaped_bytes = old.unescaped_bytes;
  if (old.unescaped_bytes > 0) {
    next->unescaped = std::make_unique<char[]>(old.unescaped_bytes);
    std::memcpy(next->unescaped.get(), old.unescaped.get(), old.unescaped_bytes);
  }
  // Nodes tell of their size and kind; only text is somewhere else.
  const char* bytes = next->bytes->data();
  for (size_t i = 0; i < next->node_count; i++) {
    yyjson_val& v = next->nodes[i];
    if (!unsafe_yyjson_is_str(&v) && !unsafe_yyjson_is_raw(&v)) continue;
    const char* was = v.uni.str;
    if (was >= before.data() && was <= before.data() + before.size()) {
      const size_t offset = static_cast<size_t>(was - before.data());
      v.uni.str = bytes + (offset > at ? offset - length + text.size() : offset);
    } else {
      v.uni.str = next->unescaped.get() + (was - old.unescaped.get());
    }
  }
  yyjson_val& changed = next->nodes[static_cast<size_t>(string.raw() - old.nodes.get())];
  unsafe_yyjson_set_len(&changed, text.size());
  return Document(std::move(next));
}

size_t Document::memory_bytes() const {
  if (!rep_) return 0;
  return sizeof(Rep) + sizeof(std::string) + rep_->bytes->capacity() + rep_->node_count * sizeof(yyjson_val) + rep_->unescaped_bytes;
}

Value Document::root() const { return rep_ ? Value(rep_->nodes.get()) : Value(); }

const Buffer& Document::bytes() const {
  static const Buffer kEmpty = make_buffer({});
  return rep_ ? rep_->bytes : kEmpty;
}

}  // namespace bramble
