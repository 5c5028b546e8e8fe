// Byte queues and small file work of the shim. Single-threaded, no library but libc; out of memory ends the shim.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace bramble::shim {

// A queue of bytes that gives its memory back when it is empty.
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0, room = 0, head = 0;

  uint8_t* begin() { return data + head; }
  void append(const void* from, size_t n) {
    if (n == 0) return;
    if (head + size + n > room) {
      if (head) {
        memmove(data, data + head, size);
        head = 0;
      }
      if (size + n > room) {
        size_t want = (size + n + 1023) / 1024 * 1024;
        data = static_cast<uint8_t*>(realloc(data, want));
        if (!data) _exit(12);
        room = want;
      }
    }
    memcpy(data + head + size, from, n);
    size += n;
  }
  void drop(size_t n) {
    head += n;
    size -= n;
    if (size == 0) clear();
  }
  void clear() {
    free(data);
    data = nullptr;
    size = room = head = 0;
  }
};

inline uint64_t wall_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

struct Civil {
  unsigned year, month, day, hour, minute, second;
};
// Days to a date (proleptic Gregorian, UTC). gmtime() would read the time zone files.
inline Civil civil_of(uint64_t seconds) {
  uint64_t z = seconds / 86400 + 719468;
  uint64_t era = z / 146097;
  unsigned doe = static_cast<unsigned>(z - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153;
  unsigned of_day = static_cast<unsigned>(seconds % 86400);
  Civil c;
  c.day = doy - (153 * mp + 2) / 5 + 1;
  c.month = mp < 10 ? mp + 3 : mp - 9;
  c.year = static_cast<unsigned>(yoe + era * 400 + (c.month <= 2 ? 1 : 0));
  c.hour = of_day / 3600;
  c.minute = of_day / 60 % 60;
  c.second = of_day % 60;
  return c;
}

inline void put_digits(char* at, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

// Text of a small file as a number; -1 when it is not there.
inline long read_number(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char text[32];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return -1;
  text[n] = 0;
  return strtol(text, nullptr, 10);
}

// Writes by rename, so that a reader sees the whole or nothing.
inline bool write_file(const char* path, const char* text) {
  char tmp[4096];
  if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= static_cast<int>(sizeof tmp)) return false;
  int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  size_t n = strlen(text);
  bool good = write(fd, text, n) == static_cast<ssize_t>(n);
  close(fd);
  return good && rename(tmp, path) == 0;
}

}  // namespace bramble::shim
