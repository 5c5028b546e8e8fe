// Who owns spec.replicas of an object, as its Scale shows it and takes it
// (k8s.io/apimachinery/pkg/util/managedfields/scalehandler.go, its oddities kept: an entry made through the Scale has no time).
#include "core/registry/managed_fields.h"
#include "core/registry/object_meta.h"

namespace bramble {

namespace {

const FieldPath& replicas() {
  static const FieldPath path = {"f:spec", "f:replicas"};
  return path;
}

FieldSet only_replicas() {
  FieldSet out;
  out.insert(replicas());
  return out;
}

bool has_scale(const Kind& kind, std::string_view version) {
  const Kind* in_version = kind_in_version(kind, version);
  return in_version != nullptr && in_version->scale.present;
}

ManagedFields read_or_none(Value list) {
  auto read = ManagedFields::read(list);
  return read.ok() ? std::move(*read) : ManagedFields();
}

// The id of an entry once it is written in this version and read again.
std::string id_in(std::string_view id, const std::string& version) {
  OwnerName name = OwnerName::of_id(id);
  if (!name.applies) name.api_version = version;
  return name.id();
}

}  // namespace

ManagedFields scale_managed_fields(const Kind& kind, Value object) {
  const ManagedFields managed = read_or_none(object["metadata"]["managedFields"]);
  const std::string scale_version = cat(kind.scale.group, "/", kind.scale.version);
  ManagedFields out;
  for (const auto& [id, owned] : managed.owners) {
    if (!has_scale(kind, owned.version) || !owned.set.has(replicas())) continue;
    const std::string scale_id = id_in(id, scale_version);
    out.owners[scale_id] = OwnedFields{only_replicas(), scale_version, owned.applied};
    auto time = managed.times.find(id);
    if (time != managed.times.end()) out.times[scale_id] = time->second;
  }
  return out;
}

ManagedFields unscaled_managed_fields(const Kind& kind, Value object, const ManagedFields& scale) {
  const ManagedFields managed = read_or_none(object["metadata"]["managedFields"]);
  Owners left = scale.owners;
  ManagedFields out;
  auto keep = [&](const std::string& id, OwnedFields owned) {
    out.owners[id] = std::move(owned);
    auto time = managed.times.find(id);
    if (time != managed.times.end()) out.times[id] = time->second;
  };
  for (const auto& [id, owned] : managed.owners) {
    if (!has_scale(kind, owned.version)) continue;
    if (!owned.set.has(replicas())) {
      keep(id, owned);
      continue;
    }
    // An updater's entry has another id in the Scale, so it always counts as taken and comes back below.
    if (left.erase(id) > 0) {
      keep(id, owned);
      continue;
    }
    FieldSet rest = subtract(owned.set, only_replicas());
    if (!rest.empty()) keep(id, OwnedFields{std::move(rest), owned.version, owned.applied});
  }
  const std::string version = api_version_of(kind);
  for (const auto& [id, owned] : left) {
    if (!owned.set.has(replicas())) continue;
    keep(id, OwnedFields{only_replicas(), version, owned.applied});
  }
  return out;
}

}  // namespace bramble
