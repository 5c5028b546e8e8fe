#include "core/resources/spec_warnings.h"

#include "core/resources/names.h"
#include "core/schema/quantity.h"

namespace bramble {

void name_warning(Value o, std::string_view used_in, std::vector<std::string>& out) {
  if (!is_new(o) || o["metadata"]["name"].str().empty()) return;
  const auto faults = check_dns1123_label(o["metadata"]["name"].str());
  if (!faults.empty())
    out.push_back(cat("metadata.name: this is used in ", used_in,
                      ", which can result in surprising behavior; a DNS label is recommended: [", join(faults, " "), "]"));
}

void fraction_warning(Value amounts, std::string_view resource, const Path& at, std::vector<std::string>& out) {
  const std::string_view amount = amounts[resource].str();
  const auto q = Quantity::parse(amount);
  if (amounts.has(resource) && q.ok() && !q->is_integer())
    out.push_back(cat(at.key(resource).text(), ": fractional byte value ", go_quote(amount), " is invalid, must be an integer"));
}

void claim_spec_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  for (const char* list : {"requests", "limits"}) fraction_warning(spec["resources"][list], "storage", at.at("resources").at(list), out);
}

}  // namespace bramble
