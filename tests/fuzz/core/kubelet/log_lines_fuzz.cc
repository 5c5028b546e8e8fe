// Log files of containers, as anybody may have left them: lines are what they are, a tail begins where a plain count says.
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "core/kubelet/log_lines.h"

using namespace bramble;

namespace {

// By reading from the front: the last newline ends a line and begins none.
int64_t plain_tail(std::string_view text, int64_t lines) {
  if (lines <= 0) return static_cast<int64_t>(text.size());
  size_t end = text.size();
  if (end && text[end - 1] == '\n') --end;
  for (size_t i = end; i-- > 0;)
    if (text[i] == '\n' && --lines == 0) return static_cast<int64_t>(i + 1);
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t begin = 0;
  while (begin <= text.size()) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (auto l = parse_log_line(line)) {
      CHECK(l->stream == "stdout" || l->stream == "stderr", l->stream);
      CHECK(l->text.data() + l->text.size() == line.data() + line.size() && l->stamp.data() == line.data(), "a part of the line");
    }
    begin = end + 1;
  }
  static UniqueFd file(memfd_create("log", MFD_CLOEXEC));
  CHECK(ftruncate(file.get(), 0) == 0 && pwrite(file.get(), data, size, 0) == static_cast<ssize_t>(size), "write");
  for (int64_t lines : {0, 1, 2, 3, 10, 1000}) CHECK(tail_offset(file.get(), lines) == plain_tail(text, lines), lines);
  std::string path = cat("/proc/self/fd/", file.get());
  for (size_t bytes : {0, 1, 16, 4096}) CHECK(last_log_text(path, 3, bytes).size() <= bytes, bytes);
  return 0;
}
