#include "core/controllers/pod_ranking.h"

#include <algorithm>
#include <map>

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

// What the order looks at, read once for each pod. Times: 0 is unknown.
struct Ranked {
  Document pod;
  bool assigned = false, ready = false;
  int phase = 0;
  int64_t deletion_cost = 0;
  int64_t neighbours = 0;  // related pods on the same node
  int64_t ready_us = 0, created_us = 0;
  int64_t restarts = 0, sidecar_restarts = 0;
  std::string_view uid;
};

int phase_rank(std::string_view phase) { return phase == "Pending" ? 0 : phase == "Running" ? 2 : 1; }

int64_t time_us(Value text) { return parse_rfc3339(text.str()).value_or(0); }

int64_t max_restarts(Value statuses) {
  int64_t most = 0;
  for (Value s : statuses.items()) most = std::max(most, s["restartCount"].integer());
  return most;
}

Ranked rank(const Document& pod, const std::map<std::string_view, int64_t>& pods_on_node) {
  PodView view(pod);
  Ranked r;
  r.pod = pod;
  r.assigned = view.is_assigned();
  r.ready = view.is_ready();
  r.phase = phase_rank(view.phase());
  r.deletion_cost = parse_int64(view.annotations()["controller.kubernetes.io/pod-deletion-cost"].str()).value_or(0);
  auto it = pods_on_node.find(view.node_name());
  r.neighbours = it == pods_on_node.end() ? 0 : it->second;
  if (r.ready) r.ready_us = time_us(view.condition("Ready")["lastTransitionTime"]);
  r.created_us = time_us(view.metadata()["creationTimestamp"]);
  r.restarts = max_restarts(view.status()["containerStatuses"]);
  r.sidecar_restarts = max_restarts(view.status()["initContainerStatuses"]);
  r.uid = view.uid();
  return r;
}

// Ages count in powers of two, so that of pods about equally old any may go.
int age_class(int64_t age_us) {
  int n = -1;
  for (uint64_t ns = age_us > 0 ? static_cast<uint64_t>(age_us) * 1000 : 0; ns != 0; ns >>= 1) n++;
  return n;
}

bool younger_first(int64_t a_us, int64_t b_us, std::string_view a_uid, std::string_view b_uid, int64_t now_us) {
  if (a_us == 0 || b_us == 0) return a_us == 0;
  int a = age_class(now_us - a_us), b = age_class(now_us - b_us);
  return a == b ? a_uid < b_uid : a < b;
}

bool deleted_before(const Ranked& a, const Ranked& b, int64_t now_us) {
  if (a.assigned != b.assigned) return !a.assigned;
  if (a.phase != b.phase) return a.phase < b.phase;
  if (a.ready != b.ready) return !a.ready;
  if (a.deletion_cost != b.deletion_cost) return a.deletion_cost < b.deletion_cost;
  if (a.neighbours != b.neighbours) return a.neighbours > b.neighbours;
  if (a.ready && a.ready_us != b.ready_us) return younger_first(a.ready_us, b.ready_us, a.uid, b.uid, now_us);
  if (a.restarts != b.restarts) return a.restarts > b.restarts;
  if (a.sidecar_restarts != b.sidecar_restarts) return a.sidecar_restarts > b.sidecar_restarts;
  if (a.created_us != b.created_us) return younger_first(a.created_us, b.created_us, a.uid, b.uid, now_us);
  return false;
}

}  // namespace

std::vector<Document> pods_to_delete(const std::vector<Document>& pods, const std::vector<Document>& related, size_t count,
                                     int64_t now_us) {
  if (count >= pods.size()) return pods;
  std::map<std::string_view, int64_t> pods_on_node;
  for (const Document& pod : related) pods_on_node[PodView(pod).node_name()]++;
  std::vector<Ranked> ranked;
  for (const Document& pod : pods) ranked.push_back(rank(pod, pods_on_node));
  std::stable_sort(ranked.begin(), ranked.end(),
                   [now_us](const Ranked& a, const Ranked& b) { return deleted_before(a, b, now_us); });
  std::vector<Document> out;
  for (size_t i = 0; i < count; i++) out.push_back(ranked[i].pod);
  return out;
}

}  // namespace bramble
