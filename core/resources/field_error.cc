#include "core/resources/field_error.h"

#include <set>

#include "core/base/limits.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

// Go's encoding/json escapes these three inside texts.
std::string go_json(Value v) {
  std::string out;
  for (char c : v.dump()) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string printed(Value v) {
  if (!v.exists() || v.is_null()) return "null";
  if (v.is_string()) return go_quote(v.str());
  return go_json(v);
}

std::string with_detail(std::string text, std::string_view detail) {
  if (!detail.empty()) text += cat(": ", detail);
  return text;
}

}  // namespace

void FieldErrors::invalid(const Path& at, Value bad_value, std::string_view detail) {
  invalid_raw(at, printed(bad_value), detail);
}
void FieldErrors::invalid(const Path& at, std::string_view bad_text, std::string_view detail) {
  invalid_raw(at, go_quote(bad_text), detail);
}
void FieldErrors::invalid(const Path& at, int64_t bad_number, std::string_view detail) {
  invalid_raw(at, cat(bad_number), detail);
}
void FieldErrors::invalid_raw(const Path& at, std::string_view printed_value, std::string_view detail) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueInvalid", at.text(), with_detail(cat("Invalid value: ", printed_value), detail)});
}
void FieldErrors::required(const Path& at, std::string_view detail) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueRequired", at.text(), with_detail("Required value", detail)});
}
void FieldErrors::duplicate(const Path& at, std::string_view bad_text) { duplicate_raw(at, go_quote(bad_text)); }
void FieldErrors::duplicate_raw(const Path& at, std::string_view printed_value) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueDuplicate", at.text(), cat("Duplicate value: ", printed_value)});
}
void FieldErrors::not_supported(const Path& at, std::string_view bad_text, const std::vector<std::string_view>& valid) {
  not_supported_raw(at, go_quote(bad_text), valid);
}
void FieldErrors::not_supported_raw(const Path& at, std::string_view printed_value,
                                    const std::vector<std::string_view>& valid) {
  std::string message = cat("Unsupported value: ", printed_value);
  if (!valid.empty()) {
    message += ": supported values: ";
    bool first = true;
    for (std::string_view v : valid) {
      if (!first) message += ", ";
      message += go_quote(v);
      first = false;
    }
  }
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueNotSupported", at.text(), std::move(message)});
}
void FieldErrors::forbidden(const Path& at, std::string_view detail) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueForbidden", at.text(), with_detail("Forbidden", detail)});
}
void FieldErrors::not_found(const Path& at, std::string_view bad_text) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueNotFound", at.text(), cat("Not found: ", go_quote(bad_text))});
}
void FieldErrors::too_long(const Path& at, size_t max_bytes) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueTooLong", at.text(),
       cat("Too long: may not be more than ", max_bytes, max_bytes == 1 ? " byte" : " bytes")});
}
void FieldErrors::too_many(const Path& at, size_t actual, size_t max) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueTooMany", at.text(),
       cat("Too many: ", actual, ": must have at most ", max, max == 1 ? " item" : " items")});
}
void FieldErrors::type_invalid(const Path& at, std::string_view bad_text, std::string_view detail) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"FieldValueTypeInvalid", at.text(), with_detail(cat("Invalid value: ", go_quote(bad_text)), detail)});
}
void FieldErrors::internal(const Path& at, std::string_view detail) {
  if (errors_.size() < limits::kFieldErrorsMax) add({"InternalError", at.text(), with_detail("Internal error", detail)});
}

Error FieldErrors::to_error(std::string_view group, std::string_view kind, std::string_view name) const {
  std::vector<std::string> texts;
  std::set<std::string> seen;
  for (const FieldError& e : errors_) {
    std::string text = cat(e.field, ": ", e.message);
    if (seen.insert(text).second) texts.push_back(std::move(text));
  }
  const std::string qualified = group.empty() ? std::string(kind) : cat(kind, ".", group);
  const std::string list = texts.size() == 1 ? texts[0] : cat("[", join(texts, ", "), "]");
  const std::string message = cat(qualified, " ", go_quote(name), " is invalid", texts.empty() ? "" : ": ",
                                  texts.empty() ? std::string() : list);
  Builder b;
  Mut status = b.root();
  status.set("kind", "Status");
  status.set("apiVersion", "v1");
  status.object("metadata");
  status.set("status", "Failure");
  status.set("message", message);
  status.set("reason", "Invalid");
  Mut details = status.object("details");
  if (!name.empty()) details.set("name", name);
  if (!group.empty()) details.set("group", group);
  if (!kind.empty()) details.set("kind", kind);
  if (!errors_.empty()) {
    Mut causes = details.array("causes");
    for (const FieldError& e : errors_) {
      Mut cause = causes.append_object();
      cause.set("reason", e.reason);
      cause.set("message", e.message);
      if (!e.field.empty()) cause.set("field", e.field);
    }
  }
  status.set("code", 422);
  return Error::with_status(Code::kInvalidObject, message, b.dump());
}

}  // namespace bramble
