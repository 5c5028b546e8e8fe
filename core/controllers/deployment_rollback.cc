// Taking a Deployment back to an older template, when the rollbackTo of its old versions asks for that (apps/v1 keeps it in an
// annotation). Upstream: pkg/controller/deployment/rollback.go.
#include <algorithm>

#include "core/base/strings.h"
#include "core/controllers/deployment.h"
#include "core/controllers/object_writes.h"
#include "core/resources/workload_versions.h"

namespace bramble {

namespace {

EventNote note(const Document& d, const char* type, const char* reason, std::string message) {
  return EventNote{d, type, reason, std::move(message), {}, {}};
}

// The highest revision but one; 0: there is none.
int64_t last_revision(const DeploymentSets& sets) {
  int64_t highest = 0, second = 0;
  for (const SetState& s : sets.all) {
    const int64_t r = s.revision();
    if (r >= highest) second = std::exchange(highest, r);
    else second = std::max(second, r);
  }
  return second;
}

// What the set was made of takes the place of the deployment's template, and of the annotations that it hands on.
void take_back(Mut deployment, Value set) {
  Mut spec = deployment.object("spec");
  spec.set("template", set["spec"]["template"]);
  spec.object("template").object("metadata").object("labels").remove(deployment_annotations::kHashLabel);
  Mut annotations = deployment.object("metadata").object("annotations");
  std::vector<std::string> gone;
  for (const auto& [key, value] : annotations.members()) {
    if (is_copied_annotation(key)) gone.emplace_back(key);
  }
  for (const std::string& key : gone) annotations.remove(key);
  for (auto [key, value] : set["metadata"]["annotations"].members()) {
    if (is_copied_annotation(key)) annotations.set(key, value);
  }
}

}  // namespace

std::optional<int64_t> wanted_rollback(Value deployment) {
  return parse_int64(deployment["metadata"]["annotations"][kRollbackTo].str());
}

Plan plan_rollback(const Document& d, const DeploymentSets& sets) {
  Plan plan;
  Write write;
  write.verb = Write::Verb::kUpdate;
  write.resource = resource_ids::kDeployments;
  write.key = key_of(d.root());
  Builder next(d.root());
  const int64_t asked = wanted_rollback(d.root()).value_or(0), wanted = asked == 0 ? last_revision(sets) : asked;
  auto at = std::find_if(sets.all.begin(), sets.all.end(), [&](const SetState& s) { return wanted != 0 && s.revision() == wanted; });
  if (at == sets.all.end()) {
    plan.events.push_back(note(d, "Warning", "DeploymentRollbackRevisionNotFound",
                               asked == 0 ? "Unable to find last revision." : "Unable to find the revision to rollback to."));
  } else if (same_template(d["spec"]["template"], at->doc["spec"]["template"])) {
    plan.events.push_back(note(d, "Warning", "DeploymentRollbackTemplateUnchanged",
                               cat("The rollback revision contains the same template as current deployment ", go_quote(name_of(d)))));
  } else {
    take_back(next.root(), at->doc.root());
    write.on_success = note(d, "Normal", "DeploymentRollback", cat("Rolled back deployment ", go_quote(name_of(d)), " to revision ", wanted));
  }
  next.root().object("metadata").object("annotations").remove(kRollbackTo);
  write.body = next.finish();
  plan.writes.push_back(std::move(write));
  return plan;
}

}  // namespace bramble
