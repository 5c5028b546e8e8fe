#include "core/resources/text_diff.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr size_t kContext = 3;

struct Edit {
  char sign;  // ' ', '-', '+'
  std::string_view line;
};

// Longest common subsequence between the parts that differ; common head and tail are taken off first.
std::vector<Edit> edits_of(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  const size_t n = a.size() - head - tail, m = b.size() - head - tail;
  std::vector<Edit> out;
  for (size_t i = 0; i < head; ++i) out.push_back({' ', a[i]});
  if (n * m > 4'000'000) {  // too different to be worth the memory: replace the whole middle
    for (size_t i = 0; i < n; ++i) out.push_back({'-', a[head + i]});
    for (size_t j = 0; j < m; ++j) out.push_back({'+', b[head + j]});
  } else {
    std::vector<uint32_t> lcs((n + 1) * (m + 1));
    auto at = [&](size_t i, size_t j) -> uint32_t& { return lcs[i * (m + 1) + j]; };
    for (size_t i = n; i-- > 0;)
      for (size_t j = m; j-- > 0;)
        at(i, j) = a[head + i] == b[head + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    size_t i = 0, j = 0;
    while (i < n || j < m) {
      if (i < n && j < m && a[head + i] == b[head + j]) {
        out.push_back({' ', a[head + i]});
        ++i;
        ++j;
      } else if (i < n && (j == m || at(i + 1, j) >= at(i, j + 1))) {
        out.push_back({'-', a[head + i++]});
      } else {
        out.push_back({'+', b[head + j++]});
      }
    }
  }
  for (size_t i = a.size() - tail; i < a.size(); ++i) out.push_back({' ', a[i]});
  return out;
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
  const auto edits = edits_of(split(before, '\n'), split(after, '\n'));
  std::string out;
  size_t old_line = 1, new_line = 1;
  for (size_t i = 0; i < edits.size();) {
    if (edits[i].sign == ' ') {
      ++old_line;
      ++new_line;
      ++i;
      continue;
    }
    const size_t start = i - std::min(i, kContext);
    size_t end = i, quiet = 0;  // one hunk goes on until more than twice the context is unchanged
    while (end < edits.size() && quiet <= 2 * kContext) {
      quiet = edits[end].sign == ' ' ? quiet + 1 : 0;
      ++end;
    }
    if (quiet > kContext) end -= quiet - kContext;
    size_t old_count = 0, new_count = 0;
    std::string body;
    for (size_t k = start; k < end; ++k) {
      if (edits[k].sign != '+') ++old_count;
      if (edits[k].sign != '-') ++new_count;
      body += edits[k].sign;
      body += edits[k].line;
      body += '\n';
    }
    const size_t lead = i - start;
    out += cat("@@ -", old_line - lead, ",", old_count, " +", new_line - lead, ",", new_count, " @@\n", body);
    old_line += old_count - lead;
    new_line += new_count - lead;
    i = end;
  }
  return out;
}

}  // namespace bramble
