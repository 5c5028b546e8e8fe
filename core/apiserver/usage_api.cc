#include "core/apiserver/usage_api.h"

#include <map>
#include <set>

#include "core/apiserver/selection.h"
#include "core/apiserver/tables.h"
#include "core/loop/loop.h"
#include "core/json/builder.h"
#include "core/loop/race.h"
#include "core/registry/api_status.h"
#include "core/resources/pod_view.h"
#include "core/schema/go_time.h"

namespace bramble {

namespace {

constexpr std::string_view kVersion = "metrics.k8s.io/v1beta1";

using Samples = std::map<std::string, NodeSample>;  // by node

Task<void> take_sample(std::string node, NodeReadings* readings, Samples* out, size_t* left, Event* all) {
  auto sample = co_await readings->sample();
  if (sample.ok()) out->emplace(node, std::move(*sample));
  if (--*left == 0) all->set();
}

// Of each node beside the others; of those that tell something.
Task<Samples> take_samples(std::set<std::string> nodes, ReadingsOf readings) {
  Samples out;
  std::vector<std::pair<std::string, NodeReadings*>> asked;
  for (const std::string& node : nodes) {
    if (NodeReadings* r = readings ? readings(node) : nullptr) asked.emplace_back(node, r);
  }
  size_t left = asked.size();
  Event all;
  if (left == 0) co_return out;
  {
    TaskGroup tasks;
    for (const auto& [node, r] : asked) tasks.start(take_sample(node, r, &out, &left, &all));
    co_await all.wait();
    co_await sleep_ms(0);  // the last of them is still inside its step
  }
  co_return out;
}

void write_usage(Mut owner, const UsageSample& s) {
  Mut usage = owner.object("usage");
  auto cpu = Quantity::parse(cat(s.cpu_nano_cores, "n"));
  usage.set("cpu", cpu.ok() ? cpu->text() : "0");
  usage.set("memory", Quantity::of_bytes(static_cast<int64_t>(s.memory_bytes)).text());
  if (s.has_swap) usage.set("swap", Quantity::of_bytes(static_cast<int64_t>(s.swap_bytes)).text());
}

// kind, apiVersion, metadata, timestamp, window. The labels are those of the object that it is about.
Builder begin_object(std::string_view kind, const Document& about, const std::string& now, int64_t taken_us, int64_t window_us) {
  Builder b;
  b.root().set("kind", kind);
  b.root().set("apiVersion", kVersion);
  Mut m = b.root().object("metadata");
  m.set("name", name_of(about));
  if (!namespace_of(about).empty()) m.set("namespace", namespace_of(about));
  m.set("creationTimestamp", now);
  if (about["metadata"]["labels"].size() > 0) m.set("labels", about["metadata"]["labels"]);
  b.root().set("timestamp", format_rfc3339(taken_us));
  b.root().set("window", format_go_duration(window_us * 1000));
  return b;
}

std::optional<Document> node_metrics(const Document& node, const Samples& samples, const std::string& now) {
  auto it = samples.find(std::string(name_of(node)));
  if (it == samples.end()) return std::nullopt;
  Builder b = begin_object("NodeMetrics", node, now, it->second.taken_us, it->second.window_us);
  write_usage(b.root(), it->second.usage);
  return b.finish();
}

std::optional<Document> pod_metrics(const Document& pod, const Samples& samples, const std::string& now) {
  PodView view(pod);
  if (view.phase() != "Running") return std::nullopt;
  auto it = samples.find(std::string(view.node_name()));
  if (it == samples.end()) return std::nullopt;
  for (const PodSample& sample : it->second.pods) {
    if (sample.uid != view.uid()) continue;
    Builder b = begin_object("PodMetrics", pod, now, it->second.taken_us, sample.window_us);
    Mut containers = b.root().array("containers");
    for (const ContainerSample& c : sample.containers) {
      Mut out = containers.append_object();
      out.set("name", c.name);
      write_usage(out, c.usage);
    }
    return b.finish();
  }
  return std::nullopt;
}

// The sums of an object's usage, by resource.
ResourceAmounts usage_of(const Document& object) {
  if (!object["containers"].exists()) return resource_amounts(object["usage"]);
  ResourceAmounts sum;
  for (Value c : object["containers"].items()) add_amounts(sum, resource_amounts(c["usage"]));
  return sum;
}

// As metrics-server's: a column for each resource that the first object has. Without objects there are no columns.
std::string usage_table(const std::vector<Document>& objects, const TableOptions& options) {
  Builder b;
  Mut table = b.root();
  table.set("kind", "Table");
  table.set("apiVersion", cat("meta.k8s.io/", options.version));
  table.object("metadata");
  if (objects.empty()) table.set_null("columnDefinitions");
  std::vector<std::string> names;
  auto column = [&table](std::string_view name, std::string_view format, std::string_view description) {
    Mut c = table.array("columnDefinitions").append_object();
    c.set("name", name);
    c.set("type", "string");
    c.set("format", format);
    c.set("description", description);
    c.set("priority", 0);
  };
  if (!objects.empty()) {
    column("Name", "name", "Name of the resource");
    for (const auto& [name, amount] : usage_of(objects[0])) {
      names.push_back(name);
      column(name, "quantity", "");
    }
    column("Window", "duration", "");
  }
  Mut rows = table.array("rows");
  for (const Document& object : objects) {
    ResourceAmounts usage = usage_of(object);
    Mut row = rows.append_object();
    Mut cells = row.array("cells");
    cells.append(name_of(object));
    for (const std::string& name : names) cells.append(usage.contains(name) ? usage[name].text() : "0");
    cells.append(object["window"].str());
    if (options.include == IncludeObject::kNone) row.set_null("object");
    if (options.include == IncludeObject::kObject) row.set("object", object.root());
    if (options.include != IncludeObject::kMetadata) continue;
    Mut partial = row.object("object");
    partial.set("kind", "PartialObjectMetadata");
    partial.set("apiVersion", cat("meta.k8s.io/", options.version));
    partial.set("metadata", object["metadata"]);
  }
  return b.dump();
}

void send_list(Request& request, const std::vector<Document>& objects, const Clock& clock) {
  if (request.answer.shape == Shape::kPartialMetadata) return send_error(request, api_not_acceptable());
  if (request.answer.shape == Shape::kPartialMetadataList) {
    return send_body(request, 200, make_buffer(partial_list_json(objects, ListMeta(), request.answer.shape_version)));
  }
  if (request.answer.shape == Shape::kTable) {
    auto options = table_options(request, clock);
    if (!options.ok()) return send_error(request, options.error());
    return send_body(request, 200, make_buffer(usage_table(objects, *options)));
  }
  std::string out = cat("{\"kind\":\"", list_kind(*request.kind), "\",\"apiVersion\":\"", kVersion, "\",\"metadata\":{},\"items\":[");
  for (const Document& object : objects) {
    Builder item(object.root());
    item.root().remove("kind");
    item.root().remove("apiVersion");
    out += cat(out.back() == '[' ? "" : ",", item.dump());
  }
  send_body(request, 200, make_buffer(out + "]}"));
}

void send_one(Request& request, const Document& object, const Clock& clock) {
  if (request.answer.shape != Shape::kTable) return send_object(request, 200, object, clock);
  auto options = table_options(request, clock);
  if (!options.ok()) return send_error(request, options.error());
  send_body(request, 200, make_buffer(usage_table({object}, *options)));
}

Task<void> answer(std::shared_ptr<Request> request, Registry* registry, ReadingsOf readings) {
  const RequestInfo& info = request->info;
  const bool pods = request->kind->resource == "pods", one = info.verb == "get";
  const Kind& about = *find_kind("", "v1", request->kind->resource);
  const std::string ns = pods ? info.ns : std::string();
  std::vector<Document> chosen;
  if (one) {
    Document object = registry->get(about, ns, info.name);
    if (!object) co_return send_error(*request, api_not_found({"", about.resource}, info.name));
    chosen.push_back(object);
  } else {
    auto selection = Selection::of(*request->kind, info.query.get("labelSelector"), info.query.get("fieldSelector"));
    if (!selection.ok()) co_return send_error(*request, selection.error());
    registry->cache().view().range(registry_prefix(about, ns), "", 0, [&](const EntryRef& entry) {
      if (selection->matches(entry->document.root())) chosen.push_back(entry->document);
      return true;
    });
  }
  std::set<std::string> nodes;
  for (const Document& object : chosen) {
    std::string_view node = pods ? PodView(object).node_name() : name_of(object);
    if (!node.empty()) nodes.emplace(node);
  }
  Task<Samples> taking = take_samples(nodes, readings);
  Samples samples = co_await taking;
  const std::string now = registry->clock().now_rfc3339();
  std::vector<Document> out;
  for (const Document& object : chosen) {
    auto made = pods ? pod_metrics(object, samples, now) : node_metrics(object, samples, now);
    if (made) out.push_back(std::move(*made));
  }
  if (!one) co_return send_list(*request, out, registry->clock());
  if (!out.empty()) co_return send_one(*request, out[0], registry->clock());
  ResourceName name{kUsageGroup, pods ? "podmetrics" : "nodemetrics"};
  send_error(*request, api_not_found(name, pods ? cat(ns, "/", info.name) : info.name));
}

Task<void> answer_page(std::shared_ptr<Request> request, NodeReadings* node, std::string path) {
  NodePage page = co_await node->page(request->http->method, path, request->http->query);
  std::vector<Header> headers = {{"content-type", page.content_type}, {"cache-control", "no-cache, private"}};
  request->responder->send(page.status, std::move(headers), make_buffer(std::move(page.body)));
}

}  // namespace

Task<void> serve_usage_api(std::shared_ptr<Request> request, Registry* registry, ReadingsOf readings) {
  Race race;
  race.until(&request->responder->gone());
  race.add(answer(request, registry, std::move(readings)));
  co_await race.first().wait();
}

NodeReadings* kubelet_behind_proxy(const Request& request, Registry& registry, const ReadingsOf& readings) {
  if (!readings || request.kind->resource != "nodes" || !request.kind->group.empty() || request.info.rest.empty()) return nullptr;
  // NAME, NAME:PORT, https:NAME:PORT: the kubelet's port, or none
  std::string_view id = request.info.name;
  if (id.starts_with("https:")) id.remove_prefix(6);
  std::string_view name = id.substr(0, id.find(':')), port = name.size() < id.size() ? id.substr(name.size() + 1) : std::string_view();
  Document node = registry.get(*request.kind, "", name);
  if (!node) return nullptr;
  if (!port.empty() && port != cat(node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].integer(10250))) return nullptr;
  return readings(name);
}

Task<void> serve_node_page(std::shared_ptr<Request> request, NodeReadings* node) {
  std::string path;
  for (const std::string& part : request->info.rest) path += cat("/", part);
  Race race;
  race.until(&request->responder->gone());
  race.add(answer_page(request, node, path));
  co_await race.first().wait();
}

Document usage_api_service() {
  Builder b;
  b.root().set("kind", "APIService");
  b.root().set("apiVersion", "apiregistration.k8s.io/v1");
  Mut m = b.root().object("metadata");
  m.set("name", "v1beta1.metrics.k8s.io");
  m.object("labels").set("kube-aggregator.kubernetes.io/automanaged", "onstart");
  Mut spec = b.root().object("spec");
  spec.set("group", kUsageGroup);
  spec.set("version", "v1beta1");
  spec.set("groupPriorityMinimum", 100);
  spec.set("versionPriority", 100);
  return b.finish();
}

Document usage_api_service_status() {
  Builder b;
  Mut available = b.root().object("status").array("conditions").append_object();
  available.set("type", "Available");
  available.set("status", "True");
  available.set("reason", "Local");
  available.set("message", "Local APIServices are always available");
  return b.finish();
}

}  // namespace bramble
