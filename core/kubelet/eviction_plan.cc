#include "core/kubelet/eviction_plan.h"

#include <stdlib.h>

#include <algorithm>

#include "core/json/builder.h"
#include "core/resources/taints.h"
#include "core/schema/go_time.h"

namespace bramble {

namespace {

struct SignalFacts {
  Signal signal;
  std::string_view name, pressure, resource;
};
constexpr SignalFacts kSignals[] = {
    {Signal::kMemory, "memory.available", "MemoryPressure", "memory"},
    {Signal::kAllocatableMemory, "allocatableMemory.available", "MemoryPressure", "memory"},
    {Signal::kNodeDisk, "nodefs.available", "DiskPressure", "ephemeral-storage"},
    {Signal::kNodeInodes, "nodefs.inodesFree", "DiskPressure", "inodes"},
    {Signal::kImageDisk, "imagefs.available", "DiskPressure", "ephemeral-storage"},
    {Signal::kImageInodes, "imagefs.inodesFree", "DiskPressure", "inodes"},
    {Signal::kPids, "pid.available", "PIDPressure", "pids"},
};

const SignalFacts& facts_of(Signal signal) {
  for (const SignalFacts& f : kSignals)
    if (f.signal == signal) return f;
  return kSignals[0];
}

std::optional<Signal> signal_of(std::string_view name) {
  for (const SignalFacts& f : kSignals)
    if (f.name == name) return f.signal;
  return std::nullopt;
}

// The writable layers are where the images are: upstream overrides thresholds of these by those of the other disks.
bool follows_another(std::string_view name) { return name == "containerfs.available" || name == "containerfs.inodesFree"; }

Error wrong(std::string message) { return Error(Code::kInvalidArgument, std::move(message)); }
Error unsupported(std::string_view name) { return wrong(cat("unsupported eviction signal ", name)); }

Result<float> parse_percent(std::string_view text) {
  const std::string number(text.substr(0, text.size() - 1));
  char* end = nullptr;
  const float percent = strtof(number.c_str(), &end);
  if (number.empty() || *end != 0) return wrong(cat("strconv.ParseFloat: parsing ", go_quote(number), ": invalid syntax"));
  return percent / 100;
}

// Nothing: one that says "never".
Result<std::optional<ThresholdAmount>> parse_threshold(std::string_view signal, std::string_view text) {
  ThresholdAmount out;
  if (text.ends_with('%')) {
    if (text == "0%" || text == "100%") return std::optional<ThresholdAmount>();
    TRY_ASSIGN(out.share, parse_percent(text));
    if (out.share < 0) return wrong(cat("eviction percentage threshold ", signal, " must be >= 0%: ", text));
    if (out.share > 1) return wrong(cat("eviction percentage threshold ", signal, " must be <= 100%: ", text));
    return std::optional<ThresholdAmount>(out);
  }
  TRY_ASSIGN(Quantity quantity, Quantity::parse(text));
  if (quantity.negative() || quantity.is_zero()) return wrong(cat("eviction threshold ", signal, " must be positive: ", quantity.text()));
  out.quantity = quantity;
  return std::optional<ThresholdAmount>(out);
}

Result<ThresholdAmount> parse_reclaim(std::string_view signal, std::string_view text) {
  ThresholdAmount out;
  if (text.ends_with('%')) {
    TRY_ASSIGN(out.share, parse_percent(text));
    if (out.share <= 0) return wrong(cat("eviction percentage minimum reclaim ", signal, " must be positive: ", text));
    return out;
  }
  TRY_ASSIGN(Quantity quantity, Quantity::parse(text));
  if (quantity.negative()) return wrong(cat("negative eviction minimum reclaim specified for ", signal));
  out.quantity = quantity;
  return out;
}

Result<std::vector<EvictionThreshold>> parse_statements(const BySignal& statements) {
  std::vector<EvictionThreshold> out;
  for (const auto& [name, value] : statements) {
    auto signal = signal_of(name);
    if (!signal && !follows_another(name)) return unsupported(name);
    TRY_ASSIGN(std::optional<ThresholdAmount> below, parse_threshold(name, value));
    if (!signal || !below) continue;
    EvictionThreshold t;
    t.signal = *signal;
    t.below = *below;
    out.push_back(t);
  }
  return out;
}

bool is_met(const EvictionThreshold& t, const SignalStates& states, bool with_reclaim) {
  auto s = states.find(t.signal);
  if (s == states.end()) return false;
  uint64_t below = t.below.of(s->second.capacity);
  if (with_reclaim) below += t.reclaim.of(s->second.capacity);
  return s->second.available < below;
}

bool in_bytes(Signal signal) { return resource_of(signal) == "memory" || resource_of(signal) == "ephemeral-storage"; }

std::string amount_text(Signal signal, uint64_t n) {
  const auto whole = static_cast<int64_t>(std::min<uint64_t>(n, INT64_MAX));
  return (in_bytes(signal) ? Quantity::of_bytes(whole) : Quantity::of(whole)).text();
}

}  // namespace

std::string_view signal_name(Signal signal) { return facts_of(signal).name; }
std::string_view pressure_of(Signal signal) { return facts_of(signal).pressure; }
std::string_view resource_of(Signal signal) { return facts_of(signal).resource; }

uint64_t ThresholdAmount::of(uint64_t capacity) const {
  if (quantity) return static_cast<uint64_t>(std::max<int64_t>(quantity->value(), 0));
  return static_cast<uint64_t>(static_cast<double>(capacity) * static_cast<double>(share));
}

Quantity ThresholdAmount::text_of(uint64_t capacity) const { return quantity ? *quantity : Quantity::of_bytes(static_cast<int64_t>(of(capacity))); }

Result<std::vector<EvictionThreshold>> parse_thresholds(const BySignal& hard, const BySignal& soft, const BySignal& soft_grace, const BySignal& reclaim, bool pods_are_limited) {
  TRY_ASSIGN(std::vector<EvictionThreshold> out, parse_statements(hard));
  TRY_ASSIGN(std::vector<EvictionThreshold> softer, parse_statements(soft));
  std::map<Signal, int64_t> graces;
  for (const auto& [name, value] : soft_grace) {
    auto signal = signal_of(name);
    if (!signal && !follows_another(name)) return unsupported(name);
    auto ns = parse_go_duration(value);
    if (!ns) return wrong(cat("time: invalid duration ", go_quote(value)));
    if (*ns < 0) return wrong(cat("invalid eviction grace period specified: ", value, ", must be a positive value"));
    if (signal) graces[*signal] = *ns / 1000;
  }
  for (EvictionThreshold& t : softer) {
    if (!graces.contains(t.signal)) return wrong(cat("grace period must be specified for the soft eviction threshold ", signal_name(t.signal)));
    t.soft = true;
    t.grace_us = graces[t.signal];
    out.push_back(t);
  }
  for (const auto& [name, value] : reclaim) {
    auto signal = signal_of(name);
    if (!signal && !follows_another(name)) return unsupported(name);
    TRY_ASSIGN(ThresholdAmount amount, parse_reclaim(name, value));
    for (EvictionThreshold& t : out)
      if (signal && t.signal == *signal) t.reclaim = amount;
  }
  for (size_t i = 0, n = out.size(); pods_are_limited && i < n; ++i) {
    if (out[i].signal != Signal::kMemory || out[i].soft) continue;
    EvictionThreshold together = out[i];
    together.signal = Signal::kAllocatableMemory;
    out.push_back(together);
  }
  return out;
}

bool any_threshold_met(const std::vector<EvictionThreshold>& thresholds, const SignalStates& states) {
  return std::any_of(thresholds.begin(), thresholds.end(), [&](const EvictionThreshold& t) { return is_met(t, states, true); });
}

EvictionState::Verdict EvictionState::look(const SignalStates& states, int64_t now_us) {
  Verdict out;
  for (size_t i = 0; i < thresholds_.size(); ++i) {
    const EvictionThreshold& t = thresholds_[i];
    if (!is_met(t, states, acting_.contains(i))) {
      met_since_us_.erase(i);
      acting_.erase(i);
      continue;
    }
    auto since = met_since_us_.try_emplace(i, now_us).first;
    pressure_seen_us_[std::string(pressure_of(t.signal))] = now_us;
    if (now_us - since->second < t.grace_us) {
      acting_.erase(i);
      continue;
    }
    acting_.insert(i);
    if (!out.act || t.signal < out.act->signal) out.act = t;
  }
  for (std::string_view pressure : {"DiskPressure", "MemoryPressure", "PIDPressure"}) {
    auto seen = pressure_seen_us_.find(pressure);
    if (seen != pressure_seen_us_.end() && (seen->second == now_us || now_us - seen->second < transition_us_)) out.pressures.emplace_back(pressure);
  }
  return out;
}

uint64_t EvictionState::memory_below(uint64_t capacity) const {
  uint64_t most = 0;
  for (const EvictionThreshold& t : thresholds_)
    if (t.signal == Signal::kMemory) most = std::max(most, t.below.of(capacity));
  return most;
}

bool is_critical(const PodView& pod) {
  constexpr int64_t kSystemPriority = 2000000000;
  return pod.is_static() || pod.is_mirror() || pod.priority() >= kSystemPriority;
}

std::vector<size_t> rank_for_eviction(Signal signal, const std::vector<EvictionCandidate>& pods) {
  std::vector<size_t> order;
  for (size_t i = 0; i < pods.size(); ++i) order.push_back(i);
  auto exceeds = [](const EvictionCandidate& p) { return p.used > p.requested; };
  auto over = [](const EvictionCandidate& p) { return static_cast<int64_t>(p.used) - static_cast<int64_t>(p.requested); };
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    const EvictionCandidate &a = pods[x], &b = pods[y];
    if (signal == Signal::kPids) {
      if (a.priority != b.priority) return a.priority < b.priority;
      return a.measured != b.measured ? !a.measured : a.used > b.used;
    }
    if (a.measured != b.measured) return !a.measured;  // what cannot be measured goes first
    if (exceeds(a) != exceeds(b)) return exceeds(a);
    if (a.priority != b.priority) return a.priority < b.priority;
    return over(a) > over(b);
  });
  return order;
}

