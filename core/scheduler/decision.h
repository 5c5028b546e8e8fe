// Decision: where one pod goes, or why it goes nowhere, from values alone.
#pragma once

#include <set>

#include "core/base/random.h"
#include "core/scheduler/filters.h"

namespace bramble {

struct Decision {
  std::string node;             // empty: none
  std::string message;          // why none, as upstream words it in the PodScheduled condition and the Event
  std::set<Plugin> objections;  // whose; what must change before another try is worth it
};

// claims: what claims_objection() said. Equal scores are decided by random.
Decision decide(const PodFacts& pod, const Nodes& nodes, const std::string& claims, Random& random);

}  // namespace bramble
