#include "core/resources/conditions.h"

namespace bramble {
namespace {

bool apply(Mut conditions, const Condition& c, std::string_view now, bool update_time) {
  Mut at = find_condition(conditions, c.type);
  const bool fresh = !at.exists();
  if (fresh) {
    at = conditions.append_object();
    at.set("type", c.type);
  }
  const bool flipped = fresh || at["status"].str() != c.status;
  if (!flipped && at["reason"].str() == c.reason && at["message"].str() == c.message) return false;
  at.set("status", c.status);
  if (update_time) at.set("lastUpdateTime", now);
  if (flipped || !at.has("lastTransitionTime")) at.set("lastTransitionTime", now);
  if (c.reason.empty())
    at.remove("reason");
  else
    at.set("reason", c.reason);
  if (c.message.empty())
    at.remove("message");
  else
    at.set("message", c.message);
  return true;
}

}  // namespace

Value find_condition(Value conditions, std::string_view type) {
  for (Value c : conditions.items())
    if (c["type"].str() == type) return c;
  return {};
}

Mut find_condition(Mut conditions, std::string_view type) {
  for (Mut c : conditions.items())
    if (c["type"].str() == type) return c;
  return {};
}

std::string_view condition_status(Value object, std::string_view type) {
  return find_condition(object["status"]["conditions"], type)["status"].str();
}
bool condition_is_true(Value object, std::string_view type) { return condition_status(object, type) == "True"; }

bool set_condition(Mut conditions, const Condition& c, std::string_view now) {
  return apply(conditions, c, now, false);
}
bool set_condition_with_update_time(Mut conditions, const Condition& c, std::string_view now) {
  return apply(conditions, c, now, true);
}

bool set_observed_condition(Mut conditions, const Condition& c, int64_t observed_generation, std::string_view now) {
  Mut at = find_condition(conditions, c.type);
  const bool flipped = at["status"].str() != c.status;
  const bool same = !flipped && at["reason"].str() == c.reason && at["message"].str() == c.message &&
                    at["observedGeneration"].integer() == observed_generation;
  if (at && same) return false;
  const std::string since = at && !flipped ? at["lastTransitionTime"].text(now) : std::string(now);
  if (!at) at = conditions.append_object();
  at.clear();
  at.set("type", c.type);
  at.set("status", c.status);
  if (observed_generation != 0) at.set("observedGeneration", observed_generation);
  at.set("lastTransitionTime", since);
  at.set("reason", c.reason);
  at.set("message", c.message);
  return true;
}

bool remove_condition(Mut conditions, std::string_view type) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    if (conditions.item(i)["type"].str() != type) continue;
    conditions.remove_item(i);
    return true;
  }
  return false;
}

}  // namespace bramble
