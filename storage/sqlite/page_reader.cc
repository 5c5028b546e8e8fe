#include "storage/sqlite/page_reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "storage/sqlite/row_sum.h"
#include "storage/sqlite/wal_reader.h"

namespace bramble {

namespace {

constexpr uint32_t kPage = 4096;       // as Database makes it, with no reserved bytes
constexpr uint32_t kStateRoot = 2;     // create_tables() makes state first, then meta, in an empty file
constexpr uint32_t kMetaRoot = 3;
constexpr uint64_t kIdMax = INT64_MAX;

uint32_t be16(std::string_view b, size_t at) {
  return static_cast<uint32_t>(static_cast<unsigned char>(b[at])) << 8 | static_cast<unsigned char>(b[at + 1]);
}
uint32_t be32(std::string_view b, size_t at) { return be16(b, at) << 16 | be16(b, at + 2); }

// A varint at `at`, which moves behind it; nothing when it runs over the end.
std::optional<uint64_t> varint(std::string_view b, size_t& at) {
  uint64_t v = 0;
  for (int i = 0; i < 9; i++) {
    if (at >= b.size()) return std::nullopt;
    unsigned char c = static_cast<unsigned char>(b[at++]);
    if (i == 8) return v << 8 | c;
    v = v << 7 | (c & 0x7f);
    if (!(c & 0x80)) return v;
  }
  return v;
}

// One column of a record: text, blob or integer (section 2.1, serial types).
struct Column {
  std::string_view bytes;
  uint64_t integer = 0;
};

std::optional<std::vector<Column>> columns(std::string_view record, size_t wanted) {
  size_t at = 0;
  auto head = varint(record, at);
  if (!head || *head > record.size()) return std::nullopt;
  std::string_view types = record.substr(0, *head);
  size_t body = *head;
  std::vector<Column> out;
  while (at < types.size()) {
    auto type = varint(types, at);
    if (!type || out.size() == wanted) return std::nullopt;
    static constexpr size_t kIntBytes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    size_t size = *type < 10 ? kIntBytes[*type] : *type < 12 ? 0 : (*type - 12) / 2;
    if (size > record.size() - body) return std::nullopt;
    Column c{record.substr(body, size)};
    body += size;
    if (*type == 9) c.integer = 1;
    if (*type >= 1 && *type <= 6) {
      uint64_t v = static_cast<signed char>(c.bytes[0]) < 0 ? ~uint64_t{0} : 0;
      for (unsigned char byte : c.bytes) v = v << 8 | byte;
      c.integer = v;
    }
    out.push_back(c);
  }
  if (out.size() != wanted) return std::nullopt;
  return out;
}

class Salvage {
 public:
  Salvage(std::string_view file, std::string_view log)
      : file_(file), wal_(read_wal(log)), overflow_bytes_left_(16 * (file.size() + log.size())) {
    page_count_ = static_cast<uint32_t>(std::min<size_t>(file.size() / kPage, UINT32_MAX - 1));
    page_count_ = std::max(page_count_, std::min<uint32_t>(wal_.page_count, page_count_ + static_cast<uint32_t>(wal_.pages.size())));
  }

  SalvagedRows run() {
    read_meta();
    find_free_pages();
    walk(kStateRoot, 0, kIdMax);
    out_.rows = std::exchange(found_, {});
    auto bad_rows = std::exchange(bad_rows_, {});
    sweep();
    for (const auto& [id, bad] : bad_rows) {
      if (out_.rows.contains(id)) continue;
      lose(id, id);
      if (!bad.empty()) out_.damaged_keys.push_back(bad);
    }
    return std::move(out_);
  }

 private:
  // Nothing when the page cannot be read.
  std::string_view page(uint32_t number) const {
    if (wal_.bad_pages.contains(number)) return {};
    if (auto it = wal_.pages.find(number); it != wal_.pages.end()) return it->second;
    size_t at = size_t{number - 1} * kPage;
    return number == 0 || at + kPage > file_.size() ? std::string_view() : file_.substr(at, kPage);
  }

