#include "core/json/builder.h"

#include <yyjson.h>

#include <cmath>
#include <cstdlib>

namespace bramble {

bool Mut::is_null() const { return yyjson_mut_is_null(v_); }
bool Mut::is_object() const { return yyjson_mut_is_obj(v_); }
bool Mut::is_array() const { return yyjson_mut_is_arr(v_); }
bool Mut::is_string() const { return yyjson_mut_is_str(v_); }
bool Mut::is_bool() const { return yyjson_mut_is_bool(v_); }
bool Mut::is_number() const { return yyjson_mut_is_num(v_); }
bool Mut::is_integer() const { return yyjson_mut_is_int(v_); }
Mut Mut::operator[](std::string_view key) const { return Mut(doc_, yyjson_mut_obj_getn(v_, key.data(), key.size())); }
Mut Mut::item(size_t index) const { return Mut(doc_, yyjson_mut_arr_get(v_, index)); }
size_t Mut::size() const { return is_array() ? yyjson_mut_arr_size(v_) : yyjson_mut_obj_size(v_); }
std::string_view Mut::str(std::string_view fallback) const {
  return is_string() ? std::string_view(yyjson_mut_get_str(v_), yyjson_mut_get_len(v_)) : fallback;
}
int64_t Mut::integer(int64_t fallback) const {
  if (yyjson_mut_is_sint(v_)) return yyjson_mut_get_sint(v_);
  if (yyjson_mut_is_uint(v_)) {
    uint64_t u = yyjson_mut_get_uint(v_);
    return u <= INT64_MAX ? static_cast<int64_t>(u) : fallback;
  }
  if (!yyjson_mut_is_real(v_)) return fallback;
  double d = yyjson_mut_get_real(v_);
  return std::floor(d) == d && std::fabs(d) < 9e18 ? static_cast<int64_t>(d) : fallback;
}
double Mut::number(double fallback) const { return is_number() ? yyjson_mut_get_num(v_) : fallback; }
bool Mut::boolean(bool fallback) const { return is_bool() ? yyjson_mut_get_bool(v_) : fallback; }

std::string Mut::dump() const {
  if (!v_) return {};
  size_t len = 0;
  char* text = yyjson_mut_val_write_opts(v_, YYJSON_WRITE_ALLOW_INVALID_UNICODE, nullptr, &len, nullptr);
  CHECK(text != nullptr, "yyjson_mut_val_write");
  std::string out(text, len);
  std::free(text);
  return out;
}

std::vector<Mut> Mut::items() const {
  std::vector<Mut> out;
  size_t i, n;
  yyjson_mut_val* v;
  yyjson_mut_arr_foreach(v_, i, n, v) out.push_back(Mut(doc_, v));
  return out;
}

std::vector<std::pair<std::string_view, Mut>> Mut::members() const {
  std::vector<std::pair<std::string_view, Mut>> out;
  size_t i, n;
  yyjson_mut_val *k, *v;
  yyjson_mut_obj_foreach(v_, i, n, k, v) {
    out.emplace_back(std::string_view(yyjson_mut_get_str(k), yyjson_mut_get_len(k)), Mut(doc_, v));
  }
  return out;
}

static yyjson_mut_val* text_node(yyjson_mut_doc* doc, std::string_view s) {
  return yyjson_mut_strncpy(doc, s.data() ? s.data() : "", s.size());
}

void Mut::put(std::string_view key, yyjson_mut_val* v) {
  CHECK(is_object() && v != nullptr, "set ", key);
  size_t i, n;
  yyjson_mut_val *k, *old;
  yyjson_mut_obj_foreach(v_, i, n, k, old) {
    if (std::string_view(yyjson_mut_get_str(k), yyjson_mut_get_len(k)) == key) {
      // A key's value is its successor in the list: relink so that the member keeps its place.
      v->next = old->next;
      k->next = v;
      return;
    }
  }
  yyjson_mut_obj_add(v_, text_node(doc_, key), v);
}

// Go prints whole doubles without a fraction.
static yyjson_mut_val* number_node(yyjson_mut_doc* doc, double v) {
  return std::floor(v) == v && std::fabs(v) < 9e15 ? yyjson_mut_int(doc, static_cast<int64_t>(v)) : yyjson_mut_real(doc, v);
}
static yyjson_mut_val* integer_node(yyjson_mut_doc* doc, int64_t v) {
  return v < 0 ? yyjson_mut_sint(doc, v) : yyjson_mut_uint(doc, static_cast<uint64_t>(v));
}
static yyjson_mut_val* copy_node(yyjson_mut_doc* doc, Value v) { return yyjson_val_mut_copy(doc, v.raw()); }
static void append_member(yyjson_mut_val* object, yyjson_mut_doc* doc, std::string_view key, yyjson_mut_val* v) {
  CHECK(yyjson_mut_is_obj(object) && v != nullptr, "add ", key);
  yyjson_mut_obj_add(object, text_node(doc, key), v);
}
void Mut::add(std::string_view key, std::string_view text) { append_member(v_, doc_, key, text_node(doc_, text)); }
void Mut::add(std::string_view key, int64_t v) { append_member(v_, doc_, key, integer_node(doc_, v)); }
void Mut::add(std::string_view key, bool v) { append_member(v_, doc_, key, yyjson_mut_bool(doc_, v)); }
void Mut::add_number(std::string_view key, double v) { append_member(v_, doc_, key, number_node(doc_, v)); }
void Mut::add_null(std::string_view key) { append_member(v_, doc_, key, yyjson_mut_null(doc_)); }
void Mut::add(std::string_view key, Value v) { append_member(v_, doc_, key, copy_node(doc_, v)); }
Mut Mut::add_copy(std::string_view key, Value v) {
  yyjson_mut_val* copy = copy_node(doc_, v);
  append_member(v_, doc_, key, copy);
  return Mut(doc_, copy);
}
Mut Mut::add_object(std::string_view key) {
  yyjson_mut_val* v = yyjson_mut_obj(doc_);
  append_member(v_, doc_, key, v);
  return Mut(doc_, v);
}
Mut Mut::add_array(std::string_view key) {
  yyjson_mut_val* v = yyjson_mut_arr(doc_);
  append_member(v_, doc_, key, v);
  return Mut(doc_, v);
}

void Mut::set(std::string_view key, std::string_view text) { put(key, text_node(doc_, text)); }
void Mut::set(std::string_view key, int64_t v) { put(key, integer_node(doc_, v)); }
void Mut::set(std::string_view key, bool v) { put(key, yyjson_mut_bool(doc_, v)); }
void Mut::set_number(std::string_view key, double v) { put(key, number_node(doc_, v)); }
void Mut::set_null(std::string_view key) { put(key, yyjson_mut_null(doc_)); }
void Mut::set(std::string_view key, Value v) {
  if (v) put(key, yyjson_val_mut_copy(doc_, v.raw()));
  else remove(key);
}
void Mut::set(std::string_view key, Mut v) {
  if (v) put(key, yyjson_mut_val_mut_copy(doc_, v.v_));
  else remove(key);
}
Mut Mut::object(std::string_view key) {
  Mut m = (*this)[key];
  if (m.is_object()) return m;
  put(key, yyjson_mut_obj(doc_));
  return (*this)[key];
}
Mut Mut::array(std::string_view key) {
  Mut m = (*this)[key];
  if (m.is_array()) return m;
  put(key, yyjson_mut_arr(doc_));
  return (*this)[key];
}
bool Mut::remove(std::string_view key) {
  return is_object() && yyjson_mut_obj_remove_keyn(v_, key.data() ? key.data() : "", key.size()) != nullptr;
}

void Mut::remove_keys(const std::unordered_set<std::string_view>& keys) {
  if (!is_object() || keys.empty()) return;
  yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v_);
  while (yyjson_mut_val* key = yyjson_mut_obj_iter_next(&it)) {
    if (keys.count({yyjson_mut_get_str(key), yyjson_mut_get_len(key)}) > 0) yyjson_mut_obj_iter_remove(&it);
  }
}
void Mut::assign(Value v) {
  CHECK(v_ != nullptr, "assign");
  yyjson_mut_val* copy = v ? copy_node(doc_, v) : yyjson_mut_null(doc_);
  v_->tag = copy->tag;
  v_->uni = copy->uni;
}

