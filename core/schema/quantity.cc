#include "core/schema/quantity.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

using Format = Quantity::Format;
constexpr std::string_view kFormatWrong =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kBadSuffix = "unable to parse quantity's suffix";
constexpr int32_t kBillion = 1000000000;

bool digit(char c) { return c >= '0' && c <= '9'; }

// A text taken apart: sign, digits before and after the point, suffix.
struct Parts {
  bool negative = false;
  std::string_view whole, fraction, suffix;
};

Result<Parts> take_apart(std::string_view s) {
  Parts p;
  size_t at = 0, end = s.size();
  auto wrong = [] { return Error(Code::kInvalidArgument, std::string(kFormatWrong)); };
  if (end == 0) return wrong();
  if (s[0] == '-' || s[0] == '+') {
    p.negative = s[0] == '-';
    at++;
  }
  while (at < end && s[at] == '0') at++;
  size_t start = at;
  while (at < end && digit(s[at])) at++;
  p.whole = s.substr(start, at - start);
  if (at < end && s[at] == '.') {
    start = ++at;
    while (at < end && digit(s[at])) at++;
    p.fraction = s.substr(start, at - start);
  }
  start = at;
  while (at < end && std::string_view("eEinumkKMGTP").find(s[at]) != std::string_view::npos) at++;
  if (at < end && (s[at] == '-' || s[at] == '+')) at++;
  while (at < end && digit(s[at])) at++;
  if (at < end) return wrong();
  p.suffix = s.substr(start);
  return p;
}

struct Suffix {
  Format format = Format::kDecimalSI;
  int32_t exponent = 0;  // of 10, or of 2 for kBinarySI
};

constexpr std::string_view kDecimalSuffixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};  // 10^-9 .. 10^18
constexpr std::string_view kBinarySuffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

Result<Suffix> read_suffix(std::string_view s) {
  for (int i = 0; i < 10; i++) {
    if (s == kDecimalSuffixes[i]) return Suffix{Format::kDecimalSI, 3 * (i - 3)};
  }
  for (int i = 1; i < 7; i++) {
    if (s == kBinarySuffixes[i]) return Suffix{Format::kBinarySI, 10 * i};
  }
  if (s.size() > 1 && (s[0] == 'e' || s[0] == 'E')) {
    std::string_view rest = s.substr(1);
    bool minus = rest[0] == '-';
    if (minus || rest[0] == '+') rest.remove_prefix(1);
    auto n = rest.empty() || !digit(rest[0]) ? std::nullopt : parse_int64(rest);
    // Beyond this no value is meant; it also keeps the arithmetic of exponents from overflowing.
    if (n && *n <= limits::kQuantityExponentMax) {
      return Suffix{Format::kDecimalExponent, static_cast<int32_t>(minus ? -*n : *n)};
    }
  }
  return Error(Code::kInvalidArgument, std::string(kBadSuffix));
}

// A non-negative whole number as decimal digits without leading zeros ("" is zero).
using Digits = std::string;

void strip_leading_zeros(Digits* d) { d->erase(0, std::min(d->find_first_not_of('0'), d->size())); }

void multiply(Digits* d, uint32_t by) {
  uint64_t carry = 0;
  for (size_t i = d->size(); i-- > 0;) {
    carry += static_cast<uint64_t>((*d)[i] - '0') * by;
    (*d)[i] = static_cast<char>('0' + carry % 10);
    carry /= 10;
  }
  std::string front;
  for (; carry > 0; carry /= 10) front.insert(front.begin(), static_cast<char>('0' + carry % 10));
  d->insert(0, front);
}

void add_one(Digits* d) {
  for (size_t i = d->size(); i-- > 0;) {
    if ((*d)[i] != '9') {
      (*d)[i]++;
      return;
    }
    (*d)[i] = '0';
  }
  d->insert(d->begin(), '1');
}

// Divides by 1024 when that leaves no rest.
bool divide_by_1024(Digits* d) {
  Digits out = *d;
  uint32_t rest = 0;
  for (char& c : out) {
    rest = rest * 10 + static_cast<uint32_t>(c - '0');
    c = static_cast<char>('0' + rest / 1024);
    rest %= 1024;
  }
  if (rest != 0 || d->empty()) return false;
  strip_leading_zeros(&out);
  *d = out;
  return true;
}

