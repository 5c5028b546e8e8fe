// Counters, gauges and histograms in the text form that Prometheus reads (exposition format 0.0.4), and the little that keeps
// them: numbers that their owner counts on its own thread, without locks, and prints when asked. Nothing here knows a name:
// who counts says what it is called. Nothing survives a restart; readers know that counters begin anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bramble {

// How many observations lay within each bound. Memory is fixed by the bounds, which must outlive it.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(std::make_unique<uint64_t[]>(bounds.size() + 1)) {}
  void observe(double value);
  std::span<const double> bounds() const { return bounds_; }
  uint64_t at(size_t bucket) const { return counts_[bucket]; }  // of one bucket alone; bounds().size(): beyond all
  uint64_t count() const;
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::unique_ptr<uint64_t[]> counts_;
  double sum_ = 0;
};

using Label = std::pair<std::string_view, std::string_view>;

// `{a="x",b="y"}`, values escaped; "" without labels. Names are given in alphabetical order.
std::string label_text(std::initializer_list<Label> labels);
std::string label_text(std::span<const Label> labels);

// What a set of labels counts, T for each. Bounded: when it is full, new ones are counted together, without their labels.
// A reference stays good as long as the table.
template <class T>
class LabelTable {
 public:
  // make: a fresh T.
  LabelTable(size_t max, std::function<T()> make) : max_(max), make_(std::move(make)) {}
  // `key` tells label sets apart; `labels` is asked for their text when the key is new.
  template <class F>
  T& find(std::string_view key, const F& labels) {
    auto it = rows_.find(key);
    if (it != rows_.end()) return it->second.value;
    if (rows_.size() >= max_) {
      if (!rest_) rest_ = std::make_unique<T>(make_());
      return *rest_;
    }
    return rows_.emplace(std::string(key), Row{labels(), make_()}).first->second.value;
  }
  // Rows by their labels' text.
  void each(const std::function<void(const std::string& labels, const T& value)>& fn) const {
    std::map<std::string_view, const T*> sorted;
    for (const auto& [key, row] : rows_) sorted.emplace(row.labels, &row.value);
    for (const auto& [labels, value] : sorted) fn(std::string(labels), *value);
  }
  size_t size() const { return rows_.size(); }
  const T* rest() const { return rest_.get(); }  // null: nothing was beyond the bound

 private:
  struct Row {
    std::string labels;
    T value;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  size_t max_;
  std::function<T()> make_;
  std::unordered_map<std::string, Row, Hash, std::equal_to<>> rows_;
  std::unique_ptr<T> rest_;
};

// The page: families sorted by name, each with its help and type, as upstream's component-base prints them (the stability in
// brackets before the help).
class MetricText {
 public:
  // What follows belongs to this family; one named before goes on. stability: "STABLE", "BETA", "ALPHA", or "" for none.
  void family(std::string_view name, std::string_view type, std::string_view stability, std::string_view help);
  void value(std::string_view labels, double value);                      // labels: label_text()
  void value_at(std::string_view labels, double value, int64_t wall_us);  // measured at that time, which is told in milliseconds
  void histogram(std::string_view labels, const Histogram& histogram);
  // A family of one value without labels.
  void single(std::string_view name, std::string_view type, std::string_view stability, std::string_view help, double value);
  // Families without a value are left out.
  std::string take();

 private:
  struct Family {
    std::string head, lines;
  };
  std::map<std::string, Family, std::less<>> families_;
  std::string name_;
  Family* now_ = nullptr;
};

// As Go's strconv prints it: the shortest digits, an exponent from a million on.
std::string metric_number(double value);

}  // namespace bramble
