#include "core/resources/taints.h"

#include "core/base/strings.h"

namespace bramble {

bool tolerates(Value toleration, Value taint) {
  const std::string_view effect = toleration["effect"].str(), key = toleration["key"].str();
  if (!effect.empty() && effect != taint["effect"].str()) return false;
  if (!key.empty() && key != taint["key"].str()) return false;
  const std::string_view op = toleration["operator"].str("Equal");
  if (op == "Exists") return true;
  if (op == "Equal" || op.empty()) return toleration["value"].str() == taint["value"].str();
  if (op == "Lt" || op == "Gt") {
    const auto want = parse_int64(toleration["value"].str()), have = parse_int64(taint["value"].str());
    if (!want || !have) return false;
    return op == "Lt" ? *have < *want : *have > *want;
  }
  return false;
}

Value find_toleration(Value tolerations, Value taint) {
  for (Value t : tolerations.items())
    if (tolerates(t, taint)) return t;
  return {};
}

Value first_untolerated(Value taints, Value tolerations, bool no_schedule, bool no_execute) {
  for (Value taint : taints.items()) {
    const std::string_view effect = taint["effect"].str();
    if (!(no_schedule && effect == "NoSchedule") && !(no_execute && effect == "NoExecute")) continue;
    if (!find_toleration(tolerations, taint)) return taint;
  }
  return {};
}

int count_untolerated_preferences(Value taints, Value tolerations) {
  int n = 0;
  for (Value taint : taints.items()) {
    if (taint["effect"].str() != "PreferNoSchedule") continue;
    bool tolerated = false;
    for (Value t : tolerations.items()) {
      const std::string_view effect = t["effect"].str();
      if (!effect.empty() && effect != "PreferNoSchedule") continue;
      tolerated = tolerated || tolerates(t, taint);
    }
    if (!tolerated) ++n;
  }
  return n;
}

bool has_taint(Value taints, std::string_view key, std::string_view effect) {
  for (Value t : taints.items())
    if (t["key"].str() == key && (effect.empty() || t["effect"].str() == effect)) return true;
  return false;
}

}  // namespace bramble
