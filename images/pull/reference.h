// ImageReference: the parts of a normalized image name, for asking a registry (distribution reference grammar). Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

struct ImageReference {
  std::string host;        // "docker.io", "registry.local:5000"
  std::string repository;  // "library/nginx"
  std::string tag;         // may be empty when there is a digest
  std::string digest;      // "sha256:...", may be empty

  std::string name() const { return host + "/" + repository; }
  // What the registry is asked for: the digest counts more than the tag.
  const std::string& wanted() const { return digest.empty() ? tag : digest; }
  std::string text() const;
};

// Normalizes first (images/image_store.h). kInvalidArgument as there.
Result<ImageReference> parse_reference(std::string_view name);

// "sha256:" and 64 lower-case hexadecimal digits: the only algorithm that is taken.
bool valid_digest(std::string_view digest);

}  // namespace bramble
