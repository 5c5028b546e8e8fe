#include <algorithm>
#include <cmath>

#include "core/controllers/deployment.h"

namespace bramble {

using namespace deployment_annotations;

namespace {

// An IntOrString against a total: "25%" or 3. Something unreadable counts as 0.
int64_t scaled(Value int_or_percent, int64_t total, bool round_up) {
  if (int_or_percent.is_integer()) return int_or_percent.integer();
  std::string_view text = int_or_percent.str();
  if (!text.ends_with('%')) return 0;
  int64_t percent = parse_int64(text.substr(0, text.size() - 1)).value_or(0);
  int64_t product = percent * total;
  return round_up ? (product + 99) / 100 : product / 100;
}

bool is_rolling(Value deployment) { return deployment["spec"]["strategy"]["type"].str("RollingUpdate") == "RollingUpdate"; }

int64_t total_size(const DeploymentSets& sets) {
  int64_t n = 0;
  for (const SetState& s : sets.all) n += s.size;
  return n;
}

void resize(SetState& s, int64_t size) {
  s.refresh_annotations = true;
  s.size = size;
}

std::vector<SetState*> old_sets(DeploymentSets& sets) {
  std::vector<SetState*> out;
  for (SetState& s : sets.all) {
    if (!sets.is_new(s)) out.push_back(&s);
  }
  return out;
}

// Old pods that are not available go first: they serve nobody.
int64_t drop_unhealthy(const std::vector<SetState*>& old, int64_t at_most) {
  int64_t dropped = 0;
  for (SetState* s : old) {
    if (dropped >= at_most) break;
    if (s->size == 0 || s->size == s->available()) continue;
    int64_t n = std::min(at_most - dropped, s->size - s->available());
    if (n <= 0) continue;
    resize(*s, s->size - n);
    dropped += n;
  }
  return dropped;
}

int64_t drop_available(Value deployment, DeploymentSets& sets, const std::vector<SetState*>& old) {
  int64_t min_available = wanted_replicas(deployment) - fence_posts(deployment).unavailable;
  int64_t available = 0;
  // A set that was made smaller may not have said yet that it has fewer: what it is to lose counts as lost.
  for (const SetState& s : sets.all) available += std::min(s.size, s.available());
  int64_t may_go = available - min_available;
  int64_t dropped = 0;
  for (SetState* s : old) {
    if (dropped >= may_go) break;
    if (s->size == 0) continue;
    int64_t n = std::min(s->size, may_go - dropped);
    resize(*s, s->size - n);
    dropped += n;
  }
  return dropped;
}

bool resize_new(Value deployment, DeploymentSets& sets) {
  SetState* newest = sets.new_set();
  if (!newest) return false;
  int64_t wanted = wanted_replicas(deployment);
  int64_t size = newest->size > wanted ? wanted : new_set_size(deployment, sets);
  if (size == newest->size) return false;
  resize(*newest, size);
  return true;
}

bool resize_old(Value deployment, DeploymentSets& sets) {
  SetState* newest = sets.new_set();
  std::vector<SetState*> old = old_sets(sets);
  int64_t old_total = 0;
  for (SetState* s : old) old_total += s->size;
  if (old_total == 0) return false;
  int64_t min_available = wanted_replicas(deployment) - fence_posts(deployment).unavailable;
  int64_t new_unavailable = newest ? newest->size - newest->available() : 0;
  int64_t may_go = total_size(sets) - min_available - new_unavailable;
  if (may_go <= 0) return false;
  int64_t dropped = drop_unhealthy(old, may_go);
  dropped += drop_available(deployment, sets, old);
  return dropped > 0;
}

// The only set with pods, or, when none has any, the newest.
SetState* active_or_latest(DeploymentSets& sets) {
  SetState* active = nullptr;
  for (SetState& s : sets.all) {
    if (s.size == 0) continue;
    if (active) return nullptr;
    active = &s;
  }
  if (active) return active;
  if (SetState* newest = sets.new_set()) return newest;
  return sets.all.empty() ? nullptr : &sets.all.back();
}

bool is_saturated(Value deployment, const SetState* newest) {
  int64_t wanted = wanted_replicas(deployment);
  return newest && parse_int64(newest->annotation(kDesired)).value_or(-1) == wanted && newest->size == wanted &&
         newest->available() == wanted;
}

int64_t proportion(Value deployment, const SetState& s, int64_t to_add, int64_t added) {
  if (s.size == 0 || to_add == 0 || to_add == added) return 0;
  int64_t wanted = wanted_replicas(deployment);
  int64_t fraction = -s.size;
  if (wanted != 0) {
    int64_t max_before = parse_int64(s.annotation(kMax)).value_or(0);
    if (max_before == 0) max_before = deployment["status"]["replicas"].integer();
    double grown = max_before == 0 ? static_cast<double>(s.size)
                                   : static_cast<double>(s.size * (wanted + fence_posts(deployment).surge)) /
                                         static_cast<double>(max_before);
    fraction = static_cast<int64_t>(std::round(grown)) - s.size;
  }
  int64_t allowed = to_add - added;
  return to_add > 0 ? std::min(fraction, allowed) : std::max(fraction, allowed);
}

// Larger sets first; of equal ones the newer when growing, the older when shrinking.
std::vector<SetState*> by_size(DeploymentSets& sets, bool newer_first) {
  std::vector<SetState*> out;
  for (SetState& s : sets.all) {
    if (s.size > 0) out.push_back(&s);
  }
  if (newer_first) std::reverse(out.begin(), out.end());
  std::stable_sort(out.begin(), out.end(), [](const SetState* a, const SetState* b) { return a->size > b->size; });
  return out;
}

void share_out(Value deployment, DeploymentSets& sets) {
  int64_t wanted = wanted_replicas(deployment);
  int64_t allowed = wanted > 0 ? wanted + fence_posts(deployment).surge : 0;
  int64_t to_add = allowed - total_size(sets);
  std::vector<SetState*> active = by_size(sets, to_add > 0);
  int64_t added = 0;
  std::vector<int64_t> sizes;
  for (SetState* s : active) {
    int64_t n = proportion(deployment, *s, to_add, added);
    sizes.push_back(s->size + n);
    added += n;
  }
  if (!active.empty() && to_add != 0) sizes[0] = std::max<int64_t>(0, sizes[0] + to_add - added);
  for (size_t i = 0; i < active.size(); i++) resize(*active[i], sizes[i]);
}

}  // namespace

int64_t wanted_replicas(Value deployment) { return deployment["spec"]["replicas"].integer(1); }

Fence fence_posts(Value deployment) {
  int64_t wanted = wanted_replicas(deployment);
  if (!is_rolling(deployment)) return {};
  Value rolling = deployment["spec"]["strategy"]["rollingUpdate"];
  Fence f;
  f.surge = scaled(rolling["maxSurge"], wanted, true);
  f.unavailable = scaled(rolling["maxUnavailable"], wanted, false);
  if (f.surge == 0 && f.unavailable == 0) f.unavailable = 1;  // else nothing could ever move
  f.unavailable = std::min(f.unavailable, wanted);
  return f;
}

int64_t new_set_size(Value deployment, const DeploymentSets& sets) {
  int64_t wanted = wanted_replicas(deployment);
  if (!is_rolling(deployment)) return wanted;
  int64_t now = sets.new_set() ? sets.new_set()->size : 0;
  int64_t room = wanted + fence_posts(deployment).surge - total_size(sets);
  if (room <= 0) return now;
  return now + std::min(room, wanted - now);
}

bool step_rolling(Value deployment, DeploymentSets& sets) {
  return resize_new(deployment, sets) || resize_old(deployment, sets);
}

bool scale_down_old(DeploymentSets& sets) {
  bool changed = false;
  for (SetState* s : old_sets(sets)) {
    if (s->size == 0) continue;
    resize(*s, 0);
    changed = true;
  }
  return changed;
}

bool is_scaling_event(Value deployment, const DeploymentSets& sets) {
  for (const SetState& s : sets.all) {
    std::optional<int64_t> desired = parse_int64(s.annotation(kDesired));
    if (s.size > 0 && desired && *desired != wanted_replicas(deployment)) return true;
  }
  return false;
}

void scale_proportionally(Value deployment, DeploymentSets& sets) {
  if (SetState* only = active_or_latest(sets)) {
    if (only->size != wanted_replicas(deployment)) resize(*only, wanted_replicas(deployment));
    else if (only->size > 0) only->refresh_annotations = true;
    return;
  }
  if (is_saturated(deployment, sets.new_set())) {
    scale_down_old(sets);
    return;
  }
  if (is_rolling(deployment)) share_out(deployment, sets);
}

std::vector<Write> resize_writes(const Document& deployment, const DeploymentSets& sets) {
  std::vector<Write> writes;
  std::string desired = cat(wanted_replicas(deployment.root()));
  std::string most = cat(wanted_replicas(deployment.root()) + fence_posts(deployment.root()).surge);
  for (const SetState& s : sets.all) {
    if (!s.refresh_annotations) continue;
    int64_t before = s.size_before();
    if (s.size == before && s.annotation(kDesired) == desired && s.annotation(kMax) == most) continue;
    Builder next(s.doc.root());
    next.root()["spec"].set("replicas", s.size);
    Mut annotations = next.root().object("metadata").object("annotations");
    annotations.set(kDesired, desired);
    annotations.set(kMax, most);
    Write w;
    w.verb = Write::Verb::kUpdate;
    w.resource = resource_ids::kReplicaSets;
    w.key = {std::string(namespace_of(s.doc)), std::string(s.name())};
    w.body = next.finish();
    if (s.size != before) {
      const char* direction = s.size > before ? "up" : "down";
      w.on_success = EventNote{deployment, "Normal", "ScalingReplicaSet",
                               cat("Scaled ", direction, " replica set ", s.name(), " from ", before, " to ", s.size), {}, {}};
    }
    writes.push_back(std::move(w));
  }
  return writes;
}

}  // namespace bramble
