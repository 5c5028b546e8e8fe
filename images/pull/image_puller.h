// ImagePuller: the ImageSource that asks registries. Pulls run on a thread of its own, which starts with the first and ends a
// while after the last, so that neither TLS nor manifests nor a registry's tricks take the owner's loop. registries.yaml is read
// again when it has changed. Owner's loop thread. Nothing of it survives a restart but the layers that are on disk.
#pragma once

#include <memory>
#include <string>

#include "core/loop/loop.h"
#include "images/pull/image_source.h"
#include "images/pull/pull_engine.h"

namespace bramble {

class ImagePuller final : public ImageSource {
 public:
  struct Options {
    std::string registries_path;  // "": none
    size_t parallel_max = 1;      // pulls at once; the kubelet's serializeImagePulls is 1
    std::function<void()> pulled;  // after each that brought its image; may be empty
    PullEngine::Options engine;
  };
  // The store outlives it and what was offloaded.
  ImagePuller(Options options, PullStore& store);
  ~ImagePuller() override;
  // kUnavailable after stop().
  Task<Result<PullOutcome>> pull(PullRequest request) override;
  // Ends the pulls that run, and the thread. Their tasks do not resume.
  void stop();

 private:
  class Worker;  // the thread
  void rest();   // soon, when there is nothing to do
  struct Call;
  struct Place;
  Options options_;
  PullStore& store_;
  std::unique_ptr<Worker> worker_;
  size_t running_ = 0, waiting_ = 0;
  std::shared_ptr<size_t> ending_ = std::make_shared<size_t>(0);  // pulls whose remains the thread is still removing
  uint64_t last_id_ = 0;
  bool stopped_ = false;
  Event turns_;
  Timer idle_;
};

// Where the certificate authorities of a machine are, by its distribution.
std::vector<std::string> root_certificate_files();

}  // namespace bramble
