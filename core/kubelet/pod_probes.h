// PodProbes: the probes of one pod's containers. Each has its own time, on the pod's loop; how many of the node are carried out
// at once is limited. What they say is kept by container id and lost with the process: after a restart what the API remembers
// of a container that runs still holds until its next probe. (Kubernetes: "Liveness, Readiness, and Startup Probes"; KEP 4781.)
// Loop thread; owned by PodWorker. It calls back only from the loop's turns of its own, never within follow().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/kubelet/node_parts.h"
#include "core/kubelet/pod_plan.h"
#include "core/kubelet/probe_check.h"
#include "core/kubelet/probe_state.h"

namespace bramble {

class PodProbes {
 public:
  using Tell = std::function<void(std::string reason, std::string message, const ContainerRecord& record)>;
  // changed: a result that counts is another. tell: a Warning event about a container. parts outlives it.
  PodProbes(NodeParts& parts, std::function<void()> changed, Tell tell) : parts_(parts), changed_(std::move(changed)), tell_(std::move(tell)) {}

  // What runs now: probes of what has ended go, those of new containers begin; containers that are being started are not probed
  // yet. ending: liveness and startup count no more.
  void follow(const Document& pod, const std::vector<ContainerRecord>& records, const std::set<std::string, std::less<>>& starting, const std::vector<std::string>& pod_ips, bool ending);
  // Of each container that runs and has a probe, by id.
  std::map<std::string, ContainerHealth, std::less<>> health(const Document& pod, const std::vector<ContainerRecord>& records) const;

 private:
  struct Probe {
    ProbeKind kind = ProbeKind::kReadiness;
    ContainerRecord record;
    ProbePlace place;
    ProbedContainer of;
    Document spec;
    ProbeState state;
    bool container_started = false;  // its startup probe has succeeded, or it has none
    int64_t first_us = 0;            // monotonic: not before
    std::unique_ptr<Alarm> alarm;
    Event woke;
    TaskGroup task;
  };
  using Key = std::pair<std::string, ProbeKind>;  // by container id

  void begin(const Document& pod, const ContainerRecord& record, ProbeKind kind, const std::string& pod_ip);
  Task<void> run(Probe* probe);
  Task<void> probe_once(Probe* probe);
  const Probe* find(const std::string& id, ProbeKind kind) const;
  bool started(Value pod, const ContainerRecord& record) const;

  NodeParts& parts_;
  std::function<void()> changed_;
  Tell tell_;
  std::map<Key, std::unique_ptr<Probe>> probes_;
};

}  // namespace bramble
