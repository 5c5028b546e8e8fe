#include "core/apiserver/request_metrics.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/health.h"
#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr double kSeconds[] = {0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60};
constexpr double kSliSeconds[] = {0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60};
constexpr double kSizes[] = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
constexpr double kEventSizes[] = {1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
constexpr double kFilterSeconds[] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
constexpr double kCertificateSeconds[] = {0,      1800,   3600,    7200,    21600,    43200,    86400,   172800,
                                          345600, 604800, 2592000, 7776000, 15552000, 31104000};

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Of the query, sorted and each once; a request that says anything but "All" is refused.
std::string dry_run_of(const RequestInfo& info) {
  if (!info.query.has("dryRun")) return {};
  for (const std::string& value : info.query.all("dryRun")) {
    if (value != "All") return "invalid";
  }
  return "All";
}

// User names would be without number.
std::string_view user_class(std::string_view user) {
  if (one_of(user, {"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"})) return user;
  return user.find('@') != std::string_view::npos ? "email_id" : "other";
}

constexpr std::string_view kSeriesLabels[] = {"verb", "dry_run", "group", "version", "resource", "subresource", "scope"};
enum SeriesLabel { kVerb, kDryRun, kGroup, kVersion, kResource, kSubresource, kScope };

// In the alphabetical order of the labels' names.
std::string labels_of(const RequestSeries& s, int code, bool with_dry_run, bool with_component = true) {
  std::vector<Label> labels;
  std::string number = cat(code);
  if (code) labels.emplace_back("code", number);
  // Upstream's health checks name none.
  if (with_component) labels.emplace_back("component", health_root(s.labels[kSubresource]).empty() ? "apiserver" : "");
  if (with_dry_run) labels.emplace_back("dry_run", s.labels[kDryRun]);
  for (SeriesLabel l : {kGroup, kResource, kScope, kSubresource, kVerb, kVersion}) labels.emplace_back(kSeriesLabels[l], s.labels[l]);
  return label_text(labels);
}

}  // namespace

std::string_view metric_scope(const RequestInfo& info) {
  if (!info.resource_request) return "";
  bool many = info.verb == "list" || info.verb == "watch" || info.verb == "deletecollection";
  if (!many) return "resource";
  return info.ns.empty() || info.resource == "namespaces" ? "cluster" : "namespace";
}

std::string_view metric_verb(const RequestInfo& info, std::string_view content_type) {
  if (info.resource_request && one_of(info.subresource, {"log", "exec", "portforward", "attach", "proxy"})) return "CONNECT";
  if (info.verb == "watch") return "WATCH";
  if (info.method == "GET" || info.method == "HEAD") return info.verb == "list" ? "LIST" : "GET";
  if (info.method == "PATCH") return content_type == "application/apply-patch+yaml" ? "APPLY" : "PATCH";
  for (std::string_view method : {"POST", "PUT", "DELETE"}) {
    if (info.method == method) return method;
  }
  return "other";
}

bool is_mutating(const RequestInfo& info) { return !one_of(info.verb, {"get", "list", "watch"}); }

bool is_long_running(const RequestInfo& info) {
  if (info.verb == "watch" || info.verb == "proxy") return true;
  return info.resource_request && one_of(info.subresource, {"attach", "exec", "proxy", "log", "portforward"});
}

RequestSeries::RequestSeries() : seconds(kSeconds), sli_seconds(kSliSeconds), sizes(kSizes), labels(std::size(kSeriesLabels)) {}
WatchSeries::WatchSeries() : sizes(kEventSizes) {}
RequestMetrics::Seconds::Seconds() : seconds(kFilterSeconds) {}

RequestMetrics::RequestMetrics(const Clock& clock)
    : clock_(clock),
      requests_(limits::kMetricSeriesMax, [] { return RequestSeries(); }),
      watches_(limits::kMetricSeriesMax, [] { return WatchSeries(); }),
      authentications_(limits::kMetricSeriesMax, [] { return Seconds(); }),
      authorizations_(limits::kMetricSeriesMax, [] { return Seconds(); }),
      users_(limits::kMetricSeriesMax, [] { return uint64_t(0); }),
      deprecated_(limits::kMetricSeriesMax, [] { return uint64_t(0); }),
      terminated_(limits::kMetricSeriesMax, [] { return uint64_t(0); }),
      certificate_seconds_(kCertificateSeconds) {}

void RequestMetrics::HighWater::change(int64_t delta, int64_t at_us) {
  if (at_us / 1000000 != second) {
    before = at_us / 1000000 == second + 1 ? most : now;
    most = now;
    second = at_us / 1000000;
  }
  now += delta;
  most = std::max(most, now);
}

int64_t RequestMetrics::HighWater::shown(int64_t at_us) const {
  int64_t age = at_us / 1000000 - second;
  return age == 0 ? std::max(most, before) : age == 1 ? most : now;
}

