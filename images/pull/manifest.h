// Manifests and indexes as registries hand them out: OCI Image Specification 1.1, Docker image manifest version 2, schema 2.
// Pure. Whatever does not fit is refused by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace bramble {

struct Platform {
  std::string architecture, os, variant;  // in Go's words
  bool told = false;                      // an index may leave it out
};

struct Descriptor {
  std::string media_type, digest;
  int64_t size = 0;
  Platform platform;  // of an index's entry
};

struct Manifest {
  bool is_index = false;
  std::vector<Descriptor> manifests;  // of an index
  Descriptor config;                  // of an image
  std::vector<Descriptor> layers;     // bottom first
};

// What a manifest may be, for an Accept header.
std::vector<std::string> manifest_media_types();

// content_type: of the answer, for manifests that do not say themselves what they are. kInvalidArgument, kTooLarge (too many
// layers or entries), kUnsupportedMedia for schema 1 and for things that are no container images.
Result<Manifest> parse_manifest(std::string_view body, std::string_view content_type);

// This node's: architecture, and of ARM what the compiler was told ("v6", "v7", "v8").
Platform node_platform();
// The entry of an index that runs on `own`, the best first: the same variant, then older ones (arm v8, v7, v6, v5), then what
// the processor runs besides (32-bit of a 64-bit one), as containerd orders them. kNotFound names what there is.
Result<Descriptor> choose_platform(const Manifest& index, const Platform& own);

// What a pull needs of an image's config: its layers' digests, bottom first.
Result<std::vector<std::string>> diff_ids_of(const Document& config);

}  // namespace bramble
