// ContainerRecord: what this node knows of one container that was made for a pod. Values. Kept in the container's directory
// (record.json) so that a restarted bramble knows its containers again; lost with the machine, as they are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/runtime/oci_spec.h"

namespace bramble {

struct ContainerRecord {
  enum class Kind { kInit, kMain, kEphemeral };
  enum class Phase { kCreated, kRunning, kExited };
  std::string id, name;
  Kind kind = Kind::kMain;
  int attempt = 0;  // restart count
  std::optional<OciUser> user;        // that its first process began as
  bool recursive_read_only = false;  // its runtime can make all mounts below one read-only
  std::string image, image_id, spec_image, log_path, message_path, stop_signal, qos_cgroup;
  int64_t created_us = 0, started_us = 0, finished_us = 0;  // wall time
  int64_t ended_us = 0;  // monotonic, of this boot, as the record: when its end was seen
  Phase phase = Phase::kCreated;
  int pid = 0, exit_code = 0, signal = 0;
  std::string reason, message;  // of the end: "Completed" "Error" "OOMKilled", and the termination message
  bool replaced = false;        // it ends because its definition changed: another takes its place whatever the restart policy
  bool restart = false;         // it is ended for a probe's sake, to be started again however it ends
  Document resources;           // what its cgroup was given last, as its spec has it; absent: not known
  bool post_start_due = false;  // it runs, and its postStart hook has not come to its end
  bool reset = false;           // all containers of the pod begin anew: it counts for nothing but its number (KEP 5532)
  bool removed = false;         // its runtime state and root file system are gone; the record and the log stay

  Document to_json() const;
  static std::optional<ContainerRecord> from_json(Value v);
};

// The record with the highest attempt of that container; null when there is none.
const ContainerRecord* latest_record(const std::vector<ContainerRecord>& records, std::string_view container);
const ContainerRecord* previous_record(const std::vector<ContainerRecord>& records, std::string_view container);

}  // namespace bramble
