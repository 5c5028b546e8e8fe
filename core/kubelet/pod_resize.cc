#include "core/kubelet/pod_resize.h"

#include <algorithm>

#include "core/kubelet/container_spec.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

constexpr const char* kLists[] = {"initContainers", "containers"};
constexpr const char* kNames[] = {"cpu", "memory"};

int64_t number(Value amounts, const char* name) {
  auto q = Quantity::parse(amounts[name].str());
  if (!amounts.has(name) || !q.ok()) return 0;
  return std::string_view(name) == "cpu" ? q->milli() : q->value();
}

// A limit that is not there is above every other.
bool above(const std::optional<int64_t>& a, const std::optional<int64_t>& b) { return b && (!a || *a > *b); }

const ContainerRecord* running_record(const std::vector<ContainerRecord>& records, std::string_view name) {
  const ContainerRecord* r = latest_record(records, name);
  return r && r->phase == ContainerRecord::Phase::kRunning ? r : nullptr;
}

bool wants_restart(Value container, const char* resource) {
  for (Value policy : container["resizePolicy"].items())
    if (policy["resourceName"].str() == resource) return policy["restartPolicy"].str() == "RestartContainer";
  return false;
}

struct Gap {
  const ContainerRecord* record;
  Value container;
  CpuMemory now, wanted;
  bool cpu() const { return now.cpu_request != wanted.cpu_request || now.cpu_limit != wanted.cpu_limit; }
  bool memory() const { return now.memory_request != wanted.memory_request || now.memory_limit != wanted.memory_limit; }
};

std::vector<Gap> gaps_of(Value pod, Value actuated_pod, const std::vector<ContainerRecord>& records) {
  std::vector<Gap> out;
  for (const char* list : kLists)
    for (Value c : pod["spec"][list].items()) {
      const ContainerRecord* r = running_record(records, c["name"].str());
      if (!r || !r->resources) continue;  // of an older bramble: what it has is not known
      Gap change{r, c, cpu_memory(actuated_pod, r->resources.root()), cpu_memory(pod["spec"]["resources"], c["resources"])};
      if (change.now != change.wanted) out.push_back(change);
    }
  return out;
}

// Of limits the lesser first; of what has no other limit the lesser request.
void order(std::vector<ResizeStep>& steps, std::vector<std::pair<bool, ResizeStep>> marked) {
  for (bool lower : {true, false})
    for (auto& [is_lower, step] : marked)
      if (is_lower == lower) steps.push_back(std::move(step));
}

void add_part(ResizePlan& plan, ResizeStep::Part part, const std::vector<Gap>& changes, const PodCgroupLimits& now, const PodCgroupLimits& wanted, bool some_wait) {
  bool cpu = part == ResizeStep::kCpu;
  const auto &was = cpu ? now.cpu_quota_us : now.memory_bytes, &is = cpu ? wanted.cpu_quota_us : wanted.memory_bytes;
  bool rises = above(is, was) || (cpu && wanted.cpu_shares > now.cpu_shares), falls = above(was, is) || (cpu && wanted.cpu_shares < now.cpu_shares);
  if (falls && rises) falls = above(was, is), rises = !falls;
  if (rises) plan.steps.push_back({part, "", wanted});
  std::vector<std::pair<bool, ResizeStep>> marked;
  for (const Gap& c : changes) {
    if (!(cpu ? c.cpu() : c.memory())) continue;
    PodCgroupLimits before = container_limits(c.now), after = container_limits(c.wanted);
    bool lower = cpu ? above(before.cpu_quota_us, after.cpu_quota_us) || (before.cpu_quota_us == after.cpu_quota_us && after.cpu_shares < before.cpu_shares)
                     : above(before.memory_bytes, after.memory_bytes);
    if (!cpu && lower) plan.lowers_memory = true;
    marked.emplace_back(lower, ResizeStep{part, c.record->id, after});
  }
  order(plan.steps, std::move(marked));
  if (falls && !some_wait) {
    if (!cpu) plan.lowers_memory = true;
    plan.steps.push_back({part, "", wanted});
  }
}

}  // namespace

