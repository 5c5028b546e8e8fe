// Validation pieces that many kinds share: label selectors, labels, numbers, immutable fields, enumerations. Each
// appends what it finds with upstream's texts. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"

namespace bramble {

inline constexpr std::string_view kFieldImmutable = "field is immutable";
inline constexpr std::string_view kNotNegative = "must be greater than or equal to 0";

// Names; `prefix` is true for a generateName, whose trailing dash is fine.
std::vector<std::string> name_is_subdomain(std::string_view name, bool prefix);
std::vector<std::string> name_is_label(std::string_view name, bool prefix);
std::vector<std::string> name_is_path_segment(std::string_view name, bool prefix);

// Adds each message as an Invalid of the text.
void add_invalid(const Path& at, std::string_view text, const std::vector<std::string>& messages, FieldErrors& errors);

void validate_labels(Value labels, const Path& at, FieldErrors& errors);
void validate_annotations(Value annotations, const Path& at, FieldErrors& errors);
void validate_nonnegative(Value number, const Path& at, FieldErrors& errors);  // absent is fine
void validate_positive(Value number, const Path& at, FieldErrors& errors);     // "must be greater than 0"
// Values of metav1.LabelSelector. strict_values: values of expressions must be label values too.
void validate_label_selector(Value selector, const Path& at, FieldErrors& errors, bool strict_values = true);
void validate_immutable(Value now, Value was, const Path& at, FieldErrors& errors);
// `text` is one of `valid` (listed in the error in the given order); an empty text is Required when required is set,
// else fine.
void validate_one_of(std::string_view text, const std::vector<std::string_view>& valid, const Path& at, bool required,
                     FieldErrors& errors);
bool selects_nothing_or_all(Value selector);  // absent or without requirements

// An IntOrString: a non-negative number or a percentage.
void validate_number_or_percent(Value v, const Path& at, FieldErrors& errors);
// The number, or the rounded-up share of a percentage; 0 when neither.
int64_t scaled_value(Value number_or_percent, int64_t total, bool round_up);
bool percent_over_100(Value v);

// How many bytes a base64 text stands for.
inline size_t base64_bytes(std::string_view text) {
  const size_t padding = text.size() - (text.find_last_not_of('=') + 1);
  return text.size() / 4 * 3 - padding;
}

void validate_cidr(std::string_view text, const Path& at, FieldErrors& errors);
void validate_ip(std::string_view text, const Path& at, FieldErrors& errors);

}  // namespace bramble