// digits * 10^exponent
struct Decimal {
  Digits digits;
  int64_t exponent = 0;
};

Decimal decimal_of(const Parts& p, const Suffix& s) {
  Decimal d;
  d.digits = cat(p.whole, p.fraction);
  strip_leading_zeros(&d.digits);
  d.exponent = -static_cast<int64_t>(p.fraction.size());
  if (s.format == Format::kBinarySI) {
    for (int i = 0; i < s.exponent; i += 10) multiply(&d.digits, 1024);
  } else {
    d.exponent += s.exponent;
  }
  if (d.exponent < -9 && !d.digits.empty()) {  // more than billionths: round up
    auto drop = static_cast<uint64_t>(-9 - d.exponent);
    std::string_view tail = std::string_view(d.digits).substr(drop >= d.digits.size() ? 0 : d.digits.size() - drop);
    bool rest = tail.find_first_not_of('0') != std::string_view::npos;
    d.digits.resize(drop >= d.digits.size() ? 0 : d.digits.size() - drop);
    if (rest) add_one(&d.digits);
    d.exponent = -9;
  }
  return d;
}

// Whole units and billionths of d, saturated at 2^63-1.
void split_amount(const Decimal& d, int64_t* high, int32_t* nano) {
  *high = 0;
  *nano = 0;
  if (d.digits.empty()) return;
  int64_t whole_digits = static_cast<int64_t>(d.digits.size()) + d.exponent;
  if (whole_digits > 19) {
    *high = INT64_MAX;
    return;
  }
  uint64_t h = 0;
  for (int64_t i = 0; i < whole_digits; i++) {
    h = h * 10 + (i < static_cast<int64_t>(d.digits.size()) ? static_cast<uint64_t>(d.digits[static_cast<size_t>(i)] - '0') : 0);
  }
  if (h > static_cast<uint64_t>(INT64_MAX)) {
    *high = INT64_MAX;
    return;
  }
  *high = static_cast<int64_t>(h);
  for (int64_t place = 0; place < 9; place++) {
    int64_t i = whole_digits + place;
    *nano = *nano * 10 + (i >= 0 && i < static_cast<int64_t>(d.digits.size()) ? d.digits[static_cast<size_t>(i)] - '0' : 0);
  }
}

std::string print_decimal(Decimal d, Format format) {
  while (!d.digits.empty() && d.digits.back() == '0') {
    d.digits.pop_back();
    d.exponent++;
  }
  if (d.digits.empty()) return "0";
  while (d.exponent % 3 != 0) {
    d.digits.push_back('0');
    d.exponent--;
  }
  if (format == Format::kDecimalExponent) return d.exponent == 0 ? d.digits : cat(d.digits, "e", d.exponent);
  while (d.exponent > 18) {
    d.digits += "000";
    d.exponent -= 3;
  }
  return cat(d.digits, kDecimalSuffixes[d.exponent / 3 + 3]);
}

std::string print(const Decimal& d, Format format) {
  if (format != Format::kBinarySI) return print_decimal(d, format);
  int64_t high;
  int32_t nano;
  split_amount(d, &high, &nano);
  if (high < 1024 || nano != 0) return print_decimal(d, Format::kDecimalSI);
  Digits n = cat(high);
  size_t suffix = 0;
  while (suffix < 6 && divide_by_1024(&n)) suffix++;
  return cat(n, kBinarySuffixes[suffix]);
}

// Whether upstream keeps the text of this number as it was written.
bool keeps_text(const Parts& p, const Suffix& s) {
  std::string_view whole = p.whole.empty() ? std::string_view("0") : p.whole;
  auto digits = static_cast<int32_t>(whole.size() + p.fraction.size());
  if (s.format == Format::kBinarySI) {
    int32_t precision = 15 - static_cast<int32_t>(whole.size()) - static_cast<int32_t>(static_cast<float>(s.exponent) * 3 / 10) - 1;
    if (!p.fraction.empty() || precision < 0) return false;
    return (parse_int64(whole).value_or(0) & 7) != 0;
  }
  int32_t scale = s.exponent - static_cast<int32_t>(p.fraction.size());
  if (digits > 18 || scale < -9 || scale % 3 != 0) return false;
  std::string shifted = cat(whole, p.fraction);
  return shifted[0] != '0' && (shifted.size() < 3 || shifted.substr(shifted.size() - 3) != "000");
}

