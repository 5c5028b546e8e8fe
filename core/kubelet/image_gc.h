// ImageGarbage: takes images off this node that no container has: when its file system is full, the longest unused first, until
// there is room again (upstream's images.ImageGCManager; imageGCHighThresholdPercent, imageGCLowThresholdPercent,
// imageMinimumGCAge, imageMaximumGCAge). Pinned images stay. Looks every five minutes, and after each pull. Loop thread; what it
// knows of last uses does not survive a restart: then each image counts as used now.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/kubelet/image_gc_plan.h"
#include "core/kubelet/node_parts.h"
#include "core/loop/task.h"

namespace bramble {

class ImageGarbage {
 public:
  // in_use: ids of images that containers have. parts outlive it.
  ImageGarbage(NodeParts& parts, ImageGcPolicy policy, std::function<std::set<std::string>()> in_use);
  ~ImageGarbage();
  void look_soon();  // something came that takes room
  Task<void> remove_unused();  // all that no container has, but the youngest, whatever room there is

 private:
  Task<void> look(bool everything);
  void tell(std::string reason, std::string message);
  NodeParts& parts_;
  ImageGcPolicy policy_;
  std::function<std::set<std::string>()> in_use_;
  struct Seen {
    int64_t first_us = 0, used_us = 0;
  };
  std::map<std::string, Seen> seen_;
  bool looking_ = false, failed_before_ = false;
  std::unique_ptr<Alarm> alarm_;
  TaskGroup tasks_;
};

}  // namespace bramble
