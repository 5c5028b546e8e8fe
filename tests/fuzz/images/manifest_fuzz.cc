// Manifests, indexes and configs as a registry may send them: refused or whole, never more than the limits.
#include <stddef.h>
#include <stdint.h>

#include "core/base/limits.h"
#include "images/pull/manifest.h"
#include "images/pull/reference.h"

using namespace bramble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* type : {"", "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}) {
    auto manifest = parse_manifest(text, type);
    if (!manifest.ok()) continue;
    CHECK(manifest->layers.size() <= limits::kLayersPerImageMax && manifest->manifests.size() <= limits::kIndexEntriesMax, "limits");
    for (const Descriptor& d : manifest->layers) CHECK(valid_digest(d.digest) && d.size >= 0, d.digest);
    if (!manifest->is_index) {
      CHECK(valid_digest(manifest->config.digest), manifest->config.digest);
      continue;
    }
    for (const char* arch : {"amd64", "arm", "arm64"}) {
      auto chosen = choose_platform(*manifest, {arch, "linux", "v7", true});
      if (chosen.ok()) CHECK(valid_digest(chosen->digest), chosen->digest);
    }
  }
  auto config = Document::parse(text);
  if (config.ok()) {
    auto ids = diff_ids_of(*config);
    if (ids.ok()) CHECK(ids->size() <= limits::kLayersPerImageMax, ids->size());
  }
  auto reference = parse_reference(text);
  if (reference.ok()) {
    auto again = parse_reference(reference->text());
    CHECK(again.ok() && again->text() == reference->text(), reference->text());
  }
  return 0;
}
