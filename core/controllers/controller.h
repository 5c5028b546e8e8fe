// Controller: one part of the control plane, as values and pure functions. The driver (driver.h) does everything that waits.
// A reconcile looks at the snapshot only, and says what to do; it must give the same plan for the same snapshot and time.
//
// The invariant that makes upstream's "expectations" unnecessary: the watch cache shows a write before its writer is
// answered (core/client/client.h), and a key is never reconciled while an earlier plan of that key is in flight. So a
// reconcile always sees all that its own controller did to that key before.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/client/plan.h"

namespace bramble {

using KeySink = std::function<void(const ObjectKey&)>;

// When a reconcile runs. The wall clock goes into objects and is compared with times that stand in them; a board's may be years
// wrong and jump. How long something has lasted is told by the other one.
struct Moment {
  int64_t wall_us = 0;
  int64_t monotonic_us = 0;
};

struct Controller {
  std::string name;           // "replicaset", for logs
  std::string account;        // "replicaset-controller": acts as system:serviceaccount:kube-system:<account>; with a colon in
                              // it ("system:apiserver") it is the whole user name
  std::string event_source;   // the component in its Events
  std::vector<ResourceId> watches;
  std::vector<ObjectKey> standing_keys;  // reconciled at start even when no object gives them

  // Which keys a change concerns. Also called once for every object there is at start, as created.
  std::function<void(const Snapshot&, const Change&, const KeySink&)> keys;
  std::function<Plan(const Snapshot&, const ObjectKey&, const Moment& now)> reconcile;
  // May be null (a default-made function). After the plan's writes were answered, with how they went and a snapshot that shows them: for a status that
  // tells of a failure. Its plan is carried out as well; the failure of the first one still counts for the retry.
  std::function<Plan(const Snapshot&, const ObjectKey&, const Moment& now, const Outcome&)> finish;
  // The object that a key stands for, where it is not one of that name of a watched resource.
  std::function<Document(const Snapshot&, const ObjectKey&)> object = {};
};

}  // namespace bramble
