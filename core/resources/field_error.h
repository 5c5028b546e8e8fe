// FieldErrors: what validation finds, with field paths, reasons and texts as upstream's field.ErrorList has them, and
// the Status (422 Invalid, with causes) made of them. Pure values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace bramble {

// A field path under construction: Path("spec").at("containers").at(0).at("name"), Path(...).key("a.b/c") -> "[a.b/c]".
class Path {
 public:
  Path() = default;
  explicit Path(std::string_view root) : text_(root) {}
  Path at(std::string_view name) const { return Path(text_.empty() ? std::string(name) : cat(text_, ".", name), 0); }
  Path at(size_t index) const { return Path(cat(text_, "[", index, "]"), 0); }
  Path key(std::string_view k) const { return Path(cat(text_, "[", k, "]"), 0); }
  const std::string& text() const { return text_; }

 private:
  Path(std::string t, int) : text_(std::move(t)) {}
  std::string text_;
};

struct FieldError {
  std::string reason;  // "FieldValueInvalid" ...
  std::string field;
  std::string message;  // without the field: `Invalid value: "x": must be ...`
};

class FieldErrors {
 public:
  // bad_value is printed as upstream prints it (%#v of its type): strings quoted, numbers and bools bare, objects as
  // JSON.
  void invalid(const Path& at, Value bad_value, std::string_view detail);
  void invalid(const Path& at, std::string_view bad_text, std::string_view detail);
  void invalid(const Path& at, const char* bad_text, std::string_view detail) {
    invalid(at, std::string_view(bad_text), detail);
  }
  void invalid(const Path& at, int64_t bad_number, std::string_view detail);
  void invalid_raw(const Path& at, std::string_view printed_value, std::string_view detail);
  void required(const Path& at, std::string_view detail = {});
  void duplicate(const Path& at, std::string_view bad_text);
  void duplicate_raw(const Path& at, std::string_view printed_value);
  void not_supported(const Path& at, std::string_view bad_text, const std::vector<std::string_view>& valid);
  void not_supported_raw(const Path& at, std::string_view printed_value, const std::vector<std::string_view>& valid);
  void forbidden(const Path& at, std::string_view detail);
  void not_found(const Path& at, std::string_view bad_text);
  void too_long(const Path& at, size_t max_bytes);
  void too_many(const Path& at, size_t actual, size_t max);
  void type_invalid(const Path& at, std::string_view bad_text, std::string_view detail);
  void internal(const Path& at, std::string_view detail);
  void add(FieldError e) { errors_.push_back(std::move(e)); }

  bool empty() const { return errors_.empty(); }
  const std::vector<FieldError>& list() const { return errors_; }
  // Error kInvalidObject whose status_json is the whole Status: `Pod "web" is invalid: spec.containers: Required
  // value`, several as `[a, b]`, details{name, group, kind, causes}.
  Error to_error(std::string_view group, std::string_view kind, std::string_view name) const;

 private:
  std::vector<FieldError> errors_;
};

}  // namespace bramble
