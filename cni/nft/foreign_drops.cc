#include "cni/nft/foreign_drops.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <cstdio>  // libnftnl/expr.h needs FILE
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr uint32_t kSourceOffset = 12, kDestinationOffset = 16;  // of the IPv4 header

std::string family_name(uint32_t family) { return family == NFPROTO_INET ? "inet" : "ip"; }

struct Chain {
  bool base = false, drops = false;
  uint32_t hook = 0;
};

// What a rule takes of the pods' packets, when it asks for nothing else.
struct Rule {
  bool from_pods = false, to_pods = false;  // both: whatever it is
  bool accepts = false, drops = false;
  std::string to_chain;
};

struct Table {
  std::map<std::string, Chain> chains;
  std::map<std::string, std::vector<Rule>> rules;  // by chain
};
using Tables = std::map<std::pair<std::string, std::string>, Table>;  // by family and name

template <class F>
Status dump(uint16_t type, F each) {
  mnl_socket* s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (!s) return Error::from_errno(errno, "nftables");
  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> owner(s, mnl_socket_close);
  if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) return Error::from_errno(errno, "nftables");
  std::vector<char> buffer(64 * 1024);
  nlmsghdr* h = nftnl_nlmsg_build_hdr(buffer.data(), type, NFPROTO_UNSPEC, NLM_F_DUMP, 1);
  if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0) return Error::from_errno(errno, "nftables");
  auto call = [](const nlmsghdr* message, void* data) {
    (*static_cast<F*>(data))(message);
    return MNL_CB_OK;
  };
  for (;;) {
    ssize_t n = mnl_socket_recvfrom(s, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "nftables");
    int r = mnl_cb_run(buffer.data(), static_cast<size_t>(n), 1, mnl_socket_get_portid(s), call, &each);
    if (r < 0 && errno != EINTR) return Error::from_errno(errno, "nftables");  // EINTR: it changed meanwhile, and that is told
    if (r == MNL_CB_STOP) return ok();
  }
}

bool of_interest(uint32_t family, std::string_view table) { return (family == NFPROTO_IPV4 || family == NFPROTO_INET) && !table.starts_with("bramble"); }

void read_chain(const nlmsghdr* message, Tables* tables) {
  std::unique_ptr<nftnl_chain, void (*)(const nftnl_chain*)> c(nftnl_chain_alloc(), nftnl_chain_free);
  if (!c || nftnl_chain_nlmsg_parse(message, c.get()) < 0) return;
  const char *table = nftnl_chain_get_str(c.get(), NFTNL_CHAIN_TABLE), *name = nftnl_chain_get_str(c.get(), NFTNL_CHAIN_NAME);
  uint32_t family = nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_FAMILY);
  if (!table || !name || !of_interest(family, table)) return;
  Chain& out = (*tables)[{family_name(family), table}].chains[name];
  out.base = nftnl_chain_is_set(c.get(), NFTNL_CHAIN_HOOKNUM);
  if (!out.base) return;
  const char* type = nftnl_chain_get_str(c.get(), NFTNL_CHAIN_TYPE);
  if (type && std::string_view(type) != "filter") out.base = false;
  out.hook = nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_HOOKNUM);
  out.drops = nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_POLICY) == NF_DROP;
}

// Reads expressions from left to right. Whatever is not understood makes the rule one that takes only some.
class RuleReader {
 public:
  RuleReader(const IpPrefix& pods, const std::string& bridge) : pods_(pods), bridge_(bridge) {}

  Rule read(nftnl_rule* rule) {
    nftnl_expr_foreach(rule, [](nftnl_expr* e, void* self) {
      static_cast<RuleReader*>(self)->step(e);
      return 0;
    }, this);
    bool any = !narrow_ && !source_ && !destination_;
    rule_.from_pods = any || (!narrow_ && source_ && !destination_);
    rule_.to_pods = any || (!narrow_ && destination_ && !source_);
    return rule_;
  }

 private:
  enum Loaded { kNothing, kSource, kDestination, kInName, kOutName, kProtocolFamily };

