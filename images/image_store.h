// ImageStore: images on this node: content by digest, layers unpacked once, names. Knows digests and layers, nothing of
// Kubernetes. Files under one directory; the index is written by rename after fsync, so a crash leaves the state before or
// after, and half-written content is removed at open. Blocking calls: run them in offload(); internally locked.
// OCI Image Specification 1.1, Docker image specification 1.2.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct ImageConfig {
  std::vector<std::string> entrypoint, cmd, env;
  std::string working_dir, user, stop_signal;
  std::string architecture, os;
};

struct ImageInfo {
  std::string id;                         // "sha256:..." of the config
  std::vector<std::string> names;         // normalized: "docker.io/library/nginx:1.25"
  std::vector<std::string> digests;       // "docker.io/library/nginx@sha256:..."
  int64_t size_bytes = 0;
  int64_t added_us = 0;                   // when it came to this node
  bool pinned = false;
  ImageConfig config;
};

// "nginx" -> "docker.io/library/nginx:latest" (distribution reference grammar). kInvalidArgument: "couldn't parse image name".
Result<std::string> normalize_image_name(std::string_view name);

class ImageStore {
 public:
  static Result<std::unique_ptr<ImageStore>> open(std::string directory);
  virtual ~ImageStore() = default;
  virtual std::optional<ImageInfo> find(std::string_view name_or_id) = 0;
  virtual std::vector<ImageInfo> list() = 0;
  // A Docker or OCI archive, plain, gzip or zstd (by content). All or nothing: an error names the archive and the entry.
  virtual Result<std::vector<ImageInfo>> import_archive(std::string path, std::function<void(int64_t done_bytes, int64_t total_bytes)> progress) = 0;
  virtual Status remove(std::string_view name_or_id) = 0;  // kNotFound; a layer goes when no image has it
  // Mounts the image's layers (overlayfs) with a writable upper under `work_dir` at `target`. Lower layers stay shared.
  virtual Status mount_rootfs(const std::string& image_id, const std::string& work_dir, const std::string& target) = 0;
  virtual Status unmount_rootfs(const std::string& work_dir, const std::string& target) = 0;  // and removes work_dir
  // Removes what pulls that failed have left: what is a day old, or all of it.
  virtual Status drop_leftovers(bool all) = 0;
};

}  // namespace bramble