void Mut::append(std::string_view text) { CHECK(is_array(), "append"); yyjson_mut_arr_append(v_, text_node(doc_, text)); }
void Mut::append(int64_t v) {
  CHECK(is_array(), "append");
  yyjson_mut_arr_append(v_, integer_node(doc_, v));
}
void Mut::append(bool v) { CHECK(is_array(), "append"); yyjson_mut_arr_append(v_, yyjson_mut_bool(doc_, v)); }
void Mut::append(Value v) { CHECK(is_array() && v, "append"); yyjson_mut_arr_append(v_, yyjson_val_mut_copy(doc_, v.raw())); }
void Mut::append(Mut v) { CHECK(is_array() && v, "append"); yyjson_mut_arr_append(v_, yyjson_mut_val_mut_copy(doc_, v.v_)); }
void Mut::append_number(double v) { CHECK(is_array(), "append"); yyjson_mut_arr_append(v_, number_node(doc_, v)); }
void Mut::append_null() { CHECK(is_array(), "append"); yyjson_mut_arr_append(v_, yyjson_mut_null(doc_)); }
Mut Mut::append_copy(Value v) {
  CHECK(is_array() && v, "append");
  yyjson_mut_val* copy = copy_node(doc_, v);
  yyjson_mut_arr_append(v_, copy);
  return Mut(doc_, copy);
}
Mut Mut::append_object() {
  CHECK(is_array(), "append");
  yyjson_mut_val* v = yyjson_mut_obj(doc_);
  yyjson_mut_arr_append(v_, v);
  return Mut(doc_, v);
}
Mut Mut::append_array() {
  CHECK(is_array(), "append");
  yyjson_mut_val* v = yyjson_mut_arr(doc_);
  yyjson_mut_arr_append(v_, v);
  return Mut(doc_, v);
}
void Mut::insert(size_t index, Value v) {
  CHECK(is_array() && index <= size() && v, "insert at ", index);
  yyjson_mut_arr_insert(v_, yyjson_val_mut_copy(doc_, v.raw()), index);
}
void Mut::replace_item(size_t index, Value v) {
  CHECK(is_array() && index < size() && v, "replace at ", index);
  yyjson_mut_arr_replace(v_, index, yyjson_val_mut_copy(doc_, v.raw()));
}
void Mut::insert(size_t index, Mut v) {
  CHECK(is_array() && index <= size() && v, "insert at ", index);
  yyjson_mut_arr_insert(v_, yyjson_mut_val_mut_copy(doc_, v.v_), index);
}
void Mut::replace_item(size_t index, Mut v) {
  CHECK(is_array() && index < size() && v, "replace at ", index);
  yyjson_mut_arr_replace(v_, index, yyjson_mut_val_mut_copy(doc_, v.v_));
}
void Mut::remove_item(size_t index) {
  CHECK(is_array() && index < size(), "remove at ", index);
  yyjson_mut_arr_remove(v_, index);
}
void Mut::clear() {
  if (is_array()) yyjson_mut_arr_clear(v_);
  else if (is_object()) yyjson_mut_obj_clear(v_);
}