RequestSeries& RequestMetrics::series(const RequestInfo& info, std::string_view content_type) {
  std::string dry_run = dry_run_of(info);
  std::string_view subresource = info.resource_request ? std::string_view(info.subresource) : std::string_view(info.path);
  std::string_view values[] = {metric_verb(info, content_type), dry_run, info.group, info.version, info.resource, subresource, metric_scope(info)};
  key_.clear();
  for (std::string_view value : values) key_.append(value).push_back('\0');
  RequestSeries& found = requests_.find(key_, [this] { return key_; });
  if (found.labels[kVerb].empty() && requests_.rest() != &found) {
    for (size_t i = 0; i < std::size(kSeriesLabels); i++) found.labels[i] = values[i];
  }
  return found;
}

void RequestMetrics::authenticated(const Result<Identity>& who, const HttpRequest& http, int64_t started_us) {
  // Nobody is authenticated as the anonymous user: no way to prove an identity was tried.
  std::string_view result = who.ok() ? "success" : "error";
  Seconds& row = authentications_.find(result, [&] { return label_text({{"result", result}}); });
  row.count++;
  row.seconds.observe(static_cast<double>(now_us() - started_us) / 1e6);
  if (http.peer.not_after_s != 0) certificate_seconds_.observe(static_cast<double>(http.peer.not_after_s - clock_.wall_us() / 1000000));
  if (!who.ok()) return;
  std::string_view user = user_class(who->user);
  users_.find(user, [&] { return label_text({{"username", user}}); })++;
}

void RequestMetrics::authorized(bool allowed, int64_t started_us) {
  std::string_view result = allowed ? "allowed" : "no-opinion";
  Seconds& row = authorizations_.find(result, [&] { return label_text({{"result", result}}); });
  row.count++;
  row.seconds.observe(static_cast<double>(now_us() - started_us) / 1e6);
}

void RequestMetrics::deprecated(const RequestInfo& info, std::string_view removed_release) {
  std::string labels = label_text({{"group", info.group}, {"removed_release", removed_release}, {"resource", info.resource},
                                   {"subresource", info.subresource}, {"version", info.version}});
  deprecated_.find(labels, [&] { return labels; }) = 1;
}

void RequestMetrics::terminated(const RequestInfo& info, std::string_view content_type, int code) {
  std::string labels = label_text({{"code", cat(code)}, {"component", "apiserver"}, {"group", info.group}, {"resource", info.resource},
                                   {"scope", metric_scope(info)}, {"subresource", info.subresource}, {"verb", metric_verb(info, content_type)},
                                   {"version", info.version}});
  terminated_.find(labels, [&] { return labels; })++;
}

WatchSeries& RequestMetrics::watch_series(const RequestInfo& info) {
  std::string labels = label_text({{"group", info.group}, {"resource", info.resource}, {"version", info.version}});
  return watches_.find(labels, [&] { return labels; });
}

std::shared_ptr<RequestMetrics::Watched> RequestMetrics::watch(std::shared_ptr<Responder> responder, bool long_running, bool mutating) {
  return std::make_shared<Watched>(*this, std::move(responder), long_running, mutating);
}

RequestMetrics::Watched::Watched(RequestMetrics& metrics, std::shared_ptr<Responder> inner, bool long_running, bool mutating)
    : PassingResponder(std::move(inner)), metrics_(metrics), long_running_(long_running), mutating_(mutating), started_us_(metrics.now_us()) {
  if (!long_running_) (mutating_ ? metrics_.writes_ : metrics_.reads_).change(+1, started_us_);
}

RequestMetrics::Watched::~Watched() {
  if (long_running_) record();
  else (mutating_ ? metrics_.writes_ : metrics_.reads_).change(-1, metrics_.now_us());
  if (long_running_ && series_) series_->long_running--;
}

void RequestMetrics::Watched::counts_as(const RequestInfo& info, const HttpRequest& http) {
  series_ = &metrics_.series(info, http.header("content-type"));
  dry_run_ = info.query.has("dryRun");
  is_get_ = info.method == "GET";
  if (long_running_) series_->long_running++;
}

void RequestMetrics::Watched::extend(std::vector<Header>& headers) {
  headers.insert(headers.end(), extra_.begin(), extra_.end());
}

// What is answered in one piece is counted then; what streams, at its end.
void RequestMetrics::Watched::send(int status, std::vector<Header> headers, Buffer body) {
  status_ = status;
  if (body) bytes_ = body->size();
  if (!long_running_) record();
  extend(headers);
  PassingResponder::send(status, std::move(headers), std::move(body));
}

void RequestMetrics::Watched::begin(int status, std::vector<Header> headers) {
  status_ = status;
  extend(headers);
  PassingResponder::begin(status, std::move(headers));
  if (!long_running_) record();
}

Task<bool> RequestMetrics::Watched::write(Buffer chunk) {
  bytes_ += chunk->size();
  return PassingResponder::write(std::move(chunk));
}

Task<std::unique_ptr<WebSocket>> RequestMetrics::Watched::accept_websocket(std::vector<std::string> protocols) {
  status_ = 101;
  return PassingResponder::accept_websocket(std::move(protocols));
}

std::unique_ptr<WebSocket> RequestMetrics::Watched::hand_over(std::vector<Header> headers) {
  status_ = 101;
  return PassingResponder::hand_over(std::move(headers));
}

