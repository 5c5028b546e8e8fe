// Plan: what a pure step (a controller's reconcile, a scheduler's decision) wants done. The driver carries it out.
#pragma once

#include "core/client/client.h"

namespace bramble {

// An Event to record, as client-go's recorder does (aggregated by the driver's recorder).
struct EventNote {
  Document about;          // the object
  std::string type;        // "Normal" "Warning"
  std::string reason;      // "SuccessfulCreate"
  std::string message;
  std::string field_path;  // "spec.containers{web}" or ""
  std::string action;      // events.k8s.io action ("Binding"); only recorders of that style write it
};

struct Write {
  enum class Verb { kCreate, kUpdate, kPatch, kDelete };
  Verb verb = Verb::kCreate;
  ResourceId resource;
  ObjectKey key;            // kCreate: ns; the name is in the body (or generateName); with a subresource also the name
  Document body;            // kUpdate: with metadata.resourceVersion as precondition
  PatchType patch_type = PatchType::kMerge;
  WriteOptions options;
  DeleteOptions delete_options;

  bool with_previous = false;      // sent at the same time as the write before it: a batch is done before the next begins
  std::vector<Code> tolerate;      // failures that count as success (a delete of what is gone: kNotFound)
  // Recorded when this write was answered. In their messages "{name}" becomes the name of the object written and "{error}"
  // the text of the failure. A failure that is tolerated records neither.
  std::optional<EventNote> on_success;
  std::optional<EventNote> on_failure;
};

struct Plan {
  std::vector<Write> writes;  // in order, batch by batch; a batch with a failure ends the plan, the key is tried again with backoff
  std::vector<EventNote> events;                // recorded before the writes
  std::vector<EventNote> events_after_success;  // recorded when all writes succeeded
  std::optional<int64_t> requeue_after_ms;
};

// How the writes of a plan went.
struct Outcome {
  std::optional<Error> error;  // of the first write that failed
  size_t succeeded = 0;
  bool given_up = false;  // a create was refused because its namespace ends; what came after it was left out, and no try will help
};

}  // namespace bramble
