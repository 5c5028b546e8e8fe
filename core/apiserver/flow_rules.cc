#include "core/apiserver/flow_rules.h"

#include <algorithm>
#include <array>

namespace bramble {

namespace {

constexpr size_t kHandMax = 15;  // upstream's
constexpr std::string_view kAccountPrefix = "system:serviceaccount:";

std::vector<std::string> texts(Value list) {
  std::vector<std::string> out;
  for (Value v : list.items()) out.emplace_back(v.str());
  return out;
}

// "*" stands for all when it is alone; validation lets it stand no other way.
bool names(const std::vector<std::string>& list, std::string_view word) {
  if (list.size() == 1 && list[0] == "*") return true;
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is(const FlowSubject& subject, const Identity& user) {
  switch (subject.kind) {
    case FlowSubject::Kind::kUser: return subject.name == "*" || subject.name == user.user;
    case FlowSubject::Kind::kGroup:
      return subject.name == "*" || std::find(user.groups.begin(), user.groups.end(), subject.name) != user.groups.end();
    case FlowSubject::Kind::kServiceAccount: break;
  }
  std::string_view rest = user.user;
  if (!rest.starts_with(kAccountPrefix)) return false;
  rest.remove_prefix(kAccountPrefix.size());
  if (!rest.starts_with(subject.ns)) return false;
  rest.remove_prefix(subject.ns.size());
  if (!rest.starts_with(":")) return false;
  return subject.name == "*" || rest.substr(1) == subject.name;
}

bool covers(const FlowResourceRule& rule, const RequestInfo& info) {
  if (!names(rule.verbs, info.verb) || !names(rule.groups, info.group)) return false;
  std::string joined;
  if (!info.subresource.empty()) joined = cat(info.resource, "/", info.subresource);
  if (!names(rule.resources, info.subresource.empty() ? std::string_view(info.resource) : std::string_view(joined))) return false;
  return info.ns.empty() ? rule.cluster_scope : names(rule.namespaces, info.ns);
}

bool covers(const FlowPathRule& rule, const RequestInfo& info) {
  if (!names(rule.verbs, info.verb)) return false;
  for (std::string_view path : rule.paths) {
    if (path == "*" || path == info.path) return true;
    if (path.ends_with("*")) path.remove_suffix(1);
    std::string_view below = info.path;
    if (!below.starts_with(path)) continue;
    if (path.ends_with("/") || (below.size() > path.size() && below[path.size()] == '/')) return true;
  }
  return false;
}

FlowSubject subject_of(Value s) {
  FlowSubject out;
  std::string_view kind = s["kind"].str();
  if (kind == "Group") {
    out.kind = FlowSubject::Kind::kGroup;
    out.name = s["group"]["name"].str();
  } else if (kind == "ServiceAccount") {
    out.kind = FlowSubject::Kind::kServiceAccount;
    out.name = s["serviceAccount"]["name"].str();
    out.ns = s["serviceAccount"]["namespace"].str();
  } else {
    out.name = s["user"]["name"].str();
  }
  return out;
}

}  // namespace

FlowSchemaRules FlowSchemaRules::of(const Document& schema) {
  FlowSchemaRules out;
  out.name = schema["metadata"]["name"].str();
  out.uid = schema["metadata"]["uid"].str();
  Value spec = schema["spec"];
  out.level = spec["priorityLevelConfiguration"]["name"].str();
  out.precedence = spec["matchingPrecedence"].integer();
  std::string_view method = spec["distinguisherMethod"]["type"].str();
  if (method == "ByUser") out.distinguisher = Distinguisher::kByUser;
  if (method == "ByNamespace") out.distinguisher = Distinguisher::kByNamespace;
  for (Value r : spec["rules"].items()) {
    FlowRule rule;
    for (Value s : r["subjects"].items()) rule.subjects.push_back(subject_of(s));
    for (Value x : r["resourceRules"].items()) {
      rule.resources.push_back({texts(x["verbs"]), texts(x["apiGroups"]), texts(x["resources"]), texts(x["namespaces"]), x["clusterScope"].boolean()});
    }
    for (Value x : r["nonResourceRules"].items()) rule.paths.push_back({texts(x["verbs"]), texts(x["nonResourceURLs"])});
    out.rules.push_back(std::move(rule));
  }
  return out;
}

bool FlowSchemaRules::matches(const Identity& user, const RequestInfo& info) const {
  for (const FlowRule& rule : rules) {
    if (std::none_of(rule.subjects.begin(), rule.subjects.end(), [&](const FlowSubject& s) { return is(s, user); })) continue;
    bool covered = info.resource_request
                       ? std::any_of(rule.resources.begin(), rule.resources.end(), [&](const FlowResourceRule& r) { return covers(r, info); })
                       : std::any_of(rule.paths.begin(), rule.paths.end(), [&](const FlowPathRule& r) { return covers(r, info); });
    if (covered) return true;
  }
  return false;
}

std::string_view FlowSchemaRules::flow_of(const Identity& user, const RequestInfo& info) const {
  if (distinguisher == Distinguisher::kByUser) return user.user;
  if (distinguisher == Distinguisher::kByNamespace) return info.ns;
  return {};
}

std::optional<PriorityLevel> PriorityLevel::of(const Document& level) {
  PriorityLevel out;
  out.name = level["metadata"]["name"].str();
  out.uid = level["metadata"]["uid"].str();
  Value spec = level["spec"], limited = spec["limited"];
  out.exempt = spec["type"].str() == "Exempt";
  if (out.exempt == limited.is_object() || out.exempt != (out.name == "exempt")) return std::nullopt;
  Value common = out.exempt ? spec["exempt"] : limited;
  out.shares = common["nominalConcurrencyShares"].integer();
  out.lendable_percent = std::clamp<int64_t>(common["lendablePercent"].integer(), 0, 100);
  if (Value limit = common["borrowingLimitPercent"]; limit.exists() && !limit.is_null()) out.borrowing_limit_percent = limit.integer();
  if (Value queuing = limited["limitResponse"]["queuing"]; limited["limitResponse"]["type"].str() == "Queue") {
    if (!queuing.is_object()) return std::nullopt;
    out.queues = std::max<int64_t>(1, queuing["queues"].integer());
    out.hand_size = std::clamp<int64_t>(queuing["handSize"].integer(), 1, std::min<int64_t>(kHandMax, out.queues));
    out.queue_length = std::max<int64_t>(1, queuing["queueLengthLimit"].integer());
  }
  return out;
}

std::vector<int64_t> deal_hand(uint64_t hash, int64_t queues, int64_t hand) {
  std::array<int64_t, kHandMax> drawn{};
  const size_t cards = std::min<size_t>(static_cast<size_t>(hand), kHandMax);
  std::vector<int64_t> out;
  for (size_t i = 0; i < cards; i++) {
    uint64_t left = static_cast<uint64_t>(queues) - i;
    drawn[i] = static_cast<int64_t>(hash % left);
    hash /= left;
  }
  // drawn[i] counts only the cards that were left when it was drawn.
  for (size_t i = 0; i < cards; i++) {
    int64_t card = drawn[i];
    for (size_t j = i; j > 0; j--) card += card >= drawn[j - 1];
    out.push_back(card);
  }
  return out;
}

// FNV-1a: which queues a flow gets must only be spread well.
uint64_t flow_hash(std::string_view schema, std::string_view flow) {
  uint64_t hash = 0xcbf29ce484222325;
  auto mix = [&hash](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  mix(schema);
  mix(flow);
  return hash ^ (hash >> 32);
}

}  // namespace bramble
