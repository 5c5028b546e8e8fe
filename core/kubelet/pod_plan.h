// What a pod's containers need next: a pure function of the pod, the containers made so far, and the time. One step; the
// worker carries it out and asks again. (Kubernetes: "Pod Lifecycle", "Init Containers", "Sidecar Containers".)
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/kubelet/container_record.h"

namespace bramble {

// Crash-loop back-off of the containers of one pod: 10 s, doubled at each restart, at most 5 min, forgotten after 10 min
// without one. Pure values; all times are monotonic, so that nobody who sets the clock sets the back-off.
class RestartBackoff {
 public:
  // How long to wait yet before a container that ended at ended_us may start again; 0: now.
  int64_t wait_us(std::string_view container, int64_t ended_us, int64_t now_us) const;
  int64_t delay_us(std::string_view container) const;
  void note_restart(std::string_view container, int64_t ended_us);
  void forget(std::string_view container);  // another definition begins anew

 private:
  struct Entry {
    int64_t delay_us = 0, updated_us = 0;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

// "10s", "1m20s", "5m0s": Go's time.Duration of whole seconds.
std::string go_duration(int64_t us);

struct PodPlan {
  struct Start {
    std::string container;
    ContainerRecord::Kind kind = ContainerRecord::Kind::kMain;
    int attempt = 0;
  };
  std::vector<Start> start;         // now, in order
  struct End {
    std::string container, id, message;  // of the event Killing
    enum Why { kDefinition, kLiveness, kStartup, kResize } why = kDefinition;
    bool again = true;                   // another takes its place however it ends
  };
  std::vector<End> end;              // run, but of another definition or not well
  std::vector<std::string> waiting;  // names of containers in crash-loop back-off
  std::optional<int64_t> again_us;  // when the first of them may start
  std::vector<std::string> stop;    // sidecars and others to be stopped because the pod's work is done
  bool initialized = false;         // all init containers have completed, sidecars have started
  bool finished = false;            // nothing runs and nothing will be started again
  bool reset = false;               // all containers end, and then begin anew, init containers first; nothing else is to be done
};

// What probes say of a container that runs.
struct ContainerHealth {
  bool started = true, ready = true, startup_failed = false, liveness_failed = false;
};

// What the records do not tell.
struct PodMoment {
  std::set<std::string, std::less<>> starting;  // names of containers whose start is under way
  std::set<std::string, std::less<>> ending;    // ids of containers that are being ended
  std::map<std::string, ContainerHealth, std::less<>> health;  // by id; absent: nobody probes it
  bool resetting = false;  // such an end was begun
  std::set<std::string, std::less<>> resizing{};  // ids of containers that can be resized by a restart only
};

// now_us is monotonic, as the records' ended_us.
PodPlan plan_pod(Value pod, const std::vector<ContainerRecord>& records, const RestartBackoff& backoff, int64_t now_us, const PodMoment& moment = {});

// Whether a container that ended so is started again, by its own policy and rules or else by the pod's (KEP 5307).
bool restarts_after(Value pod, Value container, int exit_code);
// Whether all containers of the pod begin anew when that one ends so; whether some container may ask for it (KEP 5532).
bool resets_after(Value container, int exit_code);
bool may_reset(Value pod);

}  // namespace bramble
