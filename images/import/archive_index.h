// ArchiveIndex: what an image archive holds, learnt in one pass without writing anything: which images, their names, configs
// and layers, and in which entry of the archive each layer stands. Docker image specification 1.2 (manifest.json) and OCI
// image-layout 1.0/1.1 (index.json). Everything that has a digest is checked against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "images/layers/layer_dirs.h"

namespace bramble {

struct ArchiveLayer {
  std::string diff_id;      // of the uncompressed tar, from the config
  std::string blob_digest;  // of the stored bytes, "" when the format has none (Docker)
};

struct ArchiveImage {
  std::vector<std::string> names;   // normalized, may be empty
  std::string manifest_digest;      // OCI only
  std::string config_digest;        // the image's id
  Document config;
  std::vector<ArchiveLayer> layers;  // bottom first
  bool pinned = true;                // brought by hand: never garbage
};

struct ArchiveIndex {
  std::vector<ArchiveImage> images;
  std::map<std::string, ArchiveLayer> layer_entries;  // entry name in the archive -> layer
};

// architecture: the node's, in Go's words ("amd64", "arm64", "arm"); picks from multi-platform indexes. Reads `source` to its
// end. Errors name the entry.
Result<ArchiveIndex> index_archive(const ByteSource& source, std::string_view architecture);

}  // namespace bramble
