// PullStore: what a pull needs of the images on this node's disk. Its owner is the store (images/local_store.h). Blocking calls
// from any thread, but where it is said.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "images/image_store.h"
#include "images/layers/layer_dirs.h"

namespace bramble {

// A layer that is unpacked and belongs to no image. Dropping the last pointer removes it from the disk, unless it was taken in.
class StagedLayer {
 public:
  virtual ~StagedLayer() = default;
  virtual const std::string& diff_id() const = 0;
};

struct PulledImage {
  std::string name;             // normalized, by tag or by digest
  std::string manifest_digest;  // of what the name stands for: the index, where there is one
  std::string id;               // digest of the config
  Document config;
  std::vector<std::string> diff_ids;  // bottom first
};

class PullStore {
 public:
  virtual ~PullStore() = default;
  virtual std::optional<ImageInfo> find_image(std::string_view name_or_id) = 0;  // does not block
  virtual bool has_layer(const std::string& diff_id) = 0;
  // These layers, where they are there, stay while the pointer lives. Does not block.
  virtual std::shared_ptr<void> hold_layers(std::vector<std::string> diff_ids) = 0;
  // Reads a tar (plain, gzip, zstd by content) until source says that it has ended. kCorrupt when it is not that layer.
  virtual Result<std::shared_ptr<StagedLayer>> unpack_layer(const ByteSource& source, const std::string& diff_id) = 0;
  // The image, its layers staged or there already, and the index, on disk. The name leaves any other image.
  virtual Result<ImageInfo> enter(const PulledImage& image, std::vector<std::shared_ptr<StagedLayer>> staged) = 0;
  // After a pull that failed: keeps of the image's layers those that need no other to be known, for limits::kLeftLayerUs.
  virtual Status keep_layers(const std::vector<std::string>& diff_ids, std::vector<std::shared_ptr<StagedLayer>> staged) = 0;
};

}  // namespace bramble
