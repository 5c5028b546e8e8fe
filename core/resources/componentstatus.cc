// ComponentStatus: the old health report.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

void componentstatus_cells(Value o, int64_t, Mut out) {
  std::string status = "Unhealthy", message, error;
  const Value healthy = find_condition(o["conditions"], "Healthy");
  if (healthy["status"].str() == "True") status = "Healthy";
  out.append(first_name(o));
  out.append(status);
  out.append(healthy["message"].str());
  out.append(healthy["error"].str());
}

}  // namespace

void componentstatus_rules(Kind& k) {
  k.deprecation = "v1 ComponentStatus is deprecated in v1.19+";
  k.columns = columns_of("Name:name, Status, Message, Error");
  k.cells = componentstatus_cells;
}

}  // namespace bramble
