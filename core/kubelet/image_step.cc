// Before a container: its image, by its pull policy, from this node or from a registry (upstream's images.ImageManager).
#include "core/base/limits.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/pull_secrets.h"
#include "core/loop/loop.h"
#include "core/schema/go_time.h"
#include "images/pull/reference.h"

namespace bramble {

static std::string in_milliseconds(int64_t us) { return format_go_duration(us / 1000 * 1000000); }

// Those of the pod's pull secrets that fit the image; what is not there is told.
std::vector<RegistryCredential> PodWorker::pull_credentials(const std::string& image_name) {
  Keyring keyring;
  std::string missing;
  for (Value s : pod_["spec"]["imagePullSecrets"].items()) {
    std::string_view name = s["name"].str();
    if (name.empty()) continue;
    Document secret = parts_.client.snapshot().get(resource_ids::kSecrets, PodView(pod_).ns(), name);
    if (secret) keyring.add(secret.root());
    else missing += cat(missing.empty() ? "" : ", ", name);
  }
  if (!missing.empty())
    event("Warning", "FailedToRetrieveImagePullSecret", cat("Unable to retrieve some image pull secrets (", missing, "); attempting to pull the image may not succeed."));
  return keyring.find(image_name);
}

// The pull, until it is over or the pod is to end: then nothing.
Task<std::optional<Result<PullOutcome>>> PodWorker::pull_image(PullRequest request, std::string container) {
  std::optional<Result<PullOutcome>> out;
  if (!parts_.options.image_source) {
    out.emplace(Error(Code::kUnavailable, "this node asks no registry; import the image with: bramble images import <archive>"));
    co_return std::move(out);
  }
  if (over_with()) co_return std::move(out);
  auto run = [](ImageSource* source, PullRequest what, Pull* pull, PodWorker* worker) -> Task<void> {
    auto pulled = co_await source->pull(std::move(what));
    pull->end.emplace(std::move(pulled));
    worker->poke();
  };
  Pull& pull = pulls_[container];
  pull.task.start(run(parts_.options.image_source, std::move(request), &pull, this));
  co_await pull.over.wait();
  out = std::move(pull.end);
  pulls_.erase(container);
  co_return std::move(out);
}

// Pulls that have ended, and those that nobody waits for any more.
void PodWorker::look_at_pulls() {
  std::vector<std::string> over;
  for (const auto& [container, pull] : pulls_)
    if (pull.end || over_with() || shim_lost_) over.push_back(container);
  for (const auto& container : over)
    if (auto it = pulls_.find(container); it != pulls_.end()) it->second.over.set();
}

// True: the image is here and may be used. Else what the container waits for is noted.
Task<bool> PodWorker::ensure_image(Document container, std::string name) {
  const std::string image = container["image"].text(), turn = cat(name, " ", image);
  auto reference = parse_reference(image);
  if (!reference.ok()) {
    std::string text = cat("Failed to apply default image tag \"", image, "\": couldn't parse image name \"", image, "\": invalid reference format");
    event("Warning", "InspectFailed", text, name);
    facts_.waiting[name] = {"InvalidImageName", text};
    co_return false;
  }
  const std::string policy = container["imagePullPolicy"].text();
  if (parts_.images.find(image) && policy != "Always") {
    image_retries_.erase(turn);
    event("Normal", "Pulled", cat("Container image \"", image, "\" already present on machine and can be accessed by the pod"), name);
    co_return true;
  }
  if (policy == "Never") {
    std::string text = cat("Container image \"", image, "\" is not present with pull policy of Never");
    event("Warning", "ErrImageNeverPull", text, name);
    facts_.waiting[name] = {"ErrImageNeverPull", text};
    wake_in_ms(limits::kImageRetryFirstMs);
    co_return false;
  }
  if (ImageRetry& retry = image_retries_[turn]; put_off(retry)) {
    std::string text = cat("Back-off pulling image \"", image, "\"");
    WaitingReason waiting{"ImagePullBackOff", cat(text, ": ErrImagePull: ", retry.why)};
    if (facts_.waiting[name] != waiting) {
      event("Normal", "BackOff", text, name);
      event("Warning", "Failed", "Error: ImagePullBackOff", name);
    }
    facts_.waiting[name] = waiting;
    co_return false;
  }
  event("Normal", "Pulling", cat("Pulling image \"", image, "\""), name);
  PullRequest request;
  request.image = image;
  request.credentials = pull_credentials(reference->name());
  int64_t begun_us = parts_.clock.monotonic_us();
  auto pulled = co_await pull_image(std::move(request), name);
  if (!pulled) co_return false;  // the pod is to end
  if (pulled->ok()) {
    image_retries_.erase(turn);
    event("Normal", "Pulled", cat("Successfully pulled image \"", image, "\" in ", in_milliseconds((*pulled)->pull_us), " (", in_milliseconds(parts_.clock.monotonic_us() - begun_us),
                                  " including waiting). Image size: ", (*pulled)->image.size_bytes, " bytes."), name);
    co_return true;
  }
  const std::string why = pulled->error().message();
  event("Warning", "Failed", cat("Failed to pull image \"", image, "\": ", why), name);
  event("Warning", "Failed", "Error: ErrImagePull", name);
  facts_.waiting[name] = {"ErrImagePull", why};
  ImageRetry& retry = image_retries_[turn];
  retry.why = why;
  try_later(retry, limits::kImageRetryFirstMs, limits::kImageRetryMaxMs);
  publish();
  poke();  // shows ErrImagePull first, then ImagePullBackOff until the next try
  co_return false;
}

// Of the digests that an image has, that of the repository by which the container asks for it.
std::string image_id_of(const ImageInfo& image, std::string_view asked) {
  auto reference = parse_reference(asked);
  for (const std::string& d : image.digests)
    if (reference.ok() && d.starts_with(reference->name() + "@")) return d;
  return image.digests.empty() ? image.id : image.digests[0];
}

}  // namespace bramble
