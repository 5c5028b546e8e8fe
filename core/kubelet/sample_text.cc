#include "core/kubelet/sample_text.h"

#include "core/base/result.h"
#include "core/base/strings.h"

namespace bramble {

void SampleText::family(std::string_view name, std::string_view type, std::string_view stability, std::string_view help) {
  if (now_ && name == name_) return;
  name_ = name;
  auto [it, fresh] = families_.try_emplace(name_);
  now_ = &it->second;
  if (fresh) now_->head = cat("# HELP ", name, " ", stability.empty() ? "" : cat("[", stability, "] "), help, "\n# TYPE ", name, " ", type, "\n");
}

void SampleText::value(std::string_view labels, double value) {
  CHECK(now_ != nullptr, "a value without a family");
  now_->lines += cat(name_, labels, " ", metric_number(value), "\n");
}

void SampleText::value_at(std::string_view labels, double value, int64_t wall_us) {
  CHECK(now_ != nullptr, "a value without a family");
  now_->lines += cat(name_, labels, " ", metric_number(value), " ", wall_us / 1000, "\n");
}

void SampleText::single(std::string_view name, std::string_view type, std::string_view stability, std::string_view help, double v) {
  family(name, type, stability, help);
  value("", v);
}

std::string SampleText::take() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    if (!family.lines.empty()) out += cat(family.head, family.lines);
  }
  return out;
}

}  // namespace bramble
