// FileWatch: calls back when a file or a folder's entries change (inotify(7)). Belongs to the loop of its thread.
// Events are hints: look at the file system afterwards. A path that is removed and made again needs a new watch; watch
// the folder for that.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

namespace bramble {

class FileWatch {
 public:
  // name: the entry of the folder that changed, or "" for the path itself. Called on writing finished, creation,
  // removal, renaming and attribute changes. kNotFound when the path is not there.
  static Result<std::unique_ptr<FileWatch>> start(const std::string& path,
                                                  std::function<void(const std::string& name)> changed);
  FileWatch(const FileWatch&) = delete;

 private:
  FileWatch(UniqueFd fd, std::function<void(const std::string& name)> changed);
  void drain();

  UniqueFd fd_;
  std::function<void(const std::string& name)> changed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  FdWatch watch_;

 public:
  ~FileWatch() { *alive_ = false; }
};

}  // namespace bramble
