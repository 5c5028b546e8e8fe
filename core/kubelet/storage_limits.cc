#include "core/kubelet/storage_limits.h"

namespace bramble {

namespace {

constexpr std::string_view kResource = "ephemeral-storage";

std::optional<Quantity> quantity(Value v) {
  if (!v) return std::nullopt;
  auto q = Quantity::parse(v.str());
  return q.ok() ? std::optional<Quantity>(*q) : std::nullopt;
}

uint64_t bytes_of(const FolderReading& f) {
  if (f.file_system && f.file_system->in_memory) return f.file_system->used_bytes;
  return f.scan ? f.scan->bytes : 0;
}

bool exceeds(uint64_t bytes, const Quantity& limit) { return Quantity::of_bytes(static_cast<int64_t>(bytes)) > limit; }

}  // namespace

uint64_t ephemeral_bytes(const PodReading& reading) {
  uint64_t sum = 0;
  auto add = [&sum](const FolderReading& f) {
    if (f.scan && !(f.file_system && f.file_system->in_memory)) sum += f.scan->bytes;
  };
  for (const ContainerReading& c : reading.containers) {
    add(c.layer);
    add(c.logs);
  }
  for (const VolumeReading& v : reading.volumes)
    if (v.in_pod) add(v.folder);
  return sum;
}

bool has_storage_limit(const PodView& pod) {
  for (Value v : pod.volumes().items())
    if (v["emptyDir"].has("sizeLimit")) return true;
  return pod.limits().contains(kResource);
}

std::optional<StorageExcess> storage_excess(const PodView& pod, const PodReading& reading, bool own_image_disk) {
  for (Value v : pod.volumes().items()) {
    auto limit = quantity(v["emptyDir"]["sizeLimit"]);
    if (!limit || limit->is_zero() || limit->negative()) continue;
    for (const VolumeReading& used : reading.volumes) {
      if (used.name != v["name"].str() || !exceeds(bytes_of(used.folder), *limit)) continue;
      return StorageExcess{"emptydirfs.limit", cat("Usage of EmptyDir volume ", go_quote(used.name), " exceeds the limit ", go_quote(limit->text()), ". ")};
    }
  }
  const ResourceAmounts of_pod = pod.limits();
  if (auto limit = of_pod.find(kResource); limit != of_pod.end() && exceeds(ephemeral_bytes(reading), limit->second)) {
    return StorageExcess{"ephemeralpodfs.limit", cat("Pod ephemeral local storage usage exceeds the total limit of containers ", limit->second.text(), ". ")};
  }
  for (Value c : pod.containers().items()) {
    auto limit = quantity(c["resources"]["limits"][kResource]);
    if (!limit || limit->is_zero()) continue;
    for (const ContainerReading& used : reading.containers) {
      if (used.name != c["name"].str() || !exceeds(bytes_of(used.logs) + (own_image_disk ? 0 : bytes_of(used.layer)), *limit)) continue;
      return StorageExcess{"ephemeralcontainerfs.limit", cat("Container ", used.name, " exceeded its local ephemeral storage limit ", go_quote(limit->text()), ". ")};
    }
  }
  return std::nullopt;
}

}  // namespace bramble
