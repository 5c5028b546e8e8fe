// NetworkPolicies: keeps an nftables table of its own ("bramble-policy") equal to what the cluster's NetworkPolicies say of this
// node's pods, both ways. A pod that a policy concerns meets one chain, found by a map; pods with the same policies share it; what was
// begun goes on. The node reaches its own pods, and they it (probes, the cluster's DNS), whatever is said. While there is no policy,
// pods and namespaces are not even watched. Owner's loop thread. State is the table itself, removed by down() only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cni/nft/watch.h"
#include "core/client/client.h"
#include "core/loop/loop.h"
#include "core/proxy/policy_plan.h"
#include "core/proxy/table_part.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

class NetworkPolicies {
 public:
  struct Options {
    std::string table = "bramble-policy";
    std::string node_name;
    Quarantine* quarantine = nullptr;  // outlives this; may be null
  };
  // beside: the watch of a table whose changes are ours as well; may be null, outlives this.
  NetworkPolicies(Options options, Client& client, NftWatch* beside = nullptr);
  ~NetworkPolicies();
  Status start();
  Status down();  // removes the table
  // A pod of this node has got its addresses and not yet begun: what is said of it holds when this returns.
  void pod_networked(const Document& pod, const std::vector<std::string>& addresses);

 private:
  void on_policy(const Change& change);
  void on_pod(const Document& before, const Document& after);
  void on_namespace(const Change& change);
  void watch_pods(bool on);
  void soon();
  void sync();
  Status bring_up_to_date();
  void look_at_table();
  PolicyPod pod_of(const Document& pod) const;
  PolicyWorld world();
  const std::vector<PolicyPod>& pods_in(std::string_view ns);  // of the pass under way
  PolicyPlan plan_of(const ObjectKey& key);

  Options options_;
  Client& client_;
  NftWatch* beside_;
  std::map<ObjectKey, ReadPolicy> policies_;        // all there are
  std::map<std::string, std::vector<PolicyPod>, std::less<>> pass_pods_;  // by namespace, while a pass lasts
  std::map<ObjectKey, PolicyPlan> plans_;           // as the table has them
  std::map<std::string, std::string> in_, out_;     // raw address -> chain of its group, as the table has them
  std::map<std::string, std::set<ObjectKey>> groups_;  // chain -> its policies, as the table has them
  std::map<std::string, std::string> early_;        // uid of a pod -> raw address that its status does not tell yet
  std::set<ObjectKey> dirty_;
  bool rewrite_ = true;
  bool there_ = false;                              // the table
  std::unique_ptr<Timer> timer_;
  int64_t backoff_ms_ = 0;
  std::unique_ptr<Subscription> policy_watch_, pod_watch_;
  std::optional<NftWatch> table_;
  std::unique_ptr<FdWatch> table_watch_;
};

}  // namespace bramble
