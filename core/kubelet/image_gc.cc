#include "core/kubelet/image_gc.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/loop/loop.h"

namespace bramble {

ImageGcPlan plan_image_gc(std::vector<ImageUse> images, const DiskUse& disk, const ImageGcPolicy& policy, int64_t now_us) {
  ImageGcPlan plan;
  std::erase_if(images, [](const ImageUse& i) { return i.pinned || i.used; });
  std::sort(images.begin(), images.end(), [](const ImageUse& a, const ImageUse& b) {
    if (a.last_used_us != b.last_used_us) return a.last_used_us < b.last_used_us;
    return a.first_seen_us != b.first_seen_us ? a.first_seen_us < b.first_seen_us : a.id < b.id;
  });
  int64_t freed = 0;
  for (const ImageUse& i : images) {
    if (policy.max_age_us <= 0 || now_us - std::max(i.last_used_us, i.first_seen_us) <= policy.max_age_us) continue;
    plan.remove.push_back(i.id);
    freed += i.size_bytes;
  }
  if (disk.capacity_bytes <= 0) return plan;
  int64_t available = std::min(disk.available_bytes, disk.capacity_bytes);
  int64_t used_percent = 100 - available * 100 / disk.capacity_bytes;
  if (used_percent < policy.high_percent) return plan;
  plan.wanted_bytes = disk.capacity_bytes * (100 - policy.low_percent) / 100 - available;
  plan.found_bytes = freed;
  for (const ImageUse& i : images) {
    if (plan.found_bytes >= plan.wanted_bytes) break;
    if (now_us - i.first_seen_us < policy.min_age_us) continue;
    if (std::find(plan.remove.begin(), plan.remove.end(), i.id) != plan.remove.end()) continue;
    plan.remove.push_back(i.id);
    plan.found_bytes += i.size_bytes;
  }
  return plan;
}

ImageGarbage::ImageGarbage(NodeParts& parts, ImageGcPolicy policy, std::function<std::set<std::string>()> in_use)
    : parts_(parts), policy_(policy), in_use_(std::move(in_use)) {
  alarm_ = parts_.options.alarms([this] {
    alarm_->set_in_ms(limits::kImageGcPeriodMs);
    if (!looking_) tasks_.start(look(false));
  });
  alarm_->set_in_ms(limits::kImageGcPeriodMs);
}

ImageGarbage::~ImageGarbage() = default;

void ImageGarbage::look_soon() { alarm_->set_in_ms(0); }

void ImageGarbage::tell(std::string reason, std::string message) {
  log_warning("images: ", message);
  Builder about;
  about.root().set("apiVersion", "v1");
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", parts_.options.node_name);
  about.root().object("metadata").set("uid", parts_.options.node_name);
  EventNote note;
  note.about = about.finish();
  note.type = "Warning";
  note.reason = std::move(reason);
  note.message = std::move(message);
  parts_.recorder.record(note);
}

Task<void> ImageGarbage::remove_unused() {
  if (looking_) co_return;
  Task<void> all = look(true);
  co_await all;
}

Task<void> ImageGarbage::look(bool everything) {
  struct Looking {
    explicit Looking(bool* flag) : on(flag) { *on = true; }
    ~Looking() { *on = false; }
    Looking(const Looking&) = delete;
    bool* on;
  } looking(&looking_);
  struct Found {
    std::vector<ImageInfo> images;
    Result<DiskUse> disk = DiskUse{};
  };
  ImageStore* store = &parts_.images;
  std::string folder = parts_.options.data_dir;
  std::function<Found()> ask = [store, folder] {
    Found f;
    f.images = store->list();
    struct statvfs fs {};
    if (statvfs(folder.c_str(), &fs) != 0) f.disk = Error::from_errno(errno, folder);
    else f.disk = DiskUse{static_cast<int64_t>(fs.f_blocks) * static_cast<int64_t>(fs.f_frsize), static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize)};
    return f;
  };
  Task<Found> asking = offload(std::move(ask));
  Found found = co_await asking;
  int64_t now = parts_.clock.monotonic_us();
  std::set<std::string> used = in_use_();
  std::vector<ImageUse> uses;
  std::map<std::string, Seen> seen;
  for (const ImageInfo& i : found.images) {
    auto known = seen_.find(i.id);
    Seen s = known != seen_.end() ? known->second : Seen{now, 0};
    if (used.contains(i.id)) s.used_us = now;
    seen[i.id] = s;
    uses.push_back({i.id, i.size_bytes, s.first_us, s.used_us, i.pinned, used.contains(i.id)});
  }
  seen_ = std::move(seen);
  if (!found.disk.ok()) co_return tell("ImageGCFailed", cat("failed to get image stats: ", found.disk.error().message()));
  ImageGcPolicy policy = policy_;
  if (everything) policy.high_percent = policy.low_percent = 0;
  ImageGcPlan plan = plan_image_gc(std::move(uses), *found.disk, policy, now);
  // Layers of pulls that failed go after a day, and at once when room is wanted.
  bool all = plan.wanted_bytes > 0;
  std::function<Status()> tidy = [store, all] { return store->drop_leftovers(all); };
  Task<Status> tidying = offload(std::move(tidy), OffloadLane::kLong);
  Status tidied = co_await tidying;
  if (!tidied.ok()) log_warning("images: ", tidied.error().message());
  size_t gone = 0;
  for (const std::string& id : plan.remove) {
    // A pod may have come meanwhile.
    if (in_use_().contains(id)) continue;
    std::function<Status()> remove = [store, id] { return store->remove(id); };
    Task<Status> removing = offload(std::move(remove), OffloadLane::kLong);
    Status removed = co_await removing;
    if (removed.ok()) gone++;
    else if (removed.error().code() != Code::kNotFound) log_warning("images: ", removed.error().message());
  }
  if (gone > 0) log_info("images: ", gone, " that no container has were removed");
  if (everything) co_return;
  if (plan.wanted_bytes > plan.found_bytes) {
    std::string text = cat("Failed to garbage collect required amount of images. Attempted to free ", plan.wanted_bytes, " bytes, but only found ", plan.found_bytes, " bytes eligible to free.");
    tell("FreeDiskSpaceFailed", text);
    if (failed_before_) tell("ImageGCFailed", text);
    failed_before_ = true;
  } else {
    failed_before_ = false;
  }
}

}  // namespace bramble
