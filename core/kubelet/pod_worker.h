// PodWorker: one pod's life on this node: set up, start and restart containers, end, clean up. It is told what the API says
// (update, gone) and what the shim says; it writes the pod's status. Loop thread; owned by Kubelet. Dropping it leaves the pod
// as it is; a new one finds it again by <run_dir>/pods/<uid>/{pod.json,records.json} and the shim.
// One coroutine decides, step by step, by the pure plan (pod_plan.h). What takes long has a task of its own beside it: the
// start of each container with its postStart hook, its preStop hook, its probes. A task that has come to its end wakes the pod.
// Waking: there is one alarm, set for the earliest time that was asked for. Whatever wakes the worker, a step looks at all
// there is, and each part that must be looked at again later (a retry, a token's renewal, a grace period) asks for it in
// every step, so that no earlier wake-up makes a later one be forgotten.
//   pod_worker.cc  the loop, state and adoption     pod_setup.cc  volumes, cgroup, namespaces, network
//   container_start.cc  image to running container  pod_end.cc    stopping and removing
//   image_step.cc  the image, from a registry where need be     pod_resizing.cc  resize in place
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/kubelet/container_record.h"
#include "core/kubelet/environment.h"
#include "core/kubelet/hooks.h"
#include "core/kubelet/node_parts.h"
#include "core/kubelet/payloads.h"
#include "core/kubelet/pod_plan.h"
#include "core/kubelet/pod_probes.h"
#include "core/kubelet/pod_resize.h"
#include "core/kubelet/pod_status.h"

namespace bramble {

class PodWorker {
 public:
  // retired is called (from the loop, outside the worker) when nothing of the pod is left on the node.
  PodWorker(NodeParts& parts, Document pod, std::function<void()> retired);
  ~PodWorker();
  // Once, when its owner knows it: what it does may come back through the API at once.
  void start();

  void update(Document pod);
  void gone();   // the API has no such pod any more
  void poke();   // something it may depend on has changed
  void images_changed() { image_retries_.clear(), poke(); }
  void network_changed() { next_setup_us_ = setup_retry_ms_ = next_end_us_ = 0, poke(); }
  void refuse(std::string reason, std::string message);
  // The node ends it, within so many seconds: its status says why. disruption: as a condition as well. tell: with an Event.
  void evict(std::string reason, std::string message, int64_t grace_s, bool disruption, bool tell = true);
  bool is_refused() const { return !facts_.failed_reason.empty(); }
  bool is_released() const { return released_; }  // nothing of it is left but its records and logs
  // A pod of a manifest on this node: the API only shows it, as a mirror pod.
  void is_of_manifest(bool yes) { of_manifest_ = yes; }
  bool is_of_manifest() const { return of_manifest_; }
  void mirror_changed() { poke(); }

  // What quarantine goes by: a pod that is gone may be tried although it was set aside when it was there.
  static Quarantine::About about(const Document& pod, bool gone);

  const Document& pod() const { return pod_; }
  // With the resources that it has been allocated (pod_resize.h).
  const Document& allocated() const { return allocated_; }
  // So that nobody is given what a container still has.
  Document held() const;
  // It asks for other resources than it has been allocated; its owner weighs that against the other pods, and says how it went.
  bool wants_resize() const;
  void allow_resize();
  void put_off_resize(const std::string& reason, const std::string& message);
  int64_t resize_pending_since_us() const { return facts_.resize_pending ? facts_.resize_pending->since_us : INT64_MAX; }
  const std::vector<ContainerRecord>& records() const { return facts_.records; }
  const std::string& uid() const { return uid_; }

 private:
  Task<void> life();
  Task<void> step();
  void carry_out_plan();
  Task<void> next_wake();
  void wake_in_ms(int64_t ms);  // at the latest
  void wake() { poke(); }
  // What failed and is tried again: not before its time, whoever wakes the pod.
  struct Retry {
    int64_t delay_ms = 0, until_us = 0;
  };
  void try_later(Retry& retry, int64_t first_ms, int64_t max_ms);
  bool put_off(const Retry& retry);  // asks to be woken then

