// Which images go when the disk is full, or when nobody wanted them for long (upstream's images.ImageGCManager). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/limits.h"

namespace bramble {

struct ImageGcPolicy {
  int high_percent = limits::kImageGcHighPercent, low_percent = limits::kImageGcLowPercent;
  int64_t min_age_us = limits::kImageMinAgeUs;
  int64_t max_age_us = 0;  // unused for so long: goes without need; 0: never
};

struct ImageUse {
  std::string id;
  int64_t size_bytes = 0, first_seen_us = 0, last_used_us = 0;
  bool pinned = false, used = false;
};

struct DiskUse {
  int64_t capacity_bytes = 0, available_bytes = 0;
};

struct ImageGcPlan {
  std::vector<std::string> remove;          // ids, in order
  int64_t wanted_bytes = 0, found_bytes = 0;  // wanted: 0 while the disk has room
};

// What goes now. Pure.
ImageGcPlan plan_image_gc(std::vector<ImageUse> images, const DiskUse& disk, const ImageGcPolicy& policy, int64_t now_us);

}  // namespace bramble
