#include "core/runtime/runtime_features.h"

#include "core/json/value.h"

namespace bramble {

RuntimeFeatures parse_runtime_features(std::string_view json) {
  RuntimeFeatures out;
  auto d = Document::parse(json);
  if (!d.ok()) return out;
  for (Value option : (*d)["mountOptions"].items()) out.recursive_read_only = out.recursive_read_only || option.str() == "rro";
  out.seccomp = (*d)["linux"]["seccomp"]["enabled"].boolean();
  return out;
}

}  // namespace bramble
