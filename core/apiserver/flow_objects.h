// The FlowSchemas and PriorityLevelConfigurations that every cluster has (k8s.io/apiserver, pkg/apis/flowcontrol/bootstrap), and
// what keeps them: mandatory ones are always brought back to what they should be, suggested ones while their annotation
// apf.kubernetes.io/autoupdate-spec allows it. And the status of FlowSchemas: whether the level they name is there.
#pragma once

#include <memory>
#include <vector>

#include "core/apiserver/verbs.h"
#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble {

struct FlowObject {
  bool mandatory = false;
  bool is_schema = false;  // else a PriorityLevelConfiguration
  Document document;
};
std::vector<FlowObject> default_flow_objects();

const Kind& flow_schema_kind();
const Kind& priority_level_kind();

// What `existing` must become, as upstream's strategies have it; empty: it is right. `wanted` is canonical. Pure.
Document revised_flow_object(const Document& existing, const Document& wanted, bool mandatory);
// The Dangling condition of a schema, when it is not there yet; empty: it is. Pure.
Document dangling_patch(const Document& schema, bool level_exists, int64_t now_us);

// Owner's loop thread; must not outlive the Verbs. Nothing of its own survives a crash.
class FlowKeeper {
 public:
  FlowKeeper(Verbs& verbs, const Clock& clock);
  // Once, before the API is announced ready. Safe to repeat.
  Task<Status> ensure();
  // From then on, whenever one of these objects changes, also their status.
  void start();

 private:
  struct Write {
    enum class Verb { kCreate, kUpdate, kDelete, kStatus } verb;
    const Kind* kind;
    Document object;
  };
  struct Round;
  Task<void> run();
  std::vector<Write> missing() const;
  std::vector<Write> outdated_statuses() const;
  Task<Status> write_all(std::vector<Write> writes);
  Task<void> write_one(Write write, std::shared_ptr<Round> round);
  Document find(const Kind& kind, std::string_view name) const;

  Verbs& verbs_;
  const Clock& clock_;
  std::shared_ptr<Event> changed_ = std::make_shared<Event>();
  double rounds_ = limits::kFlowRoundsBurst;  // that may write now; one more each second
  int64_t rounds_at_us_ = 0;
  std::unique_ptr<WatchCache::Observation> schema_changes_, level_changes_;
  TaskGroup tasks_;
};

}  // namespace bramble
