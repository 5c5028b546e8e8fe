// The store's file read page by page without SQLite (SQLite file format, section 1), for a repair: every row whose checksum
// is right, and which row ids stood where nothing can be read any more. Bytes from outside: nothing is trusted; each page is
// visited at most once, so the work is bounded by the file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/database.h"

namespace bramble {

struct SalvagedRows {
  std::map<uint64_t, RowChange> rows;  // by id
  std::optional<StoreMeta> meta;
  // Row ids that cannot be read: first and last of each stretch.
  std::vector<std::pair<uint64_t, uint64_t>> lost_ids;
  std::vector<std::string> damaged_keys;  // of rows that are there but wrong
  bool lost(uint64_t id) const;
};

// file: the whole database; log: its write-ahead log or nothing.
SalvagedRows salvage_rows(std::string_view file, std::string_view log);

}  // namespace bramble
