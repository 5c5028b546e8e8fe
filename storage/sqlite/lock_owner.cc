#include "storage/sqlite/lock_owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/strings.h"

namespace bramble {

// A small file of /proc, whole enough for here.
static std::string read_proc(const char* path) {
  std::string text;
  FILE* f = fopen(path, "re");
  if (!f) return text;
  char buf[4096];
  while (size_t n = fread(buf, 1, sizeof buf, f)) text.append(buf, n);
  fclose(f);
  return text;
}

std::string lock_owner(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0) {
    std::string inode = cat(":", st.st_ino, " ");
    std::string locks = read_proc("/proc/locks");
    // "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF"
    for (std::string_view line : split(locks, '\n')) {
      if (line.find(inode) == std::string_view::npos) continue;
      long pid = 0;
      if (sscanf(std::string(line).c_str(), "%*d: %*s %*s %*s %ld", &pid) != 1 || pid <= 0) continue;
      std::string comm = read_proc(cat("/proc/", pid, "/comm").c_str());
      return cat("process ", pid, comm.empty() ? "" : cat(" (", trim(comm), ")"));
    }
  }
  return "another process";
}

}  // namespace bramble
