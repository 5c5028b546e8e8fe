// Proxy: keeps the node's nftables table equal to the cluster's Services and EndpointSlices. The whole table is written once at
// start, and again when somebody else has changed it; else one transaction a turn of the loop carries what changed. Owner's loop
// thread. State is the table itself, removed by down() only: a restart of bramble cuts no connection.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cni/nft/watch.h"
#include "core/client/client.h"
#include "core/loop/loop.h"
#include "core/proxy/rules.h"
#include "core/quarantine/quarantine.h"

namespace bramble {

class Proxy {
 public:
  struct Options {
    ProxyNetwork network;
    std::string service_range;  // "10.43.0.0/16": routed on this node, so that no default route is needed
    Quarantine* quarantine = nullptr;  // outlives the proxy; may be null
  };
  Proxy(Options options, Client& client);
  ~Proxy();
  Status start();
  Status down();  // removes the table and the route

 private:
  void on_change(const Change& change);
  void soon();     // one pass of sync() after this turn of the loop
  void sync();
  Status bring_up_to_date();
  void look_at_table();  // whether it is still ours
  ServicePorts wanted_ports(const ObjectKey& service);
  void write_change(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch);
  void settle_claims(const std::string& key, ServicePort* port);
  void release_claims(const std::string& key);
  void count_hairpins(const ServicePort* before, const ServicePort* after, std::map<std::string, int>* counts) const;

  Options options_;
  Client& client_;
  ServicePorts installed_;                        // what the table holds
  std::map<std::string, int> hairpins_;           // endpoint address -> how many installed ports have it
  std::map<std::string, std::string> claims_;     // "address/protocol/port" -> the port key that has it; first come, first served
  std::set<ObjectKey> denied_;                    // services that found something claimed
  std::set<ObjectKey> dirty_;
  bool rewrite_ = true;                           // the table must be written whole
  std::unique_ptr<Timer> timer_;
  int64_t backoff_ms_ = 0;
  int64_t mend_ms_ = 0, mended_us_ = 0;           // two that fight over the table do it with back-off
  std::unique_ptr<Subscription> subscription_;
  std::optional<NftWatch> table_;
  std::unique_ptr<FdWatch> table_watch_;
};

}  // namespace bramble
