// Informer: follows one WatchScope: first the state that is there (sendInitialEvents), then its changes; again from where it was
// after a broken connection, and from the state that is there when the server has forgotten that point (410). Its sink sees real
// changes alone. While the server says that its store may have lost objects (DESIGN section 4: x-bramble-store-in-doubt), none
// is taken for deleted merely because it is not in a new list. Owner's loop thread. Nothing of it survives a crash.
// (Kubernetes: "Efficient detection of changes", "Streaming lists"; client-go's Reflector.)
#pragma once

#include <set>
#include <string>

#include "core/client/api_requests.h"
#include "core/client/api_transport.h"

namespace bramble {

// Where objects go. None of these may destroy the informer.
class InformerSink {
 public:
  virtual ~InformerSink() = default;
  virtual void put(const WatchScope& scope, Document object) = 0;
  virtual void remove(const WatchScope& scope, Document object) = 0;  // a deleted object's last state
  // A list of the state as of this revision has come to its end: of the scope there are these objects and no others. doubt: of
  // others it is not known.
  virtual void listed(const WatchScope& scope, const std::set<ObjectKey>& there, uint64_t revision, bool doubt) = 0;
};

inline constexpr std::string_view kStoreInDoubtHeader = "x-bramble-store-in-doubt";

class Informer {
 public:
  // All of them outlive it.
  Informer(WatchScope scope, ApiTransport& api, InformerSink& sink, Random& random);
  const WatchScope& scope() const { return scope_; }
  bool synced() const { return synced_; }  // a list has come to its end
  bool in_doubt() const { return doubt_; }
  const Error* last_error() const { return error_ ? &*error_ : nullptr; }  // of the last try, while it fails

 private:
  Task<void> follow();
  Task<Status> watch_once();
  Status take_line(std::string_view line);

  const WatchScope scope_;
  ApiTransport& api_;
  InformerSink& sink_;
  Random& random_;
  std::string version_;         // where to go on; "": from the state that is there
  std::set<ObjectKey> seen_;    // in the list that is coming
  bool listing_ = false, synced_ = false, doubt_ = false, heard_ = false;
  std::optional<Error> error_;
  TaskGroup tasks_;
};

}  // namespace bramble
