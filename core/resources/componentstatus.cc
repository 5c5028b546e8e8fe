// ComponentStatus: the old health report.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

Value healthy(Value o) { return find_condition(o["conditions"], "Healthy"); }

}  // namespace

void componentstatus_rules(Kind& k) {
  k.deprecation = "v1 ComponentStatus is deprecated in v1.19+";
  k.columns = {
      name_column(),
      {"Status", kText, [](Value o) { return healthy(o)["status"].str() == "True" ? "Healthy" : "Unhealthy"; }},
      {"Message", kText, [](Value o) { return healthy(o)["message"].str(); }},
      {"Error", kText, [](Value o) { return healthy(o)["error"].str(); }},
  };
}

}  // namespace bramble
