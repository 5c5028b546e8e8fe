// Column: one column of a kind's table: its heading, what sort of value it holds, and how a cell is read from an object. A kind
// declares its columns as rows, so that heading and cell stand together:
//   k.columns = {name_column(), {"Handler", kText, [](Value o) { return o["handler"].str(); }}, age_column()};
// Pure, any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "core/json/value.h"

namespace bramble {

// What a cell shows. Texts that are views last as long as the object.
class TableCell {
 public:
  TableCell(std::string text) : value_(std::move(text)) {}
  TableCell(std::string_view text) : value_(text) {}
  TableCell(const char* text) : value_(std::string_view(text)) {}
  TableCell(int64_t number) : value_(number) {}
  TableCell(bool truth) : value_(truth) {}
  template <class F>
  void visit(F fn) const {
    std::visit(fn, value_);
  }

 private:
  std::variant<std::string, std::string_view, int64_t, bool> value_;
};

// An object whose cells are being made.
class TableRow {
 public:
  TableRow(Value of, int64_t at_us) : object(of), now_us(at_us) {}
  const Value object;
  const int64_t now_us;
  // What several cells of the row need, made once. One kind's columns use one `make`.
  template <class T>
  const T& once(T (*make)(Value object)) const {
    if (!memo_) memo_ = std::make_shared<T>(make(object));
    return *static_cast<const T*>(memo_.get());
  }

 private:
  mutable std::shared_ptr<void> memo_;
};

// What a column holds, and who gets to see it.
enum ColumnForm : unsigned {
  kText = 0,
  kName = 1,     // the object's name
  kInteger = 2,
  kBoolean = 4,
  kDate = 8,
  kWide = 16,    // only with -o wide
};

struct Column {
  // fn: a lambda without captures, of the object or of the TableRow.
  template <class F>
  Column(std::string_view heading, unsigned form_flags, F, std::string_view about = {})
      : name(heading), form(form_flags), cell([](const TableRow& row) -> TableCell {
          if constexpr (std::is_invocable_v<F, Value>)
            return F{}(row.object);
          else
            return F{}(row);
        }), description(about) {}

  std::string_view name;
  unsigned form;  // ColumnForm
  TableCell (*cell)(const TableRow& row);
  std::string_view description;

  std::string_view type() const { return form & kInteger ? "integer" : form & kBoolean ? "boolean" : form & kDate ? "date" : "string"; }
  std::string_view format() const { return form & kName ? "name" : ""; }
  int priority() const { return form & kWide ? 1 : 0; }
};

}  // namespace bramble
