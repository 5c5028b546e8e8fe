// Quantity (resource.Quantity): "100m", "1.5Gi", "1e3". Exact decimal arithmetic within int64 nano-units and beyond as
// upstream's infinite-precision form needs; canonical text as upstream prints. Pure; any thread.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

class Quantity {
 public:
  // kInvalidArgument with upstream's text: "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
  static Result<Quantity> parse(std::string_view text);
  static Quantity of(int64_t value);        // DecimalSI
  static Quantity of_milli(int64_t milli);
  static Quantity of_bytes(int64_t bytes);  // BinarySI
  std::string text() const;                 // canonical
  int64_t value() const;                    // rounded up to whole units, saturated
  int64_t milli() const;                    // rounded up to thousandths, saturated
  bool is_zero() const;
  bool negative() const;
  std::strong_ordering operator<=>(const Quantity& o) const;
  bool operator==(const Quantity& o) const;
  Quantity operator+(const Quantity& o) const;
  Quantity operator-(const Quantity& o) const;

 private:

  int64_t high_ = 0;   // whole units (32-bit targets have no 128-bit integers)
  int32_t nano_ = 0;   // billionths, same sign as high_
  enum class Format : unsigned char { kDecimalSI, kBinarySI, kDecimalExponent } format_ = Format::kDecimalSI;
};

}  // namespace bramble
