// RequestMetrics: what the API server counts about the requests it answers, under upstream's names (k8s.io/apiserver,
// pkg/endpoints/metrics and pkg/endpoints/filters/metrics.go). Requests that reach a resource or a health check are told apart
// by verb, resource and scope, as upstream's instrumented routes are; what is refused before is not among them. Owned by the
// ApiServer, counted on the owner's loop thread, and bounded: limits::kMetricSeriesMax label sets. Nothing survives a restart.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/apiserver/passing_responder.h"
#include "core/apiserver/route.h"
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/client/client.h"
#include "core/http/server.h"

namespace bramble {

// What is counted for one verb on one resource.
struct RequestSeries {
  RequestSeries();
  Histogram seconds, sli_seconds, sizes;
  std::vector<std::pair<int, uint64_t>> codes;
  std::vector<std::string> labels;  // verb, dry_run, group, version, resource, subresource, scope
  int64_t long_running = 0;
};

// Events sent to the watchers of one resource.
struct WatchSeries {
  WatchSeries();
  uint64_t events = 0;
  Histogram sizes;
  void sent(size_t bytes) { events++, sizes.observe(static_cast<double>(bytes)); }
};

class RequestMetrics {
 public:
  explicit RequestMetrics(const Clock& clock);

  // From here on the request counts as in flight (long-running ones: as such), until its responder is let go of.
  class Watched;
  std::shared_ptr<Watched> watch(std::shared_ptr<Responder> responder, bool long_running, bool mutating);

  void authenticated(const Result<Identity>& who, const HttpRequest& http, int64_t started_us);
  void authorized(bool allowed, int64_t started_us);
  void deprecated(const RequestInfo& info, std::string_view removed_release);
  // Ended for the server's own good, with this status, before it was looked at. What it asks for is served.
  void terminated(const RequestInfo& info, std::string_view content_type, int code);
  WatchSeries& watch_series(const RequestInfo& info);

  void print(MetricText& out) const;

 private:
  struct Seconds {
    Seconds();
    uint64_t count = 0;
    Histogram seconds;
  };
  // The most requests that ran at once within a second, as upstream's gauge has it.
  struct HighWater {
    int64_t now = 0, most = 0, before = 0, second = 0;
    void change(int64_t delta, int64_t at_us);
    int64_t shown(int64_t at_us) const;
  };
  RequestSeries& series(const RequestInfo& info, std::string_view content_type);
  int64_t now_us() const { return clock_.monotonic_us(); }
  void print_requests(MetricText& out) const;
  void print_long_running(MetricText& out) const;
  void print_series(MetricText& out, std::string_view name, std::string_view stability, std::string_view help,
                    const Histogram RequestSeries::*which, bool with_dry_run) const;

  const Clock& clock_;
  LabelTable<RequestSeries> requests_;
  LabelTable<WatchSeries> watches_;
  LabelTable<Seconds> authentications_, authorizations_;
  LabelTable<uint64_t> users_, deprecated_, terminated_;
  Histogram certificate_seconds_;
  HighWater reads_, writes_;
  std::string key_;  // kept for its memory
};

// The network's end of a request, looking on: how it was answered and when.
class RequestMetrics::Watched final : public PassingResponder {
 public:
  Watched(RequestMetrics& metrics, std::shared_ptr<Responder> inner, bool long_running, bool mutating);
  ~Watched() override;
  Watched(const Watched&) = delete;

  // What is asked for is served: the answer is counted under it. http must outlive this; long-running requests stand in a gauge.
  void counts_as(const RequestInfo& info, const HttpRequest& http);
  // Every answer to this request carries it.
  void add_header(std::string_view name, std::string_view value) { extra_.push_back({std::string(name), std::string(value)}); }
  void waited(int64_t us) { waited_us_ += us; }  // in a queue: not the server's slowness
  int64_t started_us() const { return started_us_; }

  void send(int status, std::vector<Header> headers, Buffer body) override;
  void begin(int status, std::vector<Header> headers) override;
  Task<bool> write(Buffer chunk) override;
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override;
  std::unique_ptr<WebSocket> hand_over(std::vector<Header> headers) override;

 private:
  void record();
  void extend(std::vector<Header>& headers);

  RequestMetrics& metrics_;
  const bool long_running_, mutating_;
  const int64_t started_us_;
  int64_t waited_us_ = 0;
  std::vector<Header> extra_;
  RequestSeries* series_ = nullptr;
  int status_ = 0;
  uint64_t bytes_ = 0;
  bool dry_run_ = false, is_get_ = false;
};

// As upstream shows them in labels.
std::string_view metric_verb(const RequestInfo& info, std::string_view content_type);
std::string_view metric_scope(const RequestInfo& info);
bool is_long_running(const RequestInfo& info);  // as upstream's --max-requests-inflight tells them apart
bool is_mutating(const RequestInfo& info);

}  // namespace bramble
