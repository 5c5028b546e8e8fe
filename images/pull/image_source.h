// ImageSource: brings images from registries to this node. The kubelet and the local commands ask it; ImagePuller is the one
// that there is (images/pull/image_puller.h). Owner's loop thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/task.h"
#include "images/image_store.h"
#include "images/pull/registries.h"

namespace bramble {

struct PullProgress {
  std::atomic<int64_t> done{0}, total{0};  // bytes of layers that must come
};

struct PullRequest {
  std::string image;                             // as a user writes it
  std::vector<RegistryCredential> credentials;   // tried in turn; none: those of registries.yaml, or anonymous
  std::shared_ptr<PullProgress> progress;        // may be null
};

struct PullOutcome {
  ImageInfo image;
  int64_t pull_us = 0;  // without the wait for its turn
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // Asks the registry and brings what is not here yet. Dropping the task ends the pull. The error's message is a chain like
  // containerd's: `failed to pull and unpack image "REF": failed to resolve reference "REF": ...`.
  virtual Task<Result<PullOutcome>> pull(PullRequest request) = 0;
};

}  // namespace bramble
