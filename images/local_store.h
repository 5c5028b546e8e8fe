// LocalImageStore: the ImageStore on this node's disk.
//   <dir>/index.json   what images there are (written by rename after everything they need is on disk)
//   <dir>/layers/<digest>/   unpacked layers
//   <dir>/lock         held while a process has the store open
// A layer goes when no image has it and no overlay of the mount table lies on it: containers of an image that was removed,
// or whose entry in the index was lost, keep their files. So the store and the containers it serves share a mount namespace.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "images/image_store.h"
#include "images/import/archive_index.h"
#include "images/layers/layer_dirs.h"

namespace bramble {

class LocalImageStore final : public ImageStore {
 public:
  LocalImageStore(std::string directory, int lock_fd, LayerDirs layers);
  ~LocalImageStore() override;
  Status load();

  std::optional<ImageInfo> find(std::string_view name_or_id) override;
  std::vector<ImageInfo> list() override;
  Result<std::vector<ImageInfo>> import_archive(std::string path, std::function<void(int64_t, int64_t)> progress) override;
  Status remove(std::string_view name_or_id) override;
  Status mount_rootfs(const std::string& image_id, const std::string& work_dir, const std::string& target) override;
  Status unmount_rootfs(const std::string& work_dir, const std::string& target) override;

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
  // What the index knows of that layer, else what its folder has. With import_mutex_ held.
  Result<int64_t> layer_bytes_of(const std::string& diff_id) const;
  // With import_mutex_ held: puts the index on disk, then in the place of the old one.
  Status replace_records(Records next);
  Status mount_layers(const std::string& image_id, const std::vector<std::string>& diff_ids, const std::string& work_dir, const std::string& target) const;
  // With import_mutex_ held.
  Status drop_unused_layers();

  std::string directory_;
  int lock_fd_;
  LayerDirs layers_;
  std::mutex mutex_;         // over records_ and mounting_; taken last, and never held over a call that waits for the disk
  std::mutex import_mutex_;  // one import or removal at a time; only its holder replaces records_, and may read them so
  Records records_;
  std::multiset<std::string> mounting_;  // folders of layers that a mount under way needs; under mutex_
  std::atomic<bool> held_layers_ = false;  // some layers are there for their containers only
};

// The node's architecture in Go's words.
std::string_view node_architecture();

}  // namespace bramble