bool equal(Mut a, Mut b) {
  if (!a || !b) return a.exists() == b.exists();
  return yyjson_mut_equals(a.raw(), b.raw());
}

bool equal(Mut a, Value b) {
  if (!a || !b) return a.exists() == b.exists();
  return equal(a, Builder(b).root());
}

Builder::Builder() : doc_(yyjson_mut_doc_new(nullptr)) { yyjson_mut_doc_set_root(doc_, yyjson_mut_obj(doc_)); }
Builder::Builder(Value v) : doc_(yyjson_mut_doc_new(nullptr)) { set_root(v); }
Builder::~Builder() { yyjson_mut_doc_free(doc_); }
Builder::Builder(Builder&& o) noexcept : doc_(o.doc_) { o.doc_ = nullptr; }
Builder& Builder::operator=(Builder&& o) noexcept {
  std::swap(doc_, o.doc_);
  return *this;
}
Mut Builder::root() const { return Mut(doc_, yyjson_mut_doc_get_root(doc_)); }
void Builder::set_root(Value v) {
  yyjson_mut_doc_set_root(doc_, v ? yyjson_val_mut_copy(doc_, v.raw()) : yyjson_mut_obj(doc_));
}
void Builder::set_root(Mut v) {
  yyjson_mut_doc_set_root(doc_, v ? yyjson_mut_val_mut_copy(doc_, v.raw()) : yyjson_mut_obj(doc_));
}
void Builder::set_root_array() { yyjson_mut_doc_set_root(doc_, yyjson_mut_arr(doc_)); }

Document Builder::snapshot() const {
  auto parsed = Document::parse(make_buffer(root().dump()));
  CHECK(parsed.ok(), parsed.ok() ? std::string() : parsed.error().message());
  return std::move(parsed).value();
}
Document Builder::finish() {
  Document d = snapshot();
  *this = Builder();
  return d;
}

}  // namespace bramble
