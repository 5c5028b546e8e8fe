// Which objects a list or watch is about: label selector, field selector, and the name in the path. Pure.
#pragma once

#include <string>

#include "core/apiserver/query.h"
#include "core/resources/kind.h"
#include "core/resources/selector.h"

namespace bramble {

class Selection {
 public:
  // `name` is that of the path, or of the field selector where the path has none. kInvalidArgument with upstream's texts, also
  // when the field selector does not ask for that very name.
  static Result<Selection> of(const Kind& kind, std::string_view label_selector, std::string_view field_selector,
                              std::string_view name = {});
  bool matches(Value object) const;
  bool everything() const { return labels_.empty() && fields_.empty(); }

 private:
  struct FieldTerm {
    std::string (*value)(Value object);
    std::string wanted;
    bool equals;
  };
  LabelSelector labels_;
  std::vector<FieldTerm> fields_;
};

}  // namespace bramble