Format effective_format(Format f, const Decimal& d) {
  int64_t high;
  int32_t nano;
  split_amount(d, &high, &nano);
  return f == Format::kBinarySI && high == 0 && nano != 0 ? Format::kDecimalSI : f;
}

int64_t saturated_add(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? INT64_MAX : -INT64_MAX;
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  TRY_ASSIGN(Parts p, take_apart(text));
  TRY_ASSIGN(Suffix s, read_suffix(p.suffix));
  Decimal d = decimal_of(p, s);
  Quantity q;
  split_amount(d, &q.high_, &q.nano_);
  q.format_ = effective_format(s.format, d);
  return p.negative ? -q : q;
}

Result<std::string> Quantity::canonical(std::string_view text) {
  TRY_ASSIGN(Parts p, take_apart(text));
  TRY_ASSIGN(Suffix s, read_suffix(p.suffix));
  if (keeps_text(p, s)) return std::string(text);
  Decimal d = decimal_of(p, s);
  std::string out = print(d, effective_format(s.format, d));
  return p.negative && out != "0" ? cat("-", out) : out;
}

Quantity Quantity::of(int64_t value) {
  Quantity q;
  q.high_ = std::max(value, -INT64_MAX);
  return q;
}
Quantity Quantity::of_milli(int64_t milli) {
  Quantity q;
  q.high_ = milli / 1000;
  q.nano_ = static_cast<int32_t>(milli % 1000 * 1000000);
  return q;
}
Quantity Quantity::of_bytes(int64_t bytes) {
  Quantity q = of(bytes);
  q.format_ = Format::kBinarySI;
  return q;
}

std::string Quantity::text() const {
  if (is_zero()) return "0";
  Decimal d;
  std::string nano = cat(static_cast<int64_t>(nano_ < 0 ? -nano_ : nano_));
  d.digits = cat(high_ < 0 ? -high_ : high_, std::string(9 - nano.size(), '0'), nano);
  strip_leading_zeros(&d.digits);
  d.exponent = -9;
  std::string out = print(d, format_);
  return negative() ? cat("-", out) : out;
}

int64_t Quantity::value() const { return nano_ == 0 ? high_ : saturated_add(high_, nano_ > 0 ? 1 : -1); }

int64_t Quantity::milli() const {
  int64_t whole;
  if (__builtin_mul_overflow(high_, static_cast<int64_t>(1000), &whole)) return high_ > 0 ? INT64_MAX : -INT64_MAX;
  int32_t rest = nano_ % 1000000;
  return saturated_add(whole, nano_ / 1000000 + (rest > 0) - (rest < 0));
}

Quantity Quantity::rounded_to_milli() const {
  int32_t rest = nano_ % 1000000;
  if (rest == 0) return *this;
  Quantity q = *this;
  q.nano_ += nano_ > 0 ? 1000000 - rest : -1000000 - rest;
  if (q.nano_ == kBillion || q.nano_ == -kBillion) {
    q.high_ = saturated_add(q.high_, q.nano_ > 0 ? 1 : -1);
    q.nano_ = 0;
  }
  return q;
}

std::strong_ordering Quantity::operator<=>(const Quantity& o) const {
  return high_ != o.high_ ? high_ <=> o.high_ : nano_ <=> o.nano_;
}

Quantity Quantity::operator+(const Quantity& o) const {
  Quantity q;
  q.format_ = is_zero() ? o.format_ : format_;
  q.high_ = saturated_add(high_, o.high_);
  q.nano_ = nano_ + o.nano_;
  if (q.nano_ >= kBillion) {
    q.nano_ -= kBillion;
    q.high_ = saturated_add(q.high_, 1);
  } else if (q.nano_ <= -kBillion) {
    q.nano_ += kBillion;
    q.high_ = saturated_add(q.high_, -1);
  }
  if (q.high_ > 0 && q.nano_ < 0) {
    q.high_--;
    q.nano_ += kBillion;
  } else if (q.high_ < 0 && q.nano_ > 0) {
    q.high_++;
    q.nano_ -= kBillion;
  }
  return q;
}

Quantity Quantity::operator-() const {
  Quantity q = *this;
  q.high_ = -q.high_;
  q.nano_ = -q.nano_;
  return q;
}

Quantity Quantity::operator-(const Quantity& o) const { return *this + -o; }

}  // namespace bramble
