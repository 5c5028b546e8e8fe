#include "core/base/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/check.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

std::string escaped(std::string_view value, bool quotes) {
  std::string out;
  for (char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
  return out;
}

// The labels of a sample with one more at their end.
std::string with_bound(std::string_view labels, std::string_view bound) {
  std::string inner = labels.empty() ? std::string() : cat(labels.substr(1, labels.size() - 2), ",");
  return cat("{", inner, "le=\"", bound, "\"}");
}

}  // namespace

void Histogram::observe(double value) {
  size_t bucket = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  counts_[bucket]++;
  sum_ += value;
}

uint64_t Histogram::count() const {
  uint64_t all = 0;
  for (size_t i = 0; i <= bounds_.size(); i++) all += counts_[i];
  return all;
}

std::string label_text(std::span<const Label> labels) {
  if (labels.empty()) return {};
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (out.size() > 1) out += ',';
    out += cat(name, "=\"", escaped(value, true), "\"");
  }
  return out + "}";
}

std::string label_text(std::initializer_list<Label> labels) { return label_text(std::span<const Label>(labels.begin(), labels.size())); }

std::string metric_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  std::string_view scientific(text, static_cast<size_t>(end.ptr - text));
  int exponent = 0;
  size_t e = scientific.find('e');
  std::from_chars(text + e + (text[e + 1] == '+' ? 2 : 1), end.ptr, exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  return std::string(text, static_cast<size_t>(end.ptr - text));
}

void MetricText::family(std::string_view name, std::string_view type, std::string_view stability, std::string_view help) {
  if (now_ && name == name_) return;
  name_ = name;
  auto [it, fresh] = families_.try_emplace(name_);
  now_ = &it->second;
  if (!fresh) return;
  std::string mark = stability.empty() ? std::string() : cat("[", stability, "] ");
  now_->head = cat("# HELP ", name, " ", mark, escaped(help, false), "\n# TYPE ", name, " ", type, "\n");
}

void MetricText::value(std::string_view labels, double value) {
  CHECK(now_ != nullptr, "a value without a family");
  now_->lines += cat(name_, labels, " ", metric_number(value), "\n");
}

void MetricText::value_at(std::string_view labels, double value, int64_t wall_us) {
  CHECK(now_ != nullptr, "a value without a family");
  now_->lines += cat(name_, labels, " ", metric_number(value), " ", wall_us / 1000, "\n");
}

void MetricText::histogram(std::string_view labels, const Histogram& h) {
  CHECK(now_ != nullptr, "a histogram without a family");
  uint64_t so_far = 0;
  for (size_t i = 0; i <= h.bounds().size(); i++) {
    so_far += h.at(i);
    std::string bound = i < h.bounds().size() ? metric_number(h.bounds()[i]) : std::string("+Inf");
    now_->lines += cat(name_, "_bucket", with_bound(labels, bound), " ", so_far, "\n");
  }
  now_->lines += cat(name_, "_sum", labels, " ", metric_number(h.sum()), "\n", name_, "_count", labels, " ", so_far, "\n");
}

void MetricText::single(std::string_view name, std::string_view type, std::string_view stability, std::string_view help, double v) {
  family(name, type, stability, help);
  value("", v);
}

std::string MetricText::take() {
  std::string out;
  for (auto& [name, family] : families_) {
    if (family.lines.empty()) continue;
    out += family.head;
    out += family.lines;
    family.lines = {};
  }
  families_.clear();
  now_ = nullptr;
  return out;
}

}  // namespace bramble
