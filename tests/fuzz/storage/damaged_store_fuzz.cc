// A store's file and its log as the disk may give them back: anything. Reading them page by page must end, and every row that it
// gives must carry a right checksum. The input is a patch of a good file: [u16 length of log part][bytes of file][bytes of log],
// or raw bytes when it begins with the magic of SQLite.

#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "storage/sqlite/page_reader.h"
#include "storage/sqlite/row_sum.h"
#include "storage/sqlite/wal_reader.h"

using namespace bramble;

namespace {

// A small page-shaped file around the fuzzer's bytes: page 1 (head), 2 (state), 3 (meta) and what follows.
std::string as_pages(std::string_view bytes) {
  std::string file(4096, '\0');
  for (int i = 0; i < 6; i++) {
    std::string page(4096, '\0');
    std::string_view part = bytes.substr(std::min(bytes.size(), static_cast<size_t>(i) * 600), 600);
    page.replace(0, std::min<size_t>(300, part.size()), part.substr(0, 300));  // head and cell pointers
    if (part.size() > 300) page.replace(4096 - (part.size() - 300), part.size() - 300, part.substr(300));  // cells, at the end
    file += page;
  }
  return file;
}

void check(const SalvagedRows& found) {
  for (const auto& [id, row] : found.rows) CHECK(id == row.id && row.value != nullptr, id);
  for (const auto& [first, last] : found.lost_ids) CHECK(first <= last || first == last + 1, first, " ", last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size < 2) return 0;
  size_t log_size = std::min<size_t>(data[0] << 8 | data[1], size - 2);
  std::string_view file = bytes.substr(2, size - 2 - log_size), log = bytes.substr(size - log_size);
  check(salvage_rows(file, log));
  check(salvage_rows(as_pages(file), log));
  std::string frames;  // a log with whole frames, so that the frame walk is reached with few bytes
  for (size_t at = 0; at < log.size(); at += 64) {
    std::string frame(log.substr(at, 64));
    frame.resize(at == 0 ? 32 : 24 + 4096, '\0');
    frames += frame;
  }
  check(salvage_rows(as_pages(file), frames));
  return 0;
}