Document allocation_of(Value pod) {
  Builder b;
  Mut root = b.root();
  if (pod["spec"].has("resources")) root.set("pod", pod["spec"]["resources"]);
  Mut containers = root.object("containers");
  for (const char* list : kLists)
    for (Value c : pod["spec"][list].items()) {
      Document resources = resources_of(c);
      containers.set(c["name"].str(), resources.root());
    }
  return b.finish();
}

Document with_allocation(const Document& pod, Value allocation) {
  if (!allocation || equal(allocation_of(pod.root()).root(), allocation)) return pod;
  Builder b(pod.root());
  Mut spec = b.root().object("spec");
  if (allocation.has("pod")) spec.set("resources", allocation["pod"]);
  else spec.remove("resources");
  for (const char* list : kLists)
    for (Mut c : spec[list].items())
      if (Value given = allocation["containers"][c["name"].str()]) c.set("resources", given);
  return b.finish();
}

Document allocation_in_status(Value pod) {
  Builder b(allocation_of(pod).root());
  for (const char* list : {"initContainerStatuses", "containerStatuses"})
    for (Value s : pod["status"][list].items()) {
      Mut containers = b.root().object("containers");
      if (!s.has("resources") || !containers.has(s["name"].str())) continue;
      containers.set(s["name"].str(), s["resources"]);
      if (s["allocatedResources"].size()) containers[s["name"].str()].set("requests", s["allocatedResources"]);
    }
  return b.finish();
}

Document resources_of(Value holder) {
  Builder none;
  return holder.has("resources") ? Document::of(holder["resources"]) : none.finish();
}

bool increases_requests(Value allocated, Value desired) {
  ResourceAmounts old = PodView(allocated).requests(), now = PodView(desired).requests();
  for (const char* name : kNames)
    if (now[name] > old[name]) return true;
  return false;
}

Document with_held(const Document& allocated, const std::vector<ContainerRecord>& records) {
  Builder b(allocated.root());
  bool changed = false;
  for (const char* list : kLists)
    for (Mut c : b.root()["spec"][list].items()) {
      const ContainerRecord* r = running_record(records, c["name"].str());
      for (const char* name : kNames) {
        if (!r || !r->resources["requests"].has(name)) continue;
        auto held = Quantity::parse(r->resources["requests"][name].str()), given = Quantity::parse(c["resources"]["requests"][name].str());
        if (!held.ok() || (given.ok() && !(*held > *given))) continue;
        c.object("resources").object("requests").set(name, r->resources["requests"][name]);
        changed = true;
      }
    }
  return changed ? b.finish() : allocated;
}

bool resizes_swap(Value desired, Value allocated, const std::function<bool(Value pod, Value container)>& may_swap) {
  for (const char* list : kLists)
    for (Value c : desired["spec"][list].items()) {
      Value given = PodView(allocated).container(c["name"].str());
      if (number(c["resources"]["requests"], "memory") == number(given["resources"]["requests"], "memory") || wants_restart(given, "memory")) continue;
      if (may_swap(desired, c) || may_swap(allocated, given)) return true;
    }
  return false;
}

CpuMemory cpu_memory(Value pod_resources, Value container) {
  CpuMemory m{number(container["requests"], "cpu"), number(container["limits"], "cpu"), number(container["requests"], "memory"), number(container["limits"], "memory")};
  if (!m.cpu_limit) m.cpu_limit = number(pod_resources["limits"], "cpu");
  if (!m.memory_limit) m.memory_limit = number(pod_resources["limits"], "memory");
  return m;
}

PodCgroupLimits container_limits(const CpuMemory& m) {
  PodCgroupLimits out;
  out.cpu_shares = cpu_shares_of_milli(m.cpu_request ? m.cpu_request : m.cpu_limit);
  if (m.cpu_limit > 0) out.cpu_quota_us = cpu_quota_of_milli(m.cpu_limit, out.cpu_period_us);
  if (m.memory_limit > 0) out.memory_bytes = m.memory_limit;
  return out;
}

