#include <algorithm>

#include "core/controllers/deployment.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/workload_versions.h"

namespace bramble {

using namespace deployment_annotations;

namespace {

int64_t highest_old_revision(const DeploymentSets& sets) {
  int64_t highest = 0;
  for (const SetState& s : sets.all) {
    if (!sets.is_new(s)) highest = std::max(highest, s.revision());
  }
  return highest;
}

bool copy_annotations(Value deployment, Mut annotations) {
  bool changed = false;
  for (auto [key, value] : deployment["metadata"]["annotations"].members()) {
    if (!is_copied_annotation(key) || annotations[key].str("\x01") == value.str()) continue;
    annotations.set(key, value.str());
    changed = true;
  }
  return changed;
}

// A set that comes back (a roll-back) keeps the numbers that it had before.
bool raise_revision(Mut annotations, int64_t revision) {
  std::string before = annotations[kRevision].text();
  if (parse_int64(before).value_or(0) >= revision) return false;
  annotations.set(kRevision, cat(revision));
  if (before.empty()) return true;
  std::string history = annotations[kRevisionHistory].text();
  annotations.set(kRevisionHistory, history.empty() ? before : cat(history, ",", before));
  return true;
}

std::string set_name(Value deployment, std::string_view hash) { return cat(meta(deployment, "name"), "-", hash); }

uint32_t fnv32a(std::string_view bytes, uint32_t hash = 2166136261u) {
  for (unsigned char c : bytes) hash = (hash ^ c) * 16777619u;
  return hash;
}

}  // namespace

bool is_copied_annotation(std::string_view key) {
  static constexpr std::string_view kOwn[] = {"kubectl.kubernetes.io/last-applied-configuration", kRevision, kRevisionHistory,
                                              kDesired, kMax, kRollbackTo};
  return std::find(std::begin(kOwn), std::end(kOwn), key) == std::end(kOwn);
}

int64_t SetState::revision() const { return parse_int64(annotation(kRevision)).value_or(0); }

bool same_template(Value a, Value b) {
  auto without_hash = [](Value tmpl) {
    Builder copy(tmpl);
    Mut metadata = copy.root().object("metadata");
    Mut labels = metadata.object("labels");
    labels.remove(kHashLabel);
    if (labels.size() == 0) metadata.remove("labels");
    return copy.finish();
  };
  Document left = without_hash(a), right = without_hash(b);
  return equal(left.root(), right.root());
}

DeploymentSets sort_sets(Value deployment, const std::vector<Document>& docs) {
  DeploymentSets sets;
  for (const Document& doc : docs) {
    SetState s;
    s.doc = doc;
    s.size = s.size_before();
    sets.all.push_back(std::move(s));
  }
  std::sort(sets.all.begin(), sets.all.end(), [](const SetState& a, const SetState& b) {
    std::string_view at = meta(a.doc.root(), "creationTimestamp"), bt = meta(b.doc.root(), "creationTimestamp");
    return at == bt ? a.name() < b.name() : at < bt;
  });
  for (size_t i = 0; i < sets.all.size() && sets.newest < 0; i++) {
    if (same_template(sets.all[i].doc["spec"]["template"], deployment["spec"]["template"])) sets.newest = static_cast<int>(i);
  }
  return sets;
}

// Upstream's form (FNV-32a, then SafeEncodeString); the bytes hashed are our own, since only stability is promised.
std::string pod_template_hash(Value pod_template, int64_t collision_count) {
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  uint32_t hash = fnv32a(pod_template.dump());
  if (collision_count > 0) hash = fnv32a(cat("/", collision_count), hash);
  std::string out = cat(hash);
  for (char& c : out) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return out;
}

Document make_new_set(Value deployment, const DeploymentSets& sets, int64_t size, std::string_view hash) {
  Value spec = deployment["spec"];
  Builder b;
  Mut rs = b.root();
  rs.set("apiVersion", "apps/v1");
  rs.set("kind", "ReplicaSet");
  Mut metadata = rs.object("metadata");
  metadata.set("name", set_name(deployment, hash));
  metadata.set("namespace", meta(deployment, "namespace"));
  metadata.set("labels", spec["template"]["metadata"]["labels"]);
  metadata.object("labels").set(kHashLabel, hash);
  Mut annotations = metadata.object("annotations");
  copy_annotations(deployment, annotations);
  raise_revision(annotations, highest_old_revision(sets) + 1);
  int64_t wanted = wanted_replicas(deployment);
  annotations.set(kDesired, cat(wanted));
  annotations.set(kMax, cat(wanted + fence_posts(deployment).surge));
  set_controller_ref(rs, deployment);

  Mut rs_spec = rs.object("spec");
  rs_spec.set("replicas", size);
  if (spec["minReadySeconds"].integer() != 0) rs_spec.set("minReadySeconds", spec["minReadySeconds"]);
  rs_spec.set("selector", spec["selector"]);
  rs_spec.object("selector").object("matchLabels").set(kHashLabel, hash);
  rs_spec.set("template", spec["template"]);
  rs_spec.object("template").object("metadata").object("labels").set(kHashLabel, hash);
  return b.finish();
}

Document refreshed_new_set(Value deployment, const DeploymentSets& sets) {
  const SetState* newest = sets.new_set();
  if (!newest) return {};
  Builder next(newest->doc.root());
  Mut annotations = next.root().object("metadata").object("annotations");
  bool changed = copy_annotations(deployment, annotations);
  changed |= raise_revision(annotations, highest_old_revision(sets) + 1);
  int64_t min_ready_s = deployment["spec"]["minReadySeconds"].integer();
  if (next.root()["spec"]["minReadySeconds"].integer() != min_ready_s) {
    next.root()["spec"].set("minReadySeconds", min_ready_s);
    changed = true;
  }
  return changed ? next.finish() : Document();
}

std::vector<Write> history_cleanup(Value deployment, const DeploymentSets& sets) {
  std::vector<Write> writes;
  Value limit = deployment["spec"]["revisionHistoryLimit"];
  if (!limit.is_integer() || limit.integer() == INT32_MAX) return writes;
  std::vector<const SetState*> old;
  for (const SetState& s : sets.all) {
    if (!sets.is_new(s) && !being_deleted(s.doc.root())) old.push_back(&s);
  }
  int64_t excess = static_cast<int64_t>(old.size()) - limit.integer();
  if (excess <= 0) return writes;
  std::stable_sort(old.begin(), old.end(), [](const SetState* a, const SetState* b) { return a->revision() < b->revision(); });
  for (int64_t i = 0; i < excess; i++) {
    const SetState& s = *old[static_cast<size_t>(i)];
    bool settled = s.doc["metadata"]["generation"].integer() <= s.doc["status"]["observedGeneration"].integer();
    if (s.actual() != 0 || s.size != 0 || !settled) continue;
    Write w;
    w.verb = Write::Verb::kDelete;
    w.resource = resource_ids::kReplicaSets;
    w.key = {std::string(namespace_of(s.doc)), std::string(s.name())};
    w.delete_options.uid = std::string(uid_of(s.doc));
    w.tolerate = {Code::kNotFound};
    writes.push_back(std::move(w));
  }
  return writes;
}

}  // namespace bramble
