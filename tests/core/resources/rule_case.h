// What the table tests of kinds share: an object through decode, defaults, preparation and rules; its errors as one
// text.
#pragma once

#include <gtest/gtest.h>

#include "core/resources/kind.h"
#include "tests/core/json/json_text.h"

namespace bramble {

inline std::string texts(const FieldErrors& errors) {
  std::string out;
  for (const FieldError& e : errors.list())
    out += cat(out.empty() ? "" : " | ", e.reason.substr(0, 10) == "FieldValue" ? e.reason.substr(10) : e.reason, " ",
               e.field, ": ", e.message);
  return out;
}

inline Document defaulted(const Kind& kind, const Document& body) {
  auto decoded = canonicalize(*kind.type, body.root(), nullptr);
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message());
  if (!decoded.ok()) return Document();
  if (kind.set_defaults) kind.set_defaults(decoded->root());
  return decoded->finish();
}

// In the form in which it is stored.
inline Document created(const Kind& kind, const Document& body) {
  Builder b(stored_form(kind, defaulted(kind, body)).root());
  const Kind& stored = stored_kind(kind);
  if (stored.prepare_create) stored.prepare_create(b.root());
  return b.finish();
}

inline std::string create_errors(const Kind& kind, const Document& body) {
  FieldErrors errors;
  if (kind.validate) kind.validate(created(kind, body).root(), errors);
  return texts(errors);
}

// `old` is stored as created from its body.
inline std::string update_errors(const Kind& kind, const Document& body, const Document& old) {
  Builder b(stored_form(kind, defaulted(kind, body)).root());
  const Kind& stored = stored_kind(kind);
  if (stored.prepare_update) stored.prepare_update(b.root(), old.root());
  FieldErrors errors;
  if (kind.validate_update) kind.validate_update(b.finish().root(), old.root(), errors);
  return texts(errors);
}

inline std::string status_errors(const Kind& kind, const Document& body, const Document& old) {
  Builder b(defaulted(kind, body).root());
  if (kind.prepare_status_update) kind.prepare_status_update(b.root(), old.root());
  FieldErrors errors;
  if (kind.validate_status_update) kind.validate_status_update(b.finish().root(), old.root(), errors);
  return texts(errors);
}

// The cells of an object, as JSON.
inline std::string cells_of(const Kind& kind, const Document& object, int64_t now_us) {
  Builder b;
  Mut cells = b.root().array("cells");
  TableRow row(object.root(), now_us);
  for (const Column& c : kind.columns) c.cell(row).visit([&cells](const auto& value) { cells.append(value); });
  return cells.dump();
}

// A copy with one member replaced: with(pod, {"spec", "nodeName"}, "\"n\"").
inline Document with(const Document& d, std::initializer_list<const char*> path, std::string_view value) {
  Builder b(d.root());
  Mut at = b.root();
  const char* last = nullptr;
  for (const char* step : path) {
    if (last)
      at = last[0] >= '0' && last[0] <= '9' ? at.item(static_cast<size_t>(last[0] - '0'))
           : at[last].is_array()            ? at[last]
                                            : at.object(last);
    last = step;
  }
  if (value.empty())
    at.remove(last);
  else
    at.set(last, json(value).root());
  return b.finish();
}

}  // namespace bramble
