// Quarantine: one bad object must not take the cluster down. Before a room touches an object it begins a Step, which notes
// (room, object) in a small mapped file. When a fatal signal ends the process (a CHECK, a wild pointer, an endless recursion),
// the handler leaves the number of the step that the dying thread was in; the next start counts it against its object. After
// two, the object is set aside: Step::allowed() is false in that room, which skips it, until it changes (it gets one more try
// then) or an admin clears it. The API comes up whatever is set aside.
//
// Who is blamed is exact: the innermost step of the very thread that died, also after a wait and on the worker pool
// (core/base/working_on.h). A death from outside (SIGKILL, the kernel's OOM killer, a power cut) blames nobody: it says
// nothing about an object, and a test or an admin that kills us often would set innocent ones aside.
//
// The file lives in the run folder, a tmpfs: notes outlive the process and cost no disk write. A reboot forgets them, which is
// harmless: a bad object needs two more aborts to be set aside again. A note is two short copies into mapped memory, no system
// call. Owner's loop thread, but for the handler, which may run on any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace bramble {

class Quarantine {
 public:
  // What a step looks at.
  struct About {
    uint64_t mark = 0;  // of the contents that matter: another mark is a changed object
    Document object;    // whom to tell in an Event; may be empty
  };
  // The usual one: the object without its status and the fields that every write changes.
  static About about(const Document& object);
  // "pods default/web", "nodes pi-1"
  static std::string key_of(std::string_view resource, std::string_view ns, std::string_view name);
  static std::string key_of(std::string_view resource, const Document& object) { return key_of(resource, namespace_of(object), name_of(object)); }

  struct Entry {
    std::string room;  // "controllers/replicaset", "scheduler", "kubelet", "proxy", "dns", "apiserver", "registry", "store"
    std::string key;   // "replicasets default/web"; a long one is cut
    uint32_t aborts = 0;
    std::string signal;  // "SIGSEGV", of the last one
  };
  // "kubelet: pods default/web ended bramble 2 times (SIGABRT); it is left alone until it changes"
  static std::string text_of(const Entry& entry);

  // Opens or makes the file and counts what the process before died of. A file of another form is begun anew.
  // kAlreadyExists when another process has it open.
  static Result<std::unique_ptr<Quarantine>> open(const std::string& path);
  ~Quarantine();
  // Handles the fatal signals of this process from now on: notes the blame, writes a line to standard error, dies of it.
  void watch_for_crashes();

  // What is set aside. The static ones are for commands beside a running server; no file: nothing.
  std::vector<Entry> set_aside() const;
  static Result<std::vector<Entry>> read(const std::string& path);
  static Result<size_t> clear(const std::string& path);  // gives how many there were; the object is tried at its next step

  // Called once for each object that is skipped in this process, also for those skipped before this call.
  void on_skip(std::function<void(const Entry&, const Document& object)> tell);

  class Step;

 private:
  struct File;
  struct Slot;
  struct Record;
  explicit Quarantine(File* file);
  using AskAbout = About (*)(void* context);
  bool may_go_on(std::string_view room, std::string_view key, AskAbout ask, void* context);
  int enter(std::string_view room, std::string_view key);  // the slot noted in; -1 when all are in use
  void leave(int slot);
  void count_blame();
  Record* find(std::string_view room, std::string_view key) const;

  struct Skip {
    Entry entry;
    Document object;
  };

  File* file_;
  int fd_ = -1;  // holds the lock
  bool any_record_ = false;
  uint64_t last_number_ = 0;
  std::vector<int> free_slots_;
  std::set<std::string> told_;
  std::vector<Skip> untold_;
  std::function<void(const Entry&, const Document&)> tell_;
};

// One step on one object, a value in the scope or the coroutine that does it. Steps within steps are fine: the innermost
// counts. quarantine may be null: then every step is allowed and none is noted.
class Quarantine::Step {
 public:
  // about() -> About is called only when an earlier process died in this room on this key.
  template <class F>
  Step(Quarantine* quarantine, std::string_view room, std::string_view key, F&& about)
      : Step(quarantine, room, key, [](void* f) { return (*static_cast<std::remove_reference_t<F>*>(f))(); }, &about) {}
  ~Step();
  Step(const Step&) = delete;
  bool allowed() const { return allowed_; }

 private:
  Step(Quarantine* quarantine, std::string_view room, std::string_view key, AskAbout ask, void* context);
  Quarantine* quarantine_;
  bool allowed_ = true;
  int slot_ = -1;
  uint64_t number_ = 0, outer_ = 0;
};

// Tells contents apart, no more.
uint64_t content_mark(std::string_view bytes);

}  // namespace bramble
