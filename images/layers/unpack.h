// One layer's tar to a folder: ownership, modes, times, xattrs, devices, links, and whiteouts in overlayfs's form
// (OCI image-spec, layer.md). Blocking, needs root.
#pragma once

#include "images/layers/layer_dirs.h"

namespace bramble {

struct UnpackedLayer {
  std::string diff_id;  // "sha256:..." of the uncompressed tar
  int64_t bytes = 0;    // of regular files
};

// Errors name the entry: kInvalidArgument for a hostile or broken one, kNoSpace, kTooLarge, kIo.
Result<UnpackedLayer> unpack_layer(const ByteSource& source, const std::string& folder);

}  // namespace bramble
