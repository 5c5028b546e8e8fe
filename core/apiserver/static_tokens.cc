#include "core/apiserver/static_tokens.h"

#include "core/crypto/hash.h"

namespace bramble {

namespace {

// The fields of one record, from `at` on; `at` moves behind it. Nothing for a quote that stands or ends wrongly.
std::optional<std::vector<std::string>> next_record(std::string_view csv, size_t& at) {
  std::vector<std::string> fields(1);
  while (at < csv.size() && csv[at] != '\n') {
    if (csv[at] == ',') {
      fields.emplace_back();
      ++at;
      continue;
    }
    if (csv[at] != '"') {
      size_t end = csv.find_first_of(",\n\"", at);
      if (end != std::string_view::npos && csv[end] == '"') return std::nullopt;
      if (end == std::string_view::npos) end = csv.size();
      fields.back().append(csv.substr(at, end - at));
      at = end;
      continue;
    }
    for (++at;; ++at) {
      size_t quote = csv.find('"', at);
      if (quote == std::string_view::npos) return std::nullopt;
      fields.back().append(csv.substr(at, quote - at));
      at = quote + 1;
      if (csv.substr(at, 1) != "\"") break;
      fields.back() += '"';
    }
    if (at < csv.size() && csv[at] != ',' && csv[at] != '\n' && csv[at] != '\r') return std::nullopt;
  }
  ++at;
  if (!fields.back().empty() && fields.back().back() == '\r') fields.back().pop_back();
  return fields;
}

}  // namespace

Result<StaticTokens> StaticTokens::parse(std::string_view csv) {
  StaticTokens out;
  size_t line = 0;
  for (size_t at = 0; at < csv.size();) {
    ++line;
    auto fields = next_record(csv, at);
    if (!fields) return Error(Code::kInvalidArgument, cat("line ", line, ": a quote stands or ends wrongly"));
    if (fields->size() == 1 && (*fields)[0].empty()) continue;
    if (fields->size() < 3) {
      return Error(Code::kInvalidArgument, cat("line ", line, ": must have at least 3 columns (token, user name, user uid), found ", fields->size()));
    }
    const std::string& token = (*fields)[0];
    if (token.empty()) return Error(Code::kInvalidArgument, cat("line ", line, ": the token is empty"));
    Identity user;
    user.user = (*fields)[1], user.uid = (*fields)[2];
    if (fields->size() > 3) {
      for (std::string_view group : split((*fields)[3], ',')) user.groups.emplace_back(group);
    }
    out.users_[sha256(token)] = std::move(user);
  }
  return out;
}

void StaticTokens::add(std::string_view token, Identity user) { users_[sha256(token)] = std::move(user); }

const Identity* StaticTokens::find(std::string_view token) const {
  if (users_.empty()) return nullptr;
  auto found = users_.find(sha256(token));
  return found == users_.end() ? nullptr : &found->second;
}

}  // namespace bramble
