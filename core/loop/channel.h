// Channel<T>: a bounded queue between coroutines of one loop. send() waits while it is full, receive() while it is empty;
// close() lets receivers drain what is there and then answers nullopt, and makes send() answer false. Not thread-safe.
#pragma once

#include <deque>
#include <optional>

#include "core/loop/task.h"

namespace bramble {

template <class T>
class Channel {
 public:
  explicit Channel(size_t capacity) : capacity_(capacity) {}

  Task<bool> send(T value) {
    while (!closed_ && items_.size() >= capacity_) co_await changed_.wait();
    if (closed_) co_return false;
    items_.push_back(std::move(value));
    changed_.pulse();
    co_return true;
  }
  // Without waiting; false when full or closed.
  bool try_send(T value) {
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(value));
    changed_.pulse();
    return true;
  }
  Task<std::optional<T>> receive() {
    while (!closed_ && items_.empty()) co_await changed_.wait();
    if (items_.empty()) co_return std::nullopt;
    std::optional<T> out(std::move(items_.front()));
    items_.pop_front();
    changed_.pulse();
    co_return out;
  }
  void close() {
    closed_ = true;
    changed_.pulse();
  }
  bool closed() const { return closed_; }
  size_t size() const { return items_.size(); }

 private:
  size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  Event changed_;
};

}  // namespace bramble
