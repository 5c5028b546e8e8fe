// Value and Document: reading JSON. A Document is an immutable, shared tree with its serialized bytes; a Value is a
// borrowed node of one, valid as long as the Document (or the Builder, see builder.h) that it came from.
// An absent Value (a missing key, a wrong index, a node of another type) answers every question with the fallback, so paths
// are asked without checks: doc["spec"]["replicas"].integer(1). Any thread may read; nothing here waits.
// The only files that include yyjson.h are in this room.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/buffer.h"
#include "core/base/result.h"

struct yyjson_val;
struct yyjson_doc;

namespace bramble {

class Value {
 public:
  Value() = default;  // absent
  explicit Value(yyjson_val* v) : v_(v) {}

  bool exists() const { return v_ != nullptr; }
  explicit operator bool() const { return exists(); }
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_bool() const;
  bool is_number() const;
  bool is_integer() const;  // written without fraction or exponent and within 64 bits
  const char* type_name() const;  // "object" "array" "string" "number" "bool" "null" "absent"

  Value operator[](std::string_view key) const;  // absent when not an object or not there
  Value operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  Value item(size_t index) const;                // absent when not an array or out of range
  size_t size() const;                           // members or items; 0 otherwise
  bool has(std::string_view key) const { return (*this)[key].exists(); }

  std::string_view str(std::string_view fallback = {}) const;
  std::string text(std::string_view fallback = {}) const { return std::string(str(fallback)); }
  int64_t integer(int64_t fallback = 0) const;   // also of a number like 3.0
  double number(double fallback = 0) const;
  bool boolean(bool fallback = false) const;

  std::string dump() const;         // compact JSON; "" when absent
  std::string dump_pretty() const;  // two spaces

  // for (Value v : a.items()) and for (auto [key, value] : o.members()), in order. Empty for other types.
  struct Member;  // {key, value}
  class Items {
   public:
    class It {
     public:
      It(yyjson_val* at, size_t left) : at_(at), left_(left) {}
      Value operator*() const { return Value(at_); }
      It& operator++();
      bool operator!=(const It& o) const { return left_ != o.left_; }

     private:
      yyjson_val* at_;
      size_t left_;
    };
    Items(yyjson_val* first, size_t n) : first_(first), n_(n) {}
    It begin() const { return It(first_, n_); }
    It end() const { return It(nullptr, 0); }

   private:
    yyjson_val* first_;
    size_t n_;
  };
  class Members {
   public:
    class It {
     public:
      It(yyjson_val* key, size_t left) : key_(key), left_(left) {}
      Member operator*() const;
      It& operator++();
      bool operator!=(const It& o) const { return left_ != o.left_; }

     private:
      yyjson_val* key_;
      size_t left_;
    };
    Members(yyjson_val* first, size_t n) : first_(first), n_(n) {}
    It begin() const { return It(first_, n_); }
    It end() const { return It(nullptr, 0); }

   private:
    yyjson_val* first_;
    size_t n_;
  };
  Items items() const;
  Members members() const;

  yyjson_val* raw() const { return v_; }

 private:
  yyjson_val* v_ = nullptr;
};

struct Value::Member {
  std::string_view key;
  Value value;
};

// Same JSON value: objects without regard to order, numbers by value.
bool equal(Value a, Value b);

class Document {
 public:
  Document() = default;  // empty: root() is absent
  // Parses one JSON value. Errors are kInvalidArgument with line and column, or kTooLarge for depth over kJsonDepthMax.
  // Duplicate keys are kept as they stand (validation reports them); operator[] finds the first.
  static Result<Document> parse(std::string_view json);
  static Result<Document> parse(Buffer json);  // keeps the buffer as bytes() without a copy
  static Document of(Value v);                 // a copy of a node as a document of its own

  explicit operator bool() const { return rep_ != nullptr; }
  Value root() const;
  Value operator[](std::string_view key) const { return root()[key]; }
  const Buffer& bytes() const;  // compact serialized form; of a parsed buffer, that buffer. Empty buffer if empty.
  bool same(const Document& o) const { return rep_ == o.rep_; }  // the very same document
  // The same but for the text of one string of it, without parsing again. Neither the old nor the new text has anything that
  // JSON escapes; `string` is a node of this document.
  Document with_text(Value string, std::string_view text) const;
  size_t memory_bytes() const;  // of the tree and its bytes; what a shared one costs once

  struct Rep;
  explicit Document(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}

 private:
  std::shared_ptr<const Rep> rep_;
};

// The words that every Kubernetes object has, read from its document.
inline std::string_view meta(Value object, std::string_view key) { return object["metadata"][key].str(); }
inline std::string_view name_of(const Document& d) { return meta(d.root(), "name"); }
inline std::string_view namespace_of(const Document& d) { return meta(d.root(), "namespace"); }
inline std::string_view uid_of(const Document& d) { return meta(d.root(), "uid"); }
inline std::string_view version_of(const Document& d) { return meta(d.root(), "resourceVersion"); }

}  // namespace bramble
