// ImageFolder: <data-dir>/agent/images, as k3s has it: archives that lie there, or come, are imported and pinned; a .txt file lists
// names of images to pull, one a line. By content: an archive is read again only when it has changed or an image of it is
// missing (<store>/folder.json remembers its size, its time and its SHA-256). What goes from the folder stays on the node.
// Owner's loop thread; reading goes to offload(). Errors are log lines: the node goes on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/loop/file_watch.h"
#include "core/loop/loop.h"
#include "core/quarantine/quarantine.h"
#include "images/local_store.h"
#include "images/pull/image_source.h"

namespace bramble {

class ImageFolder {
 public:
  // images outlives it and every import that it began, source and quarantine (may be null) the ImageFolder. changed: after images
  // came.
  ImageFolder(std::string folder, LocalImageStore& images, ImageSource& source, std::function<void()> changed, Quarantine* quarantine);
  ~ImageFolder();
  ImageFolder(const ImageFolder&) = delete;

 private:
  struct File {
    int64_t bytes = 0, time_ns = 0;
    std::string sha256;
    std::vector<std::string> images;  // ids
  };
  using Known = std::map<std::string, File>;  // by name
  Task<void> follow();
  Task<void> take_all();
  struct Entry {
    std::string name;
    int64_t bytes = 0, time_ns = 0;
    std::string mark() const { return cat(bytes, " ", time_ns); }
  };
  static std::vector<Entry> entries_of(const std::string& folder);
  static Known read_known(const std::string& state);
  Task<void> import_file(Entry entry);
  Task<void> pull_list(std::string name);
  void watch();
  Task<void> save();

  std::string folder_, state_;
  LocalImageStore& images_;
  ImageSource& source_;
  std::function<void()> changed_;
  Quarantine* quarantine_;
  Known known_;
  std::map<std::string, std::string> failed_;  // by name: the size and time of what could not be taken, so that it is not tried again
  bool wanted_ = true;
  Event look_;
  Timer settle_;
  std::unique_ptr<FileWatch> watch_;
  TaskGroup tasks_;
};

}  // namespace bramble