  void lose(uint64_t first, uint64_t last) { out_.lost_ids.emplace_back(first, last); }

  // The tree below a page, whose ids are in (low, high].
  void walk(uint32_t number, uint64_t low, uint64_t high) {
    std::string_view p = page(number);
    if (p.empty() || number < 2 || !visited_.insert(number).second) return lose(low + 1, high);
    if (p[0] == 0x0d) {
      if (!leaf(p, low, high)) lose(low + 1, high);
    } else if (p[0] == 0x05) {
      inner(p, low, high);
    } else {
      lose(low + 1, high);
    }
  }

  void inner(std::string_view p, uint64_t low, uint64_t high) {
    uint32_t cells = be16(p, 3);
    uint64_t from = low;
    bool skipped = false;  // a child between `from` and the next good cell's key is not known
    for (uint32_t i = 0; i < cells && 12 + 2 * i + 2 <= kPage; i++) {
      size_t at = be16(p, 12 + 2 * i);
      bool inside = at >= 12 && at + 4 <= kPage;
      uint32_t child = inside ? be32(p, at) : 0;
      at += 4;
      auto key = inside ? varint(p, at) : std::nullopt;
      if (!key || *key <= from || *key > high) {
        skipped = true;
        continue;
      }
      walk(child, from, *key);
      if (std::exchange(skipped, false)) lose(from + 1, *key);
      from = *key;
    }
    if (from >= high) return;
    walk(be32(p, 8), from, high);
    if (skipped) lose(from + 1, high);
  }

  // False when the page's own structure is damaged, so that rows may be missing without a trace.
  bool leaf(std::string_view p, uint64_t low, uint64_t high) {
    uint32_t cells = be16(p, 3);
    if (8 + 2 * cells > kPage) return false;
    bool whole = true;
    uint64_t last = low;
    for (uint32_t i = 0; i < cells; i++) {
      size_t at = be16(p, 8 + 2 * i);
      auto id = at >= 8 + 2 * cells ? cell(p, at, low, high) : std::nullopt;
      if (!id || *id <= last) whole = false;
      if (id) last = std::max(last, *id);
    }
    return whole;
  }

  // Takes the row of one cell when it is good, notes it when it is bad. Gives its id when that much is plausible.
  std::optional<uint64_t> cell(std::string_view p, size_t at, uint64_t low, uint64_t high) {
    auto size = varint(p, at);
    if (!size) return std::nullopt;
    auto id = varint(p, at);
    if (!id || *id <= low || *id > high) return std::nullopt;
    bool complete = false;
    std::string record = payload(p, at, *size, &complete);
    auto c = columns(record, 5);
    if (complete && c) {
      RowChange row{*id, std::string((*c)[1].bytes), (*c)[2].integer, make_buffer(std::string((*c)[4].bytes))};
      if (row_sum(row.key, row.revision, *row.value) == (*c)[3].integer) {
        RowChange& held = found_[*id];
        if (!held.value || held.revision < row.revision) held = std::move(row);
        return id;
      }
    }
    bad_rows_.try_emplace(*id, legible_key(record));
    return id;
  }

  // The key of a damaged row, when it looks like one.
  static std::string legible_key(std::string_view record) {
    size_t at = 0;
    auto head = varint(record, at);
    if (!head || *head > record.size()) return {};
    varint(record, at);
    auto type = varint(record, at);
    if (!type || *type < 13 || *type % 2 == 0) return {};
    std::string_view key = record.substr(*head, std::min<size_t>((*type - 13) / 2, 1024));
    bool plain = !key.empty() && key[0] == '/' && std::all_of(key.begin(), key.end(), [](char ch) { return ch > 0x20 && ch < 0x7f; });
    return plain ? std::string(key) : std::string();
  }

