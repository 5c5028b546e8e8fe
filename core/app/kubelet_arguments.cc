#include "core/app/kubelet_arguments.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/yaml.h"
#include "core/schema/go_time.h"

namespace bramble {

namespace {

Error wrong(std::string message) { return Error(Code::kInvalidArgument, std::move(message)); }

// "a<1,b<2" or "a=1,b=2": of a name that stands twice the last counts.
Result<std::map<std::string, std::string>> parse_map(std::string_view text, std::string_view between) {
  std::map<std::string, std::string> out;
  for (std::string_view part : split(text, ',')) {
    if (trim(part).empty()) continue;
    auto pair = cut(part, between);
    if (!pair) return wrong(cat("malformed pair, expect string", between, "string"));
    out[std::string(trim(pair->first))] = std::string(trim(pair->second));
  }
  return out;
}

Result<ResourceAmounts> parse_reserve(const std::map<std::string, std::string>& from) {
  ResourceAmounts out;
  for (const auto& [name, text] : from) {
    if (name != "cpu" && name != "memory" && name != "ephemeral-storage" && name != "pid") return wrong(cat("cannot reserve ", go_quote(name), " resource"));
    TRY_ASSIGN(Quantity amount, Quantity::parse(text));
    if (amount.negative()) return wrong(cat("resource quantity for ", go_quote(name), " cannot be negative: ", text));
    out.insert_or_assign(name, amount);
  }
  return out;
}

Result<int64_t> parse_seconds(std::string_view text) {
  auto ns = parse_go_duration(text);
  if (!ns || *ns < 0) return wrong("must be a duration like 2m or 24h");
  return *ns / 1000000000;
}

Result<bool> parse_bool(std::string_view text) {
  if (text != "true" && text != "false") return wrong("must be true or false");
  return text == "true";
}

Result<int64_t> parse_between(std::string_view text, int64_t least, int64_t most, std::string_view what) {
  auto number = parse_int64(text);
  if (!number || *number < least || *number > most) return wrong(cat("must be a ", what, " between ", least, " and ", most));
  return *number;
}

// What is checked at the end, when all is known.
struct Reading {
  NodeOptions* n;
  int64_t shutdown_s = 0, shutdown_critical_s = 0;
};

// One setting by the argument's name. kNotFound: there is none such.
Status set(Reading& r, std::string_view name, std::string_view value) {
  NodeOptions* n = r.n;
  NodeSettings& s = n->settings;
  if (name == "serialize-image-pulls") {
    TRY_ASSIGN(bool one, parse_bool(value));
    if (!one && n->image_pulls_max == 1) n->image_pulls_max = limits::kImagePullsMax;
    if (one) n->image_pulls_max = 1;
  } else if (name == "max-parallel-image-pulls") {
    TRY_ASSIGN(int64_t number, parse_between(value, 1, static_cast<int64_t>(limits::kImagePullsMax), "number"));
    n->image_pulls_max = static_cast<size_t>(number);
  } else if (name == "image-gc-high-threshold" || name == "image-gc-low-threshold") {
    TRY_ASSIGN(int64_t percent, parse_between(value, 0, 100, "percentage"));
    (name == "image-gc-high-threshold" ? n->image_gc.high_percent : n->image_gc.low_percent) = static_cast<int>(percent);
  } else if (name == "minimum-image-ttl-duration" || name == "maximum-image-ttl-duration") {
    auto ns = parse_go_duration(value);
    if (!ns || *ns < 0) return wrong("must be a duration like 2m or 24h");
    (name == "minimum-image-ttl-duration" ? n->image_gc.min_age_us : n->image_gc.max_age_us) = *ns / 1000;
  } else if (name == "eviction-hard") {
    TRY_ASSIGN(s.eviction_hard, parse_map(value, "<"));
  } else if (name == "eviction-soft") {
    TRY_ASSIGN(s.eviction_soft, parse_map(value, "<"));
  } else if (name == "eviction-soft-grace-period") {
    TRY_ASSIGN(s.eviction_soft_grace, parse_map(value, "="));
  } else if (name == "eviction-minimum-reclaim") {
    TRY_ASSIGN(s.eviction_reclaim, parse_map(value, "="));
  } else if (name == "eviction-max-pod-grace-period") {
    TRY_ASSIGN(s.eviction_max_grace_s, parse_between(value, 0, INT32_MAX, "number"));
  } else if (name == "eviction-pressure-transition-period") {
    auto ns = parse_go_duration(value);
    if (!ns || *ns < 0) return wrong("must be a duration like 2m or 24h");
    s.eviction_transition_us = *ns / 1000;
  } else if (name == "merge-default-eviction-settings") {
    TRY_ASSIGN(s.merge_default_evictions, parse_bool(value));
  } else if (name == "system-reserved" || name == "kube-reserved") {
    using Amounts = std::map<std::string, std::string>;
    TRY_ASSIGN(Amounts amounts, parse_map(value, "="));
    TRY_ASSIGN((name == "system-reserved" ? s.reserves.system : s.reserves.kube), parse_reserve(amounts));
  } else if (name == "system-reserved-cgroup") {
    s.reserves.system_cgroup = std::string(value);
  } else if (name == "kube-reserved-cgroup") {
    s.reserves.kube_cgroup = std::string(value);
  } else if (name == "enforce-node-allocatable") {
    s.reserves.enforce.clear();
    for (std::string_view part : split(value, ','))
      if (!trim(part).empty() && trim(part) != "none") s.reserves.enforce.emplace(trim(part));
  } else if (name == "fail-swap-on") {
    TRY_ASSIGN(s.fail_swap_on, parse_bool(value));
  } else if (name == "swap-behavior") {
    if (value != "LimitedSwap" && value != "NoSwap" && !value.empty()) return wrong(cat("invalid configuration: memorySwap.swapBehavior ", go_quote(value), " must be one of: \"\", \"LimitedSwap\" or \"NoSwap\""));
    s.swap = value == "LimitedSwap" ? SwapBehavior::kLimited : SwapBehavior::kNone;
  } else if (name == "shutdown-grace-period") {
    TRY_ASSIGN(r.shutdown_s, parse_seconds(value));
  } else if (name == "shutdown-grace-period-critical-pods") {
    TRY_ASSIGN(r.shutdown_critical_s, parse_seconds(value));
  } else {
    return Error(Code::kNotFound, "is not known; see bramble server --help");
  }
  return ok();
}

// Fields of the file that are an argument of another spelling.
struct Field {
  std::string_view field, argument;
};
constexpr Field kFields[] = {{"serializeImagePulls", "serialize-image-pulls"},
                             {"maxParallelImagePulls", "max-parallel-image-pulls"},
                             {"imageGCHighThresholdPercent", "image-gc-high-threshold"},
                             {"imageGCLowThresholdPercent", "image-gc-low-threshold"},
                             {"imageMinimumGCAge", "minimum-image-ttl-duration"},
                             {"imageMaximumGCAge", "maximum-image-ttl-duration"},
                             {"evictionHard", "eviction-hard"},
                             {"evictionSoft", "eviction-soft"},
                             {"evictionSoftGracePeriod", "eviction-soft-grace-period"},
                             {"evictionMinimumReclaim", "eviction-minimum-reclaim"},
                             {"evictionMaxPodGracePeriod", "eviction-max-pod-grace-period"},
                             {"evictionPressureTransitionPeriod", "eviction-pressure-transition-period"},
                             {"mergeDefaultEvictionSettings", "merge-default-eviction-settings"},
                             {"systemReserved", "system-reserved"},
                             {"kubeReserved", "kube-reserved"},
                             {"systemReservedCgroup", "system-reserved-cgroup"},
                             {"kubeReservedCgroup", "kube-reserved-cgroup"},
                             {"enforceNodeAllocatable", "enforce-node-allocatable"},
                             {"failSwapOn", "fail-swap-on"},
                             {"shutdownGracePeriod", "shutdown-grace-period"},
                             {"shutdownGracePeriodCriticalPods", "shutdown-grace-period-critical-pods"}};

std::string text_of(Value v) {
  if (v.is_string()) return v.text();
  if (v.is_bool()) return v.boolean() ? "true" : "false";
  return v.dump();
}

std::string argument_text(std::string_view argument, Value v) {
  const std::string_view between = argument == "eviction-hard" || argument == "eviction-soft" ? "<" : "=";
  std::vector<std::string> parts;
  for (auto [key, value] : v.members()) parts.push_back(cat(key, between, text_of(value)));
  for (Value item : v.items()) parts.push_back(text_of(item));
  return v.is_object() || v.is_array() ? join(parts, ",") : text_of(v);
}

Status read_shutdown_by_priority(Value list, NodeSettings* s) {
  for (Value row : list.items()) {
    ShutdownGrace grace{row["priority"].integer(), row["shutdownGracePeriodSeconds"].integer()};
    if (grace.seconds < 0) return wrong("invalid configuration: shutdownGracePeriodByPodPriority: seconds must not be negative");
    s->shutdown.push_back(grace);
  }
  std::sort(s->shutdown.begin(), s->shutdown.end(), [](const ShutdownGrace& a, const ShutdownGrace& b) { return a.priority < b.priority; });
  return ok();
}

Status read_file_fields(Reading& r, Value configuration, std::vector<std::string>* unknown) {
  for (auto [key, value] : configuration.members()) {
    if (key == "apiVersion" || key == "kind" || value.is_null()) continue;
    if (key == "memorySwap") {
      Status done = set(r, "swap-behavior", value["swapBehavior"].str());
      if (!done.ok()) return done;
      continue;
    }
    if (key == "shutdownGracePeriodByPodPriority") {
      r.n->settings.shutdown.clear();
      TRY(read_shutdown_by_priority(value, &r.n->settings));
      continue;
    }
    const Field* field = std::find_if(std::begin(kFields), std::end(kFields), [key = std::string_view(key)](const Field& f) { return f.field == key; });
    if (field == std::end(kFields)) {
      unknown->emplace_back(key);
      continue;
    }
    const std::string text = argument_text(field->argument, value);
    Status done = set(r, field->argument, text);
    if (!done.ok()) return wrong(cat(key, ": ", go_quote(text), ": ", done.error().message()));
  }
  return ok();
}

// What upstream checks of the whole (ValidateKubeletConfiguration).
Status check(Reading& r) {
  NodeOptions* n = r.n;
  NodeSettings& s = n->settings;
  if (n->image_gc.low_percent >= n->image_gc.high_percent)
    return wrong(cat("image-gc-low-threshold ", n->image_gc.low_percent, " must be less than image-gc-high-threshold ", n->image_gc.high_percent));
  for (const std::string& what : s.reserves.enforce) {
    if (what != "pods" && what != "system-reserved" && what != "kube-reserved" && what != "system-reserved-compressible" && what != "kube-reserved-compressible")
      return wrong(cat("invalid configuration: option ", go_quote(what), " specified for enforceNodeAllocatable (--enforce-node-allocatable). Valid options are \"pods\", \"system-reserved\", \"kube-reserved\", \"system-reserved-compressible\", \"kube-reserved-compressible\" or \"none\""));
    if (what.starts_with("system") && s.reserves.system_cgroup.empty())
      return wrong("invalid configuration: systemReservedCgroup (--system-reserved-cgroup) must be specified when \"system-reserved\" or \"system-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable)");
    if (what.starts_with("kube") && s.reserves.kube_cgroup.empty())
      return wrong("invalid configuration: kubeReservedCgroup (--kube-reserved-cgroup) must be specified when \"kube-reserved\" or \"kube-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable)");
  }
  if (r.shutdown_critical_s > r.shutdown_s)
    return wrong(cat("invalid configuration: shutdownGracePeriodCriticalPods {", r.shutdown_critical_s, "s} must be <= shutdownGracePeriod {", r.shutdown_s, "s}"));
  if (r.shutdown_s > 0 && !s.shutdown.empty()) return wrong("invalid configuration: Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time");
  if (s.shutdown.empty()) s.shutdown = shutdown_of_periods(r.shutdown_s, r.shutdown_critical_s);
  auto thresholds = s.thresholds(1 << 30);
  if (!thresholds.ok()) return thresholds.error();
  return ok();
}

Status read_configuration_file(Reading& r, const std::string& path) {
  auto text = read_file(path);
  if (!text.ok()) return text.error();
  auto parsed = parse_yaml(*text);
  if (!parsed.ok()) return parsed.error().prefixed(path);
  if ((*parsed)["kind"].str() != "KubeletConfiguration") return wrong(cat(path, ": kind is ", go_quote((*parsed)["kind"].str()), ", not \"KubeletConfiguration\""));
  std::vector<std::string> unknown;
  Status done = read_file_fields(r, parsed->root(), &unknown);
  if (!done.ok()) return done.error().prefixed(path);
  for (const std::string& field : unknown) log_warning(path, ": ", field, " has no meaning here");
  return ok();
}

}  // namespace

Status read_kubelet_configuration(Value configuration, NodeOptions* n, std::vector<std::string>* unknown) {
  Reading r{n};
  TRY(read_file_fields(r, configuration, unknown));
  return check(r);
}

Status read_kubelet_arguments(const std::vector<std::string>& arguments, NodeOptions* n) {
  Reading r{n};
  for (bool file : {true, false}) {
    for (const std::string& argument : arguments) {
      auto parts = cut(argument, "=");
      std::string_view name = parts ? parts->first : std::string_view(argument), value = parts ? parts->second : std::string_view();
      while (name.substr(0, 1) == "-") name.remove_prefix(1);
      if ((name == "config") != file) continue;
      Status done = file ? read_configuration_file(r, std::string(value)) : set(r, name, value);
      if (!done.ok()) return wrong(cat("flag --kubelet-arg: ", go_quote(argument), ": ", done.error().message()));
    }
  }
  Status checked = check(r);
  if (!checked.ok()) return wrong(cat("flag --kubelet-arg: ", checked.error().message()));
  return ok();
}

}  // namespace bramble
