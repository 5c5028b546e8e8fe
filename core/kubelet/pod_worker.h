// PodWorker: one pod's life on this node, as one coroutine: set up, start and restart containers, end, clean up. It is told what
// the API says (update, gone) and what the shim says; it writes the pod's status. Loop thread; owned by Kubelet. Dropping it
// leaves the pod as it is; a new one finds it again by <run_dir>/pods/<uid>/{pod.json,records.json} and the shim.
// Waking: there is one alarm, set for the earliest time that was asked for. Whatever wakes the worker, a step looks at all
// there is, and each part that must be looked at again later (a retry, a token's renewal, a grace period) asks for it in
// every step, so that no earlier wake-up makes a later one be forgotten.
//   pod_worker.cc  the loop, state and adoption     pod_setup.cc  volumes, cgroup, namespaces, network
//   container_start.cc  image to running container  pod_end.cc    stopping and removing
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
#include "core/kubelet/pod_actions.h"
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
  void refuse(std::string reason, std::string message) { facts_.failed_reason = std::move(reason), facts_.failed_message = std::move(message); }

  // What quarantine goes by: a pod that is gone may be tried although it was set aside when it was there.
  static Quarantine::About about(const Document& pod, bool gone);

  const Document& pod() const { return pod_; }
  const std::vector<ContainerRecord>& records() const { return facts_.records; }
  const std::string& uid() const { return uid_; }

 private:
  Task<void> life();
  Task<void> step();
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

  // Containers.
  Task<void> start_container(PodActions::Start start);
  Task<Status> create_and_start(ContainerRecord record, Document container, ImageInfo image, Environment env);
  bool create_is_put_off(const std::string& name, const std::string& missing);
  void fail_create(const std::string& name, std::string reason, const Error& error, const std::string& id, const std::string& missing);
  bool image_missing(Value container, const std::string& name);
  void fail_container(const std::string& name, std::string reason, const Error& error);
  Task<void> run_post_start(std::string id, std::string name);
  HookPlace hook_place(const ContainerRecord& record) const;
  Task<Status> write_pod_files();
  Result<std::string> runtime_handler() const;
  Result<std::string> kernel_name() const;  // of its uts namespace, HOSTNAME and /etc/hostname
  Task<Status> discard_files(std::string id, std::string message_path);
  DownwardContext downward() const;

  // End.
  bool ending() const { return gone_ || PodView(pod_).is_deleting(); }
  // How far a container's end has come: preStop, the stop signal, SIGKILL.
  struct Stopping {
    std::unique_ptr<TaskGroup> hook;  // preStop, while it runs
    bool begun = false, hook_over = false;
    int64_t signalled_us = 0, next_us = 0, first_retry_ms = 0, kill_retry_ms = 0;
  };
  Task<void> stop_containers(std::vector<std::string> names, int64_t grace_ms, std::string why);
  Task<void> go_on_stopping(std::string id, std::string why);
  Task<void> run_pre_stop(std::string id, Document hook);
  Task<void> end_pod();
  Task<void> release();
  Task<bool> delete_from_api();
  void try_end_again(int64_t first_ms, int64_t max_ms);
  bool end_is_put_off();

  // Status.
  void publish();
  Task<void> write_statuses();
  Task<void> flush_status();
  void event(std::string type, std::string reason, std::string message, std::string container = {}, bool init = false);

  NodeParts& parts_;
  Document pod_;
  std::string uid_, qos_;
  std::function<void()> retired_;
  PodStatusFacts facts_;
  RestartBackoff backoff_;
  std::set<std::string> telling_;    // ids of containers that ended and whose last words are being read
  std::map<std::string, Retry> unsettled_;  // by id: those that hold something yet, and what no record names
  Retry recovery_;
  bool gone_ = false, released_ = false, finished_ = false, volumes_ready_ = false, shim_watched_ = false, shim_lost_ = false, synced_ = false, network_lost_ = false;
  size_t payload_hash_ = 0;
  int64_t setup_retry_ms_ = 0, next_setup_us_ = 0, payload_retry_ms_ = 0, stop_deadline_us_ = 0, end_retry_ms_ = 0, next_end_us_ = 0;
  std::map<std::string, Stopping> stopping_;  // by container id

  struct Token {
    std::string text;
    int64_t refresh_us = 0, expires_us = 0;  // wall time, as the token's own
  };
  std::map<std::pair<std::string, int64_t>, Token> tokens_;
  std::map<std::string, Retry> image_retries_;
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
  TaskGroup tasks_, shim_tasks_, end_tasks_;
};

}  // namespace bramble
