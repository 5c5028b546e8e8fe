// UpstreamWatch: follows the files that name servers are read from (resolv.conf(5)), by events. A network that comes late or
// changes rewrites them, renames others over them, or lets a link lead elsewhere; a file or its folder may not be there yet.
// Owner's loop thread. Nothing survives a restart.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/loop/file_watch.h"
#include "core/loop/loop.h"

namespace bramble {

class UpstreamWatch {
 public:
  // changed: one of the files may read differently; once for what happens at once. Not called from the constructor.
  UpstreamWatch(std::vector<std::string> files, std::function<void()> changed);
  UpstreamWatch(const UpstreamWatch&) = delete;

 private:
  void look();
  void follow(std::string path, std::map<std::string, std::set<std::string>>* names) const;

  std::vector<std::string> files_;
  std::function<void()> changed_;
  Timer timer_;
  std::map<std::string, std::unique_ptr<FileWatch>> watches_;  // by folder
};

}  // namespace bramble
