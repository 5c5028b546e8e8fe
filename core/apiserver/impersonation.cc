#include "core/apiserver/impersonation.h"

#include <algorithm>
#include <array>

#include "core/apiserver/authn.h"
#include "core/apiserver/query.h"
#include "core/apiserver/rbac_rules.h"
#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/resources/names.h"

namespace bramble {

namespace {

constexpr std::string_view kAuthenticated = "system:authenticated", kUnauthenticated = "system:unauthenticated";
constexpr std::string_view kAuthnGroup = "authentication.k8s.io";
constexpr std::string_view kExtraHeader = "impersonate-extra-";
constexpr size_t kManyChecks = 4;  // from so many values on, one check for all of them is tried first

struct AccountName {
  std::string_view ns, name;
};

std::optional<AccountName> account_of(std::string_view user) {
  constexpr std::string_view kPrefix = "system:serviceaccount:";
  if (user.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  std::vector<std::string_view> parts = split(user.substr(kPrefix.size()), ':');
  if (parts.size() != 2 || !check_dns1123_label(parts[0]).empty() || !check_dns1123_subdomain(parts[1]).empty()) return std::nullopt;
  return AccountName{parts[0], parts[1]};
}

std::optional<std::string_view> node_of(std::string_view user) {
  constexpr std::string_view kPrefix = "system:node:";
  if (user.substr(0, kPrefix.size()) != kPrefix || !check_dns1123_subdomain(user.substr(kPrefix.size())).empty()) return std::nullopt;
  return user.substr(kPrefix.size());
}

bool only_name(const Identity& wanted) { return wanted.uid.empty() && wanted.groups.empty() && wanted.extra.empty(); }

// A service account whose token is bound to the very node.
bool is_own_node(const Identity& asker, const Identity& wanted) {
  auto node = node_of(wanted.user);
  if (!node || !only_name(wanted) || !account_of(asker.user)) return false;
  for (const auto& [key, values] : asker.extra) {
    if (key == "authentication.kubernetes.io/node-name") return values.size() == 1 && values[0] == *node;
  }
  return false;
}

using Applies = bool (*)(const Identity& asker, const Identity& wanted);

struct Way {
  std::string_view mode;  // "" is the verb `impersonate` of old
  Applies applies;
};

constexpr std::array<Way, 5> kWays = {{
    {"associated-node", is_own_node},
    {"arbitrary-node", [](const Identity&, const Identity& w) { return only_name(w) && node_of(w.user).has_value(); }},
    {"serviceaccount", [](const Identity&, const Identity& w) { return only_name(w) && account_of(w.user).has_value(); }},
    {"user-info", [](const Identity&, const Identity& w) { return !node_of(w.user) && !account_of(w.user); }},
    {"", [](const Identity&, const Identity&) { return true; }},
}};

// The checks of one way. Each asks the authorizer about the asker.
class Attempt {
 public:
  Attempt(const Authorizer& authorizer, const Way& way, const Identity& asker, const Identity& wanted)
      : authorizer_(authorizer), constrained_(!way.mode.empty()), mode_(way.mode), asker_(asker), wanted_(wanted) {}

  Result<Identity> run(const Attributes& what) const {
    if (constrained_) {
      Attributes on = what;
      on.verb = cat("impersonate-on:", mode_, ":", what.verb);
      TRY(authorizer_.authorize(asker_, on));
    }
    Identity out = wanted_;
    TRY(check_name(out));
    if (!wanted_.uid.empty()) TRY(may(std::string(kAuthnGroup), "uids", "", wanted_.uid));
    TRY(check_groups());
    TRY(check_extra());
    if (out.user == "system:anonymous") {
      if (!in_group(out, kUnauthenticated)) out.groups.emplace_back(kUnauthenticated);
    } else if (!in_group(out, kUnauthenticated) && !in_group(out, kAuthenticated)) {
      out.groups.emplace_back(kAuthenticated);
    }
    return out;
  }

 private:
  Attributes about(std::string group, std::string resource, std::string subresource, std::string name) const {
    Attributes a;
    a.verb = constrained_ ? cat("impersonate:", mode_) : std::string("impersonate");
    a.group = std::move(group), a.version = "v1";
    a.resource = std::move(resource), a.subresource = std::move(subresource), a.name = std::move(name);
    return a;
  }
  Status may(std::string group, std::string resource, std::string subresource, std::string name) const {
    return authorizer_.authorize(asker_, about(std::move(group), std::move(resource), std::move(subresource), std::move(name)));
  }
  // Users and groups are of the core group for the verb of old.
  std::string own_group() const { return constrained_ ? std::string(kAuthnGroup) : std::string(); }

  Status check_name(Identity& out) const {
    Attributes a = about(own_group(), "users", "", wanted_.user);
    if (auto node = node_of(wanted_.user); node && constrained_) {
      a.resource = "nodes";
      a.name = mode_ == "associated-node" ? std::string("*") : std::string(*node);
      out.groups = {"system:nodes"};
    }
    if (auto account = account_of(wanted_.user)) {
      a.resource = "serviceaccounts", a.ns = account->ns, a.name = account->name;
      if (wanted_.groups.empty()) out.groups = {"system:serviceaccounts", cat("system:serviceaccounts:", account->ns)};
    }
    return authorizer_.authorize(asker_, a);
  }

  Status check_groups() const {
    const std::vector<std::string>& groups = wanted_.groups;
    if (groups.empty()) return ok();
    if (constrained_) {
      if (in_group(wanted_, "")) {
        return forbidden_error(asker_, about(own_group(), "groups", "", ""), "impersonating the empty string group is not allowed");
      }
      if (is_privileged(wanted_)) {
        return forbidden_error(asker_, about(own_group(), "groups", "", "system:masters"),
                               "impersonating the system:masters group is not allowed");
      }
      if (groups.size() >= kManyChecks && may(own_group(), "groups", "", "*").ok()) return ok();
    }
    for (const std::string& group : groups) TRY(may(own_group(), "groups", "", group));
    return ok();
  }

  Status check_extra() const {
    size_t values = 0;
    for (const auto& [key, list] : wanted_.extra) {
      std::string wrong = constrained_ ? wrong_extra(key, list) : std::string();
      if (!wrong.empty()) return forbidden_error(asker_, about(std::string(kAuthnGroup), "userextras", "", ""), wrong);
      values += list.size();
    }
    bool many = wanted_.extra.size() >= kManyChecks || values >= kManyChecks;
    if (constrained_ && many && may(std::string(kAuthnGroup), "userextras", "*", "*").ok()) return ok();
    for (const auto& [key, list] : wanted_.extra) {
      for (const std::string& value : list) TRY(may(std::string(kAuthnGroup), "userextras", key, value));
    }
    return ok();
  }

  static std::string wrong_extra(const std::string& key, const std::vector<std::string>& list) {
    if (key.empty()) return "impersonating the empty string key in extra is not allowed";
    std::string invalid = invalid_extra_key(key);
    if (!invalid.empty()) return cat("impersonating an invalid key in extra is not allowed: ", invalid);
    if (key != lower(key)) return cat("impersonating a non-lowercase key in extra is not allowed: ", go_quote(key));
    if (list.empty()) return "impersonating empty values in extra is not allowed";
    if (std::find(list.begin(), list.end(), "") != list.end()) return "impersonating the empty string value in extra is not allowed";
    return {};
  }

  // A key is a domain, a slash and a path; each error shows the part that is wrong.
  static std::string invalid_extra_key(std::string_view key) {
    std::vector<std::string> errors;
    auto parts = cut(key, "/");
    for (const std::string& e : check_fully_qualified_name(key)) {
      bool whole = !parts || parts->first.empty() || parts->second.empty(), path = e.compare(0, 12, "Invalid path") == 0;
      errors.push_back(cat("extra.key: Invalid value: ", go_quote(whole ? key : path ? parts->second : parts->first), ": ", e));
    }
    return errors.empty() ? std::string() : aggregate_text(errors);
  }

  const Authorizer& authorizer_;
  bool constrained_;
  std::string_view mode_;
  const Identity& asker_;
  const Identity& wanted_;
};

// Go's %#v of the user asked for.
std::string go_user(const Identity& user) {
  auto list = [](const std::vector<std::string>& values) {
    std::string out;
    for (const std::string& v : values) out += cat(out.empty() ? "" : ", ", go_quote(v));
    return cat("[]string{", out, "}");
  };
  std::string extra;
  std::vector<std::pair<std::string, std::vector<std::string>>> sorted = user.extra;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [key, values] : sorted) extra += cat(extra.empty() ? "" : ", ", go_quote(key), ":", list(values));
  return cat("&user.DefaultInfo{Name:", go_quote(user.user), ", UID:", go_quote(user.uid), ", Groups:",
             user.groups.empty() ? std::string("[]string(nil)") : list(user.groups), ", Extra:map[string][]string",
             sorted.empty() ? std::string("(nil)") : cat("{", extra, "}"), "}");
}

}  // namespace

Result<std::optional<Identity>> wanted_user(const HttpRequest& request) {
  Identity user;
  bool asked = false;
  for (const Header& h : request.headers) {
    if (h.name == "impersonate-user" && user.user.empty()) user.user = h.value;
    if (h.name == "impersonate-group") user.groups.push_back(h.value), asked = true;
    if (h.name == "impersonate-uid" && user.uid.empty()) user.uid = h.value, asked = asked || !h.value.empty();
    if (h.name.compare(0, kExtraHeader.size(), kExtraHeader) != 0) continue;
    asked = true;
    std::string_view raw = std::string_view(h.name).substr(kExtraHeader.size());
    std::string key = percent_decode(raw, false).value_or(std::string(raw));
    auto it = std::find_if(user.extra.begin(), user.extra.end(), [&](const auto& e) { return e.first == key; });
    if (it == user.extra.end()) it = user.extra.insert(it, {key, {}});
    it->second.push_back(h.value);
  }
  if (!user.user.empty()) return std::optional<Identity>(std::move(user));
  if (!asked) return std::optional<Identity>();
  return api_bad_request(cat("requested ", go_user(user), " without impersonating a user name"));
}

Result<Identity> Impersonation::become(const Identity& asker, const Identity& wanted, const Attributes& what) {
  std::optional<Error> first;
  auto known = ways_.find(asker.user);
  size_t before = known == ways_.end() ? kWays.size() : known->second;
  // One round over all ways, the known one ahead of them.
  for (size_t i = 0; i <= kWays.size(); ++i) {
    size_t way = i == 0 ? before : i - 1;
    if (way == kWays.size() || (i > 0 && way == before) || !kWays[way].applies(asker, wanted)) continue;
    Attempt attempt(authorizer_, kWays[way], asker, wanted);
    auto user = attempt.run(what);
    if (user.ok()) {
      if (way != before) remember(asker.user, way);
      return user;
    }
    if (!first) first = user.error();
  }
  CHECK(first.has_value(), asker.user);  // the last way applies always
  return *first;
}

void Impersonation::remember(const std::string& asker, size_t way) {
  if (ways_.find(asker) == ways_.end()) {
    if (askers_.size() >= limits::kImpersonatorsMax) {
      ways_.erase(askers_.front());
      askers_.pop_front();
    }
    askers_.push_back(asker);
  }
  ways_[asker] = way;
}

}  // namespace bramble