  void step(nftnl_expr* e) {
    std::string_view name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
    if (name == "counter") return;
    if (name == "payload") return load_payload(e);
    if (name == "meta") return load_meta(e);
    if (name == "bitwise") return mask(e);
    if (name == "cmp") return compare(e);
    if (name == "immediate") return verdict(e);
    if (name == "reject") rule_.drops = true;
    else if (name == "match") {
      const char* what = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);
      if (!what || std::string_view(what) != "comment") narrow_ = true;
    } else if (name != "log") {
      narrow_ = true;
    }
  }

  void load_payload(nftnl_expr* e) {
    uint32_t offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
    bool network = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE) == NFT_PAYLOAD_NETWORK_HEADER;
    loaded_ = network && offset == kSourceOffset ? kSource : network && offset == kDestinationOffset ? kDestination : kNothing;
    if (loaded_ == kNothing) narrow_ = true;
    mask_.assign(nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN), '\xff');
  }
  void load_meta(nftnl_expr* e) {
    if (!nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG)) return;  // it sets a mark
    uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);
    loaded_ = key == NFT_META_IIFNAME ? kInName : key == NFT_META_OIFNAME ? kOutName : key == NFT_META_NFPROTO ? kProtocolFamily : kNothing;
    if (loaded_ == kNothing) narrow_ = true;
  }
  void mask(nftnl_expr* e) {
    uint32_t bytes = 0;
    auto* data = static_cast<const char*>(nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &bytes));
    if (!data || (loaded_ != kSource && loaded_ != kDestination)) narrow_ = true;
    else mask_.assign(data, bytes);
  }
  void compare(nftnl_expr* e) {
    uint32_t bytes = 0;
    auto* data = static_cast<const char*>(nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &bytes));
    std::string_view value(data ? data : "", data ? bytes : 0);
    bool equal = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ;
    Loaded what = std::exchange(loaded_, kNothing);
    bool is_bridge = (what == kInName || what == kOutName) && value.substr(0, value.find('\0')) == bridge_;
    bool is_pods = (what == kSource || what == kDestination) && covers_pods(value);
    if (what == kProtocolFamily && equal && !value.empty() && value[0] == NFPROTO_IPV4) return;
    if (!equal || (!is_bridge && !is_pods)) narrow_ = true;
    else (what == kSource || what == kInName ? source_ : destination_) = true;
  }
  // Whether each address of the pods' range passes the mask and the comparison.
  bool covers_pods(std::string_view value) const {
    if (value.size() > 4 || value.size() > mask_.size()) return false;
    for (size_t i = 0; i < value.size(); i++) {
      int bits = std::clamp(pods_.length - static_cast<int>(8 * i), 0, 8);
      auto known = static_cast<unsigned char>(0xff00 >> bits);
      auto mask = static_cast<unsigned char>(mask_[i]);
      if (mask & ~known || (pods_.bytes[i] & mask) != static_cast<unsigned char>(value[i])) return false;
    }
    return true;
  }
  void verdict(nftnl_expr* e) {
    if (!nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) return;
    int kind = static_cast<int>(nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT));
    if (kind == NF_ACCEPT) rule_.accepts = true;
    if (kind == NF_DROP) rule_.drops = true;
    if (kind == NFT_GOTO || kind == NFT_JUMP) {
      const char* chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
      rule_.to_chain = chain ? chain : "";
    }
  }

  const IpPrefix& pods_;
  const std::string& bridge_;
  Rule rule_;
  Loaded loaded_ = kNothing;
  std::string mask_;
  bool narrow_ = false, source_ = false, destination_ = false;
};

void read_rule(const nlmsghdr* message, const IpPrefix& pods, const std::string& bridge, Tables* tables) {
  std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)> r(nftnl_rule_alloc(), nftnl_rule_free);
  if (!r || nftnl_rule_nlmsg_parse(message, r.get()) < 0) return;
  const char *table = nftnl_rule_get_str(r.get(), NFTNL_RULE_TABLE), *chain = nftnl_rule_get_str(r.get(), NFTNL_RULE_CHAIN);
  uint32_t family = nftnl_rule_get_u32(r.get(), NFTNL_RULE_FAMILY);
  if (!table || !chain || !of_interest(family, table)) return;
  (*tables)[{family_name(family), table}].rules[chain].push_back(RuleReader(pods, bridge).read(r.get()));
}

