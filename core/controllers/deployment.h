// The Deployment controller's pieces, shared by its files: the sets of one deployment with the sizes that they shall get, and
// the arithmetic and statuses over them. Pure values. Upstream: pkg/controller/deployment.
//   deployment.cc           spec, keys, reconcile: which of the steps below is next
//   deployment_sets.cc      which set is the new one, its making, revisions, annotations, history
//   deployment_rollback.cc  back to an older template
//   deployment_scale.cc     rolling update, recreate, proportional scaling
//   deployment_status.cc    counts and conditions
#pragma once

#include <vector>

#include "core/client/plan.h"
#include "core/json/builder.h"

namespace bramble {

// One ReplicaSet of the deployment, with what this step makes of it.
struct SetState {
  Document doc;
  int64_t size = 0;                  // spec.replicas as this step leaves it
  bool refresh_annotations = false;  // bring the annotations that tell of sizes up to date as well

  std::string_view name() const { return name_of(doc); }
  int64_t size_before() const { return doc["spec"]["replicas"].integer(1); }
  int64_t actual() const { return doc["status"]["replicas"].integer(); }
  int64_t ready() const { return doc["status"]["readyReplicas"].integer(); }
  int64_t available() const { return doc["status"]["availableReplicas"].integer(); }
  std::string_view annotation(std::string_view key) const { return doc["metadata"]["annotations"][key].str(); }
  int64_t revision() const;          // of its annotation; 0: none
};

struct DeploymentSets {
  std::vector<SetState> all;   // by creation time, then name
  int newest = -1;             // index of the set whose template is the deployment's; -1: not made yet
  SetState* new_set() { return newest < 0 ? nullptr : &all[static_cast<size_t>(newest)]; }
  const SetState* new_set() const { return newest < 0 ? nullptr : &all[static_cast<size_t>(newest)]; }
  bool is_new(const SetState& s) const { return newest >= 0 && &s == &all[static_cast<size_t>(newest)]; }
};

namespace deployment_annotations {
constexpr const char* kRevision = "deployment.kubernetes.io/revision";
constexpr const char* kRevisionHistory = "deployment.kubernetes.io/revision-history";
constexpr const char* kDesired = "deployment.kubernetes.io/desired-replicas";
constexpr const char* kMax = "deployment.kubernetes.io/max-replicas";
constexpr const char* kHashLabel = "pod-template-hash";
}  // namespace deployment_annotations

// deployment_sets.cc
DeploymentSets sort_sets(Value deployment, const std::vector<Document>& sets);
std::string pod_template_hash(Value pod_template, int64_t collision_count);
Document make_new_set(Value deployment, const DeploymentSets& sets, int64_t size, std::string_view hash);
bool same_template(Value a, Value b);  // but for the hash label
// The set as its deployment's annotations, minReadySeconds and revision want it; empty when it is so already.
Document refreshed_new_set(Value deployment, const DeploymentSets& sets);
std::vector<Write> history_cleanup(Value deployment, const DeploymentSets& sets);

bool is_copied_annotation(std::string_view key);  // of the deployment's: handed on to its sets

// deployment_rollback.cc
// The revision that the deployment shall go back to, 0: the last one; nothing if it shall not.
std::optional<int64_t> wanted_rollback(Value deployment);
// Does so, or says why not; either way it is asked for no more.
Plan plan_rollback(const Document& deployment, const DeploymentSets& sets);

// deployment_scale.cc
struct Fence {
  int64_t surge = 0, unavailable = 0;
};
Fence fence_posts(Value deployment);             // maxSurge rounded up, maxUnavailable down, never both 0; 0 for Recreate
int64_t wanted_replicas(Value deployment);
int64_t new_set_size(Value deployment, const DeploymentSets& sets);
// Each sets sizes; true when something changed.
bool step_rolling(Value deployment, DeploymentSets& sets);
bool scale_down_old(DeploymentSets& sets);
void scale_proportionally(Value deployment, DeploymentSets& sets);
bool is_scaling_event(Value deployment, const DeploymentSets& sets);
// The writes of resized sets, with their events.
std::vector<Write> resize_writes(const Document& deployment, const DeploymentSets& sets);

// deployment_status.cc
// status for the sets as they are; with_progress: also the Progressing condition of a roll-out under way.
Document next_status(const Document& deployment, const DeploymentSets& sets, bool with_progress, int64_t now_us);
bool deployment_complete(Value deployment, Value status);
bool has_progress_deadline(Value deployment);
// Sets a condition as upstream does: nothing when status and reason are the same; transition time kept when status is.
void set_deployment_condition(Mut status, std::string_view type, std::string_view cond_status, std::string_view reason,
                              std::string_view message, int64_t now_us);
std::optional<int64_t> progress_check_ms(Value deployment, Value status, int64_t now_us);

}  // namespace bramble
