// Builder and Mut: writing JSON. A Builder owns a mutable tree; a Mut is a borrowed node of it, valid while the Builder
// lives. Not thread-safe: one owner. finish() gives an immutable Document and leaves the Builder empty.
//   Builder b(pod.root());                      // a copy to change
//   Mut status = b.root().object("status");     // got or made
//   status.set("phase", "Running");
//   Document next = b.finish();
#pragma once

#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/json/value.h"

struct yyjson_mut_val;
struct yyjson_mut_doc;

namespace bramble {

class Mut {
 public:
  Mut() = default;  // absent
  Mut(yyjson_mut_doc* doc, yyjson_mut_val* v) : doc_(doc), v_(v) {}

  bool exists() const { return v_ != nullptr; }
  explicit operator bool() const { return exists(); }
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_bool() const;
  bool is_number() const;
  bool is_integer() const;
  Mut operator[](std::string_view key) const;
  Mut operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  Mut item(size_t index) const;
  size_t size() const;
  bool has(std::string_view key) const { return (*this)[key].exists(); }
  std::string_view str(std::string_view fallback = {}) const;
  std::string text(std::string_view fallback = {}) const { return std::string(str(fallback)); }
  int64_t integer(int64_t fallback = 0) const;
  double number(double fallback = 0) const;
  bool boolean(bool fallback = false) const;
  std::string dump() const;
  std::vector<Mut> items() const;                                  // a snapshot: the node may be changed meanwhile
  std::vector<std::pair<std::string_view, Mut>> members() const;  // keys live as long as the Builder

  // Members of an object. Each replaces an earlier member of that key in its place, else appends. Text is copied.
  // On a node that is not an object these CHECK.
  void set(std::string_view key, std::string_view text);
  void set(std::string_view key, const char* text) { set(key, std::string_view(text)); }
  void set(std::string_view key, const std::string& text) { set(key, std::string_view(text)); }
  void set(std::string_view key, int64_t v);
  void set(std::string_view key, int v) { set(key, static_cast<int64_t>(v)); }
  void set(std::string_view key, bool v);
  void set_number(std::string_view key, double v);  // a whole number is written without a fraction
  void set_null(std::string_view key);
  void set(std::string_view key, Value copy_of);   // deep copy; absent: removes the key
  void set(std::string_view key, Mut copy_of);     // deep copy (also from another Builder); absent: removes the key
  Mut object(std::string_view key);                // the member as an object, made if missing or of another type
  Mut array(std::string_view key);                 // the same as an array
  bool remove(std::string_view key);               // all members of that key; whether there was one

  // Members that the caller knows to be new: appended without the search that set() makes (which costs a walk of the object).
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::string& text) { add(key, std::string_view(text)); }
  void add(std::string_view key, int64_t v);
  void add(std::string_view key, int v) { add(key, static_cast<int64_t>(v)); }
  void add(std::string_view key, bool v);
  void add_number(std::string_view key, double v);
  void add_null(std::string_view key);
  void add(std::string_view key, Value copy_of);
  Mut add_copy(std::string_view key, Value copy_of);  // as add; gives the new node
  Mut add_object(std::string_view key);
  Mut add_array(std::string_view key);

  void remove_keys(const std::unordered_set<std::string_view>& keys);  // in one walk
  void assign(Value copy_of);  // this node becomes a copy of that one, in its place; absent: null

  // Items of an array.
  void append(std::string_view text);
  void append(const char* text) { append(std::string_view(text)); }
  void append(const std::string& text) { append(std::string_view(text)); }
  void append(int64_t v);
  void append(bool v);
  void append(Value copy_of);
  void append(Mut copy_of);
  void append_number(double v);  // a whole number is written without a fraction
  void append_null();
  Mut append_copy(Value copy_of);  // as append; gives the new node
  Mut append_object();
  Mut append_array();
  void insert(size_t index, Value copy_of);  // index <= size()
  void insert(size_t index, Mut copy_of);
  void replace_item(size_t index, Value copy_of);
  void replace_item(size_t index, Mut copy_of);
  void remove_item(size_t index);
  void clear();  // an object or array becomes empty

  yyjson_mut_doc* raw_doc() const { return doc_; }
  yyjson_mut_val* raw() const { return v_; }

 private:
  void put(std::string_view key, yyjson_mut_val* v);
  yyjson_mut_doc* doc_ = nullptr;
  yyjson_mut_val* v_ = nullptr;
};

bool equal(Mut a, Mut b);
bool equal(Mut a, Value b);

class Builder {
 public:
  Builder();                      // an empty object
  explicit Builder(Value copy_of);
  ~Builder();
  Builder(Builder&& o) noexcept;
  Builder& operator=(Builder&& o) noexcept;
  Builder(const Builder&) = delete;

  Mut root() const;
  void set_root(Value copy_of);
  void set_root(Mut copy_of);
  void set_root_array();
  Mut operator[](std::string_view key) const { return root()[key]; }
  std::string dump() const { return root().dump(); }
  Document finish();              // the tree as a Document; the Builder is an empty object afterwards
  Document snapshot() const;      // the tree as a Document; the Builder stays as it is

 private:
  yyjson_mut_doc* doc_;
};

}  // namespace bramble
