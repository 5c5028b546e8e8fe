#include "core/client/remote_readings.h"

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/client/api_requests.h"
#include "core/json/builder.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

void write_usage(Mut to, const UsageSample& s) {
  to.set("cpuNanoCores", static_cast<int64_t>(s.cpu_nano_cores));
  to.set("memoryBytes", static_cast<int64_t>(s.memory_bytes));
  if (s.has_swap) to.set("swapBytes", static_cast<int64_t>(s.swap_bytes));
}

UsageSample read_usage(Value v) {
  UsageSample s;
  s.cpu_nano_cores = static_cast<uint64_t>(v["cpuNanoCores"].integer());
  s.memory_bytes = static_cast<uint64_t>(v["memoryBytes"].integer());
  s.has_swap = v.has("swapBytes");
  s.swap_bytes = static_cast<uint64_t>(v["swapBytes"].integer());
  return s;
}

Task<void> exchange(KubeletConnect connect, std::string node, HttpClientRequest request, std::optional<Result<HttpResponse>>* out) {
  auto connection = co_await connect(node);
  if (!connection.ok()) {
    out->emplace(connection.error());
    co_return;
  }
  auto answer = co_await (*connection)->request(std::move(request), limits::kResponseBytesMax);
  out->emplace(std::move(answer));
}

}  // namespace

std::string sample_text(const NodeSample& sample) {
  Builder b;
  b.root().set("takenUs", sample.taken_us);
  b.root().set("windowUs", sample.window_us);
  write_usage(b.root().object("usage"), sample.usage);
  Mut pods = b.root().array("pods");
  for (const PodSample& p : sample.pods) {
    Mut pod = pods.append_object();
    pod.set("namespace", p.pod.ns);
    pod.set("name", p.pod.name);
    pod.set("uid", p.uid);
    pod.set("windowUs", p.window_us);
    Mut containers = pod.array("containers");
    for (const ContainerSample& c : p.containers) {
      Mut container = containers.append_object();
      container.set("name", c.name);
      write_usage(container.object("usage"), c.usage);
    }
  }
  return b.dump();
}

Result<NodeSample> parse_sample(std::string_view text) {
  TRY_ASSIGN(Document d, Document::parse(text));
  NodeSample out;
  out.taken_us = d["takenUs"].integer();
  out.window_us = d["windowUs"].integer();
  out.usage = read_usage(d["usage"]);
  for (Value p : d["pods"].items()) {
    PodSample pod;
    pod.pod = {p["namespace"].text(), p["name"].text()};
    pod.uid = p["uid"].text();
    pod.window_us = p["windowUs"].integer();
    for (Value c : p["containers"].items()) pod.containers.push_back({c["name"].text(), read_usage(c["usage"])});
    out.pods.push_back(std::move(pod));
  }
  if (out.taken_us <= 0 || out.window_us <= 0) return Error(Code::kInvalidArgument, "the kubelet's sample has no time");
  return out;
}

Task<Result<HttpResponse>> RemoteReadings::ask(HttpClientRequest request) {
  std::optional<Result<HttpResponse>> out;
  {
    Race race;
    race.add(exchange(connect_, node_, std::move(request), &out));
    race.within_ms(limits::kApiRequestMs);
    co_await race.first().wait();
  }
  if (!out) co_return Error(Code::kTimeout, cat("node ", node_, ": the kubelet does not answer"));
  co_return std::move(*out);
}

Task<Result<NodeSample>> RemoteReadings::sample() {
  HttpClientRequest request;
  request.target = kSamplePath;
  Task<Result<HttpResponse>> asking = ask(std::move(request));
  auto answer = co_await asking;
  CO_TRY(answer);
  if (answer->status != 200) co_return error_of_answer(answer->status, answer->body);
  co_return parse_sample(answer->body);
}

Task<NodePage> RemoteReadings::page(std::string method, std::string path, std::string query) {
  HttpClientRequest request;
  request.method = std::move(method);
  request.target = query.empty() ? path : cat(path, "?", query);
  Task<Result<HttpResponse>> asking = ask(std::move(request));
  auto answer = co_await asking;
  NodePage out;
  if (answer.ok()) {
    out.status = answer->status;
    out.content_type = answer->header("content-type");
    out.body = std::move(answer->body);
  } else {
    out.status = 503;
    out.content_type = "text/plain; charset=utf-8";
    out.body = answer.error().message();
  }
  co_return out;
}

}  // namespace bramble