  // Adoption and what the shim tells.
  Task<void> adopt();
  Task<void> meet_shim();
  Task<void> finish_half_made();
  Task<void> go_on_starting(std::string id);
  void go_on_with_hooks();
  bool network_lost() const;
  Task<void> watch_shim();
  Task<void> recover_from_lost_shim();
  void on_state(const ContainerState& state);
  Task<void> tell_end(ContainerState end, std::string reason);
  Task<void> settle_ended();
  Task<std::string> end_message(std::string id, int exit_code);
  ContainerRecord* find_record(std::string_view id);
  void save();
  struct LogFiles {
    std::string path, link;
  };
  LogFiles log_files(const ContainerRecord& record) const;
  std::vector<LogFiles> prune();

  // Set up.
  bool waits_for_objects();
  Task<Status> set_up();
  Task<Status> set_up_volumes_of_pod();
  Task<Status> write_volumes(std::map<std::string, Payload> payloads, bool all);
  int64_t memory_for_volumes() const;
  Task<Status> mount_exports(Document pod);
  Result<Document> with_claims() const;  // the pod, its claims resolved
  Task<EnvFiles> read_env_files(Document container);
  Task<bool> image_volumes_missing(Document container);
  Task<Result<std::map<std::string, Payload>>> make_payloads();
  Task<Status> fetch_tokens();
  Task<void> refresh_payloads();
  PodNetworkRequest network_request() const;
  void note_setup_failure(std::string reason, const Error& error);

  // Resize in place.
  void adopt_allocation(Value stored);
  void look_at_allocation();
  Task<void> actuate_resize();
  void note_actuated(const ResizeStep& step, Value target);
  void fail_resize(const std::string& why);

  // Containers.
  void begin_starts(const std::vector<PodPlan::Start>& starts);
  Task<void> start_beside(PodPlan::Start start);
  Task<void> go_on_with_post_start(std::string id, std::string name);
  Task<void> start_container(PodPlan::Start start);
  Task<Status> create_and_start(ContainerRecord record, Document container, ImageInfo image, Environment env);
  bool create_is_put_off(const std::string& name, const std::string& missing);
  void fail_create(const std::string& name, std::string reason, const Error& error, const std::string& id, const std::string& missing);
  Task<bool> ensure_image(Document container, std::string name);
  // A pull while it runs.
  struct Pull {
    std::optional<Result<PullOutcome>> end;
    Event over;  // set by a step of the pod, when it has ended or nobody waits for it any more
    TaskGroup task;
  };
  Task<std::optional<Result<PullOutcome>>> pull_image(PullRequest request, std::string container);
  void look_at_pulls();
  std::vector<RegistryCredential> pull_credentials(const std::string& image_name);
  void fail_container(const std::string& name, std::string reason, const Error& error);
  // A postStart hook while it runs.
  struct PostStart {
    std::optional<Status> end;
    Event over;  // set by a step of the pod, when the hook has ended or nobody waits for it any more
    TaskGroup hook;
  };
  Task<void> run_post_start(std::string id, std::string name);
  void look_at_post_starts();
  HookPlace hook_place(const ContainerRecord& record) const;
  Task<Status> write_pod_files();
  Result<std::string> runtime_handler() const;
  Result<std::string> kernel_name() const;  // of its uts namespace, HOSTNAME and /etc/hostname
  Task<Status> discard_files(std::string id, std::string message_path);
  DownwardContext downward() const;

