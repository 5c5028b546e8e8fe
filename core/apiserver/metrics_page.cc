// /metrics: the API server's counters, the state of its cache, and what the other parts of the process count.
#include "core/apiserver/apiserver.h"
#include "core/base/metrics.h"
#include "core/loop/loop_steps.h"

namespace bramble {

namespace {

// Upstream's registry speaks the text form, and tells how it writes names that are none of Prometheus' old ones.
constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

void print_build(MetricText& out, const ApiServer::Options& build) {
  out.family("kubernetes_build_info", "gauge", "BETA",
             "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and "
             "compiler from which Kubernetes was built, and platform on which it is running.");
  out.value(label_text({{"build_date", format_rfc3339(build.build_time_s * 1000000)}, {"compiler", "c++20"}, {"git_commit", build.git_commit},
                        {"git_tree_state", build.git_tree_state}, {"git_version", build.git_version}, {"go_version", "none"}, {"major", "1"},
                        {"minor", "36"}, {"platform", build.platform}}),
            1);
}

void print_objects(MetricText& out, const CacheView& view) {
  constexpr std::string_view kOld = "apiserver_storage_objects", kNew = "apiserver_resource_objects";
  for (const Kind& kind : all_kinds()) {
    if (!kind.stored || kind.stored_as.elsewhere()) continue;
    double count = static_cast<double>(view.count(registry_prefix(kind, "")));
    std::string name = kind.group.empty() ? std::string(kind.resource) : cat(kind.resource, ".", kind.group);
    out.family(kOld, "gauge", "STABLE",
               "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. "
               "In case of a fetching error, the value will be -1.");
    out.value(label_text({{"resource", name}}), count);
    out.family(kNew, "gauge", "ALPHA",
               "Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.");
    out.value(label_text({{"group", kind.group}, {"resource", kind.resource}}), count);
  }
}

void print_cache(MetricText& out, const WatchCache& cache) {
  WatchCache::Stats stats = cache.stats();
  auto gauge = [&out](std::string_view name, std::string_view help, uint64_t value) {
    out.single(name, "gauge", "", help, static_cast<double>(value));
  };
  gauge("bramble_cache_objects", "Objects in the watch cache.", stats.entries);
  gauge("bramble_cache_ring_events", "Recent changes kept for watches.", stats.ring_events);
  gauge("bramble_cache_ring_bytes", "Bytes of recent changes kept for watches.", stats.ring_bytes);
  gauge("bramble_cache_pinned_views", "States pinned by paged lists.", stats.pinned_views);
  gauge("bramble_store_revision", "The newest revision.", cache.revision());
}

// The loop that owns all state, and what it spends on tokens.
void print_loop(MetricText& out, uint64_t signatures_checked) {
  const LoopSteps& steps = loop_steps();
  auto counter = [&out](std::string_view name, std::string_view help, uint64_t value) {
    out.single(name, "counter", "", help, static_cast<double>(value));
  };
  counter("bramble_loop_steps_total", "What the loop that owns all state ran.", steps.steps);
  counter("bramble_loop_overruns_total", "Steps of it that took longer than 5 ms.", steps.overruns);
  out.single("bramble_loop_longest_step_microseconds", "gauge", "", "The longest of them.", static_cast<double>(steps.longest_us));
  counter("bramble_token_signatures_checked_total", "Signatures of tokens that were checked, not remembered.", signatures_checked);
}

}  // namespace

void ApiServer::serve_metrics(RequestRef request) const {
  MetricText page;
  request_metrics_.print(page);
  fairness_.print_metrics(page);
  verbs_.admission().metrics().print(page);
  if (options_.audit) options_.audit->print_metrics(page);
  part_calls_.print(page);
  print_build(page, options_);
  print_objects(page, registry_.cache().view());
  print_cache(page, registry_.cache());
  print_loop(page, tokens_.signatures_checked());
  for (const auto& print : options_.metrics) print(page);
  std::vector<Header> headers = answer_headers(*request, kContentType);
  request->responder->send(200, std::move(headers), make_buffer(page.take()));
}

// How its health checks went.
void ApiServer::serve_slis(RequestRef request) const {
  MetricText page;
  health_counts_.print(page);
  request->responder->send(200, answer_headers(*request, kContentType), make_buffer(page.take()));
}

}  // namespace bramble
