// PullEngine: pulls on the loop of one thread: reference to manifest to layers, which come in parallel, each unpacked while it
// comes, and each but once for all pulls that want it. Blocking work of the store goes to offload(OffloadLane::kLayer).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "images/pull/byte_pipe.h"
#include "images/pull/image_source.h"
#include "images/pull/manifest.h"
#include "images/pull/pull_store.h"
#include "images/pull/reference.h"
#include "images/pull/registry_session.h"

namespace bramble {

class PullEngine {
 public:
  struct Options {
    PullSurroundings surroundings;
    bool use_default_endpoint = true;
    Platform platform = node_platform();
  };
  // The store outlives what was offloaded.
  PullEngine(Options options, PullStore& store) : options_(std::move(options)), store_(store) {}

  // registries: as they are read when the pull begins.
  Task<Result<ImageInfo>> pull(PullRequest request, std::shared_ptr<const Registries> registries);

 private:
  using Sessions = std::vector<std::shared_ptr<RegistrySession>>;

  // One layer on its way, and until it is part of an image; lives while a pull wants it.
  struct LayerFetch {
    std::string diff_id;
    Event done;
    std::optional<Result<std::shared_ptr<StagedLayer>>> result;
    std::vector<std::shared_ptr<PullProgress>> listeners;
    std::shared_ptr<BytePipe> pipe;
    TaskGroup tasks;
    ~LayerFetch() {
      if (pipe) pipe->fail(Error(Code::kCancelled, "the pull was given up"));
    }
  };
  // A turn among the layers that may come at once.
  struct Turn {
    explicit Turn(PullEngine* of) : engine(of) {}
    ~Turn() {
      if (taken) engine->layers_running_--, engine->turns_.pulse();
    }
    Turn(const Turn&) = delete;
    PullEngine* engine;
    bool taken = false;
  };
  struct Found {
    Sessions sessions;  // the one that knows the image first
    Manifest manifest;
    std::string digest;  // of what the name stands for
    std::optional<ImageInfo> known;  // the node has that very image by that name: nothing else is filled in
  };

  Task<Result<ImageInfo>> pull_as(ImageReference reference, RegistryCredential credential, std::shared_ptr<const Registries> registries,
                                  std::shared_ptr<PullProgress> progress, bool* came_far);
  Task<Result<Found>> find(ImageReference reference, RegistryCredential credential, std::shared_ptr<const Registries> registries);
  Task<Result<Found>> find_at(std::shared_ptr<RegistrySession> session, ImageReference reference);
  std::optional<ImageInfo> known_image(const ImageReference& reference, const std::string& digest) const;
  Task<Result<std::string>> small_blob(Sessions sessions, Descriptor what);
  Task<Status> bring_layers(Sessions sessions, std::vector<Descriptor> layers, std::vector<std::string> diff_ids, std::shared_ptr<PullProgress> progress,
                            std::vector<std::shared_ptr<LayerFetch>>* coming, std::vector<std::shared_ptr<StagedLayer>>* staged);
  std::shared_ptr<LayerFetch> fetch_of(const Sessions& sessions, const Descriptor& layer, const std::string& diff_id);
  Task<void> fetch_layer(LayerFetch* fetch, Sessions sessions, Descriptor layer);
  Task<Status> download(LayerFetch* fetch, Sessions sessions, size_t first, Descriptor layer, std::shared_ptr<BytePipe> pipe);

  Options options_;
  PullStore& store_;
  size_t layers_running_ = 0;
  Event turns_;
  std::map<std::string, std::weak_ptr<LayerFetch>> fetches_;  // by diff_id, blob and registry
};

}  // namespace bramble