  // A cell's payload with its overflow pages (section 1.6, "B-tree Pages", overflow).
  std::string payload(std::string_view p, size_t at, uint64_t size, bool* complete) {
    constexpr uint64_t kLocalMax = kPage - 35, kLocalMin = (kPage - 12) * 32 / 255 - 23;
    if (size > uint64_t{page_count_} * kPage) return {};
    uint64_t local = size;
    if (size > kLocalMax) {
      local = kLocalMin + (size - kLocalMin) % (kPage - 4);
      if (local > kLocalMax) local = kLocalMin;
    }
    if (at + local > kPage || (local < size && at + local + 4 > kPage)) return {};
    std::string out(p.substr(at, local));
    uint32_t next = local < size ? be32(p, at + local) : 0;
    while (out.size() < size) {
      std::string_view more = page(next);
      if (next < 2 || more.empty() || overflow_bytes_left_ < kPage) return out;
      overflow_bytes_left_ -= kPage;
      uint64_t take = std::min<uint64_t>(size - out.size(), kPage - 4);
      out.append(more.substr(4, take));
      next = be32(more, 0);
    }
    *complete = true;
    return out;
  }

  void read_meta() {
    visited_.insert(kMetaRoot);
    std::string_view p = page(kMetaRoot);
    if (p.empty() || p[0] != 0x0d || be16(p, 3) != 1) return;
    size_t at = be16(p, 8);
    auto size = varint(p, at);
    if (!size || !varint(p, at)) return;
    bool complete = false;
    std::string record = payload(p, at, *size, &complete);
    auto c = columns(record, kMetaColumns);
    if (!complete || !c) return;
    StoreMeta m{std::string((*c)[1].bytes), (*c)[2].integer, (*c)[3].integer, (*c)[4].integer != 0,
                static_cast<int64_t>((*c)[5].integer)};
    if (meta_sum(m) == (*c)[6].integer) out_.meta = m;
  }

  // Free pages may hold rows that were deleted: they are not looked at (section 1.5, the freelist).
  void find_free_pages() {
    std::string_view head = page(1);
    if (head.empty()) return;
    for (uint32_t trunk = be32(head, 32); trunk >= 2 && free_.insert(trunk).second;) {
      std::string_view p = page(trunk);
      if (p.empty()) return;
      uint32_t leaves = std::min<uint32_t>(be32(p, 4), kPage / 4 - 2);
      for (uint32_t i = 0; i < leaves; i++) free_.insert(be32(p, 8 + 4 * i));
      trunk = be32(p, 0);
    }
  }

  // Leaves that no readable page leads to: their rows belong into the lost stretches.
  void sweep() {
    if (out_.lost_ids.empty()) return;
    for (uint32_t number = 2; number <= page_count_; number++) {
      std::string_view p = page(number);
      if (p.empty() || p[0] != 0x0d || visited_.contains(number) || free_.contains(number)) continue;
      found_.clear();
      leaf(p, 0, kIdMax);
      for (auto& [id, row] : found_)
        if (out_.lost(id)) out_.rows.try_emplace(id, std::move(row));
    }
  }

  std::string_view file_;
  WalPages wal_;
  uint32_t page_count_ = 0;
  size_t overflow_bytes_left_;  // chains that cross each other in a damaged file end here
  std::set<uint32_t> visited_;
  std::set<uint32_t> free_;
  std::map<uint64_t, RowChange> found_;
  std::map<uint64_t, std::string> bad_rows_;  // id, legible key
  SalvagedRows out_;
};

}  // namespace

bool SalvagedRows::lost(uint64_t id) const {
  return std::any_of(lost_ids.begin(), lost_ids.end(), [id](const auto& r) { return r.first <= id && id <= r.second; });
}

SalvagedRows salvage_rows(std::string_view file, std::string_view log) { return Salvage(file, log).run(); }

}  // namespace bramble
