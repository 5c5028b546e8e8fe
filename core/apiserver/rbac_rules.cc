#include "core/apiserver/rbac_rules.h"

#include <algorithm>
#include <map>

namespace bramble {

namespace {

bool has_item(Value list, std::string_view text) {
  for (Value v : list.items()) {
    if (v.str() == text) return true;
  }
  return false;
}

bool has_or_star(Value list, std::string_view text) {
  for (Value v : list.items()) {
    std::string_view s = v.str();
    if (s == "*" || s == text) return true;
  }
  return false;
}

// "pods", "pods/log" and "*/log" against the resource of a request.
bool resource_matches(Value resources, const Attributes& what) {
  const std::string& sub = what.subresource;
  for (Value v : resources.items()) {
    std::string_view s = v.str();
    if (s == "*") return true;
    if (sub.empty()) {
      if (s == what.resource) return true;
      continue;
    }
    bool tail = s.size() > sub.size() && s.substr(s.size() - sub.size()) == sub && s[s.size() - sub.size() - 1] == '/';
    if (!tail) continue;
    std::string_view head = s.substr(0, s.size() - sub.size() - 1);
    if (head == "*" || head == what.resource) return true;
  }
  return false;
}

bool url_covers(std::string_view owned, std::string_view path) {
  if (owned == path) return true;
  if (owned.empty() || owned.back() != '*') return false;
  while (!owned.empty() && owned.back() == '*') owned.remove_suffix(1);
  return path.substr(0, owned.size()) == owned;
}

std::vector<std::string> texts(Value list) {
  std::vector<std::string> out;
  out.reserve(list.size());
  for (Value v : list.items()) out.push_back(v.text());
  return out;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Single pieces of a rule: one verb, group, resource and name, or one verb and path.
std::vector<PolicyRule> pieces_of(const PolicyRule& rule) {
  std::vector<PolicyRule> out;
  for (const std::string& group : rule.groups) {
    for (const std::string& resource : rule.resources) {
      for (const std::string& verb : rule.verbs) {
        for (const std::string& name : rule.names) out.push_back({{verb}, {group}, {resource}, {name}, {}});
        if (rule.names.empty()) out.push_back({{verb}, {group}, {resource}, {}, {}});
      }
    }
  }
  for (const std::string& url : rule.urls) {
    for (const std::string& verb : rule.verbs) out.push_back({{verb}, {}, {}, {}, {url}});
  }
  return out;
}

bool resource_covers(const std::vector<std::string>& owned, const std::string& wanted) {
  if (has(owned, "*") || has(owned, wanted)) return true;
  auto parts = cut(wanted, "/");
  return parts && has(owned, cat("*/", parts->second));
}

bool covers(const PolicyRule& owned, const PolicyRule& piece) {
  if (!has(owned.verbs, "*") && !has(owned.verbs, piece.verbs[0])) return false;
  if (!piece.urls.empty()) {
    // Upstream asks for no names on either side here, as of a rule for resources.
    if (!owned.names.empty()) return false;
    return std::any_of(owned.urls.begin(), owned.urls.end(), [&](const std::string& u) { return url_covers(u, piece.urls[0]); });
  }
  if (!has(owned.groups, "*") && !has(owned.groups, piece.groups[0])) return false;
  if (!resource_covers(owned.resources, piece.resources[0])) return false;
  return owned.names.empty() || (!piece.names.empty() && has(owned.names, piece.names[0]));
}

}  // namespace

bool rule_allows(Value rule, const Attributes& what) {
  if (!has_or_star(rule["verbs"], what.verb)) return false;
  if (!what.resource_request) {
    for (Value v : rule["nonResourceURLs"].items()) {
      if (url_covers(v.str(), what.path)) return true;
    }
    return false;
  }
  if (!has_or_star(rule["apiGroups"], what.group) || !resource_matches(rule["resources"], what)) return false;
  Value names = rule["resourceNames"];
  return names.size() == 0 || has_item(names, what.name);
}

PolicyRule PolicyRule::of(Value rule) {
  return {texts(rule["verbs"]), texts(rule["apiGroups"]), texts(rule["resources"]), texts(rule["resourceNames"]),
          texts(rule["nonResourceURLs"])};
}

std::string PolicyRule::text() const {
  std::string out;
  auto add = [&](std::string_view what, const std::vector<std::string>& list) {
    if (!list.empty()) out += cat(out.empty() ? "{" : ", ", what, ":", go_quote_list(list));
  };
  add("APIGroups", groups);
  add("Resources", resources);
  add("NonResourceURLs", urls);
  add("ResourceNames", names);
  add("Verbs", verbs);
  return out.empty() ? "{}" : out + "}";
}

std::vector<PolicyRule> policy_rules(Value rules) {
  std::vector<PolicyRule> out;
  out.reserve(rules.size());
  for (Value r : rules.items()) out.push_back(PolicyRule::of(r));
  return out;
}

std::vector<PolicyRule> full_authority() { return {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}}; }

std::vector<PolicyRule> uncovered(const std::vector<PolicyRule>& owned, const std::vector<PolicyRule>& wanted) {
  std::vector<PolicyRule> out;
  for (const PolicyRule& rule : wanted) {
    for (PolicyRule& piece : pieces_of(rule)) {
      bool covered = std::any_of(owned.begin(), owned.end(), [&](const PolicyRule& o) { return covers(o, piece); });
      if (!covered) out.push_back(std::move(piece));
    }
  }
  return out;
}

std::vector<std::string> compact_texts(const std::vector<PolicyRule>& pieces) {
  std::vector<std::string> out;
  std::map<std::pair<std::string, std::string>, PolicyRule> simple;  // by group and resource
  for (const PolicyRule& p : pieces) {
    if (!p.names.empty() || !p.urls.empty()) {
      out.push_back(p.text());
      continue;
    }
    PolicyRule& joined = simple[{p.groups[0], p.resources[0]}];
    joined.groups = p.groups, joined.resources = p.resources;
    joined.verbs.push_back(p.verbs[0]);
  }
  for (const auto& [key, rule] : simple) out.push_back(rule.text());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string go_quote_list(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& s : list) out += cat(out.size() > 1 ? " " : "", go_quote(s));
  return out + "]";
}

}  // namespace bramble
