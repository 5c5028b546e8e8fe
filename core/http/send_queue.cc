#include "core/http/send_queue.h"

#include <cstring>

namespace bramble {

static constexpr size_t kJoinBytesMax = 4096;  // small texts in a row become one piece

void SendQueue::append(std::string text) {
  if (text.empty()) return;
  bytes_ += text.size();
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    if (!last.shared && last.text.size() + text.size() <= kJoinBytesMax) {
      last.text += text;
      last.end = last.text.size();
      return;
    }
  }
  Piece p;
  p.end = text.size();
  p.text = std::move(text);
  pieces_.push_back(std::move(p));
}

void SendQueue::append(Buffer shared, size_t offset, size_t count) {
  if (count == 0) return;
  bytes_ += count;
  Piece p;
  p.shared = std::move(shared);
  p.offset = offset;
  p.end = offset + count;
  pieces_.push_back(std::move(p));
}

int SendQueue::front(iovec* pieces, int max) const {
  int n = 0;
  for (auto& p : pieces_) {
    if (n == max) break;
    pieces[n++] = {const_cast<char*>(p.data()), p.left()};
  }
  return n;
}

std::string_view SendQueue::front_joined(char* out, size_t max) const {
  if (pieces_.empty()) return {};
  if (pieces_.size() == 1 || pieces_.front().left() >= max)
    return {pieces_.front().data(), pieces_.front().left() < max ? pieces_.front().left() : max};
  size_t n = 0;
  for (auto& p : pieces_) {
    size_t take = p.left() < max - n ? p.left() : max - n;
    std::memcpy(out + n, p.data(), take);
    n += take;
    if (n == max) break;
  }
  return {out, n};
}

void SendQueue::consume(size_t count) {
  bytes_ -= count;
  while (count > 0) {
    Piece& p = pieces_.front();
    if (count < p.left()) {
      p.offset += count;
      return;
    }
    count -= p.left();
    pieces_.pop_front();
  }
  if (pieces_.empty()) pieces_.shrink_to_fit();
}

}  // namespace bramble
