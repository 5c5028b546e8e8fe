#include "core/resources/shared_rules.h"

#include <algorithm>
#include <set>

#include "core/resources/field_rules.h"
#include "core/resources/names.h"

namespace bramble {

void validate_domain_path(std::string_view text, const Path& at, FieldErrors& errors) {
  if (text.empty()) return errors.required(at);
  const auto parts = cut(text, "/");
  if (!parts || parts->first.empty() || parts->second.empty())
    return errors.invalid(at, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
  add_invalid(at, parts->first, check_dns1123_subdomain(parts->first), errors);
  for (char c : parts->second) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (word || std::string_view("/-._~%!$&'()*+,;=:").find(c) != std::string_view::npos) continue;
    return errors.invalid(at, parts->second, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
  }
}

static bool is_condition_reason(std::string_view s) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto word = [&letter](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  if (!letter(s.front()) || !word(s.back())) return false;
  return std::all_of(s.begin(), s.end(), [&word](char c) { return word(c) || c == ',' || c == ':'; });
}

void validate_observed_conditions(Value conditions, const Path& at, FieldErrors& errors) {
  constexpr size_t kReasonMax = 1024, kMessageMax = 32 * 1024;
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const Value c = conditions.item(i);
    const Path here = at.at(i);
    const std::string_view type = c["type"].str(), status = c["status"].str(), reason = c["reason"].str();
    if (!seen.insert(std::string(type)).second) errors.duplicate(here.at("type"), type);
    add_invalid(here.at("type"), type, check_qualified_name(type), errors);
    if (status != "True" && status != "False" && status != "Unknown")
      errors.not_supported(here.at("status"), status, {"False", "True", "Unknown"});
    if (const int64_t g = c["observedGeneration"].integer(); g < 0)
      errors.invalid(here.at("observedGeneration"), g, "must be greater than or equal to zero");
    if (c["lastTransitionTime"].str().empty()) errors.required(here.at("lastTransitionTime"));
    if (reason.empty())
      errors.required(here.at("reason"));
    else if (!is_condition_reason(reason))
      errors.invalid(here.at("reason"), reason,
                     "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or "
                     "'_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
                     "'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
    if (reason.size() > kReasonMax) errors.too_long(here.at("reason"), kReasonMax);
    if (c["message"].str().size() > kMessageMax) errors.too_long(here.at("message"), kMessageMax);
  }
}

void add_invalid_omitted(const Path& at, std::string_view detail, FieldErrors& errors) {
  errors.add({"FieldValueInvalid", at.text(), cat("Invalid value: ", detail)});
}

}  // namespace bramble
