#include "core/kubelet/container_record.h"

namespace bramble {

Document ContainerRecord::to_json() const {
  Builder b;
  Mut r = b.root();
  r.set("id", id);
  r.set("name", name);
  r.set("init", kind == Kind::kInit);
  r.set("ephemeral", kind == Kind::kEphemeral);
  r.set("attempt", attempt);
  r.set("image", image);
  r.set("imageID", image_id);
  r.set("specImage", spec_image);
  r.set("logPath", log_path);
  r.set("messagePath", message_path);
  r.set("stopSignal", stop_signal);
  r.set("recursiveReadOnly", recursive_read_only);
  if (user) {
    Mut u = r.object("user");
    u.set("uid", static_cast<int64_t>(user->uid));
    u.set("gid", static_cast<int64_t>(user->gid));
    for (uint32_t g : user->additional_gids) u.array("groups").append(static_cast<int64_t>(g));
  }
  r.set("createdUs", created_us);
  r.set("startedUs", started_us);
  r.set("finishedUs", finished_us);
  r.set("endedUs", ended_us);
  r.set("phase", static_cast<int>(phase));
  r.set("pid", pid);
  r.set("exitCode", exit_code);
  r.set("signal", signal);
  r.set("reason", reason);
  r.set("message", message);
  r.set("replaced", replaced);
  r.set("restart", restart);
  r.set("removed", removed);
  if (reset) r.set("reset", true);
  if (post_start_due) r.set("postStartDue", true);
  if (resources) r.set("resources", resources.root());
  return b.finish();
}

std::optional<ContainerRecord> ContainerRecord::from_json(Value v) {
  ContainerRecord r;
  r.id = v["id"].text();
  r.name = v["name"].text();
  if (r.id.empty() || r.name.empty()) return std::nullopt;
  r.kind = v["init"].boolean() ? Kind::kInit : v["ephemeral"].boolean() ? Kind::kEphemeral : Kind::kMain;
  r.attempt = static_cast<int>(v["attempt"].integer());
  r.image = v["image"].text();
  r.image_id = v["imageID"].text();
  r.spec_image = v["specImage"].text();
  r.log_path = v["logPath"].text();
  r.message_path = v["messagePath"].text();
  r.stop_signal = v["stopSignal"].text();
  r.recursive_read_only = v["recursiveReadOnly"].boolean();
  if (Value u = v["user"]) {
    r.user.emplace(OciUser{static_cast<uint32_t>(u["uid"].integer()), static_cast<uint32_t>(u["gid"].integer()), {}});
    for (Value g : u["groups"].items()) r.user->additional_gids.push_back(static_cast<uint32_t>(g.integer()));
  }
  r.created_us = v["createdUs"].integer();
  r.started_us = v["startedUs"].integer();
  r.finished_us = v["finishedUs"].integer();
  r.ended_us = v["endedUs"].integer();
  int64_t phase = v["phase"].integer();
  r.phase = phase == 2 ? Phase::kExited : phase == 1 ? Phase::kRunning : Phase::kCreated;
  r.pid = static_cast<int>(v["pid"].integer());
  r.exit_code = static_cast<int>(v["exitCode"].integer());
  r.signal = static_cast<int>(v["signal"].integer());
  r.reason = v["reason"].text();
  r.message = v["message"].text();
  r.replaced = v["replaced"].boolean();
  r.restart = v["restart"].boolean();
  r.removed = v["removed"].boolean();
  r.reset = v["reset"].boolean();
  r.post_start_due = v["postStartDue"].boolean();
  if (v.has("resources")) r.resources = Document::of(v["resources"]);
  return r;
}

const ContainerRecord* latest_record(const std::vector<ContainerRecord>& records, std::string_view container) {
  const ContainerRecord* best = nullptr;
  for (const auto& r : records)
    if (r.name == container && (!best || r.attempt > best->attempt)) best = &r;
  return best;
}

const ContainerRecord* previous_record(const std::vector<ContainerRecord>& records, std::string_view container) {
  const ContainerRecord* latest = latest_record(records, container);
  const ContainerRecord* best = nullptr;
  for (const auto& r : records)
    if (r.name == container && &r != latest && (!best || r.attempt > best->attempt)) best = &r;
  return best;
}

}  // namespace bramble
