// One layer's tar to a folder: ownership, modes, times, xattrs, devices, links, and whiteouts in overlayfs's form
// (OCI image-spec, layer.md). Blocking, needs root.
#pragma once

#include "images/layers/layer_dirs.h"

namespace bramble {

struct UnpackedLayer {
  std::string diff_id;  // "sha256:..." of the uncompressed tar
  int64_t bytes = 0;    // of regular files
  std::vector<std::string> implied;  // folders that no entry describes, made for what lies in them; the outer first
};

// Errors name the entry: kInvalidArgument for a hostile or broken one, kNoSpace, kTooLarge, kIo.
Result<UnpackedLayer> unpack_layer(const ByteSource& source, const std::string& folder);

// The path of an entry of the layer at `root`, with links above it followed, as containerd does (continuity fs.RootPath): an
// absolute one starts at the layer's root, none leads out of it. Links of other layers do not count: a layer is unpacked once, for
// every image that has it. Missing folders above it are made and noted in `made`; kNotFound where that is null.
Result<std::string> resolve_in_layer(const std::string& root, const std::string& path, std::set<std::string>* made);

}  // namespace bramble
