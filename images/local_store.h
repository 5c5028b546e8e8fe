// LocalImageStore: the ImageStore on this node's disk.
//   <dir>/index.json   what images there are (written by rename after everything they need is on disk)
//   <dir>/layers/<digest>/   unpacked layers
//   <dir>/configs/<digest>.json   configs of the images, whole, for exports
//   <dir>/lock         held while a process has the store open
// A layer goes when no image has it and no overlay of the mount table lies on it: containers of an image that was removed,
// or whose entry in the index was lost, keep their files. So the store and the containers it serves share a mount namespace.
// Layers of a pull that failed stay for a while without an image, so that the next try begins where it ended.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "images/image_store.h"
#include "images/import/archive_index.h"
#include "images/layers/layer_dirs.h"
#include "images/pull/pull_store.h"

namespace bramble {

class LocalImageStore final : public ImageStore, public PullStore {
 public:
  static Result<std::unique_ptr<LocalImageStore>> open(std::string directory);
  LocalImageStore(std::string directory, int lock_fd, LayerDirs layers);
  ~LocalImageStore() override;
  Status load();

  std::optional<ImageInfo> find(std::string_view name_or_id) override;
  std::vector<ImageInfo> list() override;
  Result<std::vector<ImageInfo>> import_archive(std::string path, std::function<void(int64_t, int64_t)> progress) override;
  Status remove(std::string_view name_or_id) override;
  Status mount_rootfs(const std::string& image_id, const std::string& work_dir, const std::string& target) override;
  Status unmount_rootfs(const std::string& work_dir, const std::string& target) override;

  bool has_layer(const std::string& diff_id) override;
  std::shared_ptr<void> hold_layers(std::vector<std::string> diff_ids) override;
  Result<std::shared_ptr<StagedLayer>> unpack_layer(const ByteSource& source, const std::string& diff_id) override;
  Result<ImageInfo> enter(const PulledImage& image, std::vector<std::shared_ptr<StagedLayer>> staged) override;
  Status keep_layers(const std::vector<std::string>& diff_ids, std::vector<std::shared_ptr<StagedLayer>> staged) override;
  std::optional<ImageInfo> find_image(std::string_view name_or_id) override { return find(name_or_id); }

  // An OCI archive of these images (image-layout 1.0.0) into a file that appears when it is whole. Layers are packed anew from what
  // they were unpacked to, so that their digests, and the image's, are not those of its registry. kNotFound names the image.
  Status export_archive(const std::vector<std::string>& names, const std::string& path, std::function<void(int64_t done_bytes, int64_t total_bytes)> progress);
  Status drop_leftovers(bool all) override;
  const std::string& directory() const { return directory_; }

 private:
  struct Record {
    ImageInfo info;
    std::vector<std::string> diff_ids;  // bottom first
    std::vector<int64_t> layer_bytes;   // of each of them; -1: not known, by an index of an older bramble
    int64_t imported_us = 0;
  };
  using Records = std::vector<Record>;
  static Record* find_record(Records& records, std::string_view name_or_id);
  static void adopt(Records& records, const ArchiveImage& image, std::vector<int64_t> layer_bytes);
  // What the index knows of that layer, else what its folder has. With change_mutex_ held.
  Result<int64_t> layer_bytes_of(const std::string& diff_id) const;
  // With change_mutex_ held: puts the index on disk, then in the place of the old one.
  Status replace_records(Records next);
  Status mount_layers(const std::string& image_id, const std::vector<std::string>& diff_ids, const std::string& work_dir, const std::string& target) const;
  // With change_mutex_ held. only (may be null): of these folders.
  Status drop_unused_layers(const std::set<std::string>* only = nullptr);
  Status write_config(const std::string& image_id, std::string_view json) const;
  std::string config_path(const std::string& image_id) const;

  std::string directory_;
  int lock_fd_;
  LayerDirs layers_;
  std::mutex mutex_;         // over records_ and mounting_; taken last, and never held over a call that waits for the disk
  std::mutex import_mutex_;  // one import at a time; taken before the others
  std::mutex change_mutex_;  // its holder replaces records_ and left_, and may read them so; keeps and removes layers
  Records records_;
  std::map<std::string, int64_t> left_;  // folders of layers that a pull left, and when (wall time, microseconds)
  std::multiset<std::string> mounting_;  // folders of layers that a mount, an import or a pull under way needs; under mutex_
  std::atomic<uint64_t> stage_number_ = 0;
  std::atomic<bool> held_layers_ = false;  // some layers are there for their containers only
};

// The node's architecture in Go's words.
std::string_view node_architecture();

}  // namespace bramble
