// ConfigMap: text and bytes for pods, at most 1 MiB.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

constexpr size_t kBytesMax = 1024 * 1024;

void validate(Value o, FieldErrors& errors) {
  size_t bytes = 0;
  const Value data = o["data"], binary = o["binaryData"];
  for (auto [key, value] : data.members()) {
    const Path at = Path("data").key(key);
    add_invalid(at, key, check_config_key(key), errors);
    if (binary.has(key)) errors.invalid(at, key, "duplicate of key present in binaryData");
    bytes += value.str().size();
  }
  for (auto [key, value] : binary.members()) {
    add_invalid(Path("binaryData").key(key), key, check_config_key(key), errors);
    bytes += base64_bytes(value.str());
  }
  if (bytes > kBytesMax) errors.too_long(Path(), kBytesMax);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  if (old["immutable"].boolean()) {
    constexpr std::string_view kText = "field is immutable when `immutable` is set";
    if (!o["immutable"].boolean()) errors.forbidden(Path("immutable"), kText);
    for (const char* field : {"data", "binaryData"})
      if (!equal(o[field], old[field])) errors.forbidden(Path(field), kText);
  }
  validate(o, errors);
}

}  // namespace

void configmap_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate = validate;
  k.validate_update = validate_update;
  k.columns = {
      name_column(),
      {"Data", kText, [](Value o) { return count_of(o["data"]) + count_of(o["binaryData"]); }},
      age_column(),
  };
}

}  // namespace bramble
