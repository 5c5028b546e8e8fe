// The shim's event loop: epoll over Sources. A Source that goes away during a round of events is only freed after it.
#pragma once

#include <sys/epoll.h>

#include "core/runtime/shim/bytes.h"

namespace bramble::shim {

struct Source {
  int fd = -1;
  uint32_t wanted = 0;  // what epoll is asked for; 0: not in the set
  void (*ready)(Source* self, uint32_t events) = nullptr;
  void* owner = nullptr;  // the allocation it is part of
  Source* next_dead = nullptr;
};

inline int epoll_fd = -1;
inline Source* dead_sources = nullptr;

inline void want(Source* s, uint32_t events) {
  if (s->fd < 0 || events == s->wanted) return;
  epoll_event e{};
  e.events = events;
  e.data.ptr = s;
  // A hang-up is reported even when nothing is wanted, so a pause takes the descriptor out.
  int what = !events ? EPOLL_CTL_DEL : s->wanted ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  epoll_ctl(epoll_fd, what, s->fd, &e);
  s->wanted = events;
}

inline void close_source(Source* s) {
  if (s->fd < 0) return;
  want(s, 0);
  close(s->fd);
  s->fd = -1;
}

// Frees the allocation that this Source is part of, after the events of this round.
inline void bury(Source* s) {
  s->next_dead = dead_sources;
  dead_sources = s;
}

inline void run_once() {
  epoll_event events[16];
  int n = epoll_wait(epoll_fd, events, 16, -1);
  for (int i = 0; i < n; ++i) {
    Source* s = static_cast<Source*>(events[i].data.ptr);
    if (s->fd >= 0 && s->wanted) s->ready(s, events[i].events);
  }
  while (dead_sources) {
    Source* s = dead_sources;
    dead_sources = s->next_dead;
    free(s->owner);
  }
}

}  // namespace bramble::shim
