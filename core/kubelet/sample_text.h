// SampleText: a page of samples of one time in the text form that Prometheus reads (0.0.4). As MetricText (core/base/metrics.h),
// but samples may carry the time at which they were measured, as the kubelet's and cAdvisor's do. Values; no thread of its own.
#pragma once

#include "core/base/metrics.h"

namespace bramble {

class SampleText {
 public:
  void family(std::string_view name, std::string_view type, std::string_view stability, std::string_view help);
  void value(std::string_view labels, double value);                      // of the family named last
  void value_at(std::string_view labels, double value, int64_t wall_us);  // as of that time, in whole milliseconds
  void single(std::string_view name, std::string_view type, std::string_view stability, std::string_view help, double value);
  std::string take() const;  // families by name; those without a value are left out

 private:
  struct Family {
    std::string head, lines;
  };
  std::map<std::string, Family, std::less<>> families_;
  std::string name_;
  Family* now_ = nullptr;
};

}  // namespace bramble
