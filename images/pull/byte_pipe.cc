#include "images/pull/byte_pipe.h"

#include "core/base/limits.h"
#include <algorithm>
#include <cstring>

namespace bramble {

Task<bool> BytePipe::write(std::string bytes) {
  std::shared_ptr<BytePipe> self = shared_from_this();
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (reader_gone_ || error_) co_return false;
      if (bytes_ < limits::kPullAheadBytes) {
        bytes_ += bytes.size();
        if (!bytes.empty()) pieces_.push_back(std::move(bytes));
        more_.notify_one();
        co_return true;
      }
      writer_waits_ = true;
    }
    co_await room_.wait();
  }
}

void BytePipe::finish() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  more_.notify_one();
}

void BytePipe::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (finished_ || error_) return;
  error_ = std::move(error);
  more_.notify_one();
}

// With mutex_ held.
void BytePipe::tell_writer() {
  if (!writer_waits_) return;
  writer_waits_ = false;
  home_.post([self = shared_from_this()] { self->room_.pulse(); });
}

Result<size_t> BytePipe::read(char* out, size_t max) {
  std::unique_lock lock(mutex_);
  more_.wait(lock, [this] { return !pieces_.empty() || finished_ || error_; });
  if (error_) return *error_;
  if (pieces_.empty()) return size_t{0};
  std::string& first = pieces_.front();
  size_t n = std::min(max, first.size() - first_taken_);
  std::memcpy(out, first.data() + first_taken_, n);
  first_taken_ += n;
  bytes_ -= n;
  if (first_taken_ == first.size()) {
    pieces_.pop_front();
    first_taken_ = 0;
  }
  if (bytes_ < limits::kPullAheadBytes / 2) tell_writer();
  return n;
}

void BytePipe::reader_gone() {
  std::lock_guard lock(mutex_);
  reader_gone_ = true;
  pieces_.clear();
  bytes_ = first_taken_ = 0;
  tell_writer();
}

}  // namespace bramble
