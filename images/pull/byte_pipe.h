// BytePipe: bytes from a coroutine, which downloads, to a thread, which unpacks and blocks. Holds limits::kPullAheadBytes; then
// the writer waits. Shared by both ends; each tells the other when it goes. The writer's side belongs to one loop.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/loop/loop.h"

namespace bramble {

class BytePipe : public std::enable_shared_from_this<BytePipe> {
 public:
  BytePipe() : home_(Loop::current().remote()) {}

  // Loop: waits for room. False: the reader has gone.
  Task<bool> write(std::string bytes);
  void finish();           // all bytes were written
  void fail(Error error);  // none will come any more

  // Reader's thread: blocks for at least one byte; 0 at the end.
  Result<size_t> read(char* out, size_t max);
  void reader_gone();

 private:
  void tell_writer();

  Loop::Remote home_;
  Event room_;  // the loop's
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::string> pieces_;
  size_t first_taken_ = 0;  // of the first piece
  size_t bytes_ = 0;
  bool finished_ = false, reader_gone_ = false, writer_waits_ = false;
  std::optional<Error> error_;
};

}  // namespace bramble