  // End.
  bool ending() const { return gone_ || PodView(pod_).is_deleting(); }
  // Nothing of it is to run any more, or not as it stands.
  bool over_with() const { return ending() || PodView(pod_).is_terminal() || is_refused() || network_lost_; }
  // How far a container's end has come: preStop, its turn, the stop signal, SIGKILL.
  struct Stopping {
    std::unique_ptr<TaskGroup> hook;  // preStop, while it runs
    std::string why;                  // the message of the event Killing
    bool in_order = false;            // with its pod: sidecars wait for those they serve
    bool no_hook = false;             // no preStop
    bool begun = false, hook_over = false;
    int64_t deadline_us = 0, signalled_us = 0, next_us = 0, retry_us = 0, retry_ms = 0;
  };
  void stop_container(const ContainerRecord& record, int64_t grace_ms, std::string why, bool in_order);
  void stop_all(int64_t grace_ms);
  void reset_all();
  int64_t pod_grace_ms() const;
  int64_t grace_ms_of(const PodPlan::End& end) const;
  bool has_turn(const ContainerRecord& record) const;
  Task<void> go_on_stopping();
  Task<void> go_on_stopping_one(std::string id);
  bool any_lives() const;
  Task<void> run_pre_stop(std::string id, Document hook);
  Task<void> end_pod();
  Task<void> release();
  Task<bool> delete_from_api();
  void try_end_again(int64_t first_ms, int64_t max_ms);
  bool end_is_put_off();

  // Status.
  void publish();
  Task<void> write_statuses();
  Task<Status> write_status(Document shown, Document status);
  Task<Status> show_in_mirror();
  Task<bool> remove_mirror();
  void look_at_deadline();
  Task<void> flush_status();
  void event(std::string type, std::string reason, std::string message, std::string container = {});
  std::string_view container_list(std::string_view name) const;  // of the spec: "initContainers" ...

  NodeParts& parts_;
  Document pod_, allocation_, allocated_;  // as the API has it; what it has been allocated; itself with that
  Document actuated_pod_resources_;        // of its spec.resources
  std::set<std::string, std::less<>> restart_to_resize_;  // ids of containers
  Retry resize_retry_;
  std::string uid_, qos_;
  std::function<void()> retired_;
  PodStatusFacts facts_;
  RestartBackoff backoff_;
  bool sharing_ = false;  // its shared PID namespace is being looked at
  Event shared_;
  std::set<std::string> telling_;    // ids of containers that ended and whose last words are being read
  std::map<std::string, Retry> unsettled_;  // by id: those that hold something yet, and what no record names
  Retry recovery_;
  std::map<std::string, PostStart> post_starts_;  // by container id
  std::map<std::string, Pull> pulls_;             // by container
  PodProbes probes_;
  bool gone_ = false, of_manifest_ = false, launching_ = false, network_loss_told_ = false, released_ = false, finished_ = false, volumes_ready_ = false, shim_watched_ = false, shim_lost_ = false, synced_ = false, network_lost_ = false;
  size_t payload_hash_ = 0;
  std::optional<int64_t> end_grace_ms_;  // what the node leaves it, at most
  int64_t unknown_since_us_ = 0;  // what the pod names is not known yet
  int64_t setup_retry_ms_ = 0, next_setup_us_ = 0, payload_retry_ms_ = 0, end_retry_ms_ = 0, next_end_us_ = 0;
  std::map<std::string, Stopping> stopping_;  // by container id

  struct Token {
    std::string text;
    int64_t refresh_us = 0, expires_us = 0;  // wall time, as the token's own
  };
  std::map<std::pair<std::string, int64_t>, Token> tokens_;
  struct ImageRetry : Retry {
    std::string why;  // the pull before it failed
  };
  std::map<std::string, ImageRetry> image_retries_;  // by container and image
  // Of containers that could not be made, by name. What comes to be needed later (a ConfigMap) is seen at once; its own text of
  // what is missing and its id stay the same, so that nothing changes while it waits.
  struct CreateRetry : Retry {
    std::string id, missing;
  };
  std::map<std::string, CreateRetry> create_retries_;

  bool pending_ = false;
  int64_t armed_us_ = 0;  // when the alarm fires; 0: it is not set
  std::unique_ptr<Alarm> alarm_;
  Event woke_, status_wanted_, status_flushed_;
  bool status_dirty_ = false, status_busy_ = false;
  TaskGroup tasks_, shim_tasks_, end_tasks_, start_tasks_;
};

// What a container's status names as its imageID.
std::string image_id_of(const ImageInfo& image, std::string_view asked);

}  // namespace bramble