CountedFiles counted_files(Signal signal, bool own_image_disk) {
  if (!own_image_disk) return {true, true, true};
  const bool image = signal == Signal::kImageDisk || signal == Signal::kImageInodes;
  return {image, !image, !image};
}

bool images_help(Signal signal, bool own_image_disk) {
  if (pressure_of(signal) != "DiskPressure") return false;
  return !own_image_disk || signal == Signal::kImageDisk || signal == Signal::kImageInodes;
}

int64_t eviction_grace_s(const EvictionThreshold& threshold, const PodView& pod, int64_t max_grace_s) {
  return threshold.soft ? std::min(max_grace_s, pod.grace_seconds()) : limits::kEvictionGraceSeconds;
}

std::string eviction_message(const EvictionThreshold& t, const SignalState& state, const std::vector<ContainerUse>& containers) {
  const std::string_view resource = resource_of(t.signal);
  std::string out = cat("The node was low on resource: ", resource, ". Threshold quantity: ", t.below.text_of(state.capacity).text(), ", available: ", amount_text(t.signal, state.available), ". ");
  for (const ContainerUse& c : containers) {
    if (c.used <= static_cast<uint64_t>(std::max<int64_t>(c.requested.value(), 0))) continue;
    out += cat("Container ", c.name, " was using ", amount_text(t.signal, c.used), ", request is ", c.requested.text(), ", has larger consumption of ", resource, ". ");
  }
  return out;
}

std::optional<std::string> refusal_under_pressure(const PodView& pod, const std::vector<std::string>& pressures) {
  if (pressures.empty() || is_critical(pod)) return std::nullopt;
  if (pressures.size() == 1 && pressures[0] == "MemoryPressure") {
    if (pod.qos() != QosClass::kBestEffort) return std::nullopt;
    Builder taint;
    taint.root().set("key", "node.kubernetes.io/memory-pressure");
    taint.root().set("effect", "NoSchedule");
    Document d = taint.finish();
    if (find_toleration(pod.tolerations(), d.root())) return std::nullopt;
  }
  return cat("The node had condition: [", join(pressures, " "), "]. ");
}

}  // namespace bramble
