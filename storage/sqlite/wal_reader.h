// The write-ahead log of a store that was not closed, read without SQLite (SQLite file format, section 4, "The Write-Ahead
// Log"). SQLite takes the first bad frame for the end of the log. After a power cut that is right for the last transaction,
// which was never acknowledged; with more whole transactions behind, acknowledged writes would vanish without a word. This
// tells the two apart, and gives a repair the pages of every good frame. Bytes from outside: nothing is trusted. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace bramble {

struct WalPages {
  bool damaged = false;  // acknowledged transactions stand behind a bad frame, or the log's head is bad
  uint32_t page_count = 0;                        // of the database after the last transaction; 0: no transaction
  std::map<uint32_t, std::string_view> pages;     // newest content by page number; borrowed from the log's bytes
  std::map<uint32_t, uint32_t> bad_pages;         // by page number: bad frames that would have been the newest content
};

WalPages read_wal(std::string_view log);

}  // namespace bramble
