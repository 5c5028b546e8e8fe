// Label and field selectors: parsing (`a=b,c!=d,e in (f,g),!h`), LabelSelector objects, matching. Errors carry
// upstream's texts. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace bramble {

struct Requirement {
  enum class Op { kIn, kNotIn, kExists, kDoesNotExist, kGt, kLt };
  std::string key;
  Op op = Op::kExists;
  std::vector<std::string> values;  // sorted
  bool exact = false;               // kIn and kNotIn written as = and !=: one value
};

class LabelSelector {
 public:
  static Result<LabelSelector> parse(std::string_view text);  // query parameter form
  static Result<LabelSelector> from_object(
      Value label_selector);                 // metav1.LabelSelector; absent matches nothing, {} all
  static LabelSelector from_map(Value map);  // Service and ReplicationController selectors
  bool matches(Value labels) const;          // labels: metadata.labels, may be absent
  bool empty() const { return !nothing_ && requirements_.empty(); }  // matches everything
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string text() const;  // canonical query form

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

struct FieldSelector {
  struct Term {
    std::string field, value;
    bool equals = true;
  };
  std::vector<Term> terms;
  static Result<FieldSelector> parse(std::string_view text);
};

}  // namespace bramble
