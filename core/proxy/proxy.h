// Proxy: keeps the node's nftables table equal to the cluster's Services and EndpointSlices, as this node is to see them. The
// whole table is written once at start, and again when somebody else has changed it; else one transaction a turn of the loop
// carries what changed, and no work is done for the rest. Owner's loop thread. State is the table itself, removed by down() only:
// a restart of bramble cuts no connection.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cni/nft/watch.h"
#include "core/client/client.h"
#include "core/client/recorder.h"
#include "core/loop/loop.h"
#include "core/proxy/health_ports.h"
#include "core/proxy/rules.h"
#include "core/proxy/stale_flows.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

class Proxy {
 public:
  struct Options {
    ProxyNetwork network;
    std::string service_range;  // "10.43.0.0/16": routed on this node, so that no default route is needed
    Quarantine* quarantine = nullptr;  // outlives the proxy; may be null
    std::string node_name;             // for policies of locality; "": no endpoint is local
    const Clock* clock = nullptr;      // outlives the proxy; null: no Events
    std::function<bool()> known = {};  // false: the server, elsewhere, has not told of its Services yet; empty: it has
  };
  Proxy(Options options, Client& client);
  ~Proxy();
  Status start();
  Status down();  // removes the table and the route
  NftWatch* table_watch() { return table_ ? &*table_ : nullptr; }  // once started

 private:
  // A service port before and after the pass under way.
  struct Turn {
    std::optional<ServicePort> before, after;
  };
  using Turns = std::map<std::string, Turn>;

  void on_change(const Change& change);
  void on_slice(const Document& before, const Document& after);
  void on_node(const Document& node);
  void soon();     // one pass of sync() after this turn of the loop
  void sync();
  void take_all();
  Status bring_up_to_date();
  void look_at_table();  // whether it is still ours
  ServicePorts wanted_ports(const ObjectKey& service);
  void plan_service(const ObjectKey& service, Turns* turns);
  void write(const Turns& turns, NftBatch* batch);
  void settle_claims(const std::string& key, ServicePort* port);
  void release_claims(const std::string& key, const ServicePort& before, const ServicePort* after);
  void health_failed(const ObjectKey& service, uint16_t port, const Error& why);

  // How many installed ports have an address; what a pass changes in it is known before it is installed.
  struct Counts {
    std::map<std::string, int> now;
    std::map<std::string, int> change;
    void split(std::vector<std::string>* added, std::vector<std::string>* removed) const;
    void settle();
  };
  static void count(const std::vector<std::string>& addresses, int by, Counts* counts);

  Options options_;
  Client& client_;
  ProxyNode node_;
  ServicePorts installed_;                        // what the table holds
  Counts hairpins_, cluster_addresses_;
  std::map<std::string, std::string> claims_;     // "address/protocol/port" -> the port key that has it; first come, first served
  std::set<ObjectKey> denied_;                    // services that found something claimed
  std::set<ObjectKey> dirty_;
  std::map<ObjectKey, std::set<std::string>> slices_;  // service -> names of its EndpointSlices
  bool rewrite_ = true;                           // the table must be written whole
  std::unique_ptr<Timer> timer_;
  int64_t backoff_ms_ = 0;
  int64_t mend_ms_ = 0, mended_us_ = 0;           // two that fight over the table do it with back-off
  std::optional<Recorder> recorder_;
  HealthPorts health_;
  StaleFlows flows_;
  std::unique_ptr<Subscription> subscription_;
  std::optional<NftWatch> table_;
  std::unique_ptr<FdWatch> table_watch_;
};

}  // namespace bramble
