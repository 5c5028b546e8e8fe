#include "core/kubelet/node_reserves.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/kubelet/container_spec.h"
#include "core/runtime/machine_usage.h"

namespace bramble {

namespace {

Quantity amount_of(const ResourceAmounts& amounts, std::string_view name) {
  auto it = amounts.find(name);
  return it == amounts.end() ? Quantity::of(0) : it->second;
}

Quantity reserved(const NodeReserves& reserves, std::string_view name) { return amount_of(reserves.system, name) + amount_of(reserves.kube, name); }

Quantity rest(const Quantity& all, const Quantity& taken) {
  Quantity left = all - taken;
  return left.negative() ? Quantity::of(0) : left;
}

Cgroups::GroupLimits limits_of(const ResourceAmounts& amounts, bool compressible_only) {
  Cgroups::GroupLimits out;
  if (auto it = amounts.find("cpu"); it != amounts.end()) out.cpu_shares = cpu_shares_of_milli(it->second.milli());
  if (compressible_only) return out;
  if (auto it = amounts.find("memory"); it != amounts.end()) out.memory_bytes = it->second.value();
  if (auto it = amounts.find("pid"); it != amounts.end()) out.pids = it->second.value();
  return out;
}

}  // namespace

ResourceAmounts less_reserved(ResourceAmounts allocatable, const ResourceAmounts& capacity, const NodeReserves& reserves, const std::vector<EvictionThreshold>& thresholds) {
  for (auto& [name, amount] : allocatable) {
    Quantity taken = reserved(reserves, name);
    for (const EvictionThreshold& t : thresholds) {
      const bool counts = (t.signal == Signal::kMemory && name == "memory") || (t.signal == Signal::kNodeDisk && name == "ephemeral-storage");
      if (counts && !t.soft) taken = taken + t.below.text_of(static_cast<uint64_t>(std::max<int64_t>(amount_of(capacity, name).value(), 0)));
    }
    if (!taken.is_zero()) amount = rest(amount, taken);
  }
  return allocatable;
}

Cgroups::GroupLimits pods_limits(const ResourceAmounts& capacity, const NodeReserves& reserves, int64_t process_ids) {
  const bool enforced = reserves.enforce.contains("pods");
  auto share = [&](std::string_view name) { return enforced ? rest(amount_of(capacity, name), reserved(reserves, name)) : amount_of(capacity, name); };
  Cgroups::GroupLimits out;
  out.cpu_shares = cpu_shares_of_milli(share("cpu").milli());
  out.memory_bytes = share("memory").value();
  if (process_ids > 0) out.pids = enforced ? std::max<int64_t>(1, process_ids - reserved(reserves, "pid").value()) : process_ids;
  return out;
}

NodeCgroups::NodeCgroups(NodeParts& parts) : parts_(parts) {
  alarm_ = parts_.options.alarms([this] { limit_pods(); });
}

bool NodeCgroups::limit_pods() {
  const auto threads = static_cast<int64_t>(read_machine_usage(0).threads_max.value_or(0));
  Status set = parts_.cgroups.limit_pods(pods_limits(parts_.capacity, parts_.options.settings.reserves, threads));
  if (set.ok()) {
    tell("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
    return true;
  }
  tell("Warning", "FailedNodeAllocatableEnforcement", cat("Failed to update Node Allocatable Limits [\"", parts_.options.cgroup_root, "\"]: ", set.error().message()));
  alarm_->set_in_ms(limits::kNodeCgroupRetryMs);
  return false;
}

void NodeCgroups::enforce() {
  const NodeReserves& r = parts_.options.settings.reserves;
  limit_pods();
  struct Reserve {
    std::string_view what;
    const ResourceAmounts& amounts;
    const std::string& group;
  };
  for (const Reserve& reserve : {Reserve{"system", r.system, r.system_cgroup}, Reserve{"kube", r.kube, r.kube_cgroup}}) {
    for (bool compressible : {false, true}) {
      if (!r.enforce.contains(cat(reserve.what, compressible ? "-reserved-compressible" : "-reserved"))) continue;
      Status set = parts_.cgroups.limit_group(reserve.group, limits_of(reserve.amounts, compressible));
      const std::string_view name = reserve.what == "system" ? "System" : "Kube";
      if (set.ok()) tell("Normal", "NodeAllocatableEnforced", cat("Updated limits on ", reserve.what, " reserved cgroup ", reserve.group));
      else tell("Warning", "FailedNodeAllocatableEnforcement", cat("Failed to enforce ", name, compressible ? " Reserved Compressible" : " Reserved", " Cgroup Limits on ", go_quote(reserve.group), ": ", set.error().message()));
    }
  }
}

void NodeCgroups::tell(std::string type, std::string reason, std::string message) {
  if (type == "Warning") log_warning("kubelet: ", message);
  Builder about;
  about.root().set("kind", "Node");
  about.root().object("metadata").set("name", parts_.options.node_name);
  about.root().object("metadata").set("uid", parts_.options.node_name);
  EventNote note;
  note.about = about.finish();
  note.type = std::move(type);
  note.reason = std::move(reason);
  note.message = std::move(message);
  parts_.recorder.record(note);
}

}  // namespace bramble
