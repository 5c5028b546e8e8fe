// Recorder: writes Events as client-go's recorders do, through a Client. The same event again counts up the one that is there
// (a patch of count and lastTimestamp); many similar ones become one "(combined from similar events)"; one object may not
// flood (a token bucket per source and object). record() never waits: writes go out one after another in the background, and
// beyond limits::kEventQueueMax waiting ones new events are dropped, because an Event is a courtesy and never worth blocking for.
// What it remembers is lost at a restart; then counting begins anew, as upstream's does. Owner's loop thread.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <string>

#include "core/base/clock.h"
#include "core/client/plan.h"

namespace bramble {

class Recorder {
 public:
  // Which client library the part uses upstream. kCore: source, firstTimestamp, count. kEventsApi (the scheduler):
  // eventTime, action, reportingInstance, series.
  enum class Style { kCore, kEventsApi };

  // host: the node's name for parts that run on one, else empty. client and clock must outlive the recorder.
  Recorder(Client& client, const Clock& clock, std::string component, std::string host = {}, Style style = Style::kCore);

  void record(const EventNote& note);
  size_t waiting() const { return queue_.size(); }

 private:
  struct Seen {  // the Event that stands for one sort of happening
    ObjectKey key;
    int64_t count = 0;
    std::string first_timestamp;
    bool created = false;
  };
  struct Similar {  // what differs only in the message
    std::map<std::string, bool> messages;
    int64_t last_us = 0;
  };
  struct Bucket {
    double tokens = 0;
    int64_t last_us = 0;
  };
  // A map of bounded size that forgets what was used longest ago.
  template <class T>
  struct Table {
    struct Entry {
      T value;
      std::list<std::string>::iterator used;
    };
    std::map<std::string, Entry> entries;
    std::list<std::string> order;  // front: used last
    T& touch(const std::string& key, bool* fresh);
  };

  bool allowed(const std::string& object_key, int64_t now_us);
  std::string aggregate(const std::string& group_key, const EventNote& note, int64_t now_us, bool* combined);
  Document new_event(const EventNote& note, const std::string& message, int64_t now_us) const;
  void enqueue(Write write, std::string seen_key);
  Task<void> drain();

  Client& client_;
  const Clock& clock_;
  std::string component_, host_;
  Style style_;
  Table<Seen> seen_;
  Table<Similar> similar_;
  Table<Bucket> buckets_;
  struct Pending {
    Write write;
    std::string seen_key;
  };
  std::deque<Pending> queue_;
  bool draining_ = false;
  int64_t last_name_ns_ = 0;
  TaskGroup tasks_;
};

}  // namespace bramble