bool takes_all(const Rule& r) { return r.from_pods && r.to_pods; }

// By policy, or because the last rule leaves nothing.
bool drops_the_rest(const Table& table, const std::string& name, const Chain& chain) {
  auto rules = table.rules.find(name);
  if (rules == table.rules.end() || rules->second.empty()) return chain.drops;
  const Rule& last = rules->second.back();
  if (takes_all(last) && last.accepts) return false;
  return chain.drops || (takes_all(last) && last.drops);
}

std::string owner_of(const std::string& table_name, const Table& table) {
  for (const auto& [name, chain] : table.chains) {
    if (name.starts_with("ufw-")) return "ufw";
    if (name == "DOCKER-USER") return "Docker";
  }
  return table_name == "firewalld" ? "firewalld" : "";
}

}  // namespace

Result<std::vector<ForeignDrop>> find_foreign_drops(const IpPrefix& pods, const std::string& bridge) {
  Tables tables;
  TRY(dump(NFT_MSG_GETCHAIN, [&](const nlmsghdr* m) { read_chain(m, &tables); }));
  TRY(dump(NFT_MSG_GETRULE, [&](const nlmsghdr* m) { read_rule(m, pods, bridge, &tables); }));
  std::vector<ForeignDrop> out;
  for (const auto& [key, table] : tables) {
    std::set<std::string> accepting;  // chains that take whatever reaches them
    for (const auto& [chain, rules] : table.rules)
      for (const Rule& r : rules)
        if (takes_all(r) && r.accepts) accepting.insert(chain);
    bool from = false, to = false;
    for (const auto& [chain, rules] : table.rules) {
      auto base = table.chains.find(chain);
      if (base != table.chains.end() && base->second.base && base->second.hook != NF_INET_FORWARD && base->second.hook != NF_INET_LOCAL_IN) continue;
      for (const Rule& r : rules) {
        if (takes_all(r)) continue;
        bool accepts = r.accepts || (!r.to_chain.empty() && accepting.contains(r.to_chain));
        from = from || (accepts && r.from_pods);
        to = to || (accepts && r.to_pods);
      }
    }
    for (const auto& [name, chain] : table.chains) {
      bool forward = chain.hook == NF_INET_FORWARD;
      if (!chain.base || (!forward && chain.hook != NF_INET_LOCAL_IN) || !drops_the_rest(table, name, chain)) continue;
      if (from && (to || !forward)) continue;
      out.push_back({key.first, key.second, name, forward, owner_of(key.second, table)});
    }
  }
  return out;
}

std::string mending_commands(const ForeignDrop& d, const IpPrefix& pods) {
  std::string range = pods.network().text();
  auto twice = [&](std::string_view from, std::string_view to, std::string_view end) {
    std::string one = cat(from, range, end);
    return d.forward ? cat(one, " && ", to, range, end) : one;
  };
  if (d.owner == "ufw") return d.forward ? twice("ufw route allow from ", "ufw route allow to ", "") : cat("ufw allow from ", range, " && ufw allow 8472/udp");
  if (d.owner == "firewalld") return cat("firewall-cmd --permanent --zone=trusted --add-source=", range, " && firewall-cmd --reload");
  if (d.owner == "Docker" && d.forward) return twice("iptables -I DOCKER-USER -s ", "iptables -I DOCKER-USER -d ", " -j ACCEPT");
  if (d.family == "ip" && d.table == "filter") return twice(cat("iptables -I ", d.chain, " -s "), cat("iptables -I ", d.chain, " -d "), " -j ACCEPT");
  std::string rule = cat("nft insert rule ", d.family, " ", d.table, " ", d.chain, " ip ");
  return twice(rule + "saddr ", rule + "daddr ", " accept");
}

}  // namespace bramble
