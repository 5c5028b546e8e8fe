// Lease: who holds what until when.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/sameness.h"

namespace bramble {
namespace {

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_positive(spec["leaseDurationSeconds"], at.at("leaseDurationSeconds"), errors);
  validate_nonnegative(spec["leaseTransitions"], at.at("leaseTransitions"), errors);
  if (const Value strategy = spec["strategy"]; strategy.exists()) {
    // Upstream appends the field's name twice.
    const Path here = at.at("strategy").at("strategy");
    if (strategy.str().find('/') != std::string_view::npos)
      add_invalid(here, strategy.str(), check_qualified_name(strategy.str()), errors);
    else if (strategy.str() != "OldestEmulationVersion")
      errors.not_supported(here, strategy.str(), {"OldestEmulationVersion"});
  }
  if (!spec["preferredHolder"].str().empty() && spec["strategy"].str().empty())
    errors.forbidden(at.at("preferredHolder"), "may only be specified if `strategy` is defined");
}
void validate_update(Value o, Value, FieldErrors& errors) { validate(o, errors); }

// A renewal. A new holder is another matter.
bool is_renewal(Value before, Value after) {
  return before && same_meta(before, after) && same_except(before["spec"], after["spec"], {"renewTime"});
}

}  // namespace

void lease_rules(Kind& k) {
  k.validate = validate;
  k.validate_update = validate_update;
  k.may_be_volatile = is_renewal;
  k.columns = {
      name_column(),
      {"Holder", kText, [](Value o) { return o["spec"]["holderIdentity"].str(); }},
      age_column(),
  };
}

}  // namespace bramble
