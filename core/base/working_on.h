// WorkingOn: the object that this thread works on right now, as a number that core/quarantine gave out; 0: none. It follows
// the work, not the clock: a coroutine has its number again after each wait, and a function on the worker pool has that of
// the coroutine that sent it there (core/loop sees to both). Read by the handler of a fatal signal, on the thread that dies.
#pragma once

#include <atomic>
#include <cstdint>

namespace bramble {

// For a scope. What is set within it (by set()) ends with it.
class WorkingOn {
 public:
  explicit WorkingOn(uint64_t number) : before_(now()) { set(number); }
  ~WorkingOn() { set(before_); }
  WorkingOn(const WorkingOn&) = delete;

  static uint64_t now() { return number_; }
  static void set(uint64_t number) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    number_ = number;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

 private:
  static inline thread_local volatile uint64_t number_ = 0;
  uint64_t before_;
};

}  // namespace bramble
