// Quantity (resource.Quantity): "100m", "1.5Gi", "1e3". Values are exact in billionths up to 2^63-1 whole units, then
// saturated; canonical() is exact for any length. Pure; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

class Quantity {
 public:
  // kInvalidArgument with upstream's texts: "quantities must match the regular expression
  // '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'", "unable to parse quantity's suffix".
  static Result<Quantity> parse(std::string_view text);
  // The text that upstream prints for a quantity it has just read: canonical, but a number that already is in shape is kept
  // as written ("1.500"). Errors as parse.
  static Result<std::string> canonical(std::string_view text);
  static Quantity of(int64_t value);        // DecimalSI
  static Quantity of_milli(int64_t milli);  // DecimalSI
  static Quantity of_bytes(int64_t bytes);  // BinarySI
  std::string text() const;                 // canonical
  int64_t value() const;                    // rounded up to whole units, saturated
  int64_t milli() const;                    // rounded up to thousandths, saturated
  bool is_zero() const { return high_ == 0 && nano_ == 0; }
  bool negative() const { return high_ < 0 || nano_ < 0; }
  bool is_integer() const { return nano_ == 0; }
  Quantity rounded_to_milli() const;        // away from zero, as upstream's defaults do for every ResourceList
  std::strong_ordering operator<=>(const Quantity& o) const;
  bool operator==(const Quantity& o) const { return high_ == o.high_ && nano_ == o.nano_; }
  // Saturating. The format is the left side's; the right side's when the left is zero.
  Quantity operator+(const Quantity& o) const;
  Quantity operator-(const Quantity& o) const;
  Quantity operator-() const;

  enum class Format : uint8_t { kDecimalSI, kBinarySI, kDecimalExponent };
  Format format() const { return format_; }

 private:
  // high_ * 10^9 + nano_ billionths; both have the same sign (32-bit targets have no 128-bit integers).
  int64_t high_ = 0;
  int32_t nano_ = 0;
  Format format_ = Format::kDecimalSI;
};

}  // namespace bramble
