#include "core/kubelet/static_pods.h"

#include <algorithm>
#include <filesystem>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/json/yaml.h"
#include "core/loop/loop.h"
#include "core/resources/kind.h"
#include "core/resources/pod_view.h"

namespace bramble {

Result<Document> static_pod(std::string_view text, const std::string& path, const std::string& node_name, int64_t seen_us) {
  TRY_ASSIGN(Document raw, parse_yaml(text));  // JSON is YAML
  if (raw["kind"].str() != "Pod" || raw["apiVersion"].str() != "v1") return Error(Code::kInvalidArgument, "not a Pod of apiVersion v1");
  const Kind* kind = find_kind("", "v1", "pods");
  CHECK(kind, "pods");
  TRY_ASSIGN(Builder b, canonicalize(*kind->type, raw.root(), nullptr));
  Mut root = b.root();
  Mut metadata = root.object("metadata");
  if (metadata["name"].str().empty()) return Error(Code::kInvalidArgument, "metadata.name: Required value");
  std::string hash = metadata["uid"].text();
  if (hash.empty()) hash = sha256_hex(cat(*raw.bytes(), "\nhost:", node_name, "\nfile:", path)).substr(0, 32);
  metadata.set("uid", hash);
  metadata.set("name", lower(cat(metadata["name"].str(), "-", node_name)));
  if (metadata["namespace"].str().empty()) metadata.set("namespace", "default");
  metadata.set("creationTimestamp", format_rfc3339(seen_us));
  Mut annotations = metadata.object("annotations");
  annotations.set(kConfigHash, hash);
  annotations.set(kConfigSource, "file");
  annotations.set(kConfigSeen, format_rfc3339_micro(seen_us));
  Mut spec = root.object("spec");
  spec.set("nodeName", node_name);
  Mut toleration = spec.array("tolerations").append_object();  // trouble of the node does not send it away
  toleration.set("operator", "Exists");
  toleration.set("effect", "NoExecute");
  if (kind->set_defaults) kind->set_defaults(root);
  root.object("status").set("phase", "Pending");
  Document pod = b.finish();
  FieldErrors errors;
  validate_object_meta(pod.root(), *kind, errors);
  if (kind->validate) kind->validate(pod.root(), errors);
  if (!errors.empty()) return errors.to_error("", "Pod", name_of(pod));
  return pod;
}

Document mirror_of(const Document& pod, const Document& node) {
  Builder b;
  Mut root = b.root();
  root.set("apiVersion", "v1");
  root.set("kind", "Pod");
  Mut metadata = root.object("metadata");
  for (const char* key : {"name", "namespace", "labels", "annotations"})
    if (pod["metadata"].has(key)) metadata.set(key, pod["metadata"][key]);
  metadata.object("annotations").set(kConfigMirror, pod["metadata"]["annotations"][kConfigHash].str());
  Mut owner = metadata.array("ownerReferences").append_object();
  owner.set("apiVersion", "v1");
  owner.set("kind", "Node");
  owner.set("name", name_of(node));
  owner.set("uid", uid_of(node));
  owner.set("controller", true);
  root.set("spec", pod["spec"]);
  return b.finish();
}

StaticPods::StaticPods(std::string folder, std::string node_name, const Clock& clock, const AlarmFactory& alarms, std::function<void()> changed)
    : folder_(std::move(folder)), node_name_(std::move(node_name)), clock_(clock), changed_(std::move(changed)) {
  auto fire = [this] {
    if (std::exchange(reading_, true)) return;
    tasks_.start(read_again());
  };
  alarm_ = alarms(fire);
}

Task<void> StaticPods::start() {
  reading_ = true;
  std::function<void(const std::string&)> touched = [this](const std::string&) {
    dirty_ = true;
    alarm_->set_in_ms(0);
  };
  auto watch = FileWatch::start(folder_, touched);
  if (watch.ok()) watch_ = std::move(*watch);
  else log_warning("kubelet: static pods: ", watch.error().message());
  co_await read();
  co_await read_again();
}

Task<void> StaticPods::read_again() {
  while (std::exchange(dirty_, false)) {
    co_await read();
    changed_();
  }
  reading_ = false;
}

Task<void> StaticPods::read() {
  auto work = [folder = folder_]() {
    std::map<std::string, Result<std::string>> out;
    std::error_code ec;
    for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
      std::string name = it->path().filename().string();
      if (name.starts_with('.') || !it->is_regular_file(ec)) continue;
      out.emplace(it->path().string(), read_file(it->path().string(), limits::kSmallFileBytesMax));
    }
    return out;
  };
  Task<std::map<std::string, Result<std::string>>> reading = offload(std::move(work));
  auto files = co_await reading;
  std::map<std::string, Document> now;
  std::map<std::string, std::string> names;  // of whom a pod is, by namespace and name
  for (const auto& [path, text] : files) {
    auto pod = text.ok() ? static_pod(*text, path, node_name_, clock_.wall_us()) : Result<Document>(text.error());
    if (!pod.ok()) {
      log_warning("static pod ", path, ": ", pod.error().message());
      continue;
    }
    std::string uid(uid_of(*pod)), key = PodView(*pod).key();
    if (auto taken = names.find(key); taken != names.end()) {
      log_warning("static pod ", path, ": ", key, " is in ", taken->second, " already");
      continue;
    }
    names[key] = path;
    auto known = pods_.find(uid);
    now[uid] = known == pods_.end() ? *pod : known->second;
  }
  pods_ = std::move(now);
}

}  // namespace bramble
