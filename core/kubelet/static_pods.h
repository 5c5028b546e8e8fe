// Static pods: those of manifests in a folder of the node, which run whether or not there is a server. This reads the folder,
// again whenever something in it changes (inotify), and tells which pods there are; Kubelet runs them, and PodWorker shows each
// as a mirror pod in the API. Nothing is kept: the files are the truth. Loop thread; files are read in offload().
// (Kubernetes: "Create static Pods".)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/client/alarm.h"
#include "core/json/value.h"
#include "core/loop/file_watch.h"
#include "core/loop/task.h"

namespace bramble {

constexpr std::string_view kConfigHash = "kubernetes.io/config.hash", kConfigSource = "kubernetes.io/config.source", kConfigMirror = "kubernetes.io/config.mirror",
                           kConfigSeen = "kubernetes.io/config.seen";

// One manifest (YAML or JSON) as the pod that it makes on this node: defaults, name with the node's, a uid that is a hash of it
// all. kInvalidArgument and kInvalidObject say what is wrong with it.
Result<Document> static_pod(std::string_view text, const std::string& path, const std::string& node_name, int64_t seen_us);
// How the API shows it: without uid, with the annotation by which it is known, owned by the node.
Document mirror_of(const Document& static_pod, const Document& node);

class StaticPods {
 public:
  // changed: pods() is another.
  StaticPods(std::string folder, std::string node_name, const Clock& clock, const AlarmFactory& alarms, std::function<void()> changed);
  // Reads the folder once, and follows it from then on.
  Task<void> start();
  const std::map<std::string, Document>& pods() const { return pods_; }  // by uid

 private:
  Task<void> read();
  Task<void> read_again();

  std::string folder_, node_name_;
  const Clock& clock_;
  std::function<void()> changed_;
  std::map<std::string, Document> pods_;
  std::unique_ptr<FileWatch> watch_;
  std::unique_ptr<Alarm> alarm_;  // out of the watch's call
  bool dirty_ = false, reading_ = false;
  TaskGroup tasks_;
};

}  // namespace bramble