PodCgroupLimits pod_limits(Value pod_value) {
  PodView pod(pod_value);
  PodCgroupLimits out;
  ResourceAmounts requests = pod.requests(), maximums = pod.limits();
  out.cpu_shares = cpu_shares_of_milli(requests["cpu"].milli());
  bool all_cpu = true, all_memory = true;  // a pod is limited only when each container is
  for (Value list : {pod.containers(), pod.init_containers()})
    for (Value c : list.items()) {
      all_cpu = all_cpu && c["resources"]["limits"].has("cpu");
      all_memory = all_memory && c["resources"]["limits"].has("memory");
    }
  Value of_pod = pod_value["spec"]["resources"]["limits"];
  all_cpu = all_cpu || of_pod.has("cpu");
  all_memory = all_memory || of_pod.has("memory");
  if (maximums.contains("cpu") && all_cpu) out.cpu_quota_us = cpu_quota_of_milli(maximums["cpu"].milli(), out.cpu_period_us);
  if (maximums.contains("memory") && all_memory) out.memory_bytes = maximums["memory"].value();
  return out;
}

ResizePlan plan_resize(Value pod, Value actuated_pod, const std::vector<ContainerRecord>& records, const PodCgroupLimits& pod_now) {
  ResizePlan plan;
  std::vector<Gap> changes = gaps_of(pod, actuated_pod, records), in_place;
  plan.in_progress = !changes.empty() || cpu_memory({}, actuated_pod) != cpu_memory({}, pod["spec"]["resources"]);
  for (const Gap& c : changes) {
    if ((c.cpu() && wants_restart(c.container, "cpu")) || (c.memory() && wants_restart(c.container, "memory"))) plan.restart.push_back(c.record->id);
    else in_place.push_back(c);
  }
  // The pod's own limits fall when nothing runs any more that may need the larger ones.
  PodCgroupLimits wanted = pod_limits(pod);
  for (ResizeStep::Part part : {ResizeStep::kMemory, ResizeStep::kCpu}) add_part(plan, part, in_place, pod_now, wanted, !plan.restart.empty());
  return plan;
}

std::string forbidden_decrease(Value pod, const std::vector<ContainerRecord>& records, const ResizePlan& plan, const PodCgroupLimits& pod_now,
                               const std::map<std::string, int64_t, std::less<>>& usage) {
  std::vector<std::string> why;
  auto in_use = [&usage](const std::string& id) {
    auto it = usage.find(id);
    return it == usage.end() ? std::optional<int64_t>() : it->second;
  };
  for (const ResizeStep& s : plan.steps) {
    if (s.part != ResizeStep::kMemory || !s.container_id.empty() || !above(pod_now.memory_bytes, s.limits.memory_bytes)) continue;
    auto used = in_use("");
    if (!used) why.push_back("missing pod memory usage");
    else if (*used >= *s.limits.memory_bytes) why.push_back(cat("attempting to set pod memory limit (", *s.limits.memory_bytes, ") below current usage (", *used, ")"));
  }
  for (const ResizeStep& s : plan.steps) {
    if (s.part != ResizeStep::kMemory || s.container_id.empty() || !s.limits.memory_bytes) continue;
    auto r = std::find_if(records.begin(), records.end(), [&s](const ContainerRecord& x) { return x.id == s.container_id; });
    if (r == records.end()) continue;
    // Against what it has: the pod's own limit stands in where it has none.
    int64_t now = cpu_memory(pod["spec"]["resources"], r->resources.root()).memory_limit;
    if (now != 0 && now <= *s.limits.memory_bytes) continue;
    auto used = in_use(r->id), of_pod = in_use("");
    if (!used) why.push_back(cat("missing container ", go_quote(r->name), " memory usage"));
    else if (*used >= *s.limits.memory_bytes)
      why.push_back(cat("attempting to set container ", go_quote(r->name), " memory limit (", *s.limits.memory_bytes, ") below current usage (", of_pod.value_or(*used), ")"));
  }
  if (why.empty()) return {};
  std::string all = why.size() == 1 ? why[0] : cat("[", join(why, ", "), "]");
  return cat("cannot decrease memory limits: ", all);
}

std::string resize_message(std::string_view what, Value pod, int64_t generation, std::string_view error) {
  Builder b;
  for (const char* list : kLists)
    for (Value c : pod["spec"][list].items()) {
      Mut row = b.root().array(list).append_object();
      row.set("name", c["name"].str());
      Mut resources = row.object("resources");
      for (const char* part : {"limits", "requests"})
        if (c["resources"][part].size()) resources.set(part, c["resources"][part]);
    }
  b.root().set("generation", generation);
  if (!error.empty()) b.root().set("error", error);
  return cat("Pod resize ", what, ": ", b.dump());
}

}  // namespace bramble
