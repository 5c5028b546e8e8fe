// Label selectors: the query grammar of k8s.io/apimachinery labels.Parse, LabelSelector objects, matching.
#include <algorithm>

#include "core/base/strings.h"
#include "core/resources/names.h"
#include "core/resources/selector.h"

namespace bramble {
namespace {

enum class Token {
  kError,
  kEnd,
  kClosePar,
  kComma,
  kNot,
  kDoubleEquals,
  kEquals,
  kGreater,
  kIdentifier,
  kIn,
  kLess,
  kNotEquals,
  kNotIn,
  kOpenPar
};

struct Item {
  Token token;
  std::string literal;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_special(char c) { return c != 0 && std::string_view("=!(),><").find(c) != std::string_view::npos; }

std::optional<Token> symbol(std::string_view s) {
  static constexpr std::pair<std::string_view, Token> kTokens[] = {
      {")", Token::kClosePar},   {",", Token::kComma},     {"!", Token::kNot},    {"==", Token::kDoubleEquals},
      {"=", Token::kEquals},     {">", Token::kGreater},   {"in", Token::kIn},    {"<", Token::kLess},
      {"!=", Token::kNotEquals}, {"notin", Token::kNotIn}, {"(", Token::kOpenPar}};
  for (const auto& [text, token] : kTokens)
    if (text == s) return token;
  return std::nullopt;
}

std::vector<Item> lex(std::string_view s) {
  std::vector<Item> out;
  size_t i = 0;
  while (true) {
    while (i < s.size() && is_space(s[i])) ++i;
    if (i == s.size()) break;
    if (is_special(s[i])) {
      // The longest run of symbols that is a token.
      size_t best = 0;
      Token token = Token::kError;
      size_t n = 1;
      for (; i + n <= s.size() && is_special(s[i + n - 1]); ++n) {
        const auto t = symbol(s.substr(i, n));
        if (t) {
          best = n;
          token = *t;
        } else if (best != 0) {
          break;
        }
      }
      if (best == 0) {
        out.push_back({Token::kError, cat("error expected: keyword found '", s.substr(i, n - 1), "'")});
        i += n - 1;
      } else {
        out.push_back({token, std::string(s.substr(i, best))});
        i += best;
      }
      continue;
    }
    const size_t start = i;
    while (i < s.size() && !is_special(s[i]) && !is_space(s[i])) ++i;
    const std::string_view word = s.substr(start, i - start);
    out.push_back({symbol(word).value_or(Token::kIdentifier), std::string(word)});
  }
  out.push_back({Token::kEnd, ""});
  return out;
}

Error bad(std::string message) { return Error(Code::kInvalidArgument, std::move(message)); }

// Key and value grammars, as labels.NewRequirement checks them.
Status check_requirement(const Requirement& r) {
  std::vector<std::string> errors;
  const auto key_errors = check_qualified_name(r.key);
  if (!key_errors.empty()) errors.push_back(cat("key: Invalid value: ", go_quote(r.key), ": ", join(key_errors, "; ")));
  if ((r.op == Requirement::Op::kIn || r.op == Requirement::Op::kNotIn) && r.values.empty())
    errors.push_back("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  if (r.op == Requirement::Op::kGt || r.op == Requirement::Op::kLt)
    for (size_t i = 0; i < r.values.size(); ++i)
      if (!parse_int64(r.values[i]))
        errors.push_back(cat("values[", i, "]: Invalid value: ", go_quote(r.values[i]),
                             ": for 'Gt', 'Lt' operators, the value must be an integer"));
  for (size_t i = 0; i < r.values.size(); ++i) {
    const auto value_errors = check_label_value(r.values[i]);
    if (!value_errors.empty())
      errors.push_back(
          cat("values[", i, "][", r.key, "]: Invalid value: ", go_quote(r.values[i]), ": ", join(value_errors, "; ")));
  }
  if (errors.empty()) return ok();
  return bad(errors.size() == 1 ? errors[0] : cat("[", join(errors, ", "), "]"));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : items_(lex(text)) {}

  Result<std::vector<Requirement>> parse() {
    std::vector<Requirement> out;
    while (true) {
      const Item head = look();
      if (head.token == Token::kEnd) return out;
      if (head.token != Token::kIdentifier && head.token != Token::kNot)
        return bad(cat("found '", head.literal, "', expected: !, identifier, or 'end of string'"));
      auto r = requirement();
      if (!r.ok()) return bad(cat("unable to parse requirement: ", r.error().message()));
      out.push_back(std::move(r).value());
      const Item next = take();
      if (next.token == Token::kEnd) return out;
      if (next.token != Token::kComma) return bad(cat("found '", next.literal, "', expected: ',' or 'end of string'"));
      const Item after = look();
      if (after.token != Token::kIdentifier && after.token != Token::kNot)
        return bad(cat("found '", after.literal, "', expected: identifier after ','"));
    }
  }

 private:
  // Outside of the operator's place, "in" and "notin" are names.
  Item look(bool operators = false) const {
    Item i = items_[std::min(at_, items_.size() - 1)];
    if (!operators && (i.token == Token::kIn || i.token == Token::kNotIn)) i.token = Token::kIdentifier;
    return i;
  }
  Item take(bool operators = false) {
    Item i = look(operators);
    ++at_;
    return i;
  }

  Result<Requirement> requirement() {
    Requirement r;
    Item key = take();
    bool negated = false;
    if (key.token == Token::kNot) {
      negated = true;
      key = take();
    }
    if (key.token != Token::kIdentifier) return bad(cat("found '", key.literal, "', expected: identifier"));
    const auto errors = check_qualified_name(key.literal);
    if (!errors.empty()) return bad(cat("key: Invalid value: ", go_quote(key.literal), ": ", join(errors, "; ")));
    r.key = key.literal;
    const Token after = look().token;
    if (negated || after == Token::kEnd || after == Token::kComma) {
      r.op = negated ? Requirement::Op::kDoesNotExist : Requirement::Op::kExists;
      return r;
    }
    const Item op = take(true);
    switch (op.token) {
      case Token::kIn:
        r.op = Requirement::Op::kIn;
        break;
      case Token::kNotIn:
        r.op = Requirement::Op::kNotIn;
        break;
      case Token::kEquals:
      case Token::kDoubleEquals:
        r.op = Requirement::Op::kIn;
        r.exact = true;
        break;
      case Token::kNotEquals:
        r.op = Requirement::Op::kNotIn;
        r.exact = true;
        break;
      case Token::kGreater:
        r.op = Requirement::Op::kGt;
        break;
      case Token::kLess:
        r.op = Requirement::Op::kLt;
        break;
      default:
        return bad(cat("found '", op.literal, "', expected: in, notin, =, ==, !=, gt, lt"));
    }
    if (op.token == Token::kIn || op.token == Token::kNotIn) {
      TRY(values(r.values));
    } else {
      TRY(exact_value(r.values));
    }
    std::sort(r.values.begin(), r.values.end());
    r.values.erase(std::unique(r.values.begin(), r.values.end()), r.values.end());
    TRY(check_requirement(r));
    return r;
  }

  Status exact_value(std::vector<std::string>& out) {
    const Token t = look().token;
    if (t == Token::kEnd || t == Token::kComma) {
      out.push_back("");
      return ok();
    }
    const Item value = take();
    if (value.token != Token::kIdentifier) return bad(cat("found '", value.literal, "', expected: identifier"));
    out.push_back(value.literal);
    return ok();
  }

  Status values(std::vector<std::string>& out) {
    const Item open = take();
    if (open.token != Token::kOpenPar) return bad(cat("found '", open.literal, "' expected: '('"));
    const Item first = look();
    if (first.token == Token::kClosePar) {
      take();
      return ok();
    }
    if (first.token != Token::kIdentifier && first.token != Token::kComma)
      return bad(cat("found '", first.literal, "', expected: ',', ')' or identifier"));
    TRY(identifiers(out));
    if (take().token != Token::kClosePar) return bad(cat("found '", first.literal, "', expected: ')'"));
    return ok();
  }

  // An empty place between commas is the empty value.
  Status identifiers(std::vector<std::string>& out) {
    while (true) {
      const Item i = take();
      if (i.token == Token::kIdentifier) {
        out.push_back(i.literal);
        const Item next = look();
        if (next.token == Token::kClosePar) return ok();
        if (next.token != Token::kComma) return bad(cat("found '", next.literal, "', expected: ',' or ')'"));
      } else if (i.token == Token::kComma) {
        if (out.empty()) out.push_back("");
        const Token next = look().token;
        if (next == Token::kClosePar) {
          out.push_back("");
          return ok();
        }
        if (next == Token::kComma) {
          take();
          out.push_back("");
        }
      } else {
        return bad(cat("found '", i.literal, "', expected: ',', or identifier"));
      }
    }
  }

  std::vector<Item> items_;
  size_t at_ = 0;
};

bool requirement_matches(const Requirement& r, Value labels) {
  const Value label = labels[r.key];
  const bool among = label.exists() && std::find(r.values.begin(), r.values.end(), label.str()) != r.values.end();
  switch (r.op) {
    case Requirement::Op::kIn:
      return among;
    case Requirement::Op::kNotIn:
      return !among;
    case Requirement::Op::kExists:
      return label.exists();
    case Requirement::Op::kDoesNotExist:
      return !label.exists();
    case Requirement::Op::kGt:
    case Requirement::Op::kLt: {
      if (r.values.empty()) return false;
      const auto have = parse_int64(label.str());
      const auto want = parse_int64(r.values[0]);
      if (!have || !want) return false;
      return r.op == Requirement::Op::kGt ? *have > *want : *have < *want;
    }
  }
  return false;
}

std::string requirement_text(const Requirement& r) {
  const std::string values = join(r.values, ",");
  switch (r.op) {
    case Requirement::Op::kIn:
      return r.exact ? cat(r.key, "=", values) : cat(r.key, " in (", values, ")");
    case Requirement::Op::kNotIn:
      return r.exact ? cat(r.key, "!=", values) : cat(r.key, " notin (", values, ")");
    case Requirement::Op::kExists:
      return r.key;
    case Requirement::Op::kDoesNotExist:
      return cat("!", r.key);
    case Requirement::Op::kGt:
      return cat(r.key, ">", values);
    case Requirement::Op::kLt:
      return cat(r.key, "<", values);
  }
  return {};
}

void sort_by_key(std::vector<Requirement>& requirements) {
  std::stable_sort(requirements.begin(), requirements.end(),
                   [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
}

}  // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector s;
  TRY_ASSIGN(s.requirements_, Parser(text).parse());
  sort_by_key(s.requirements_);
  return s;
}

Result<LabelSelector> LabelSelector::from_object(Value label_selector) {
  LabelSelector s;
  if (!label_selector.is_object()) {
    s.nothing_ = true;
    return s;
  }
  for (auto [key, value] : label_selector["matchLabels"].members()) {
    Requirement r{std::string(key), Requirement::Op::kIn, {value.text()}, true};
    TRY(check_requirement(r));
    s.requirements_.push_back(std::move(r));
  }
  for (Value e : label_selector["matchExpressions"].items()) {
    Requirement r;
    r.key = e["key"].text();
    const std::string_view op = e["operator"].str();
    if (op == "In")
      r.op = Requirement::Op::kIn;
    else if (op == "NotIn")
      r.op = Requirement::Op::kNotIn;
    else if (op == "Exists")
      r.op = Requirement::Op::kExists;
    else if (op == "DoesNotExist")
      r.op = Requirement::Op::kDoesNotExist;
    else
      return bad(cat(go_quote(op), " is not a valid label selector operator"));
    for (Value v : e["values"].items()) r.values.push_back(v.text());
    std::sort(r.values.begin(), r.values.end());
    r.values.erase(std::unique(r.values.begin(), r.values.end()), r.values.end());
    TRY(check_requirement(r));
    s.requirements_.push_back(std::move(r));
  }
  sort_by_key(s.requirements_);
  return s;
}

LabelSelector LabelSelector::from_map(Value map) {
  LabelSelector s;
  for (auto [key, value] : map.members())
    s.requirements_.push_back({std::string(key), Requirement::Op::kIn, {value.text()}, true});
  sort_by_key(s.requirements_);
  return s;
}

bool LabelSelector::matches(Value labels) const {
  if (nothing_) return false;
  for (const Requirement& r : requirements_)
    if (!requirement_matches(r, labels)) return false;
  return true;
}

std::string LabelSelector::text() const {
  std::vector<std::string> parts;
  for (const Requirement& r : requirements_) parts.push_back(requirement_text(r));
  return join(parts, ",");
}

}  // namespace bramble
