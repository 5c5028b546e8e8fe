// PodRuntime: containers of this node, through one shim per pod and an OCI runtime (runc). Knows container ids and
// directories, no Kubernetes object. Loop thread; what blocks runs in offload() or in the shim.
//   <run_dir>/pods/<uid>/shim.sock, ns/{ipc,uts,net,pid}, shm
//   <run_dir>/pods/<uid>/containers/<id>/{config.json,pid,exit,...}
//   <run_dir>/runc/                 the runtime's own state
//   <data_dir>/bin/shim-<hash>      the shim, unpacked
// All of it under /run dies with the machine, as the containers do. After a crash of ours the shims go on and are found again.
// No call waits for ever: the shim ends a command of the runtime that takes too long, and a call ends (kTimeout) when the
// shim does not answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/runtime/cgroups.h"
#include "core/runtime/oci_spec.h"
#include "core/runtime/runtime_features.h"
#include "core/runtime/shim_client.h"

namespace bramble {

struct ContainerStreams {
  bool tty = false, stdin_on = false, stdin_once = false;
};

class PodRuntime {
 public:
  struct Options {
    std::string run_dir = "/run/bramble";
    std::string data_dir;           // for the shim's executable
    std::string runtime = "runc";   // a path, or a name in PATH
    int64_t command_ms = limits::kRuntimeCommandMs;  // then a command of the runtime is killed
    uint64_t open_files = 0;        // the soft limit of shims, which runtimes pass on (not all do); 0: this process's
  };
  // kNotFound: no such runtime, naming --runtime. Unpacks the shim.
  static Result<std::unique_ptr<PodRuntime>> open(Options options, const Cgroups& cgroups);

  std::string pod_dir(const std::string& uid) const { return cat(options_.run_dir, "/pods/", uid); }
  std::string container_dir(const std::string& uid, const std::string& id) const { return cat(pod_dir(uid), "/containers/", id); }
  std::vector<std::string> pod_uids() const;  // that have a directory
  std::vector<std::string> container_ids(const std::string& uid) const;
  const std::string& runtime_path() const { return runtime_path_; }
  // The runtime of a handler of a RuntimeClass: "" for the node's own. kNotFound with upstream's words.
  Result<std::string> runtime_of_handler(const std::string& handler) const;
  Task<RuntimeFeatures> features();  // asked once
  const std::optional<RuntimeFeatures>& known_features() const { return features_; }

  // Makes the pod's directory, its ipc and uts namespaces and /dev/shm, and starts its shim unless one answers.
  // runtime: the pod's, by find_runtime(); "": the node's.
  Task<Status> ensure_pod(std::string uid, std::string hostname, std::string runtime = {});
  // Makes the PID namespace that the containers of the pod share, <pod_dir>/ns/pid, and its first process, unless that lives.
  Task<Status> share_processes(std::string uid);
  // Whether the pod has a shim. Unsure: nobody could be asked just now (descriptors, the socket's backlog), which says nothing.
  enum class Shim { kThere, kNone, kUnsure };
  Shim find_shim(const std::string& uid) const;
  // Ends the shim (kFailed while it has containers), unmounts and removes the directory.
  Task<Status> remove_pod(std::string uid);

  // The container's first process id. Errors of the runtime are kInternal with its text.
  Task<Result<int>> create(std::string uid, std::string id, Document config, std::string log_path, ContainerStreams streams);
  Task<Status> start(std::string uid, std::string id);
  Task<Status> kill(std::string uid, std::string id, int signal);
  Task<Status> remove(std::string uid, std::string id);  // kills what still runs; what is not there is removed
  // What has become of a container, once what an earlier caller asked for has come to its end. An error: the shim has no such
  // container, cannot tell (an older one), or does not answer.
  Task<Result<ContainerState>> settled(std::string uid, std::string id);
  Task<Result<std::unique_ptr<ExecSession>>> exec(std::string uid, std::string id, OciProcess process, bool stdin_on);
  Task<Result<std::unique_ptr<ExecSession>>> attach(std::string uid, std::string id, bool stdin_on);

  // Calls state for each container and each change, synced once after the first ones; ends when the shim is gone.
  Task<Status> watch(std::string uid, std::function<void(ContainerState)> state, std::function<void()> synced);
  // What the files of a pod without a shim tell: exited ones have their code, the others are given as exited with 137.
  std::vector<ContainerState> read_states(const std::string& uid) const;

 private:
  PodRuntime(Options options, const Cgroups& cgroups) : options_(std::move(options)), cgroups_(cgroups) {}
  // For the shim to end its command and tell of it; an older shim does not end them.
  int64_t call_ms() const { return options_.command_ms + options_.command_ms / 10; }
  struct Chosen {
    std::string path, root;
  };
  Chosen runtime_of_pod(const std::string& uid) const;
  std::string socket_path(const std::string& uid) const { return cat(pod_dir(uid), "/shim.sock"); }
  Error shim_unsure(const std::string& uid) const { return Error(Code::kUnavailable, cat("shim of pod ", uid, ": cannot be reached just now")); }
  Task<Result<std::string>> call(std::string uid, uint8_t type, std::string body);
  Task<Result<std::unique_ptr<ExecSession>>> open_session(std::string uid, uint8_t type, std::string body);

  Options options_;
  const Cgroups& cgroups_;
  std::string runtime_path_, shim_path_;
  uint64_t exec_count_ = 0;
  std::optional<RuntimeFeatures> features_;
};

// Whether this process may lower its own oom_score_adj (CAP_SYS_RESOURCE); without it negative scores are refused.
bool may_lower_oom_score();
// The runtime's executable: a path as it is, a name looked up in PATH. kNotFound tells to install runc or give --runtime.
Result<std::string> find_runtime(const std::string& name);

}  // namespace bramble
