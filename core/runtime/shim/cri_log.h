// CriLog: a container's log file in the CRI format: "<time, nanoseconds> <stdout|stderr> <F|P> <text>\n", one line each; a
// line longer than kLineBytes is cut into P parts, and so is the last one when it has no end. At kLogFileBytes the file is
// renamed to "<name>.<YYYYMMDD-HHMMSS>.<ns>" and a new one begun; the oldest beyond kLogFiles go.
// (Kubernetes: CRI container logging format; kubelet log rotation, containerLogMaxSize 10Mi, containerLogMaxFiles 5.)
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/runtime/shim/bytes.h"

namespace bramble::shim {

class CriLog {
 public:
  void begin() { fd_ = -1; }  // in memory that was only cleared
  bool open_file(const char* path) {
    snprintf(path_, sizeof path_, "%s", path);
    return reopen();
  }
  void close_file() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  bool is_open() const { return fd_ >= 0; }

  // Bytes of one stream. `partial` keeps what has no line end yet, per stream.
  void append(Bytes& partial, const char* stream, const uint8_t* bytes, size_t n) {
    stamp(stream);
    while (n > 0) {
      const uint8_t* end = static_cast<const uint8_t*>(memchr(bytes, '\n', n));
      size_t length = end ? static_cast<size_t>(end - bytes) : n;
      size_t room = limits::kLogLineBytesMax - partial.size;
      if (length > room) {
        line('P', partial, bytes, room);
        bytes += room;
        n -= room;
        continue;
      }
      if (!end) {
        partial.append(bytes, length);
        break;
      }
      line('F', partial, bytes, length);
      bytes += length + 1;
      n -= length + 1;
    }
    flush();
  }
  // The stream ended.
  void finish(Bytes& partial, const char* stream) {
    if (partial.size == 0) return;
    stamp(stream);
    line('P', partial, nullptr, 0);
    flush();
  }

 private:
  void stamp(const char* stream) {
    uint64_t now = wall_ns();
    Civil c = civil_of(now / 1000000000u);
    memcpy(stamp_, "0000-00-00T00:00:00.000000000Z stdout F ", sizeof stamp_);
    put_digits(stamp_, c.year, 4);
    put_digits(stamp_ + 5, c.month, 2);
    put_digits(stamp_ + 8, c.day, 2);
    put_digits(stamp_ + 11, c.hour, 2);
    put_digits(stamp_ + 14, c.minute, 2);
    put_digits(stamp_ + 17, c.second, 2);
    put_digits(stamp_ + 20, static_cast<unsigned>(now % 1000000000u), 9);
    memcpy(stamp_ + 31, stream, 6);
  }
  void line(char tag, Bytes& partial, const uint8_t* bytes, size_t n) {
    stamp_[38] = tag;
    put(stamp_, sizeof stamp_);
    put(partial.begin(), partial.size);
    put(bytes, n);
    put("\n", 1);
    partial.clear();
    if (written_ + buffered_ >= limits::kLogFileBytesMax) {
      flush();
      rotate();
    }
  }
  void put(const void* bytes, size_t n) {
    if (buffered_ + n > sizeof buffer_) flush();
    if (n > 0) memcpy(buffer_ + buffered_, bytes, n);
    buffered_ += n;
  }
  void flush() {
    size_t at = 0;
    while (fd_ >= 0 && at < buffered_) {
      ssize_t n = write(fd_, buffer_ + at, buffered_ - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;  // a full disk loses lines, never the container
      at += static_cast<size_t>(n);
    }
    written_ += at;
    buffered_ = 0;
  }
  bool reopen() {
    fd_ = open(path_, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct stat s;
    written_ = fd_ >= 0 && fstat(fd_, &s) == 0 ? static_cast<size_t>(s.st_size) : 0;
    return fd_ >= 0;
  }
  void rotate() {
    uint64_t now = wall_ns();
    Civil c = civil_of(now / 1000000000u);
    char to[sizeof path_ + 32];
    snprintf(to, sizeof to, "%s.%04u%02u%02u-%02u%02u%02u.%09u", path_, c.year, c.month, c.day, c.hour, c.minute, c.second,
             static_cast<unsigned>(now % 1000000000u));
    close_file();
    rename(path_, to);
    reopen();
    while (drop_oldest()) {
    }
  }
  // Removes the oldest rotated file when there are too many.
  bool drop_oldest() {
    char folder[sizeof path_];
    snprintf(folder, sizeof folder, "%s", path_);
    char* slash = strrchr(folder, '/');
    if (!slash) return false;
    *slash = 0;
    const char* base = slash + 1;
    size_t base_bytes = strlen(base);
    DIR* d = opendir(folder);
    if (!d) return false;
    char oldest[256] = "";
    int count = 0;
    while (dirent* e = readdir(d)) {
      if (strncmp(e->d_name, base, base_bytes) != 0 || e->d_name[base_bytes] != '.') continue;
      ++count;
      if (!oldest[0] || strcmp(e->d_name, oldest) < 0) snprintf(oldest, sizeof oldest, "%s", e->d_name);
    }
    bool dropped = false;
    if (count > limits::kLogFilesMax - 1) dropped = unlinkat(dirfd(d), oldest, 0) == 0;
    closedir(d);
    return dropped;
  }

  int fd_ = -1;
  size_t written_ = 0;
  char path_[1024] = "";
  char stamp_[40];
  // Shared by all containers of the pod: a buffer is full only inside one call.
  static inline uint8_t buffer_[32 * 1024];
  static inline size_t buffered_ = 0;
};

}  // namespace bramble::shim
