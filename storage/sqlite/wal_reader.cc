#include "storage/sqlite/wal_reader.h"

#include <vector>

namespace bramble {

namespace {

constexpr size_t kHead = 32, kFrameHead = 24, kPage = 4096, kFrame = kFrameHead + kPage;

uint32_t be32(const char* p) {
  const unsigned char* u = reinterpret_cast<const unsigned char*>(p);
  return uint32_t{u[0]} << 24 | uint32_t{u[1]} << 16 | uint32_t{u[2]} << 8 | u[3];
}
uint32_t le32(const char* p) { return __builtin_bswap32(be32(p)); }

struct Sum {
  uint32_t a = 0, b = 0;
  bool operator==(const Sum&) const = default;
  void add(std::string_view bytes, bool big_endian) {
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      const char* p = bytes.data() + i;
      a += (big_endian ? be32(p) : le32(p)) + b;
      b += (big_endian ? be32(p + 4) : le32(p + 4)) + a;
    }
  }
};

struct Frame {
  uint32_t page = 0;
  uint32_t commit_pages = 0;  // not 0: the last frame of a transaction
  std::string_view content;
  bool good = false;  // its checksum follows from the one stored in the frame before
};

Sum stored_sum(const char* frame) { return {be32(frame + 16), be32(frame + 20)}; }

// The checksum that a frame should hold after one that holds `before`.
Sum sum_after(Sum before, std::string_view frame, bool big_endian) {
  before.add(frame.substr(0, 8), big_endian);
  before.add(frame.substr(kFrameHead), big_endian);
  return before;
}

// The salts of a log whose head is bad: those of the first frame that follows from the one before it. Older frames that were
// not overwritten yet follow from each other too, but stand behind. With no such frame the first one's word is taken.
std::string_view salts_without_head(std::string_view log) {
  for (size_t at = kHead + kFrame; at + kFrame <= log.size(); at += kFrame) {
    std::string_view frame = log.substr(at, kFrame);
    if (be32(frame.data()) != 0 && sum_after(stored_sum(frame.data() - kFrame), frame, false) == stored_sum(frame.data())) return frame.substr(8, 8);
  }
  return log.substr(kHead + 8, 8);
}

}  // namespace

WalPages read_wal(std::string_view log) {
  WalPages out;
  if (log.size() < kHead + kFrame) return out;
  const char* head = log.data();
  bool big_endian = (be32(head) & 1) != 0;
  Sum sum;
  sum.add(log.substr(0, 24), big_endian);
  bool head_good = (be32(head) & ~1u) == 0x377f0682 && be32(head + 8) == kPage && sum == Sum{be32(head + 24), be32(head + 28)};
  // The salts tell this log's frames from older ones in the same file.
  std::string_view salts = head_good ? log.substr(16, 8) : salts_without_head(log);
  if (!head_good) {
    big_endian = false;
    sum = {};
  }

  std::vector<Frame> frames;
  for (size_t at = kHead; at + kFrame <= log.size(); at += kFrame) {
    const char* f = log.data() + at;
    bool ours = std::string_view(f + 8, 8) == salts;
    Frame frame{be32(f), be32(f + 4), log.substr(at + kFrameHead, kPage), false};
    Sum follows = sum_after(sum, log.substr(at, kFrame), big_endian);
    sum = stored_sum(f);
    frame.good = ours && frame.page != 0 && follows == sum;
    if (!ours) frame.commit_pages = 0;
    frames.push_back(frame);
  }

  size_t first_bad = 0;
  while (first_bad < frames.size() && frames[first_bad].good) first_bad++;
  size_t commits_behind = 0, end = 0;
  for (size_t i = 0; i < frames.size(); i++) {
    bool commit = frames[i].commit_pages != 0 && (frames[i].good || i == first_bad);
    if (!commit) continue;
    if (i >= first_bad) commits_behind++;
  }
  out.damaged = head_good ? commits_behind >= 2 : commits_behind >= 1 && frames.size() > 1;

  size_t usable = out.damaged ? frames.size() : first_bad;
  for (size_t i = 0; i < usable; i++)
    if (frames[i].commit_pages != 0 && frames[i].good) {
      end = i + 1;
      out.page_count = frames[i].commit_pages;
    }
  for (size_t i = 0; i < end; i++) {
    if (frames[i].good) {
      out.pages[frames[i].page] = frames[i].content;
      out.bad_pages.erase(frames[i].page);
    } else {
      out.bad_pages[frames[i].page]++;
    }
  }
  return out;
}

}  // namespace bramble