void RequestMetrics::Watched::record() {
  if (series_ == nullptr || status_ == 0) return;
  double seconds = static_cast<double>(metrics_.now_us() - started_us_) / 1e6;
  auto code = std::find_if(series_->codes.begin(), series_->codes.end(), [this](const auto& c) { return c.first == status_; });
  if (code == series_->codes.end()) code = series_->codes.insert(code, {status_, 0});
  code->second++;
  series_->seconds.observe(seconds);
  if (!dry_run_) series_->sli_seconds.observe(seconds - static_cast<double>(waited_us_) / 1e6);
  if (is_get_) series_->sizes.observe(static_cast<double>(bytes_));
}

void RequestMetrics::print_series(MetricText& out, std::string_view name, std::string_view stability, std::string_view help,
                                  const Histogram RequestSeries::*which, bool with_dry_run) const {
  out.family(name, "histogram", stability, help);
  requests_.each([&](const std::string&, const RequestSeries& s) {
    if ((s.*which).count() > 0) out.histogram(labels_of(s, 0, with_dry_run), s.*which);
  });
}

void RequestMetrics::print_requests(MetricText& out) const {
  out.family("apiserver_request_total", "counter", "STABLE",
             "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.");
  requests_.each([&](const std::string&, const RequestSeries& s) {
    for (const auto& [code, count] : s.codes) out.value(labels_of(s, code, true), static_cast<double>(count));
  });
  print_series(out, "apiserver_request_duration_seconds", "STABLE",
               "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
               &RequestSeries::seconds, true);
  print_series(out, "apiserver_request_sli_duration_seconds", "ALPHA",
               "Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, "
               "group, version, resource, subresource, scope and component.",
               &RequestSeries::sli_seconds, false);
  print_series(out, "apiserver_response_sizes", "STABLE",
               "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.", &RequestSeries::sizes,
               false);
}

void RequestMetrics::print_long_running(MetricText& out) const {
  out.family("apiserver_longrunning_requests", "gauge", "STABLE",
             "Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests "
             "are tracked this way.");
  requests_.each([&](const std::string&, const RequestSeries& s) {
    if (one_of(s.labels[kVerb], {"WATCH", "CONNECT"})) out.value(labels_of(s, 0, false), static_cast<double>(s.long_running));
  });
  out.family("apiserver_watch_events_total", "counter", "ALPHA", "Number of events sent in watch clients");
  watches_.each([&](const std::string& labels, const WatchSeries& w) { out.value(labels, static_cast<double>(w.events)); });
  out.family("apiserver_watch_events_sizes", "histogram", "ALPHA", "Watch event size distribution in bytes");
  watches_.each([&](const std::string& labels, const WatchSeries& w) {
    if (w.events > 0) out.histogram(labels, w.sizes);
  });
}

void RequestMetrics::print(MetricText& out) const {
  print_requests(out);
  print_long_running(out);
  out.family("apiserver_current_inflight_requests", "gauge", "STABLE",
             "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.");
  out.value(label_text({{"request_kind", "mutating"}}), static_cast<double>(writes_.shown(now_us())));
  out.value(label_text({{"request_kind", "readOnly"}}), static_cast<double>(reads_.shown(now_us())));
  out.family("apiserver_requested_deprecated_apis", "gauge", "STABLE",
             "Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.");
  deprecated_.each([&](const std::string& labels, const uint64_t& one) { out.value(labels, static_cast<double>(one)); });
  out.family("apiserver_request_terminations_total", "counter", "ALPHA", "Number of requests which apiserver terminated in self-defense.");
  terminated_.each([&](const std::string& labels, const uint64_t& count) { out.value(labels, static_cast<double>(count)); });

  out.family("authenticated_user_requests", "counter", "ALPHA", "Counter of authenticated requests broken out by username.");
  users_.each([&](const std::string& labels, const uint64_t& count) { out.value(labels, static_cast<double>(count)); });
  auto filter = [&](const LabelTable<Seconds>& table, std::string_view counter, std::string_view counter_help, std::string_view seconds,
                    std::string_view seconds_help) {
    out.family(counter, "counter", "ALPHA", counter_help);
    table.each([&](const std::string& labels, const Seconds& s) { out.value(labels, static_cast<double>(s.count)); });
    out.family(seconds, "histogram", "ALPHA", seconds_help);
    table.each([&](const std::string& labels, const Seconds& s) { out.histogram(labels, s.seconds); });
  };
  filter(authentications_, "authentication_attempts", "Counter of authenticated attempts.", "authentication_duration_seconds",
         "Authentication duration in seconds broken out by result.");
  filter(authorizations_, "authorization_attempts_total",
         "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
         "authorization_duration_seconds", "Authorization duration in seconds broken out by result.");
  out.family("apiserver_client_certificate_expiration_seconds", "histogram", "ALPHA",
             "Distribution of the remaining lifetime on the certificate used to authenticate a request.");
  out.histogram("", certificate_seconds_);
}

}  // namespace bramble
