// Plan: what a pure step (a controller's reconcile, a scheduler's decision) wants done. The driver carries it out.
#pragma once

#include "core/client/client.h"

namespace bramble {

struct Write {
  enum class Verb { kCreate, kUpdate, kPatch, kDelete };
  Verb verb = Verb::kCreate;
  ResourceId resource;
  ObjectKey key;            // kCreate: ns; the name is in the body (or generateName)
  Document body;            // kUpdate: with metadata.resourceVersion as precondition
  PatchType patch_type = PatchType::kMerge;
  WriteOptions options;
  DeleteOptions delete_options;
};

// An Event to record, as client-go's recorder does (aggregated by the driver's recorder).
struct EventNote {
  Document about;          // the object
  std::string type;        // "Normal" "Warning"
  std::string reason;      // "SuccessfulCreate"
  std::string message;
  std::string field_path;  // "spec.containers{web}" or ""
};

struct Plan {
  std::vector<Write> writes;  // in order; the first failure ends the plan, and the key is tried again with backoff
  std::vector<EventNote> events;
  std::optional<int64_t> requeue_after_ms;
};

}  // namespace bramble
