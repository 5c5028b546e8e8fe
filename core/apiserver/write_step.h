// WriteStep: a write on its way through admission, validation and the registry, noted in quarantine with a mark of its body:
// the same body that ended the server twice is refused, a mended one goes through. A value in the coroutine of the write.
#pragma once

#include "core/quarantine/quarantine.h"
#include "core/registry/registry.h"

namespace bramble {

class WriteStep {
 public:
  // verb: "create" "update" ...; name may be empty. All but registry and kind are used in the constructor only.
  WriteStep(Registry& registry, const Kind& kind, std::string_view verb, std::string_view subresource, std::string_view ns,
            std::string_view name, std::string_view body);
  bool allowed() const { return step_.allowed(); }
  Error refusal() const;  // 403 Forbidden

 private:
  const Kind& kind_;
  std::string name_;
  Quarantine::Step step_;
};

}  // namespace bramble
