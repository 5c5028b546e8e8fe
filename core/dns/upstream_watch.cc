#include "core/dns/upstream_watch.h"

#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/strings.h"

namespace bramble {

constexpr int kLinksMax = 8;  // as deep as anybody lays them

UpstreamWatch::UpstreamWatch(std::vector<std::string> files, std::function<void()> changed)
    : files_(std::move(files)), changed_(std::move(changed)), timer_([this] {
        look();
        changed_();
      }) {
  look();
}

// The folder of each part of the way to a file's content, and the name there that leads on.
void UpstreamWatch::follow(std::string path, std::map<std::string, std::set<std::string>>* names) const {
  for (int links = 0; links < kLinksMax && path.front() == '/'; links++) {
    std::string folder = path, name;
    do {  // the nearest folder that is there: the next part of the way will be made in it
      size_t slash = folder.rfind('/');
      name = folder.substr(slash + 1);
      folder.resize(slash);
    } while (!folder.empty() && access(folder.c_str(), F_OK) != 0);
    if (folder.empty()) folder = "/";
    (*names)[folder].insert(name);
    char target[4096];
    ssize_t n = readlink(path.c_str(), target, sizeof target);
    if (n <= 0) return;
    std::string_view to(target, static_cast<size_t>(n));
    path = to.front() == '/' ? std::string(to) : cat(path.substr(0, path.rfind('/') + 1), to);
  }
}

// Watches are made before anybody reads, so that no change falls between.
void UpstreamWatch::look() {
  std::map<std::string, std::set<std::string>> names;
  for (const std::string& file : files_) follow(file, &names);
  watches_.clear();
  for (const auto& [folder, wanted] : names) {
    auto watch = FileWatch::start(folder, [this, of_folder = wanted](const std::string& name) {
      if ((name.empty() || of_folder.contains(name)) && !timer_.armed()) timer_.arm_ms(limits::kUpstreamSettleMs);
    });
    if (watch.ok()) watches_[folder] = std::move(*watch);
    else log_warning("dns: ", watch.error().message(), "; changes there go unnoticed");
  }
}

}  // namespace bramble
