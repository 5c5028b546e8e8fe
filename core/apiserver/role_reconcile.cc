#include "core/apiserver/role_reconcile.h"

#include <algorithm>
#include <memory>

#include "core/apiserver/rbac_rules.h"
#include "core/base/limits.h"
#include "core/json/builder.h"
#include "core/loop/loop.h"

namespace bramble {

namespace {

constexpr int kAttempts = 3;  // of an object that others write at the same time

void append_rule(Mut rules, const PolicyRule& rule) {
  Mut out = rules.append_object();
  auto add = [&](std::string_view key, const std::vector<std::string>& list) {
    if (list.empty()) return;
    Mut items = out.add_array(key);
    for (const std::string& s : list) items.append(s);
  };
  add("verbs", rule.verbs);
  add("apiGroups", rule.groups);
  add("resources", rule.resources);
  add("resourceNames", rule.names);
  add("nonResourceURLs", rule.urls);
}

// Labels and annotations that are wanted; those that exist win. Whether anything was added.
bool merge_metadata(Mut object, Value wanted) {
  bool changed = false;
  for (const char* map : {"labels", "annotations"}) {
    for (auto [key, value] : wanted["metadata"][map].members()) {
      Mut m = object.object("metadata").object(map);
      if (m.has(key)) continue;
      m.set(key, value);
      changed = true;
    }
  }
  return changed;
}

// An object that opted out, or a fresh one.
std::optional<Reconciliation> settled(const Document& existing, const Document& wanted) {
  if (!existing) return Reconciliation{Reconciliation::Step::kCreate, wanted};
  if (existing["metadata"]["annotations"][kAutoUpdateAnnotation].str() == "false") return Reconciliation{};
  return std::nullopt;
}

bool lists(Value list, Value item) {
  for (Value v : list.items()) {
    if (equal(v, item)) return true;
  }
  return false;
}

bool merge_aggregation(Mut role, Value existing, Value wanted) {
  Value want = wanted["aggregationRule"], has = existing["aggregationRule"];
  if (!want.is_object()) {
    if (!has.is_object()) return false;
    role.remove("aggregationRule");  // its rules are its own again
    return true;
  }
  bool changed = false;
  for (Value selector : want["clusterRoleSelectors"].items()) {
    if (lists(has["clusterRoleSelectors"], selector)) continue;
    role.object("aggregationRule").array("clusterRoleSelectors").append(selector);
    changed = true;
  }
  return changed;
}

// What is still to be written, and the writers of it.
struct Round {
  std::vector<DefaultObject> left;  // last first
  size_t writers = 0;
  std::optional<Error> first_error;
  Event all_done;
};

Document present(const Client& client, const DefaultObject& o) { return client.snapshot().get(o.resource, o.key.ns, o.key.name); }

Reconciliation reconcile(const Document& existing, const Document& wanted) {
  return wanted["roleRef"].is_object() ? reconcile_binding(existing, wanted) : reconcile_role(existing, wanted);
}

Task<Status> write_one(Client* client, DefaultObject wanted) {
  for (int attempt = 1;; ++attempt) {
    Document existing = present(*client, wanted);
    Reconciliation r = reconcile(existing, wanted.object);
    if (r.step == Reconciliation::Step::kNone) co_return ok();
    if (r.step == Reconciliation::Step::kRecreate) {
      DeleteOptions same;
      same.uid = uid_of(existing);
      auto removed = co_await client->remove(wanted.resource, wanted.key, same);
      if (!removed.ok() && removed.error().code() != Code::kNotFound && attempt >= kAttempts) co_return removed.error();
    }
    Task<Result<Document>> write = r.step == Reconciliation::Step::kUpdate
                                       ? client->update(wanted.resource, wanted.key, r.object)
                                       : client->create(wanted.resource, wanted.key.ns, r.object);
    auto written = co_await write;
    if (written.ok()) co_return ok();
    Code code = written.error().code();
    bool raced = code == Code::kConflict || code == Code::kAlreadyExists || code == Code::kNotFound;
    if (!raced || attempt >= kAttempts) co_return written.error().prefixed(cat(wanted.resource.resource, " ", wanted.key.text()));
  }
}

Task<void> writer(Client* client, std::shared_ptr<Round> round) {
  while (!round->left.empty()) {
    DefaultObject wanted = std::move(round->left.back());
    round->left.pop_back();
    Task<Status> write = write_one(client, std::move(wanted));
    Status done = co_await write;
    if (!done.ok() && !round->first_error) round->first_error = done.error();
  }
  // Told from the loop: who waits owns this very task.
  if (--round->writers == 0) Loop::current().post([round] { round->all_done.set(); });
}

}  // namespace

Reconciliation reconcile_role(const Document& existing, const Document& wanted) {
  if (auto early = settled(existing, wanted)) return *early;
  Builder b(existing.root());
  Mut root = b.root();
  bool changed = merge_metadata(root, wanted.root());
  Value rules = wanted["rules"];
  if (!equal(existing["rules"], rules)) {
    for (const PolicyRule& missing : uncovered(policy_rules(existing["rules"]), policy_rules(rules))) {
      append_rule(root.array("rules"), missing);
      changed = true;
    }
  }
  changed = merge_aggregation(root, existing.root(), wanted.root()) || changed;
  if (!changed) return {};
  return {Reconciliation::Step::kUpdate, b.finish()};
}

Reconciliation reconcile_binding(const Document& existing, const Document& wanted) {
  if (auto early = settled(existing, wanted)) return *early;
  if (!equal(existing["roleRef"], wanted["roleRef"])) return {Reconciliation::Step::kRecreate, wanted};
  Builder b(existing.root());
  Mut root = b.root();
  bool changed = merge_metadata(root, wanted.root());
  for (Value subject : wanted["subjects"].items()) {
    if (lists(existing["subjects"], subject)) continue;
    root.array("subjects").append(subject);
    changed = true;
  }
  if (!changed) return {};
  return {Reconciliation::Step::kUpdate, b.finish()};
}

Task<Status> reconcile_default_roles(Client* client) {
  auto round = std::make_shared<Round>();
  each_default_rbac_object([&](DefaultObject wanted) {
    bool done = reconcile(present(*client, wanted), wanted.object).step == Reconciliation::Step::kNone;
    if (!done) round->left.push_back(std::move(wanted));
  });
  if (round->left.empty()) co_return ok();
  std::reverse(round->left.begin(), round->left.end());
  round->writers = std::min(round->left.size(), limits::kBootstrapWriters);
  TaskGroup writers;
  for (size_t n = round->writers; n > 0; --n) writers.start(writer(client, round));
  co_await round->all_done.wait();
  if (round->first_error) co_return *round->first_error;
  co_return ok();
}

}  // namespace bramble
