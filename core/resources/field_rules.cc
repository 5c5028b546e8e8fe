#include "core/resources/field_rules.h"

#include <algorithm>

#include "core/resources/names.h"
#include "core/resources/selector.h"

namespace bramble {
namespace {

// A generateName may end in a dash, because characters follow.
std::string mask_trailing_dash(std::string_view name) {
  if (name.size() > 1 && name.back() == '-') return cat(name.substr(0, name.size() - 2), "a");
  return std::string(name);
}

}  // namespace

std::vector<std::string> name_is_subdomain(std::string_view name, bool prefix) {
  return check_dns1123_subdomain(prefix ? mask_trailing_dash(name) : std::string(name));
}
std::vector<std::string> name_is_label(std::string_view name, bool prefix) {
  return check_dns1123_label(prefix ? mask_trailing_dash(name) : std::string(name));
}
std::vector<std::string> name_is_path_segment(std::string_view name, bool prefix) {
  if (prefix) {
    std::vector<std::string> out;
    for (const char* bad : {"/", "%"})
      if (name.find(bad) != std::string_view::npos) out.push_back(cat("may not contain '", bad, "'"));
    return out;
  }
  return check_path_segment(name);
}

void add_invalid(const Path& at, std::string_view text, const std::vector<std::string>& messages, FieldErrors& errors) {
  for (const std::string& m : messages) errors.invalid(at, text, m);
}

void validate_labels(Value labels, const Path& at, FieldErrors& errors) {
  for (auto [key, value] : labels.members()) {
    add_invalid(at, key, check_qualified_name(key), errors);
    add_invalid(at, value.str(), check_label_value(value.str()), errors);
  }
}

void validate_nonnegative(Value number, const Path& at, FieldErrors& errors) {
  if (number.exists() && number.integer() < 0) errors.invalid(at, number.integer(), kNotNegative);
}
void validate_positive(Value number, const Path& at, FieldErrors& errors) {
  if (number.exists() && number.integer() <= 0) errors.invalid(at, number.integer(), "must be greater than 0");
}

void validate_label_selector(Value selector, const Path& at, FieldErrors& errors, bool strict_values) {
  if (!selector.is_object()) return;
  validate_labels(selector["matchLabels"], at.at("matchLabels"), errors);
  const Value expressions = selector["matchExpressions"];
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Value e = expressions.item(i);
    const Path here = at.at("matchExpressions").at(i);
    const std::string_view op = e["operator"].str();
    if (op == "In" || op == "NotIn") {
      if (e["values"].size() == 0)
        errors.required(here.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (e["values"].size() > 0)
        errors.forbidden(here.at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
      errors.invalid(here.at("operator"), op, "not a valid selector operator");
    }
    add_invalid(here.at("key"), e["key"].str(), check_qualified_name(e["key"].str()), errors);
    if (strict_values)
      for (size_t j = 0; j < e["values"].size(); ++j) {
        const std::string_view v = e["values"].item(j).str();
        add_invalid(here.at("values").at(j), v, check_label_value(v), errors);
      }
  }
}

void validate_immutable(Value now, Value was, const Path& at, FieldErrors& errors) {
  if (!equal(now, was)) errors.invalid(at, now, kFieldImmutable);
}

void validate_one_of(std::string_view text, const std::vector<std::string_view>& valid, const Path& at, bool required,
                     FieldErrors& errors) {
  if (text.empty()) {
    if (required) errors.required(at);
    return;
  }
  if (std::find(valid.begin(), valid.end(), text) == valid.end()) errors.not_supported(at, text, valid);
}

bool selects_nothing_or_all(Value selector) {
  return selector["matchLabels"].size() + selector["matchExpressions"].size() == 0;
}

void validate_number_or_percent(Value v, const Path& at, FieldErrors& errors) {
  if (v.is_string()) {
    add_invalid(at, v.str(), check_percent(v.str()), errors);
  } else if (v.exists()) {
    validate_nonnegative(v, at, errors);
  }
}

int64_t scaled_value(Value number_or_percent, int64_t total, bool round_up) {
  if (!number_or_percent.is_string()) return number_or_percent.integer();
  const std::string_view s = number_or_percent.str();
  if (s.empty() || s.back() != '%') return 0;
  const int64_t percent = parse_int64(s.substr(0, s.size() - 1)).value_or(0);
  const int64_t product = percent * total;
  return round_up ? (product + 99) / 100 : product / 100;
}

bool percent_over_100(Value v) {
  const std::string_view s = v.str();
  if (s.empty() || s.back() != '%') return false;
  const auto percent = parse_int64(s.substr(0, s.size() - 1));
  return percent && *percent > 100;
}

void validate_cidr(std::string_view text, const Path& at, FieldErrors& errors) {
  add_invalid(at, text, check_cidr(text), errors);
}
void validate_ip(std::string_view text, const Path& at, FieldErrors& errors) {
  add_invalid(at, text, check_ip(text), errors);
}

}  // namespace bramble
