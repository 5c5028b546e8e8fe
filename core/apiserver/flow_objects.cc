#include "core/apiserver/flow_objects.h"

#include <algorithm>

#include "core/apiserver/decode.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/registry/object_meta.h"

namespace bramble {

namespace {

constexpr std::string_view kGroupVersion = "flowcontrol.apiserver.k8s.io/v1";
constexpr std::string_view kAutoUpdate = "apf.kubernetes.io/autoupdate-spec";
constexpr const char* kProducer = "api-priority-and-fairness-config-producer-v1";
constexpr const char* kConsumer = "api-priority-and-fairness-config-consumer-v1";

using Words = std::vector<std::string_view>;

struct LevelRow {
  bool mandatory;
  const char* name;
  int shares, lendable_percent;
  int queues, hand_size;  // 0 queues: what finds no seat is refused
};
constexpr LevelRow kLevels[] = {
    {true, "catch-all", 5, 0, 0, 0},      {true, "exempt", 0, 0, 0, 0},          {false, "system", 30, 33, 64, 6},
    {false, "node-high", 40, 25, 64, 6},  {false, "leader-election", 10, 0, 16, 4}, {false, "workload-high", 40, 50, 128, 6},
    {false, "workload-low", 100, 90, 128, 6}, {false, "global-default", 20, 50, 128, 6},
};
constexpr int kQueueLength = 50;

struct ResourceRow {
  Words verbs, groups, resources;
  bool cluster_scope;
};
struct SchemaRow {
  bool mandatory;
  const char* name;
  const char* level;
  int precedence;
  const char* distinguisher;  // "": none
  Words groups, users;
  const char* accounts_of;    // all service accounts of this namespace; "": none
  std::vector<ResourceRow> resources;
  Words path_verbs, paths;    // empty: none
};

std::vector<SchemaRow> schema_rows() {
  const Words all = {"*"}, everybody = {"system:unauthenticated", "system:authenticated"}, nodes = {"system:nodes"};
  const std::vector<ResourceRow> everything = {{all, all, all, true}};
  return {
      {true, "exempt", "exempt", 1, "", {"system:masters"}, {}, "", everything, all, all},
      {true, "catch-all", "catch-all", 10000, "ByUser", everybody, {}, "", everything, all, all},
      {false, "system-nodes", "system", 500, "ByUser", nodes, {}, "", everything, all, all},
      {false, "system-node-high", "node-high", 400, "ByUser", nodes, {}, "",
       {{all, {""}, {"nodes", "nodes/status"}, true}, {all, {"coordination.k8s.io"}, {"leases"}, false}}, {}, {}},
      {false, "probes", "exempt", 2, "", everybody, {}, "", {}, {"get"}, {"/healthz", "/readyz", "/livez"}},
      {false, "system-leader-election", "leader-election", 100, "ByUser", {}, {"system:kube-controller-manager", "system:kube-scheduler"}, "kube-system",
       {{{"get", "create", "update"}, {"coordination.k8s.io"}, {"leases"}, false}}, {}, {}},
      {false, "kube-controller-manager", "workload-high", 800, "ByNamespace", {}, {"system:kube-controller-manager"}, "", everything, all, all},
      {false, "kube-scheduler", "workload-high", 800, "ByNamespace", {}, {"system:kube-scheduler"}, "", everything, all, all},
      {false, "kube-system-service-accounts", "workload-high", 900, "ByNamespace", {}, {}, "kube-system", everything, all, all},
      {false, "service-accounts", "workload-low", 9000, "ByUser", {"system:serviceaccounts"}, {}, "", everything, all, all},
      {false, "global-default", "global-default", 9900, "ByUser", everybody, {}, "", everything, all, all},
  };
}

void set_words(Mut list, const Words& words) {
  for (std::string_view word : words) list.append(word);
}

Builder begin_object(std::string_view kind, std::string_view name) {
  Builder b;
  b.root().set("apiVersion", kGroupVersion);
  b.root().set("kind", kind);
  Mut meta = b.root().object("metadata");
  meta.set("name", name);
  meta.object("annotations").set(kAutoUpdate, "true");
  return b;
}

Document level_document(const LevelRow& row) {
  Builder b = begin_object("PriorityLevelConfiguration", row.name);
  Mut spec = b.root().object("spec");
  bool exempt = std::string_view(row.name) == "exempt";
  spec.set("type", exempt ? "Exempt" : "Limited");
  Mut common = spec.object(exempt ? "exempt" : "limited");
  common.set("nominalConcurrencyShares", row.shares);
  common.set("lendablePercent", row.lendable_percent);
  if (exempt) return b.finish();
  Mut response = common.object("limitResponse");
  response.set("type", row.queues > 0 ? "Queue" : "Reject");
  if (row.queues == 0) return b.finish();
  Mut queuing = response.object("queuing");
  queuing.set("queues", row.queues);
  queuing.set("handSize", row.hand_size);
  queuing.set("queueLengthLimit", kQueueLength);
  return b.finish();
}

void add_subject(Mut subjects, std::string_view kind, std::string_view field, std::string_view name, std::string_view ns) {
  Mut s = subjects.append_object();
  s.set("kind", kind);
  Mut who = s.object(field);
  if (!ns.empty()) who.set("namespace", ns);
  who.set("name", name);
}

Document schema_document(const SchemaRow& row) {
  Builder b = begin_object("FlowSchema", row.name);
  Mut spec = b.root().object("spec");
  spec.object("priorityLevelConfiguration").set("name", row.level);
  spec.set("matchingPrecedence", row.precedence);
  if (*row.distinguisher) spec.object("distinguisherMethod").set("type", row.distinguisher);
  Mut rule = spec.array("rules").append_object();
  Mut subjects = rule.array("subjects");
  for (std::string_view name : row.users) add_subject(subjects, "User", "user", name, "");
  for (std::string_view name : row.groups) add_subject(subjects, "Group", "group", name, "");
  if (*row.accounts_of) add_subject(subjects, "ServiceAccount", "serviceAccount", "*", row.accounts_of);
  for (const ResourceRow& r : row.resources) {
    Mut resource = rule.array("resourceRules").append_object();
    set_words(resource.array("verbs"), r.verbs);
    set_words(resource.array("apiGroups"), r.groups);
    set_words(resource.array("resources"), r.resources);
    if (r.cluster_scope) resource.set("clusterScope", true);
    set_words(resource.array("namespaces"), {"*"});
  }
  if (!row.paths.empty()) {
    Mut path = rule.array("nonResourceRules").append_object();
    set_words(path.array("verbs"), row.path_verbs);
    set_words(path.array("nonResourceURLs"), row.paths);
  }
  return b.finish();
}

std::optional<bool> auto_update_of(const Document& object) {
  std::string_view value = object["metadata"]["annotations"][kAutoUpdate].str();
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (value == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (value == no) return false;
  }
  return std::nullopt;
}

Document canonical(const Kind& kind, const Document& object) {
  ExpectedType expected = *Verbs::expected_type(kind, "");
  auto decoded = decode_object(expected, object.root(), FieldValidation::kIgnore, nullptr);
  CHECK(decoded.ok(), "a default object of fairness does not decode: ", decoded.error().message());
  return decoded->finish();
}

const Kind& kind_of(const FlowObject& object) { return object.is_schema ? flow_schema_kind() : priority_level_kind(); }

}  // namespace

const Kind& flow_schema_kind() { return *find_kind("flowcontrol.apiserver.k8s.io", "v1", "flowschemas"); }
const Kind& priority_level_kind() { return *find_kind("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations"); }

std::vector<FlowObject> default_flow_objects() {
  std::vector<FlowObject> out;
  for (const LevelRow& row : kLevels) out.push_back({row.mandatory, false, level_document(row)});
  for (const SchemaRow& row : schema_rows()) out.push_back({row.mandatory, true, schema_document(row)});
  return out;
}

Document revised_flow_object(const Document& existing, const Document& wanted, bool mandatory) {
  std::optional<bool> annotated = auto_update_of(existing);
  // Without an annotation that says so: while nobody has changed the spec.
  bool update = mandatory || annotated.value_or(existing["metadata"]["generation"].integer() == 1);
  Document spec = Document::of(wanted["spec"]);
  // What the level "exempt" lends is the admin's to say.
  if (Value lends = existing["spec"]["exempt"]; lends.is_object() && spec["exempt"].is_object()) {
    Builder own(spec.root());
    own.root().set("exempt", lends);
    spec = own.finish();
  }
  bool spec_differs = update && !equal(existing["spec"], spec.root());
  if (!spec_differs && annotated == update) return {};
  Builder b(existing.root());
  if (spec_differs) b.root().set("spec", spec.root());
  if (annotated != update) b.root().object("metadata").object("annotations").set(kAutoUpdate, update ? "true" : "false");
  return b.finish();
}

Document dangling_patch(const Document& schema, bool level_exists, int64_t now_us) {
  std::string_view level = schema["spec"]["priorityLevelConfiguration"]["name"].str();
  std::string_view status = level_exists ? "False" : "True", reason = level_exists ? "Found" : "NotFound";
  std::string message = cat("This FlowSchema references the PriorityLevelConfiguration object named ", go_quote(level),
                            level_exists ? " and it exists" : " but there is no such object");
  for (Value c : schema["status"]["conditions"].items()) {
    if (c["type"].str() != "Dangling") continue;
    if (c["status"].str() == status && c["reason"].str() == reason && c["message"].str() == message) return {};
  }
  Builder b;
  b.root().set("apiVersion", kGroupVersion);
  b.root().set("kind", "FlowSchema");
  b.root().object("metadata").set("name", name_of(schema));
  Mut c = b.root().object("status").array("conditions").append_object();
  c.set("type", "Dangling");
  c.set("status", status);
  c.set("lastTransitionTime", format_rfc3339(now_us));
  c.set("reason", reason);
  c.set("message", message);
  return b.finish();
}

// Writes that are under way at once, so that they share the disk's flush.
struct FlowKeeper::Round {
  size_t waiting = 0;
  std::optional<Error> first_error;
  Event all_done;
};

FlowKeeper::FlowKeeper(Verbs& verbs, const Clock& clock) : verbs_(verbs), clock_(clock) {}

Document FlowKeeper::find(const Kind& kind, std::string_view name) const {
  EntryRef entry = verbs_.registry().cache().get(registry_key(kind, "", name));
  return entry ? shown_form(kind, entry->document) : Document();
}

std::vector<FlowKeeper::Write> FlowKeeper::missing() const {
  std::vector<Write> out;
  const std::vector<FlowObject> defaults = default_flow_objects();
  for (const FlowObject& wanted : defaults) {
    const Kind& kind = kind_of(wanted);
    Document object = canonical(kind, wanted.document);
    Document existing = find(kind, name_of(object));
    if (!existing) {
      out.push_back({Write::Verb::kCreate, &kind, object});
    } else if (Document revised = revised_flow_object(existing, object, wanted.mandatory)) {
      out.push_back({Write::Verb::kUpdate, &kind, revised});
    }
  }
  // What an earlier release had and this one has not.
  CacheView view = verbs_.registry().cache().view();
  for (const Kind* kind : {&flow_schema_kind(), &priority_level_kind()}) {
    view.range(registry_prefix(*kind, ""), "", 0, [&](const EntryRef& entry) {
      Document object = shown_form(*kind, entry->document);
      bool known = std::any_of(defaults.begin(), defaults.end(), [&](const FlowObject& d) {
        return &kind_of(d) == kind && name_of(d.document) == name_of(object);
      });
      if (!known && auto_update_of(object) == true) out.push_back({Write::Verb::kDelete, kind, object});
      return true;
    });
  }
  return out;
}

std::vector<FlowKeeper::Write> FlowKeeper::outdated_statuses() const {
  std::vector<Write> out;
  const Kind& kind = flow_schema_kind();
  CacheView view = verbs_.registry().cache().view();
  view.range(registry_prefix(kind, ""), "", 0, [&](const EntryRef& entry) {
    Document schema = shown_form(kind, entry->document);
    bool exists = static_cast<bool>(find(priority_level_kind(), schema["spec"]["priorityLevelConfiguration"]["name"].str()));
    if (Document patch = dangling_patch(schema, exists, clock_.wall_us())) out.push_back({Write::Verb::kStatus, &kind, patch});
    return true;
  });
  return out;
}

Task<void> FlowKeeper::write_one(Write write, std::shared_ptr<Round> round) {
  auto call = std::make_shared<Call>();
  call->kind = write.kind;
  call->name = name_of(write.object);
  call->user.user = "system:apiserver";
  call->user.groups = {"system:masters"};
  call->validation = FieldValidation::kIgnore;
  call->manager = write.verb == Write::Verb::kStatus ? kConsumer : kProducer;
  call->may_create = [] { return ok(); };
  Result<Reply> reply = Error(Code::kUnavailable, "not tried");
  if (write.verb == Write::Verb::kCreate) {
    call->name.clear();
    reply = co_await verbs_.create(call, write.object);
  } else if (write.verb == Write::Verb::kUpdate) {
    reply = co_await verbs_.update(call, write.object);
  } else if (write.verb == Write::Verb::kDelete) {
    Removal removal;
    removal.uid = std::string(uid_of(write.object));
    reply = co_await verbs_.remove(call, removal);
  } else {
    call->subresource = "status";
    call->force = true;
    reply = co_await verbs_.apply(call, write.object);
  }
  // Who was faster has changed it, and then it is looked at again.
  if (!reply.ok()) {
    Code code = reply.error().code();
    bool raced = code == Code::kConflict || code == Code::kAlreadyExists || code == Code::kNotFound;
    if (!raced && !round->first_error) round->first_error = reply.error();
  }
  // Told from the loop: who waits owns this very task.
  if (--round->waiting == 0) Loop::current().post([round] { round->all_done.set(); });
}

Task<Status> FlowKeeper::write_all(std::vector<Write> writes) {
  if (writes.empty()) co_return ok();
  auto round = std::make_shared<Round>();
  round->waiting = writes.size();
  TaskGroup group;
  for (Write& write : writes) group.start(write_one(std::move(write), round));
  co_await round->all_done.wait();
  if (round->first_error) co_return *round->first_error;
  co_return ok();
}

Task<Status> FlowKeeper::ensure() {
  Task<Status> writing = write_all(missing());
  Status done = co_await writing;
  co_return done;
}

void FlowKeeper::start() {
  if (schema_changes_) return;
  auto changed = [event = changed_](const std::vector<EventRef>&) { Loop::current().post([event] { event->set(); }); };
  WatchCache& cache = verbs_.registry().cache();
  schema_changes_ = cache.observe_topic(WatchCache::topic_of(registry_prefix(flow_schema_kind(), "")), changed);
  level_changes_ = cache.observe_topic(WatchCache::topic_of(registry_prefix(priority_level_kind(), "")), changed);
  tasks_.start(run());
}

// Who insists on another spec than a mandatory one would keep both busy: rounds that write are limited.
Task<void> FlowKeeper::run() {
  int64_t retry_ms = limits::kBootstrapRetryMsMin;
  for (;;) {
    changed_->reset();
    std::vector<Write> writes = missing();
    if (writes.empty()) writes = outdated_statuses();
    bool wrote = !writes.empty();
    Task<Status> writing = write_all(std::move(writes));
    Status done = co_await writing;
    if (done.ok()) {
      retry_ms = limits::kBootstrapRetryMsMin;
      if (wrote) {
        int64_t now_us = clock_.monotonic_us();
        rounds_ = std::min(limits::kFlowRoundsBurst, rounds_ + static_cast<double>(now_us - rounds_at_us_) / 1e6) - 1;
        rounds_at_us_ = now_us;
        if (rounds_ < 0) co_await sleep_ms(limits::kBootstrapRetryMsMin);
      } else {
        co_await changed_->wait();
      }
    } else {
      log_warning("api: objects of priority and fairness: ", done.error().message());
      co_await sleep_ms(retry_ms);
      retry_ms = std::min(2 * retry_ms, limits::kBootstrapRetryMsMax);
    }
  }
}

}  // namespace bramble
