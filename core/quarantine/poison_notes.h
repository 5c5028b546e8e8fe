// PoisonNotes: one bad object must not take the cluster down. Before each step on an object (a reconcile, a filter, an
// admission, a pod's step) its room notes what it is about to do in a small mapped file; after, it takes the note back. A note
// that a dead process left behind counts against its object; after two, the object is quarantined: its room skips it until it
// changes or an admin clears it.
//
// The notes survive a crash of the process, which is their point (the kernel keeps the mapped page); a power cut may lose
// them, which is harmless. Owner's loop thread. Noting costs two copies into mapped memory, no system call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

class PoisonNotes {
 public:
  struct Entry {
    std::string room;      // "controllers/deployment", "scheduler", "kubelet", "admission"
    std::string key;       // "/registry/apps/deployments/default/web", cut at 200 bytes
    uint64_t revision = 0;
    uint32_t aborts = 0;
  };

  // Opens or makes the file and counts the notes that the process before left. A file of another form is begun anew.
  static Result<std::unique_ptr<PoisonNotes>> open(const std::string& path);
  // Without a file: notes nothing, quarantines nothing.
  static std::unique_ptr<PoisonNotes> none();
  ~PoisonNotes();

  // One step on one object. allowed() is false when the object is quarantined: skip it.
  class Step {
   public:
    Step(PoisonNotes& notes, std::string_view room, std::string_view key, uint64_t revision);
    ~Step();
    Step(const Step&) = delete;
    bool allowed() const { return allowed_; }

   private:
    PoisonNotes& notes_;
    int slot_ = -1;
    bool allowed_ = true;
  };

  // The same for steps that run one after another without waiting: the note stands until settle(). `now` is the newest revision
  // of the store; an object set aside is free again when `newest` (asked only then) gives a revision after the fatal note's.
  bool note(std::string_view room, std::string_view key, uint64_t now, const std::function<uint64_t()>& newest);
  // All steps noted since the last settle() have come to their end.
  void settle();

  // Whether this state of the object is set aside. A newer revision frees it.
  bool quarantined(std::string_view room, std::string_view key, uint64_t revision) const;
  std::vector<Entry> all_quarantined() const;
  // An admin's word; false when there was no such entry.
  bool clear(std::string_view room, std::string_view key);

 private:
  struct Slot;
  struct File;
  explicit PoisonNotes(File* file) : file_(file) {}
  int enter(std::string_view room, std::string_view key, uint64_t revision);
  void leave(int slot);
  Slot* find(std::string_view room, std::string_view key) const;

  File* file_;  // mapped, or null
  std::vector<int> unsettled_;
};

}  // namespace bramble
